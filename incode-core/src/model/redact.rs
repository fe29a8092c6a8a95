//! `Debug` for values that hold personal data, or secrets.

/// Shows the fields under `show`, and of those under `hide` only whether they are present.
macro_rules! redacted_debug {
    ($name:ident { show: [$($show:ident),*], hide: [$($hide:ident),*] }) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut fields = f.debug_struct(stringify!($name));
                $(fields.field(stringify!($show), &self.$show);)*
                $(if self.$hide.is_some() {
                    fields.field(stringify!($hide), &format_args!(".."));
                })*
                fields.finish()
            }
        }
    };
}
pub(crate) use redacted_debug;

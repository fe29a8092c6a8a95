/// Declares an enum whose variants have a name each: the name stands beside its variant, once.
///
/// `as_str` gives the name. With `all` the constant `ALL` lists every variant, for `parse` and for lists.
macro_rules! named {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }
        $(#[$as_str:meta])* as_str,
    ) => {
        $(#[$meta])*
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            $(#[$as_str])*
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }
        $(#[$as_str:meta])* as_str,
        $(#[$all:meta])* $vis:vis all,
    ) => {
        named! {
            $(#[$meta])*
            pub enum $name { $($(#[$variant_meta])* $variant = $text,)+ }
            $(#[$as_str])* as_str,
        }

        impl $name {
            $(#[$all])*
            $vis const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];
        }
    };
}

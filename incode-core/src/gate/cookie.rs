/// The value of the cookie `name` in one `Cookie` header, found byte by byte: no map, no allocation.
///
/// `Err` when the name occurs twice: whoever can set a second cookie must not choose which one is read.
pub(super) fn find<'a>(header: &'a [u8], name: &[u8]) -> Result<Option<&'a [u8]>, Ambiguous> {
    let mut found = None;
    for pair in header.split(|byte| *byte == b';') {
        let Some(rest) = pair.trim_ascii().strip_prefix(name) else { continue };
        let Some(value) = rest.strip_prefix(b"=") else { continue };
        if found.replace(value).is_some() {
            return Err(Ambiguous);
        }
    }
    Ok(found)
}

/// The same cookie came twice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ambiguous;

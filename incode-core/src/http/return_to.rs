use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use url::Url;

/// Longest way back, in bytes: it travels inside the correlation id, and URLs should stay short.
pub(crate) const MAX_LEN: usize = 512;

/// True for a path on this host: what a person may be sent back to.
///
/// Browsers read `//evil`, `/\evil` and `/<tab>/evil` as another host, and something on the way may decode once more, or
/// twice: so a target is refused when it, or what it decodes to, could lead to another host. An application's own login or step-up page checks
/// its `return_to` with this before it redirects there.
///
/// ```
/// use incode_core::http::is_local_path;
/// assert!(is_local_path("/vault?page=2"));
/// assert!(!is_local_path("//evil.example") && !is_local_path("/%5Cevil.example") && !is_local_path("https:evil"));
/// ```
pub fn is_local(target: &str) -> bool {
    if target.len() > MAX_LEN {
        return false;
    }
    is_plain(target) || is_local_however_read(target)
}

/// A path that every parser reads in one way. Most paths are, and the full check costs fifty times as much.
fn is_plain(target: &str) -> bool {
    let means_itself = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~?&=".contains(&byte);
    // What may come behind a slash is no slash and no full stop; behind anything else it may be both.
    let mut after_slash = false;
    target.starts_with('/')
        && target.bytes().all(|byte| {
            let is_fine = means_itself(byte) || (matches!(byte, b'/' | b'.') && !after_slash);
            after_slash = byte == b'/';
            is_fine
        })
}

fn is_local_however_read(target: &str) -> bool {
    let mut read = Cow::Borrowed(target);
    for _ in 0..MOST_DECODINGS {
        if !stays(&read) || !resolves_here(&read) {
            return false;
        }
        let decoded = percent_decode_str(&read).decode_utf8_lossy().into_owned();
        if decoded == read {
            return true;
        }
        read = Cow::Owned(decoded);
    }
    false
}

/// A way back as a `Location` can carry it: a header that is not ASCII would be left out, and the person with it.
pub(crate) fn location(target: &str) -> String {
    utf8_percent_encode(target, NOT_IN_A_LOCATION).to_string()
}

fn stays(target: &str) -> bool {
    let mut bytes = target.bytes();
    bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'/' | b'\\'))
        && !target.chars().any(|char| char.is_control() || char == '\\')
}

/// A second opinion from a parser that reads URLs as browsers do.
fn resolves_here(target: &str) -> bool {
    let Ok(here) = Url::parse("https://here.invalid/") else { return false };
    // `/.//evil` is local, but becomes `//evil` where a proxy normalises paths.
    here.join(target).is_ok_and(|url| url.origin() == here.origin() && !url.path().starts_with("//"))
}

/// Beside what is not ASCII, which is always encoded.
const NOT_IN_A_LOCATION: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

/// More layers of encoding than an honest target has.
const MOST_DECODINGS: usize = 5;

#[cfg(test)]
mod tests;

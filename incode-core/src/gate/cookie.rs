/// The value of the cookie `name` in one `Cookie` header: no map, no allocation, and each byte looked at about once.
///
/// `Err` when the name occurs twice with different values: a program that can set a second cookie must not choose which one
/// is read. The same value twice is one: browsers send it so when a cookie was set for two paths.
pub(super) fn find<'a>(header: &'a [u8], name: &[u8]) -> Result<Option<&'a [u8]>, Ambiguous> {
    let mut found = None;
    let mut rest = Some(header);
    while let Some(pairs) = rest {
        let (pair, after) = split_at_semicolon(pairs);
        rest = after;
        let pair = pair.trim_ascii_start();
        // Most cookies are of another name, and most of those begin with another letter.
        if pair.first() != name.first() {
            continue;
        }
        let Some(value) = pair.strip_prefix(name) else { continue };
        let Some(value) = value.strip_prefix(b"=") else { continue };
        let value = value.trim_ascii_end();
        if found.replace(value).is_some_and(|before| before != value) {
            return Err(Ambiguous);
        }
    }
    Ok(found)
}

/// Eight bytes at a time: cookies are long, and every gated request has them searched.
fn split_at_semicolon(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let (words, tail) = bytes.as_chunks::<8>();
    let in_words = words.iter().enumerate().find_map(|(at, word)| {
        let marks = zero_bytes(u64::from_le_bytes(*word) ^ SEMICOLONS);
        // The lowest mark is always right; those above it may be carries.
        (marks != 0).then(|| at * 8 + (marks.trailing_zeros() / 8) as usize)
    });
    let in_tail = || tail.iter().position(|byte| *byte == b';').map(|at| words.len() * 8 + at);
    match in_words.or_else(in_tail).and_then(|at| bytes.split_at_checked(at)) {
        Some((pair, after)) => (pair, after.get(1..)),
        None => (bytes, None),
    }
}

/// The top bit of each byte that is zero, and perhaps of bytes above the first one.
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(LOW_BITS) & !word & (LOW_BITS << 7)
}

const LOW_BITS: u64 = u64::from_ne_bytes([1; 8]);
const SEMICOLONS: u64 = u64::from_ne_bytes([b';'; 8]);

/// The same cookie came twice, with two values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ambiguous;

#[cfg(test)]
mod tests;

/// The media types that an answer can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Html,
    Json,
}

/// A media range of an `Accept` header that names HTML or JSON, with its weight in thousandths. A wildcard names
/// neither: it shows no preference. A range with an invalid weight is ignored.
pub(super) fn read(range: &[u8]) -> Option<(Kind, u16)> {
    let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let media_type = parts.next()?;
    let is = |name: &str| media_type.eq_ignore_ascii_case(name.as_bytes());
    let kind = if is("text/html") || is("application/xhtml+xml") {
        Kind::Html
    } else if is("application/json") || is("application/problem+json") {
        Kind::Json
    } else {
        return None;
    };
    let weight = parts.find_map(|part| part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q=")));
    Some((kind, weight.map_or(Some(1000), thousandths)?))
}

/// `0`, `1`, or either with up to three digits behind a point, as RFC 9110 writes weights.
pub(super) fn thousandths(weight: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(weight).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1") || fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{whole}{fraction:0<3}").parse().ok()?;
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests;

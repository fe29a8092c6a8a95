/// What an `Authorization` header says after this scheme, whose case does not matter (RFC 9110, section 11.1), and any
/// blanks; nothing when it is of another scheme.
pub(crate) fn credentials<'a>(authorization: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (presented, rest) = authorization.trim_ascii().split_at_checked(scheme.len())?;
    let is_it = presented.eq_ignore_ascii_case(scheme.as_bytes()) && rest.first().is_none_or(|byte| *byte == b' ');
    is_it.then(|| rest.trim_ascii_start())
}

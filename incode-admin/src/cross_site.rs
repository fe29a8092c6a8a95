use incode_core::adapter::{Field, Problem, RequestHead};

/// Refuses what another site makes a person's browser send, with the cookie or password that passes the guard.
///
/// Browsers say where a request comes from: `Sec-Fetch-Site` on https and loopback, `Origin` on every POST. No site
/// can make a browser leave out both, and a caller that is no browser needs no such protection.
pub(super) fn check(head: &dyn RequestHead) -> Result<(), Problem> {
    let same = match head.header("sec-fetch-site") {
        Field::One(site) => matches!(site, b"same-origin" | b"none"),
        Field::Many => false,
        Field::Missing => match head.header("origin") {
            Field::Missing => true,
            Field::Many => false,
            Field::One(origin) => head.header("host").one().is_some_and(|host| is_of(origin, host)),
        },
    };
    if same {
        return Ok(());
    }
    Err(Problem::new(403, "cross_site", "Refused", "This request was made by another site."))
}

/// True when the origin has this host and port. The scheme is not known here: a proxy may have taken TLS off.
fn is_of(origin: &[u8], host: &[u8]) -> bool {
    let authority = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

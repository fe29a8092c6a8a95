use incode_core::adapter::{Field, Problem, RequestHead};

/// Refuses a request that another site made a browser send, with the cookie or password that passes the guard.
///
/// Browsers say where a request comes from: in `Sec-Fetch-Site` on https and loopback, in `Origin` on every POST. No page
/// can make a browser leave out both. A client that sends neither is not a browser, and needs no such protection.
pub(super) fn check(head: &dyn RequestHead) -> Result<(), Problem> {
    let same = match head.header("sec-fetch-site") {
        Field::One(site) => matches!(site, b"same-origin" | b"none"),
        Field::Many => false,
        Field::Missing => match head.header("origin") {
            Field::Missing => true,
            Field::Many => false,
            Field::One(origin) => host(head).is_some_and(|host| is_of(origin, host)),
        },
    };
    if same {
        return Ok(());
    }
    Err(Problem::new(403, "cross_site", "Refused", "This request was made by another site."))
}

/// Host and port that the client asked for: of `Host`, or of `:authority` over HTTP/2. `None` when neither is there, or
/// when they differ: then a proxy and this process could each mean another host, and the request is refused.
fn host(head: &dyn RequestHead) -> Option<&[u8]> {
    let authority = head.authority().map(str::as_bytes);
    match (head.header("host"), authority) {
        (Field::Many, _) => None,
        (Field::Missing, authority) => authority,
        (Field::One(host), None) => Some(host),
        (Field::One(host), Some(authority)) => host.eq_ignore_ascii_case(authority).then_some(host),
    }
}

/// True when the origin has this host and port. The scheme is not known here: a proxy may have taken TLS off.
fn is_of(origin: &[u8], host: &[u8]) -> bool {
    let authority = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

//! Refuses cross-site requests to the control page and API, which have no password. Without these checks a page that the
//! developer visits could read and change the sandbox: by a form (`Origin`), or by a DNS name that points to loopback
//! (`Host`).

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use url::Url;

use crate::vendor::Vendor;

/// Passes a request whose `Host` is known and whose `Origin`, where it has one, is that host; otherwise 403.
pub(crate) async fn require_known_host(State(vendor): State<Arc<Vendor>>, request: Request, next: Next) -> Response {
    let refused = match host(&request) {
        Some(host) if is_known(&host, &vendor.settings.allowed_hosts) => require_same_origin_as(&host, &request),
        _ => Some("the Host of the request is not a loopback address or an allowed host"),
    };
    answer(refused, request, next).await
}

/// Passes a request whose `Origin`, where it has one, is its `Host`; otherwise 403.
pub(crate) async fn require_same_origin(request: Request, next: Next) -> Response {
    let refused = match host(&request) {
        Some(host) => require_same_origin_as(&host, &request),
        None => Some("the request has no Host"),
    };
    answer(refused, request, next).await
}

/// The answer of the inner service, or 403 with the reason.
async fn answer(refused: Option<&'static str>, request: Request, next: Next) -> Response {
    match refused {
        None => next.run(request).await,
        Some(reason) => (StatusCode::FORBIDDEN, Json(json!({ "error": reason }))).into_response(),
    }
}

/// The reason to refuse, where the `Origin` is another one. A request without `Origin` passes: programs send none, and a
/// browser sends it with each form and each script's request that could change anything.
fn require_same_origin_as(host: &Authority, request: &Request) -> Option<&'static str> {
    let refused = Some("the Origin of the request is not this host");
    match single(request.headers(), &header::ORIGIN) {
        Ok(None) => None,
        Ok(Some(origin)) if is_same(origin, host) => None,
        _ => refused,
    }
}

/// The host that the client asked for. Where the request line names one, the header must agree.
fn host(request: &Request) -> Option<Authority> {
    let header: Authority = single(request.headers(), &header::HOST).ok()??.parse().ok()?;
    let agrees = request.uri().authority().is_none_or(|authority| *authority == header);
    // A user part is no host, and parsers disagree about it.
    (agrees && !header.as_str().contains('@')).then_some(header)
}

/// A header sent at most once, as text; `Err` otherwise.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(drop),
        _ => Err(()),
    }
}

/// A loopback name or address, or one of `allowed`. The port does not count: it may be forwarded.
fn is_known(host: &Authority, allowed: &[String]) -> bool {
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let loopback = name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let localhost = name == "localhost" || name.ends_with(".localhost");
    loopback || localhost || allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(&name))
}

/// Whether an `Origin` is this host and port. The scheme may be https, as a proxy may end TLS.
fn is_same(origin: &str, host: &Authority) -> bool {
    let Ok(origin) = Url::parse(origin) else { return false };
    if !matches!(origin.scheme(), "http" | "https") {
        return false;
    }
    let port = host.port_u16().or(match origin.scheme() {
        "https" => Some(443),
        _ => Some(80),
    });
    origin.host_str().is_some_and(|name| name.eq_ignore_ascii_case(host.host()))
        && origin.port_or_known_default() == port
}

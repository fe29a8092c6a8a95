//! Fault injection: an answer in place of the usual one, or a change of it.

use std::future::pending;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use futures_util::stream;

use crate::errors::ApiError;
use crate::faults::{Effect, Fault, RetryAfter};
use crate::server::Reset;
use crate::vendor::Vendor;

/// The answer under this fault. `usual` is polled only where the effect needs the usual answer.
pub(crate) async fn inject(
    vendor: &Vendor,
    fault: Fault,
    usual: impl Future<Output = Response>,
    path: &str,
) -> Response {
    if fault.held {
        vendor.released_since(fault.releases_before).await;
    }
    if fault.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
    }
    match fault.effect {
        Effect::Delay => usual.await,
        Effect::Status { status, retry_after } => refused(vendor, code(status), retry_after.as_deref(), path),
        Effect::TooManyRequests { retry_after } => {
            let retry_after = match retry_after {
                RetryAfter::Absent => None,
                RetryAfter::Seconds { seconds } => Some(seconds.to_string()),
                RetryAfter::Date { seconds } => vendor.http_date(seconds),
                RetryAfter::Text { text } => Some(text),
            };
            refused(vendor, StatusCode::TOO_MANY_REQUESTS, retry_after.as_deref(), path)
        }
        Effect::Stall => pending().await,
        Effect::Reset => (axum::Extension(Reset), ()).into_response(),
        Effect::Trickle { interval_ms } => trickle(usual.await, Duration::from_millis(interval_ms)).await,
        Effect::Truncated => truncated(usual.await).await,
        Effect::Answer { status, headers, body, base64 } => {
            let headers = headers.iter().filter_map(|(name, value)| header_pair(name, value)).collect::<HeaderMap>();
            let body = if base64 { BASE64.decode(body.as_bytes()).unwrap_or_default() } else { body.into_bytes() };
            (code(status), headers, Body::from(body)).into_response()
        }
        Effect::Html => {
            let page = "<!doctype html><title>Gateway</title><h1>We'll be right back</h1>";
            ([(header::CONTENT_TYPE, "text/html")], page).into_response()
        }
        Effect::Empty => StatusCode::OK.into_response(),
        Effect::Redirect { location } => {
            let headers = header_pair("location", &location).into_iter().collect::<HeaderMap>();
            (StatusCode::FOUND, headers).into_response()
        }
        Effect::Huge { bytes } => huge(bytes),
    }
}

/// The documented error body with this status, and `Retry-After` where the text can be sent.
fn refused(vendor: &Vendor, status: StatusCode, retry_after: Option<&str>, path: &str) -> Response {
    let mut response = ApiError::new(status, "A fault was asked for").response(path, vendor.now());
    if let Some((name, value)) = retry_after.and_then(|value| header_pair("retry-after", value)) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// The answer, one byte after each interval. Clients with a read timeout per byte wait for all of it.
async fn trickle(response: Response, interval: Duration) -> Response {
    let (parts, body) = whole(response).await;
    let bytes = stream::unfold(body, move |mut left| async move {
        if left.is_empty() {
            return None;
        }
        tokio::time::sleep(interval).await;
        let byte = left.split_to(1);
        Some((Ok::<_, io::Error>(byte), left))
    });
    Response::from_parts(parts, Body::from_stream(bytes))
}

/// The first half of the answer, with the `Content-Length` of the whole. Then the connection is closed.
async fn truncated(response: Response) -> Response {
    let (mut parts, mut body) = whole(response).await;
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let half = body.split_to(body.len() / 2);
    let cut = [Ok(half), Err(io::Error::from(io::ErrorKind::UnexpectedEof))];
    // A pause lets the first half leave before the connection is closed.
    let bytes = stream::unfold(cut.into_iter(), |mut left| async move {
        let next = left.next()?;
        if next.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Some((next, left))
    });
    Response::from_parts(parts, Body::from_stream(bytes))
}

/// 200 with JSON that begins like userinfo and then goes on for `bytes` bytes. It is made in chunks of 64 KiB.
fn huge(bytes: u64) -> Response {
    let start = Bytes::from_static(br#"{"status":"ACTIVE","padding":""#);
    let chunks = stream::unfold((start, bytes), |(next, left)| async move {
        if next.is_empty() {
            return None;
        }
        let length = left.min(64 * 1024);
        let filler = vec![b'x'; usize::try_from(length).unwrap_or(0)];
        Some((Ok::<_, io::Error>(next), (Bytes::from(filler), left - length)))
    });
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(chunks)).into_response()
}

/// The head without `Content-Length`, and all bytes of the body.
async fn whole(response: Response) -> (axum::http::response::Parts, Bytes) {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    // The usual answer is in memory already, so reading it can't fail.
    (parts, to_bytes(body, usize::MAX).await.unwrap_or_default())
}

/// A status; 500 where the number is none.
fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A header, where both texts can be sent.
fn header_pair(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((name.parse().ok()?, value.parse().ok()?))
}

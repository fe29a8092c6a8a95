use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Bytes;
use incode_core::adapter::Reply;

/// Core's reply as a response. What core writes is always legal; a status that is not becomes 500, and a header that
/// is not is left out.
pub fn response(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::with_body(status, BoxBody::new(reply.body));
    for (name, value) in reply.headers {
        if let (Ok(name), Some(value)) = (HeaderName::from_bytes(name.as_bytes()), header_value(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Taken over as it is: most values are written in the program, and need no copy.
fn header_value(value: Cow<'static, str>) -> Option<HeaderValue> {
    // Of what is not ASCII a header may hold anything, and core's is text.
    if !value.is_ascii() {
        return None;
    }
    let bytes = match value {
        Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
        Cow::Owned(text) => Bytes::from(text),
    };
    HeaderValue::from_maybe_shared(bytes).ok()
}

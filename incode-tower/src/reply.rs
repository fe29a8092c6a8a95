use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use incode_core::adapter::Reply;

/// Core's reply as a response. A header that is not legal is left out.
pub fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        // An application's own rendering may name anything, so neither half is taken for legal.
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

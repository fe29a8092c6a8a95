//! `POST authenticate` (spec: Face Authentication).

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use data_encoding::BASE64;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::deliveries::EventKind;
use crate::errors::ApiError;
use crate::person::merge;
use crate::vendor::{EventOrigin, Vendor};

/// The JSON answer of the call. It also stores the authentication, and sends its event where a target is set.
///
/// A pass carries a token and the verification that enrolled the face. A fail carries a `failureReason` and no token; the
/// HTTP status is 200 for both.
///
/// # Errors
/// 400 for a body that is no such JSON, 413 for a body over 10 MiB.
pub(crate) async fn authenticate(vendor: &Arc<Vendor>, request: Request) -> Result<Value, ApiError> {
    let body = read(request.into_body()).await?;
    let body: Value = serde_json::from_slice(&body).map_err(|_| bad("The body is not JSON"))?;
    let image = body.pointer("/face/base64Image").and_then(Value::as_str);
    let image = image.ok_or(bad("face.base64Image is required"))?;
    let image = BASE64.decode(image.as_bytes()).ok().filter(|image| !image.is_empty());
    let image = image.ok_or(bad("face.base64Image is not base64"))?;
    let source = match body.get("source") {
        None | Some(Value::Null) => None,
        Some(Value::String(source)) => Some(source.as_str()),
        Some(_) => return Err(bad("source must be a string")),
    };
    let (found, correlation_id) = {
        let context = vendor.issue_context();
        let mut world = vendor.world();
        (world.authenticate(&image, source, &context), world.id())
    };
    let mut answer = json!({ "correlationId": correlation_id, "authenticationId": found.id, "status": "FAIL" });
    if let Some(source) = source {
        merge(&mut answer, &json!({ "source": source }));
    }
    match &found.pass {
        Some((token, verification)) => {
            merge(&mut answer, &json!({ "status": "PASS", "token": token, "verificationId": verification }));
        }
        None => merge(&mut answer, &json!({ "failureReason": found.failure_reason.unwrap_or("otherError") })),
    }
    if vendor.settings.automatic_events && vendor.target().url(EventKind::Authentication).is_some() {
        let token = found.pass.as_ref().map(|(token, _)| token.as_str());
        // The authentication was made above, so it is found.
        let _ = vendor.send_event_of(EventKind::Authentication, &found.id, EventOrigin { correlation_id: None, token });
    }
    Ok(answer)
}

/// The body, up to the vendor's 10 MiB. Of a longer one up to 40 MiB are read and dropped, because most clients read
/// the answer only after they have sent everything.
async fn read(mut body: Body) -> Result<Bytes, ApiError> {
    let mut kept = Vec::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| bad("The body ended early"))?;
        let Ok(data) = frame.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length <= LARGEST_BODY {
            kept.extend_from_slice(&data);
        } else if length > LARGEST_BODY * 4 {
            break;
        }
    }
    if length > LARGEST_BODY {
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 10 MiB"));
    }
    Ok(kept.into())
}

/// The refusal of a body.
const fn bad(message: &'static str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, message)
}

// The vendor's documented limit, 10 MiB.
const LARGEST_BODY: usize = 10 * 1024 * 1024;

//! The headers that every call needs (spec: API Headers), as strict as the text.

use axum::http::{HeaderMap, StatusCode, header};

use crate::errors::ApiError;

/// Checks `api-version`, `x-api-key`, `Accept`, `Content-Type`, in this order.
///
/// # Errors
/// 400, 403, 406 or 400, of the first header that is wrong. A header sent twice is wrong.
pub(crate) fn headers(headers: &HeaderMap, api_key: &str) -> Result<(), ApiError> {
    if single(headers, "api-version") != Some("1.0") {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "Header api-version must be 1.0"));
    }
    if single(headers, "x-api-key") != Some(api_key) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "Invalid or missing api key"));
    }
    if !accepts_json(headers) {
        return Err(ApiError::new(StatusCode::NOT_ACCEPTABLE, "Only application/json is served"));
    }
    if !is_json(single(headers, header::CONTENT_TYPE.as_str())) {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "Content-Type must be application/json"));
    }
    Ok(())
}

/// The token in `X-Incode-Hardware-Id`. The call itself checks that it is alive.
pub(crate) fn token(headers: &HeaderMap) -> Result<&str, ApiError> {
    single(headers, "x-incode-hardware-id").filter(|token| !token.is_empty()).ok_or(BAD_TOKEN)
}

/// A header sent exactly once, as text.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// Whether a `Content-Type` is JSON; parameters such as `charset` do not count.
fn is_json(kind: Option<&str>) -> bool {
    kind.and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Whether `Accept` allows JSON. The most specific range decides; `q=0` excludes.
fn accepts_json(headers: &HeaderMap) -> bool {
    let mut best: Option<(u8, bool)> = None;
    let mut any = false;
    for value in headers.get_all(header::ACCEPT) {
        any = true;
        let Ok(value) = value.to_str() else { continue };
        for range in value.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let specificity = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "application/json" => 3,
                "application/*" => 2,
                "*/*" => 1,
                _ => continue,
            };
            let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let wanted = quality.and_then(|q| q.trim().parse::<f32>().ok()).is_none_or(|q| q > 0.0);
            if best.is_none_or(|(known, _)| specificity > known) {
                best = Some((specificity, wanted));
            }
        }
    }
    if any { best.is_some_and(|(_, wanted)| wanted) } else { true }
}

/// The refusal of a token that is missing, unknown or expired. The document has one status for all three.
pub(crate) const BAD_TOKEN: ApiError = ApiError::new(StatusCode::UNAUTHORIZED, "Invalid or missing access token");

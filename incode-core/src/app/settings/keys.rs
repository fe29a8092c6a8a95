//! Binary values as text.

use data_encoding::{BASE64_NOPAD, HEXLOWER_PERMISSIVE};

use crate::{ConfigError, Secret};

use super::variables::Setting;

/// Newest first, each 32 bytes or more in base64.
pub(super) fn keys(setting: &Setting) -> Result<Vec<Secret>, ConfigError> {
    setting.list().into_iter().map(|text| key(setting.name, text)).collect()
}

fn key(name: &'static str, text: &str) -> Result<Secret, ConfigError> {
    let bytes =
        base64(text).ok_or_else(|| ConfigError::new(name, "is not base64: write 32 random bytes or more in it"))?;
    if bytes.len() < SHORTEST_KEY {
        return Err(ConfigError::insecure(name, "is shorter than 32 bytes: write 32 random bytes or more in base64"));
    }
    Ok(Secret::new(bytes))
}

/// A secret of a signature: text as it is, or bytes behind `base64:` or `hex:`.
pub(super) fn signing_key(name: &'static str, text: &str) -> Result<Secret, ConfigError> {
    let bytes = if let Some(text) = text.strip_prefix("base64:") {
        base64(text)
    } else if let Some(text) = text.strip_prefix("hex:") {
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
    } else {
        return Ok(Secret::from(text));
    };
    let wrong = "holds a secret whose text is not what its beginning (base64: or hex:) says";
    bytes.map(Secret::new).ok_or(ConfigError::new(name, wrong))
}

/// Base64 of either alphabet (RFC 4648, sections 4 and 5), padded or not: `openssl rand -base64 32` and the URL-safe
/// tools write the same bytes.
fn base64(text: &str) -> Option<Vec<u8>> {
    let bare = text.trim_end_matches('=');
    // Padding fills up to a multiple of four, or is left out.
    if bare.len() != text.len() && (!text.len().is_multiple_of(4) || text.len() - bare.len() > 2) {
        return None;
    }
    let is_url_safe = bare.contains(['-', '_']);
    if is_url_safe && bare.contains(['+', '/']) {
        return None;
    }
    let standard: String = bare
        .chars()
        .map(|char| match char {
            '-' => '+',
            '_' => '/',
            char => char,
        })
        .collect();
    BASE64_NOPAD.decode(standard.as_bytes()).ok()
}

/// What seals and signs is as strong as its key: 256 bits.
const SHORTEST_KEY: usize = 32;

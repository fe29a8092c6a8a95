//! A session token as Clerk issues it, signed with a key that is made anew for each run.

use std::process::Command;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use clerk_rs::validators::authorizer::ClerkError;
use clerk_rs::validators::axum::ClerkLayer;
use clerk_rs::validators::jwks::{JwksKey, JwksProvider};
use data_encoding::{BASE64URL_NOPAD, HEXUPPER};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

pub(crate) struct OwnKey;

#[async_trait]
impl JwksProvider for OwnKey {
    type Error = ClerkError;

    async fn get_key(&self, _: &str) -> Result<JwksKey, ClerkError> {
        Ok(KEY.1.clone())
    }
}

pub(crate) fn layer() -> ClerkLayer<OwnKey> {
    ClerkLayer::new(OwnKey, None, true)
}

pub(crate) fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({
        "azp": "https://app.example", "iss": "https://clerk.app.example", "sid": "sess_0000000000000000000000000",
        "sub": "user_0000000000000000000000000", "iat": now, "nbf": now - 60, "exp": now + 3600,
    });
    let header = Header { kid: Some("a-key".to_owned()), ..Header::new(Algorithm::RS256) };
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_rsa_pem(KEY.0.as_bytes()).unwrap()).unwrap()
}

/// PEM, and the public half of it.
static KEY: LazyLock<(String, JwksKey)> = LazyLock::new(|| {
    let pem = openssl(&["genrsa", "-traditional", "2048"], "");
    let modulus = openssl(&["rsa", "-noout", "-modulus"], &pem);
    let modulus = HEXUPPER.decode(modulus.trim().strip_prefix("Modulus=").unwrap().as_bytes()).unwrap();
    let key = JwksKey {
        use_key: "sig".to_owned(),
        kty: "RSA".to_owned(),
        kid: "a-key".to_owned(),
        alg: "RS256".to_owned(),
        n: BASE64URL_NOPAD.encode(&modulus),
        e: "AQAB".to_owned(),
    };
    (pem, key)
});

fn openssl(arguments: &[&str], input: &str) -> String {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl makes the key");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

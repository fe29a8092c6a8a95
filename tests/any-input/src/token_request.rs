use std::sync::LazyLock;

use data_encoding::BASE64;
use incode_core::http::Reply;
use incode_core::testing::ManualClock;
use incode_core::testing::signer::OAuthClient;
use incode_core::webhook::{Authenticity, ClientCredentials, TokenEndpoint, TokenRefusal};
use incode_core::{Secret, Timestamp};
use percent_encoding::percent_decode;

use crate::head::Written;
use crate::input::{Input, chunks};

/// A request at the token endpoint: a token for the one client with its secret and for a request of the one kind, an
/// error of RFC 6749 for the others; and a token that was issued opens the webhook.
///
/// The input: a byte, even for the right authorization; a line with the authorization otherwise, one with the content
/// type, and the body.
pub fn token_request(input: &[u8]) {
    let mut input = Input::new(input);
    let right = input.byte().is_multiple_of(2);
    let authorization = if right { authorization() } else { input.line().to_vec() };
    let content_type = input.line();
    let body = input.rest();

    let mut head = Written::new("POST", "/incode/token").with("authorization", &authorization);
    head = head.with("content-type", content_type);
    let answer = ask(&head, &[body]);
    for most in [1, 64] {
        assert_eq!(answer, ask(&head, &chunks(body, most)), "it depends on how the body is cut");
    }
    let (status, error) = match &answer {
        Ok(reply) => (reply.status, String::new()),
        Err(refusal) => {
            let reply = refusal.reply();
            let error: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            (reply.status, error["error"].as_str().unwrap().to_owned())
        }
    };
    let is_form =
        content_type.to_ascii_lowercase().trim_ascii_start().starts_with(b"application/x-www-form-urlencoded");
    if !right && !presents_the_client(&authorization) {
        assert_eq!((status, &*error), (401, "invalid_client"));
    } else if status == 200 {
        assert!(is_form && asks_for_credentials(body), "{}", body.escape_ascii());
        let token = OAuthClient::token(&answer.unwrap().body).unwrap();
        let delivery = Written::new("POST", "/incode/webhook").with("authorization", format!("Bearer {token}"));
        assert!(POLICY.begin(&delivery, NOW).is_ok(), "it was issued and is not taken");
    } else {
        assert!(matches!(status, 400 | 413) && !error.is_empty(), "{status} {error}");
        let usual = content_type == b"application/x-www-form-urlencoded" && body == b"grant_type=client_credentials";
        assert!(!usual, "the right request was refused");
    }
}

/// The client of these tests.
pub(crate) fn client() -> ClientCredentials {
    let signing = Secret::from("what tokens are signed with: the same on every replica");
    ClientCredentials::new(CLIENT_ID, [Secret::from(CLIENT_SECRET)], [signing]).unwrap()
}

/// A token of that client, issued at this instant.
pub(crate) fn token(now: Timestamp) -> String {
    let client = OAuthClient::new(CLIENT_ID, Secret::from(CLIENT_SECRET));
    let mut head = Written::new("POST", "/incode/token");
    head.headers = client.headers().into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
    let mut request = TokenEndpoint::new().begin(&POLICY, &head, &ManualClock::new(now)).unwrap();
    request.push(client.body().as_bytes()).unwrap();
    OAuthClient::token(&request.finish().unwrap().body).unwrap()
}

fn ask(head: &Written, body: &[&[u8]]) -> Result<Reply, TokenRefusal> {
    // A new one each time: failures are counted.
    let mut request = TokenEndpoint::new().begin(&POLICY, head, &ManualClock::new(NOW))?;
    for chunk in body {
        request.push(chunk)?;
    }
    request.finish()
}

fn authorization() -> Vec<u8> {
    format!("Basic {}", BASE64.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}").as_bytes())).into_bytes()
}

/// In plain or, as RFC 6749 wants it, form-encoded inside.
fn presents_the_client(authorization: &[u8]) -> bool {
    let Some(pair) = authorization.strip_prefix(b"Basic ").and_then(|text| BASE64.decode(text).ok()) else {
        return false;
    };
    let Some(colon) = pair.iter().position(|byte| *byte == b':') else { return false };
    let is = |part: &[u8], expected: &str| part == expected.as_bytes();
    let decoded = |part: &[u8]| percent_decode(part).collect::<Vec<_>>();
    let (id, secret) = (&pair[..colon], &pair[colon + 1..]);
    is(id, CLIENT_ID) && is(secret, CLIENT_SECRET) || is(&decoded(id), CLIENT_ID) && is(&decoded(secret), CLIENT_SECRET)
}

fn asks_for_credentials(body: &[u8]) -> bool {
    let pairs: Vec<_> = url::form_urlencoded::parse(body).collect();
    let of =
        |wanted: &str| pairs.iter().filter(|(name, _)| name == wanted).map(|(_, value)| &**value).collect::<Vec<_>>();
    of("grant_type") == ["client_credentials"]
        && matches!(of("scope")[..], [] | [""])
        && of("client_secret").is_empty()
        && body.len() <= TokenEndpoint::BODY_CAP
}

static POLICY: LazyLock<Authenticity> = LazyLock::new(|| Authenticity::oauth(client()));
const CLIENT_ID: &str = "incode";
const CLIENT_SECRET: &str = "a-client-secret-nobody-can-guess";
const NOW: Timestamp = Timestamp::from_secs(1_688_052_828);

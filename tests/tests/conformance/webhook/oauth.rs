//! The token endpoint, and deliveries with its tokens (RFC 6749, sections 2.3.1, 4.4, 5.1, 5.2).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use incode_core::testing::ManualClock;
use incode_core::testing::signer::OAuthClient;
use incode_core::webhook::{AddressSource, Authenticity, ClientCredentials};
use incode_core::{Secret, Timestamp};
use incode_tests::{
    ACKNOWLEDGED, Adapter, Auth, CLIENT_ID, Call, FLOW_SECRET, Plan, Response, SECRET, World, ask_for_token, get, post,
    problem,
};

use crate::webhook::refusals::{UNAUTHENTIC, body, expected, stored};

on_every_adapter! {
    a_token_is_what_the_rfc_says,
    a_scheme_is_read_without_case,
    what_is_wrong_with_a_request_is_said_as_the_rfc_has_it,
    a_token_counts_on_every_replica_until_it_expires,
    a_token_that_is_not_ours_is_worth_nothing,
    guessing_is_slowed_down_and_keeps_no_client_out,
    an_address_that_guesses_is_not_listened_to,
    callers_whose_address_is_not_found_are_never_kept_out,
    the_endpoint_is_there_while_the_policy_has_a_client,
}

const OTHER: &str = "another-secret-0123456789abcdef";

/// [`Response::essence`] of an error of RFC 6749, section 5.2.
fn error(status: u16, error: &str, description: &str) -> String {
    let challenge = if status == 401 { "www-authenticate: Basic realm=\"incode\", charset=\"UTF-8\"\n" } else { "" };
    format!(
        "{status}\ncache-control: no-store\ncontent-type: application/json\npragma: no-cache\n{challenge}x-outer: seen\n\n\
         {{\"error\":\"{error}\",\"error_description\":\"{description}\"}}"
    )
}

fn no_client() -> String {
    error(401, "invalid_client", "no client of this server")
}

async fn start(adapter: Adapter) -> World {
    Plan::new(adapter).auth(Auth::OAuth).start().await
}

fn client(id: &str, secret: &str, signing: &str) -> Authenticity {
    Authenticity::oauth(ClientCredentials::new(id, [secret.into()], [Secret::from(signing)]).unwrap())
}

/// A token for the right secret.
async fn token(world: &World) -> String {
    let answer = world.send(ask_for_token(CLIENT_ID, SECRET)).await;
    OAuthClient::token(&answer.body).unwrap_or_else(|| panic!("{answer:?}"))
}

async fn deliver(world: &World, token: &str) -> Response {
    world.send(post("/incode/webhook").header("authorization", format!("Bearer {token}")).body(body())).await
}

async fn a_token_is_what_the_rfc_says(adapter: Adapter) {
    let world = start(adapter).await;
    let answer = world.send(ask_for_token(CLIENT_ID, SECRET)).await;
    let token = OAuthClient::token(&answer.body).unwrap();
    let body = format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600}}"#);
    let head = "cache-control: no-store\ncontent-type: application/json\npragma: no-cache\nx-outer: seen\n";
    assert_eq!(answer.essence(), format!("200\n{head}\n{body}"));
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "a legal b64token");
    assert_eq!(deliver(&world, &token).await.essence(), ACKNOWLEDGED);
}

/// RFC 9110, section 11.1.
async fn a_scheme_is_read_without_case(adapter: Adapter) {
    let world = start(adapter).await;
    let headers = OAuthClient::new(CLIENT_ID, SECRET.into()).headers();
    for scheme in ["basic ", "BASIC  "] {
        let credentials = headers[0].1.replace("Basic ", scheme);
        let call = post("/incode/token").header("authorization", credentials).header(&headers[1].0, &headers[1].1);
        let answer = world.send(call.body("grant_type=client_credentials")).await;
        let token = OAuthClient::token(&answer.body).unwrap_or_else(|| panic!("{answer:?}"));
        for scheme in ["bearer ", "BEARER  "] {
            let call = post("/incode/webhook").header("authorization", format!("{scheme}{token}")).body(body());
            assert_eq!(world.send(call).await.essence(), ACKNOWLEDGED, "{scheme}");
        }
    }
}

async fn what_is_wrong_with_a_request_is_said_as_the_rfc_has_it(adapter: Adapter) {
    // So long that an answer can't be the read deadline's.
    let ages = Duration::from_secs(600);
    let plan = Plan::new(adapter).auth(Auth::OAuth).incode(move |builder| builder.webhook_read_deadline(ages));
    let world = plan.start().await;
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let call = Call::new(method, "/incode/token");
        let detail = "Tokens are asked for with POST.";
        let expected = problem(405, "method_not_allowed", "Method not allowed", detail, None, &[("allow", "POST")]);
        assert_eq!(world.send(call).await.essence(), expected, "{method}");
    }
    let headers = OAuthClient::new(CLIENT_ID, SECRET.into()).headers();
    let right = || headers.iter().fold(post("/incode/token"), |call, (name, value)| call.header(name, value));
    let (form, basic) = (("content-type", "application/x-www-form-urlencoded"), headers[0].1.as_str());
    let bare = || post("/incode/token").header(form.0, form.1);
    let in_the_body = format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={SECRET}");
    let no_header = error(401, "invalid_client", "send the client id and the secret with HTTP Basic");
    for body in ["grant_type=client_credentials", &in_the_body] {
        assert_eq!(world.send(bare().body(body)).await.essence(), no_header);
    }
    for call in [
        ask_for_token(CLIENT_ID, OTHER),
        ask_for_token("somebody-else", SECRET),
        ask_for_token(CLIENT_ID, ""),
        ask_for_token("", ""),
        ask_for_token(CLIENT_ID, &SECRET[1..]),
        bare().header("authorization", ""),
        bare().header("authorization", "Basic"),
        bare().header("authorization", "Basic !!!!"),
        bare().header("authorization", b"Basic \xff\xfe"),
        bare().header("authorization", basic.replace("Basic", "Bearer")),
        right().header("authorization", basic),
    ] {
        assert_eq!(
            world.send(call.clone().body("grant_type=client_credentials")).await.essence(),
            no_client(),
            "{call:?}"
        );
    }
    for (body, expected) in [
        ("", error(400, "invalid_request", "grant_type is missing")),
        ("grant_type=", error(400, "invalid_request", "grant_type is missing")),
        ("grant_type=password", error(400, "unsupported_grant_type", "only client_credentials is granted")),
        ("grant_type=client_credentials&scope=x", error(400, "invalid_scope", "there are no scopes")),
        (
            "grant_type=client_credentials&grant_type=client_credentials",
            error(400, "invalid_request", "a parameter is given twice"),
        ),
        (
            "grant_type=client_credentials&client_secret=x",
            error(400, "invalid_request", "a client presents itself once"),
        ),
    ] {
        assert_eq!(world.send(right().body(body)).await.essence(), expected, "{body}");
    }
    let json = post("/incode/token").header("authorization", basic).header("content-type", "application/json");
    let not_a_form = error(400, "invalid_request", "the body must be application/x-www-form-urlencoded");
    assert_eq!(world.send(json.body("{}")).await.essence(), not_a_form);

    let too_large = error(413, "invalid_request", "the body is longer than is accepted");
    assert_eq!(world.send(right().announced(4097)).await.essence(), too_large);
    assert_eq!(world.send(bare().announced(4096)).await.essence(), no_header, "before the body");
    let long = format!("grant_type=client_credentials&pad={}", "p".repeat(4096));
    assert_eq!(world.send(right().chunked(&long, 1000)).await.essence(), too_large);
    let padded = format!("grant_type=client_credentials&pad={}", "p".repeat(4000));
    assert_eq!(world.send(right().chunked(&padded, 7)).await.status, 200);
}

async fn a_token_counts_on_every_replica_until_it_expires(adapter: Adapter) {
    let now = Timestamp::from_secs(1_800_000_000);
    let clock = ManualClock::new(now);
    let shown = clock.clone();
    let one = Plan::new(adapter).auth(Auth::OAuth).incode(|builder| builder.clock(shown)).start().await;
    let shown = clock.clone();
    let other = Plan::new(adapter).auth(Auth::OAuth).incode(|builder| builder.clock(shown)).start().await;
    let token = token(&one).await;
    let life = ClientCredentials::LIFETIME + ClientCredentials::GRACE;
    for (after, taken) in [(Duration::ZERO, true), (life - Duration::from_millis(1), true), (life, false)] {
        clock.set(now.after(after));
        for world in [&one, &other] {
            let answer = if taken { ACKNOWLEDGED.to_owned() } else { expected(UNAUTHENTIC) };
            assert_eq!(deliver(world, &token).await.essence(), answer, "{after:?}");
        }
    }
}

async fn a_token_that_is_not_ours_is_worth_nothing(adapter: Adapter) {
    let world = start(adapter).await;
    let good = token(&world).await;
    let elsewhere = async |policy: Authenticity| {
        let plan = Plan::new(adapter).auth(Auth::OAuth).incode(|builder| builder.webhook_authenticity(policy));
        plan.start().await
    };
    for policy in [client(CLIENT_ID, SECRET, "another-signing-secret-0123456789"), client(CLIENT_ID, SECRET, OTHER)] {
        let foreign = token(&elsewhere(policy).await).await;
        assert_eq!(deliver(&world, &foreign).await.essence(), expected(UNAUTHENTIC), "signed with another secret");
    }
    // Signed alike, but issued to others: here the harness asks as the client it knows, so the policy has both.
    let two = Authenticity::any_of([client("another", OTHER, FLOW_SECRET), client(CLIENT_ID, SECRET, FLOW_SECRET)]);
    let both = elsewhere(two.unwrap()).await;
    let answer = both.send(ask_for_token("another", OTHER)).await;
    let foreign = OAuthClient::token(&answer.body).unwrap();
    assert_eq!(deliver(&both, &foreign).await.essence(), ACKNOWLEDGED);
    assert_eq!(deliver(&world, &foreign).await.essence(), expected(UNAUTHENTIC), "another client's");

    for place in (0..good.len()).step_by(5).chain([good.len() - 1]) {
        let mut edited = good.clone().into_bytes();
        edited[place] = if edited[place] == b'A' { b'B' } else { b'A' };
        let edited = String::from_utf8(edited).unwrap();
        assert_eq!(deliver(&world, &edited).await.essence(), expected(UNAUTHENTIC), "edited at {place}");
    }
    let hook = || post("/incode/webhook").body(body());
    for call in [
        hook().header("authorization", format!("Bearer{good}")),
        hook().header("authorization", format!("Bearer {good}, Bearer {good}")),
        hook().header("authorization", &good),
        hook().header("authorization", OAuthClient::new(CLIENT_ID, SECRET.into()).headers()[0].1.as_bytes()),
        hook().header("authorization", format!("Bearer {good}")).header("authorization", format!("Bearer {good}")),
        hook().header("x-authorization", format!("Bearer {good}")),
        post(&format!("/incode/webhook?access_token={good}")).body(body()),
    ] {
        assert_eq!(world.send(call.clone()).await.essence(), expected(UNAUTHENTIC), "{call:?}");
    }
    assert_eq!(stored(&world).await, 0);
}

/// No address source is set.
async fn guessing_is_slowed_down_and_keeps_no_client_out(adapter: Adapter) {
    let clock = ManualClock::new(Timestamp::from_secs(1_800_000_000));
    let shown = clock.clone();
    let world = Plan::new(adapter).auth(Auth::OAuth).incode(|builder| builder.clock(shown)).start().await;
    let guess = async || world.send(ask_for_token(CLIENT_ID, OTHER)).await;
    for _ in 0..10 {
        assert_eq!(guess().await.essence(), no_client());
    }
    let detail = "Too many requests were not those of a client. Wait before the next.";
    let wait = problem(429, "token_refused", "Too many failures", detail, None, &[("retry-after", "10")]);
    for _ in 0..20 {
        assert_eq!(guess().await.essence(), wait);
    }
    assert_eq!(deliver(&world, &token(&world).await).await.essence(), ACKNOWLEDGED, "the client is not kept out");
    clock.advance(Duration::from_secs(10));
    assert_eq!(guess().await.essence(), no_client(), "one failure is forgiven");
    assert_eq!(guess().await.essence(), wait);
}

async fn an_address_that_guesses_is_not_listened_to(adapter: Adapter) {
    let clock = ManualClock::new(Timestamp::from_secs(1_800_000_000));
    let (shown, source) = (clock.clone(), adapter.addresses());
    let plan = Plan::new(adapter).auth(Auth::OAuth).incode(|builder| builder.clock(shown).addresses(source));
    let world = plan.start().await;
    let from = async |last: u8, secret: &str| {
        let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        ask_for_token(CLIENT_ID, secret).send_from(address, world.address).await.status
    };
    for _ in 0..10 {
        assert_eq!(from(7, OTHER).await, 401);
    }
    assert_eq!(from(7, OTHER).await, 429);
    assert_eq!(from(7, SECRET).await, 429, "a right guess shows no more than a wrong one");
    assert_eq!(from(8, SECRET).await, 200, "others are not affected");
    clock.advance(Duration::from_secs(10));
    assert_eq!(from(7, SECRET).await, 200);
}

/// The source finds no address, as that of a peer behind a server that does not know it.
async fn callers_whose_address_is_not_found_are_never_kept_out(adapter: Adapter) {
    let clock = ManualClock::new(Timestamp::from_secs(1_800_000_000));
    let shown = clock.clone();
    let hidden = AddressSource::from_fn(|_| None);
    let plan = Plan::new(adapter).auth(Auth::OAuth).incode(|builder| builder.clock(shown).addresses(hidden));
    let world = plan.start().await;
    for _ in 0..30 {
        let status = world.send(ask_for_token(CLIENT_ID, OTHER)).await.status;
        assert!(matches!(status, 401 | 429), "{status}");
        assert_eq!(world.send(ask_for_token(CLIENT_ID, SECRET)).await.status, 200, "the client is not kept out");
    }
}

async fn the_endpoint_is_there_while_the_policy_has_a_client(adapter: Adapter) {
    let world = World::start(adapter).await;
    let unrouted = world.send(get("/no-such-path")).await.status;
    assert_eq!(world.send(ask_for_token(CLIENT_ID, SECRET)).await.status, unrouted, "the application's own path");
    world.incode.replace_webhook_authenticity(Auth::OAuth.policy());
    assert_eq!(deliver(&world, &token(&world).await).await.essence(), ACKNOWLEDGED);
    world.incode.replace_webhook_authenticity(Auth::Header.policy());
    assert_eq!(world.send(ask_for_token(CLIENT_ID, SECRET)).await.status, unrouted);

    let plan = Plan::new(adapter).incode(|builder| builder.token_path("/elsewhere/token"));
    let world = plan.start().await;
    world.incode.replace_webhook_authenticity(Auth::OAuth.policy());
    let headers = OAuthClient::new(CLIENT_ID, SECRET.into()).headers();
    let call = headers.iter().fold(post("/elsewhere/token"), |call, (name, value)| call.header(name, value));
    assert_eq!(world.send(call.body("grant_type=client_credentials")).await.status, 200);
}

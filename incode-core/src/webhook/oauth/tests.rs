use super::limit::{BURST, Caller, Failures, INTERVAL, MAX_CALLERS};
use super::*;
use crate::http::Reply;
use crate::testing::ManualClock;
use crate::testing::signer::OAuthClient;
use crate::webhook::fake_head::FakeHead;
use crate::webhook::{AddressSource, Authenticity, Trust};

const NOW: Timestamp = Timestamp::from_secs(1_688_052_828);
const ID: &str = "incode";
const SECRET: &str = "client-secret-0123456789abcdef";
const OLD: &str = "older-secret-0123456789abcdef0";
const SIGNING: &str = "signing-secret-0123456789abcdef";
const FORM: &str = "grant_type=client_credentials";

fn client(id: &str, secrets: &[&str], signing: &[&str]) -> ClientCredentials {
    let all = |texts: &[&str]| texts.iter().map(|text| Secret::from(*text)).collect::<Vec<_>>();
    ClientCredentials::new(id, all(secrets), all(signing)).unwrap()
}

fn policy() -> Authenticity {
    Authenticity::oauth(client(ID, &[SECRET, OLD], &[SIGNING]))
}

fn asking(authorization: impl AsRef<[u8]>) -> FakeHead {
    let form = "application/x-www-form-urlencoded";
    FakeHead::post().with("authorization", authorization).with("content-type", form)
}

fn basic(pair: impl AsRef<[u8]>) -> String {
    format!("Basic {}", data_encoding::BASE64.encode(pair.as_ref()))
}

fn right() -> FakeHead {
    asking(basic(format!("{ID}:{SECRET}")))
}

fn ask(policy: &Authenticity, head: &FakeHead, body: &str) -> Result<Reply, TokenRefusalKind> {
    let clock = ManualClock::new(NOW);
    let answer = TokenEndpoint::new().begin(policy, head, &clock).and_then(|mut request| {
        body.as_bytes().chunks(7).try_for_each(|chunk| request.push(chunk))?;
        request.finish()
    });
    answer.map_err(|refusal| refusal.kind())
}

fn token_of(policy: &Authenticity, secret: &str) -> String {
    let reply = ask(policy, &asking(basic(format!("{ID}:{secret}"))), FORM).unwrap();
    OAuthClient::token(&reply.body).unwrap()
}

fn passes(policy: &Authenticity, token: &str, now: Timestamp) -> bool {
    let head = FakeHead::post().with("authorization", format!("Bearer {token}"));
    policy.begin(&head, now).is_ok_and(|check| check.finish() == Ok(Trust::Authenticated))
}

#[test]
fn a_client_gets_a_token_and_delivers_with_it() {
    let reply = ask(&policy(), &right(), FORM).unwrap();
    assert_eq!(reply.status, 200);
    for header in [("content-type", "application/json"), ("cache-control", "no-store"), ("pragma", "no-cache")] {
        assert!(reply.headers.iter().any(|(name, value)| (*name, &**value) == header), "{header:?}");
    }
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&"Bearer".into(), &3600.into()));
    assert!(passes(&policy(), body["access_token"].as_str().unwrap(), NOW), "on any replica");
}

#[test]
fn a_token_ends_exactly_after_its_lifetime_and_the_grace() {
    let token = token_of(&policy(), SECRET);
    let end = NOW.after(ClientCredentials::LIFETIME + ClientCredentials::GRACE);
    assert!(passes(&policy(), &token, end.before(Duration::from_millis(1))));
    assert!(!passes(&policy(), &token, end));
    let brief = Authenticity::oauth(client(ID, &[SECRET], &[SIGNING]).token_lifetime(Duration::ZERO));
    let body = ask(&brief, &right(), FORM).unwrap().body;
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap()["expires_in"], 1);
}

#[test]
fn tokens_are_bound_to_client_secret_and_signing_secret() {
    let token = token_of(&policy(), SECRET);
    let next = "next-signing-secret-0123456789a";
    let renewed = Authenticity::oauth(client(ID, &[SECRET], &[next, SIGNING]));
    assert!(passes(&renewed, &token, NOW), "an older signing secret verifies");
    let newest = token_of(&renewed, SECRET);
    assert!(passes(&renewed, &newest, NOW) && !passes(&policy(), &newest, NOW), "the newest signs");
    for (other, why) in [
        (client(ID, &[SECRET], &[next]), "the signing secret is gone"),
        (client(ID, &[OLD], &[SIGNING]), "the client secret is gone"),
        (client("another", &[SECRET], &[SIGNING]), "another client"),
    ] {
        assert!(!passes(&Authenticity::oauth(other), &token, NOW), "{why}");
    }
    assert!(passes(&policy(), &token_of(&policy(), OLD), NOW), "each client secret of a rotation");
}

#[test]
fn no_edited_token_passes() {
    let token = token_of(&policy(), SECRET);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for at in 0..token.len() {
        for byte in alphabet.iter().copied().filter(|byte| *byte != token.as_bytes()[at]) {
            let mut edited = token.clone().into_bytes();
            edited[at] = byte;
            assert!(!passes(&policy(), std::str::from_utf8(&edited).unwrap(), NOW));
        }
    }
    for bad in
        ["", "=", &token[1..], &format!("{token}A"), &format!("{token}=="), &format!("{token} x"), &"A".repeat(54)]
    {
        assert!(!passes(&policy(), bad, NOW), "{bad}");
    }
}

#[test]
fn one_authorization_header_whose_scheme_is_read_without_case() {
    let token = token_of(&policy(), SECRET);
    let judge = |head: FakeHead| policy().begin(&head, NOW).map(drop);
    let bearer = format!("Bearer {token}");
    for good in [&bearer, &format!("bearer {token}"), &format!("BEARER  {token} ")] {
        assert!(judge(FakeHead::post().with("authorization", good)).is_ok(), "{good}");
    }
    assert!(judge(FakeHead::post()).is_err());
    assert!(judge(FakeHead::post().with("authorization", &bearer).with("authorization", &bearer)).is_err());
    for bad in [
        token.clone(),
        format!("Bearer{token}"),
        format!("Bearer\t{token}"),
        format!("Basic {token}"),
        format!("{bearer},{bearer}"),
        format!("{bearer}, realm=x"),
        format!("Bearer \"{token}\""),
        basic(format!("{ID}:{SECRET}")),
    ] {
        assert!(judge(FakeHead::post().with("authorization", &bad)).is_err(), "{bad}");
    }
    assert!(judge(FakeHead::post().with("authorization", b"Bearer \xff\xfe")).is_err());
}

#[test]
fn an_unknown_client_is_refused_as_such() {
    for pair in [
        format!("{ID}:wrong-secret-0123456789abcdef"),
        format!("{ID}:"),
        format!("another:{SECRET}"),
        format!(":{SECRET}"),
        format!("{ID}{SECRET}"),
        format!("{ID}:{SECRET} "),
        format!("{ID}:{SECRET}:"),
        format!("{}:{SECRET}", ID.to_uppercase()),
        String::new(),
    ] {
        assert_eq!(ask(&policy(), &asking(basic(&pair)), FORM), Err(TokenRefusalKind::InvalidClient), "{pair}");
    }
    let good = basic(format!("{ID}:{SECRET}"));
    for header in [good.replace("Basic", "basic"), good.replace("Basic ", "BASIC  ")] {
        assert!(ask(&policy(), &asking(&header), FORM).is_ok(), "{header}");
    }
    for header in [
        good.replace("Basic ", "Basic"),
        good.replace("Basic ", "Bearer "),
        good.trim_end_matches('=').to_owned() + "!",
        format!("{good}, {good}"),
        "Basic".to_owned(),
        format!("Basic {}", "A".repeat(100_000)),
    ] {
        assert_eq!(ask(&policy(), &asking(&header), FORM), Err(TokenRefusalKind::InvalidClient), "{header:.80}");
    }
    let twice = right().with("authorization", good);
    assert_eq!(ask(&policy(), &twice, FORM), Err(TokenRefusalKind::InvalidClient));
    assert_eq!(ask(&policy(), &FakeHead::post(), FORM), Err(TokenRefusalKind::InvalidClient));
    let refusal = TokenEndpoint::new().begin(&policy(), &FakeHead::post(), &ManualClock::new(NOW)).unwrap_err();
    let reply = refusal.reply();
    assert_eq!(reply.status, 401);
    assert!(reply.headers.contains(&("www-authenticate", r#"Basic realm="incode", charset="UTF-8""#.into())));
    assert_eq!(
        &reply.body[..],
        br#"{"error":"invalid_client","error_description":"send the client id and the secret with HTTP Basic"}"#
    );
}

#[test]
fn credentials_may_be_form_encoded_inside_basic() {
    let odd = "a secret with + and % and : in it";
    let policy = Authenticity::oauth(client("in%code", &[odd], &[SIGNING]));
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let encoded = format!("{}:{}", encode("in%code"), encode(odd));
    assert!(ask(&policy, &asking(basic(encoded)), FORM).is_ok());
    assert!(ask(&policy, &asking(basic(format!("in%code:{odd}"))), FORM).is_ok(), "as it is");
    let half = format!("in%code:{}", encode(odd));
    assert!(ask(&policy, &asking(basic(half)), FORM).is_ok(), "a lone percent sign is itself");
    assert!(ask(&policy, &asking(basic(b"in%code:\xff\xfe")), FORM).is_err());
}

#[test]
fn the_form_is_read_strictly() {
    use TokenRefusalKind::*;
    for (body, answer) in [
        ("", Err(InvalidRequest)),
        ("grant_type", Err(InvalidRequest)),
        ("grant_type=", Err(InvalidRequest)),
        ("scope=all", Err(InvalidRequest)),
        ("{\"grant_type\":\"client_credentials\"}", Err(InvalidRequest)),
        ("grant_type=password", Err(UnsupportedGrantType)),
        ("grant_type=Client_Credentials", Err(UnsupportedGrantType)),
        ("grant_type=client_credentials%20", Err(UnsupportedGrantType)),
        ("grant_type=client_credentials&scope=all", Err(InvalidScope)),
        ("grant_type=client_credentials&grant_type=client_credentials", Err(InvalidRequest)),
        ("grant_type=client_credentials&grant%5Ftype=x", Err(InvalidRequest)),
        ("grant_type=client_credentials&a=1&a=2", Err(InvalidRequest)),
        ("grant_type=client_credentials&client_secret=x", Err(InvalidRequest)),
        ("grant_type=client_credentials&scope=", Ok(())),
        ("grant_type=client_credentials&audience=x&scope", Ok(())),
        ("&grant_type=client%5Fcredentials&", Ok(())),
    ] {
        assert_eq!(ask(&policy(), &right(), body).map(drop), answer, "{body}");
    }
}

#[test]
fn kind_and_length_are_checked_before_the_body_where_they_can_be() {
    let begin = |head: FakeHead| {
        let answer = TokenEndpoint::new().begin(&policy(), &head, &ManualClock::new(NOW));
        answer.map(drop).map_err(|refusal| refusal.kind())
    };
    let bare = FakeHead::post().with("authorization", basic(format!("{ID}:{SECRET}")));
    assert_eq!(begin(bare.clone()), Err(TokenRefusalKind::InvalidRequest));
    assert_eq!(begin(bare.clone().with("content-type", "application/json")), Err(TokenRefusalKind::InvalidRequest));
    let typed = bare.with("content-type", "Application/X-WWW-Form-Urlencoded ; charset=utf-8");
    assert_eq!(begin(typed), Ok(()));
    assert_eq!(begin(right().with("content-length", "4096")), Ok(()));
    assert_eq!(begin(right().with("content-length", "4097")), Err(TokenRefusalKind::TooLarge));
    assert_eq!(begin(FakeHead::new("GET")), Err(TokenRefusalKind::MethodNotAllowed));
    let long = "x".repeat(TokenEndpoint::BODY_CAP + 1);
    assert_eq!(ask(&policy(), &right(), &long), Err(TokenRefusalKind::TooLarge));
}

#[test]
fn others_never_keep_the_client_out_where_addresses_are_unknown() {
    let (endpoint, clock) = (TokenEndpoint::new(), ManualClock::new(NOW));
    let begin = |head: &FakeHead| endpoint.begin(&policy(), head, &clock).map(drop);
    let wrong = asking(basic(format!("{ID}:wrong-secret-0123456789abcdef")));
    for _ in 0..BURST {
        assert_eq!(begin(&wrong).unwrap_err().kind(), TokenRefusalKind::InvalidClient);
    }
    for _ in 0..1000 {
        let refusal = begin(&wrong).unwrap_err();
        assert_eq!(refusal.kind(), TokenRefusalKind::TooManyFailures);
        let reply = refusal.reply();
        assert!(reply.status == 429 && reply.headers.contains(&("retry-after", "10".into())), "{reply:?}");
    }
    assert_eq!(begin(&right()), Ok(()));
    clock.advance(INTERVAL);
    assert_eq!(begin(&wrong).unwrap_err().kind(), TokenRefusalKind::InvalidClient, "forgiven");
}

#[test]
fn an_address_that_failed_too_often_is_not_listened_to() {
    let endpoint = TokenEndpoint::new().with_address_source(AddressSource::peer());
    let clock = ManualClock::new(NOW);
    let begin = |head: FakeHead| endpoint.begin(&policy(), &head, &clock).map(drop);
    let wrong = asking(basic(format!("{ID}:wrong-secret-0123456789abcdef")));
    for _ in 0..BURST {
        begin(wrong.clone().from("2001:db8::1")).unwrap_err();
    }
    for shut_out in [right().from("2001:db8::1"), right().from("2001:db8::ffff:2")] {
        assert_eq!(begin(shut_out).unwrap_err().kind(), TokenRefusalKind::TooManyFailures);
    }
    assert_eq!(begin(right().from("2001:db8:0:1::1")), Ok(()), "another network");
    assert_eq!(begin(right().from("192.0.2.1")), Ok(()));
    clock.set(NOW.after(Duration::from_secs(3600)));
    assert!(begin(right().from("2001:db8::1")).is_err(), "a wall clock set forward forgives nothing");
    clock.advance(INTERVAL);
    assert_eq!(begin(right().from("2001:db8::1")), Ok(()));
}

#[test]
fn a_caller_whose_address_is_not_found_is_never_locked_out() {
    let clock = ManualClock::new(NOW);
    let wrong = asking(basic(format!("{ID}:wrong-secret-0123456789abcdef")));
    for (source, hide) in [
        (AddressSource::peer(), FakeHead::clone as fn(&FakeHead) -> FakeHead),
        (AddressSource::from_fn(|_| None), FakeHead::clone),
        (AddressSource::peer().behind_proxies(1), FakeHead::clone),
        (AddressSource::peer().behind_proxies(1), |head| head.clone().with("x-forwarded-for", "unknown")),
    ] {
        let endpoint = TokenEndpoint::new().with_address_source(source);
        for attempt in 0..3 * BURST {
            let kind = endpoint.begin(&policy(), &hide(&wrong), &clock).unwrap_err().kind();
            let expected =
                if attempt < BURST { TokenRefusalKind::InvalidClient } else { TokenRefusalKind::TooManyFailures };
            assert_eq!(kind, expected, "{attempt}");
        }
        assert!(endpoint.begin(&policy(), &hide(&right()), &clock).is_ok(), "a right secret passes");
    }
}

#[test]
fn a_caller_behind_a_proxy_that_appends_ports_is_counted_by_its_address() {
    let clock = ManualClock::new(NOW);
    let endpoint = TokenEndpoint::new().with_address_source(AddressSource::peer().behind_proxies(1));
    let begin = |head: FakeHead, at: &str| endpoint.begin(&policy(), &head.with("x-forwarded-for", at), &clock);
    let wrong = asking(basic(format!("{ID}:wrong-secret-0123456789abcdef")));
    for port in 1..=BURST {
        begin(wrong.clone(), &format!("192.0.2.1:{port}")).unwrap_err();
    }
    assert_eq!(begin(right(), "192.0.2.1:9").unwrap_err().kind(), TokenRefusalKind::TooManyFailures);
    assert!(begin(right(), "192.0.2.2:9").is_ok(), "the genuine client has an address of its own");
}

#[test]
fn failures_are_counted_for_so_many_callers_and_the_worst_stay_known() {
    let failures = Failures::default();
    let at = |number: u32| Caller::at(std::net::Ipv4Addr::from_bits(number).into());
    let now = Duration::from_secs(5);
    for _ in 0..BURST {
        failures.count(at(0), now);
    }
    for number in 1..6_000 {
        failures.count(at(number), now);
    }
    assert!(failures.callers() <= MAX_CALLERS);
    assert_eq!(failures.wait(at(0), now), Some(INTERVAL));
    let later = now + INTERVAL * BURST;
    assert_eq!(failures.wait(at(0), later), None);
    failures.count(at(1_000_000), later);
    assert_eq!(failures.callers(), 1, "the forgiven went first");
}

#[test]
fn weak_clients_are_refused() {
    use PolicyErrorKind::*;
    let kind = |id: &str, secrets: &[&str], signing: &[&str]| {
        let all = |texts: &[&str]| texts.iter().map(|text| Secret::from(*text)).collect::<Vec<_>>();
        ClientCredentials::new(id, all(secrets), all(signing)).map(drop).map_err(|error| error.kind())
    };
    assert_eq!(kind(ID, &[], &[SIGNING]), Err(NoSecret));
    assert_eq!(kind(ID, &[SECRET], &[]), Err(NoSecret));
    assert_eq!(kind(ID, &[SECRET, "short"], &[SIGNING]), Err(WeakSecret));
    assert_eq!(kind(ID, &[SECRET], &[SIGNING, "short"]), Err(WeakSecret));
    for id in ["", "a:b", "a b", "é", &"a".repeat(257)] {
        assert_eq!(kind(id, &[SECRET], &[SIGNING]), Err(IllegalClientId), "{id}");
    }
}

#[test]
fn nothing_shows_a_secret_or_a_token() {
    let (policy, endpoint) = (policy(), TokenEndpoint::new());
    let request = endpoint.begin(&policy, &right(), &ManualClock::new(NOW)).unwrap();
    let reply = ask(&policy, &right(), FORM).unwrap();
    let token = OAuthClient::token(&reply.body).unwrap();
    let shown = format!("{policy:?} {endpoint:?} {request:?} {reply:?}");
    for canary in [SECRET, OLD, SIGNING, &token] {
        assert!(!shown.contains(canary), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_request_is_read_to_its_end_within_limits() {
    use futures_util::stream::{iter, pending};
    let begin = || TokenEndpoint::new().begin(&policy(), &right(), &ManualClock::new(NOW)).unwrap();
    let deadline = Duration::from_secs(10);
    let chunks = |body: &'static str| iter(body.as_bytes().chunks(7).map(Ok::<_, ()>));
    assert_eq!(begin().read(deadline, chunks(FORM)).await.unwrap().status, 200);
    let long: &'static [u8] = &[b'x'; TokenEndpoint::BODY_CAP + 1];
    let too_long = begin().read(deadline, iter([Ok::<_, ()>(long)])).await.unwrap_err();
    assert_eq!((too_long.kind(), too_long.reply().status), (TokenRefusalKind::TooLarge, 413));
    let broken = begin().read(deadline, iter([Ok(FORM), Err(())])).await.unwrap_err();
    assert_eq!(broken, TokenRefusal::broken_off());
    let slow = begin().read(deadline, pending::<Result<&str, ()>>()).await.unwrap_err();
    assert_eq!(slow, TokenRefusal::too_slow());
}

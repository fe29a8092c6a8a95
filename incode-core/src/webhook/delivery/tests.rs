use super::*;
use crate::Secret;
use crate::testing::signer::Signer;
use crate::webhook::HmacScheme;
use crate::webhook::fake_head::FakeHead;

const NOW: Timestamp = Timestamp::from_secs(1_688_052_828);
const VERIFICATION: &[u8] = br#"{"event":"verification.completed","object":"verification","id":"an-id","token":"t"}"#;
const AUTHENTICATION: &[u8] = br#"{"event":"authentication.completed","id":"an-id","token":"t"}"#;

fn secret() -> Secret {
    Secret::from("a-secret-0123456789abcdef")
}

fn signed() -> Webhook {
    Webhook::new(Authenticity::hmac(HmacScheme::new("x-incode-signature", [secret()]).unwrap()))
}

fn open() -> Webhook {
    Webhook::new(Authenticity::fetch_back())
}

fn head_for(body: &[u8]) -> FakeHead {
    let signer = Signer::hmac("X-Incode-Signature", secret());
    signer.headers(body).iter().fold(FakeHead::post(), |head, (name, value)| head.with(name, value))
}

fn deliver(webhook: &Webhook, head: &FakeHead, body: &[u8], chunk: usize) -> Result<(Event, Trust), RejectionKind> {
    let run = |with_the_last: bool| {
        let mut delivery = webhook.begin(head, NOW)?;
        let mut chunks: Vec<_> = body.chunks(chunk).collect();
        let last = chunks.pop_if(|_| with_the_last);
        chunks.into_iter().try_for_each(|chunk| delivery.push(chunk))?;
        match last {
            Some(last) => delivery.finish_with(last),
            None => delivery.finish(),
        }
    };
    let [one, other] = [false, true].map(|with_the_last| run(with_the_last).map_err(|it: Rejection| it.kind()));
    assert_eq!(format!("{one:?}"), format!("{other:?}"), "{head:?}");
    one
}

/// An event padded to a length by an unknown field.
fn padded(length: usize) -> Vec<u8> {
    let frame = r#"{"event":"verification.completed","id":"an-id","token":"t","more":""}"#;
    let padding = "a".repeat(length - frame.len());
    frame.replace("\"\"}", &format!("\"{padding}\"}}")).into_bytes()
}

#[test]
fn a_signed_delivery_is_an_event_however_it_is_cut() {
    for chunk in [1, 7, 64, 10_000] {
        let head = head_for(VERIFICATION).with("content-length", VERIFICATION.len().to_string());
        let (event, trust) = deliver(&signed(), &head, VERIFICATION, chunk).unwrap();
        assert_eq!((event.kind, trust), (EventKind::Verification, Trust::Authenticated));
    }
    assert_eq!(deliver(&open(), &FakeHead::post(), VERIFICATION, 9).unwrap().1, Trust::FetchBack);
}

#[test]
fn post_alone_and_before_all_else() {
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "post", "", "POST "] {
        let rejection = signed().begin(&FakeHead::new(method), NOW).unwrap_err();
        assert_eq!(rejection.kind(), RejectionKind::MethodNotAllowed, "{method}");
    }
}

#[test]
fn authenticity_comes_before_length_kind_and_content() {
    let webhook = signed().only(EventKind::Verification);
    let huge = FakeHead::post().with("content-length", "268435456");
    assert_eq!(webhook.begin(&huge, NOW).unwrap_err().kind(), RejectionKind::Unauthentic);
    for body in [AUTHENTICATION, b"not json", b""] {
        let forged = FakeHead::post().with("x-incode-signature", "0".repeat(64));
        assert_eq!(deliver(&webhook, &forged, body, 16).unwrap_err(), RejectionKind::Unauthentic);
    }
    assert_eq!(deliver(&webhook, &head_for(b"not json"), b"not json", 3).unwrap_err(), RejectionKind::Malformed);
    assert_eq!(deliver(&webhook, &head_for(b""), b"", 1).unwrap_err(), RejectionKind::Malformed);
}

#[test]
fn the_cap_is_exact_by_length_and_by_chunk() {
    let cap = Webhook::BODY_CAP;
    for webhook in [open(), signed()] {
        for length in [cap - 1, cap] {
            let body = padded(length);
            assert_eq!(body.len(), length);
            let announced = head_for(&body).with("content-length", length.to_string());
            for head in [announced, head_for(&body)] {
                for chunk in [length, 1_000, 1 << 14] {
                    assert!(deliver(&webhook, &head, &body, chunk).is_ok());
                }
            }
        }
        let body = padded(cap + 1);
        let announced = head_for(&body).with("content-length", (cap + 1).to_string());
        assert_eq!(webhook.begin(&announced, NOW).unwrap_err().kind(), RejectionKind::TooLarge);
        for chunk in [cap + 1, cap, 1_000, 1] {
            let result = deliver(&webhook, &head_for(&body), &body, chunk);
            assert_eq!(result.unwrap_err(), RejectionKind::TooLarge);
        }
        // A sender that announces less than it sends.
        let lying = head_for(&body).with("content-length", "10");
        assert_eq!(deliver(&webhook, &lying, &body, 1_000).unwrap_err(), RejectionKind::TooLarge);
    }
    let small = open().with_body_cap(0);
    assert_eq!(deliver(&small, &FakeHead::post(), b"{", 1).unwrap_err(), RejectionKind::TooLarge);
}

#[test]
fn a_body_that_was_too_large_stays_so() {
    let webhook = open().with_body_cap(VERIFICATION.len());
    let mut delivery = webhook.begin(&FakeHead::post(), NOW).unwrap();
    delivery.push(VERIFICATION).unwrap();
    delivery.push(b" ").unwrap_err();
    assert_eq!(delivery.push(b"").unwrap_err().kind(), RejectionKind::TooLarge);
    assert_eq!(delivery.finish().unwrap_err().kind(), RejectionKind::TooLarge);
    let mut delivery = webhook.begin(&FakeHead::post(), NOW).unwrap();
    delivery.push(&[VERIFICATION, b" "].concat()).unwrap_err();
    assert_eq!(delivery.finish_with(VERIFICATION).unwrap_err().kind(), RejectionKind::TooLarge);
}

#[test]
fn a_content_length_is_one_number() {
    let begin = |values: &[&str]| {
        let head = values.iter().fold(FakeHead::post(), |head, value| head.with("content-length", value));
        open().begin(&head, NOW).map(drop).map_err(|rejection| rejection.kind())
    };
    for bad in [&["10", "10"][..], &["10", "11"], &[""], &["-1"], &["+1"], &["1.0"], &["0x1"], &["1, 1"], &["é"]] {
        assert_eq!(begin(bad), Err(RejectionKind::Malformed), "{bad:?}");
    }
    assert_eq!(begin(&["0"]), Ok(()));
    assert_eq!(begin(&["0000000000000000000000000000010"]), Ok(()));
    for long in ["65537", "9223372036854775808", "18446744073709551616", &"9".repeat(1_000)] {
        assert_eq!(begin(&[long]), Err(RejectionKind::TooLarge), "{long}");
    }
}

#[test]
fn an_announced_length_reserves_nothing_before_a_byte_came() {
    let webhook = open().with_body_cap(usize::MAX);
    let head = FakeHead::post().with("content-length", "18446744073709551615");
    let mut delivery = webhook.begin(&head, NOW).unwrap();
    assert_eq!(delivery.body.capacity(), 0);
    delivery.push(b"{").unwrap();
    assert!(delivery.body.capacity() <= Webhook::BODY_CAP);
}

#[test]
fn a_route_for_one_kind_refuses_the_other() {
    let webhook = open().only(EventKind::Verification);
    let deliver = |body: &[u8]| deliver(&webhook, &FakeHead::post(), body, 16);
    assert!(deliver(VERIFICATION).is_ok());
    assert_eq!(deliver(AUTHENTICATION).unwrap_err(), RejectionKind::WrongKind);
    assert!(matches!(deliver(br#"{"event":"identity.enrolled"}"#).unwrap().0.kind, EventKind::Other(_)));
}

#[test]
fn no_rejection_repeats_what_was_sent() {
    let head = FakeHead::post().with("x-incode-signature", "canary");
    for (webhook, body) in [(signed(), "{}"), (open(), "canary"), (open(), r#"{"event":"canary\n"}"#)] {
        let rejection = webhook.begin(&head, NOW).and_then(|mut delivery| {
            delivery.push(body.as_bytes())?;
            delivery.finish()
        });
        let rejection = rejection.unwrap_err();
        let reply = rejection.problem().reply();
        assert!(!format!("{rejection} {rejection:?} {reply:?}").contains("canary"));
    }
}

#[test]
fn settings_are_what_was_set() {
    let webhook = open().with_body_cap(5).with_read_deadline(Duration::from_secs(3));
    assert_eq!((webhook.body_cap(), webhook.read_deadline()), (5, Duration::from_secs(3)));
    assert_eq!((open().body_cap(), open().read_deadline()), (65_536, Duration::from_secs(10)));
}

#[tokio::test]
async fn a_body_is_read_to_its_end_whole_or_in_chunks() {
    use futures_util::stream::iter;
    let begin = |length: Option<usize>| {
        let head =
            length.map_or(FakeHead::post(), |length| FakeHead::post().with("content-length", length.to_string()));
        Webhook::new(Authenticity::fetch_back()).with_body_cap(200).begin(&head, Timestamp::from_secs(0)).unwrap()
    };
    let body = br#"{"event":"identity.enrolled"}"#;
    let deadline = Duration::from_secs(600);
    let kind = EventKind::Other("identity.enrolled".into());
    for cut in [1, 7, body.len()] {
        for announced in [None, Some(body.len())] {
            let chunks: Vec<_> = body.chunks(cut).map(Ok::<_, ()>).collect();
            let (event, trust) = begin(announced).read(deadline, iter(chunks)).await.unwrap();
            assert_eq!((event.kind, trust), (kind.clone(), Trust::FetchBack), "{cut} {announced:?}");
        }
    }
    let refused = async |chunks: Vec<Result<&'static [u8], ()>>| {
        begin(None).read(deadline, iter(chunks)).await.unwrap_err().kind()
    };
    assert_eq!(refused(vec![Ok(body), Err(())]).await, RejectionKind::Malformed);
    assert_eq!(refused(vec![Ok(body), Ok(&[b' '; 200])]).await, RejectionKind::TooLarge);
    assert_eq!(refused(vec![]).await, RejectionKind::Malformed);
    // The announced length was reached, and more came.
    let longer = iter([Ok::<_, ()>(&body[..]), Ok(b"x")]);
    assert_eq!(begin(Some(body.len())).read(deadline, longer).await.unwrap_err().kind(), RejectionKind::Malformed);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_too_slow() {
    let begun = Webhook::new(Authenticity::fetch_back()).begin(&FakeHead::post(), Timestamp::from_secs(0)).unwrap();
    let never = futures_util::stream::pending::<Result<&[u8], ()>>();
    assert_eq!(begun.read(Duration::from_secs(10), never).await.unwrap_err().kind(), RejectionKind::TooSlow);
}

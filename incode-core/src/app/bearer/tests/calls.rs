//! What the vendor is asked, and what one token's answer means for the others.

use incode_sandbox::RetryAfter;

use super::super::key_refusals::MOST_IN_A_ROW;
use super::*;

/// A request with this token.
struct With(String);

impl RequestHead for With {
    fn method(&self) -> &str {
        "GET"
    }
    fn path(&self) -> &str {
        "/kiosk"
    }
    fn query(&self) -> Option<&str> {
        None
    }
    fn header_values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        if name == "authorization" {
            visit(self.0.as_bytes());
        }
    }
    fn subject(&self) -> Option<&Subject> {
        None
    }
    fn extensions(&self) -> &dyn Any {
        &()
    }
}

struct Vendor {
    sandbox: Sandbox,
    bearer: Arc<Bearer>,
    clock: ManualClock,
    person: String,
}

impl Vendor {
    async fn start(claims: ExpectedClaims) -> Self {
        let sandbox = Sandbox::builder().start().await.unwrap();
        let person = sandbox.add_person(NewPerson::named("Ana Flores")).identity_id;
        let client = Client::builder(&sandbox.url(), Secret::from(sandbox.api_key())).build().unwrap();
        let (bearer, clock) = bearer_of(BearerTokens::on_paths(["/kiosk"]), client, claims);
        Self { sandbox, bearer, clock, person }
    }

    async fn visit(&self, token: &str) -> Visitor {
        self.bearer.visit(&With(format!("Bearer {token}"))).visitor().await
    }

    async fn standing(&self, token: &str) -> Standing {
        self.visit(token).await.standing()
    }

    fn odd_token(&self, number: usize) -> String {
        let token = format!("odd-token-{number}");
        self.sandbox.seed_token(&token, Some(&self.person), Duration::from_secs(600));
        self.sandbox.add_fault(Fault::status(403).for_token(&token).times(1000));
        token
    }

    fn calls(&self) -> usize {
        self.sandbox.calls().len()
    }
}

#[tokio::test]
async fn one_token_that_gets_403_holds_up_no_other() {
    let vendor = Vendor::start(ExpectedClaims::default()).await;
    let odd = vendor.odd_token(0);
    assert_eq!(vendor.standing(&odd).await, Standing::Unavailable);
    let calls = vendor.calls();
    for _ in 0..5 {
        assert_eq!(vendor.standing(&odd).await, Standing::Unavailable);
    }
    assert_eq!(vendor.calls(), calls, "the odd one is left alone for a while");
    assert_eq!(vendor.standing(&vendor.sandbox.issue_token(&vendor.person)).await, Standing::Active);
    vendor.clock.advance(Duration::from_secs(5));
    assert_eq!(vendor.standing(&odd).await, Standing::Unavailable);
    assert!(vendor.calls() > calls + 1, "and asked about again then");
}

#[tokio::test]
async fn one_token_that_gets_429_holds_up_no_other() {
    let vendor = Vendor::start(ExpectedClaims::default()).await;
    let slow = vendor.sandbox.issue_token(&vendor.person);
    let fault = Fault::too_many_requests(RetryAfter::Seconds { seconds: 3600 });
    vendor.sandbox.add_fault(fault.for_token(&slow).times(1000));
    assert_eq!(vendor.standing(&slow).await, Standing::Unavailable);
    assert_eq!(vendor.standing(&vendor.sandbox.issue_token(&vendor.person)).await, Standing::Active);
    vendor.sandbox.clear_faults();
    assert_eq!(vendor.standing(&slow).await, Standing::Unavailable, "as the vendor asked");
    vendor.clock.advance(Duration::from_secs(60));
    assert_eq!(vendor.standing(&slow).await, Standing::Active, "but for a minute at most");
}

#[tokio::test]
async fn many_odd_tokens_pause_nothing() {
    let vendor = Vendor::start(ExpectedClaims::default()).await;
    for number in 0..3 * MOST_IN_A_ROW {
        assert_eq!(vendor.standing(&vendor.odd_token(number)).await, Standing::Unavailable);
        vendor.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(vendor.standing(&vendor.sandbox.issue_token(&vendor.person)).await, Standing::Active);
}

#[test]
fn a_refused_key_shows_in_several_different_tokens() {
    use super::super::key_refusals::{KeyRefusals, LOGGED_EVERY};
    let refusals = KeyRefusals::default();
    let hash = |number| token(number, None).hash();
    for _ in 0..100 {
        assert!(!refusals.add(hash(0), 0), "one token says nothing");
    }
    for number in 1..MOST_IN_A_ROW - 1 {
        assert!(!refusals.add(hash(number), 0));
    }
    refusals.clear();
    for number in 0..MOST_IN_A_ROW - 1 {
        assert!(!refusals.add(hash(number), 0), "one was accepted in between");
    }
    assert!(refusals.add(hash(MOST_IN_A_ROW), 7));
    let minute = u64::try_from(LOGGED_EVERY.as_nanos()).unwrap();
    let flood = |now| (0..100 * MOST_IN_A_ROW).filter(|number| refusals.add(hash(*number), now)).count();
    assert_eq!(flood(6 + minute), 0, "it was said");
    assert_eq!(flood(7 + minute), 1, "and is said again after a while");
}

#[tokio::test]
async fn a_token_of_another_issuer_is_not_sent() {
    let mut claims = ExpectedClaims::default();
    claims.expect("aud", "the-bank");
    let vendor = Vendor::start(claims).await;
    let minted =
        |audience: serde_json::Value| vendor.sandbox.mint_token(NewToken::of(&*vendor.person).claim("aud", audience));
    for foreign in
        ["an-opaque-admin-token".to_owned(), minted("another".into()), vendor.sandbox.issue_token(&vendor.person)]
    {
        let visitor = vendor.visit(&foreign).await;
        assert_eq!(visitor.standing(), Standing::NoSubject);
        let denied = visitor.require(&crate::gate::Requirement::active()).unwrap_err();
        assert_eq!(denied.kind(), crate::gate::DenialKind::TokenRefused);
    }
    assert_eq!(vendor.calls(), 0);
    assert_eq!(vendor.standing(&minted("the-bank".into())).await, Standing::Active);
    assert_eq!(vendor.standing(&minted(serde_json::json!(["other", "the-bank"]))).await, Standing::Active);
}

#[tokio::test]
async fn a_bearer_has_no_session_and_meets_the_weaker_face_requirement_only() {
    use crate::gate::Requirement;
    let minute = Duration::from_secs(60);
    let vendor = Vendor::start(ExpectedClaims::default()).await;
    let visitor = vendor.visit(&vendor.sandbox.issue_token(&vendor.person)).await;
    assert!(visitor.require(&Requirement::active()).is_ok());
    assert!(visitor.require(&Requirement::active().face_authenticated_within(minute)).is_err());
    assert!(visitor.require(&Requirement::active().face_seen_by_vendor_within(minute)).is_err());
}

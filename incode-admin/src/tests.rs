use std::any::Any;
use std::convert::Infallible;
use std::time::Duration;

use incode_core::client::Client;
use incode_core::model::EventKind;
use incode_core::store::{DeadFilter, EventState, InboxStore, MemoryStore, NewEvent};
use incode_core::testing::ManualClock;
use incode_core::webhook::Authenticity;
use incode_core::{ObjectId, Subject, Timestamp, Token};

use super::*;
use crate::lists::{EventList, JobList};

mod cross_site;
mod jobs;
mod pages;

#[derive(Default)]
struct Sent {
    method: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    actor: Option<Actor>,
    authority: Option<&'static str>,
    query: Option<&'static str>,
}

impl RequestHead for Sent {
    fn method(&self) -> &str {
        self.method
    }
    fn path(&self) -> &str {
        "/not/looked/at"
    }
    fn query(&self) -> Option<&str> {
        self.query
    }
    fn header_values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.headers.iter().filter(|(own, _)| *own == name).for_each(|(_, value)| visit(value.as_bytes()));
    }
    fn subject(&self) -> Option<&Subject> {
        None
    }
    fn actor(&self) -> Option<&Actor> {
        self.actor.as_ref()
    }
    fn extensions(&self) -> &dyn Any {
        &()
    }
    fn authority(&self) -> Option<&str> {
        self.authority
    }
}

#[test]
fn a_page_links_to_itself() {
    let query = "state=dead&reason=not_found&kind=a%26b%3D%22c&before=7&limit=9&replayed=3";
    let list = Params::parse(query.as_bytes()).unwrap().event_list().unwrap();
    assert_eq!(list.link(), format!("inbox?{query}"));
    assert_eq!(EventList::default().link(), "inbox");
    assert_eq!(list.filter().limit, 10, "one more shows that there is a next page");
    let query = "state=dead&handler=open.account&before=7&limit=9&replayed=3";
    let list = Params::parse(query.as_bytes()).unwrap().job_list().unwrap();
    assert_eq!(list.link(), format!("jobs?{query}"));
    assert_eq!((JobList::default().link().as_str(), list.filter().limit), ("jobs", 10));
}

#[test]
fn a_replay_takes_no_filter_it_does_not_know() {
    let filter = |text: &str| Params::parse(text.as_bytes()).and_then(|params| params.dead_filter());
    assert_eq!(filter("reason=&kind=").unwrap(), DeadFilter::default());
    for wrong in ["state=dead", "Reason=not_found", "reason=not_found&reason=", "reason=NOT_FOUND", "x"] {
        assert_eq!(filter(wrong).unwrap_err().status, 400, "{wrong}");
    }
    let jobs = |text: &str| Params::parse(text.as_bytes()).and_then(|params| params.dead_jobs());
    assert_eq!(jobs("handler=").unwrap(), None);
    assert_eq!(jobs("handler=mail").unwrap().as_deref(), Some("mail"));
    for wrong in ["state=dead", "reason=", "handler=a&handler=b", &format!("handler={}", "x".repeat(65))] {
        assert_eq!(jobs(wrong).unwrap_err().status, 400, "{wrong}");
    }
    let (query, form) = (Params::parse(b"reason=refused").unwrap(), Params::parse(b"reason=not_found").unwrap());
    assert!(query.and(form).is_err(), "one of them would be passed over");
}

#[tokio::test]
async fn the_oldest_pending_event_has_an_age() {
    let incode = incode(&[10_000, 40_000]).await;
    let inbox = answer(&incode, Sent { method: "GET", ..Sent::default() }, "/inbox").await;
    let inbox: serde_json::Value = serde_json::from_slice(&inbox.body).unwrap();
    assert_eq!((&inbox["oldestPendingSeconds"], &inbox["counts"]["pending"]), (&90.into(), &2.into()));
    let browser = Sent { method: "GET", headers: vec![("accept", "text/html")], ..Sent::default() };
    let page = String::from_utf8(answer(&incode, browser, "inbox").await.body.to_vec()).unwrap();
    assert!(page.contains("oldest waits 1 min"), "{page}");
}

#[tokio::test]
async fn the_trail_names_the_actor_if_there_is_one() {
    let incode = incode(&[]).await;
    for actor in [Some(Actor::new("anna").unwrap()), None] {
        let reply = answer(&incode, Sent { method: "POST", actor, ..Sent::default() }, "inbox/7/replay").await;
        assert_eq!(reply.status, 200);
    }
    let audits = incode.audits(10, None).await.unwrap();
    assert_eq!(audits.iter().map(|audit| audit.actor.as_str()).collect::<Vec<_>>(), ["unknown", "anna"]);
}

#[tokio::test]
async fn a_store_that_is_gone_is_said_so() {
    let incode = incode(&[]).await;
    incode.shutdown().await;
    for (method, path) in [
        ("GET", "inbox"),
        ("GET", "inbox/1"),
        ("GET", "audit"),
        ("GET", "identities/person"),
        ("POST", "inbox/1/replay"),
        ("POST", "inbox/replay"),
        ("GET", "jobs"),
        ("GET", "jobs/1"),
        ("POST", "jobs/1/replay"),
        ("POST", "jobs/replay"),
        ("POST", "identities/person/forget"),
        ("POST", "identities/person/export"),
        ("GET", "people"),
        ("GET", "person"),
        ("POST", "person/unlink"),
        ("POST", "person/export"),
    ] {
        let query = path.starts_with("pe").then_some("q=anna&subject=anna");
        for headers in [vec![], vec![("accept", "text/html")]] {
            let reply = answer(&incode, Sent { method, headers, query, ..Sent::default() }, path).await;
            assert_eq!(reply.status, 503, "{path}");
            assert!(reply.headers.iter().any(|(name, _)| *name == "retry-after"), "{path}");
        }
    }
}

/// A form that never ends is not waited for.
#[tokio::test(start_paused = true)]
async fn a_slow_form_is_given_up() {
    let incode = incode(&[]).await;
    let request = Admin::new(incode).open(&Sent { method: "POST", ..Sent::default() }, "inbox/replay");
    let reply = request.answer(futures_util::stream::pending::<Result<Vec<u8>, Infallible>>()).await;
    assert_eq!(reply.status, 408);
}

#[test]
fn who_did_it_is_one_line_of_text() {
    for good in ["anna", "Änne Müller <anne@example.com>", &"ü".repeat(128)] {
        assert_eq!(Actor::new(good).unwrap().as_str(), good);
    }
    for bad in ["", "a\nb", "\u{0}", "\u{85}", &"u".repeat(129)] {
        assert!(Actor::new(bad).is_err(), "{bad:?}");
    }
}

/// With events accepted at these milliseconds, and the clock at 100 s. The vendor can't be reached.
async fn incode(accepted: &[i64]) -> Incode {
    let store = MemoryStore::new();
    for at in accepted {
        store.accept(pending(&format!("object-{at}"), Timestamp::from_millis(*at))).await.unwrap();
    }
    builder(store).build().await.unwrap()
}

fn builder(store: MemoryStore) -> incode_core::Builder {
    let clock = ManualClock::new(Timestamp::from_secs(100));
    let client = Client::builder("http://127.0.0.1:9", "key").connect_timeout(Duration::from_secs(1)).build().unwrap();
    Incode::builder().client(client).webhook_authenticity(Authenticity::fetch_back()).store(store).clock(clock)
}

fn pending(object: &str, received_at: Timestamp) -> NewEvent {
    NewEvent {
        kind: EventKind::Verification,
        object_id: Some(ObjectId::new(object).unwrap()),
        token: b"\0token".to_vec(),
        token_hash: Token::new("token").unwrap().hash(),
        correlation_id: None,
        vendor_time: None,
        received_at,
        authenticated: true,
        implausible: false,
        state: EventState::Pending,
        reason: None,
    }
}

async fn answer(incode: &Incode, head: Sent, path: &str) -> Reply {
    let request = Admin::new(incode.clone()).open(&head, path);
    request.answer(futures_util::stream::empty::<Result<Vec<u8>, Infallible>>()).await
}

fn get() -> Sent {
    Sent { method: "GET", ..Sent::default() }
}

fn browser() -> Sent {
    Sent { method: "GET", headers: vec![("accept", "text/html")], ..Sent::default() }
}

fn post(actor: &str) -> Sent {
    Sent { method: "POST", actor: Some(Actor::new(actor).unwrap()), ..Sent::default() }
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

fn json(reply: &Reply) -> serde_json::Value {
    assert_eq!(reply.status, 200, "{}", text(reply));
    serde_json::from_slice(&reply.body).unwrap()
}

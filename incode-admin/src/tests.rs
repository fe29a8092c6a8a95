use std::any::Any;
use std::convert::Infallible;
use std::time::Duration;

use super::*;
use crate::client::Client;
use crate::store::{DeadFilter, MemoryStore, NewEvent, Store};
use crate::testing::ManualClock;
use crate::testing::store_suite::pending;
use crate::webhook::Authenticity;
use crate::{Subject, Timestamp};

#[derive(Default)]
struct Asked {
    method: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    actor: Option<Actor>,
}

impl RequestHead for Asked {
    fn method(&self) -> &str {
        self.method
    }
    fn path(&self) -> &str {
        "/not/looked/at"
    }
    fn query(&self) -> Option<&str> {
        None
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
}

#[test]
fn another_site_is_told_by_the_browser() {
    let check = |headers: &[(&'static str, &'static str)]| {
        cross_site::check(&Asked { headers: headers.to_vec(), ..Asked::default() }).is_ok()
    };
    let host = ("host", "admin.example:8443");
    for own in [
        vec![],
        vec![host],
        vec![("sec-fetch-site", "same-origin"), ("origin", "null")],
        vec![("sec-fetch-site", "none")],
        vec![host, ("origin", "https://admin.example:8443")],
        vec![host, ("origin", "http://Admin.Example:8443")],
    ] {
        assert!(check(&own), "{own:?}");
    }
    for other in [
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site"), host, ("origin", "https://admin.example:8443")],
        vec![("sec-fetch-site", "")],
        vec![("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
        vec![host, ("origin", "null")],
        vec![host, ("origin", "")],
        vec![host, ("origin", "https://admin.example")],
        vec![host, ("origin", "https://admin.example:8443.elsewhere.example")],
        vec![host, ("origin", "admin.example:8443")],
        vec![host, ("origin", "https://admin.example:8443"), ("origin", "https://elsewhere.example")],
        vec![("origin", "https://admin.example:8443")],
        vec![host, host, ("origin", "https://admin.example:8443")],
    ] {
        assert!(!check(&other), "{other:?}");
    }
}

#[test]
fn a_page_links_to_itself() {
    let query = "state=dead&reason=not_found&kind=a%26b%3D%22c&before=7&limit=9&replayed=3";
    let list = Params::parse(query.as_bytes()).unwrap().listing().unwrap();
    assert_eq!(list.link(), format!("inbox?{query}"));
    assert_eq!(List::default().link(), "inbox");
    assert_eq!(list.filter().limit, 10, "one more shows that there is a next page");
}

#[test]
fn a_replay_takes_no_filter_it_does_not_know() {
    let filter = |text: &str| Params::parse(text.as_bytes()).and_then(|params| params.dead_filter());
    assert_eq!(filter("reason=&kind=").unwrap(), DeadFilter::default());
    for wrong in ["state=dead", "Reason=not_found", "reason=not_found&reason=", "reason=NOT_FOUND", "x"] {
        assert_eq!(filter(wrong).unwrap_err().status, 400, "{wrong}");
    }
    let (query, form) = (Params::parse(b"reason=refused").unwrap(), Params::parse(b"reason=not_found").unwrap());
    assert!(query.and(form).is_err(), "one of them would be passed over");
}

#[tokio::test]
async fn the_oldest_pending_event_has_an_age() {
    let incode = incode(&[10_000, 40_000]).await;
    let inbox = answer(&incode, Asked { method: "GET", ..Asked::default() }, "/inbox").await;
    let inbox: serde_json::Value = serde_json::from_slice(&inbox.body).unwrap();
    assert_eq!((&inbox["oldestPendingSeconds"], &inbox["counts"]["pending"]), (&90.into(), &2.into()));
    let browser = Asked { method: "GET", headers: vec![("accept", "text/html")], actor: None };
    let page = String::from_utf8(answer(&incode, browser, "inbox").await.body.to_vec()).unwrap();
    assert!(page.contains("oldest waits 1 min"), "{page}");
}

#[tokio::test]
async fn the_trail_names_the_actor_or_nobody() {
    let incode = incode(&[]).await;
    for actor in [Some(Actor::new("anna").unwrap()), None] {
        let reply = answer(&incode, Asked { method: "POST", headers: vec![], actor }, "inbox/7/replay").await;
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
        ("POST", "identities/person/forget"),
    ] {
        for headers in [vec![], vec![("accept", "text/html")]] {
            let reply = answer(&incode, Asked { method, headers, actor: None }, path).await;
            assert_eq!(reply.status, 503, "{path}");
            assert!(reply.headers.iter().any(|(name, _)| *name == "retry-after"), "{path}");
        }
    }
}

/// A form that never ends its sending is not waited for.
#[tokio::test(start_paused = true)]
async fn a_slow_form_is_given_up() {
    let incode = incode(&[]).await;
    let exchange = Admin::new(incode).open(&Asked { method: "POST", ..Asked::default() }, "inbox/replay");
    let reply = exchange.answer(futures_util::stream::pending::<Result<Vec<u8>, Infallible>>()).await;
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

/// With events accepted at these milliseconds, and the clock at 100 s. Nobody is there to be asked about them.
async fn incode(accepted: &[i64]) -> Incode {
    let store = MemoryStore::new();
    for at in accepted {
        // As the inbox keeps a token that is not sealed.
        let token = b"\0token".to_vec();
        store.accept(NewEvent { token, ..pending(&format!("object-{at}"), "token", *at) }).await.unwrap();
    }
    let clock = ManualClock::new(Timestamp::from_secs(100));
    let client = Client::builder("http://127.0.0.1:9", "key").connect_timeout(Duration::from_secs(1)).build().unwrap();
    let builder = Incode::builder().client(client).webhook_authenticity(Authenticity::fetch_back());
    builder.store(store).clock(clock).build().await.unwrap()
}

async fn answer(incode: &Incode, head: Asked, path: &str) -> Reply {
    let exchange = Admin::new(incode.clone()).open(&head, path);
    exchange.answer(futures_util::stream::empty::<Result<Vec<u8>, Infallible>>()).await
}

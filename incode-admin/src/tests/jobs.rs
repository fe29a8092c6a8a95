use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use incode_core::identity::transition::{ChangeRequest, Command};
use incode_core::identity::{Checks, FaceOrigin, Observation};
use incode_core::model::IdentityStatus;
use incode_core::store::IdentityStore;
use incode_core::{IdentityId, VerifiedSubject};
use serde_json::json;

use super::*;

/// Two subjects that are linked and ACTIVE, whose handler fails for good while `broken`.
struct Failing {
    incode: Incode,
    broken: Arc<AtomicBool>,
    calls: Arc<AtomicU32>,
}

async fn failing() -> Failing {
    let store = MemoryStore::new();
    let now = Timestamp::from_secs(90);
    for id in ["identity-of-anna", "identity-of-bert"] {
        let seen = Observation {
            identity_id: IdentityId::new(id).unwrap(),
            sent_at: now,
            status: IdentityStatus::from("ACTIVE"),
            attestation: None,
            verified: None,
            face_authenticated_at: None,
            face_origin: FaceOrigin::default(),
            checks: Checks::default(),
            fields: Vec::new(),
        };
        let request = ChangeRequest { command: Command::Observe(seen), rules: Arc::default(), now };
        store.change(request).await.unwrap();
    }
    let (broken, calls) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
    let (is_broken, called) = (Arc::clone(&broken), Arc::clone(&calls));
    let handler = move |_: VerifiedSubject| {
        called.fetch_add(1, Ordering::SeqCst);
        let failed = is_broken.load(Ordering::SeqCst);
        async move { if failed { Err("canary: the mail server is down".into()) } else { Ok(()) } }
    };
    let incode = builder(store).on_verified("open-account", handler).handler_schedule([]).build().await.unwrap();
    for subject in ["subject-anna", "subject-bert"] {
        let identity = IdentityId::new(subject.replace("subject", "identity-of")).unwrap();
        incode.link(&Subject::new(subject).unwrap(), &identity, &incode_core::Actor::unknown()).await.unwrap();
    }
    let failing = Failing { incode, broken, calls };
    failing.until("dead", 2).await;
    failing
}

impl Failing {
    async fn until(&self, state: &str, count: usize) {
        for _ in 0..3000 {
            if self.list(&format!("jobs?state={state}")).await["jobs"].as_array().unwrap().len() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {count} {state}");
    }

    async fn list(&self, path: &str) -> serde_json::Value {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let head = Queried { sent: get(), query: query.to_owned() };
        let request = Admin::new(self.incode.clone()).open(&head, path);
        json(&request.answer(futures_util::stream::empty::<Result<Vec<u8>, Infallible>>()).await)
    }
}

/// With a query.
struct Queried {
    sent: Sent,
    query: String,
}

impl RequestHead for Queried {
    fn method(&self) -> &str {
        self.sent.method()
    }
    fn path(&self) -> &str {
        self.sent.path()
    }
    fn query(&self) -> Option<&str> {
        Some(&self.query)
    }
    fn header_values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.sent.header_values(name, visit);
    }
    fn subject(&self) -> Option<&Subject> {
        None
    }
    fn extensions(&self) -> &dyn Any {
        &()
    }
}

#[tokio::test]
async fn dead_jobs_are_listed_inspected_and_replayed() {
    let failing = failing().await;
    let listed = failing.list("jobs").await;
    assert_eq!(listed["counts"], json!({"pending": 0, "dead": 2}));
    let job = &listed["jobs"][0];
    assert_eq!((&job["handler"], &job["state"]), (&json!("open-account"), &json!("dead")));
    assert_eq!((&job["failure"], &job["cause"]), (&json!("failed"), &json!("verified")));
    assert_eq!((&job["subject"], &job["attempts"]), (&json!("subj…"), &json!(1)));
    assert!(!listed.to_string().contains("canary") && !listed.to_string().contains("subject-"), "{listed}");

    let one = format!("jobs/{}", job["id"]);
    assert_eq!(json(&answer(&failing.incode, get(), &one).await), *job);
    failing.broken.store(false, Ordering::SeqCst);
    let replay = format!("{one}/replay");
    for replayed in [1, 0] {
        assert_eq!(json(&answer(&failing.incode, post("carla"), &replay).await), json!({ "replayed": replayed }));
    }
    failing.until("done", 1).await;
    assert_eq!(json(&answer(&failing.incode, post("dora"), "jobs/replay").await), json!({"replayed": 1}));
    failing.until("done", 2).await;
    assert_eq!(failing.calls.load(Ordering::SeqCst), 4);

    let audits = json(&answer(&failing.incode, get(), "audit").await);
    let trail: Vec<_> = audits["audits"]
        .as_array()
        .unwrap()
        .iter()
        // The links of the fixture come before.
        .take(3)
        .map(|entry| {
            (entry["actor"].as_str().unwrap(), entry["action"].as_str().unwrap(), entry["count"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(trail, [("dora", "replay_jobs", 1), ("carla", "replay_jobs", 0), ("carla", "replay_jobs", 1)]);
    assert_eq!(audits["audits"][2]["job"], job["id"]);
    failing.incode.shutdown().await;
}

#[tokio::test]
async fn jobs_are_filtered_and_paged() {
    let failing = failing().await;
    let page = failing.list("jobs?limit=1").await;
    assert_eq!(page["jobs"].as_array().unwrap().len(), 1);
    let older = failing.list(&format!("jobs?limit=1&before={}", page["next"])).await;
    assert_eq!(older["jobs"].as_array().unwrap().len(), 1);
    assert_ne!(older["jobs"][0]["id"], page["jobs"][0]["id"]);
    assert!(older["next"].is_null());
    assert!(failing.list("jobs?handler=another").await["jobs"].as_array().unwrap().is_empty());
    assert_eq!(failing.list("jobs?handler=open-account&state=dead").await["jobs"].as_array().unwrap().len(), 2);
    failing.incode.shutdown().await;
}

#[tokio::test]
async fn a_replay_of_the_page_leads_back_to_it() {
    let failing = failing().await;
    let post = Sent { headers: vec![("accept", "text/html")], ..post("carla") };
    let reply = answer(&failing.incode, post, "jobs/replay").await;
    let location = reply.headers.iter().find(|(name, _)| *name == "location").map(|(_, value)| value.as_ref());
    assert_eq!((reply.status, location), (303, Some("../jobs?state=dead&replayed=2")));
    let page = text(&answer(&failing.incode, browser(), "jobs").await);
    assert!(page.contains("open-account") && page.contains("subj…"), "{page}");
    assert!(!page.contains("subject-anna"), "{page}");
    failing.incode.shutdown().await;
}

#[tokio::test]
async fn unknown_jobs_and_wrong_methods_are_refused() {
    let incode = incode(&[]).await;
    for path in ["jobs/1", "jobs/x", "jobs/9223372036854775807", "jobs/1/again", "jobs/"] {
        assert_eq!(answer(&incode, get(), path).await.status, 404, "{path}");
    }
    for path in ["jobs/replay", "jobs/1/replay"] {
        assert_eq!(answer(&incode, get(), path).await.status, 405, "{path}");
    }
    let cross = Sent { method: "POST", headers: vec![("sec-fetch-site", "cross-site")], ..Sent::default() };
    assert_eq!(answer(&incode, cross, "jobs/replay").await.status, 403);
    incode.shutdown().await;
}

//! The commands over one store: what they show, what they change, and how they end.

use std::path::Path;

use crate::world::{SUBJECTS, ending, file_in, fill, identity, open_file, program, run, subject, text};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// A store with a row of every kind, and the argument that names it.
async fn filled() -> (TempDir, String) {
    let folder = tempdir().unwrap();
    let store = open_file(&file_in(&folder)).await;
    fill(&*store).await;
    store.close().await.unwrap();
    let url = format!("sqlite:{}", file_in(&folder).display());
    (folder, url)
}

/// What a command writes with `--json`, one value a line.
fn json(url: &str, arguments: &[&str]) -> Vec<Value> {
    let written = text(&run(&[arguments, &["--json", "--store", url]].concat()));
    written.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn code(url: &str, arguments: &[&str]) -> Option<i32> {
    ending(&run(&[arguments, &["--store", url]].concat())).0
}

#[tokio::test]
async fn events_are_listed_shown_and_replayed() {
    let (folder, url) = filled().await;
    let ids = |events: &[Value]| events.iter().map(|event| event["id"].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!(ids(&json(&url, &["events", "list"])), [8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(ids(&json(&url, &["events", "list", "--limit", "2", "--before", "6"])), [5, 4]);
    assert_eq!(ids(&json(&url, &["events", "list", "--state", "dead"])), [2, 1]);
    assert_eq!(ids(&json(&url, &["events", "list", "--reason", "exhausted"])), [2]);
    assert_eq!(ids(&json(&url, &["events", "list", "--kind", "authentication.completed"])), [0; 0]);
    let shown = json(&url, &["events", "show", "2"]);
    assert_eq!((&shown[0]["state"], &shown[0]["token"]), (&"dead".into(), &"present".into()));
    assert_eq!(json(&url, &["events", "show", "1"])[0]["token"], "wiped");
    assert_eq!(code(&url, &["events", "show", "99"]), Some(5));

    assert_eq!(json(&url, &["events", "replay", "--all", "--reason", "exhausted", "--by", "otto"])[0]["replayed"], 1);
    assert_eq!(code(&url, &["events", "replay", "4", "--by", "otto"]), Some(5), "it is done");
    assert_eq!(json(&url, &["events", "replay", "1", "--by", "otto"])[0]["replayed"], 1);
    let trail = json(&url, &["audit", "--limit", "3"]);
    let of: Vec<_> = trail.iter().map(|entry| entry["of"].as_str().unwrap()).collect();
    assert_eq!(of, ["event 1", "event 4", "dead events exhausted"]);
    assert!(trail.iter().all(|entry| entry["actor"] == "otto"));
    let store = open_file(&file_in(&folder)).await;
    let counts = store.counts().await.unwrap().inbox;
    assert_eq!((counts.dead, counts.pending), (0, 5));
}

#[tokio::test]
async fn jobs_are_listed_shown_and_replayed() {
    let (folder, url) = filled().await;
    assert_eq!(json(&url, &["jobs", "list"]).len(), 7);
    let dead = json(&url, &["jobs", "list", "--state", "dead", "--handler", "audit"]);
    let [dead] = &*dead else { panic!("{dead:?}") };
    assert_eq!((&dead["failure"], &dead["cause"]), (&"timed_out".into(), &"event".into()));
    let id = dead["id"].to_string();
    assert_eq!(json(&url, &["jobs", "show", &id])[0], *dead);
    assert_eq!(code(&url, &["jobs", "show", "99"]), Some(5));
    assert_eq!(json(&url, &["jobs", "replay", "--all", "--handler", "open", "--by", "otto"])[0]["replayed"], 0);
    assert_eq!(json(&url, &["jobs", "replay", &id, "--by", "otto"])[0]["replayed"], 1);
    assert_eq!(code(&url, &["jobs", "replay", &id, "--by", "otto"]), Some(5), "it is pending");
    assert_eq!(open_file(&file_in(&folder)).await.counts().await.unwrap().jobs.dead, 0);
}

#[tokio::test]
async fn a_person_is_explained() {
    let (_folder, url) = filled().await;
    let who = |name: &str| json(&url, &["who", name]).remove(0);
    let alice = who(SUBJECTS[0]);
    assert_eq!((&alice["standing"], &alice["linkProof"]), (&"active".into(), &"flow".into()));
    assert_eq!((&alice["identityId"], &alice["linkedAt"]), (&"person-3".into(), &"1970-01-01T00:00:00.07Z".into()));
    assert_eq!(alice["faceConfirmedAt"], "1970-01-01T00:00:00.091Z");
    assert_eq!(who(SUBJECTS[1])["standing"], "revoked");
    let identity = who("person-3");
    assert_eq!(identity["subjects"], serde_json::json!([SUBJECTS[0]]));
    assert_eq!(who("verification-91")["identityId"], "person-3");
    assert_eq!(who("person-6")["standing"], "not_linked");
    assert_eq!(code(&url, &["who", "stranger"]), Some(5));
    // The flow of the fixture ended in 1970, so that its pending link is void.
    let waiting = who("waiting");
    assert_eq!((&waiting["standing"], &waiting["pendingUntil"]), (&"not_linked".into(), &Value::Null));
    let lines = text(&run(&["who", SUBJECTS[1], "--store", &url]));
    assert!(lines.contains("standing: revoked\n") && lines.contains("next: the vendor revoked"), "{lines}");
}

#[tokio::test]
async fn a_link_is_ended_and_an_identity_erased() {
    let (folder, url) = filled().await;
    assert_eq!(json(&url, &["unlink", SUBJECTS[0], "--by", "otto"])[0]["unlinked"], true);
    assert_eq!(code(&url, &["unlink", SUBJECTS[0], "--by", "otto"]), Some(5));
    assert_eq!(json(&url, &["forget", "person-4", "--by", "otto"])[0]["wasKnown"], true);
    assert_eq!(json(&url, &["forget", "person-4", "--by", "otto"])[0]["wasKnown"], false);
    let actions: Vec<_> = json(&url, &["audit", "--limit", "3"]).iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions, ["forget", "forget", "unlink"]);
    let store = open_file(&file_in(&folder)).await;
    assert!(store.subject(subject(SUBJECTS[0])).await.unwrap().linked.is_none());
    assert!(store.identity(identity("person-3")).await.unwrap().is_some());
    assert!(store.identity(identity("person-4")).await.unwrap().is_none());
}

#[tokio::test]
async fn the_store_is_found_and_never_made() {
    let (folder, url) = filled().await;
    let with = |variables: &[(&str, &str)]| {
        let mut program = program(&["audit"]);
        program.envs(variables.iter().copied());
        ending(&program.output().unwrap())
    };
    let named = folder.path().join("url");
    std::fs::write(&named, format!("{url}\n")).unwrap();
    let named = named.to_str().unwrap();
    assert_eq!(with(&[("INCODE_STORE", &url)]).0, Some(0));
    assert_eq!(with(&[("INCODE_STORE_FILE", named)]).0, Some(0));
    assert_eq!(with(&[("INCODE_STORE", &url), ("INCODE_STORE_FILE", named)]).0, Some(2));
    assert_eq!(with(&[("INCODE_STORE", " ")]).0, Some(2));
    assert_eq!(with(&[]).0, Some(2));
    let (code, said) = with(&[("INCODE_STORE", "mysql://canary")]);
    assert!(code == Some(2) && !said.contains("canary"), "{said}");
    let missing = folder.path().join("missing.db");
    let (code, said) = with(&[("INCODE_STORE", &format!("sqlite:{}", missing.display()))]);
    assert!(code == Some(4) && said.contains("start it once"), "{said}");
    assert!(!Path::new(&missing).exists());
    let in_use = open_file(&file_in(&folder)).await;
    let (code, said) = with(&[("INCODE_STORE", &url)]);
    assert!(code == Some(4) && said.contains("open in another process: stop the application"), "{said}");
    in_use.close().await.unwrap();
}

//! The commands about people: what they show, what they change, what they leave in the audit trail.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod world;

use incode_core::IdentityId;
use incode_core::gate::Standing;
use incode_core::identity::transition::{Command, Refusal};
use incode_core::testing::store_suite::{callback, observe, request, seen};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};
use world::{SUBJECTS, ending, file_in, fill, identity, ms, open_file, program, run, subject, text};

/// A store with a row of every kind, and the argument that names it.
async fn filled() -> (TempDir, String) {
    let folder = tempdir().unwrap();
    let store = open_file(&file_in(&folder)).await;
    fill(&*store).await;
    store.close().await.unwrap();
    let url = format!("sqlite:{}", file_in(&folder).display());
    (folder, url)
}

fn one(url: &str, arguments: &[&str]) -> Value {
    serde_json::from_str(text(&run(&[arguments, &["--json", "--store", url]].concat())).trim()).unwrap()
}

fn code(url: &str, arguments: &[&str]) -> Option<i32> {
    ending(&run(&[arguments, &["--store", url]].concat())).0
}

/// Actor and action of the newest entries.
fn trail(url: &str, limit: &str) -> Vec<(String, String)> {
    let lines = text(&run(&["audit", "--limit", limit, "--json", "--store", url]));
    let entries = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    entries.map(|entry| (of(&entry, "actor"), of(&entry, "action"))).collect()
}

#[tokio::test]
async fn a_refusal_is_explained() {
    let (folder, url) = filled().await;
    let store = open_file(&file_in(&folder)).await;
    store.change(request(Command::Return(callback("mallory", "person-3", 99)), 99)).await.unwrap();
    store.close().await.unwrap();
    let mallory = one(&url, &["who", "mallory"]);
    assert_eq!((&mallory["standing"], &mallory["refused"]), (&"not_linked".into(), &"identity_taken".into()));
    assert_eq!(mallory["refusedBecause"], "another subject is linked to the identity");
    assert!(mallory["next"].as_str().unwrap().contains("the account that the identity is linked to"));
}

#[tokio::test]
async fn a_link_is_made_with_who_and_why() {
    let (folder, url) = filled().await;
    let by = ["--by", "otto", "--why", "ticket 812"];
    let link = |subject: &str, identity: &str| run(&[&["link", subject, identity, "--store", &url][..], &by].concat());
    assert_eq!(ending(&link("newcomer", "person-20")).0, Some(0));
    let store = open_file(&file_in(&folder)).await;
    let linked = store.subject(subject("newcomer")).await.unwrap().linked.unwrap();
    assert_eq!(linked.link.active_since, None, "the application's handlers are still to be called");
    store.close().await.unwrap();
    assert_eq!(one(&url, &["who", "newcomer"])["standing"], "active");
    assert_eq!(ending(&link("newcomer", "person-3")).0, Some(3), "the subject is taken");
    assert_eq!(ending(&link("other", "person-3")).0, Some(3), "the identity is taken");
    assert_eq!(ending(&link("other", "never-seen")).0, Some(5));
    assert_eq!(code(&url, &["link", "other", "person-3", "--shared-identities", "--by", "otto"]), Some(0));
    assert_eq!(code(&url, &["link", "other", "person-3"]), Some(2), "without --by");
    assert_eq!(code(&url, &["unlink", "other", "--by", "otto", "--why", &"x".repeat(200)]), Some(2));
    let entry = |actor: &str, action: &str| (actor.to_owned(), action.to_owned());
    assert_eq!(trail(&url, "2"), [entry("otto", "link"), entry("otto: ticket 812", "link")]);
}

#[tokio::test]
async fn an_export_is_everything_and_leaves_an_entry() {
    let (_folder, url) = filled().await;
    let export = |name: &str| one(&url, &["export", name, "--by", "otto", "--why", "asked for it"]);
    let alice = export(SUBJECTS[0]);
    assert_eq!(alice["identity"]["identityId"], "person-3");
    assert_eq!(alice["identity"]["checkedAt"], "1970-01-01T00:00:00.091Z");
    assert_eq!(alice["subjects"][0]["subject"], SUBJECTS[0]);
    assert_eq!(alice["subjects"][0]["faceConfirmedAt"].as_array().unwrap().len(), 2);
    assert_eq!(export("person-3"), alice);
    let waiting = export("waiting");
    assert_eq!((&waiting["identity"], &waiting["subjects"][0]["pendingIdentity"]), (&Value::Null, &"person-20".into()));
    assert_eq!(code(&url, &["export", "stranger", "--by", "otto"]), Some(5));
    let entry = ("otto: asked for it".to_owned(), "export".to_owned());
    assert_eq!(trail(&url, "3"), [entry.clone(), entry.clone(), entry]);
    let mut with_key = program(&["export", "waiting", "--by", "otto", "--store", &url]);
    let (ended, said) = ending(&with_key.env("INCODE_STORE_KEY", "canary").output().unwrap());
    assert!(ended == Some(2) && said.contains("INCODE_STORE_KEY") && !said.contains("canary"), "{said}");
}

/// Imported people pass once the vendor has answered, and not before.
#[tokio::test]
async fn an_import_opens_nothing_until_the_vendor_answers() {
    let (folder, url) = filled().await;
    let file = folder.path().join("people.csv");
    let rows = "identityId,subject\nnew-1,ulla\nnew-2,\"a, b\"\nperson-3,viola\n";
    std::fs::write(&file, rows).unwrap();
    let file = file.to_str().unwrap();
    let import = |more: &[&str]| run(&[&["import", file, "--by", "otto", "--json", "--store", &url], more].concat());
    let refused = import(&[]);
    assert_eq!(ending(&refused).0, Some(3));
    let lines = String::from_utf8(refused.stdout).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["line"], &lines[0]["refused"]), (&json!(4), &json!(Refusal::IdentityTaken)));
    assert_eq!(lines[1], json!({"linked": 2, "refused": 1}));
    let ulla = one(&url, &["who", "ulla"]);
    assert_eq!((&ulla["standing"], &ulla["checkedAt"]), (&"not_yet_asked".into(), &Value::Null));
    assert_eq!(ending(&import(&["--shared-identities"])).0, Some(0), "again, with what was refused");

    let store = open_file(&file_in(&folder)).await;
    store.change(observe(seen("new-1", 500))).await.unwrap();
    let state = store.subject(subject("ulla")).await.unwrap();
    assert_eq!(Standing::of(&state, ms(501)), Standing::Active);
    assert!(store.identity(identity("new-2")).await.unwrap().is_some());
    store.close().await.unwrap();
    let entry = ("otto".to_owned(), "import".to_owned());
    assert_eq!(trail(&url, "2"), [entry.clone(), entry]);
}

#[tokio::test]
async fn a_file_that_can_not_be_read_changes_nothing() {
    let (folder, url) = filled().await;
    let file = folder.path().join("people.jsonl");
    let good = json!({"subject": "ulla", "identityId": "new-1"});
    std::fs::write(&file, format!("{good}\n{{\"subject\":\"canary\"}}\n")).unwrap();
    let (ended, said) = ending(&run(&["import", file.to_str().unwrap(), "--by", "otto", "--store", &url]));
    assert!(ended == Some(2) && said.contains("line 2") && !said.contains("canary"), "{said}");
    assert_eq!(code(&url, &["import", "missing.csv", "--by", "otto"]), Some(4));
    assert_eq!(code(&url, &["import", "-", "--by", "otto"]), Some(2), "the format is not known");
    let store = open_file(&file_in(&folder)).await;
    assert!(store.identity(IdentityId::new("new-1").unwrap()).await.unwrap().is_none());
    store.close().await.unwrap();
    assert_ne!(trail(&url, "1")[0].1, "import");
}

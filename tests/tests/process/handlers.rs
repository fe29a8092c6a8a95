use std::path::Path;

use incode_tests::eventually;
use incode_tests::process::{ADMIN_TOKEN, App, Example};
use incode_tests::{event, fixture, post};
use serde_json::json;

use crate::spec::Spec;

on_both_examples!(a_handler_that_fails_twice_is_called_until_it_succeeded_and_never_again);

async fn a_handler_that_fails_twice_is_called_until_it_succeeded_and_never_again(example: Example) {
    let spec = Spec::start().await;
    let path = spec.directory.path().join("journal");
    let settings = spec.settings().with("EXAMPLE_JOURNAL", path.to_str().unwrap());
    let failing = settings.clone().with("EXAMPLE_JOURNAL_FAILS", "2");
    let app = App::start(example, &failing).await;
    assert_eq!(app.send(App::delivery(Spec::event_bytes())).await.status, 204);
    eventually("the first attempt fails", async || !calls(&path).is_empty()).await;
    app.kill().await;

    let app = App::start(example, &failing).await;
    eventually("it succeeds", async || calls(&path).contains(&Call::Done)).await;
    assert_eq!(calls(&path), [Call::Failed, Call::Failed, Call::Done]);
    // The success may or may not be written yet; from here on it has to be.
    assert_eq!(app.stop().await.code, Some(0));

    let app = App::start(example, &settings).await;
    assert_eq!(app.send(App::delivery(Spec::event_bytes())).await.status, 204);
    let done = app.admin("/admin/inbox?state=done").await.unwrap();
    for target in ["/admin/inbox/replay".to_owned(), format!("/admin/inbox/{}/replay", done["events"][0]["id"])] {
        let replay = post(&target).header("authorization", format!("Bearer {ADMIN_TOKEN}"));
        assert_eq!(app.send(replay).await.json(), json!({"replayed": 0}), "{target}");
    }
    // Whatever would be called again is called before a newer event.
    let person = fixture("userinfo-filled.json")["identityId"].clone();
    let newer = spec.sandbox.verify(person.as_str().unwrap()).unwrap();
    let newer = event("verification.completed", &newer.verification_id, &newer.token);
    assert_eq!(app.send(App::delivery(newer.to_string())).await.status, 204);
    eventually("the newer event is handled", async || calls(&path).len() > 3).await;
    assert_eq!(app.stop().await.code, Some(0));
    assert_eq!(calls(&path), [Call::Failed, Call::Failed, Call::Done, Call::Done]);
    let keys = keys(&path);
    assert_eq!(keys[..3], [&*keys[0]; 3], "one key for all attempts at one event");
    assert_ne!(keys[3], keys[0]);
}

#[derive(Debug, PartialEq, Eq)]
enum Call {
    Failed,
    Done,
}

fn calls(journal: &Path) -> Vec<Call> {
    let call = |words: &Vec<String>| match words.get(2).map(String::as_str) {
        None => Call::Done,
        Some("failed") => Call::Failed,
        Some(other) => panic!("{other}"),
    };
    lines(journal).iter().map(call).collect()
}

fn keys(journal: &Path) -> Vec<String> {
    lines(journal).into_iter().map(|mut words| words.remove(0)).collect()
}

/// The words of each whole line: the last may be half written.
fn lines(journal: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(journal).unwrap();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

use incode_sandbox::{NewPerson, Sandbox};
use incode_tests::eventually;
use incode_tests::process::{App, Example, Settings};
use incode_tests::{event, get};
use tempfile::TempDir;

on_both_examples!(files_that_may_not_grow_send_the_vendor_away_until_they_may);

/// As a full disk, for those who can't mount one: the system refuses to let any file grow beyond a limit.
async fn files_that_may_not_grow_send_the_vendor_away_until_they_may(example: Example) {
    let sandbox = Sandbox::builder().start().await.unwrap();
    let directory = TempDir::new().unwrap();
    let app = App::start_limited(example, &Settings::of(&sandbox, directory.path()), 512 << 10).await;
    let alice = app.log_in("alice").await;
    let delivery = |n: usize| {
        let person = sandbox.add_person(NewPerson::named("Ana Flores").identity_id(format!("filler-{n}")));
        let verified = sandbox.verify(&person.identity_id).unwrap();
        event("verification.completed", &verified.verification_id, &verified.token).to_string()
    };

    let (mut acknowledged, mut refused) = (0, None);
    for n in 0..5_000 {
        let body = delivery(n);
        let answer = app.send(App::delivery(&body)).await;
        match answer.status {
            204 => acknowledged += 1,
            503 => {
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
                refused = Some(body);
                break;
            }
            _ => panic!("{answer:?}"),
        }
    }
    let refused = refused.expect("the file reaches its limit");
    assert!(acknowledged > 0);
    let vault = app.send(get("/vault").header("cookie", &alice)).await;
    assert_eq!((vault.status, vault.code()), (403, "verification_required".to_owned()));
    // While nothing comes the store tidies up, and has a little room again.
    let mut n = 5_000;
    eventually("health says that nothing can be written", async || {
        n += 1;
        let answer = app.send(App::delivery(delivery(n))).await;
        acknowledged += u64::from(answer.status == 204);
        app.send(get("/healthz")).await.status == 503
    })
    .await;

    app.unlimit().await;
    eventually("well again", async || app.send(get("/healthz")).await.status == 200).await;
    eventually("taken again", async || app.send(App::delivery(&refused)).await.status == 204).await;
    eventually("all is applied", async || app.count("pending").await == 0).await;
    assert_eq!((app.count("done").await, app.count("dead").await), (acknowledged + 1, 0));
    assert_eq!(app.stop().await.code, Some(0));
}

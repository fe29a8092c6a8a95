use std::time::{Duration, Instant};

use incode_sandbox::{Effect, Fault, Sandbox};
use incode_tests::eventually;
use incode_tests::get;
use incode_tests::process::{App, Example, Settings};
use tempfile::TempDir;

use crate::load::Load;

on_both_examples!(a_stop_under_load_loses_nothing, a_stop_while_the_vendor_hangs);

async fn a_stop_under_load_loses_nothing(example: Example) {
    let sandbox = Sandbox::builder().start().await.unwrap();
    let directory = TempDir::new().unwrap();
    let settings = Settings::of(&sandbox, directory.path());
    let load = Load::new(&sandbox);
    let app = App::start(example, &settings).await;
    let senders = load.run(app.address, 8);
    eventually("some are acknowledged", async || load.figures().1 > 100).await;
    let ended = app.stop().await;
    senders.join_all().await;
    assert_eq!((ended.code, ended.stdout), (Some(0), Vec::new()), "{:?}", ended.stderr);

    let app = App::start(example, &settings).await;
    load.settle(app.address).await;
    eventually("all is applied", async || app.count("pending").await == 0).await;
    assert_eq!(app.stop().await.code, Some(0));
    load.is_applied_once_each(&directory.path().join("incode.db"));
}

async fn a_stop_while_the_vendor_hangs(example: Example) {
    let sandbox = Sandbox::builder().start().await.unwrap();
    let directory = TempDir::new().unwrap();
    let settings = Settings::of(&sandbox, directory.path());
    sandbox.add_fault(Fault::new(Effect::Stall).times(u32::MAX));
    let load = Load::new(&sandbox);
    let app = App::start(example, &settings).await;
    let senders = load.run(app.address, 2);
    eventually("the vendor is asked", async || !sandbox.calls().is_empty()).await;
    // Not even an idle connection keeps it alive.
    let _idle = tokio::net::TcpStream::connect(app.address).await.unwrap();
    let begun = Instant::now();
    let ended = app.stop().await;
    assert_eq!(ended.code, Some(0), "{:?}", ended.stderr);
    assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
    senders.join_all().await;

    sandbox.clear_faults();
    let app = App::start(example, &settings).await;
    assert_eq!(app.send(get("/healthz")).await.status, 200);
    load.settle(app.address).await;
    eventually("all is applied", async || app.count("pending").await == 0).await;
    assert_eq!(app.stop().await.code, Some(0));
    load.is_applied_once_each(&directory.path().join("incode.db"));
}

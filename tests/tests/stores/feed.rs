use std::future::poll_fn;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use incode_core::IdentityId;
use incode_core::identity::transition::Outcome;
use incode_core::store::{StoreErrorKind, StoreNotice};
use incode_core::testing::store_suite::{observe, seen, unlink};
use incode_tests::servers::Proxy;
use incode_tests::{Adapter, Plan, World, eventually};

use crate::engine::Engine;
use crate::{is_kept, next};

on_both_engines!(
    a_listener_that_is_lost_is_down_until_there_is_another alone,
    a_late_reader_learns_that_it_is_up_and_a_closed_store_ends_it,
    while_the_server_is_away_nothing_known_is_believed alone,
    while_the_server_is_away_who_is_known_is_stood_in_for alone,
    notices_that_stop_without_an_error_are_trusted_for_a_second_and_no_longer,
    a_commit_whose_answer_is_lost_is_a_gap,
    a_caller_that_gives_up_on_a_commit_leaves_a_gap,
);

async fn a_listener_that_is_lost_is_down_until_there_is_another(engine: Engine) {
    let (one, other) = (engine.store().await, engine.store().await);
    let mut feed = other.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    assert_eq!(engine.end_listeners().await, 1);
    assert_eq!(next(&mut feed).await, StoreNotice::Down);
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    one.change(observe(seen("person", 10))).await.unwrap();
    assert!(matches!(next(&mut feed).await, StoreNotice::Changed(_)));
}

async fn a_late_reader_learns_that_it_is_up_and_a_closed_store_ends_it(engine: Engine) {
    let store = engine.store().await;
    let mut first = store.feed().unwrap();
    assert_eq!(next(&mut first).await, StoreNotice::Up);
    let mut late = store.feed().unwrap();
    assert_eq!(next(&mut late).await, StoreNotice::Up);
    store.close().await.unwrap();
    for feed in [&mut first, &mut late] {
        assert_eq!(poll_fn(|cx| feed.as_mut().poll_next(cx)).await, None);
    }
}

/// The server goes and comes back: the gate of a replica never answers from what it knew before.
async fn while_the_server_is_away_nothing_known_is_believed(engine: Engine) {
    let proxy = Proxy::to(engine.port()).await;
    let world = opened(&engine, &proxy).await;
    engine.kill();
    eventually("bypassed", async || world.status("ana", "/vault").await == 503).await;
    proxy.cut();
    engine.resume().await;
    // While no process can listen.
    assert_eq!(engine.store().await.change(unlink("ana", 10)).await.unwrap().outcome, Outcome::Unlinked(true));
    proxy.mend();
    let answered = async || {
        let status = world.status("ana", "/vault").await;
        assert_ne!(status, 200, "what was known before the server went");
        status == 403
    };
    eventually("the server is asked again", answered).await;
}

/// Where that was asked for: each who asks, all the while.
async fn while_the_server_is_away_who_is_known_is_stood_in_for(engine: Engine) {
    let store = engine.choose();
    let plan = Plan::new(Adapter::Axum).incode(move |builder| store(builder).serve_stale(Duration::from_secs(600)));
    let world = with_ana(plan).await;
    engine.kill();
    let killed = Instant::now();
    while killed.elapsed() < Duration::from_secs(2) {
        let all = join_all((0..8).map(|_| world.status("ana", "/vault"))).await;
        assert_eq!(all, [200; 8], "{:?} after the server went", killed.elapsed());
    }
    assert_eq!(world.status("ben", "/vault").await, 503, "of whom nothing is known");
}

/// The listener's connection is there, and nothing comes over it: no end, no error, no notice.
async fn notices_that_stop_without_an_error_are_trusted_for_a_second_and_no_longer(engine: Engine) {
    let proxy = Proxy::to(engine.port()).await;
    let world = opened(&engine, &proxy).await;
    proxy.silence_notices();
    assert_eq!(engine.store().await.change(unlink("ana", 10)).await.unwrap().outcome, Outcome::Unlinked(true));
    let (changed, mut last) = (Instant::now(), Duration::ZERO);
    loop {
        let asked = changed.elapsed();
        if world.status("ana", "/vault").await != 200 {
            break;
        }
        last = asked;
        assert!(last < BOUND + SLACK, "what was known is used while no notice arrives");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(world.status("ana", "/vault").await, 403, "every other call is answered");
    // As long as it lasts each visit asks, also after what is asked was known.
    let store = engine.store().await;
    for linked in [true, false, true] {
        if linked {
            world.link("ana", "person-of-ana").await;
        } else {
            store.change(unlink("ana", 10)).await.unwrap();
        }
        let status = world.status("ana", "/vault").await;
        assert_eq!(status, if linked { 200 } else { 403 }, "linked: {linked}");
    }
    println!("the last 200 came {} ms after the change whose notice was lost", last.as_millis());
}

/// The server commits, and the answer is cut off: this process does not know what changed, and the feed says so.
async fn a_commit_whose_answer_is_lost_is_a_gap(engine: Engine) {
    let proxy = Proxy::to(engine.port()).await;
    let store = engine.store_at(proxy.port()).await;
    // The scripts are there, and the connections.
    store.change(observe(seen("person", 9))).await.unwrap();
    let mut feed = store.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    proxy.lose_answers_to(engine.commits());
    let (asked, watched) = tokio::join!(store.change(observe(seen("person", 10))), async {
        committed(&engine).await;
        proxy.mend();
        proxy.reset();
        let mut heard = Vec::new();
        while heard.last() != Some(&StoreNotice::Up) {
            heard.push(next(&mut feed).await);
        }
        heard
    });
    assert_eq!(asked.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let mut heard = watched;
    while !heard.contains(&StoreNotice::Gap) {
        heard.push(next(&mut feed).await);
    }
    assert!(heard.contains(&StoreNotice::Down), "{heard:?}");
}

/// The server commits, and the caller no longer waits for its answer.
async fn a_caller_that_gives_up_on_a_commit_leaves_a_gap(engine: Engine) {
    let proxy = Proxy::to(engine.port()).await;
    let store = engine.store_at(proxy.port()).await;
    store.change(observe(seen("person", 9))).await.unwrap();
    let mut feed = store.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    proxy.lose_answers_to(engine.commits());
    tokio::select! {
        answer = store.change(observe(seen("person", 10))) => panic!("an answer that was lost: {answer:?}"),
        () = committed(&engine) => {}
    }
    assert_eq!(next(&mut feed).await, StoreNotice::Gap);
}

/// Until another sees the change.
async fn committed(engine: &Engine) {
    let other = engine.store().await;
    let person = IdentityId::new("person").unwrap();
    eventually("committed", async || {
        let known = other.identity(person.clone()).await.unwrap();
        known.is_some_and(|known| known.checked_at.as_millis() == 10)
    })
    .await;
}

/// A world in which Ana stands in an open door, and would for ten minutes by what is known.
async fn opened(engine: &Engine, proxy: &Proxy) -> World {
    let store = engine.choose_at(proxy.port());
    let lifetime = Duration::from_secs(600);
    with_ana(Plan::new(Adapter::Axum).incode(move |builder| store(builder).near_cache_lifetime(lifetime))).await
}

/// A world in which the door is open for Ana.
async fn with_ana(plan: Plan) -> World {
    let world = plan.start().await;
    let ana = incode_sandbox::NewPerson::named("Ana Flores").identity_id("person-of-ana");
    world.sandbox.add_person(ana);
    world.link("ana", "person-of-ana").await;
    eventually("open", async || world.status("ana", "/vault").await == 200 && is_kept(&world, "ana")).await;
    world
}

/// The next pulse, and the time that its answer may take.
const BOUND: Duration = Duration::from_secs(1);
/// Of a machine that has other things to do.
const SLACK: Duration = Duration::from_millis(500);

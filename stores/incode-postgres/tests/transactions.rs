//! What a transaction costs, and what it holds still.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::calls::{applied, claimed, open};
use common::eventually;
use common::turns::Turns;
use incode_core::Timestamp;
use incode_core::identity::LinkProof;
use incode_core::identity::transition::{Command, EventLink, Outcome, Rules};
use incode_core::store::{IdentityStore, InboxStore, LifeCycle, Settled, Store, StoreErrorKind};
use incode_core::testing::store_suite::{apply, applying, callback, link, observe, pending, request, seen, unlink};
use incode_core::{IdentityId, Subject};
use incode_postgres::PostgresOptions;
use incode_test_servers::PostgresServer;

/// Before the rework a settlement took 12 round trips, and 21 with a link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_takes_six_round_trips_at_most() {
    let Some(server) = PostgresServer::shared().await else { return };
    let turns = Turns::before(server.port()).await;
    let (_, schema) = server.fresh();
    let url = server.url_at(turns.port(), &schema);
    let store = PostgresOptions::new(&url).unwrap().call_deadline(Duration::from_secs(60)).open().await.unwrap();
    // The connections are made.
    applied(&store, "first", "person", None, 10).await;
    for (object, subject) in [("plain", None), ("linking", Some("alice"))] {
        store.accept(pending(object, "token", 20)).await.unwrap();
        let event = claimed(&store).await;
        let mut applying = applying(&event, seen("person", 20));
        applying.link = subject.map(|subject| EventLink {
            subject: Subject::new(subject).unwrap(),
            proof: LinkProof::Application,
            nonce: None,
        });
        let before = turns.count();
        let settled = store.settle(event.lease, apply(applying, &Rules::default(), 20)).await.unwrap();
        let taken = turns.count() - before;
        let Settled::Written(Some((outcome, _))) = settled else { panic!("{settled:?}") };
        assert_eq!(outcome == Outcome::Linked, subject.is_some());
        println!("{object}: {taken} round trips");
        assert!((1..=6).contains(&taken), "{object}: {taken}");
    }
    let before = turns.count();
    store.accept(pending("one", "token", 30)).await.unwrap();
    let taken = turns.count() - before;
    println!("accept: {taken} round trips");
    assert!((1..=3).contains(&taken), "accept: {taken}");
}

/// A callback to another identity, and the event that turns the pending link into a link: one sees what the other did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_link_is_replaced_or_confirmed_and_never_both() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, _) = server.fresh();
    let (one, other) = (open(&url).await, open(&url).await);
    let subject = |round: i64| Subject::new(format!("subject-{round}")).unwrap();
    for round in 0..40 {
        let (name, at) = (format!("subject-{round}"), 1_000 * (round + 1));
        let (first, second) = (format!("first-{round}"), format!("second-{round}"));
        let back = request(Command::Return(callback(&name, &first, at)), at);
        assert_eq!(one.change(back).await.unwrap().outcome, Outcome::Pending);
        one.accept(pending(&format!("object-{round}"), "token", at + 1)).await.unwrap();
        let event = claimed(&*one).await;
        // Made while the flow ran, so that it confirms.
        let mut passed = applying(&event, seen(&first, at));
        passed.check.made_at = Some(Timestamp::from_millis(at - 5));
        let returning = request(Command::Return(callback(&name, &second, at + 2)), at + 2);
        let (settled, returned) =
            tokio::join!(one.settle(event.lease, apply(passed, &Rules::default(), at + 3)), other.change(returning));
        settled.unwrap();
        let returned = returned.unwrap().outcome;
        let state = one.subject(subject(round)).await.unwrap();
        let linked = state.linked.map(|linked| linked.link.identity_id.as_str().to_owned());
        let pending = state.pending.map(|pending| pending.identity_id.as_str().to_owned());
        match (linked, pending) {
            (Some(linked), None) => assert_eq!(linked, first, "{returned:?}"),
            (None, Some(pending)) => assert_eq!(pending, second, "{returned:?}"),
            both => panic!("round {round}: {both:?}, {returned:?}"),
        }
    }
}

/// A command that names the subject alone finds the identity it is linked to at the moment of the lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_made_and_ended_at_once_end_in_one_state() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, _) = server.fresh();
    let stores = [open(&url).await, open(&url).await];
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..60_i64 {
        let store = Arc::clone(&stores[usize::try_from(n % 2).unwrap()]);
        tasks.spawn(async move {
            let identity = format!("identity-{}", n % 3);
            let linking = link("alice", &identity, 100 + n);
            let command = if n % 4 == 3 { unlink("alice", 100 + n) } else { linking };
            store.change(command).await.map(drop)
        });
    }
    for outcome in tasks.join_all().await {
        outcome.unwrap();
    }
    let alice = Subject::new("alice").unwrap();
    let state = stores[0].subject(alice.clone()).await.unwrap();
    let mut linked = 0;
    for n in 0..3 {
        let id = IdentityId::new(format!("identity-{n}")).unwrap();
        linked += stores[1].subjects(id).await.unwrap().len();
    }
    assert_eq!(linked, usize::from(state.linked.is_some()));
}

/// A role that may connect and nothing else takes every lock that it can, and holds nothing up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lock_of_a_neighbour_holds_a_change_up() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, schema) = server.fresh();
    let store = open(&url).await;
    let admin = server.connect(&schema).await;
    admin.batch_execute(&format!("CREATE ROLE neighbour_{schema} LOGIN")).await.unwrap();
    let neighbour = server.connect_as(&format!("neighbour_{schema}")).await;
    for refused in [format!("SELECT FROM {schema}.lock FOR UPDATE"), format!("LOCK {schema}.lock")] {
        assert!(neighbour.batch_execute(&refused).await.is_err(), "{refused}");
    }
    neighbour.batch_execute("SELECT pg_advisory_lock(n) FROM generate_series(1, 2000) n").await.unwrap();
    store.change(observe(seen("person", 10))).await.unwrap();
    applied(&*store, "object", "person", Some("alice"), 20).await;
    let used = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE locktype = 'advisory' AND application_name = 'incode'";
    assert_eq!(admin.query_one(used, &[]).await.unwrap().get::<_, i64>(0), 0);
}

/// One row that the database does not take fails alone. The others of its batch are kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_fails_does_not_hold_up_the_others() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, schema) = server.fresh();
    let store = open(&url).await;
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF NEW.object_id = 'bad' THEN RAISE SQLSTATE '22021'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION refuse()";
    server.connect(&schema).await.batch_execute(refuse).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        let store = Arc::clone(&store);
        let object = if n == 25 { "bad".to_owned() } else { format!("object-{n}") };
        tasks.spawn(async move { (n, store.accept(pending(&object, "token", 10)).await) });
    }
    for (n, accepted) in tasks.join_all().await {
        match accepted {
            Err(error) => {
                assert_eq!((n, error.kind()), (25, StoreErrorKind::Failed));
                let cause = std::error::Error::source(&error).unwrap().to_string();
                assert!(cause.starts_with("SQLSTATE 22021: "), "{cause}");
            }
            Ok(_) => assert_ne!(n, 25),
        }
    }
    assert_eq!(store.counts().await.unwrap().inbox.pending, 49);
}

/// The queue of notifications is full, which any role can bring about: the change is written all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_that_is_refused_does_not_undo_the_change() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, schema) = server.fresh();
    let store = open(&url).await;
    let admin = server.connect(&schema).await;
    // Stands in for the full queue, for which 8 GB would have to be written: the first commit with the row fails so.
    admin
        .batch_execute(
            "CREATE SEQUENCE tries;
            CREATE FUNCTION full_queue() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN IF nextval(TG_TABLE_SCHEMA || '.tries') = 1 THEN RAISE SQLSTATE '54000'; END IF;
                RETURN NULL; END $$;
            CREATE TRIGGER full_queue AFTER INSERT ON identity FOR EACH ROW EXECUTE FUNCTION full_queue()",
        )
        .await
        .unwrap();
    store.change(observe(seen("person", 10))).await.unwrap();
    let tries = admin.query_one("SELECT last_value FROM tries", &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(tries, 2, "tried again without the notice");
}

/// A process that vanished in a transaction holds its locks no longer than the transaction's own timeout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_given_up_frees_its_locks() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, schema) = server.fresh();
    let store = open(&url).await;
    let admin = server.connect(&schema).await;
    admin.batch_execute("BEGIN; SELECT FROM lock FOR UPDATE").await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(300), store.change(observe(seen("person", 10)))).await;
    assert!(waiting.is_err(), "it waits for the lock");
    admin.batch_execute("COMMIT").await.unwrap();
    eventually("no transaction is left", async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'incode' AND xact_start IS NOT NULL
            AND pid IN (SELECT pid FROM pg_locks JOIN pg_class ON pg_class.oid = relation
                WHERE relnamespace = $1::text::regnamespace)";
        admin.query_one(sql, &[&schema]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    store.change(observe(seen("person", 11))).await.unwrap();
    store.close().await.unwrap();
    let closed: Arc<dyn Store> = store;
    assert_eq!(closed.time().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

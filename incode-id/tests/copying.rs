//! `incode-id store copy`, from real files into a real server.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

#[path = "../../stores/incode-postgres/tests/common/mod.rs"]
mod common;
mod world;

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use common::eventually;
use common::server::PostgresServer;
use incode_core::identity::LinkProof;
use incode_core::identity::transition::{EventLink, Rules};
use incode_core::store::{Claim, IdentityStore, InboxStore, LifeCycle, StoreErrorKind};
use incode_core::testing::store_suite::{apply, applying, link, observe, pending, seen};
use incode_postgres::PostgresStore;
use tempfile::tempdir;
use world::{
    assert_same, behaviour, copy, copying, ending, file_in, fill, ms, open_file, run, snapshot, subject, text,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_there_as_it_was() {
    let Some(server) = PostgresServer::shared().await else { return };
    let folder = tempdir().unwrap();
    let (file, (url, _)) = (file_in(&folder), server.fresh());
    let store = open_file(&file).await;
    fill(&*store).await;
    let expected = snapshot(&*store).await;
    assert!(expected.len() > 100, "{}", expected.len());
    store.close().await.unwrap();
    let before = fs::read(&file).unwrap();

    let copied = text(&copy(&file, &url));
    assert!(copied.contains("complete: true"), "{copied}");
    let rows = |table: &str| copied.lines().find_map(|line| line.strip_prefix(&format!("{table} ")).map(str::to_owned));
    let count = |table: &str| rows(table).unwrap().split_whitespace().next().unwrap().parse::<u32>().unwrap();
    for table in [
        "meta",
        "audit",
        "tombstone",
        "identity",
        "link",
        "pending_link",
        "refused_link",
        "confirmation",
        "field",
        "used_nonce",
        "used_token",
        "event",
        "job",
    ] {
        assert!(count(table) > 0, "{table}: nothing of it was tested: {copied}");
    }
    let target = PostgresStore::open(&url).await.unwrap();
    assert_same(&snapshot(&target).await, &expected);
    assert!(fs::read(&file).unwrap() == before, "the file is as it was");
    // A copy of a file that is open again ends its leases; so this comes last.
    let source = open_file(&file).await;
    let [source, target] = [behaviour(&*source).await, behaviour(&target).await];
    // The number of a lease is the engine's own affair.
    let plain = |lines: &[String]| -> Vec<String> { lines.iter().map(|line| without_lease_numbers(line)).collect() };
    assert_same(&plain(&target), &plain(&source));
}

/// The file of a process that was killed has rows in its log only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_in_the_log_of_a_killed_process_are_copied() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (folder, killed) = (tempdir().unwrap(), tempdir().unwrap());
    let (file, left, (url, _)) = (file_in(&folder), file_in(&killed), server.fresh());
    let store = open_file(&file).await;
    for n in 0..20 {
        store.change(observe(seen(&format!("person-{n}"), 10))).await.unwrap();
    }
    // What `kill -9` leaves: the file and its log as they are at this moment.
    for suffix in ["", "-wal"] {
        let name = |path: &std::path::Path| format!("{}{suffix}", path.display());
        fs::copy(name(&file), name(&left)).unwrap();
    }
    let expected = snapshot(&*store).await;
    let log = fs::metadata(format!("{}-wal", left.display())).unwrap().len();
    assert!(log > 0, "the rows are in the log");
    let copied = text(&copy(&left, &url));
    assert!(copied.lines().any(|line| line.split_whitespace().eq(["identity", "20", "20"])), "{copied}");
    assert_same(&snapshot(&PostgresStore::open(&url).await.unwrap()).await, &expected);
    assert_eq!(fs::metadata(format!("{}-wal", left.display())).unwrap().len(), log, "the log is as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_it_goes_on_where_it_was() {
    let Some(server) = PostgresServer::start().await else { return };
    let folder = tempdir().unwrap();
    let (file, (url, schema)) = (file_in(&folder), server.fresh());
    let store = open_file(&file).await;
    fill(&*store).await;
    for n in 0..40 {
        store.change(link(&format!("subject-{n}"), &format!("linked-{n}"), 1_000)).await.unwrap();
    }
    let expected = snapshot(&*store).await;
    store.close().await.unwrap();
    // Stops the copy in the middle of the links, however fast it is: their table gets a trigger that waits.
    let admin = server.connect("public").await;
    admin.batch_execute("SELECT pg_advisory_lock(1)").await.unwrap();
    admin
        .batch_execute(&format!(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF (SELECT count(*) FROM {schema}.link) >= 15 THEN PERFORM pg_advisory_xact_lock(1); END IF;
                RETURN NULL; END $$;
            CREATE FUNCTION add_wait() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
                IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = '{schema}.link') THEN
                    CREATE TRIGGER wait AFTER INSERT ON {schema}.link EXECUTE FUNCTION public.wait();
                END IF; END $$;
            CREATE EVENT TRIGGER add_wait ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION add_wait()"
        ))
        .await
        .unwrap();
    let mut first = copying(&file, &url, "4");
    let waiting = async |processes: i64| {
        let sql = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        eventually("the copy waits", async || admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == processes)
            .await;
    };
    waiting(1).await;
    // SIGKILL. The server goes on with what it has received.
    first.kill().unwrap();
    first.wait().unwrap();
    let refused = PostgresStore::open(&url).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Incompatible);
    assert!(refused.cause().to_string().contains("unfinished"), "{}", refused.cause());

    // The second run waits for the batch that is under way, or else it would go on before it.
    let second = copying(&file, &url, "4");
    waiting(2).await;
    admin.batch_execute("SELECT pg_advisory_unlock(1)").await.unwrap();
    let second = second.wait_with_output().unwrap();
    let copied = text(&second);
    let line = copied.lines().find(|line| line.starts_with("link ")).unwrap().to_owned();
    let numbers: Vec<u32> = line.split_whitespace().skip(1).map(|number| number.parse().unwrap()).collect();
    assert!(numbers[1] > 0 && numbers[1] < numbers[0], "it began anew: {line}");
    let target = PostgresStore::open(&url).await.unwrap();
    assert_same(&snapshot(&target).await, &expected);
    for n in 0..40 {
        assert!(target.subject(subject(&format!("subject-{n}"))).await.unwrap().linked.is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_in_use_is_refused() {
    let Some(server) = PostgresServer::shared().await else { return };
    let folder = tempdir().unwrap();
    let (file, (url, schema)) = (file_in(&folder), server.fresh());
    let store = open_file(&file).await;
    let (code, said) = ending(&copy(&file, &url));
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("open in another process"), "{said}");
    store.close().await.unwrap();
    let (code, said) = ending(&copy(&folder.path().join("missing.db"), &url));
    assert_eq!(code, Some(4), "{said}");
    assert!(!folder.path().join("missing.db").exists(), "it was made");
    let empty = folder.path().join("empty.db");
    fs::write(&empty, "").unwrap();
    assert_eq!(ending(&copy(&empty, &url)).0, Some(3));
    let made = "SELECT count(*) FROM pg_namespace WHERE nspname = $1";
    let made = server.connect("public").await.query_one(made, &[&schema]).await.unwrap().get::<_, i64>(0);
    assert_eq!(made, 0, "nothing was made for a copy that can't be");
    assert!(copy(&file, &url).status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_in_use_is_refused() {
    let Some(server) = PostgresServer::shared().await else { return };
    let folder = tempdir().unwrap();
    let (file, (url, _)) = (file_in(&folder), server.fresh());
    open_file(&file).await.close().await.unwrap();
    let store = PostgresStore::open(&url).await.unwrap();
    let refuse = || {
        let (code, said) = ending(&copy(&file, &url));
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("in use already"), "{said}");
    };
    // A process that has it open may write at any moment.
    refuse();
    store.accept(pending("object", "token", 10)).await.unwrap();
    refuse();
    assert_eq!(store.counts().await.unwrap().inbox.pending, 1);
    // A copy that is finished is a store like any other.
    let (url, _) = server.fresh();
    assert!(copy(&file, &url).status.success());
    assert_eq!(ending(&copy(&file, &url)).0, Some(3));
}

/// The row that a copy has read may have changed since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfinished_copy_goes_on_from_the_same_file_only() {
    let Some(server) = PostgresServer::shared().await else { return };
    let folder = tempdir().unwrap();
    let (file, (url, schema)) = (file_in(&folder), server.fresh());
    let store = open_file(&file).await;
    fill(&*store).await;
    store.close().await.unwrap();
    // Fails at the first event.
    let admin = server.connect("public").await;
    let refuse = format!(
        "CREATE FUNCTION {schema}_refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
            IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = '{schema}.event') THEN
                ALTER TABLE {schema}.event ADD CONSTRAINT no_event CHECK (id < 0);
            END IF; END $$;
        CREATE EVENT TRIGGER {schema}_refuse ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
            EXECUTE FUNCTION {schema}_refuse()"
    );
    admin.batch_execute(&refuse).await.unwrap();
    let (code, said) = ending(&copy(&file, &url));
    admin.batch_execute(&format!("DROP EVENT TRIGGER {schema}_refuse")).await.unwrap();
    assert_eq!(code, Some(1), "{said}");
    assert!(PostgresStore::open(&url).await.is_err());
    // The lock of the copy that failed is gone.
    let store = open_file(&file).await;
    store.change(observe(seen("person-3", 5_000))).await.unwrap();
    store.close().await.unwrap();
    let (code, said) = ending(&copy(&file, &url));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("unfinished copy of another file"), "{said}");
}

#[test]
fn wrong_arguments_are_named_without_what_they_hold() {
    for (from, to) in [
        ("sqlite::memory:", "postgres://u:canary@127.0.0.1/x"),
        ("redis://canary", "postgres://u:canary@127.0.0.1/x"),
        ("sqlite:incode.db", "mysql://canary"),
        ("sqlite:incode.db", "postgres://u:canary@127.0.0.1/x?sslmode=canary"),
    ] {
        let (code, said) = ending(&run(&["store", "copy", "--from", from, "--to", to]));
        assert_eq!(code, Some(2), "{said}");
        assert!(!said.contains("canary"), "{said}");
    }
    assert_eq!(ending(&run(&["store", "copy", "--from", "sqlite:x"])).0, Some(2), "no target is named");
}

/// Measures the copy of as many people as `COPY_PEOPLE` says, a million unless set, each with a link and an event that is done.
/// Run in release mode, by name: `cargo test --release -p incode-id --test copying -- --ignored --nocapture measures`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; its figures are in docs/operations.md"]
async fn measures_a_million_people() {
    let Some(server) = PostgresServer::start().await else { return };
    let people: i64 = std::env::var("COPY_PEOPLE").ok().map_or(1_000_000, |text| text.parse().unwrap());
    let folder = tempdir().unwrap();
    let (file, (url, _)) = (file_in(&folder), server.fresh());
    let store = open_file(&file).await;
    let begun = Instant::now();
    for lot in 0..people / 1_000 {
        let mut tasks = tokio::task::JoinSet::new();
        for n in lot * 1_000..(lot + 1) * 1_000 {
            let store = Arc::clone(&store);
            let event = pending(&format!("64bb17ff915ccccb{n:08x}"), &format!("token-{n}"), 1_000 + n);
            tasks.spawn(async move { store.accept(event).await.map(drop) });
        }
        tasks.join_all().await.into_iter().for_each(|accepted| accepted.unwrap());
        let claim = Claim { now: ms(i64::MAX / 2), lease_until: ms(i64::MAX), limit: 1_000, newest_first: false };
        let mut tasks = tokio::task::JoinSet::new();
        for event in store.claim(claim).await.unwrap().events {
            let (store, n) = (Arc::clone(&store), event.received_at.as_millis() - 1_000);
            let mut applying = applying(&event, seen(&format!("6f1c9e02a7d4{n:012x}"), 1_000 + n));
            applying.link = Some(EventLink { subject: subject(&account(n)), proof: LinkProof::Webhook, nonce: None });
            let settlement = apply(applying, &Rules::default(), 1_000 + n);
            tasks.spawn(async move { store.settle(event.lease, settlement).await.map(drop) });
        }
        tasks.join_all().await.into_iter().for_each(|settled| settled.unwrap());
    }
    store.close().await.unwrap();
    println!("{people} people written in {:?}, {} bytes", begun.elapsed(), fs::metadata(&file).unwrap().len());
    let begun = Instant::now();
    let copied = text(&copy(&file, &url));
    println!("copied in {:?}\n{copied}", begun.elapsed());
    let last = subject(&account(people - 1));
    let target = PostgresStore::open(&url).await.unwrap();
    assert_eq!(target.subject(last).await.unwrap().linked.unwrap().link.linked_at, ms(1_000 + people - 1));
}

fn account(n: i64) -> String {
    format!("account-{n:09}")
}

/// `number: 7` in the `Debug` of a lease.
fn without_lease_numbers(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("number: ") {
        out.push_str(before);
        rest = after.trim_start_matches(|character: char| character.is_ascii_digit());
    }
    out + rest
}

//! The program itself, killed and started again.

use std::process::Stdio;
use std::time::Duration;

use incode_tests::process::{program, within};
use tokio::process::{Child, Command};
use tokio_postgres::Client;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_it_goes_on_where_it_was_and_needs_little_memory() {
    let Some(this) = Move::start().await else { return };
    this.sqlite().await.close().await.unwrap();
    fill_by_the_thousand(&this).await;
    let reader = this.server.connect("pg_catalog").await;
    for part in [5_000, 30_000, 60_000] {
        let mut moving = this.spawn();
        within(Duration::from_secs(30), "some are there", async || this.arrived(&reader).await > part).await;
        // SIGKILL.
        moving.kill().await.unwrap();
        assert!(this.arrived(&reader).await < EVENTS, "in the middle");
    }
    let mut moving = this.spawn();
    let mut most = 0;
    let code = loop {
        most = most.max(memory(&moving));
        if let Some(status) = moving.try_wait().unwrap() {
            break status.code();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let output = moving.wait_with_output().await.unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(code, Some(0), "{told} {}", String::from_utf8_lossy(&output.stderr));
    assert!(most > 0 && most < 64 << 10, "{most} KiB, of a file with more than 100 MiB");
    let row = told.lines().find(|line| line.starts_with("event")).unwrap();
    let row: Vec<i64> = row.split_whitespace().skip(1).map(|number| number.parse().unwrap()).collect();
    let [read, copied, there, newer, conflicts] = row[..] else { panic!("{told}") };
    assert_eq!((read, copied + there, newer, conflicts), (EVENTS, EVENTS, 0, 0));
    assert!(copied > 0 && there > 60_000, "it went on where it was: {told}");
    println!("{EVENTS} events, killed three times, at most {most} KiB\n{told}");

    let sql = "SELECT count(*), count(DISTINCT delivery_key), sum(length(token)), min(id), max(id) FROM event";
    let row = this.server.connect(&this.schema).await.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (EVENTS, EVENTS, EVENTS * TOKEN));
    assert_eq!((row.get::<_, i64>(3), row.get::<_, i64>(4)), (1, EVENTS));
    assert_eq!(this.postgres().await.counts().await.unwrap().pending, u64::try_from(EVENTS).unwrap());
}

#[tokio::test]
async fn how_it_ends_is_told_by_its_code() {
    let Some(this) = Move::start().await else { return };
    let from = this.sqlite().await;
    fill(&from).await;
    let ended = this.ended(&[]).await;
    assert_eq!(
        (ended.0, ended.1.lines().last().unwrap()),
        (4, "the file is in use: stop its process and run this again")
    );
    from.close().await.unwrap();
    assert_eq!(this.ended(&[]).await.0, 0);
    let to = this.postgres().await;
    to.unlink(subject("alice")).await.unwrap();
    link(&to, new_link("alice", "another", 10, None)).await;
    let refused = this.command().output().await.unwrap();
    let told = "incode-move: was moved completely before; give --again to move it once more\n";
    assert_eq!((refused.status.code(), refused.stdout, refused.stderr), (Some(5), Vec::new(), told.into()));
    let again = async || {
        let output = this.command().arg("--again").output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let conflict = "linked otherwise there, left as it is: alice";
    let ended = again().await;
    assert_eq!((ended.0, ended.1.lines().last().unwrap()), (Some(3), conflict));
    // Both at once: what must not be overlooked is that the copy is not the last one.
    let from = this.sqlite().await;
    let ended = again().await;
    assert!(ended.0 == Some(4) && ended.1.contains(conflict), "{ended:?}");
    from.close().await.unwrap();
    // By way of the setting, so that the password shows in no list of processes.
    let file = format!("sqlite:{}", this.file().display());
    let mut command = Command::new(program("incode-move"));
    command.env_clear().args(["--again", &file]).env("INCODE_STORE", &this.url);
    assert_eq!(command.output().await.unwrap().status.code(), Some(3));
}

#[tokio::test]
async fn what_it_refuses_is_one_line_without_the_url() {
    let directory = TempDir::new().unwrap();
    let none = format!("sqlite:{}", directory.path().join("none.db").display());
    let usage =
        "takes sqlite:PATH and postgres://..., or sqlite:PATH and the variable INCODE_STORE, and perhaps --again";
    let unavailable = "the store is unavailable: unable to open database file";
    let url = "postgres://canary:canary@127.0.0.1:9/canary";
    for (arguments, environment, code, told) in [
        (vec![], None, 2, usage),
        (vec!["--help"], None, 2, usage),
        (vec![url], None, 2, usage),
        (vec!["incode.db", url], None, 2, usage),
        (vec!["sqlite:", url], None, 2, usage),
        (vec![&*none, url, "more"], None, 2, usage),
        (vec![&*none], None, 2, "INCODE_STORE is not set"),
        (vec![&*none], Some(("INCODE_STORE", "")), 2, "INCODE_STORE is not set"),
        (vec![&*none, "mysql://canary"], None, 2, "the store failed: a PostgreSQL URL starts with postgres://"),
        (
            vec![&*none, url],
            Some(("INCODE_STORE_KEY", "canary")),
            2,
            "INCODE_STORE_KEY: is not padded base64 of 32 bytes or more",
        ),
        (vec![&*none, url], None, 1, unavailable),
        (vec![&*none], Some(("INCODE_STORE", url)), 1, unavailable),
        // As the app takes it: none.
        (vec![&*none, url], Some(("INCODE_STORE_KEY", "")), 1, unavailable),
    ] {
        let mut command = Command::new(program("incode-move"));
        let output = command.env_clear().args(&arguments).envs(environment).output().await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert_eq!(output.stdout, b"");
        let line = stderr.strip_suffix('\n').unwrap();
        assert!(line.starts_with(&format!("incode-move: {told}")) && !line.contains('\n'), "{line}");
        assert!(!line.contains("canary"), "{line}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

impl Move {
    fn command(&self) -> Command {
        let mut command = Command::new(program("incode-move"));
        command.env_clear().arg(format!("sqlite:{}", self.file().display())).arg(&self.url);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    fn spawn(&self) -> Child {
        self.command().spawn().unwrap()
    }

    async fn ended(&self, environment: &[(&str, &str)]) -> (i32, String) {
        let output = self.command().envs(environment.iter().copied()).output().await.unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    /// 0 as long as there is no table.
    async fn arrived(&self, reader: &Client) -> i64 {
        let sql = format!("SELECT count(*) FROM {}.event", self.schema);
        reader.query_one(&sql, &[]).await.map_or(0, |row| row.get(0))
    }
}

/// Straight into the tables: nobody waits for a hundred thousand commits.
async fn fill_by_the_thousand(this: &Move) {
    let mut conn = rusqlite::Connection::open(this.file()).unwrap();
    let tx = conn.transaction().unwrap();
    let sql =
        "INSERT INTO event (id, kind, object_id, object_key, delivery_key, state, attempts, lease, received_at, due_at,
            authenticated, token)
        VALUES (?1, 'verification.completed', 'object-' || ?1, ?2, ?2, 'pending', 0, 0, 10, 10, 1, ?3)";
    let mut insert = tx.prepare(sql).unwrap();
    let token = vec![7_u8; usize::try_from(TOKEN).unwrap()];
    for id in 1..=EVENTS {
        insert.execute(rusqlite::params![id, i128::from(id).to_be_bytes().to_vec(), token]).unwrap();
    }
    drop(insert);
    tx.commit().unwrap();
}

/// The most that the process ever had in memory, in KiB.
fn memory(process: &Child) -> u64 {
    let Some(id) = process.id() else { return 0 };
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

const EVENTS: i64 = 100_000;
/// As long as a token is with many claims in it.
const TOKEN: i64 = 1_000;

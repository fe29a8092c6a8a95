//! A private Redis server in a directory and on a port of its own, ended when dropped.
#![allow(
    dead_code,
    clippy::print_stdout,
    unreachable_pub,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared by tests: a panic is how they fail"
)]

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use incode_core::identity::transition::{ApplyEvent, ChangeRequest, Command as IdentityCommand, Rules};
use incode_core::identity::{Check, Checks, FaceOrigin, Identity, Link, LinkProof, NamedFlow, Observation};
use incode_core::model::{EventKind, IdentityStatus};
use incode_core::store::{
    Accepted, Claim, Claimed, EventId, EventState, InboxStore, NewEvent, StoreError, StoreFeed, StoreNotice,
};
use incode_core::{Actor, IdentityId, ObjectId, Subject, Timestamp, Token};
use incode_redis::{RedisOptions, RedisStore};
use redis::aio::MultiplexedConnection;

/// Deadline of every wait: generous, because a test must not depend on the speed of the machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Server {
    folder: tempfile::TempDir,
    settings: Vec<String>,
    pub port: u16,
    running: Option<Child>,
}

impl Server {
    /// With `appendonly` and `appendfsync always` unless the settings say otherwise. `None` where Redis is not installed,
    /// which is a failure where it counts.
    pub async fn start(settings: &[&str]) -> Option<Self> {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "Redis is not installed");
            println!("SKIPPED: Redis is not installed");
            return None;
        }
        let mut server = Self {
            folder: tempfile::Builder::new().prefix("incode-redis").tempdir().unwrap(),
            settings: settings.iter().map(|setting| (*setting).to_owned()).collect(),
            port: free_port(),
            running: None,
        };
        server.resume().await;
        Some(server)
    }

    /// A Sentinel that watches the server on this port.
    pub async fn start_sentinel(watched: u16) -> Self {
        let folder = tempfile::Builder::new().prefix("incode-sentinel").tempdir().unwrap();
        let (file, port) = (folder.path().join("sentinel.conf"), free_port());
        let directory = folder.path().display();
        let settings =
            format!("bind 127.0.0.1\nport {port}\ndir {directory}\nsentinel monitor main 127.0.0.1 {watched} 1\n");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(file).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut sentinel = Self { folder, settings: Vec::new(), port, running: Some(command.spawn().unwrap()) };
        sentinel.answers().await;
        sentinel
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub async fn open(&self) -> RedisStore {
        self.options().open().await.unwrap()
    }

    pub fn options(&self) -> RedisOptions {
        // Of a machine that is busy with other tests.
        RedisOptions::new(&self.url()).unwrap().call_deadline(PATIENCE)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it, again perhaps, and waits until it answers.
    pub async fn resume(&mut self) {
        let log = std::fs::File::create(self.folder().join("log")).unwrap();
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", "", "--dir"])
            .arg(self.folder());
        command.args(["--appendonly", "yes", "--appendfsync", "always"]).args(&self.settings);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.running = Some(command.spawn().unwrap());
        self.answers().await;
    }

    async fn answers(&mut self) {
        let begun = Instant::now();
        while self.try_connect().await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "Redis does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn connect(&self) -> MultiplexedConnection {
        self.try_connect().await.unwrap()
    }

    /// A command of the administrator, as it is typed.
    pub async fn admin(&self, command: &str) {
        let mut words = command.split(' ');
        let mut typed = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            typed.arg(word);
        });
        typed.exec_async(&mut self.connect().await).await.unwrap();
    }

    async fn try_connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        let mut connection = redis::Client::open(self.url())?.get_multiplexed_async_connection().await?;
        // A server with a password or in protected mode is asked by another way.
        redis::cmd("PING").query_async::<()>(&mut connection).await?;
        Ok(connection)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
}

pub fn identity(id: &str) -> IdentityId {
    IdentityId::new(id).unwrap()
}

pub fn subject(id: &str) -> Subject {
    Subject::new(id).unwrap()
}

pub fn actor() -> Actor {
    Actor::new("tester").unwrap()
}

pub fn event(object: &str, token: &str, seconds: i64) -> NewEvent {
    NewEvent {
        kind: EventKind::from("verification.completed"),
        object_id: Some(ObjectId::new(object).unwrap()),
        token: token.as_bytes().to_vec(),
        token_hash: Token::new(token).unwrap().hash(),
        correlation_id: None,
        vendor_time: None,
        received_at: at(seconds),
        authenticated: true,
        implausible: false,
        state: EventState::Pending,
        reason: None,
    }
}

pub async fn keep(store: &RedisStore, event: NewEvent) -> EventId {
    match store.accept(event).await.unwrap() {
        Accepted::New(id) => id,
        Accepted::Duplicate => panic!("a duplicate"),
    }
}

pub async fn claim(store: &RedisStore, seconds: i64) -> Claimed {
    let claim = Claim { now: at(seconds), lease_until: at(seconds + 60), limit: 100, newest_first: false };
    store.claim(claim).await.unwrap()
}

pub fn seen(id: &str, status: IdentityStatus, seconds: i64) -> Observation {
    Observation {
        identity_id: identity(id),
        sent_at: at(seconds),
        status,
        attestation: None,
        verified: None,
        face_authenticated_at: None,
        face_origin: FaceOrigin::default(),
        checks: Checks::default(),
        fields: Vec::new(),
    }
}

pub fn request(command: IdentityCommand, seconds: i64) -> ChangeRequest {
    ChangeRequest { command, rules: Rules::default().into(), now: at(seconds) }
}

pub fn observe(id: &str, status: IdentityStatus, seconds: i64) -> ChangeRequest {
    request(IdentityCommand::Observe(seen(id, status, seconds)), seconds)
}

pub fn link(of: &str, id: &str, seconds: i64) -> ChangeRequest {
    let link = Link::new(subject(of), identity(id), LinkProof::Application, at(seconds));
    request(IdentityCommand::Link { link, by: Some(actor()) }, seconds)
}

pub fn apply(event: EventId, object: &str, id: &str, status: IdentityStatus, seconds: i64) -> ChangeRequest {
    let check = Check {
        passed: true,
        made_at: Some(at(seconds)),
        received_at: at(seconds),
        authenticated: true,
        flow: NamedFlow::Unnamed,
    };
    request(
        IdentityCommand::ApplyEvent(ApplyEvent {
            event,
            kind: EventKind::from("verification.completed"),
            object_id: ObjectId::new(object).unwrap(),
            seen: seen(id, status, seconds),
            check,
            link: None,
        }),
        seconds,
    )
}

/// The cause of an error, as a log shows it.
pub fn cause(error: &StoreError) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

pub async fn next(feed: &mut StoreFeed) -> StoreNotice {
    let next = std::future::poll_fn(|context| feed.as_mut().poll_next(context));
    tokio::time::timeout(PATIENCE, next).await.expect("a notice in time").expect("the feed goes on")
}

pub fn is_active(identity: &Identity) -> bool {
    identity.status == IdentityStatus::Active
}

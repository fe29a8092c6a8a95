//! A process of its own that has the store open, and answers line by line.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use incode_core::model::EventKind;
use incode_core::store::{Accepted, EventState, InboxStore, LifeCycle, NewEvent, StoreError};
use incode_core::{ObjectId, Timestamp, Token};
use incode_sqlite::SqliteOptions;

/// A running child. It is killed when dropped.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts a process and opens the store at `path` in it. The error is what the store said.
    pub fn open(path: &Path) -> Result<Self, String> {
        Self::open_after(path, None)
    }

    /// The same in a mount namespace of its own, after these commands.
    pub fn open_after(path: &Path, mounts: Option<&str>) -> Result<Self, String> {
        let this = std::env::current_exe().unwrap();
        let mut command = match mounts {
            None => Command::new(&this),
            Some(mounts) => {
                let mut command = Command::new("unshare");
                command.args(["-m", "sh", "-ec"]).arg(format!("{mounts}\nexec \"$0\" \"$@\"")).arg(&this);
                command
            }
        };
        command.args(["--ignored", "--exact", "child_process", "--nocapture", "--quiet"]).env("STORE_PATH", path);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, stdin, answers };
        match process.answer().as_str() {
            "opened" => Ok(process),
            refused => Err(refused.to_owned()),
        }
    }

    /// Accepts a delivery of this object: "new", "duplicate", or what the store said.
    pub fn accept(&mut self, object: &str) -> String {
        self.ask(&format!("accept {object}"))
    }

    /// "ok", or what the store said.
    pub fn time(&mut self) -> String {
        self.ask("time")
    }

    /// Opens the file a second time in the same process. What the store said.
    pub fn open_again(&mut self) -> String {
        self.ask("again")
    }

    /// A file as the process sees it, in its own mount namespace.
    pub fn sees(&self, path: &Path) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join("root").join(path.strip_prefix("/").unwrap())
    }

    /// Closes the store and ends the process. Returns its log.
    pub fn stop(mut self) -> String {
        drop(self.stdin.take());
        let mut log = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut log).unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        log
    }

    /// As `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn ask(&mut self, order: &str) -> String {
        writeln!(self.stdin.as_mut().unwrap(), "{order}").unwrap();
        self.answer()
    }

    /// The next answer, past the lines of the test harness.
    fn answer(&mut self) -> String {
        loop {
            match self.answers.next() {
                Some(line) => {
                    if let Some((_, answer)) = line.unwrap().split_once("answer: ") {
                        return answer.to_owned();
                    }
                }
                None => {
                    let mut log = String::new();
                    std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut log).unwrap();
                    panic!("the process ended: {log}");
                }
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the process does.
pub async fn serve() {
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let path = std::env::var_os("STORE_PATH").expect("started by another test");
    let store = match SqliteOptions::new(&path).open().await {
        Ok(store) => store,
        Err(error) => return println!("answer: {}", described(&error)),
    };
    println!("answer: opened");
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let answer = match line.split_once(' ') {
            Some((_, object)) => match store.accept(delivery(object)).await {
                Ok(Accepted::New(_)) => "new".to_owned(),
                Ok(Accepted::Duplicate) => "duplicate".to_owned(),
                Err(error) => described(&error),
            },
            None if line == "again" => match SqliteOptions::new(&path).open().await {
                Ok(_) => "opened".to_owned(),
                Err(error) => described(&error),
            },
            None => store.time().await.map_or_else(|error| described(&error), |_| "ok".to_owned()),
        };
        println!("answer: {answer}");
    }
    store.close().await.unwrap();
}

fn described(error: &StoreError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{:?}: {source}", error.kind())
}

fn delivery(object: &str) -> NewEvent {
    let token = Token::new("token").unwrap();
    NewEvent {
        kind: EventKind::from("verification.completed"),
        object_id: Some(ObjectId::new(object).unwrap()),
        token: b"token".to_vec(),
        token_hash: token.hash(),
        correlation_id: None,
        vendor_time: None,
        received_at: Timestamp::from_millis(10),
        authenticated: true,
        implausible: false,
        state: EventState::Pending,
        reason: None,
    }
}

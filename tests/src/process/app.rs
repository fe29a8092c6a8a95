use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Once;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{ADMIN_TOKEN, Settings, WEBHOOK_HEADER, WEBHOOK_SECRET};
use crate::{Call, Response, get, post};

/// One of the example apps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Example {
    /// `axum-gate`.
    Axum,
    /// `actix-gate`.
    Actix,
    /// `step-up`.
    StepUp,
}

impl Example {
    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Axum => "axum-gate",
            Self::Actix => "actix-gate",
            Self::StepUp => "step-up",
        }
    }

    fn command(self, settings: &Settings) -> Command {
        prepared(Command::new(program(self.name())), settings)
    }

    /// The same, with no file allowed to grow beyond so many bytes; writes fail, no signal is sent.
    fn limited(self, settings: &Settings, bytes: u64) -> Command {
        let mut shell = Command::new("/bin/sh");
        let script = "trap '' XFSZ; ulimit -S -f \"$1\" && exec \"$0\"";
        // In blocks of 512 bytes.
        shell.args(["-c", script]).arg(program(self.name())).arg((bytes / 512).to_string());
        prepared(shell, settings)
    }
}

fn prepared(mut command: Command, settings: &Settings) -> Command {
    command
        .env_clear()
        .envs(settings.iter())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// A running app; killed when dropped.
#[derive(Debug)]
pub struct App {
    /// The line it printed.
    pub line: String,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: JoinHandle<Vec<String>>,
}

/// What an app left behind.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed, but for the first line of one that had started.
    pub stdout: Vec<String>,
    /// What it complained of.
    pub stderr: Vec<String>,
}

impl App {
    /// Starts an app and waits for its line.
    pub async fn start(example: Example, settings: &Settings) -> Self {
        Self::spawn(example.name(), example.command(settings)).await
    }

    /// Starts any program that prints a line with its link as the example apps do.
    pub async fn launch(program: impl AsRef<Path>, settings: &Settings) -> Self {
        let program = program.as_ref();
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self::spawn(&name, prepared(Command::new(program), settings)).await
    }

    /// Starts an app none of whose files may grow beyond so many bytes.
    pub async fn start_limited(example: Example, settings: &Settings, bytes: u64) -> Self {
        Self::spawn(example.name(), example.limited(settings, bytes)).await
    }

    /// Lets its files grow again.
    pub async fn unlimit(&self) {
        let id = self.child.id().expect("running").to_string();
        let status = Command::new("prlimit").args(["--fsize=unlimited", "--pid", &id]).status().await;
        assert!(status.expect("prlimit, of util-linux").success());
    }

    async fn spawn(name: &str, mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = tokio::spawn(collect(BufReader::new(child.stderr.take().unwrap()).lines()));
        let line = timeout(PATIENCE, stdout.next_line()).await.expect("no line in time").unwrap();
        let Some(line) = line else { panic!("{name} ended: {:?}", stderr.await) };
        let url = line.split(' ').find_map(|word| word.strip_prefix("http://")).expect("a link");
        let address = url.trim_end_matches('/').parse().unwrap();
        Self { line, address, child, stdout, stderr }
    }

    /// SIGKILL, and what it left behind.
    pub async fn kill(mut self) -> Ended {
        self.child.kill().await.unwrap();
        self.ended().await
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("running")
    }

    /// Whether it ended although no test stopped it.
    pub fn is_gone(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// SIGTERM, at once.
    pub async fn terminate(&self) {
        let id = self.child.id().expect("running").to_string();
        // The shell's own `kill`: not every machine has the program.
        let status = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &id]).status().await;
        assert!(status.unwrap().success());
    }

    /// SIGTERM, and what it left behind.
    pub async fn stop(self) -> Ended {
        self.terminate().await;
        self.ended().await
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Ended {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("no end in time").unwrap();
        Ended { code: status.code(), stdout: collect(self.stdout).await, stderr: self.stderr.await.unwrap() }
    }

    /// Sends a request.
    pub async fn send(&self, call: Call) -> Response {
        call.send(self.address).await
    }

    /// A delivery as the vendor would send it.
    pub fn delivery(body: impl AsRef<[u8]>) -> Call {
        post("/incode/webhook")
            .header("content-type", "application/json")
            .header(WEBHOOK_HEADER, WEBHOOK_SECRET)
            .body(body)
    }

    /// JSON of an admin route; `None` for anything but 200.
    pub async fn admin(&self, target: &str) -> Option<Value> {
        let call = get(target).header("authorization", format!("Bearer {ADMIN_TOKEN}"));
        let response = self.send(call.header("accept", "application/json")).await;
        (response.status == 200).then(|| response.json())
    }

    /// How many events are in a state.
    pub async fn count(&self, state: &str) -> u64 {
        let inbox = self.admin("/admin/inbox?state=dead").await.expect("the admin routes are on");
        inbox["counts"][state].as_u64().unwrap()
    }

    /// Logs in, and gives the cookie.
    pub async fn log_in(&self, user: &str) -> String {
        let form = post("/login").header("content-type", "application/x-www-form-urlencoded");
        let response = self.send(form.body(format!("user={user}"))).await;
        assert_eq!(response.status, 303, "{response:?}");
        let cookie = response.header("set-cookie").unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }
}

/// Runs an app that is expected to refuse, to its end. No code when it does not end by itself.
pub async fn refused(example: Example, settings: &Settings) -> Ended {
    let Ok(output) = timeout(PATIENCE / 2, example.command(settings).output()).await else {
        return Ended { code: None, stdout: Vec::new(), stderr: Vec::new() };
    };
    let output = output.unwrap();
    let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect();
    Ended { code: output.status.code(), stdout: lines(&output.stdout), stderr: lines(&output.stderr) }
}

async fn collect<R: AsyncRead + Unpin>(mut lines: Lines<BufReader<R>>) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(Some(line)) = lines.next_line().await {
        all.push(line);
    }
    all
}

/// The program beside this test; built when it is not there.
pub fn program(name: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    // target/PROFILE/deps/this-test
    let test = std::env::current_exe().unwrap();
    let directory = test.ancestors().nth(2).unwrap();
    let path = |name: &str| directory.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    BUILT.call_once(|| {
        if EXAMPLES.iter().any(|name| !path(name).exists()) {
            build(directory);
        }
    });
    path(name)
}

fn build(directory: &Path) {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet"]).args(EXAMPLES.iter().flat_map(|name| ["--package", name]));
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success(), "the example apps don't build");
}

const EXAMPLES: [&str; 3] = ["axum-gate", "actix-gate", "step-up"];
/// Far longer than anything takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

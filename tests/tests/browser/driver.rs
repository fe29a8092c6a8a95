//! Two browsers for the whole suite, one with scripts and one without. Starting one takes longer than most stories, so a
//! test borrows it, and the next test gets it without cookies and with one window.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use incode_tests::Wire;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

/// What the browser does with scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Javascript {
    On,
    Off,
}

impl Javascript {
    fn place(self) -> &'static Mutex<Option<Session>> {
        match self {
            Self::On => &WITH_SCRIPTS,
            Self::Off => &WITHOUT_SCRIPTS,
        }
    }
}

/// A browser that one test has to itself.
pub(crate) struct Lease(MutexGuard<'static, Option<Session>>);

impl Lease {
    /// Waits for the browser; starts it where none runs.
    pub(crate) async fn of(javascript: Javascript) -> Self {
        let mut place = javascript.place().lock().await;
        if place.is_none() {
            *place = Some(Session::start(javascript).await);
        }
        Self(place)
    }

    pub(crate) fn session(&self) -> &Session {
        self.0.as_ref().expect("started with the lease")
    }

    /// Ends a browser that is in an unknown state. The next test starts another.
    pub(crate) fn end(mut self) {
        *self.0 = None;
    }
}

/// A browser and its driver.
pub(crate) struct Session {
    address: SocketAddr,
    id: String,
    /// A shell that ends driver and browser with this process, however it ends: a static is never dropped, and a browser
    /// outlives a driver that is killed.
    keeper: Child,
}

impl Session {
    async fn start(javascript: Javascript) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
        let profile = directory.join(format!("profile-{}-{javascript:?}", std::process::id()));
        std::fs::create_dir_all(&profile).unwrap();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(&profile)
            .env("TMPDIR", &profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port(&mut keeper)));
        let mut session = Self { address, id: String::new(), keeper };
        let setting = if javascript == Javascript::On { 1 } else { 2 };
        let options = json!({
            "args": [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-proxy-server",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--lang=en-US",
                "--window-size=1100,1000",
                format!("--user-data-dir={}", profile.display()),
            ],
            "prefs": { "profile.default_content_setting_values.javascript": setting },
        });
        // A script may run a checker over a large page, on a busy machine.
        let timeouts = json!({ "script": PATIENCE_MILLIS, "pageLoad": PATIENCE_MILLIS });
        let capabilities = json!({ "goog:chromeOptions": options, "timeouts": timeouts });
        let capabilities = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let (status, begun) = session.ask("POST", "/session", Some(&capabilities)).await;
        assert_eq!(status, 200, "{begun}");
        session.id = begun["value"]["sessionId"].as_str().unwrap().to_owned();
        session
    }

    /// Sends a command of this session; gives status and answer.
    pub(crate) async fn send(&self, method: &str, command: &str, body: Option<&Value>) -> (u16, Value) {
        self.ask(method, &format!("/session/{}/{command}", self.id), body).await
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n", self.address, body.len());
        let mut wire = Wire::open(self.address).await;
        wire.write(format!("{head}content-type: application/json\r\n\r\n{body}").as_bytes()).await;
        let answer = wire.response(false).await;
        (answer.status, answer.json())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The port that the driver says it chose.
fn port(keeper: &mut Child) -> u16 {
    let mut lines = BufReader::new(keeper.stdout.take().unwrap()).lines();
    let port = lines.by_ref().find_map(|line| {
        let line = line.unwrap();
        let port = line.rsplit("on port ").next().and_then(|rest| rest.trim_end_matches('.').parse().ok());
        port.filter(|_| line.contains("started successfully"))
    });
    // It may have more to say, and must not trip over a closed pipe.
    std::thread::spawn(move || lines.for_each(drop));
    port.expect("chromedriver starts")
}

/// The driver and its browsers are one process group. `cat` ends when this process closes the pipe, or is gone.
const KEEPER: &str = "setsid chromedriver --port=0 </dev/null & driver=$!
    cat >/dev/null
    kill -s KILL -- -$driver; wait $driver; rm -rf \"$1\"";

/// Far longer than anything takes, even on a busy machine.
const PATIENCE_MILLIS: u64 = 120_000;

/// One test at a time has the browser. tokio's lock, because it is held while the test awaits.
static WITH_SCRIPTS: Mutex<Option<Session>> = Mutex::const_new(None);
static WITHOUT_SCRIPTS: Mutex<Option<Session>> = Mutex::const_new(None);

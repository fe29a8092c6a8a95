use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use super::certificates::place;
use super::{Certificates, free_port, log, program, skipped};

/// A Redis server of one's own, which writes everything down before it answers; ended when dropped.
#[derive(Debug)]
pub struct RedisServer {
    folder: TempDir,
    program: PathBuf,
    settings: Vec<String>,
    port: u16,
    /// Where it talks TLS, if it does.
    tls_port: Option<u16>,
    names: AtomicU32,
    running: Mutex<Option<Child>>,
}

impl RedisServer {
    /// The one server of this process, started by the first test that asks. `None`, and a message, where Redis is not
    /// installed.
    pub async fn shared() -> Option<Arc<Self>> {
        static SHARED: tokio::sync::Mutex<Weak<RedisServer>> = tokio::sync::Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::start(&["--appendonly", "yes", "--appendfsync", "always"]).await?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// A server for one test, with these settings.
    pub async fn start(settings: &[&str]) -> Option<Self> {
        let server = Self::prepare(settings)?;
        server.resume().await;
        Some(server)
    }

    /// The same, which talks TLS on a second port. `None`, and a word about it, where Redis was built without.
    pub async fn start_with_tls(certificates: &Certificates) -> Option<Self> {
        let mut server = Self::prepare(&["--appendonly", "no", "--tls-auth-clients", "no"])?;
        let built = Command::new("ldd").arg(&server.program).output().unwrap();
        if !String::from_utf8_lossy(&built.stdout).contains("libssl") {
            return skipped("Redis with TLS");
        }
        let [certificate, key] = certificates.server().map(|file| place(&file, server.folder.path()));
        let port = free_port();
        for (name, value) in [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", certificate.display().to_string()),
            ("--tls-key-file", key.display().to_string()),
            ("--tls-ca-cert-file", certificates.authority().display().to_string()),
        ] {
            server.settings.extend([name.to_owned(), value]);
        }
        server.tls_port = Some(port);
        server.resume().await;
        Some(server)
    }

    fn prepare(settings: &[&str]) -> Option<Self> {
        let Some(program) = program("redis-server", []) else { return skipped("Redis") };
        Some(Self {
            folder: tempfile::Builder::new().prefix("incode-redis").tempdir().unwrap(),
            program,
            settings: settings.iter().map(|setting| (*setting).to_owned()).collect(),
            port: free_port(),
            tls_port: None,
            names: AtomicU32::new(0),
            running: Mutex::default(),
        })
    }

    /// Where it talks TLS.
    pub fn tls_port(&self) -> u16 {
        self.tls_port.expect("started with TLS")
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A name before the keys that no test had before.
    pub fn fresh(&self) -> String {
        format!("test-{}", self.names.fetch_add(1, Ordering::SeqCst))
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same by way of another port of this machine.
    pub fn url_at(&self, port: u16) -> String {
        format!("redis://127.0.0.1:{port}/")
    }

    /// A connection of the test's own.
    pub async fn connect(&self) -> MultiplexedConnection {
        self.try_connect().await.unwrap()
    }

    /// SIGKILL.
    pub fn kill(&self) {
        let Some(mut server) = self.running().take() else { return };
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// Starts it again, and waits until it answers.
    pub async fn resume(&self) {
        let begun = Instant::now();
        self.spawn();
        while self.try_connect().await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "Redis does not start: {}", log(&self.folder.path().join("log")));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn try_connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        let mut connection = redis::Client::open(self.url())?.get_multiplexed_async_connection().await?;
        redis::cmd("PING").query_async::<()>(&mut connection).await?;
        Ok(connection)
    }

    fn spawn(&self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(&self.program);
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", "", "--dir"]);
        command.arg(self.folder.path()).args(&self.settings);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        *self.running() = Some(command.spawn().unwrap());
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

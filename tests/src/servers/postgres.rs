use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::certificates::place;
use super::{Certificates, free_port, log, program, skipped};

/// A PostgreSQL server of one's own, with `fsync` as it comes; ended when dropped.
#[derive(Debug)]
pub struct PostgresServer {
    folder: TempDir,
    binaries: PathBuf,
    /// The user it runs as, when this process may be root, whom PostgreSQL refuses.
    user: Option<(u32, u32)>,
    port: u16,
    settings: Vec<String>,
    schemas: AtomicU32,
    running: Mutex<Option<Child>>,
}

impl PostgresServer {
    /// The one server of this process, started by the first test that asks. `None`, and a message, where PostgreSQL is
    /// not installed.
    pub async fn shared() -> Option<Arc<Self>> {
        static SHARED: tokio::sync::Mutex<Weak<PostgresServer>> = tokio::sync::Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::start().await?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// A server for one test, to be killed and started again.
    pub async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    /// The same with settings of its own: `name=value`.
    pub async fn start_with(settings: &[&str]) -> Option<Self> {
        let server = Self::prepare(settings)?;
        server.initialize();
        server.resume().await;
        Some(server)
    }

    /// The same, with TLS for clients that ask for it.
    pub async fn start_with_tls(certificates: &Certificates) -> Option<Self> {
        let mut server = Self::prepare(&["ssl=on"])?;
        let [certificate, key] = certificates.server().map(|file| place(&file, server.folder.path()));
        if let Some((user, group)) = server.user {
            chown(&key, Some(user), Some(group)).unwrap();
        }
        set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        server.settings.push(format!("ssl_cert_file={}", certificate.display()));
        server.settings.push(format!("ssl_key_file={}", key.display()));
        server.initialize();
        server.resume().await;
        Some(server)
    }

    /// A second server that has what this one has, and follows it. From then on this one answers a commit when both have it.
    pub async fn standby(&self) -> Self {
        let standby = Self::prepare(&[]).expect("as this one was");
        let port = self.port.to_string();
        standby.make("pg_basebackup", &["-h", "127.0.0.1", "-U", "incode", "-p", &port, "-R", "-c", "fast", "-D"]);
        standby.resume().await;
        let client = self.try_connect().await.unwrap();
        client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await.unwrap();
        client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        let begun = Instant::now();
        let sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        while client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) != 1 {
            assert!(begun.elapsed() < PATIENCE, "the standby does not follow: {}", log(&standby.log_file()));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        standby
    }

    /// Makes a standby the one that takes writes.
    pub async fn promote(&self) {
        let client = self.try_connect().await.unwrap();
        let promoted = client.query_one("SELECT pg_promote(true, 60)", &[]).await.unwrap();
        assert!(promoted.get::<_, bool>(0));
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL of a schema that no test had before, and its name.
    pub fn fresh(&self) -> (String, String) {
        let schema = format!("test_{}", self.schemas.fetch_add(1, Ordering::SeqCst));
        (self.url(&schema), schema)
    }

    /// The URL of a schema.
    pub fn url(&self, schema: &str) -> String {
        self.url_at(self.port, schema)
    }

    /// The same by way of another port of this machine.
    pub fn url_at(&self, port: u16, schema: &str) -> String {
        format!("postgres://incode@127.0.0.1:{port}/postgres?schema={schema}")
    }

    /// A connection of the test's own, in this schema.
    pub async fn connect(&self, schema: &str) -> Client {
        let client = self.try_connect().await.unwrap();
        client.batch_execute(&format!("SET search_path = {schema}")).await.unwrap();
        client
    }

    /// A program that comes with the server, `pg_dump` for instance.
    pub fn tool(&self, name: &str) -> Command {
        self.command(name)
    }

    /// SIGKILL to the server and all of its processes, as when the machine goes down.
    pub fn kill(&self) {
        let Some(mut server) = self.running().take() else { return };
        let children = Command::new("pgrep").args(["-P", &server.id().to_string()]).output().unwrap();
        // The parent first, or it would mourn its children in good order.
        server.kill().unwrap();
        server.wait().unwrap();
        for child in String::from_utf8_lossy(&children.stdout).split_whitespace() {
            // One that ended by itself meanwhile is fine.
            let _ = Command::new("kill").args(["-9", child]).stderr(Stdio::null()).status();
        }
    }

    /// Starts it again, and waits until it answers.
    pub async fn resume(&self) {
        let begun = Instant::now();
        loop {
            self.spawn();
            while begun.elapsed() < PATIENCE {
                if self.try_connect().await.is_ok() {
                    return;
                }
                // It does not start while processes of the one before it are still on their way out.
                let ended = self.running().as_mut().is_none_or(|server| server.try_wait().unwrap().is_some());
                tokio::time::sleep(Duration::from_millis(20)).await;
                if ended {
                    break;
                }
            }
            assert!(begun.elapsed() < PATIENCE, "PostgreSQL does not start: {}", log(&self.log_file()));
        }
    }

    async fn try_connect(&self) -> Result<Client, tokio_postgres::Error> {
        let url = format!("postgres://incode@127.0.0.1:{}/postgres", self.port);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute("SELECT 1").await?;
        Ok(client)
    }

    fn spawn(&self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
        for setting in ["listen_addresses=127.0.0.1", "max_connections=200", "shared_buffers=64MB"] {
            command.args(["-c", setting]);
        }
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.args(["-p", &self.port.to_string()]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        *self.running() = Some(command.spawn().unwrap());
    }

    /// Nothing but a folder so far.
    fn prepare(settings: &[&str]) -> Option<Self> {
        let Some(initdb) = program("initdb", installed()) else { return skipped("PostgreSQL") };
        let user = is_root().then(|| (id("-u"), id("-g")));
        let folder = tempfile::Builder::new().prefix("incode-pg").tempdir().unwrap();
        if let Some((user, group)) = user {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let binaries = initdb.parent().unwrap().to_owned();
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let (schemas, running) = Default::default();
        Some(Self { folder, binaries, user, port: free_port(), settings, schemas, running })
    }

    fn initialize(&self) {
        let arguments = ["--username=incode", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"];
        self.make("initdb", &arguments);
    }

    /// Has a program fill the folder of the data, which is its last argument.
    fn make(&self, name: &str, arguments: &[&str]) {
        let made = self.command(name).args(arguments).arg(self.data()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.current_dir(self.folder.path());
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where Debian puts them, newest first.
fn installed() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions.map(|version| version.path()).collect();
    versions.sort_by_key(|path| std::cmp::Reverse(number(path)));
    versions.into_iter().map(|version| version.join("bin")).collect()
}

fn number(version: &Path) -> u32 {
    version.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok()).unwrap_or(0)
}

fn is_root() -> bool {
    run("id", &["-u"]) == 0
}

fn id(which: &str) -> u32 {
    run("id", &[which, "postgres"])
}

fn run(program: &str, args: &[&str]) -> u32 {
    let output = Command::new(program).args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().expect("PostgreSQL's own user")
}

const PATIENCE: Duration = Duration::from_secs(60);

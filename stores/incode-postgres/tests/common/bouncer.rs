use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use incode_test_servers::{PostgresServer, free_port, log, postgres_user, program, skipped};
use tempfile::TempDir;

use super::eventually;

/// A PgBouncer before a server, ended when dropped.
#[derive(Debug)]
pub(crate) struct Bouncer {
    folder: TempDir,
    running: Child,
    port: u16,
}

impl Bouncer {
    /// `settings` are lines of its `[pgbouncer]` section.
    pub(crate) async fn before(server: &PostgresServer, settings: &[&str]) -> Option<Self> {
        let Some(bouncer) = program("pgbouncer", [PathBuf::from("/usr/sbin")]) else { return skipped("PgBouncer") };
        let folder = tempfile::Builder::new().prefix("incode-pgbouncer").tempdir().unwrap();
        let port = free_port();
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(folder.path().join("users"), "\"incode\" \"\"\n").unwrap();
        let text = format!(
            "[databases]\npostgres = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
            listen_port = {port}\nauth_type = trust\nauth_file = {}\nunix_socket_dir =\nadmin_users = incode\n{}\n",
            server.port(),
            folder.path().join("users").display(),
            settings.join("\n"),
        );
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(bouncer);
        if let Some((user, group)) = postgres_user() {
            for path in [folder.path(), &file, &folder.path().join("users")] {
                chown(path, Some(user), Some(group)).unwrap();
            }
            command.uid(user).gid(group);
        }
        let out = std::fs::File::create(folder.path().join("log")).unwrap();
        command.arg(&file).stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        let this = Self { running: command.spawn().unwrap(), port, folder };
        eventually("PgBouncer listens", async || {
            let connected = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
            if !connected {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            connected
        })
        .await;
        Some(this)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn log(&self) -> String {
        log(&self.folder.path().join("log"))
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.running.kill();
        let _ = self.running.wait();
    }
}

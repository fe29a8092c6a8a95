use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use incode_test_servers::{free_port, is_root, log, program, skipped};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// A reverse proxy of the kind that people put in front of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// nginx.
    Nginx,
    /// haproxy.
    Haproxy,
    /// caddy.
    Caddy,
    /// Apache's httpd.
    Apache,
    /// varnish.
    Varnish,
}

/// A running proxy with a configuration of `docs/proxies`; ended when this is dropped.
#[derive(Debug)]
pub struct FrontServer {
    /// Where it listens.
    pub address: SocketAddr,
    folder: TempDir,
    child: Child,
    /// varnish leaves the writing of a log to another program.
    logger: Option<Child>,
}

impl Front {
    /// Each of them.
    pub const ALL: [Self; 5] = [Self::Nginx, Self::Haproxy, Self::Caddy, Self::Apache, Self::Varnish];

    /// Whether an answer arrives that comes before the whole body was written. Otherwise it does if the application reads
    /// the whole body, which it does up to 1 MiB.
    pub const fn reads_while_it_writes(self) -> bool {
        !matches!(self, Self::Apache | Self::Varnish)
    }

    /// Where one may listen.
    pub fn free_address() -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))
    }

    /// Starts it at this address with a file of `docs/proxies`, in front of this application. `None`, and a line about it,
    /// where it is not installed. `edit` changes the text of the file beforehand.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(
        self,
        variant: Variant,
        address: SocketAddr,
        application: SocketAddr,
        edit: impl FnOnce(String) -> String,
    ) -> Option<FrontServer> {
        let Some(program) = program(self.name(), ["/usr/sbin".into(), "/usr/bin".into()]) else {
            return skipped(self.name());
        };
        let folder = tempfile::Builder::new().prefix("incode-front").tempdir().unwrap();
        let text = edit(self.configuration(variant, application, address, folder.path()));
        let command = self.command(&program, address, folder.path(), &text);
        let child = spawn(command, folder.path());
        let mut server = FrontServer { address, child, logger: None, folder };
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            let is_running = server.child.try_wait().unwrap().is_none();
            assert!(is_running && begun.elapsed() < PATIENCE, "{self:?} does not start: {}", server.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if self == Self::Varnish {
            let mut logger = Command::new("varnishncsa");
            let format = text.lines().find_map(|line| line.split("varnishncsa -F ").nth(1)).unwrap_or("'%m %U'");
            // With what was logged before it starts.
            logger
                .args(["-d", "-t", "off", "-n"])
                .arg(server.folder.path().join("work"))
                .args(["-F", format.trim_matches('\'')]);
            server.logger = Some(spawn(logger, server.folder.path()));
        }
        Some(server)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Apache => "apache2",
            Self::Varnish => "varnishd",
        }
    }

    /// The file as it is in the documents, but for ports and paths.
    fn configuration(self, variant: Variant, application: SocketAddr, address: SocketAddr, folder: &Path) -> String {
        let (name, listen) = match (self, variant) {
            (Self::Nginx, Variant::Whole) => ("nginx.conf", "listen 80;"),
            (Self::Nginx, Variant::Prefix) => ("nginx-prefix.conf", "listen 80;"),
            (Self::Haproxy, Variant::Whole) => ("haproxy.cfg", "bind :80\n"),
            (Self::Haproxy, Variant::Prefix) => ("haproxy-prefix.cfg", "bind :80\n"),
            (Self::Caddy, Variant::Whole) => ("Caddyfile", "app.example.com {"),
            (Self::Caddy, Variant::Prefix) => ("Caddyfile-prefix", "app.example.com {"),
            (Self::Apache, Variant::Whole) => ("apache.conf", "<VirtualHost *:80>"),
            (Self::Apache, Variant::Prefix) => ("apache-prefix.conf", "<VirtualHost *:80>"),
            // Its address is an argument.
            (Self::Varnish, Variant::Whole) => ("varnish.vcl", ""),
            (Self::Varnish, Variant::Prefix) => ("varnish-prefix.vcl", ""),
        };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/proxies").join(name);
        let text = std::fs::read_to_string(path).unwrap();
        let listen_here = match self {
            Self::Nginx => format!("listen {address};"),
            Self::Haproxy => format!("bind {address}\n"),
            // The name that calls ask for, and no other interface.
            Self::Caddy => format!("http://app.test:{} {{\n\tbind {}", address.port(), address.ip()),
            Self::Apache => format!("Listen {address}\n<VirtualHost {address}>"),
            Self::Varnish => {
                return replaced(&text, ".port = \"3000\"", &format!(".port = \"{}\"", application.port()));
            }
        };
        let text = replaced(&text, listen, &listen_here);
        let text = replaced(&text, "127.0.0.1:3000", &application.to_string());
        let log = folder.join("log").display().to_string();
        text.replace("/var/log/nginx/access.log", &log).replace("/var/log/apache2/access.log", &log)
    }

    /// Runs it in the foreground, with all of its files in `folder`.
    fn command(self, program: &Path, address: SocketAddr, folder: &Path, text: &str) -> Command {
        let mut command = Command::new(program);
        let file = folder.join("configuration");
        match self {
            Self::Nginx => {
                std::fs::write(folder.join("site"), text).unwrap();
                let folder = folder.display();
                let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
                let temporary = temporary.map(|kind| format!("{kind}_temp_path {folder}/{kind};\n")).concat();
                let main = format!(
                    "daemon off;\nuser root;\nworker_processes 1;\npid {folder}/pid;\nerror_log stderr;\n\
                     events {{}}\nhttp {{\n{temporary}access_log {folder}/log;\ninclude {folder}/site;\n}}\n"
                );
                // Only root may name the user.
                let main = if is_root() { main } else { main.replace("user root;\n", "") };
                std::fs::write(&file, main).unwrap();
                command.args(["-e", "stderr", "-p"]).arg(folder.to_string()).arg("-c").arg(file);
            }
            Self::Haproxy => {
                std::fs::write(&file, text).unwrap();
                command.args(["-db", "-f"]).arg(file);
            }
            Self::Caddy => {
                std::fs::write(&file, format!("{{\n\tadmin off\n\tauto_https off\n}}\n{text}")).unwrap();
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
                command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
            }
            Self::Apache => {
                let modules = ["mpm_event", "authz_core", "proxy", "proxy_http", "reqtimeout"];
                let modules = modules.map(|name| format!("LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so\n"));
                // As root it needs a user for its workers, and takes none with that name.
                let user = if is_root() { "User #65534\nGroup #65534\n" } else { "" };
                let main = format!(
                    "ServerRoot {0}\nDefaultRuntimeDir {0}\nPidFile {0}/pid\nErrorLog /dev/stderr\n\
                     ServerName localhost\n{1}{user}{text}",
                    folder.display(),
                    modules.concat()
                );
                std::fs::write(&file, main).unwrap();
                command.arg("-f").arg(file).arg("-DFOREGROUND");
            }
            Self::Varnish => {
                std::fs::write(&file, text).unwrap();
                command.args(["-F", "-j", "none", "-s", "malloc,32m", "-a", &address.to_string(), "-f"]).arg(file);
                command.arg("-n").arg(folder.join("work"));
            }
        }
        command
    }
}

/// Which file of the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The application is the whole site.
    Whole,
    /// The application is a part of the site, below `/portal`.
    Prefix,
}

impl FrontServer {
    /// What it wrote: requests, warnings and errors.
    pub fn log(&self) -> String {
        ["log", "output"].map(|name| log(&self.folder.path().join(name))).concat()
    }
}

impl Drop for FrontServer {
    fn drop(&mut self) {
        if let Some(logger) = &mut self.logger {
            let _ = logger.kill();
            let _ = logger.wait();
        }
        // nginx ends its worker when it is asked to, and leaves it behind when it is killed.
        let asked = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &self.child.id().to_string()]).status();
        let begun = Instant::now();
        while asked.is_ok() && begun.elapsed() < PATIENCE {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                _ => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(mut command: Command, folder: &Path) -> Child {
    let output = File::options().create(true).append(true).open(folder.join("output")).unwrap();
    command.current_dir(folder).stdin(Stdio::null());
    command.stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap()
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "not in the file any more: {from}");
    text.replace(from, to)
}

/// Where Debian has them.
const APACHE_MODULES: &str = "/usr/lib/apache2/modules";

/// Far longer than any of them needs to start or end, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

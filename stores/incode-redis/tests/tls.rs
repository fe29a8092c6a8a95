//! TLS to a real server: who is trusted, what is said otherwise, and whose cryptography is used.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test: a panic is how it fails")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Server, cause, event, free_port, keep, next, observe};
use incode_core::model::IdentityStatus;
use incode_core::store::{IdentityStore, LifeCycle, StoreErrorKind, StoreNotice};
use incode_redis::RedisStore;
use rustls::crypto::CryptoProvider;

/// An authority, and a certificate of it for `localhost`; made by `openssl`.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn new() -> Self {
        let this = Self(tempfile::Builder::new().prefix("incode-tls").tempdir().unwrap());
        std::fs::write(this.file("names"), "subjectAltName=DNS:localhost").unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        this.openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=authority -days 2"));
        this.openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"));
        let signed_by = "-CA ca.pem -CAkey ca.key -CAcreateserial";
        this.openssl(&format!("x509 -req -in server.csr {signed_by} -out server.pem -days 2 -extfile names"));
        this
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, line: &str) {
        let made = Command::new("openssl").args(line.split(' ')).current_dir(self.0.path()).output().unwrap();
        assert!(made.status.success(), "{line}: {}", String::from_utf8_lossy(&made.stderr));
    }
}

/// The server, and the port where it talks TLS. `None` where Redis was built without.
async fn start(certificates: &Certificates) -> Option<(Server, u16)> {
    let (port, file) = (free_port(), |name: &str| certificates.file(name).display().to_string());
    let tls_port = port.to_string();
    let (certificate, key, authority) = (file("server.pem"), file("server.key"), file("ca.pem"));
    let settings = ["--tls-port", &tls_port, "--tls-cert-file", &certificate, "--tls-key-file", &key];
    let settings = [&settings[..], &["--tls-ca-cert-file", &authority, "--tls-auth-clients", "no"]].concat();
    Some((Server::start(&settings).await?, port))
}

fn url(host: &str, port: u16, authorities: &Path) -> String {
    format!("rediss://{host}:{port}/?ssl_ca_certs={}", authorities.display())
}

/// A default of the process is neither made nor used: one that can't encrypt anything does no harm.
#[tokio::test]
async fn the_provider_of_the_process_is_left_alone() {
    let certificates = Certificates::new();
    let Some((_server, port)) = start(&certificates).await else { return };
    let url = url("localhost", port, &certificates.file("ca.pem"));
    works(&RedisStore::open(&url).await.unwrap(), "first").await;
    assert!(CryptoProvider::get_default().is_none(), "the application chooses");
    let crippled = CryptoProvider { cipher_suites: Vec::new(), ..rustls::crypto::ring::default_provider() };
    crippled.install_default().expect("there was none");
    works(&RedisStore::open(&url).await.unwrap(), "second").await;
    assert!(CryptoProvider::get_default().is_some_and(|provider| provider.cipher_suites.is_empty()));
}

async fn works(store: &RedisStore, name: &str) {
    let mut feed = store.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    keep(store, event(name, "token", 1)).await;
    store.change(observe(name, IdentityStatus::Active, 1)).await.unwrap();
    store.time().await.unwrap();
}

#[tokio::test]
async fn a_server_that_can_not_show_who_it_is_is_refused() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let Some((server, port)) = start(&certificates).await else { return };
    let (ours, theirs) = (certificates.file("ca.pem"), others.file("ca.pem"));
    for (what, url, words) in [
        ("another authority", url("localhost", port, &theirs), "invalid peer certificate"),
        ("a public authority", format!("rediss://localhost:{port}/"), "invalid peer certificate"),
        ("another name", url("127.0.0.1", port, &ours), "certificate not valid for name"),
        ("a server without TLS", url("localhost", server.port, &ours), "TLS"),
    ] {
        let refused = RedisStore::open(&url).await.expect_err(what);
        assert_eq!(refused.kind(), StoreErrorKind::Unavailable, "{what}");
        assert!(cause(&refused).contains(words), "{what}: {}", cause(&refused));
    }
    // Without TLS, nothing is understood on the port.
    assert!(RedisStore::open(&format!("redis://localhost:{port}/")).await.is_err());
}

#[tokio::test]
async fn authorities_that_can_not_be_read_are_refused_and_not_shown() {
    let folder = tempfile::TempDir::new().unwrap();
    let (empty, missing) = (folder.path().join("canary.pem"), folder.path().join("canary-missing.pem"));
    std::fs::write(&empty, "no certificate").unwrap();
    for (file, words) in [(empty, "ssl_ca_certs holds no certificate"), (missing, "ssl_ca_certs can't be read")] {
        assert_eq!(cause(&RedisStore::open(&url("localhost", 9, &file)).await.unwrap_err()), words);
    }
}

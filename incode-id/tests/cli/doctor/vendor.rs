//! Settings, and the vendor's side.

use std::os::unix::fs::PermissionsExt;

use incode_sandbox::{DateHeader, Fault, Sandbox};

use super::Found;
use crate::application::{KEY, Settings};
use incode_test_servers::free_port;

const NO_PUBLIC: &[&str] = &["--no-public"];

async fn vendor() -> (Sandbox, Settings) {
    let vendor = Sandbox::builder().start().await.unwrap();
    let settings = Settings::of(&vendor, "http://127.0.0.1:9", "memory:");
    (vendor, settings)
}

async fn found(settings: &Settings) -> Found {
    Found::with(settings, NO_PUBLIC).await
}

#[tokio::test]
async fn settings_that_are_missing_weak_or_misspelt() {
    let (_vendor, good) = vendor().await;
    let missing = found(&good.clone().without("INCODE_WEBHOOK_SECRETS")).await;
    missing.assert("settings", "fail", "INCODE_WEBHOOK_SECRETS: is not set", "init");
    let missing = found(&good.clone().without("INCODE_HOST")).await;
    missing.assert("settings", "fail", "INCODE_HOST: is not set", "set it");
    let weak = found(&good.clone().with("INCODE_WEBHOOK_SECRETS", "short")).await;
    weak.assert("settings", "fail", "24 bytes", "safe");
    let misspelt = found(&good.clone().with("INCODE_WEBHOOK_HEDER", "x-secret")).await;
    misspelt.assert("settings", "warn", "nearest: INCODE_WEBHOOK_HEADER", "correct the name");
    let http = found(&good.clone().with("PUBLIC_URL", "http://app.example")).await;
    http.assert("settings", "fail", "PUBLIC_URL: is plain http", "safe");
    let both = found(&good.clone().with("INCODE_FLOW_SECRET_FILE", "/nowhere")).await;
    both.assert("settings", "fail", "INCODE_FLOW_SECRET_FILE", "correct it");
}

#[tokio::test]
async fn secrets_that_are_open_or_the_same() {
    let (_vendor, good) = vendor().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, KEY).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = good.clone().without("INCODE_STORE_KEY").with("INCODE_STORE_KEY_FILE", file.to_str().unwrap());
    let open = found(&open).await;
    open.assert("secrets", "warn", "INCODE_STORE_KEY_FILE", "chmod 600");
    open.assert("secrets", "warn", "are the same", "one of each");
}

#[tokio::test]
async fn a_wrong_key() {
    let (_vendor, good) = vendor().await;
    found(&good).await.assert("API key", "pass", "is taken", "");
    let wrong = found(&good.with("INCODE_API_KEY", "another-key")).await;
    wrong.assert("API key", "fail", "403", "INCODE_API_KEY");
}

#[tokio::test]
async fn a_clock_that_is_an_hour_off_or_not_known() {
    let (vendor, settings) = vendor().await;
    vendor.change_behaviour(|behaviour| behaviour.date = DateHeader::Offset { seconds: 3600 });
    found(&settings).await.assert("clock", "fail", "s from the vendor's", "NTP");
    vendor.change_behaviour(|behaviour| behaviour.date = DateHeader::Offset { seconds: -3600 });
    found(&settings).await.assert("clock", "fail", "s from the vendor's", "NTP");
    vendor.change_behaviour(|behaviour| behaviour.date = DateHeader::Absent);
    found(&settings).await.assert("clock", "warn", "no Date", "compare");
}

#[tokio::test]
async fn a_host_that_is_not_the_api() {
    let (vendor, good) = vendor().await;
    let wrong = good.clone().with("INCODE_HOST", format!("{}/control", vendor.url()));
    found(&wrong).await.assert("API key", "fail", "404", "INCODE_HOST");
    vendor.add_fault(Fault::new(incode_sandbox::Effect::Redirect { location: "https://www.example".to_owned() }));
    found(&good).await.assert("API key", "fail", "302", "names a page");
    vendor.add_fault(Fault::new(incode_sandbox::Effect::Html));
    found(&good).await.assert("API key", "fail", "HTTP 200", "INCODE_HOST");
    vendor.add_fault(Fault::status(503));
    found(&good).await.assert("API key", "warn", "503", "later");
    let nowhere = good.clone().with("INCODE_HOST", format!("http://127.0.0.1:{}", free_port()));
    found(&nowhere).await.assert("vendor", "fail", "refused", "INCODE_HOST");
    // No name server need be asked to know that there is no such name.
    let no_name = good.with("INCODE_HOST", format!("https://{}.example", "long".repeat(16)));
    found(&no_name).await.assert("vendor", "fail", "dns", "name can't be resolved");
}

/// A certificate of an authority that is not public.
#[tokio::test]
async fn tls_that_does_not_hold() {
    let (_vendor, good) = vendor().await;
    let certificates = incode_test_servers::Certificates::new();
    let [certificate, key] = certificates.server();
    let port = free_port();
    let mut server = std::process::Command::new("openssl")
        .args(["s_server", "-quiet", "-accept", &port.to_string(), "-cert"])
        .arg(certificate)
        .arg("-key")
        .arg(key)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    crate::postgres::eventually("the server listens", async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
    })
    .await;
    let found = found(&good.with("INCODE_HOST", format!("https://localhost:{port}"))).await;
    server.kill().unwrap();
    server.wait().unwrap();
    found.assert("vendor", "fail", "certificate", "TLS fails");
}

//! `init`, and the file that it writes.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use incode_sandbox::Sandbox;
use serde_json::Value;
use tempfile::tempdir;

use crate::application::Settings;
use crate::world::{ending, text};

fn arguments<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let all = [
        "init",
        "--public-url",
        "https://app.example",
        "--auth",
        "hmac",
        "--store",
        "sqlite:incode.db",
        "--host",
        "https://api.example",
        "--web-url",
        "https://web.example",
        "--client-id",
        "app",
        "--out",
        out,
    ];
    [&all, more].concat()
}

#[tokio::test]
async fn init_writes_a_private_file_and_prints_no_secret() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("incode.env");
    let out = out.to_str().unwrap();
    let environment = Settings::default().with("INCODE_API_KEY", "canary-api-key");
    let printed = text(&environment.run(&arguments(out, &[])).await);
    assert_eq!(fs::metadata(out).unwrap().permissions().mode() & 0o777, 0o600);
    let written = fs::read_to_string(out).unwrap();
    let value = |name: &str| {
        let line = written.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("{name}: {written}")).to_owned()
    };
    for name in ["INCODE_FLOW_SECRET", "INCODE_STORE_KEY", "INCODE_WEBHOOK_SECRETS", "INCODE_API_KEY"] {
        assert!(!printed.contains(&value(name)), "{name}");
    }
    for entry in [
        "https://app.example/incode/webhook",
        "https://app.example/incode/callback",
        "x-incode-signature",
        "signing secret",
    ] {
        assert!(printed.contains(entry), "{entry}: {printed}");
    }
    // Never over a file that is there, unless asked to; then with new secrets, and as private.
    let (code, said) = ending(&environment.run(&arguments(out, &[])).await);
    assert!(code == Some(3) && said.contains("--force"), "{said}");
    assert_eq!(fs::read_to_string(out).unwrap(), written);
    let two = ["--force", "--two-addresses", "--json"];
    let printed = text(&environment.run(&arguments(out, &two)).await);
    assert!(printed.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{printed}");
    assert!(printed.contains("https://app.example/incode/webhook/authentication"), "{printed}");
    let again = fs::read_to_string(out).unwrap();
    assert!(!again.contains(&value("INCODE_FLOW_SECRET")) && again.contains("INCODE_WEBHOOK_PATH_VERIFICATION="));
    assert_eq!(fs::metadata(out).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn init_asks_only_at_a_terminal_and_refuses_what_can_not_work() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("incode.env");
    let named = out.to_str().unwrap();
    let (code, said) = ending(&Settings::default().run(&["init", "--out", named]).await);
    assert!(code == Some(2) && said.contains("--public-url"), "{said}");
    let mut http = arguments(named, &[]);
    http[2] = "http://app.example";
    let (code, said) = ending(&Settings::default().run(&http).await);
    assert!(code == Some(2) && said.contains("PUBLIC_URL") && said.contains("https"), "{said}");
    assert!(!out.exists(), "nothing is written");
}

/// A value with characters that mean something to a shell.
#[tokio::test]
async fn a_shell_reads_the_same_values() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("incode.env");
    let out = out.to_str().unwrap();
    let url = "postgres://app:pa$$word;x@db.internal/app?schema=mine&sslmode=disable";
    let mut all = arguments(out, &[]);
    all[6] = url;
    text(&Settings::default().run(&all).await);
    let script = "set -a; . \"$1\"; printf %s \"$INCODE_STORE\"";
    let read = std::process::Command::new("sh").args(["-c", script, "sh", out]).output().unwrap();
    assert_eq!(String::from_utf8(read.stdout).unwrap(), url);
    all[6] = "postgres://app:o'neill@db.internal/app";
    all.push("--force");
    let (code, said) = ending(&Settings::default().run(&all).await);
    assert!(code == Some(2) && said.contains("INCODE_STORE") && !said.contains("neill"), "{said}");
}

/// With a terminal in front of it, which `script` makes.
#[tokio::test]
async fn init_asks_at_a_terminal() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("incode.env");
    let line = format!("{} init --out {}", env!("CARGO_BIN_EXE_incode-id"), out.display());
    let mut script = std::process::Command::new("script");
    script.args(["-q", "-e", "-c", &line, "/dev/null"]).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = script.spawn() else { panic!("script, of util-linux") };
    let answers =
        "https://app.example\nsmoke\nheader\nhttps://api.example\nhttps://web.example\napp\nsqlite:incode.db\n";
    child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}");
    assert_eq!(shown.matches("How the vendor authenticates deliveries").count(), 2, "a wrong answer is asked again");
    let written = fs::read_to_string(&out).unwrap();
    assert!(written.contains("INCODE_WEBHOOK_AUTH=header\n") && written.contains("INCODE_STORE=sqlite:incode.db\n"));
}

/// What `init` writes is what `doctor` reads.
#[tokio::test]
async fn the_file_works() {
    let vendor = Sandbox::builder().start().await.unwrap();
    let folder = tempdir().unwrap();
    let (out, store) = (folder.path().join("incode.env"), folder.path().join("incode.db"));
    let (out, store) = (out.to_str().unwrap(), format!("sqlite:{}", store.display()));
    let (url, web) = (vendor.url(), vendor.web_url());
    let mut all = arguments(out, &[]);
    (all[2], all[6], all[8], all[10]) = ("http://127.0.0.1:9", &store, &url, &web);
    all[4] = "oauth";
    text(&Settings::default().with("INCODE_API_KEY", vendor.api_key()).run(&all).await);
    let looked = Settings::default().run(&["--env-file", out, "doctor", "--no-public", "--strict", "--json"]).await;
    let checks = text(&looked);
    assert!(checks.contains("\"failed\":0") && checks.contains("\"warned\":0"), "{checks}");
    let lines = text(&Settings::default().run(&["--env-file", out, "doctor", "--no-public"]).await);
    assert!(lines.contains("pass  settings: ") && !lines.contains('\x1b'), "colours are for terminals: {lines}");
    assert!(!std::path::Path::new(&store[7..]).exists(), "the file of the store is the application's to make");
}

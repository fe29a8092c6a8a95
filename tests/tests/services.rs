//! The Dockerfile and the unit of systemd, held against the program and against what systemd says of the unit.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test: a panic is how it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use incode_test_servers::{program, skipped};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn unit() -> String {
    text("docs/containers/incode-gate.service")
}

/// The values of a key that may come several times, in a file of `KEY=VALUE` lines.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let start = format!("{key}=");
    unit.lines().filter_map(|line| line.strip_prefix(&start)).collect()
}

/// The seconds of a constant of the program.
fn seconds(file: &str, name: &str) -> u64 {
    let source = text(file);
    let value = source.split(&format!("const {name}: Duration = Duration::from_secs(")).nth(1).unwrap();
    value.split(')').next().unwrap().parse().unwrap()
}

/// Requests and the worker end one after the other, and the store is closed.
fn longest_stop() -> u64 {
    seconds("examples/gate-kit/src/run.rs", "PATIENCE") + seconds("incode-core/src/inbox/runner.rs", "DRAIN") + 10
}

#[test]
fn the_unit_gives_the_program_time_to_end() {
    let unit = unit();
    let [given] = values(&unit, "TimeoutStopSec").try_into().unwrap();
    assert!(given.parse::<u64>().unwrap() >= longest_stop());
    assert_eq!(values(&unit, "KillSignal"), ["SIGTERM"]);
}

#[test]
fn the_unit_takes_every_secret_from_a_credential() {
    let unit = unit();
    let loaded: BTreeSet<_> =
        values(&unit, "LoadCredential").iter().map(|value| value.split_once(':').unwrap().0).collect();
    let settings: Vec<_> = values(&unit, "Environment").iter().map(|value| value.split_once('=').unwrap()).collect();
    let used: BTreeSet<_> = settings.iter().filter_map(|(_, value)| value.strip_prefix("%d/")).collect();
    assert_eq!(used, loaded);
    assert!(loaded.len() >= 4);
    for (name, value) in settings {
        let is_secret =
            ["KEY", "SECRET", "SECRETS", "TOKEN"].iter().any(|end| name.trim_end_matches("_FILE").ends_with(end));
        assert_eq!(is_secret, name.ends_with("_FILE") && value.starts_with("%d/"), "{name}={value}");
    }
}

#[test]
fn the_store_is_in_the_one_folder_that_can_be_written_to() {
    let unit = unit();
    let [folder] = values(&unit, "StateDirectory").try_into().unwrap();
    assert!(values(&unit, "Environment").contains(&&*format!("INCODE_STORE=sqlite:/var/lib/{folder}/incode.db")));
    assert_eq!(values(&unit, "ProtectSystem"), ["strict"]);
    assert!(values(&unit, "ReadWritePaths").is_empty());
}

/// systemd reads the unit without a complaint, and gives it an exposure below 2 of 10.
#[test]
fn systemd_takes_the_unit_and_finds_little_exposed() {
    let Some(analyze) = program("systemd-analyze", []) else {
        return skipped("systemd-analyze").unwrap_or_default();
    };
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("incode-gate.service");
    // The program is not installed on this machine.
    fs::write(&file, unit().replace("/usr/local/bin/axum-gate", "/bin/true")).unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(&analyze).args(arguments).arg(&file).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(output.status.success(), "{arguments:?}: {said:?}");
        said
    };
    let [_, complaints] = run(&["verify", "--man=no"]);
    assert!(!complaints.contains("incode-gate.service"), "{complaints}");
    run(&["security", "--offline=yes", "--no-pager", "--threshold=20"]);
}

#[test]
fn the_image_is_for_this_program() {
    let file = text("docs/containers/Dockerfile");
    let line = |start: &str| file.lines().rfind(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start}"));
    // As numbers, and not root.
    let user = line("USER ").strip_prefix("USER ").unwrap();
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
    // The exec form: no shell stands between the signal and the program.
    assert_eq!(line("ENTRYPOINT "), r#"ENTRYPOINT ["/usr/local/bin/axum-gate"]"#);
    assert_eq!(line("STOPSIGNAL "), "STOPSIGNAL SIGTERM");
    // The health check asks what a restart can mend, on the port of operations.
    let port = line("ENV ").split("OPS_BIND=0.0.0.0:").nth(1).unwrap();
    assert!(file.contains(&format!("/dev/tcp/127.0.0.1/{port} ")) && file.contains("GET /livez "));
    assert!(text("examples/gate-kit/src/ops.rs").contains("\"/livez\""));
    let recipe = text("docs/recipes/container-and-systemd.md");
    let given = recipe.split("--stop-timeout ").nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(given.parse::<u64>().unwrap() >= longest_stop());
}

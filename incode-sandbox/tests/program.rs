//! The program: environment, arguments, the line that it prints, its end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use incode_sandbox::Builder;

#[test]
fn a_wrong_setting_is_named_without_its_value() {
    let wrong = |settings: &[(&str, &str)]| {
        let settings: Vec<(String, String)> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let find = |name: &str| settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let error = Builder::from_env(find).unwrap_err();
        for (_, value) in settings.iter().filter(|(_, value)| value.contains("canary")) {
            assert!(!error.to_string().contains(value.as_str()));
        }
        assert!(error.to_string().starts_with(error.variable()));
        error.variable()
    };
    for name in [
        "SANDBOX_BIND",
        "SANDBOX_TOKEN_LIFETIME",
        "SANDBOX_TIME_SCALE",
        "SANDBOX_CLEAN_NAMES",
        "SANDBOX_WEBHOOK_URL",
        "SANDBOX_AUTHENTICATION_WEBHOOK_URL",
        "SANDBOX_WEBHOOK_AUTH",
    ] {
        assert_eq!(wrong(&[(name, "canary")]), name);
    }
    assert_eq!(wrong(&[("SANDBOX_API_KEY", "canary key")]), "SANDBOX_API_KEY");
    for host in ["canary:80", "http://canary", "*.canary", "canary,,other", "canary canary"] {
        assert_eq!(wrong(&[("SANDBOX_ALLOWED_HOSTS", host)]), "SANDBOX_ALLOWED_HOSTS", "{host}");
    }
    assert_eq!(wrong(&[("SANDBOX_WEBHOOK_AUTH", "header")]), "SANDBOX_WEBHOOK_SECRET");
    let hmac = ("SANDBOX_WEBHOOK_AUTH", "hmac");
    assert_eq!(
        wrong(&[hmac, ("SANDBOX_WEBHOOK_HEADER", "two canaries"), ("SANDBOX_WEBHOOK_SECRET", "x")]),
        "SANDBOX_WEBHOOK_HEADER"
    );
    let standard = ("SANDBOX_WEBHOOK_AUTH", "standard-webhooks");
    assert_eq!(wrong(&[standard, ("SANDBOX_WEBHOOK_SECRET", "canary")]), "SANDBOX_WEBHOOK_SECRET");
    assert_eq!(wrong(&[("SANDBOX_WEBHOOK_AUTH", "oauth")]), "SANDBOX_OAUTH_CLIENT_ID");
    assert!(Builder::from_env(|_| None).is_ok());
}

#[cfg(unix)]
#[test]
fn it_prints_where_to_click_and_stops_on_an_interrupt() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_incode-sandbox"))
        .env("SANDBOX_BIND", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("Incode sandbox: http://127.0.0.1:") && line.trim_end().ends_with("/control"), "{line}");
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert!(child.wait().unwrap().success());

    let refused = Command::new(env!("CARGO_BIN_EXE_incode-sandbox")).env("SANDBOX_BIND", "canary").output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!((refused.status.success(), said.lines().count()), (false, 1));
    assert!(said.contains("SANDBOX_BIND") && !said.contains("canary"));
}

#[test]
fn help_names_every_variable_and_other_arguments_are_refused() {
    let run = |argument: &str| {
        let program = env!("CARGO_BIN_EXE_incode-sandbox");
        Command::new(program).arg(argument).env("SANDBOX_BIND", "canary").output().unwrap()
    };
    // The names as the code reads them.
    let read = include_str!("../src/env.rs").split('"').filter(|text| text.starts_with("SANDBOX_"));
    let names: Vec<&str> =
        read.filter(|text| text.bytes().all(|byte| byte == b'_' || byte.is_ascii_uppercase())).collect();
    assert!(names.len() > 15, "{names:?}");
    for flag in ["--help", "-h"] {
        let help = run(flag);
        let text = String::from_utf8(help.stdout).unwrap();
        assert!(help.status.success());
        for name in &names {
            assert!(text.lines().any(|line| line.split_whitespace().next() == Some(name)), "{name}");
        }
        assert!(text.lines().all(|line| line.len() <= 80));
    }
    let version = String::from_utf8(run("--version").stdout).unwrap();
    assert_eq!(version, format!("incode-sandbox {}\n", env!("CARGO_PKG_VERSION")));
    let unknown = run("--canary");
    assert_eq!((unknown.status.code(), unknown.stdout.len()), (Some(2), 0));
    assert!(!String::from_utf8(unknown.stderr).unwrap().contains("canary"));
}

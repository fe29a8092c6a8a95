//! The program: its environment, its one line, its end.

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

use std::collections::HashMap;
use std::ffi::OsString;

use super::{Builder, Incode};
use crate::Secret;
use crate::client::Client;

const GOOD: [(&str, &str); 9] = [
    ("INCODE_HOST", "https://vendor.example"),
    ("INCODE_API_KEY", "canary-api-key"),
    ("INCODE_CLIENT_ID", "canary-client"),
    ("INCODE_WEB_URL", "https://web.example"),
    ("INCODE_WEBHOOK_AUTH", "header, hmac"),
    ("INCODE_WEBHOOK_SECRETS", "canary-canary-canary-canary-1,canary-canary-canary-canary-2"),
    ("INCODE_FLOW_SECRET", "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"),
    ("INCODE_STORE", "memory:"),
    ("INCODE_STORE_KEY", "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"),
];

fn with(changes: &[(&'static str, &str)]) -> Result<Builder, String> {
    let mut settings: HashMap<&str, OsString> = GOOD.iter().map(|(name, value)| (*name, value.into())).collect();
    settings.extend(changes.iter().map(|(name, value)| (*name, OsString::from(value))));
    Builder::from_settings(|name| settings.get(name).cloned(), &[]).map_err(|error| error.to_string())
}

#[tokio::test]
async fn good_settings_build() {
    let incode: Incode = with(&[]).unwrap().build().await.unwrap();
    assert_eq!(
        format!("{incode:?}"),
        r#"Incode { mounts: ["/incode/webhook", "/incode/start", "/incode/callback"], .. }"#
    );
    assert!(incode.health().await.store);
    assert!(incode.is_working());
    incode.shutdown().await;
    incode.shutdown().await;
    assert!(!incode.is_working());
    assert!(with(&[("INCODE_WEBHOOK_AUTH", "fetch-back"), ("INCODE_WEBHOOK_SECRETS", "")]).is_ok());
}

#[tokio::test]
async fn handlers_need_plain_names_of_their_own() {
    let handler = |_| async { Ok(()) };
    let named = |names: &[&str]| names.iter().fold(with(&[]).unwrap(), |builder, name| builder.on_event(name, handler));
    for names in [&[""][..], &["welcome mail"], &["a", "b", "a"], &["\u{e9}"], &["x".repeat(65).as_str()]] {
        let error = named(names).build().await.map(|_| ()).expect_err("refused");
        assert_eq!(error.setting(), "handler", "{names:?}");
    }
    named(&["welcome-mail", "crm.v2", "A_1"]).build().await.unwrap().shutdown().await;
}

/// An answer that comes after the lease would be nobody's, each time.
#[tokio::test]
async fn a_call_to_the_vendor_ends_before_the_lease_of_its_event() {
    use std::time::Duration;
    let patient = |timeout| {
        let client = Client::builder("https://vendor.example", Secret::from("the-key")).call_timeout(timeout);
        with(&[]).unwrap().client(client.build().unwrap())
    };
    for timeout in [Duration::from_secs(91), Duration::MAX] {
        let error = patient(timeout).build().await.map(|_| ()).expect_err("refused");
        assert_eq!(error.setting(), "client");
    }
    patient(Duration::from_secs(90)).build().await.unwrap().shutdown().await;
}

#[test]
fn a_wrong_setting_is_one_line_that_names_it_and_not_its_value() {
    for (name, value) in [
        ("INCODE_HOST", ""),
        ("INCODE_HOST", "http://canary.example"),
        ("INCODE_HOST", "https://user:canary@vendor.example"),
        ("INCODE_HOST", "canary"),
        ("INCODE_API_KEY", ""),
        ("INCODE_API_KEY", "canary\n"),
        ("INCODE_CLIENT_ID", ""),
        ("INCODE_WEB_URL", ""),
        ("INCODE_WEB_URL", "canary:web"),
        ("PUBLIC_URL", "canary"),
        ("INCODE_WEBHOOK_AUTH", ""),
        ("INCODE_WEBHOOK_AUTH", "canary"),
        ("INCODE_WEBHOOK_AUTH", "header,,hmac"),
        ("INCODE_WEBHOOK_AUTH", "postgres"),
        ("INCODE_WEBHOOK_AUTH", "header, fetch-back"),
        ("INCODE_WEBHOOK_AUTH", "fetch-back,oauth"),
        ("INCODE_WEBHOOK_AUTH", "fetch-back,fetch-back"),
        ("INCODE_WEBHOOK_SECRETS", ""),
        ("INCODE_WEBHOOK_SECRETS", "canary-too-short"),
        ("INCODE_WEBHOOK_SECRETS", "canary-canary-canary-canary-1,"),
        ("INCODE_WEBHOOK_HEADER", "canary header"),
        ("INCODE_FLOW_SECRET", ""),
        ("INCODE_FLOW_SECRET", "canary!"),
        ("INCODE_FLOW_SECRET", "Y2FuYXJ5"),
        ("INCODE_FLOW_SECRET", "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5,Y2FuYXJ5"),
        ("INCODE_FLOW_SECRET", "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5,"),
        ("INCODE_STORE_KEY", "Y2FuYXJ5"),
        ("INCODE_LINK_BY_WEBHOOK", "canary"),
        ("INCODE_LINK_BY_WEBHOOK", "ON"),
        ("INCODE_STORE", "canary"),
        ("INCODE_STORE", "sqlite:"),
        ("INCODE_STORE", "redis:canary"),
        ("INCODE_STORE", "redis://user:canary@host:canary"),
        ("INCODE_STORE", "rediss://user:canary@host/#insecure"),
        ("INCODE_STORE", "postgres:canary"),
        ("INCODE_STORE", "postgres://user:canary@"),
        ("INCODE_STORE", "postgres://user:canary@host/base?canary=1"),
        ("INCODE_STORE", "postgres://user:canary@host/base?sslmode=canary"),
        ("INCODE_STORE", "postgres://user:canary@host/base?schema=canary.canary"),
        ("INCODE_STORE", "postgres://user:canary@host:canary/base"),
    ] {
        let error = with(&[(name, value)]).expect_err(name);
        assert!(error.starts_with(name), "{name}={value:?}: {error}");
        assert!(!error.contains("canary") && !error.contains('\n'), "{error}");
    }
}

#[tokio::test]
async fn every_policy_can_be_named_and_needs_its_secrets() {
    const FLOW: &str = "INCODE_FLOW_SECRET";
    let whsec = ("INCODE_WEBHOOK_SECRETS", "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5");
    let client = ("INCODE_OAUTH_CLIENT_ID", "canary");
    let secret = ("INCODE_OAUTH_CLIENT_SECRET", "canary-canary-canary-canary-1, canary-canary-canary-canary-2");
    let auth = |value| ("INCODE_WEBHOOK_AUTH", value);
    let incode = with(&[auth("oauth"), client, secret]).unwrap().build().await.unwrap();
    assert!(format!("{incode:?}").contains("/incode/token"), "{incode:?}");
    assert!(with(&[auth("standard-webhooks"), whsec]).is_ok());
    assert!(with(&[auth("standard-webhooks,hmac,header,oauth"), whsec, client, secret]).is_ok());

    let no_flow = ("INCODE_CLIENT_ID", "");
    let no_page = ("INCODE_WEB_URL", "");
    for (changes, blamed) in [
        (vec![auth("oauth"), secret], "INCODE_OAUTH_CLIENT_ID"),
        (vec![auth("oauth"), client], "INCODE_OAUTH_CLIENT_SECRET"),
        (vec![auth("oauth"), ("INCODE_OAUTH_CLIENT_ID", "canary:"), secret], "INCODE_OAUTH_CLIENT_ID"),
        (vec![auth("oauth"), client, ("INCODE_OAUTH_CLIENT_SECRET", "canary")], "INCODE_OAUTH_CLIENT_SECRET"),
        (
            vec![auth("oauth"), client, ("INCODE_OAUTH_CLIENT_SECRET", "canary-canary-canary-canary-1,")],
            "INCODE_OAUTH_CLIENT_SECRET",
        ),
        (vec![auth("oauth"), client, secret, no_flow, no_page, (FLOW, "")], FLOW),
        (vec![auth("oauth"), client, secret, no_flow, no_page, (FLOW, "Y2FuYXJ5")], FLOW),
        (vec![auth("standard-webhooks")], "INCODE_WEBHOOK_SECRETS"),
        (vec![auth("standard-webhooks"), ("INCODE_WEBHOOK_SECRETS", "whsec_Y2FuYXJ5")], "INCODE_WEBHOOK_SECRETS"),
        (vec![auth("standard-webhooks"), ("INCODE_WEBHOOK_SECRETS", "")], "INCODE_WEBHOOK_SECRETS"),
    ] {
        let error = with(&changes).expect_err(blamed);
        assert!(error.starts_with(blamed), "{changes:?}: {error}");
        assert!(!error.contains("canary") && !error.contains("Y2Fu") && !error.contains('\n'), "{error}");
    }
}

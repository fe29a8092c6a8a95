use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use super::names::unknown;
use super::{Engine, StoreUrl};
use crate::app::{Builder, Incode};
use crate::client::Client;
use crate::store::{OpenFuture, OpenStore, StoreError, StoreErrorKind};
use crate::{ConfigError, ConfigErrorKind, Secret};

const KEY: &str = "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5";
const SECRET: &str = "canary-canary-canary-canary-1";

const GOOD: [(&str, &str); 10] = [
    ("INCODE_HOST", "https://vendor.example"),
    ("INCODE_API_KEY", "canary-api-key"),
    ("INCODE_CLIENT_ID", "canary-client"),
    ("INCODE_WEB_URL", "https://web.example"),
    ("PUBLIC_URL", "https://app.example"),
    ("INCODE_WEBHOOK_AUTH", "header, hmac"),
    ("INCODE_WEBHOOK_SECRETS", "canary-canary-canary-canary-1,canary-canary-canary-canary-2"),
    ("INCODE_FLOW_SECRET", KEY),
    ("INCODE_STORE", "memory:"),
    ("INCODE_STORE_KEY", KEY),
];

/// The settings above with these changes; `UNSET` leaves one out.
fn build(changes: &[(&str, &str)]) -> Result<Builder, ConfigError> {
    let mut settings: BTreeMap<&str, &str> = GOOD.into_iter().collect();
    for (name, value) in changes {
        if *value == UNSET {
            settings.remove(name)
        } else {
            settings.insert(name, value)
        };
    }
    let variables = settings.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Builder::from_settings(variables, &[ENGINE])
}

fn with(changes: &[(&str, &str)]) -> Result<Builder, String> {
    build(changes).map_err(|error| error.to_string())
}

/// Asserts one line that begins with the variable and shows no value.
fn assert_blames(name: &str, changes: &[(&str, &str)]) -> String {
    let error = build(changes).map(|_| ()).expect_err(name);
    assert_eq!(error.setting(), name, "{changes:?}: {error}");
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(text.starts_with(&format!("{name}: ")), "{changes:?}: {text}");
        assert!(!text.contains("canary") && !text.contains("Y2Fu") && !text.contains('\n'), "{text}");
    }
    error.to_string()
}

/// Stands for an engine: takes `engine:` and refuses `engine:refused`.
const ENGINE: Engine = |store: &StoreUrl<'_>| {
    let rest = store.url.strip_prefix("engine:").or_else(|| store.url.strip_prefix("postgres:"))?;
    if rest == "refused" {
        return Some(Err(StoreError::with_source(StoreErrorKind::Failed, "write engine:PATH")));
    }
    Some(Ok(Box::new(Opened { listens: store.listen.is_some() }) as Box<dyn OpenStore>))
};

struct Opened {
    listens: bool,
}

impl OpenStore for Opened {
    fn open(self: Box<Self>) -> OpenFuture {
        let listens = if self.listens { "by another way" } else { "as it is" };
        Box::pin(async move { Err(StoreError::with_source(StoreErrorKind::Unavailable, listens)) })
    }
}

const UNSET: &str = "(unset)";

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
    assert!(with(&[("INCODE_WEBHOOK_AUTH", "fetch-back"), ("INCODE_WEBHOOK_SECRETS", UNSET)]).is_ok());
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

/// An answer that comes after the lease would be lost, each time.
#[tokio::test]
async fn a_call_to_the_vendor_ends_before_the_lease_of_its_event() {
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
        ("INCODE_HOST", UNSET),
        ("INCODE_HOST", "http://canary.example"),
        ("INCODE_HOST", "https://user:canary@vendor.example"),
        ("INCODE_HOST", "canary"),
        ("INCODE_API_KEY", UNSET),
        ("INCODE_API_KEY", "canary\r\nx: y"),
        ("INCODE_API_KEY", "canary key"),
        ("INCODE_CLIENT_ID", UNSET),
        ("INCODE_WEB_URL", UNSET),
        ("INCODE_WEB_URL", "canary:web"),
        ("INCODE_WEB_URL", "http://canary.example"),
        ("INCODE_WEB_URL", "https://user:canary@web.example"),
        ("PUBLIC_URL", UNSET),
        ("PUBLIC_URL", "canary"),
        ("PUBLIC_URL", "app.canary.example/x"),
        ("PUBLIC_URL", "http://canary.example"),
        ("PUBLIC_URL", "http://10.0.0.1:3000"),
        ("PUBLIC_URL", "https://canary.example?x=1"),
        ("PUBLIC_URL", "https://canary.example#x"),
        ("PUBLIC_URL", "https://user:canary@app.example"),
        ("INCODE_WEBHOOK_AUTH", UNSET),
        ("INCODE_WEBHOOK_AUTH", "canary"),
        ("INCODE_WEBHOOK_AUTH", "header,,hmac"),
        ("INCODE_WEBHOOK_AUTH", "postgres"),
        ("INCODE_WEBHOOK_AUTH", "header, fetch-back"),
        ("INCODE_WEBHOOK_AUTH", "fetch-back,oauth"),
        ("INCODE_WEBHOOK_AUTH", "fetch-back,fetch-back"),
        ("INCODE_WEBHOOK_SECRETS", UNSET),
        ("INCODE_WEBHOOK_SECRETS", "canary-too-short"),
        ("INCODE_WEBHOOK_SECRETS", "canary-canary-canary-canary-1,"),
        ("INCODE_WEBHOOK_HEADER", "canary header"),
        ("INCODE_WEBHOOK_SIGNATURE", "canary"),
        ("INCODE_WEBHOOK_SIGNATURE", "c\u{e4}nary=hex"),
        ("INCODE_WEBHOOK_SIGNED", "canary"),
        ("INCODE_WEBHOOK_SIGNED", "x-id.canary"),
        ("INCODE_WEBHOOK_SIGNED", "x id.x-time.body"),
        ("INCODE_WEBHOOK_PATH", "canary"),
        ("INCODE_WEBHOOK_PATH", "/canary?x"),
        ("INCODE_WEBHOOK_PATH", "/canary hook"),
        ("INCODE_WEBHOOK_NETWORKS", "canary"),
        ("INCODE_WEBHOOK_NETWORKS", "192.0.2.1/24"),
        ("INCODE_WEBHOOK_NETWORKS", "0.0.0.0/0"),
        ("INCODE_PROXIES", "canary"),
        ("INCODE_PROXIES", "-1"),
        ("INCODE_PROXIES", "443"),
        ("INCODE_FLOW_SECRET", UNSET),
        ("INCODE_FLOW_SECRET", "canary!"),
        ("INCODE_FLOW_SECRET", "Y2FuYXJ5"),
        ("INCODE_FLOW_SECRET", "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5,Y2FuYXJ5"),
        ("INCODE_FLOW_SECRET", "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5,"),
        ("INCODE_STORE_KEY", "Y2FuYXJ5"),
        ("INCODE_STORE_KEY", "+_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"),
        ("INCODE_LINK_BY_WEBHOOK", "canary"),
        ("INCODE_LINK_BY_WEBHOOK", "ON"),
        ("INCODE_STORE", "canary"),
        ("INCODE_STORE", "sqlite::memory:"),
        ("INCODE_STORE", "memory"),
        ("INCODE_STORE", "engine:a\nb"),
        ("INCODE_STORE", "engine:refused"),
        ("INCODE_STORE_LISTEN", "postgres://user:canary@host/base"),
    ] {
        let line = assert_blames(name, &[(name, value)]);
        assert!(line.len() > name.len() + 10, "{line}");
    }
}

#[test]
fn a_value_is_trimmed_and_never_empty() {
    for (name, _) in GOOD {
        for value in ["", "  ", "\n"] {
            assert_blames(name, &[(name, value)]);
            assert_eq!(build(&[(name, value)]).map(|_| ()).unwrap_err().kind(), ConfigErrorKind::Missing);
        }
    }
    for (name, value) in GOOD {
        assert!(with(&[(name, &format!(" {value}\n"))]).is_ok(), "{name}");
    }
    assert!(with(&[("INCODE_STORE", "engine:incode.db\n")]).is_ok());
}

#[test]
fn keys_are_base64_of_either_alphabet() {
    // 32 bytes in which both alphabets differ.
    for text in ["+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8=", "-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_8"] {
        assert!(with(&[("INCODE_FLOW_SECRET", text), ("INCODE_STORE_KEY", text)]).is_ok(), "{text}");
    }
    let list = format!("{KEY}, {KEY}");
    assert!(with(&[("INCODE_FLOW_SECRET", &list), ("INCODE_STORE_KEY", &list)]).is_ok());
    for text in [&KEY[..40], "-_+/-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_8", "========", &format!("{KEY}=")] {
        assert_blames("INCODE_STORE_KEY", &[("INCODE_STORE_KEY", text)]);
    }
}

#[test]
fn a_public_url_may_be_left_out_beside_a_vendor_on_this_machine() {
    let here =
        [("INCODE_HOST", "http://127.0.0.1:9"), ("INCODE_WEB_URL", "http://localhost:9/web"), ("PUBLIC_URL", UNSET)];
    for bind in [UNSET, "127.0.0.1:3000", "0.0.0.0:80", "[::]:80", "[::1]:8080", "localhost:3000"] {
        assert!(with(&[&here[..], &[("BIND", bind)]].concat()).is_ok(), "{bind}");
    }
    for bind in ["localhost", "3000", "127.0.0.1:canary"] {
        assert_blames("BIND", &[&here[..], &[("BIND", bind)]].concat());
    }
    assert_blames("PUBLIC_URL", &[&here[..], &[("BIND", "10.0.0.1:3000")]].concat());
    // Either half of the vendor somewhere else is enough.
    assert_blames("PUBLIC_URL", &[here[0], here[2]]);
    assert_blames("PUBLIC_URL", &[here[1], here[2]]);
    let no_flow = [("INCODE_CLIENT_ID", UNSET), ("INCODE_WEB_URL", UNSET), ("PUBLIC_URL", UNSET)];
    assert!(with(&no_flow).is_ok(), "without the hosted flow no browser comes");
}

#[test]
fn a_public_url_may_have_a_path_and_http_is_for_this_machine() {
    for url in [
        "https://site.example/app",
        "https://site.example/app/",
        "http://localhost:3000",
        "http://127.0.0.1/x",
        "http://[::1]:3000",
        "http://app.localhost",
    ] {
        assert!(with(&[("PUBLIC_URL", url)]).is_ok(), "{url}");
    }
}

#[test]
fn a_secret_may_be_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let keys = file("keys", &format!("{KEY}\r\n\n{KEY}\n"));
    let comma = file("comma", "canary-canary,canary-canary-canary\ncanary-canary-canary-canary-2\n");
    let one = file("one", "canary-api-key\n");
    let empty = file("empty", "\n\n");
    let missing = folder.path().join("missing").to_str().unwrap().to_owned();
    for (name, file, path) in [
        ("INCODE_API_KEY", "INCODE_API_KEY_FILE", &one),
        ("INCODE_FLOW_SECRET", "INCODE_FLOW_SECRET_FILE", &keys),
        ("INCODE_STORE_KEY", "INCODE_STORE_KEY_FILE", &keys),
        ("INCODE_WEBHOOK_SECRETS", "INCODE_WEBHOOK_SECRETS_FILE", &comma),
        ("INCODE_STORE", "INCODE_STORE_FILE", &file("store", "memory:\n")),
    ] {
        assert!(with(&[(name, UNSET), (file, path)]).is_ok(), "{file}");
        assert_blames(file, &[(file, path)]);
        for wrong in [&missing, &empty, &folder.path().to_str().unwrap().to_owned()] {
            let error = build(&[(name, UNSET), (file, wrong)]).map(|_| ()).unwrap_err();
            assert_eq!(error.setting(), file);
            assert!(!error.to_string().contains(wrong.as_str()), "{error}");
        }
    }
    // One value is one line, and what is wrong in a file is blamed on the file.
    assert_blames("INCODE_API_KEY_FILE", &[("INCODE_API_KEY", UNSET), ("INCODE_API_KEY_FILE", &comma)]);
    let short = file("short", "canary\n");
    assert_blames(
        "INCODE_WEBHOOK_SECRETS_FILE",
        &[("INCODE_WEBHOOK_SECRETS", UNSET), ("INCODE_WEBHOOK_SECRETS_FILE", &short)],
    );
    assert_blames("INCODE_FLOW_SECRET_FILE", &[("INCODE_FLOW_SECRET", UNSET), ("INCODE_FLOW_SECRET_FILE", &short)]);
    // In a variable the comma separates.
    let both = ("INCODE_WEBHOOK_SECRETS", "canary-canary,canary-canary-canary");
    assert_blames("INCODE_WEBHOOK_SECRETS", &[both]);
}

#[test]
fn an_unknown_name_has_a_nearest() {
    for (name, nearest) in [
        ("INCODE_WEBHOOK_SECRET", Some("INCODE_WEBHOOK_SECRETS")),
        ("INCODE_WEBHOOKS_SECRETS", Some("INCODE_WEBHOOK_SECRETS")),
        ("incode_host", Some("INCODE_HOST")),
        ("INCODE_FLOW_SECRETS", Some("INCODE_FLOW_SECRET")),
        ("INCODE_API_KEY_FILES", Some("INCODE_API_KEY_FILE")),
        ("INCODE_WEBHOOK_PATHS", Some("INCODE_WEBHOOK_PATH")),
        ("INCODE_SOMETHING_ELSE_ALTOGETHER", None),
    ] {
        assert_eq!(unknown(name), Some(nearest), "{name}");
    }
    for name in
        ["INCODE_HOST", "INCODE_API_KEY_FILE", "INCODE_ADMIN_TOKEN", "PUBLIC_URL", "BIND", "PATH", "INCODEX", ""]
    {
        assert_eq!(unknown(name), None, "{name}");
    }
    assert!(with(&[("INCODE_WEBHOOK_SECRET", SECRET)]).is_ok(), "a warning, not an error");
}

#[tokio::test]
async fn a_store_can_listen_by_another_way() {
    for (changes, way) in [
        (vec![("INCODE_STORE", "postgres:x"), ("INCODE_STORE_LISTEN", "postgres:y")], "by another way"),
        (vec![("INCODE_STORE", "engine:x")], "as it is"),
    ] {
        let error = with(&changes).unwrap().build().await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::Store);
        assert!(error.to_string().ends_with(way), "{error}");
    }
    let line = assert_blames("INCODE_STORE", &[("INCODE_STORE", "engine:refused")]);
    assert!(line.ends_with("write engine:PATH"), "{line}");
}

#[tokio::test]
async fn each_kind_may_have_a_path_of_its_own() {
    let (verification, authentication) = ("INCODE_WEBHOOK_PATH_VERIFICATION", "INCODE_WEBHOOK_PATH_AUTHENTICATION");
    for (changes, mounts) in [
        (vec![("INCODE_WEBHOOK_PATH", "/in")], &["/in"][..]),
        (vec![(verification, "/v"), (authentication, "/a")], &["/v", "/a"]),
        (vec![("INCODE_WEBHOOK_PATH", "/in"), (authentication, "/a")], &["/a", "/in"]),
    ] {
        let incode = with(&changes).unwrap().build().await.unwrap();
        let shown = format!("{incode:?}");
        assert!(mounts.iter().all(|path| shown.contains(&format!("\"{path}\""))), "{shown}");
        assert!(!shown.contains("/incode/webhook"), "{shown}");
        incode.shutdown().await;
    }
    assert_blames(authentication, &[(verification, "/v")]);
    assert_blames(verification, &[(authentication, "/a")]);
    assert_blames(authentication, &[(verification, "/v"), (authentication, "/v")]);
    assert_blames(verification, &[("INCODE_WEBHOOK_PATH", "/v"), (verification, "/v")]);
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
    assert!(with(&[auth("svix"), whsec]).is_ok());
    assert!(with(&[auth("standard-webhooks,svix,hmac,header,oauth"), whsec, client, secret]).is_ok());
    for (name, value) in [
        ("INCODE_WEBHOOK_SIGNATURE", "hex"),
        ("INCODE_WEBHOOK_SIGNATURE", "sha256=hex"),
        ("INCODE_WEBHOOK_SIGNATURE", "base64"),
        ("INCODE_WEBHOOK_SIGNED", "body"),
        ("INCODE_WEBHOOK_SIGNED", "x-id.x-timestamp.body"),
        ("INCODE_WEBHOOK_SECRETS", "base64:Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"),
        ("INCODE_WEBHOOK_SECRETS", "hex:000102030405060708090A0b0c0d0e0f1011121314151617"),
        ("INCODE_WEBHOOK_NETWORKS", "192.0.2.0/24, 2001:db8::/32, 198.51.100.7"),
        ("INCODE_PROXIES", "0"),
        ("INCODE_PROXIES", "2"),
    ] {
        assert!(with(&[auth("hmac"), (name, value)]).is_ok(), "{name}={value}");
    }

    let no_flow = ("INCODE_CLIENT_ID", UNSET);
    let no_page = ("INCODE_WEB_URL", UNSET);
    for (changes, blamed) in [
        (vec![auth("oauth"), secret], "INCODE_OAUTH_CLIENT_ID"),
        (vec![auth("oauth"), client], "INCODE_OAUTH_CLIENT_SECRET"),
        (vec![auth("oauth"), ("INCODE_OAUTH_CLIENT_ID", "canary:"), secret], "INCODE_OAUTH_CLIENT_ID"),
        (vec![auth("oauth"), client, ("INCODE_OAUTH_CLIENT_SECRET", "canary")], "INCODE_OAUTH_CLIENT_SECRET"),
        (
            vec![auth("oauth"), client, ("INCODE_OAUTH_CLIENT_SECRET", "canary-canary-canary-canary-1,")],
            "INCODE_OAUTH_CLIENT_SECRET",
        ),
        (vec![auth("oauth"), client, secret, no_flow, no_page, (FLOW, UNSET)], FLOW),
        (vec![auth("oauth"), client, secret, no_flow, no_page, (FLOW, "Y2FuYXJ5")], FLOW),
        (vec![auth("standard-webhooks")], "INCODE_WEBHOOK_SECRETS"),
        (vec![auth("svix")], "INCODE_WEBHOOK_SECRETS"),
        (vec![auth("standard-webhooks"), ("INCODE_WEBHOOK_SECRETS", "whsec_Y2FuYXJ5")], "INCODE_WEBHOOK_SECRETS"),
        (vec![auth("standard-webhooks"), ("INCODE_WEBHOOK_SECRETS", UNSET)], "INCODE_WEBHOOK_SECRETS"),
        (vec![auth("hmac"), ("INCODE_WEBHOOK_SECRETS", "base64:canary!")], "INCODE_WEBHOOK_SECRETS"),
        (vec![auth("hmac"), ("INCODE_WEBHOOK_SECRETS", "hex:canary")], "INCODE_WEBHOOK_SECRETS"),
        (vec![auth("hmac"), ("INCODE_WEBHOOK_SECRETS", "hex:0001")], "INCODE_WEBHOOK_SECRETS"),
    ] {
        assert_blames(blamed, &changes);
    }
}

#[test]
fn a_store_url_shows_nothing() {
    let store = StoreUrl { url: "engine:canary", listen: Some("canary") };
    assert!(!format!("{store:?}").contains("canary"));
}

use incode_sandbox::Sandbox;
use incode_tests::process::{App, Ended, Example, Settings, refused};
use tempfile::TempDir;

on_both_examples!(a_wrong_setting_is_one_line_that_names_it, one_store_file_has_one_process);

async fn a_wrong_setting_is_one_line_that_names_it(example: Example) {
    let sandbox = Sandbox::builder().start().await.unwrap();
    let directory = TempDir::new().unwrap();
    let good = || Settings::of(&sandbox, directory.path());
    let wrong = [
        ("BIND", "canary.invalid:http"),
        ("PUBLIC_URL", "canary"),
        ("PUBLIC_URL", "ftp://canary.invalid"),
        ("INCODE_HOST", "http://canary.invalid"),
        ("INCODE_HOST", "canary"),
        ("INCODE_HOST", "https://user:canary@vendor.invalid"),
        ("INCODE_API_KEY", "canary\nx-other: 1"),
        ("INCODE_API_KEY", ""),
        ("INCODE_CLIENT_ID", ""),
        ("INCODE_WEB_URL", "canary"),
        ("INCODE_WEB_URL", ""),
        ("INCODE_WEBHOOK_AUTH", "canary"),
        ("INCODE_WEBHOOK_AUTH", "header,canary"),
        ("INCODE_WEBHOOK_AUTH", ""),
        ("INCODE_WEBHOOK_SECRETS", "canary"),
        ("INCODE_WEBHOOK_SECRETS", "long-enough-0123456789-abcdef,canary"),
        ("INCODE_WEBHOOK_SECRETS", "canary-with-a-line-break\n-0123456789"),
        ("INCODE_WEBHOOK_SECRETS", ""),
        ("INCODE_WEBHOOK_HEADER", "canary header"),
        ("INCODE_FLOW_SECRET", "canary"),
        ("INCODE_FLOW_SECRET", "Y2FuYXJ5"),
        ("INCODE_FLOW_SECRET", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=,Y2FuYXJ5"),
        ("INCODE_ADMIN_TOKEN", "canary"),
        ("INCODE_ADMIN_TOKEN", "canary-0123456789-abcde"),
        ("INCODE_STORE", "canary:nothing"),
        ("INCODE_STORE", "sqlite:"),
        // The path of a file is shown: it is what has to be mended, and no secret.
        ("INCODE_STORE", "sqlite:/nonexistent/folder/incode.db"),
        ("INCODE_STORE_KEY", "canary"),
        ("INCODE_STORE_KEY", "Y2FuYXJ5"),
    ];
    for (name, value) in wrong {
        is_one_line(&refused(example, &good().with(name, value)).await, example, name);
    }
    let elsewhere = good().with("INCODE_HOST", "https://vendor.invalid");
    is_one_line(&refused(example, &elsewhere).await, example, "PUBLIC_URL");
    for (auth, name, value) in [
        ("header,fetch-back", "INCODE_WEBHOOK_AUTH", None),
        ("hmac", "INCODE_WEBHOOK_SECRETS", Some("canary")),
        ("hmac", "INCODE_WEBHOOK_SECRETS", None),
        ("standard-webhooks", "INCODE_WEBHOOK_SECRETS", Some("canary-0123456789-abcdef-0123456789")),
        ("standard-webhooks", "INCODE_WEBHOOK_SECRETS", Some("whsec_Y2FuYXJ5")),
        ("standard-webhooks", "INCODE_WEBHOOK_SECRETS", None),
        ("oauth", "INCODE_OAUTH_CLIENT_ID", Some("canary:")),
        ("oauth", "INCODE_OAUTH_CLIENT_ID", None),
        ("oauth", "INCODE_OAUTH_CLIENT_SECRET", Some("canary")),
        ("oauth", "INCODE_OAUTH_CLIENT_SECRET", Some("long-enough-0123456789-abcdef,canary")),
        ("oauth", "INCODE_OAUTH_CLIENT_SECRET", None),
        ("oauth", "INCODE_FLOW_SECRET", Some("Y2FuYXJ5")),
        ("oauth", "INCODE_FLOW_SECRET", None),
    ] {
        let client = good().with("INCODE_OAUTH_CLIENT_ID", "incode");
        let client = client.with("INCODE_OAUTH_CLIENT_SECRET", "long-enough-0123456789-abcdef");
        let changed = match value {
            Some(value) => client.with(name, value),
            None => client.without(name),
        };
        is_one_line(&refused(example, &changed.with("INCODE_WEBHOOK_AUTH", auth)).await, example, name);
    }
    // The stand-in is for those who name no vendor setting at all.
    let some = Settings::none().with("INCODE_WEBHOOK_AUTH", "standard-webhooks");
    let named = refused(example, &some.with("INCODE_WEBHOOK_SECRETS", "canary")).await;
    is_one_line(&named, example, "INCODE_HOST");
    let journal = |path: &str| good().with("EXAMPLE_JOURNAL", directory.path().join(path).to_str().unwrap());
    is_one_line(&refused(example, &journal("canary/none")).await, example, "EXAMPLE_JOURNAL");
    let fails = journal("journal").with("EXAMPLE_JOURNAL_FAILS", "canary");
    is_one_line(&refused(example, &fails).await, example, "EXAMPLE_JOURNAL_FAILS");
    is_one_line(&refused(example, &good().without("INCODE_API_KEY")).await, example, "INCODE_API_KEY");
    is_one_line(&refused(example, &good().without("INCODE_WEBHOOK_AUTH")).await, example, "INCODE_WEBHOOK_AUTH");
}

async fn one_store_file_has_one_process(example: Example) {
    let sandbox = Sandbox::builder().start().await.unwrap();
    let directory = TempDir::new().unwrap();
    let settings = Settings::of(&sandbox, directory.path());
    let first = App::start(example, &settings).await;
    for other in [Example::Axum, Example::Actix] {
        let ended = refused(other, &settings).await;
        is_one_line(&ended, other, "INCODE_STORE");
        assert!(ended.stderr[0].ends_with("already open in another process"), "{ended:?}");
    }
    assert_eq!(first.count("pending").await, 0, "the first goes on");
    first.kill().await;
    App::start(example, &settings).await;
}

fn is_one_line(ended: &Ended, example: Example, name: &str) {
    assert!(ended.code.is_some_and(|code| code != 0), "{name}: {ended:?}");
    assert!(ended.stdout.is_empty(), "{name}: {ended:?}");
    let [line] = ended.stderr.as_slice() else { panic!("{name}: not one line: {ended:?}") };
    assert!(line.starts_with(&format!("{}: {name}: ", example.name())), "{line}");
    assert!(!line.contains("canary") && !line.contains("Y2FuYXJ5"), "{name} shows its value: {line}");
}

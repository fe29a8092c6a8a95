//! The public URL, of an application that runs.

use incode_sandbox::Sandbox;

use super::Found;
use crate::application::{Application, SECRET, Settings};
use incode_test_servers::PostgresServer;
use incode_test_servers::free_port;

/// Each of them warns only that a public URL of this machine is none for the vendor.
const HERE: &[&str] = &["public URL"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_is_right_and_settings_that_are_not_its_own() {
    let Some(server) = PostgresServer::shared().await else { return };
    let vendor = Sandbox::builder().start().await.unwrap();
    let (place, url) = Application::place().await;
    let settings = Settings::of(&vendor, &url, &server.fresh().0)
        .with("INCODE_WEBHOOK_AUTH", "oauth")
        .with("INCODE_OAUTH_CLIENT_ID", "vendor")
        .with("INCODE_OAUTH_CLIENT_SECRET", SECRET);
    let _app = Application::start(place, &settings).await;
    let looked = Found::with(&settings, &[]).await;
    looked.assert("webhook /incode/webhook", "pass", "401", "");
    looked.assert("webhook /incode/webhook", "pass", "405", "");
    looked.assert("token endpoint", "pass", "401", "");
    looked.assert("callback", "pass", "400", "");
    looked.assert("webhook secret", "pass", "", "");
    looked.assert("public URL", "warn", "this machine", "PUBLIC_URL");
    looked.assert_green(HERE);

    let path = settings.clone().with("INCODE_WEBHOOK_PATH", "/hooks/incode");
    Found::with(&path, &[]).await.assert("webhook /hooks/incode", "fail", "404", "INCODE_WEBHOOK_PATH");
    let below = settings.clone().with("PUBLIC_URL", format!("{url}/app"));
    Found::with(&below, &[]).await.assert("callback", "fail", "404", "PUBLIC_URL");
    let secret = settings.clone().with("INCODE_OAUTH_CLIENT_SECRET", "another-client-secret-0123456789");
    Found::with(&secret, &[]).await.assert("webhook secret", "fail", "refused", "token endpoint gave no token");
    let header = settings.clone().with("INCODE_WEBHOOK_AUTH", "header");
    Found::with(&header, &[]).await.assert("webhook secret", "fail", "refused", "another way of authentication");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_the_application() {
    let vendor = Sandbox::builder().start().await.unwrap();
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let settings = Settings::of(&vendor, &nowhere, "memory:");
    let hook = "webhook /incode/webhook";
    Found::with(&settings, &[]).await.assert(hook, "fail", "does not answer", "start the application");
    let (place, url) = Application::place().await;
    let login = Application::with_login_in_front(place);
    let settings = settings.with("PUBLIC_URL", &url);
    let looked = Found::with(&settings, &[]).await;
    looked.assert(hook, "fail", "303", "follows no redirect");
    looked.assert("callback", "warn", "303", "login");
    // A public URL that is not PUBLIC_URL, and no https.
    let elsewhere = format!("http://{}.example", "long".repeat(16));
    let looked = Found::with(&settings, &["--public-url", &elsewhere]).await;
    looked.assert("public URL", "fail", "not https", "https://");
    login.abort();
}

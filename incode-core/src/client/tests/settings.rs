use super::*;

fn problem(builder: ClientBuilder) -> String {
    let error = builder.build().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
    error.setting().to_owned()
}

#[test]
fn the_base_url_is_https_or_loopback() {
    for url in [
        "https://incode.example",
        "https://incode.example:8443/prefix",
        "http://localhost:3000",
        "http://LOCALHOST",
        "http://127.0.0.1",
        "http://127.9.9.9:1/x",
        "http://[::1]:3000",
    ] {
        assert!(Client::builder(url, API_KEY).build().is_ok(), "{url}");
    }
    for url in [
        "http://canary.example",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://[::]",
        "http://[::ffff:127.0.0.1]",
        "http://localhost.canary.example",
        "http://127.0.0.1.canary.example",
        "http://localhost@canary.example",
        "ftp://localhost",
        "file:///canary",
        "data:canary",
        "localhost:3000",
        "canary.example",
        "/canary",
        "",
        "https://",
        "https://user@canary.example",
        "https://user:canary@localhost",
        "https://:canary@localhost",
        "https://canary.example/?",
        "https://canary.example/?key=canary",
        "https://canary.example/#",
        "https://canary.example/#canary",
    ] {
        assert_eq!(problem(Client::builder(url, API_KEY)), "base url", "{url}");
    }
}

#[test]
fn header_values_are_checked_before_anything_is_sent() {
    for value in ["", "canary\r\nx: y", "canary key", "canary\u{e9}", "canary\0", &"x".repeat(5000)] {
        assert_eq!(problem(Client::builder("http://localhost", value)), "api key");
        assert_eq!(problem(Client::builder("http://localhost", API_KEY).hardware_id(value)), "hardware id");
    }
    let binary = crate::Secret::new(vec![0xff, 0xfe]);
    assert_eq!(problem(Client::builder("http://localhost", binary)), "api key");
}

#[test]
fn a_root_certificate_must_be_one() {
    for bytes in ["", "canary", "0canary", "-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n"] {
        let builder = Client::builder("https://localhost", API_KEY).root_certificate(bytes);
        assert_eq!(problem(builder), "root certificate", "{bytes}");
    }
}

#[tokio::test]
async fn endless_deadlines_do_not_overflow() {
    let vendor = Vendor::answering([vendor::ok(&active())]).await;
    let client = builder(&vendor)
        .connect_timeout(Duration::MAX)
        .attempt_timeout(Duration::MAX)
        .call_timeout(Duration::MAX)
        .build()
        .unwrap();
    userinfo(&client).await.unwrap();
}

#[test]
fn a_client_is_shared_between_threads_and_cheap_to_clone() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Client>();
    assert_eq!(size_of::<Client>(), size_of::<usize>());
}

use super::*;

#[test]
fn only_204_and_json_200_acknowledge() {
    let with = |kind: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        headers
    };
    let json = with("application/json; charset=utf-8");
    assert!(acknowledges(StatusCode::NO_CONTENT, &HeaderMap::new()));
    assert!(acknowledges(StatusCode::OK, &json));
    assert!(!acknowledges(StatusCode::OK, &HeaderMap::new()));
    assert!(!acknowledges(StatusCode::OK, &with("text/plain")));
    assert!(!acknowledges(StatusCode::OK, &with("application/jsonp")));
    for status in [201, 202, 302, 400, 500] {
        assert!(!acknowledges(StatusCode::from_u16(status).unwrap(), &json), "{status}");
    }
}

#[test]
fn the_schedule_ends_about_32_minutes_in() {
    let waits: Vec<Duration> = RETRY_SECONDS.iter().map(|seconds| scaled(*seconds, 1.0)).collect();
    for pair in waits.windows(2) {
        let growth = pair[1].as_secs_f64() / pair[0].as_secs_f64();
        assert!((growth - 2.5).abs() < 0.001, "{growth}");
    }
    assert_eq!(waits.iter().sum::<Duration>().as_secs() / 60, 32);
    assert_eq!(scaled(30.0, 0.0), Duration::ZERO);
    assert_eq!(scaled(30.0, f64::MAX), Duration::MAX);
}

/// Features of the whole workspace may bring a provider, so a program without one is pretended.
#[tokio::test]
async fn plain_http_needs_no_tls_provider() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(async || StatusCode::NO_CONTENT);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let client = client_with(None).unwrap();
    assert_eq!(client.post(&url).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert!(client.post(url.replace("http:", "https:")).send().await.is_err());
    server.abort();

    WebhookTarget::new_with(&Webhook::to(&url), false).unwrap();
    let refused = WebhookTarget::new_with(&Webhook::to(url.replace("http:", "https:")), false).err().unwrap();
    assert_eq!(refused.kind(), StartErrorKind::Client);
    assert!(std::error::Error::source(&refused).unwrap().to_string().contains("tls-aws-lc-rs or tls-ring"));
}

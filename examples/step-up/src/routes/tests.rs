use super::*;

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_breaks_off_and_a_whole_one_passes() {
    let silent = Body::from_stream(futures_util::stream::pending::<io::Result<&'static [u8]>>());
    let end = Instant::now() + BODY_DEADLINE;
    assert!(axum::body::to_bytes(bounded(silent, end), 64).await.is_err());
    assert_eq!(Instant::now(), end);
    let whole = axum::body::to_bytes(bounded(Body::from("user=ana"), end + BODY_DEADLINE), 64).await;
    assert_eq!(whole.unwrap(), "user=ana");
}

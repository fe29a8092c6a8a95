use super::Reply;

#[test]
fn debug_shows_no_value() {
    let reply =
        Reply::see_other("/back?correlation_id=canary").header("set-cookie", "canary").body("text/html", "canary");
    let shown = format!("{reply:?}");
    assert!(shown.contains("303") && shown.contains("location") && !shown.contains("canary"), "{shown}");
}

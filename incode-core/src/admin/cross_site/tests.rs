use super::check;
use crate::webhook::fake_head::FakeHead;

const ORIGIN: &str = "https://admin.example:8443";

#[test]
fn over_http_2_the_authority_stands_in_for_the_host() {
    let from = |origin: &str| FakeHead::post().with("origin", origin);
    assert!(check(&from(ORIGIN).to("admin.example:8443")).is_ok());
    assert!(check(&from(ORIGIN).to("Admin.Example:8443").with("host", "admin.example:8443")).is_ok());
    for (refused, why) in [
        (from(ORIGIN), "neither host nor authority"),
        (from("https://elsewhere.example").to("admin.example:8443"), "another site"),
        (from("null").to("admin.example:8443"), "an opaque origin"),
        (from(ORIGIN).to("admin.example:8443").with("host", "elsewhere.example"), "host and authority differ"),
        (from("https://elsewhere.example").to("admin.example:8443").with("host", "elsewhere.example"), "they differ"),
        (from(ORIGIN).to("admin.example:8443").with("host", "admin.example:8443").with("host", "x"), "two hosts"),
    ] {
        assert!(check(&refused).is_err(), "{why}");
    }
}

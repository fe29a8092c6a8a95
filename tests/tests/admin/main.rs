//! The admin routes over real sockets, the same script on each adapter.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod script;
mod served;
mod wire;

#[test]
fn nested_in_axum() {
    script::run(&served::axum(), "anna");
}

#[test]
fn bare_tower() {
    script::run(&served::bare_tower(), "unknown");
}

#[test]
fn in_a_scope_of_actix_web() {
    script::run(&served::actix(), "anna");
}

#[test]
fn the_applications_guard_is_the_only_one() {
    for mount in [served::axum(), served::actix()] {
        let stranger = mount.request("GET", "inbox").without("x-admin").send();
        assert_eq!(stranger.status, 401);
    }
}

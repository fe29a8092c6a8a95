use std::any::Any;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{FIRST_MINUTES, MANY_VISITORS, NearMiss, ONE_FLOW, Placement, is_overdue, near_miss};
use crate::Subject;
use crate::http::RequestHead;

struct Sent {
    path: &'static str,
    to: &'static str,
}

impl RequestHead for Sent {
    fn method(&self) -> &str {
        "POST"
    }
    fn path(&self) -> &str {
        self.path
    }
    fn query(&self) -> Option<&str> {
        None
    }
    fn sent_to(&self) -> (&str, Option<&str>) {
        (self.to, None)
    }
    fn header_values<'a>(&'a self, _: &str, _: &mut dyn FnMut(&'a [u8])) {}
    fn subject(&self) -> Option<&Subject> {
        None
    }
    fn extensions(&self) -> &dyn Any {
        &()
    }
}

fn sent(path: &'static str) -> Sent {
    Sent { path, to: path }
}

fn placement(base: &str) -> Placement {
    Placement::new([("/incode/webhook", true), ("/incode/start", false)].into_iter(), base)
}

#[test]
fn a_near_miss_is_distinguished_from_a_path_of_the_application() {
    for (path, miss) in [
        ("/api/incode/webhook", Some(NearMiss::Prefix)),
        ("/incode/webhook/", Some(NearMiss::Slash)),
        ("//incode/webhook", Some(NearMiss::Slash)),
        ("/Incode/WebHook", Some(NearMiss::Case)),
        ("/API/Incode/webhook/", Some(NearMiss::Prefix)),
        ("/incode/%77ebhook", Some(NearMiss::Encoding)),
        ("/incode/webhook", None),
        ("/incode/webhooks", None),
        ("/webhook", None),
        ("/myincode/webhook", None),
        ("/incode/webhook/more", None),
        ("/", None),
        ("/%ff/incode/webhook", None),
    ] {
        assert_eq!(near_miss(path, "/incode/webhook"), miss, "{path}");
    }
    assert_eq!(near_miss("/anything", "/"), None);
}

#[test]
fn each_route_is_logged_once() {
    let placement = placement("");
    let said = || placement.routes.iter().map(|route| route.is_said.load(Ordering::Relaxed)).collect::<Vec<_>>();
    for path in ["/", "/vault", "/k", "/books", "/t/"] {
        placement.visitor_came(&sent(path));
    }
    assert_eq!(said(), [false, false]);
    placement.visitor_came(&sent("/api/incode/webhook"));
    assert_eq!(said(), [true, false]);
    placement.visitor_came(&sent("/INCODE/START/"));
    assert_eq!(said(), [true, true]);
}

#[test]
fn many_visitors_or_some_minutes_are_overdue() {
    let moment = Duration::from_nanos(1);
    assert!(!is_overdue(1, Duration::ZERO, false) && !is_overdue(MANY_VISITORS - 1, FIRST_MINUTES - moment, false));
    assert!(is_overdue(MANY_VISITORS, Duration::ZERO, false) && is_overdue(1, FIRST_MINUTES, false));
    assert!(!is_overdue(u32::MAX, ONE_FLOW - moment, true) && is_overdue(1, ONE_FLOW, true), "the layer is seen");
}

#[test]
fn a_route_that_is_reached_settles_it() {
    let settled = |placement: &Placement| placement.is_settled.load(Ordering::Relaxed);
    let quiet = placement("");
    for _ in 1..MANY_VISITORS {
        quiet.visitor_came(&sent("/vault"));
    }
    assert!(!settled(&quiet));
    quiet.visitor_came(&sent("/vault"));
    assert!(settled(&quiet), "warned");
    let served = placement("");
    served.route_reached("/incode/webhook", &sent("/incode/webhook"));
    assert!(settled(&served));
    served.visitor_came(&sent("/vault"));
    assert_eq!(served.visitors.load(Ordering::Relaxed), 0, "no longer counted");
}

#[test]
fn each_webhook_is_waited_for_whatever_else_is_reached() {
    let paths = [("/verifications", true), ("/authentications", true), ("/incode/start", false)];
    let placement = Placement::new(paths.into_iter(), "/app");
    let silent = || placement.silent_webhooks().map(str::to_owned).collect::<Vec<_>>();
    let settled = || placement.is_settled.load(Ordering::Relaxed);
    placement.route_reached("/incode/start", &sent("/incode/start"));
    assert!(!settled() && silent() == ["/verifications", "/authentications"]);
    placement.route_reached("/verifications", &sent("/app/verifications"));
    assert!(!settled() && silent() == ["/authentications"]);
    placement.route_reached("/authentications", &sent("/authentications"));
    assert!(settled() && silent().is_empty());
}

#[test]
fn a_prefix_of_a_nested_router_is_known_from_the_public_url() {
    let nested = Sent { path: "/incode/webhook", to: "/api/incode/webhook" };
    for (base, is_said) in [("", true), ("/api", false), ("/app", true)] {
        let placement = placement(base);
        placement.route_reached("/incode/webhook", &nested);
        assert_eq!(placement.said_prefix.load(Ordering::Relaxed), is_said, "{base}");
    }
    let placement = placement("");
    placement.route_reached("/incode/webhook", &sent("/incode/webhook"));
    assert!(!placement.said_prefix.load(Ordering::Relaxed));
}

#[test]
fn the_path_of_the_public_url_is_taken_off_where_a_proxy_does_not() {
    let placement = placement("/app");
    assert_eq!(placement.below_base("/app/incode/webhook"), Some("/incode/webhook"));
    assert_eq!(placement.below_base("/apps/incode/webhook"), Some("s/incode/webhook"));
    assert_eq!(placement.below_base("/incode/webhook"), None);
}

#[test]
fn each_path_is_mounted_once_below_the_path_of_the_public_url() {
    let below = |paths: &[&'static str], base: &str| {
        let placement = Placement::new(paths.iter().map(|path| (*path, false)), base);
        placement.below_public_url().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(below(&["/hook", "/start"], "/app"), ["/app/hook", "/app/start"]);
    assert_eq!(below(&["/hook", "/app/hook"], "/app"), ["/app/app/hook"], "a path can't be a route twice");
    assert!(below(&["/hook"], "").is_empty());
}

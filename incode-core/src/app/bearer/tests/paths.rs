//! Which requests' tokens are looked at.

use std::any::Any;

use super::*;

struct At(&'static str);

impl RequestHead for At {
    fn method(&self) -> &str {
        "GET"
    }
    fn path(&self) -> &str {
        self.0
    }
    fn query(&self) -> Option<&str> {
        None
    }
    fn header_values<'a>(&'a self, _: &str, _: &mut dyn FnMut(&'a [u8])) {}
    fn subject(&self) -> Option<&Subject> {
        None
    }
    fn extensions(&self) -> &dyn Any {
        &()
    }
}

#[test]
fn a_path_means_itself_and_what_is_below() {
    let tokens = BearerTokens::on_paths(["/kiosk", "/api/doors/"]);
    for path in ["/kiosk", "/kiosk/", "/kiosk/door/7", "/api/doors", "/api/doors/7"] {
        assert!(tokens.takes(&At(path)), "{path}");
    }
    for path in ["/", "/kiosks", "/kios", "/api", "/api/doorsteps", "/KIOSK", "", "kiosk", "/x/kiosk"] {
        assert!(!tokens.takes(&At(path)), "{path}");
    }
    let all = BearerTokens::on_paths(["/"]);
    assert!(all.takes(&At("/")) && all.takes(&At("/anything")));
    let by_rule = BearerTokens::only_where(|head| head.path().ends_with("/door"));
    assert!(by_rule.takes(&At("/a/door")) && !by_rule.takes(&At("/a/gate")));
}

#[test]
fn at_least_one_path_is_named() {
    assert!(BearerTokens::on_paths(["/kiosk"]).is_legal());
    assert!(!BearerTokens::on_paths::<&str>([]).is_legal());
    for path in ["kiosk", "", "/kiosk?a=b", "/kiosk#a", "https://here/kiosk"] {
        assert!(!BearerTokens::on_paths(["/good", path]).is_legal(), "{path}");
    }
}

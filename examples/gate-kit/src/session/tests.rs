use std::time::Duration;

use incode_core::{Clock, SystemClock};

use crate::BasePath;

use super::{LIFETIME, Sessions, is_user_name};

fn value(cookie: &str) -> &str {
    cookie.split_once('=').unwrap().1.split(';').next().unwrap()
}

#[test]
fn a_session_is_read_by_each_process_with_the_secret_until_it_expires() {
    let cookie = Sessions::new(b"secret of both replicas", false).begin("a.l@ice");
    let other = Sessions::new(b"secret of both replicas", true);
    let now = SystemClock.now();
    assert_eq!(other.user_at(value(&cookie), now), Some("a.l@ice"));
    assert_eq!(other.user_at(value(&cookie), now.after(LIFETIME + Duration::from_secs(1))), None);
    let renewed = Sessions::new(b"the next secret", true).older_secret(b"secret of both replicas");
    assert_eq!(renewed.user_at(value(&cookie), now), Some("a.l@ice"));
    assert_eq!(other.user_at(value(&renewed.begin("alice")), now), None, "the newest signs");
}

#[test]
fn a_forged_session_has_no_subject() {
    let sessions = Sessions::new(b"secret", false);
    let cookie = sessions.begin("alice");
    let value = value(&cookie);
    let now = SystemClock.now();
    let (expires, signed) = value.split_once('.').unwrap();
    assert_eq!(Sessions::new(b"another", false).user_at(value, now), None);
    for forged in [
        value.replace("alice", "admin"),
        format!("9{expires}.{signed}"),
        format!("{expires}..alice"),
        format!("{expires}.x{signed}"),
        value.replacen('.', "..", 1),
        String::new(),
        "...".to_owned(),
    ] {
        assert_eq!(sessions.user_at(&forged, now), None, "{forged}");
    }
}

#[test]
fn cookies_are_out_of_reach_of_scripts_and_other_sites() {
    let plain = Sessions::new(b"secret", false).begin("alice");
    assert!(plain.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax"), "{plain}");
    assert!(Sessions::new(b"secret", true).end().ends_with("Max-Age=0; HttpOnly; SameSite=Lax; Secure"));
}

#[test]
fn user_names_are_short_and_plain() {
    for good in ["alice", "a.b_c@d-9", &"x".repeat(64)] {
        assert!(is_user_name(good), "{good}");
    }
    for bad in ["", "a b", "a;b", "é", "a=b", &"x".repeat(65)] {
        assert!(!is_user_name(bad), "{bad}");
    }
}

#[test]
fn a_session_that_was_logged_out_ends_on_the_server() {
    let sessions = Sessions::new(b"secret", false);
    let (first, second) = (sessions.token("alice"), sessions.token("alice"));
    let reader = sessions.clone();
    sessions.revoke(&format!("theme=dark; session={first}; session=garbage"));
    assert_eq!((reader.user(&first), reader.user(&second)), (None, Some("alice")), "this session alone");
    sessions.revoke(&format!("other={second}"));
    sessions.revoke(&format!("session={}", second.replace("alice", "admin")));
    assert_eq!(reader.user(&second), Some("alice"), "nothing that was not signed here ends one");
}

#[test]
fn over_https_the_cookie_is_bound_to_the_host() {
    let sessions = Sessions::new(b"secret", true);
    let cookie = sessions.begin("alice");
    assert!(cookie.starts_with("__Host-session=") && cookie.contains("; Path=/;") && cookie.ends_with("; Secure"));
    assert!(!cookie.contains("Domain"));
    assert!(sessions.end().starts_with("__Host-session=;"));
    sessions.revoke(cookie.split(';').next().unwrap());
    assert_eq!(sessions.user(value(&cookie)), None);
}

#[test]
fn below_a_path_the_cookie_is_for_that_path() {
    for (secure, name) in [(false, "session"), (true, "__Secure-session")] {
        let sessions = Sessions::new(b"secret", secure).below(BasePath::of("https://site.example/app"));
        for cookie in [sessions.begin("alice"), sessions.end()] {
            assert!(cookie.starts_with(&format!("{name}=")) && cookie.contains("; Path=/app; Max-Age="), "{cookie}");
        }
    }
}

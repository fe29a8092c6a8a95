use std::error::Error;

use super::*;

fn parsed(url: &str) -> Result<PathBuf, String> {
    let options = from_url(url).expect("a URL of this store");
    options.map(|options| options.path).map_err(|error| error.source().unwrap().to_string())
}

#[test]
fn a_path_is_taken_as_it_is() {
    for (url, path) in [
        ("sqlite:incode.db", "incode.db"),
        ("sqlite:./data/incode.db", "./data/incode.db"),
        ("sqlite:/var/lib/app/incode.db", "/var/lib/app/incode.db"),
        ("sqlite:///var/lib/app/incode.db", "///var/lib/app/incode.db"),
        ("SQLite:incode.db", "incode.db"),
        (" \tsqlite:my incode.db\r\n", "my incode.db"),
        ("sqlite:100%25#1.db", "100%25#1.db"),
    ] {
        assert_eq!(parsed(url), Ok(PathBuf::from(path)), "{url:?}");
    }
}

#[test]
fn what_is_no_path_says_what_to_write() {
    for (url, cause) in [
        ("sqlite:", "the path is missing"),
        ("sqlite: \n", "the path is missing"),
        ("sqlite://incode.db", "two slashes name a host"),
        ("sqlite://localhost/incode.db", "two slashes name a host"),
        ("sqlite::memory:", "a store in memory"),
        ("sqlite:file:incode.db", "begins with file:"),
        ("file:incode.db", "begins with file:"),
        ("file:///var/lib/incode.db?mode=rwc", "begins with file:"),
        ("sqlite:incode.db?mode=rwc", "parameters are not supported"),
        ("sqlite:inc\node.db", "control character"),
        ("sqlite:incode.db\u{0}", "control character"),
    ] {
        let refusal = parsed(url).expect_err(url);
        assert!(refusal.contains(cause), "{url:?}: {refusal}");
        assert!(refusal.contains("write sqlite:"), "{url:?}: {refusal}");
        assert!(!refusal.contains('\n'), "{url:?}: {refusal}");
    }
}

#[test]
fn other_stores_are_not_ours() {
    for url in ["postgres://user@host/base", "redis://host", "incode.db", "", "sqlite", "sqlite3:incode.db"] {
        assert!(from_url(url).is_none(), "{url:?}");
    }
}

use super::BasePath;

#[test]
fn links_and_cookies_have_the_path_of_the_public_url() {
    for url in ["https://site.example/app", "https://site.example/app/"] {
        let base = BasePath::of(url);
        assert_eq!((base.link("/vault?a=b"), base.link("/")), ("/app/vault?a=b".to_owned(), "/app/".to_owned()));
        assert_eq!(base.cookie_path(), "/app");
    }
    for url in ["https://site.example", "https://site.example/", "no URL"] {
        let base = BasePath::of(url);
        assert!(base.is_root() && base.link("/vault") == "/vault" && base.cookie_path() == "/", "{url}");
        assert_eq!(base.strip("/vault"), None);
    }
}

#[test]
fn only_what_is_below_the_path_is_taken_off() {
    let base = BasePath::of("https://site.example/app");
    for (target, rest) in [
        ("/app/vault?a=b", Some("/vault?a=b")),
        ("/app/", Some("/")),
        ("/app", Some("/")),
        ("/app?a=b", Some("/?a=b")),
        ("/vault", None),
        ("/apps", None),
        ("/apple/pie", None),
        ("/x/app/vault", None),
    ] {
        assert_eq!(base.strip(target).as_deref(), rest, "{target}");
    }
}

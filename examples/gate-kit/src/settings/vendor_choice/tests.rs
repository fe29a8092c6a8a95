use std::ffi::OsString;

use url::Url;

use super::{VendorChoice, is_local, is_loopback, separate_stores};

fn choice(environment: &[(&str, &str)]) -> Result<VendorChoice, String> {
    let owned = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    VendorChoice::of(owned).map_err(|error| error.to_string())
}

#[test]
fn the_sandbox_is_chosen_only_where_no_vendor_setting_is_there_at_all() {
    assert_eq!(choice(&[]), Ok(VendorChoice::Sandbox));
    let own =
        [("INCODE_STORE", "memory:"), ("INCODE_FLOW_SECRET", "x"), ("PUBLIC_URL", ""), ("INCODE_ADMIN_TOKEN", "x")];
    assert_eq!(choice(&own), Ok(VendorChoice::Sandbox), "these are the application's own");
    assert_eq!(choice(&[("INCODE_HOST", "x"), ("INCODE_API_KEY", "x")]), Ok(VendorChoice::Real));
    assert_eq!(choice(&[("INCODE_HOST_FILE", "x")]), Ok(VendorChoice::Real));
    for lonely in [
        "INCODE_API_KEY",
        "INCODE_API_KEY_FILE",
        "INCODE_CLIENT_ID",
        "INCODE_WEB_URL",
        "INCODE_WEBHOOK_AUTH",
        "INCODE_WEBHOOK_SECRETS",
        "INCODE_WEBHOOK_HEADER",
        "INCODE_WEBHOOK_ANYTHING",
        "INCODE_OAUTH_CLIENT_ID",
        "INCODE_OAUTH_CLIENT_SECRET",
    ] {
        let refused = choice(&[(lonely, "value")]).unwrap_err();
        assert!(refused.starts_with("INCODE_HOST: is not set, ") && refused.contains(lonely), "{refused}");
        assert!(!refused.contains("value"));
    }
}

#[test]
fn an_empty_vendor_setting_is_named() {
    for name in ["INCODE_HOST", "INCODE_API_KEY", "INCODE_WEBHOOK_AUTH", "INCODE_OAUTH_CLIENT_ID", "INCODE_HOST_FILE"] {
        for others in [&[][..], &[("INCODE_HOST", "x"), ("INCODE_WEB_URL", "x")]] {
            let environment = [others, &[(name, "")]].concat();
            let refused = choice(&environment).unwrap_err();
            assert_eq!(refused, format!("{name}: is set, but empty: give it a value, or unset it"));
        }
    }
}

#[test]
fn the_sandbox_is_reached_over_loopback_alone() {
    let local = |bind: &str, public: &str| is_local(bind.parse().unwrap(), &Url::parse(public).unwrap());
    for (bind, public) in [
        ("127.0.0.1", "http://127.0.0.1:3000"),
        ("127.9.9.9", "http://localhost"),
        ("::1", "https://[::1]:3000/"),
        ("127.0.0.1", "http://app.localhost:3000/path"),
    ] {
        assert!(local(bind, public).is_ok(), "{bind} {public}");
    }
    for (bind, public, named) in [
        ("0.0.0.0", "http://localhost", "BIND: "),
        ("::", "http://localhost", "BIND: "),
        ("192.0.2.1", "http://localhost", "BIND: "),
        ("127.0.0.1", "https://app.example.com", "PUBLIC_URL: "),
        ("127.0.0.1", "http://localhost.example.com", "PUBLIC_URL: "),
        ("127.0.0.1", "http://0.0.0.0:3000", "PUBLIC_URL: "),
    ] {
        assert!(local(bind, public).unwrap_err().to_string().starts_with(named), "{bind} {public}");
    }
    assert!(!is_loopback(&Url::parse("http://notlocalhost").unwrap()));
}

#[test]
fn people_of_the_sandbox_and_real_people_are_in_files_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let store = |name: &str| format!("sqlite:{}", file(name).display());
    let check = |vendor, store: &str| separate_stores(vendor, Some(store)).map_err(|error| error.to_string());
    for shared in ["postgres://db/app", "postgresql://db/app", "redis://db", "rediss://db", " Postgres://db/app"] {
        assert!(check(VendorChoice::Sandbox, shared).unwrap_err().starts_with("INCODE_STORE: is a shared store"));
        assert!(check(VendorChoice::Real, shared).is_ok());
    }
    assert!(check(VendorChoice::Sandbox, "memory:").is_ok());
    assert!(separate_stores(VendorChoice::Sandbox, None).is_ok(), "a throw-away file");

    let (sandbox, real) = (store("sandbox.db"), store("real.db"));
    assert!(check(VendorChoice::Sandbox, &sandbox).is_ok());
    std::fs::write(file("sandbox.db"), "people").unwrap();
    assert!(check(VendorChoice::Sandbox, &sandbox).is_ok(), "its own, a second time");
    assert!(check(VendorChoice::Real, &sandbox).unwrap_err().contains("a file of the sandbox"));
    std::fs::write(file("real.db"), "people").unwrap();
    assert!(check(VendorChoice::Sandbox, &real).unwrap_err().contains("did not make"));
    assert!(!file("real.db.sandbox").exists());
    assert!(check(VendorChoice::Real, &real).is_ok());
    assert!(check(VendorChoice::Sandbox, &store("none/x.db")).unwrap_err().contains("can't be made"));
}

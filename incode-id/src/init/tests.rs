use std::path::Path;

use super::*;

fn plan(auth: Auth, two_addresses: bool) -> Plan {
    Plan {
        public_url: "https://app.example/base/".to_owned(),
        auth,
        store: "sqlite:incode.db".to_owned(),
        host: "https://api.example".to_owned(),
        web_url: "https://web.example".to_owned(),
        client_id: "app".to_owned(),
        header: None,
        two_addresses,
    }
}

#[test]
fn every_plan_makes_settings_that_work_and_shows_no_secret() {
    for auth in Auth::value_variants() {
        for two_addresses in [false, true] {
            let plan = plan(*auth, two_addresses);
            let variables = secrets::variables(&plan).unwrap_or_default();
            assert!(check(&variables).is_ok(), "{auth:?}");
            let rows = dashboard::rows(&plan, &variables, Path::new("incode.env"));
            let shown = serde_json::Value::Array(rows).to_string();
            assert!(shown.contains("https://app.example/base/incode/webhook"), "{shown}");
            assert!(shown.contains("https://app.example/base/incode/callback"), "{shown}");
            assert_eq!(shown.contains("authentication.completed"), two_addresses);
            let is_secret = |name: &str| name.ends_with("SECRET") || name.ends_with("SECRETS") || name.ends_with("KEY");
            let secrets: Vec<_> = variables.iter().filter(|(name, _)| is_secret(name)).collect();
            assert!(secrets.len() >= 2);
            for (name, secret) in secrets {
                assert!(secret.len() >= 32 && !shown.contains(secret.as_str()), "{name}");
            }
        }
    }
}

#[test]
fn no_secret_is_made_twice() {
    let made = || secrets::variables(&plan(Auth::Oauth, false)).unwrap_or_default();
    let (one, other) = (made(), made());
    for name in ["INCODE_FLOW_SECRET", "INCODE_STORE_KEY", "INCODE_OAUTH_CLIENT_SECRET"] {
        let value = |all: &[(&'static str, String)]| all.iter().find(|(known, _)| *known == name).cloned();
        assert!(value(&one).is_some() && value(&one) != value(&other), "{name}");
    }
}

use super::{admins, presented};

const ANNAS: &str = "annas-token-0123456789-abcdef";
const BENS: &str = "bens-token-0123456789-abcdefg";

#[test]
fn the_token_comes_as_bearer_or_as_a_password() {
    for header in ["Bearer s3:cret", "basic YW5uYTpzMzpjcmV0", "Basic OnMzOmNyZXQ=", "Basic /zpzMzpjcmV0"] {
        assert_eq!(presented(header).unwrap(), b"s3:cret", "{header}");
    }
    for nothing in ["", "Bearer", "Basic !!!", "Basic YWRtaW4=", "Digest s3cret"] {
        assert!(presented(nothing).is_none(), "{nothing}");
    }
}

#[test]
fn each_token_has_its_owner() {
    let names = |setting: &str| -> Vec<String> {
        admins(Some(setting)).unwrap().iter().map(|admin| admin.actor.as_str().to_owned()).collect()
    };
    assert_eq!(names(ANNAS), ["admin"]);
    assert_eq!(names(&format!("anna:{ANNAS}, ben@example.com:{BENS}")), ["anna", "ben@example.com"]);
    assert!(admins(None).unwrap().is_empty());
    for wrong in ["", "short", "anna:short", &format!("anna:{ANNAS},anna:{BENS}"), &format!("{ANNAS},{BENS}"), ":"] {
        assert!(admins(Some(wrong)).is_err(), "{wrong}");
    }
    assert!(admins(Some(&format!("\u{7}:{ANNAS}"))).is_err(), "a name that can't be shown");
}

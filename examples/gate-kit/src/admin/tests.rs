use super::presented;

#[test]
fn the_token_comes_as_bearer_or_as_a_password() {
    for (header, actor) in [
        ("Bearer s3:cret", "admin"),
        ("basic YW5uYTpzMzpjcmV0", "anna"),
        ("Basic OnMzOmNyZXQ=", "admin"),
        ("Basic /zpzMzpjcmV0", "admin"),
    ] {
        let given = presented(header).unwrap();
        assert_eq!((given.actor.as_str(), given.token.as_slice()), (actor, b"s3:cret".as_slice()), "{header}");
    }
    for nothing in ["", "Bearer", "Basic !!!", "Basic YWRtaW4=", "Digest s3cret"] {
        assert!(presented(nothing).is_none(), "{nothing}");
    }
}

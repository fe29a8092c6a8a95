use super::{masked, presented};

#[test]
fn the_token_comes_as_bearer_or_as_a_password() {
    assert_eq!(presented("Bearer s3:cret").as_deref(), Some(b"s3:cret".as_slice()));
    assert_eq!(presented("basic YWRtaW46czM6Y3JldA==").as_deref(), Some(b"s3:cret".as_slice()));
    for nothing in ["", "Bearer", "Basic !!!", "Basic YWRtaW4=", "Digest s3cret"] {
        assert_eq!(presented(nothing), None, "{nothing}");
    }
}

#[test]
fn ids_are_shown_in_part() {
    assert_eq!(masked("196c69e0-5566"), "196c…");
    assert_eq!(masked("short"), "…");
}

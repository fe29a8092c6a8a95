use super::*;

#[test]
fn a_token_is_the_same_whatever_room_its_text_had() {
    let mut roomy = String::with_capacity(1000);
    roomy.push_str("a.token");
    for text in [roomy, "a.token".to_owned()] {
        let token = Token::new(text).unwrap();
        assert_eq!((token.expose(), token.clone().hash()), ("a.token", Token::new("a.token").unwrap().hash()));
    }
    assert!(
        [String::new(), "a b".to_owned(), "x".repeat(Token::MAX_LEN + 1)]
            .into_iter()
            .all(|text| Token::new(text).is_err())
    );
    assert!(Token::new("x".repeat(Token::MAX_LEN)).is_ok());
}

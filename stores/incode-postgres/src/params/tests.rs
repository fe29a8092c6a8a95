use super::*;

#[test]
fn a_parameter_shows_nothing_of_its_value() {
    for param in params!["canary", vec![b"canary".to_vec()], Some("canary"), b"canary".as_slice()] {
        let shown = format!("{param:?} {:?}", &param as &dyn ToSql);
        assert_eq!(shown, "Param(..) Param(..)");
    }
}

#[test]
fn a_character_that_the_server_does_not_take_is_replaced() {
    let mut out = BytesMut::new();
    Param::from("a\0b").to_sql(&Type::TEXT, &mut out).unwrap();
    assert_eq!(out, "a\u{fffd}b".as_bytes());
}

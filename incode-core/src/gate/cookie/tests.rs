use proptest::prelude::*;

use super::{Ambiguous, find, split_at_semicolon};

proptest! {
    #[test]
    fn splits_where_a_look_at_each_byte_would(bytes in prop::collection::vec(prop_oneof![Just(b';'), any::<u8>()], 0..64)) {
        let expected = match bytes.iter().position(|byte| *byte == b';') {
            Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
            None => (&bytes[..], None),
        };
        prop_assert_eq!(split_at_semicolon(&bytes), expected);
    }

    #[test]
    fn finds_what_splitting_at_every_semicolon_finds(header in "[a;= s]{0,40}") {
        let mut expected = Ok(None);
        for pair in header.as_bytes().split(|byte| *byte == b';') {
            if let Some(value) = pair.trim_ascii().strip_prefix(b"s=") {
                expected = match expected {
                    Ok(None) => Ok(Some(value)),
                    Ok(Some(before)) if before == value => expected,
                    _ => Err(Ambiguous),
                };
            }
        }
        prop_assert_eq!(find(header.as_bytes(), b"s"), expected);
    }
}

#[test]
fn a_semicolon_is_found_at_every_place() {
    for length in 0..40 {
        for at in 0..length {
            // Neighbours that differ from a semicolon by one bit or by one carry little.
            for filler in [b':', b'<', 0x3b ^ 0x80, 0, 0xff] {
                let mut bytes = vec![filler; length];
                bytes[at] = b';';
                assert_eq!(split_at_semicolon(&bytes), (&bytes[..at], Some(&bytes[at + 1..])), "{bytes:?}");
            }
        }
    }
}

use super::Transfer;
use crate::Key;

#[test]
fn amounts_are_read_exactly() {
    for (typed, shown) in [
        ("250", "250.00"),
        (" 250.50 ", "250.50"),
        ("0.01", "0.01"),
        ("1234567.89", ""),
        ("1000000", "1,000,000.00"),
        ("1000000.01", ""),
        ("0012", "12.00"),
        ("1250", "1,250.00"),
    ] {
        let read = Transfer::read(typed, "Bob").map(|transfer| transfer.amount()).unwrap_or_default();
        assert_eq!(read, shown, "{typed}");
    }
    for typed in ["", "0", "0.00", "-1", "+1", "1e3", "1.5", "1.505", "1,50", ".50", "1.", "٣", "99999999999999999999"]
    {
        assert!(Transfer::read(typed, "Bob").is_err(), "{typed}");
    }
}

#[test]
fn a_recipient_reads_as_it_is() {
    for name in ["Bob", "Ana María Flores", "O'Neill & Sons", "株式会社"] {
        assert_eq!(Transfer::read("1", name).unwrap().recipient(), name);
    }
    let long = "x".repeat(71);
    for name in ["", "  ", "Bob\u{202e}eve", "Bob\nEve", "Bob\u{200b}", "<b>", &long] {
        assert!(Transfer::read("1", name).is_err(), "{name:?}");
    }
}

#[test]
fn a_face_confirms_one_amount_one_recipient_and_one_transfer() {
    let key = |digit: char| Key::parse(&digit.to_string().repeat(32)).unwrap();
    let action = |amount, recipient, id| Transfer::read(amount, recipient).unwrap().action(&key(id));
    assert_eq!(action("5", "Bob", 'a'), action("5.00", "Bob", 'a'));
    for other in [action("50", "Bob", 'a'), action("5", "Bob 1", 'a'), action("5", "Eve", 'a'), action("5", "Bob", 'b')]
    {
        assert_ne!(action("5", "Bob", 'a'), other);
    }
}

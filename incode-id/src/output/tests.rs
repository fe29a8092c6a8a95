use serde_json::json;

use super::*;

#[test]
fn a_terminal_gets_no_control_characters() {
    assert_eq!(plain(&json!("a\u{1b}[2Jb\nc")), "a\u{fffd}[2Jb\u{fffd}c");
    assert_eq!(plain(&json!(["one\u{7}", 2, null])), "one\u{fffd}, 2, ");
}

use super::*;

#[test]
fn a_code_says_what_a_caller_can_do() {
    for (code, kind) in [
        ("08006", StoreErrorKind::Unavailable),
        ("25006", StoreErrorKind::Unavailable),
        ("57P01", StoreErrorKind::Unavailable),
        ("40P01", StoreErrorKind::Busy),
        ("53300", StoreErrorKind::Busy),
        ("53100", StoreErrorKind::Full),
        ("42P01", StoreErrorKind::Incompatible),
        ("22021", StoreErrorKind::Failed),
        ("42501", StoreErrorKind::Failed),
    ] {
        assert_eq!(kind_of(&SqlState::from_code(code)), kind, "{code}");
    }
}

#[test]
fn a_failure_keeps_its_cause_on_the_way_out() {
    let failure = Failure::failed("unreadable column").at("db:5432");
    let error = StoreError::from(&failure);
    assert_eq!(error.kind(), StoreErrorKind::Failed);
    assert_eq!(error.source().unwrap().to_string(), "db:5432: unreadable column");
    assert_eq!(failure.cause(), "db:5432: unreadable column");
}

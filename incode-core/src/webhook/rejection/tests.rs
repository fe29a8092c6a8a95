use super::*;

#[test]
fn each_kind_has_its_status_and_code() {
    for (kind, status, code) in [
        (RejectionKind::MethodNotAllowed, 405, "method_not_allowed"),
        (RejectionKind::Unauthentic, 401, "delivery_unauthentic"),
        (RejectionKind::TooLarge, 413, "delivery_too_large"),
        (RejectionKind::TooSlow, 408, "delivery_too_slow"),
        (RejectionKind::Malformed, 400, "delivery_malformed"),
        (RejectionKind::WrongKind, 400, "delivery_wrong_kind"),
    ] {
        let problem = Rejection::new(kind).problem();
        assert_eq!((problem.status, problem.code), (status, code));
    }
}

#[test]
fn a_wrong_method_is_answered_with_the_right_one() {
    let reply = Rejection::new(RejectionKind::MethodNotAllowed).problem().reply();
    assert!(reply.headers.iter().any(|(name, value)| *name == "allow" && value == "POST"));
}

#[test]
fn the_detail_is_for_the_log_alone() {
    let plain = Rejection::new(RejectionKind::Unauthentic);
    let detailed = Rejection::unauthentic("the signature is badly encoded");
    assert_eq!(plain.problem().reply(), detailed.problem().reply());
    assert_eq!(plain.to_string(), "delivery rejected: unauthentic");
    assert_eq!(detailed.to_string(), "delivery rejected: unauthentic, the signature is badly encoded");
}

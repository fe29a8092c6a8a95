use super::meaning;
use incode_core::store::Reason;

#[test]
fn every_reason_has_its_own_text() {
    let mut told = std::collections::HashSet::new();
    for reason in Reason::ALL {
        assert!(told.insert(meaning(reason).what), "{}", reason.as_str());
    }
}

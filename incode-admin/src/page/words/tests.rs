use super::meaning;
use incode_core::store::Reason;

#[test]
fn every_reason_is_told_in_words_of_its_own() {
    let mut told = std::collections::HashSet::new();
    for reason in Reason::ALL {
        assert!(told.insert(meaning(reason).what), "{}", reason.as_str());
    }
}

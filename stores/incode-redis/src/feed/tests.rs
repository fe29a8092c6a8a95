use super::{FIRST_WAIT, LONGEST_WAIT, Outage};

#[test]
fn an_outage_is_logged_once_and_the_next_one_again() {
    let mut outage = Outage::default();
    for _ in 0..2 {
        assert!(!outage.must_be_logged(FIRST_WAIT), "a restart");
        assert!(outage.must_be_logged(LONGEST_WAIT));
        assert!(!outage.must_be_logged(LONGEST_WAIT));
        outage.end();
        assert!(outage.has_been_up);
    }
}

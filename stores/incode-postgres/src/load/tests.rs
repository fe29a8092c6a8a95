use incode_core::{IdentityId, Subject, TokenHash};

use super::*;

#[test]
fn locks_are_sorted_and_each_taken_once() {
    for n in 0..200 {
        let mut keys = Keys::default();
        keys.subject = Some(Subject::new(format!("subject-{n}")).unwrap());
        keys.nonce = Some([n; 24]);
        keys.token = Some(TokenHash([n; 32]));
        let identity = IdentityId::new(format!("identity-{n}")).unwrap();
        let locks = locks(&keys, Some(&identity));
        assert!(locks.windows(2).all(|pair| pair[0] < pair[1]), "{locks:?}");
        assert!(locks.iter().all(|lock| (0..LOCKS).contains(lock)), "{locks:?}");
    }
}

/// Every process, of every version, must find the same row for a name.
#[test]
fn a_name_has_one_lock_for_ever() {
    assert_eq!(lock_of(b"identity", b"person"), 1590);
    assert_ne!(lock_of(b"identity", b"person"), lock_of(b"subject", b"person"));
}

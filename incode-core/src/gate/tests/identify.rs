use crate::gate::{IdentifyOutcome, UserKey};
use crate::{SessionHash, Subject};

fn key(key: impl UserKey) -> Option<String> {
    key.into_user().ok().map(|user| user.subject.as_str().to_owned())
}

#[test]
fn keys_are_text_integers_and_subjects() {
    assert_eq!(key("ana").as_deref(), Some("ana"));
    assert_eq!(key("ana".to_owned()).as_deref(), Some("ana"));
    assert_eq!(key(std::sync::Arc::<str>::from("ana")).as_deref(), Some("ana"));
    assert_eq!(key(Subject::new("ana").unwrap()).as_deref(), Some("ana"));
    assert_eq!(key(-42_i64).as_deref(), Some("-42"));
    assert_eq!(key(u128::MAX).as_deref(), Some("340282366920938463463374607431768211455"));
}

#[cfg(feature = "uuid")]
#[test]
fn a_uuid_is_a_key_in_one_form_only() {
    for written in ["DDF8994FD52246598D02C1D479057BE6", "ddf8994f-d522-4659-8d02-c1d479057be6"] {
        let id = uuid::Uuid::parse_str(written).unwrap();
        assert_eq!(key(id).as_deref(), Some("ddf8994f-d522-4659-8d02-c1d479057be6"));
    }
}

#[test]
fn a_key_that_is_no_subject_is_an_error_and_not_none() {
    let longest = "x".repeat(Subject::MAX_LEN);
    assert_eq!(key(longest.as_str()), Some(longest.clone()));
    for wrong in ["", "a\nb", "a\0", &format!("{longest}x")] {
        assert!(Some(wrong).into_found().unwrap().is_err(), "{wrong:?}");
        assert!(Ok::<_, ()>(Some((wrong, SessionHash::NONE))).into_found().unwrap().is_err(), "{wrong:?}");
    }
}

#[test]
fn no_user_and_an_answer_of_the_application_are_two() {
    assert!(None::<i64>.into_found().unwrap().unwrap().is_none());
    assert_eq!(Err::<Option<i64>, _>("down").into_found().unwrap_err(), "down");
}

#[test]
fn a_session_may_come_with_the_key() {
    let session = SessionHash::of(b"one");
    assert_eq!((7, session).into_user().unwrap().session, Some(session));
    assert_eq!(7.into_user().unwrap().session, None);
}

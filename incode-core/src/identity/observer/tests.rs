use serde_json::{Value, json};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const ASKED: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn person(identity: &str) -> UserInfo {
    let info = json!({
        "status": "ACTIVE", "identityId": identity, "dateOfBirth": 587_455_200_000_i64, "phone": "+52 55", "sex": "F",
        "name": {"fullName": "Ana Flores", "firstName": "Ana", "lastName": "Flores"}, "email": "ana@example.test",
        "city": "Puebla", "country ": "Mexico", "curp": "CURP-OF-ANA",
        "idImagesInfo": {"frontIdImageUrl": "https://images.invalid/front", "backIdImageUrl": "https://images.invalid/back"},
    });
    serde_json::from_value(info).unwrap()
}

fn observer_of(key: &str, fields: &[Field]) -> Observer {
    Observer::retaining(std::slice::from_ref(&Secret::from(key)), fields.iter().map(|field| (*field, HOUR)).collect())
}

fn all() -> Observer {
    observer_of(KEY, &Field::ALL)
}

#[test]
fn what_is_kept_is_sealed_and_opens_again() {
    let (ana, observer) = (person("ana"), all());
    let seen = observer.observe(&ana, ASKED);
    assert!(seen.fields.iter().all(|kept| kept.expires_at == ASKED.after(HOUR)));
    let personal = observer.reveal(&ana.identity_id, &seen.fields);
    let expected = [
        (Field::FullName, "Ana Flores"),
        (Field::FirstName, "Ana"),
        (Field::LastName, "Flores"),
        (Field::BirthDate, "587455200000"),
        (Field::Phone, "+52 55"),
        (Field::Sex, "F"),
        (Field::Email, "ana@example.test"),
        (Field::City, "Puebla"),
        (Field::Country, "Mexico"),
        (Field::Curp, "CURP-OF-ANA"),
        (Field::FrontImageUrl, "https://images.invalid/front"),
        (Field::BackImageUrl, "https://images.invalid/back"),
    ];
    assert_eq!(personal.fields().collect::<Vec<_>>(), Field::ALL);
    for (field, text) in expected {
        assert_eq!(personal.get(field), Some(text), "{field:?}");
        assert_eq!(Field::parse(field.as_str()), Some(field));
        let kept = seen.fields.iter().find(|kept| kept.field == field).unwrap();
        let plain = |window: &[u8]| window == text.as_bytes();
        assert!(text.len() < 2 || !kept.sealed.windows(text.len()).any(plain), "{field:?} is not sealed");
        assert!(text.len() < 2 || !format!("{kept:?} {seen:?} {personal:?}").contains(text), "{field:?} is shown");
    }
    assert_eq!(format!("{personal:?}"), "PersonalData(..)");
}

#[test]
fn nothing_is_kept_that_was_not_asked_for_or_not_said() {
    let ana = person("ana");
    assert_eq!(Observer::new().observe(&ana, ASKED).fields, []);
    let seen = observer_of(KEY, &[Field::Email]).observe(&ana, ASKED);
    assert_eq!(seen.fields.iter().map(|kept| kept.field).collect::<Vec<_>>(), [Field::Email]);
    for silent in [json!({}), json!({"email": null}), json!({"email": " "}), json!({"email": {}})] {
        let mut info: Value = json!({"status": "ACTIVE", "identityId": "ana"});
        info.as_object_mut().unwrap().extend(silent.as_object().unwrap().clone());
        assert_eq!(all().observe(&serde_json::from_value(info).unwrap(), ASKED).fields, [], "{silent}");
    }
}

#[test]
fn rows_that_were_moved_edited_or_sealed_with_another_key_do_not_open() {
    let (ana, observer) = (person("ana"), all());
    let fields = observer.observe(&ana, ASKED).fields;
    let opened = |observer: &Observer, id: &str, fields: &[RetainedField]| {
        observer.reveal(&IdentityId::new(id).unwrap(), fields).fields().count()
    };
    assert_eq!(opened(&observer, "ana", &fields), fields.len());
    assert_eq!(opened(&observer, "ben", &fields), 0, "another person's");
    assert_eq!(opened(&observer_of("another key of thirty-two bytes!!", &Field::ALL), "ana", &fields), 0);
    assert_eq!(opened(&Observer::new(), "ana", &fields), 0);
    assert_eq!(opened(&observer_of(KEY, &[Field::City]), "ana", &fields), 1, "no longer to be kept");
    let mut moved = fields.clone();
    for (kept, next) in moved.iter_mut().zip(fields.iter().cycle().skip(1)) {
        kept.field = next.field;
    }
    assert_eq!(opened(&observer, "ana", &moved), 0, "another field's");
    let mut one_is_bad = fields.clone();
    one_is_bad[3].sealed = b"short".to_vec();
    assert_eq!(opened(&observer, "ana", &one_is_bad), fields.len() - 1, "the others open");
}

const KEY: &str = "0123456789abcdef0123456789abcdef";

use incode_core::model::{
    Authentication, AuthenticationStatus, ErrorBody, FaceAuthentication, IdentityStatus, UserInfo, Verification,
    VerificationStatus,
};
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// An answer of the vendor: each model reads it or refuses it, and only the exact words grant anything.
pub fn answers(input: &[u8]) {
    if let Some((info, value)) = read::<UserInfo>(input, &["status", "identityId", "curp", "email", "phone", "city"]) {
        assert_eq!(info.status == IdentityStatus::Active, says(&value["status"], "ACTIVE"));
        assert_eq!(info.status == IdentityStatus::Revoked, says(&value["status"], "REVOKED"));
        assert_eq!(value["identityId"], info.identity_id.as_str());
        assert!(info.identity_id.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
        shows_nothing(&info, &value, &["curp", "email", "phone", "city"], input);
    }
    if let Some((verification, value)) = read::<Verification>(input, &["status", "id"]) {
        assert_eq!(verification.status == VerificationStatus::Verified, says(&value["status"], "VERIFIED"));
        assert_eq!(value["id"], verification.id.as_str());
    }
    if let Some((authentication, value)) = read::<Authentication>(input, &["status", "id"]) {
        assert_eq!(authentication.passed(), says(&value["status"], "pass"));
        assert_eq!(value["id"], authentication.id.as_str());
    }
    if let Some((face, value)) = read::<FaceAuthentication>(input, &["status", "token", "error"]) {
        assert_eq!(face.status == AuthenticationStatus::Pass, says(&value["status"], "pass"));
        assert!(!face.passed() || says(&value["status"], "pass") && is_blank(&value["error"]), "{value}");
        if let Some(token) = &face.token {
            assert_eq!(value["token"], token.expose());
        }
        shows_nothing(&face, &value, &["token"], input);
    }
    let _ = read::<ErrorBody>(input, &[]);
}

/// As the client does: objects only. Beside it these fields, read by another way.
fn read<T: DeserializeOwned>(input: &[u8], fields: &[&str]) -> Option<(T, Value)> {
    if input.trim_ascii().first() != Some(&b'{') {
        return None;
    }
    let read = serde_json::from_slice(input).ok()?;
    let mut reader = serde_json::Deserializer::from_slice(input);
    let fields = reader.deserialize_map(Fields(fields)).expect("what is no JSON was read");
    reader.end().expect("something followed the answer");
    Some((read, Value::Object(fields)))
}

/// Fields of these names. Others are passed over as the models pass over them: serde_json does not look whether the text
/// of those is UTF-8.
struct Fields<'a>(&'a [&'a str]);

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if self.0.contains(&&*name) {
                fields.insert(name, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(fields)
    }
}

fn says(value: &Value, word: &str) -> bool {
    value.as_str().is_some_and(|said| said.eq_ignore_ascii_case(word))
}

/// Nothing, or an object that holds nothing.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(entries) => entries.iter().all(is_blank),
        Value::Object(fields) => fields.values().all(is_blank),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// PersonalData fields and tokens stay out of `Debug`. Those that are long enough to be recognised, and that occur
/// nowhere else: the vendor's words are shown as they came.
fn shows_nothing(read: &impl std::fmt::Debug, value: &Value, fields: &[&str], input: &[u8]) {
    let shown = format!("{read:?}");
    for field in fields {
        if let Some(text) = value[*field].as_str().filter(|text| text.len() >= 16) {
            let occurs = input.windows(text.len()).filter(|window| *window == text.as_bytes()).count();
            assert!(occurs != 1 || !shown.contains(text), "{field} is in {shown}");
        }
    }
}

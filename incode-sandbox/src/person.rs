//! People, and their userinfo.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A person at the time of the question.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Person {
    /// The vendor's `identityId`.
    pub identity_id: String,
    /// Full name; empty when userinfo has none.
    pub name: String,
    /// Email; empty when userinfo has none.
    pub email: String,
    /// Userinfo's `status`, verbatim.
    pub status: String,
    /// The verification that enrolled the face, if one passed.
    pub verification_id: Option<String>,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person")
            .field("identity_id", &self.identity_id)
            .field("status", &self.status)
            .field("verification_id", &self.verification_id)
            .finish_non_exhaustive()
    }
}

/// A person to add. The sandbox makes up what is left out.
///
/// ```
/// use incode_sandbox::{NewPerson, Sandbox};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::builder().start().await?;
/// let ana = sandbox.add_person(NewPerson::named("Ana Flores"));
/// assert_eq!((ana.status.as_str(), ana.verification_id), ("ACTIVE", None));
/// let odd = sandbox.add_person(NewPerson::named("Bo").identity_id("undefined").status("SUSPENDED"));
/// assert_eq!(odd.identity_id, "undefined");
/// let verbatim = serde_json::json!({"identityId": "x", "status": null});
/// assert_eq!(sandbox.add_person(NewPerson::from_userinfo(verbatim)).status, "");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[must_use]
pub struct NewPerson {
    pub(crate) identity_id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) date_of_birth: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) userinfo: Option<Value>,
}

impl NewPerson {
    /// A person of this name, `ACTIVE` from the start.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// A person whose userinfo is this JSON, served verbatim.
    pub fn from_userinfo(userinfo: Value) -> Self {
        Self { userinfo: Some(userinfo), ..Self::default() }
    }

    /// The `identityId`: any text, also one that is no id, such as `undefined`, `null`, `0` or nothing.
    pub fn identity_id(mut self, id: impl Into<String>) -> Self {
        self.identity_id = Some(id.into());
        self
    }

    /// The email. In the hosted flow it distinguishes people.
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// The phone number.
    pub fn phone(mut self, phone: impl Into<String>) -> Self {
        self.phone = Some(phone.into());
        self
    }

    /// `1988-08-13`, or the vendor's string of milliseconds; any other text is served verbatim.
    pub fn date_of_birth(mut self, date: impl Into<String>) -> Self {
        self.date_of_birth = Some(date.into());
        self
    }

    /// Userinfo's `status`, any text.
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = Some(status.into());
        self
    }
}

impl fmt::Debug for NewPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewPerson").field("identity_id", &self.identity_id).finish_non_exhaustive()
    }
}

/// A stored person. A [`Person`] is read from the userinfo, so the two can't differ.
pub(crate) struct PersonRecord {
    pub(crate) identity_id: String,
    pub(crate) userinfo: Value,
    /// Whether userinfo was given as a whole. Then no key is changed.
    pub(crate) verbatim: bool,
    /// The verification that enrolled the face.
    pub(crate) enrolled_by: Option<String>,
    /// The bytes that authenticate. Shared with the index of faces, never changed.
    pub(crate) face: Arc<[u8]>,
}

impl PersonRecord {
    /// A person with a made-up userinfo, or with the one given. Not enrolled.
    pub(crate) fn new(identity_id: String, new: NewPerson) -> Self {
        let verbatim = new.userinfo.is_some();
        let face = crate::faces::portrait(&identity_id).into_bytes().into();
        let userinfo = new.userinfo.clone().unwrap_or_else(|| made_up(&identity_id, &new));
        Self { identity_id, userinfo, verbatim, enrolled_by: None, face }
    }

    /// What the person looks like to a test.
    pub(crate) fn snapshot(&self) -> Person {
        Person {
            identity_id: self.identity_id.clone(),
            name: self.text("/name/fullName").to_owned(),
            email: self.text("/email").to_owned(),
            status: self.text("/status").to_owned(),
            verification_id: self.enrolled_by.clone(),
        }
    }

    /// A text in userinfo by JSON pointer; empty where there is none.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.userinfo.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Sets userinfo's `status`.
    pub(crate) fn set_status(&mut self, status: &str) {
        merge(&mut self.userinfo, &json!({ "status": status }));
    }

    /// Takes over what a passed verification says of the person.
    pub(crate) fn learn(&mut self, new: &NewPerson) {
        if self.verbatim {
            return;
        }
        let mut change = Map::new();
        if let Some(name) = &new.name {
            change.insert("name".to_owned(), name_parts(name));
        }
        if let Some(phone) = &new.phone {
            change.insert("phone".to_owned(), json!(phone));
        }
        if let Some(date) = &new.date_of_birth {
            change.insert("dateOfBirth".to_owned(), json!(birth_millis(date)));
        }
        merge(&mut self.userinfo, &Value::Object(change));
    }

    /// The `data` of a verification (spec: Get Verification Data), copied from userinfo so that the two agree.
    pub(crate) fn verification_data(&self) -> Value {
        let mut data = Map::new();
        data.insert("name".to_owned(), json!({ "fullName": self.text("/name/fullName") }));
        for key in ["email", "phone", "dateOfBirth"] {
            if let Some(value) = self.userinfo.get(key) {
                data.insert(key.to_owned(), value.clone());
            }
        }
        Value::Object(data)
    }
}

/// JSON merge patch (RFC 7396): objects merge, a null removes, any other value replaces.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// `1988-08-13` as the vendor writes it: a string of the milliseconds of that midnight in Mexico City.
pub(crate) fn birth_millis(date: &str) -> String {
    let midnight = date.parse::<jiff::civil::Date>().and_then(|day| day.in_tz("America/Mexico_City"));
    midnight.map_or_else(|_| date.to_owned(), |time| time.timestamp().as_millisecond().to_string())
}

/// Userinfo in the spec's full shape, the trailing blank of `"country "` included.
fn made_up(identity_id: &str, new: &NewPerson) -> Value {
    let name = new.name.as_deref().unwrap_or("Ana Flores");
    let email = new.email.clone().unwrap_or_else(|| format!("{}@example.com", slug(name)));
    json!({
        "status": new.status.as_deref().unwrap_or("ACTIVE"),
        "identityId": identity_id,
        "name": name_parts(name),
        "dateOfBirth": birth_millis(new.date_of_birth.as_deref().unwrap_or("1988-08-13")),
        "phone": new.phone.as_deref().unwrap_or("+521234567890"),
        "sex": "F",
        "email": email,
        "city": "Ciudad de México",
        "country ": "MEX",
        "curp": "FOXA880813MDFLXN09",
        "emailPreference": true,
        "idImagesInfo": {
            "frontIdImageUrl": "https://images.invalid/front.jpg",
            "backIdImageUrl": "https://images.invalid/back.jpg"
        },
        "idAttestation": {
            "idValidation": {
                "photoSecurityAndQuality": [
                    {"key": "tamperCheck", "name": "Tamper check", "value": "96.0", "status": "OK"},
                    {"key": "alignment", "name": "Alignment", "value": "91.0", "status": "OK"}
                ],
                "idSpecific": [{"key": "documentExpired", "name": "Expiry", "value": "100.0", "status": "OK"}],
                "customFields": [],
                "appliedRule": {"value": "default", "status": "OK"},
                "overall": {"value": "96.0", "status": "OK"}
            },
            "overall": {"value": "96.0", "status": "OK"}
        }
    })
}

/// The vendor's three fields of a name. The last word is the last name.
fn name_parts(name: &str) -> Value {
    let (first, last) = name.trim().rsplit_once(' ').unwrap_or((name.trim(), ""));
    json!({ "fullName": name.trim(), "firstName": first, "lastName": last })
}

/// A text as the local part of an email.
fn slug(name: &str) -> String {
    let dotted: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '.' }).collect();
    let slug = dotted.trim_matches('.');
    if slug.is_empty() { "person".to_owned() } else { slug.to_owned() }
}

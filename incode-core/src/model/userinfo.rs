use serde::{Deserialize, Deserializer};

use super::redact::redacted_debug;
use super::{IdAttestation, IdentityStatus, RawDate, birth_date, lenient};
use crate::IdentityId;

/// Answer of `GET /omni/incode-id/userinfo` (spec: "Get User Info").
///
/// `status` and `identityId` are required; any other field may be missing, null or of an unexpected type, and is then
/// `None`. Nearly all of it is personal data.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserInfo {
    /// Whether the vendor stands by this person now.
    pub status: IdentityStatus,
    /// The vendor's key of the person.
    #[serde(deserialize_with = "lenient::identity_id")]
    pub identity_id: IdentityId,
    /// The person's name.
    #[serde(default, deserialize_with = "lenient::object")]
    pub name: Option<Name>,
    /// Birth date, as it came.
    #[serde(default, deserialize_with = "birth_date::optional")]
    pub date_of_birth: Option<RawDate>,
    /// Phone number, as it came (the sample is in international form).
    #[serde(default, deserialize_with = "lenient::text")]
    pub phone: Option<String>,
    /// Sex, as it came.
    #[serde(default, deserialize_with = "lenient::text")]
    pub sex: Option<String>,
    /// E-mail address, as it came.
    #[serde(default, deserialize_with = "lenient::text")]
    pub email: Option<String>,
    /// City, as it came.
    #[serde(default, deserialize_with = "lenient::text")]
    pub city: Option<String>,
    /// Country, as it came. The spec's key is `"country "` with a trailing blank; both spellings are read.
    #[serde(flatten, deserialize_with = "country")]
    pub country: Option<String>,
    /// CURP, the Mexican population register's key of a person.
    #[serde(default, deserialize_with = "lenient::text")]
    pub curp: Option<String>,
    /// Whether the person agreed to receive e-mail.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub email_preference: Option<bool>,
    /// Where the images of the document are.
    #[serde(default, deserialize_with = "lenient::object")]
    pub id_images_info: Option<IdImagesInfo>,
    /// What was found when the document was examined.
    #[serde(default, deserialize_with = "lenient::object")]
    pub id_attestation: Option<IdAttestation>,
}

redacted_debug!(UserInfo {
    show: [status, identity_id, id_attestation],
    hide: [name, date_of_birth, phone, sex, email, city, country, curp, email_preference, id_images_info]
});

/// A person's name, in the parts the vendor gives.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Name {
    /// All of it.
    #[serde(default, deserialize_with = "lenient::text")]
    pub full_name: Option<String>,
    /// Given name or names.
    #[serde(default, deserialize_with = "lenient::text")]
    pub first_name: Option<String>,
    /// Family name or names.
    #[serde(default, deserialize_with = "lenient::text")]
    pub last_name: Option<String>,
}

redacted_debug!(Name { show: [], hide: [full_name, first_name, last_name] });

/// Where the images of the document are. The URL may be enough to read the image: never log it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdImagesInfo {
    /// Front side.
    #[serde(default, deserialize_with = "lenient::text")]
    pub front_id_image_url: Option<String>,
    /// Back side.
    #[serde(default, deserialize_with = "lenient::text")]
    pub back_id_image_url: Option<String>,
}

redacted_debug!(IdImagesInfo { show: [], hide: [front_id_image_url, back_id_image_url] });

/// Both spellings of the key; the sane one wins unless it is blank.
fn country<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    struct Spellings {
        #[serde(default, deserialize_with = "lenient::text")]
        country: Option<String>,
        #[serde(default, rename = "country ", deserialize_with = "lenient::text")]
        trailing_blank: Option<String>,
    }
    let Spellings { country, trailing_blank } = Spellings::deserialize(deserializer)?;
    let blank = country.as_ref().is_none_or(|text| text.trim().is_empty());
    Ok(if blank { trailing_blank.or(country) } else { country })
}

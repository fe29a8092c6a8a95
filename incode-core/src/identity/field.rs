use std::fmt;

use crate::Timestamp;
use crate::model::{Name, RawDate, UserInfo};

named! {
    /// A personal field of userinfo that an application may opt in to keep (spec: "Get User Info"); see
    /// [`Builder::retain`](crate::Builder::retain). All of them are text, as the vendor wrote it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[non_exhaustive]
    pub enum Field {
        /// `name.fullName`.
        FullName = "full_name",
        /// `name.firstName`.
        FirstName = "first_name",
        /// `name.lastName`.
        LastName = "last_name",
        /// `dateOfBirth`: text or milliseconds since 1970; see [`RawDate`].
        BirthDate = "birth_date",
        /// `phone`.
        Phone = "phone",
        /// `sex`.
        Sex = "sex",
        /// `email`.
        Email = "email",
        /// `city`.
        City = "city",
        /// `country`.
        Country = "country",
        /// `curp`.
        Curp = "curp",
        /// `idImagesInfo.frontIdImageUrl`. The URL, not the image.
        FrontImageUrl = "front_image_url",
        /// `idImagesInfo.backIdImageUrl`. The URL, not the image.
        BackImageUrl = "back_image_url",
    }
    /// The name in stores.
    as_str,
    /// Every field.
    pub all,
}

impl Field {
    /// Reads [`Field::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }

    /// What userinfo says of it; blank is nothing.
    pub(super) fn of(self, person: &UserInfo) -> Option<&str> {
        let name = |part: fn(&Name) -> &Option<String>| person.name.as_ref().and_then(|name| part(name).as_deref());
        let images = person.id_images_info.as_ref();
        let text = match self {
            Self::FullName => name(|name| &name.full_name),
            Self::FirstName => name(|name| &name.first_name),
            Self::LastName => name(|name| &name.last_name),
            Self::BirthDate => person.date_of_birth.as_ref().map(RawDate::raw),
            Self::Phone => person.phone.as_deref(),
            Self::Sex => person.sex.as_deref(),
            Self::Email => person.email.as_deref(),
            Self::City => person.city.as_deref(),
            Self::Country => person.country.as_deref(),
            Self::Curp => person.curp.as_deref(),
            Self::FrontImageUrl => images.and_then(|images| images.front_id_image_url.as_deref()),
            Self::BackImageUrl => images.and_then(|images| images.back_id_image_url.as_deref()),
        };
        text.filter(|text| !text.trim().is_empty())
    }
}

/// A personal field as stores keep it: sealed, so that they never see what it says.
#[derive(Clone, PartialEq, Eq)]
pub struct RetainedField {
    /// Which.
    pub field: Field,
    /// Its text, sealed for this field of this identity: bytes to the store.
    pub sealed: Vec<u8>,
    /// From this instant on it is not read any more, and may be pruned.
    pub expires_at: Timestamp,
}

impl fmt::Debug for RetainedField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetainedField")
            .field("field", &self.field)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

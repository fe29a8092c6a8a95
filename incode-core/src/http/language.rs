use super::RequestHead;
use super::accept::thousandths;

/// The languages that the built-in pages are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Language {
    /// Also for every request that prefers another language.
    #[default]
    English,
    /// `es` and its regions.
    Spanish,
    /// `pt` and its regions.
    Portuguese,
}

impl Language {
    /// The one that the request likes best, by the weights of its `Accept-Language` (RFC 9110, section 12.5.4).
    pub fn of(head: &dyn RequestHead) -> Self {
        let mut best = (0, Self::default());
        head.header_values("accept-language", &mut |value| {
            for range in value.split(|byte| *byte == b',') {
                // Of two alike the first counts.
                if let Some((language, weight)) = read(range)
                    && weight > best.0
                {
                    best = (weight, language);
                }
            }
        });
        best.1
    }

    /// The tag of RFC 5646.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
            Self::Portuguese => "pt",
        }
    }
}

/// A range that names one of the languages, with its weight in thousandths.
fn read(range: &[u8]) -> Option<(Language, u16)> {
    let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let primary = parts.next()?.split(|byte| *byte == b'-').next()?;
    let language = [Language::English, Language::Spanish, Language::Portuguese]
        .into_iter()
        .find(|language| primary.eq_ignore_ascii_case(language.tag().as_bytes()))?;
    let weight = parts.find_map(|part| part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q=")));
    Some((language, weight.map_or(Some(1000), thousandths)?))
}

use crate::Token;
use crate::http::{Field, RequestHead, credentials};

/// What a request's `Authorization` says (RFC 6750, section 2.1).
#[derive(Clone, Debug)]
pub(super) enum Presented {
    /// Nothing, or something of another scheme, which is none of ours.
    Nothing,
    /// A bearer token, but none that could be sent on; or several values, of which each reader might take another.
    Illegible,
    /// A token, of which nothing is known yet.
    Token(Token),
}

impl Presented {
    pub(super) fn of(head: &dyn RequestHead) -> Self {
        match head.header("authorization") {
            Field::Missing => Self::Nothing,
            Field::One(value) => match credentials(value, SCHEME) {
                None => Self::Nothing,
                Some(token) => {
                    let token = std::str::from_utf8(token).ok().and_then(|text| Token::new(text).ok());
                    token.map_or(Self::Illegible, Self::Token)
                }
            },
            Field::Many => {
                let mut is_bearer = false;
                head.header_values("authorization", &mut |value| is_bearer |= credentials(value, SCHEME).is_some());
                if is_bearer { Self::Illegible } else { Self::Nothing }
            }
        }
    }
}

const SCHEME: &str = "bearer";

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::SessionHash;
use crate::http::RequestHead;

use super::subject::cookie_value;

/// How the session of a request is found: a face that was confirmed in one session counts in no other. Reads the request
/// head only, and only where a face is asked for.
///
/// Name what the client can't choose: the session id that your own authentication checks. It is hashed at once, and
/// neither kept nor logged.
///
/// ```
/// use incode_core::gate::SessionSource;
/// // Behind your own authentication, which inserts a `SessionHash` into the request extensions:
/// let source = SessionSource::extension();
/// // Or from the cookie that holds the session's id:
/// let source = SessionSource::cookie("session");
/// ```
#[derive(Clone)]
pub struct SessionSource(Source);

#[derive(Clone)]
enum Source {
    Extension,
    Cookie(Arc<str>),
    Function(Arc<Function>),
}

type Function = dyn for<'a> Fn(&'a dyn RequestHead) -> Option<Cow<'a, str>> + Send + Sync;

impl SessionSource {
    /// The [`SessionHash`] in the request extensions.
    pub fn extension() -> Self {
        Self(Source::Extension)
    }

    /// The value of the cookie that holds the session's id. Where that value changes during a session, as that of a
    /// cookie that is signed anew with each answer, use [`from_fn`](Self::from_fn) and name the part that stays.
    pub fn cookie(name: &str) -> Self {
        Self(Source::Cookie(name.into()))
    }

    /// The application's own rule over the whole head.
    pub fn from_fn<F>(find: F) -> Self
    where
        F: for<'a> Fn(&'a dyn RequestHead) -> Option<Cow<'a, str>> + Send + Sync + 'static,
    {
        Self(Source::Function(Arc::new(find)))
    }

    /// `None` where the request has no session, or an ambiguous one: then no face counts as confirmed in it.
    pub(crate) fn find(&self, head: &dyn RequestHead) -> Option<SessionHash> {
        let of = |id: &str| Some(id).filter(|id| !id.is_empty()).map(|id| SessionHash::of(id.as_bytes()));
        match &self.0 {
            Source::Extension => head.session().copied(),
            Source::Cookie(name) => of(cookie_value(head, name)?),
            Source::Function(find) => of(&find(head)?),
        }
    }
}

impl fmt::Debug for SessionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Extension => "SessionSource::extension",
            Source::Cookie(_) => "SessionSource::cookie",
            Source::Function(_) => "SessionSource::from_fn",
        })
    }
}

use std::borrow::Cow;
use std::sync::Arc;

use http::Request;
use http::uri::{PathAndQuery, Uri};
use tower::util::MapRequest;
use url::Url;

/// The path of `PUBLIC_URL`, without a slash at its end: `/app`, or nothing.
///
/// A proxy in front may take it off, or send it along. The routes of an example are without it, and every link, redirect and
/// cookie is with it.
#[derive(Clone, Debug, Default)]
pub struct BasePath(Arc<str>);

impl BasePath {
    /// Of a public URL.
    pub fn of(public_url: &str) -> Self {
        let path = Url::parse(public_url).map(|url| url.path().trim_end_matches('/').to_owned());
        Self(path.unwrap_or_default().into())
    }

    /// A path of this site, as a browser asks for it.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Where a cookie is for.
    pub fn cookie_path(&self) -> &str {
        if self.is_root() { "/" } else { &self.0 }
    }

    /// The public URL has no path.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Path and query of a request without this path, where a proxy has sent it along.
    pub fn strip<'t>(&self, target: &'t str) -> Option<Cow<'t, str>> {
        let rest = target.strip_prefix(&*self.0).filter(|_| !self.is_root())?;
        match rest.as_bytes().first() {
            Some(b'/') => Some(rest.into()),
            None | Some(b'?') => Some(format!("/{rest}").into()),
            // `/apps` is not below `/app`.
            Some(_) => None,
        }
    }

    /// Serves `app` below this path too.
    pub fn around<S, B>(self, app: S) -> MapRequest<S, impl FnMut(Request<B>) -> Request<B> + Clone> {
        MapRequest::new(app, move |mut request: Request<B>| {
            if let Some(uri) = self.stripped(request.uri()) {
                *request.uri_mut() = uri;
            }
            request
        })
    }

    fn stripped(&self, uri: &Uri) -> Option<Uri> {
        let target = self.strip(uri.path_and_query()?.as_str())?;
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(&*target).ok()?);
        Uri::from_parts(parts).ok()
    }
}

#[cfg(test)]
mod tests;

use std::fmt;

use url::Url;

/// What the routes read of a request: a handful of headers, and the line above them.
pub struct RequestContext {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    /// The request accepts HTML, as a person's browser does.
    pub(crate) html: bool,
    pub(crate) content_type: Option<String>,
    pub(crate) content_length: Option<u64>,
    pub(crate) authorization: Option<String>,
    pub(crate) cookie: Option<String>,
    origin: Option<String>,
    host: Option<String>,
    fetch_site: Option<String>,
}

impl RequestContext {
    /// `header` gives the first value of a header by its lower-case name.
    pub fn new<'a>(
        method: &str,
        path: &str,
        query: Option<&str>,
        header: impl Fn(&'static str) -> Option<&'a [u8]>,
    ) -> Self {
        let text = |name| header(name).and_then(|value| std::str::from_utf8(value).ok()).map(str::to_owned);
        let accept = text("accept").unwrap_or_default().to_ascii_lowercase();
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            html: accept.split(',').any(|part| part.trim().starts_with("text/html")),
            content_type: text("content-type"),
            content_length: text("content-length").and_then(|value| value.parse().ok()),
            authorization: text("authorization"),
            cookie: text("cookie"),
            origin: text("origin"),
            host: text("host"),
            fetch_site: text("sec-fetch-site"),
        }
    }

    /// With each of its `Cookie` headers: HTTP/2 and some clients send several, and a logout must end each session that it
    /// is shown.
    #[must_use]
    pub fn with_cookies<'a>(mut self, headers: impl Iterator<Item = &'a [u8]>) -> Self {
        let all: Vec<_> = headers.filter_map(|value| std::str::from_utf8(value).ok()).collect();
        self.cookie = Some(all.join("; "));
        self
    }

    /// The media type of the body, in lower case and without parameters; empty when none is named.
    pub(crate) fn media_type(&self) -> String {
        let named = self.content_type.as_deref().unwrap_or_default();
        named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The first value of `name` in the query, decoded.
    pub fn query_value(&self, name: &str) -> Option<String> {
        let pairs = url::form_urlencoded::parse(self.query.as_deref()?.as_bytes());
        pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The same page under the public URL, when the browser came by another name of this machine: `localhost` for
    /// `127.0.0.1`, or the other way round. Cookies are kept by name, so a login under the one is unknown under the other,
    /// and the way back from the vendor leads to the public URL.
    pub fn public_address(&self, public_origin: &str) -> Option<String> {
        let public = Url::parse(public_origin).ok()?;
        let came = Url::parse(&format!("{}://{}", public.scheme(), self.host.as_deref()?)).ok()?;
        let is_loopback = |url: &Url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let same_port = came.port_or_known_default() == public.port_or_known_default();
        let other_name = came.host_str() != public.host_str();
        // By the port: a proxy in front of us has another one, and may well call us by another name.
        if !(is_loopback(&came) && is_loopback(&public) && same_port && other_name) {
            return None;
        }
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        Some(format!("{public_origin}{}{query}", self.path))
    }

    /// False when a page of another site made the browser ask. Programs send neither header, and carry no cookie that
    /// another site's page could make them send.
    pub fn is_from_here(&self, public_origin: &str) -> bool {
        match (&self.fetch_site, &self.origin) {
            (Some(site), _) => matches!(site.as_str(), "same-origin" | "none"),
            (None, Some(origin)) => {
                let named = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
                origin == public_origin || (named.is_some() && named == self.host.as_deref())
            }
            (None, None) => true,
        }
    }
}

/// Method and path only: the rest holds credentials.
impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

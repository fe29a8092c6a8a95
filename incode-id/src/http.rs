//! HTTP beside the client of the vendor's API: calls to the application and to a sandbox, and what `listen` and `probe`
//! receive.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::request::Parts;
use incode_core::Subject;
use incode_core::adapter::RequestHead;
use incode_core::webhook::{Event, Rejection, Trust, Webhook};
use incode_core::{Clock, SystemClock};
use tokio::net::TcpListener;

use crate::failure::Failure;

/// A client that follows no redirect and uses no proxy: it must see what is really answered.
pub(crate) fn client() -> Result<reqwest::Client, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("no HTTP client: {error}"));
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    // What this machine trusts besides, or SSL_CERT_FILE names: an application in a company's network has an authority of
    // its own. What can't be read is not trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(LONGEST_CALL)
        .build()
        .map_err(|error| failed(&error))
}

/// Why a call had no answer, without the URL.
pub(crate) fn cause(error: reqwest::Error) -> String {
    causes(&error.without_url())
}

/// An error with its sources, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Listens, and says where: port 0 is any free one.
pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound.await.map_err(|error: std::io::Error| Failure::system(error).at(&address.to_string()))
}

/// Judges a delivery as the application does.
pub(crate) fn judge(webhook: &Webhook, head: &Head<'_>, body: &Bytes) -> Result<(Event, Trust), Rejection> {
    webhook.begin(head, SystemClock.now())?.finish_with(body)
}

/// The head of a request that axum read.
pub(crate) struct Head<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) peer: IpAddr,
}

impl RequestHead for Head<'_> {
    fn method(&self) -> &str {
        self.parts.method.as_str()
    }

    fn path(&self) -> &str {
        self.parts.uri.path()
    }

    fn query(&self) -> Option<&str> {
        self.parts.uri.query()
    }

    fn header_values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.parts.headers.get_all(name).iter().for_each(|value| visit(value.as_bytes()));
    }

    fn subject(&self) -> Option<&Subject> {
        None
    }

    fn extensions(&self) -> &dyn Any {
        &self.parts.extensions
    }

    fn peer(&self) -> Option<IpAddr> {
        Some(self.peer)
    }
}

/// Longer than an application takes for a delivery, which waits five seconds for its store.
const LONGEST_CALL: Duration = Duration::from_secs(15);
/// The longest delivery that is read, in bytes.
pub(crate) const LONGEST_BODY: usize = Webhook::BODY_CAP;

mod addresses;
mod check;
mod error;
mod header;
mod hmac;
mod standard;
#[cfg(test)]
mod tests;

pub use addresses::AddressSource;
pub use check::{Check, Trust};
pub use error::{PolicyError, PolicyErrorKind};
pub use hmac::{Encoding, HmacScheme, Signed};

use crate::http::RequestHead;
use crate::webhook::{ClientCredentials, Rejection};
use crate::{Secret, Timestamp};
use addresses::Networks;
use check::Verdict;
use header::HeaderSecret;

/// How a delivery proves where it comes from: a policy, composed of parts.
///
/// The spec names no authentication of webhooks, so there is no default: an application says what its account at the
/// vendor is set up with.
///
/// | part | what it proves |
/// |---|---|
/// | [`fetch_back`](Self::fetch_back) | nothing |
/// | [`addresses`](Self::addresses) | the network it came from |
/// | [`header`](Self::header), [`oauth`](Self::oauth) | the sender knows a secret |
/// | [`hmac`](Self::hmac) | the sender knows a secret, and the body was not changed |
///
/// Every part takes several secrets at once, in any order, so that one can replace another without a refused delivery.
///
/// ```
/// use incode_core::webhook::{Authenticity, HmacScheme};
/// use incode_core::Secret;
///
/// let old = Secret::from("the secret of last year, 24+");
/// let new = Secret::from("the secret of this year, 24+");
/// let policy = Authenticity::any_of([
///     Authenticity::header("X-Incode-Secret", [new.clone(), old])?,
///     Authenticity::hmac(HmacScheme::new("X-Incode-Signature", [new])?),
/// ])?;
/// assert!(Authenticity::header("x-incode-secret", [Secret::from("hunter2")]).is_err());
/// # let _ = policy;
/// # Ok::<(), incode_core::webhook::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Authenticity(Part);

/// The parts. A further one is a variant here, that looks at the head in [`Part::begin`], and a [`Verdict`], that
/// looks at the body if it must.
#[derive(Clone, Debug)]
enum Part {
    FetchBack,
    Header(HeaderSecret),
    Hmac(Box<HmacScheme>),
    /// A bearer token that we issued.
    Bearer(Box<ClientCredentials>),
    Addresses(Box<Networks>),
    AnyOf(Vec<Part>),
    AllOf(Vec<Part>),
}

impl Authenticity {
    /// Shortest secret taken, in bytes.
    pub const MIN_SECRET_LEN: usize = 24;

    /// The delivery proves nothing, and every client can send one. The only proof is what the vendor's API answers for the
    /// token in it. This is what the spec's own, unsigned events allow.
    pub fn fetch_back() -> Self {
        Self(Part::FetchBack)
    }

    /// A header that carries one of the secrets as it is. The name is compared without case.
    ///
    /// # Errors
    /// An illegal name; no secret, or one that is too short or can't be sent in a header.
    pub fn header(name: &str, secrets: impl IntoIterator<Item = Secret>) -> Result<Self, PolicyError> {
        HeaderSecret::new(name, secrets).map(|header| Self(Part::Header(header)))
    }

    /// A header that carries an HMAC-SHA256 made with one of the secrets.
    pub fn hmac(scheme: HmacScheme) -> Self {
        Self(Part::Hmac(Box::new(scheme)))
    }

    /// A bearer token that we issued to this client: OAuth 2.0 client credentials (RFC 6749, section 4.4). The client
    /// asks for it at a [`TokenEndpoint`](super::TokenEndpoint), which [`Incode`](crate::Incode) mounts by itself.
    pub fn oauth(client: ClientCredentials) -> Self {
        Self(Part::Bearer(Box::new(client)))
    }

    /// Deliveries from these networks, in CIDR notation or single addresses, IPv4 and IPv6. An IPv4 address written in
    /// IPv6 (`::ffff:192.0.2.1`) is that IPv4 address.
    ///
    /// An address is a place and not a sender ([`Trust::Address`]), so this belongs beside another part:
    /// [`Authenticity::all_of`]. [`Authenticity::with_address_source`] says where the address is found; when it
    /// is not found, nothing passes.
    ///
    /// ```
    /// use incode_core::webhook::{AddressSource, Authenticity};
    /// let policy = Authenticity::all_of([
    ///     Authenticity::fetch_back(),
    ///     Authenticity::addresses(["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"])?,
    /// ])?
    /// .with_address_source(AddressSource::peer().behind_proxies(1));
    /// # let _ = policy;
    /// # Ok::<(), incode_core::webhook::PolicyError>(())
    /// ```
    ///
    /// # Errors
    /// No network; one that is no CIDR, has bits set behind its prefix, or has a prefix of length zero.
    pub fn addresses<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, PolicyError> {
        Networks::new(networks).map(|networks| Self(Part::Addresses(Box::new(networks))))
    }

    /// Changes how every part of the policy finds the address of a sender. [`AddressSource::peer`] unless set.
    #[must_use]
    pub fn with_address_source(mut self, source: AddressSource) -> Self {
        self.0.find_addresses_by(&source);
        self
    }

    /// One of the policies is enough. A part that fails, even by a header given twice, leaves it to the others.
    ///
    /// With [`Authenticity::fetch_back`] among them **every client may deliver**, whatever the others require. That is
    /// useful only to code that looks at [`Trust`], which says what was proven: an unproven event never links a subject.
    /// `INCODE_WEBHOOK_AUTH` refuses this composition, because there it would be meant as a restriction.
    ///
    /// # Errors
    /// No policy given.
    pub fn any_of(policies: impl IntoIterator<Item = Self>) -> Result<Self, PolicyError> {
        parts(policies).map(|parts| Self(Part::AnyOf(parts)))
    }

    /// Every one of the policies must be satisfied.
    ///
    /// # Errors
    /// No policy given.
    pub fn all_of(policies: impl IntoIterator<Item = Self>) -> Result<Self, PolicyError> {
        parts(policies).map(|parts| Self(Part::AllOf(parts)))
    }

    /// Looks at the head of a delivery alone, before a byte of its body is read. What passes may still fail when the
    /// body is complete: see [`Check`].
    ///
    /// # Errors
    /// [`RejectionKind::Unauthentic`](super::RejectionKind::Unauthentic) when whatever the body is, it can't satisfy
    /// the policy: a header of it is missing, given twice, wrong, not ASCII, badly encoded, or out of its time, or the
    /// sender is in another place.
    pub fn begin(&self, head: &dyn RequestHead, now: Timestamp) -> Result<Check, Rejection> {
        self.0.begin(head, now).map(Check)
    }

    /// The OAuth clients of the policy, wherever in it they are.
    pub(crate) fn clients(&self) -> Vec<&ClientCredentials> {
        let mut clients = Vec::new();
        self.0.collect_clients(&mut clients);
        clients
    }

    pub(crate) fn has_clients(&self) -> bool {
        !self.clients().is_empty()
    }
}

impl Part {
    fn begin(&self, head: &dyn RequestHead, now: Timestamp) -> Result<Verdict, Rejection> {
        match self {
            Self::FetchBack => Ok(Verdict::Settled(Trust::FetchBack)),
            Self::Header(header) => header.check(head).map(|()| Verdict::Settled(Trust::Authenticated)),
            Self::Hmac(scheme) => scheme.begin(head, now).map(Verdict::Hmac),
            Self::Bearer(client) => client.check(head, now).map(|()| Verdict::Settled(Trust::Authenticated)),
            Self::Addresses(networks) => networks.check(head).map(|()| Verdict::Settled(Trust::Address)),
            Self::AnyOf(parts) => {
                let open: Vec<_> = parts.iter().filter_map(|part| part.begin(head, now).ok()).collect();
                if open.is_empty() {
                    return Err(Rejection::unauthentic("no part of the policy is satisfied"));
                }
                Ok(Verdict::AnyOf(open))
            }
            Self::AllOf(parts) => {
                let open: Result<_, _> = parts.iter().map(|part| part.begin(head, now)).collect();
                open.map(Verdict::AllOf)
            }
        }
    }

    fn find_addresses_by(&mut self, source: &AddressSource) {
        match self {
            Self::Addresses(networks) => networks.source = source.clone(),
            Self::AnyOf(parts) | Self::AllOf(parts) => {
                parts.iter_mut().for_each(|part| part.find_addresses_by(source));
            }
            Self::FetchBack | Self::Header(_) | Self::Hmac(_) | Self::Bearer(_) => {}
        }
    }

    fn collect_clients<'a>(&'a self, into: &mut Vec<&'a ClientCredentials>) {
        match self {
            Self::Bearer(client) => into.push(client),
            Self::AnyOf(parts) | Self::AllOf(parts) => parts.iter().for_each(|part| part.collect_clients(into)),
            Self::FetchBack | Self::Header(_) | Self::Hmac(_) | Self::Addresses(_) => {}
        }
    }
}

fn parts(policies: impl IntoIterator<Item = Authenticity>) -> Result<Vec<Part>, PolicyError> {
    let parts: Vec<_> = policies.into_iter().map(|policy| policy.0).collect();
    if parts.is_empty() { Err(PolicyError(PolicyErrorKind::EmptyPolicy)) } else { Ok(parts) }
}

/// Secrets that are present and long enough.
pub(in crate::webhook) fn strong(secrets: impl IntoIterator<Item = Secret>) -> Result<Vec<Secret>, PolicyError> {
    let secrets: Vec<_> = secrets.into_iter().collect();
    if secrets.is_empty() {
        return Err(PolicyError(PolicyErrorKind::NoSecret));
    }
    if secrets.iter().any(|secret| secret.expose().len() < Authenticity::MIN_SECRET_LEN) {
        return Err(PolicyError(PolicyErrorKind::WeakSecret));
    }
    Ok(secrets)
}

/// A header name in lower case, as [`RequestHead`] wants it.
fn header_name(name: &str) -> Result<Box<str>, PolicyError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 256 || !name.bytes().all(legal) {
        return Err(PolicyError(PolicyErrorKind::IllegalHeaderName));
    }
    Ok(name.to_ascii_lowercase().into())
}

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ipnet::{IpNet, Ipv4Net};

use crate::http::RequestHead;
use crate::webhook::Rejection;

use super::{PolicyError, PolicyErrorKind};

#[cfg(test)]
mod tests;

/// How the address of a sender is found.
///
/// | server | what to use |
/// |---|---|
/// | actix-web, no proxy | [`AddressSource::peer`] |
/// | axum or hyper, no proxy | [`AddressSource::from_fn`]: the adapter does not see the peer's address |
/// | any, behind your own proxies | [`AddressSource::behind_proxies`] |
///
/// A source that finds no address logs one WARN for the life of the process. Networks then refuse the delivery; the token
/// endpoint takes a right secret all the same.
///
/// For axum, serve `into_make_service_with_connect_info::<SocketAddr>()` and read the address back from the request
/// extensions. `extension` is the function of `incode_tower`:
///
/// ```
/// # use std::net::SocketAddr;
/// # #[derive(Clone)] struct ConnectInfo<T>(T);
/// # fn extension<T: 'static>(head: &dyn incode_core::http::RequestHead) -> Option<&T> { head.extensions().downcast_ref() }
/// use incode_core::webhook::AddressSource;
/// let source = AddressSource::from_fn(|head| extension::<ConnectInfo<SocketAddr>>(head).map(|peer| peer.0.ip()));
/// ```
#[derive(Clone)]
pub struct AddressSource {
    peer: Peer,
    /// How many entries of `X-Forwarded-For` are counted, from the right. Zero: the header is not read.
    proxies: usize,
    /// Set by the first request whose address is not found, so that the log has one line and not one for each request.
    /// Shared by all clones of a source.
    warned: Arc<AtomicBool>,
}

#[derive(Clone)]
enum Peer {
    Adapter,
    Function(Arc<Function>),
}

type Function = dyn Fn(&dyn RequestHead) -> Option<IpAddr> + Send + Sync;

impl AddressSource {
    /// The peer of the connection, as the adapter knows it ([`RequestHead::peer`]). The adapter for tower does not know it.
    pub fn peer() -> Self {
        Self::of(Peer::Adapter)
    }

    /// The peer of the connection, as the application's server knows it.
    pub fn from_fn(find: impl Fn(&dyn RequestHead) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        Self::of(Peer::Function(Arc::new(find)))
    }

    fn of(peer: Peer) -> Self {
        Self { peer, proxies: 0, warned: Arc::default() }
    }

    /// Counts `count` entries of `X-Forwarded-For` from the right: each of your own proxies appends the address that it
    /// was called from. Entries further left can be made up by any client, so they are not read.
    ///
    /// This is right only if every request comes through those proxies. No address is found when the header has fewer
    /// entries, or when one that is counted is not an address. An entry may have a port: `192.0.2.1:443`,
    /// `[2001:db8::1]:443`.
    #[must_use]
    pub fn behind_proxies(mut self, count: usize) -> Self {
        self.proxies = count;
        self
    }

    /// The sender's address; an IPv4 address that is written in IPv6 (`::ffff:192.0.2.1`) is returned as IPv4.
    pub(crate) fn find(&self, head: &dyn RequestHead) -> Option<IpAddr> {
        let address = match (self.proxies, &self.peer) {
            (0, Peer::Adapter) => head.peer(),
            (0, Peer::Function(find)) => find(head),
            (proxies, _) => forwarded_for(head, proxies),
        };
        if address.is_none() && !self.warned.swap(true, Ordering::Relaxed) {
            self.warn();
        }
        address.map(|address| address.to_canonical())
    }

    /// Says what to change. The header is not quoted: it is the client's text.
    fn warn(&self) {
        let remedy = match (self.proxies, &self.peer) {
            (0, Peer::Adapter) => {
                "the server does not pass the peer's address: use AddressSource::from_fn (axum: with ConnectInfo) or \
                 behind_proxies"
            }
            (0, Peer::Function(_)) => "the function given to AddressSource::from_fn returns none",
            _ => "X-Forwarded-For has too few entries or holds no address: compare behind_proxies with your proxies",
        };
        tracing::warn!(proxies = self.proxies, "no address found for a caller; {remedy}");
    }
}

impl Default for AddressSource {
    fn default() -> Self {
        Self::peer()
    }
}

impl fmt::Debug for AddressSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressSource").field("proxies", &self.proxies).finish_non_exhaustive()
    }
}

/// The networks that deliveries may come from.
#[derive(Clone, Debug)]
pub(super) struct Networks {
    networks: Vec<IpNet>,
    pub(super) source: AddressSource,
}

impl Networks {
    pub(super) fn new<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, PolicyError> {
        let networks = networks.into_iter().map(network).collect::<Result<Vec<_>, _>>()?;
        if networks.is_empty() {
            return Err(PolicyError(PolicyErrorKind::EmptyPolicy));
        }
        Ok(Self { networks, source: AddressSource::default() })
    }

    pub(super) fn check(&self, head: &dyn RequestHead) -> Result<(), Rejection> {
        let Some(address) = self.source.find(head) else {
            return Err(Rejection::unauthentic("the address of the sender is not known"));
        };
        if self.networks.iter().any(|network| network.contains(&address)) {
            Ok(())
        } else {
            Err(Rejection::unauthentic("the address of the sender is in no network named"))
        }
    }
}

fn network(text: &str) -> Result<IpNet, PolicyError> {
    let illegal = PolicyError(PolicyErrorKind::IllegalNetwork);
    let parsed = match text.split_once('/') {
        None => IpNet::from(text.parse::<IpAddr>().map_err(|_| illegal)?),
        Some((address, length)) => {
            // The standard library is stricter with addresses: ipnet reads 010.0.0.0 as ten, others as eight.
            let address = address.parse::<IpAddr>().map_err(|_| illegal)?;
            // A length of zero is every address, and 08 a slip.
            let digits = length.bytes().all(|byte| byte.is_ascii_digit()) && !length.starts_with('0');
            let length = length.parse().ok().filter(|_| digits).ok_or(illegal)?;
            IpNet::new(address, length).map_err(|_| illegal)?
        }
    };
    // Bits behind the prefix are a slip in one of the two.
    if parsed.trunc() != parsed {
        return Err(illegal);
    }
    // Senders are compared in their own form, so networks are too.
    let IpNet::V6(v6) = parsed else { return Ok(parsed) };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(MAPPED_PREFIX)) {
        (Some(_), Some(0)) => Err(illegal),
        (Some(v4), Some(length)) => Ipv4Net::new(v4, length).map(IpNet::V4).map_err(|_| illegal),
        _ => Ok(parsed),
    }
}

/// The address that the outermost of `proxies` proxies was called from. The header given several times is one list, in
/// the order it came (RFC 9110, section 5.3).
fn forwarded_for(head: &dyn RequestHead, proxies: usize) -> Option<IpAddr> {
    let mut values = Vec::new();
    head.header_values("x-forwarded-for", &mut |value| values.push(value));
    let mut entries = values.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    let mut address = None;
    // Each entry that is counted must be an address, those of the proxies too: otherwise the count itself is in doubt.
    for _ in 0..proxies {
        address = Some(forwarded_address(entries.next()?)?);
    }
    address
}

/// An address with or without a port. Azure's gateway, among others, appends the port.
fn forwarded_address(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry.trim_ascii()).ok()?;
    let with_port = || entry.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    entry.parse().ok().or_else(with_port)
}

/// The prefix length of `::ffff:0:0/96`, where IPv6 keeps IPv4 addresses.
const MAPPED_PREFIX: u8 = 96;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};

use crate::http::RequestHead;
use crate::webhook::Rejection;

use super::{PolicyError, PolicyErrorKind};

#[cfg(test)]
mod tests;

/// How the address of a sender is found.
///
/// actix-web tells the adapter the peer's address; hyper and axum leave that to the server, which can put it into the
/// request extensions. For axum, serve `into_make_service_with_connect_info::<SocketAddr>()` and read it back, `extension`
/// being the function of `incode_tower`:
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
    proxies: usize,
}

#[derive(Clone)]
enum Peer {
    Adapter,
    Function(Arc<Function>),
}

type Function = dyn Fn(&dyn RequestHead) -> Option<IpAddr> + Send + Sync;

impl AddressSource {
    /// Who is at the other end of the connection, as the adapter knows it ([`RequestHead::peer`]).
    pub fn peer() -> Self {
        Self { peer: Peer::Adapter, proxies: 0 }
    }

    /// Who is at the other end of the connection, as the application's server knows it.
    pub fn from_fn(find: impl Fn(&dyn RequestHead) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        Self { peer: Peer::Function(Arc::new(find)), proxies: 0 }
    }

    /// So many proxies of yours stand in front of the application, each of which adds whom it was talking to at the
    /// right end of `X-Forwarded-For`. The sender is then found by counting from the right; what stands further left
    /// anybody may have written, and it is not looked at.
    ///
    /// Right only if nobody reaches the application past those proxies. A header that is shorter than the count, or
    /// that holds anything but a bare address where it is counted, names nobody.
    #[must_use]
    pub fn behind_proxies(mut self, count: usize) -> Self {
        self.proxies = count;
        self
    }

    /// The sender's address; IPv4 in its own form, also where it came written in IPv6.
    pub(crate) fn find(&self, head: &dyn RequestHead) -> Option<IpAddr> {
        let address = match (self.proxies, &self.peer) {
            (0, Peer::Adapter) => head.peer(),
            (0, Peer::Function(find)) => find(head),
            (proxies, _) => forwarded_for(head, proxies),
        };
        address.map(|address| address.to_canonical())
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
            // A length of zero is everybody, and 08 a slip.
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

/// The address that the outermost of so many proxies was talking to. The header given several times is one list, in
/// the order it came (RFC 9110, section 5.3).
fn forwarded_for(head: &dyn RequestHead, proxies: usize) -> Option<IpAddr> {
    let mut values = Vec::new();
    head.header_values("x-forwarded-for", &mut |value| values.push(value));
    let mut entries = values.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    let mut address = None;
    // Each that is counted must be an address, also those of the proxies: a list that we misread is not counted in.
    for _ in 0..proxies {
        let entry = std::str::from_utf8(entries.next()?.trim_ascii()).ok()?;
        address = Some(entry.parse::<IpAddr>().ok()?);
    }
    address
}

/// `::ffff:0:0/96`, where IPv6 keeps IPv4.
const MAPPED_PREFIX: u8 = 96;

//! The URLs of the hosted flow.

use url::{Host, Url};

use crate::ConfigError;

use super::variables::Variables;

/// A page of the vendor: https, or http on this machine.
pub(super) fn web_url(text: &str) -> Result<String, ConfigError> {
    checked("INCODE_WEB_URL", text)?;
    Ok(text.to_owned())
}

/// Where browsers reach this application: https, or http on this machine. It may have a path, where the application is
/// one of several on a host.
///
/// It may be left out while the vendor is on this machine too: then it is the address that the application binds.
pub(super) fn public_url(variables: &Variables) -> Result<String, ConfigError> {
    const NAME: &str = "PUBLIC_URL";
    if let Some(text) = variables.text(NAME)? {
        let url = checked(NAME, text)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(ConfigError::new(NAME, "must not hold a query or fragment: write https://app.example/path"));
        }
        return Ok(text.to_owned());
    }
    for name in ["INCODE_HOST", "INCODE_WEB_URL"] {
        let is_here = variables.text(name)?.and_then(|text| Url::parse(text).ok()).is_some_and(|url| is_loopback(&url));
        if !is_here {
            let problem = "is not set, and the vendor is not on this machine: write the https URL that browsers reach \
                           this application at, for instance https://app.example";
            return Err(ConfigError::missing(NAME, problem));
        }
    }
    let bind = variables.text("BIND")?.unwrap_or("127.0.0.1:3000");
    let wrong = || ConfigError::new("BIND", "is not an address with a port: write 127.0.0.1:3000, or set PUBLIC_URL");
    let (host, port) = bind.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    // An address for every interface is no address that a browser can go to.
    let host = if matches!(host, "0.0.0.0" | "[::]") { "127.0.0.1" } else { host };
    let url = format!("http://{host}:{port}");
    if !Url::parse(&url).is_ok_and(|url| is_loopback(&url)) {
        let problem = "is not set, and the application binds an address of the network: write the https URL that \
                       browsers reach it at, for instance https://app.example";
        return Err(ConfigError::missing(NAME, problem));
    }
    Ok(url)
}

fn checked(name: &'static str, text: &str) -> Result<Url, ConfigError> {
    let wrong = || ConfigError::new(name, "is not an http(s) URL: write https:// and the host");
    let url = Url::parse(text).map_err(|_| wrong())?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            let problem = "is plain http to another host: write https:// (http is for this machine only)";
            return Err(ConfigError::insecure(name, problem));
        }
        _ => return Err(wrong()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ConfigError::insecure(name, "must not hold a user or password"));
    }
    Ok(url)
}

/// On this machine. Browsers resolve every name below `localhost` to it.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

//! Real vendor or sandbox. The sandbox opens the vault to every client that can reach it, so it starts only where nothing
//! points at a real deployment.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use url::{Host, Url};

use super::WrongSetting;

#[cfg(test)]
mod tests;

/// The vendor that the settings name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VendorChoice {
    /// At least one vendor setting is there, and all that are there have a value.
    Real,
    /// None is there at all.
    Sandbox,
}

impl VendorChoice {
    /// Decides by the names of an environment and by which values are empty.
    ///
    /// # Errors
    /// A vendor setting without a value: a template whose variable was not filled in, for example. Or vendor settings
    /// without the vendor's host.
    pub(super) fn of(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, WrongSetting> {
        let mut named: Vec<(String, bool)> = environment
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.is_empty())))
            .filter(|(name, _)| is_vendor_setting(name))
            .collect();
        named.sort();
        if let Some((empty, _)) = named.iter().find(|(_, is_empty)| *is_empty) {
            return Err(WrongSetting::new(empty, "is set, but empty: give it a value, or unset it"));
        }
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
        match names.as_slice() {
            [] => Ok(Self::Sandbox),
            names if names.contains(&"INCODE_HOST") || names.contains(&"INCODE_HOST_FILE") => Ok(Self::Real),
            names => {
                let names = names.join(", ");
                let problem = format!("is not set, but {names}: name the vendor, or unset them all for the sandbox");
                Err(WrongSetting::new("INCODE_HOST", problem))
            }
        }
    }
}

/// # Errors
/// An address that other machines reach.
pub(super) fn is_local(bind: IpAddr, public: &Url) -> Result<(), WrongSetting> {
    const PROBLEM: &str = "is no loopback address, and no vendor is named (INCODE_HOST): the sandbox verifies any person, \
                           so it runs on loopback alone";
    if !bind.is_loopback() {
        return Err(WrongSetting::new("BIND", PROBLEM));
    }
    if !is_loopback(public) {
        return Err(WrongSetting::new("PUBLIC_URL", PROBLEM));
    }
    Ok(())
}

/// True for `localhost` and the addresses of loopback.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Keeps people of the sandbox and real people in files of their own: beside a SQLite file that the sandbox makes lies an
/// empty file whose name says so.
///
/// # Errors
/// A shared store for the sandbox, the file of a real vendor for the sandbox, or the sandbox's file for a real vendor.
pub(super) fn separate_stores(vendor: VendorChoice, store: Option<&str>) -> Result<(), WrongSetting> {
    const NAME: &str = "INCODE_STORE";
    let file = store.unwrap_or(DEFAULT_STORE).trim().strip_prefix("sqlite:").map(Path::new);
    let exists = file.is_some_and(Path::exists);
    let marker = file.map(marker_of);
    let is_marked = marker.as_deref().is_some_and(Path::exists);
    match (vendor, store) {
        (VendorChoice::Real, _) if exists && is_marked => {
            Err(WrongSetting::new(NAME, "is a file of the sandbox, whose people are not real: name another"))
        }
        (VendorChoice::Real, _) | (VendorChoice::Sandbox, None) => Ok(()),
        (VendorChoice::Sandbox, Some(store)) if is_shared(store) => {
            let problem =
                "is a shared store, and no vendor is named (INCODE_HOST): the sandbox takes memory: or sqlite:PATH";
            Err(WrongSetting::new(NAME, problem))
        }
        (VendorChoice::Sandbox, Some(_)) if exists && !is_marked => {
            let problem = "is a file that the sandbox did not make, and no vendor is named (INCODE_HOST): name another";
            Err(WrongSetting::new(NAME, problem))
        }
        (VendorChoice::Sandbox, Some(_)) => match marker {
            Some(marker) if !is_marked => File::create_new(marker)
                .map(drop)
                .map_err(|error| WrongSetting::new(NAME, format!("can't be made there ({})", error.kind()))),
            _ => Ok(()),
        },
    }
}

fn is_vendor_setting(name: &str) -> bool {
    let name = name.strip_suffix("_FILE").unwrap_or(name);
    VENDOR.contains(&name) || VENDOR_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn is_shared(store: &str) -> bool {
    let scheme = store.trim().split(':').next().unwrap_or_default();
    ["postgres", "postgresql", "redis", "rediss"].iter().any(|shared| scheme.eq_ignore_ascii_case(shared))
}

fn marker_of(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or(OsStr::new("store")).to_owned();
    name.push(".sandbox");
    file.with_file_name(name)
}

/// What core opens where no store is named.
const DEFAULT_STORE: &str = "sqlite:incode.db";

/// Settings that only make sense with a vendor. By prefix where more of a family may come.
const VENDOR: [&str; 4] = ["INCODE_HOST", "INCODE_API_KEY", "INCODE_CLIENT_ID", "INCODE_WEB_URL"];
const VENDOR_PREFIXES: [&str; 2] = ["INCODE_WEBHOOK_", "INCODE_OAUTH_"];

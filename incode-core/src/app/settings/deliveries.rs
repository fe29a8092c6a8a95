//! The settings of the webhook: what shows that a delivery is the vendor's, and where deliveries arrive.

use crate::ConfigError;
use crate::model::EventKind;
use crate::webhook::{
    AddressSource, Authenticity, ClientCredentials, Encoding, HmacScheme, PolicyError, PolicyErrorKind, Signed,
};

use super::super::Builder;
use super::variables::{Setting, Variables};
use super::{flow_secrets, keys};

pub(super) fn authenticity(variables: &Variables) -> Result<Authenticity, ConfigError> {
    let setting = variables.required(AUTH, AUTH_FORMS)?;
    let names = setting.list();
    if names.len() > 1 && names.contains(&"fetch-back") {
        let problem = "names fetch-back beside another policy: any of them is enough, so any sender could deliver";
        return Err(ConfigError::conflict(AUTH, problem));
    }
    let parts = names.into_iter().map(|name| part(variables, name)).collect::<Result<Vec<_>, _>>()?;
    let policy = match <[Authenticity; 1]>::try_from(parts) {
        Ok([only]) => only,
        Err(parts) => Authenticity::any_of(parts).map_err(|error| refused(variables, error))?,
    };
    let Some(networks) = variables.get(NETWORKS) else { return Ok(policy) };
    let wrong = "takes addresses and networks in CIDR notation, for instance 192.0.2.0/24, 2001:db8::/32";
    let networks = Authenticity::addresses(networks.list()).map_err(|_| ConfigError::new(NETWORKS, wrong))?;
    Authenticity::all_of([networks, policy]).map_err(|error| refused(variables, error))
}

fn part(variables: &Variables, name: &str) -> Result<Authenticity, ConfigError> {
    let refused = |error| refused(variables, error);
    match name {
        "fetch-back" => Ok(Authenticity::fetch_back()),
        "header" => {
            let name = variables.text(HEADER)?.unwrap_or("x-incode-secret");
            Authenticity::header(name, secrets(variables)?.secrets()).map_err(refused)
        }
        "hmac" => hmac(variables).map(Authenticity::hmac),
        "standard-webhooks" => {
            HmacScheme::standard_webhooks(secrets(variables)?.secrets()).map(Authenticity::hmac).map_err(refused)
        }
        "svix" => {
            let secrets = secrets(variables)?.secrets();
            HmacScheme::standard_webhooks_as("svix", secrets).map(Authenticity::hmac).map_err(refused)
        }
        "oauth" => oauth(variables).map(Authenticity::oauth),
        _ => Err(ConfigError::new(AUTH, format!("takes {AUTH_FORMS}"))),
    }
}

fn hmac(variables: &Variables) -> Result<HmacScheme, ConfigError> {
    let refused = |error| refused(variables, error);
    let header = variables.text(HEADER)?.unwrap_or("x-incode-signature");
    let secrets = secrets(variables)?;
    let keys = secrets.list().into_iter().map(|text| keys::signing_key(secrets.name, text));
    let mut scheme = HmacScheme::new(header, keys.collect::<Result<Vec<_>, _>>()?).map_err(refused)?;
    if let Some(form) = variables.text(SIGNATURE)? {
        let (prefix, encoding) = if let Some(prefix) = form.strip_suffix("hex") {
            (prefix, Encoding::Hex)
        } else if let Some(prefix) = form.strip_suffix("base64") {
            (prefix, Encoding::Base64)
        } else {
            let forms = "takes hex and base64, each with what is written before the signature: sha256=hex";
            return Err(ConfigError::new(SIGNATURE, forms));
        };
        scheme = scheme.encoding(encoding).prefix(prefix).map_err(refused)?;
    }
    match variables.text(SIGNED)? {
        None | Some("body") => Ok(scheme),
        Some(text) => scheme.signed(signed(text)?).map_err(|_| ConfigError::new(SIGNED, SIGNED_FORMS)),
    }
}

fn signed(text: &str) -> Result<Signed, ConfigError> {
    let headers = text.strip_suffix(".body").and_then(|headers| headers.split_once('.'));
    let (id, timestamp) = headers.ok_or(ConfigError::new(SIGNED, SIGNED_FORMS))?;
    Ok(Signed::IdTimestampBody {
        id_header: id.to_owned(),
        timestamp_header: timestamp.to_owned(),
        tolerance: HmacScheme::TOLERANCE,
    })
}

/// Tokens are signed with the flow secret, which every replica shares anyway.
fn oauth(variables: &Variables) -> Result<ClientCredentials, ConfigError> {
    let client_id = variables.required(OAUTH_ID, "the client id that the vendor sends")?;
    let secrets = variables.required(OAUTH_SECRET, "the client secret that the vendor sends, 24 bytes or more")?;
    let signing = flow_secrets(variables)?;
    ClientCredentials::new(client_id.text()?, secrets.secrets(), signing).map_err(|error| match error.kind() {
        PolicyErrorKind::IllegalClientId => {
            ConfigError::new(OAUTH_ID, "takes visible ASCII without a colon, 256 bytes at most")
        }
        _ => ConfigError::insecure(secrets.name, "each secret needs 24 bytes or more of visible ASCII"),
    })
}

fn secrets(variables: &Variables) -> Result<&Setting, ConfigError> {
    variables.required(SECRETS, "the secret that the vendor signs or sends with, 24 bytes or more")
}

/// The paths of the webhook, and how many proxies stand before the application.
pub(super) fn routes(variables: &Variables, mut builder: Builder) -> Result<Builder, ConfigError> {
    let path = |name: &'static str| -> Result<Option<&str>, ConfigError> {
        let Some(path) = variables.text(name)? else { return Ok(None) };
        let is_path =
            path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
        let wrong = "is not a path: write one that begins with / and has no query, for instance /incode/webhook";
        if is_path { Ok(Some(path)) } else { Err(ConfigError::new(name, wrong)) }
    };
    let both = path(PATH)?;
    let kinds = [(VERIFICATION, EventKind::Verification), (AUTHENTICATION, EventKind::Authentication)];
    let mut mounted: Vec<&str> = both.into_iter().collect();
    for (name, kind) in kinds {
        match path(name)? {
            Some(path) if mounted.contains(&path) => {
                return Err(ConfigError::conflict(
                    name,
                    "is the path of another kind too: write INCODE_WEBHOOK_PATH alone",
                ));
            }
            Some(path) => {
                mounted.push(path);
                builder = builder.webhook_path_for(kind, path);
            }
            None if both.is_none() && (variables.is_set(VERIFICATION) || variables.is_set(AUTHENTICATION)) => {
                let problem = "is not set, and the other kind has a path of its own: write a path for both";
                return Err(ConfigError::missing(name, problem));
            }
            None => {}
        }
    }
    if let Some(both) = both {
        builder = builder.webhook_path(both);
    }
    if let Some(text) = variables.text(PROXIES)? {
        let count = text.parse().ok().filter(|count| *count <= MOST_PROXIES);
        let count = count.ok_or_else(|| ConfigError::new(PROXIES, "takes the number of your proxies, 0 to 16"))?;
        builder = builder.addresses(AddressSource::peer().behind_proxies(count));
    }
    Ok(builder)
}

fn refused(variables: &Variables, error: PolicyError) -> ConfigError {
    let secrets = variables.get(SECRETS).map_or(SECRETS, |setting| setting.name);
    match error.kind() {
        PolicyErrorKind::NoSecret | PolicyErrorKind::WeakSecret => {
            ConfigError::insecure(secrets, "each secret needs 24 bytes or more")
        }
        PolicyErrorKind::IllegalSecret => {
            ConfigError::new(secrets, "holds what can't be sent in a header: write visible ASCII")
        }
        PolicyErrorKind::MalformedSecret => {
            ConfigError::new(secrets, "each secret of standard-webhooks and svix is whsec_ and padded base64")
        }
        PolicyErrorKind::IllegalHeaderName => {
            ConfigError::new(HEADER, "is no header name: write one such as x-incode-signature")
        }
        PolicyErrorKind::IllegalPrefix => {
            ConfigError::new(SIGNATURE, "has a prefix that can't be sent in a header: write visible ASCII")
        }
        _ => ConfigError::new(AUTH, format!("takes {AUTH_FORMS}")),
    }
}

const AUTH: &str = "INCODE_WEBHOOK_AUTH";
const AUTH_FORMS: &str = "fetch-back alone, or a comma list of header, oauth, hmac, standard-webhooks and svix";
const SECRETS: &str = "INCODE_WEBHOOK_SECRETS";
const HEADER: &str = "INCODE_WEBHOOK_HEADER";
const SIGNATURE: &str = "INCODE_WEBHOOK_SIGNATURE";
const SIGNED: &str = "INCODE_WEBHOOK_SIGNED";
const SIGNED_FORMS: &str = "takes body, or the headers of id and time before it: x-id.x-timestamp.body";
const NETWORKS: &str = "INCODE_WEBHOOK_NETWORKS";
const PROXIES: &str = "INCODE_PROXIES";
const PATH: &str = "INCODE_WEBHOOK_PATH";
const VERIFICATION: &str = "INCODE_WEBHOOK_PATH_VERIFICATION";
const AUTHENTICATION: &str = "INCODE_WEBHOOK_PATH_AUTHENTICATION";
const OAUTH_ID: &str = "INCODE_OAUTH_CLIENT_ID";
const OAUTH_SECRET: &str = "INCODE_OAUTH_CLIENT_SECRET";

/// More than any chain of proxies has: a larger number is a slip, a port for instance.
const MOST_PROXIES: usize = 16;

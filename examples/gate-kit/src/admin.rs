//! The guard in front of `/admin/*`, which is there only when `INCODE_ADMIN_TOKEN` is set.

use data_encoding::BASE64;
use incode_core::http::{Problem, Reply};
use incode_core::{Actor, Secret};

use crate::refusal::{not_found, refuse};
use crate::settings::WrongSetting;
use crate::{RequestContext, Site};

impl Site {
    /// Requires an admin token, as bearer or as the password of a browser's own prompt. The audit trail names whose token it
    /// is, whatever user name was typed.
    ///
    /// # Errors
    /// The answer for all other requests: 401, or 404 where no token is set.
    pub fn admit(&self, request: &RequestContext) -> Result<Actor, Reply> {
        if self.admins.is_empty() {
            return Err(refuse(&self.base, &not_found(), request));
        }
        let given = request.authorization.as_deref().and_then(presented).unwrap_or_default();
        // Compared with each, so that the time does not show which one matched.
        let mut who = None;
        for admin in &self.admins {
            if admin.token.matches(&given) {
                who = Some(&admin.actor);
            }
        }
        who.cloned().ok_or_else(|| refuse(&self.base, &token_required(), request))
    }
}

/// An operator who may use the admin pages.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    actor: Actor,
    token: Secret,
}

/// Reads `anna:<token>,ben:<token>`. One token without a name is `admin`'s.
///
/// # Errors
/// [`WrongSetting`] for a token that is too short, and for a name that is given twice.
pub(crate) fn admins(setting: Option<&str>) -> Result<Vec<Admin>, WrongSetting> {
    let mut admins: Vec<Admin> = Vec::new();
    for entry in setting.into_iter().flat_map(|setting| setting.split(',')) {
        let (name, token) = entry.trim().split_once(':').unwrap_or((UNNAMED, entry.trim()));
        if token.len() < MIN_TOKEN {
            return Err(WrongSetting::new(NAME, format!("holds a token that is shorter than {MIN_TOKEN} bytes")));
        }
        let actor = Actor::new(name).map_err(|_| WrongSetting::new(NAME, "has a name that can't be shown"))?;
        if admins.iter().any(|admin| admin.actor == actor) {
            return Err(WrongSetting::new(NAME, "has a name twice: write anna:<token>,ben:<token>"));
        }
        admins.push(Admin { actor, token: Secret::from(token) });
    }
    Ok(admins)
}

/// The token of an `Authorization` header.
fn presented(authorization: &str) -> Option<Vec<u8>> {
    let (scheme, value) = authorization.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.trim().as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = BASE64.decode(value.trim().as_bytes()).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair.get(colon + 1..)?.to_vec())
}

fn token_required() -> Problem {
    let detail = "Send an admin token as a bearer token, or as the password of any user.";
    Problem::new(401, "admin_token_required", "Admin token required", detail)
        .header("www-authenticate", "Bearer realm=\"admin\"")
        .header("www-authenticate", "Basic realm=\"admin\", charset=\"UTF-8\"")
}

/// The setting, and its variant that names a file.
pub(crate) const NAME: &str = "INCODE_ADMIN_TOKEN";
/// Whose token it is when the setting says no name.
const UNNAMED: &str = "admin";
/// As long as a webhook secret: a guessed token opens dead letters and erasure.
const MIN_TOKEN: usize = 24;

#[cfg(test)]
mod tests;

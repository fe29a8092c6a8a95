//! The guard in front of `/admin/*`, which is there only when `INCODE_ADMIN_TOKEN` is set.

use data_encoding::BASE64;
use incode_core::Actor;
use incode_core::http::{Problem, Reply};

use crate::refusal::{not_found, refuse};
use crate::{RequestContext, Site};

impl Site {
    /// Requires the admin token, as bearer or as the password of a browser's own prompt. The user name of that prompt is
    /// the one in the audit trail, `admin` without one.
    ///
    /// # Errors
    /// The answer for all other requests: 401, or 404 where no token is set.
    pub fn admit(&self, request: &RequestContext) -> Result<Actor, Reply> {
        let Some(token) = &self.admin_token else { return Err(refuse(&self.base, &not_found(), request)) };
        let given = request.authorization.as_deref().and_then(presented);
        match given.filter(|given| token.matches(&given.token)) {
            Some(given) => Ok(given.actor),
            None => Err(refuse(&self.base, &token_required(), request)),
        }
    }
}

struct Presented {
    actor: Actor,
    token: Vec<u8>,
}

fn presented(authorization: &str) -> Option<Presented> {
    let (scheme, value) = authorization.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Presented { actor: named(NOBODY), token: value.trim().as_bytes().to_vec() });
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = BASE64.decode(value.trim().as_bytes()).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let actor = named(pair.get(..colon)?);
    Some(Presented { actor, token: pair.get(colon + 1..)?.to_vec() })
}

/// A user name that can't be shown is as good as none.
fn named(user: &[u8]) -> Actor {
    let actor = std::str::from_utf8(user).ok().and_then(|user| Actor::new(user).ok());
    actor.or_else(|| Actor::new("admin").ok()).unwrap_or_else(Actor::unknown)
}

fn token_required() -> Problem {
    let detail = "Send the admin token as a bearer token, or as the password of any user.";
    Problem::new(401, "admin_token_required", "Not for everybody", detail)
        .header("www-authenticate", "Bearer realm=\"admin\"")
        .header("www-authenticate", "Basic realm=\"admin\", charset=\"UTF-8\"")
}

const NOBODY: &[u8] = b"";

#[cfg(test)]
mod tests;

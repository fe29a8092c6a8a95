//! What an application under test needs: settings, and a person who passes its hosted flow.

use std::ffi::OsString;
use std::fmt;

use serde_json::json;
use url::Url;

use super::Sandbox;
use crate::errors::NotFound;

/// A hosted flow that a person passed: what the vendor and the browser bring to the application now.
#[derive(Clone)]
#[non_exhaustive]
pub struct PassedFlow {
    /// The body of the `verification.completed` event, to be posted to the webhook route.
    pub event: String,
    /// Path and query of the callback, to be asked for as the user who started.
    pub callback: String,
}

impl Sandbox {
    /// Settings for an application whose vendor is this sandbox, as its environment would have them: everything in memory,
    /// deliveries without a secret (`fetch-back`), and a flow secret that is for tests only.
    ///
    /// Give them to `Builder::from_settings` of incode-core with whatever a test adds, such as its subjects and its clock.
    pub fn settings(&self) -> Vec<(OsString, OsString)> {
        let (host, web, public) = (self.url(), self.web_url(), "http://127.0.0.1:3000".to_owned());
        [
            ("INCODE_HOST", host),
            ("INCODE_API_KEY", self.api_key().to_owned()),
            ("INCODE_CLIENT_ID", self.client_id().to_owned()),
            ("INCODE_WEB_URL", web),
            ("PUBLIC_URL", public),
            ("INCODE_FLOW_SECRET", FLOW_SECRET.to_owned()),
            ("INCODE_WEBHOOK_AUTH", "fetch-back".to_owned()),
            ("INCODE_STORE", "memory:".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
    }

    /// A person goes through the hosted flow and passes, without a browser. `start_location` is where the application's
    /// start route redirects to.
    ///
    /// # Errors
    /// When no person has that id, or the address is not one that a start route redirects to.
    pub fn pass_flow(&self, start_location: &str, identity_id: &str) -> Result<PassedFlow, NotFound> {
        let page = Url::parse(start_location).map_err(|_| NotFound)?;
        let parameter =
            |name: &str| page.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned());
        let (redirect, correlation) = parameter("redirect_url").zip(parameter("correlation_id")).ok_or(NotFound)?;
        let mut callback = Url::parse(&redirect).map_err(|_| NotFound)?;
        let check = self.verify(identity_id)?;
        callback.query_pairs_mut().append_pair("token", &check.token).append_pair("correlation_id", &correlation);
        let event = json!({
            "event": "verification.completed",
            "object": "verification",
            "id": check.verification_id,
            "token": check.token,
        });
        let query = callback.query().unwrap_or_default();
        Ok(PassedFlow { event: event.to_string(), callback: [callback.path(), "?", query].concat() })
    }
}

/// Without the token, which both hold.
impl fmt::Debug for PassedFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PassedFlow").finish_non_exhaustive()
    }
}

/// Base64 of 32 bytes: "for tests only, never for people".
const FLOW_SECRET: &str = "Zm9yIHRlc3RzIG9ubHksIG5ldmVyIGZvciBwZW9wbGU=";

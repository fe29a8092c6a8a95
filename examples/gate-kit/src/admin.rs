//! `/admin/*`: the inbox, replays, identities. There only when `INCODE_ADMIN_TOKEN` is set.

use data_encoding::BASE64;
use incode_core::http::{Problem, Reply};
use incode_core::store::{EventFilter, EventId, EventRow, EventState, InboxCounts, Replay, StoreError};
use incode_core::{IdentityId, Timestamp};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::refusal::{not_found, refuse};
use crate::site::json;
use crate::{Asked, Site, view};

impl Site {
    /// Everything below `/admin/`, all methods.
    pub async fn admin(&self, asked: &Asked) -> Reply {
        match self.administer(asked).await {
            Ok(reply) => reply,
            Err(problem) => refuse(&problem, asked),
        }
    }

    async fn administer(&self, asked: &Asked) -> Result<Reply, Problem> {
        self.admit(asked)?;
        let path: Vec<&str> = asked.path.split('/').skip(2).collect();
        let (reading, posting) = (matches!(asked.method.as_str(), "GET" | "HEAD"), asked.method == "POST");
        if posting {
            // A browser that was once given the password sends it along with anybody's form.
            self.check_origin(asked)?;
        }
        match path.as_slice() {
            ["inbox"] if reading => self.inbox(asked).await,
            ["inbox", "replay"] if posting => self.replay(Replay::Dead(None), asked).await,
            ["inbox", id, "replay"] if posting => {
                let id = id.parse().map_err(|_| not_found())?;
                self.replay(Replay::One(EventId(id)), asked).await
            }
            ["identities", id] if reading => {
                let identity = self.incode.identity(&identity_id(id)?).await.map_err(unavailable)?;
                Ok(json(200, &identity.ok_or_else(not_found)?))
            }
            ["identities", id, "forget"] if posting => {
                let forgotten = self.incode.forget(&identity_id(id)?).await.map_err(unavailable)?;
                Ok(json(200, &Forgotten { forgotten }))
            }
            ["inbox"] | ["identities", _] => Err(wrong_method("GET, HEAD")),
            ["inbox", "replay"] | ["inbox", _, "replay"] | ["identities", _, "forget"] => Err(wrong_method("POST")),
            _ => Err(not_found()),
        }
    }

    /// The token as bearer, or as the password of a browser's own prompt.
    fn admit(&self, asked: &Asked) -> Result<(), Problem> {
        let Some(token) = &self.admin_token else { return Err(not_found()) };
        let given = asked.authorization.as_deref().and_then(presented);
        if given.is_some_and(|given| token.matches(&given)) {
            return Ok(());
        }
        let detail = "Send the admin token as a bearer token, or as the password of any user.";
        Err(Problem::new(401, "admin_token_required", "Not for everybody", detail)
            .header("www-authenticate", "Bearer realm=\"admin\"")
            .header("www-authenticate", "Basic realm=\"admin\", charset=\"UTF-8\""))
    }

    async fn inbox(&self, asked: &Asked) -> Result<Reply, Problem> {
        let invalid = |detail| Problem::new(400, "query_invalid", "Query not understood", detail);
        let state = match asked.query_value("state").as_deref() {
            None | Some("") => None,
            Some(name) => Some(
                EventState::parse(name).ok_or_else(|| invalid("state is one of pending, done, dead and ignored."))?,
            ),
        };
        let before = match asked.query_value("before") {
            None => None,
            Some(id) => Some(EventId(id.parse().map_err(|_| invalid("before is the id of an event."))?)),
        };
        let counts = self.incode.inbox_counts().await.map_err(unavailable)?;
        let filter = EventFilter { state, before, limit: PAGE };
        let events = self.incode.inbox_events(filter).await.map_err(unavailable)?;
        if asked.html {
            return Ok(view::inbox(state, &counts, &events, events.len() >= PAGE as usize));
        }
        Ok(json(200, &Inbox { counts: Counts::from(&counts), events: events.iter().map(Event::from).collect() }))
    }

    async fn replay(&self, which: Replay, asked: &Asked) -> Result<Reply, Problem> {
        let replayed = self.incode.replay(which).await.map_err(unavailable)?;
        Ok(if asked.html { Reply::see_other("/admin/inbox") } else { json(200, &Replayed { replayed }) })
    }
}

/// The first characters: enough to tell rows apart, too little to fetch anything with.
pub(crate) fn masked(id: &str) -> String {
    let shown = if id.len() > 8 { 4 } else { 0 };
    id.chars().take(shown).chain(std::iter::once('…')).collect()
}

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
    pair.get(colon + 1..).map(<[u8]>::to_vec)
}

fn identity_id(segment: &str) -> Result<IdentityId, Problem> {
    let decoded = percent_decode_str(segment).decode_utf8().map_err(|_| not_found())?;
    IdentityId::new(decoded).map_err(|_| not_found())
}

fn wrong_method(allow: &'static str) -> Problem {
    Problem::new(405, "method_not_allowed", "Method not allowed", format!("Use {allow}.")).header("allow", allow)
}

fn unavailable(error: StoreError) -> Problem {
    tracing::warn!(error.kind = ?error.kind(), "admin page without store");
    let detail = "The store does not answer.";
    Problem::new(503, "store_unavailable", "Try again soon", detail).retry_after(std::time::Duration::from_secs(1))
}

#[derive(Serialize)]
struct Inbox<'a> {
    counts: Counts,
    events: Vec<Event<'a>>,
}

#[derive(Serialize)]
struct Counts {
    pending: u64,
    done: u64,
    dead: u64,
    ignored: u64,
}

impl From<&InboxCounts> for Counts {
    fn from(counts: &InboxCounts) -> Self {
        Self { pending: counts.pending, done: counts.done, dead: counts.dead, ignored: counts.ignored }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    id: i64,
    kind: &'a str,
    object_id: Option<String>,
    state: &'static str,
    reason: Option<&'static str>,
    attempts: u32,
    received_at: Timestamp,
    due_at: Option<Timestamp>,
    settled_at: Option<Timestamp>,
}

impl<'a> From<&'a EventRow> for Event<'a> {
    fn from(row: &'a EventRow) -> Self {
        Self {
            id: row.id.0,
            kind: row.kind.as_str(),
            object_id: row.object_id.as_ref().map(|id| masked(id.as_str())),
            state: row.state.as_str(),
            reason: row.reason.map(incode_core::store::Reason::as_str),
            attempts: row.attempts,
            received_at: row.received_at,
            due_at: row.due_at,
            settled_at: row.settled_at,
        }
    }
}

#[derive(Serialize)]
struct Replayed {
    replayed: u64,
}

#[derive(Serialize)]
struct Forgotten {
    forgotten: bool,
}

/// Events on one page.
const PAGE: u32 = 100;

#[cfg(test)]
mod tests;

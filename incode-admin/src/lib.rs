//! The inbox for the people who run it: dead letters with their reasons, replays, erasure, and the trail of who did
//! what; as JSON, and as pages that need no JavaScript.
//!
//! **No guard of its own: whoever reaches it may read and replay everything.** Adapters mount it behind the
//! application's guard. That guard may put an [`Actor`] into the request extensions; the audit trail names it.
//!
//! | route, relative to the mount | what |
//! |---|---|
//! | `GET inbox?state=&reason=&kind=&before=&limit=` | counts, age of the oldest pending event, events newest first |
//! | `GET inbox/{id}` | one event, masked |
//! | `POST inbox/{id}/replay` | makes it pending again |
//! | `POST inbox/replay` (`reason`, `kind`) | makes all dead events pending again, or those asked for |
//! | `GET identities/{identityId}` | the stored row |
//! | `POST identities/{identityId}/forget` | erases it |
//! | `GET audit?before=&limit=` | who did what |
//!
//! JSON, unless the request accepts `text/html`. Everything may be repeated without harm.

mod cross_site;
mod json;
mod page;
mod params;
mod route;

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use futures_core::Stream;

use crate::http::{Problem, Reply, RequestHead};
use crate::store::{EventState, Replay, StoreError};
use crate::{Actor, Incode};

use params::Params;
use route::{Call, List, Route};

/// The admin routes over an [`Incode`]. Cheap to clone. See the [module's docs](self): it needs a guard around it.
#[derive(Clone, Debug)]
pub struct Admin {
    incode: Incode,
}

impl Admin {
    /// Adapters call it `behind_guard`, to say what is left to do.
    pub fn new(incode: Incode) -> Self {
        Self { incode }
    }

    /// Looks at the head of a request. `path` is what is left of it below the mount, still percent-encoded; leading
    /// slashes do not matter. [`AdminExchange::answer`] reads the body, if one is to be read at all.
    pub fn open(&self, head: &dyn RequestHead, path: &str) -> AdminExchange {
        let html = head.prefers_html();
        let actor = head.actor().cloned().unwrap_or_else(Actor::unknown);
        let step = match route::find(head, path) {
            Ok(Route { call, root }) => Step::Call { call, root, form: is_form(head) },
            Err(problem) => Step::Answered(refuse(&problem, html)),
        };
        AdminExchange { incode: self.incode.clone(), actor, html, step }
    }
}

/// One request to an admin route, between its head and its answer.
#[derive(Debug)]
#[must_use]
pub struct AdminExchange {
    incode: Incode,
    actor: Actor,
    html: bool,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Answered(Reply),
    Call {
        call: Call,
        /// The way up from here to the mount, for links: nobody tells a mounted service where it is.
        root: &'static str,
        form: bool,
    },
}

impl AdminExchange {
    /// Reads the body, as far as it has to be read, and answers. Never fails: every failure is an answer.
    pub async fn answer<B, C, E>(self, body: B) -> Reply
    where
        B: Stream<Item = Result<C, E>>,
        C: AsRef<[u8]>,
    {
        let Self { incode, actor, html, step } = self;
        let (call, root, form) = match step {
            Step::Answered(reply) => return reply,
            Step::Call { call, root, form } => (call, root, form),
        };
        let desk = Desk { incode: &incode, actor: &actor, html, root };
        let answer = async {
            let fields = if call.has_body() { read(body, form).await? } else { Params::default() };
            desk.serve(call, fields).await
        };
        answer.await.unwrap_or_else(|problem| refuse(&problem, html))
    }
}

/// Where calls are served: who asks, and how the answer is to look.
struct Desk<'a> {
    incode: &'a Incode,
    actor: &'a Actor,
    html: bool,
    root: &'static str,
}

impl Desk<'_> {
    async fn serve(&self, call: Call, fields: Params) -> Result<Reply, Problem> {
        match call {
            Call::List(list) => self.list(list).await,
            Call::Show(id) => {
                let seen = self.incode.inspect(id).await.map_err(unavailable)?.ok_or_else(not_found)?;
                Ok(if self.html { page::event(&seen, self.root, self.incode.now()) } else { json::event(&seen) })
            }
            Call::ReplayOne(id) => {
                let back = fields.listing()?;
                self.replay(Replay::One(id), back).await
            }
            Call::ReplayDead(query) => {
                let filter = query.and(fields)?.dead_filter()?;
                let (reason, kind) = (filter.reason, filter.kind.clone());
                let back = List { state: Some(EventState::Dead), reason, kind, ..List::default() };
                self.replay(Replay::Dead(filter), back).await
            }
            Call::Identity(id) => {
                let identity = self.incode.identity(&id).await.map_err(unavailable)?.ok_or_else(not_found)?;
                Ok(if self.html { page::identity(&identity, self.root) } else { json::identity(&identity) })
            }
            Call::Forget(id) => {
                let forgotten = self.incode.forget(&id, self.actor).await.map_err(unavailable)?;
                Ok(if self.html {
                    Reply::see_other(format!("{}audit?forgotten={}", self.root, u8::from(forgotten)))
                } else {
                    json::forgotten(forgotten)
                })
            }
            Call::Audit { before, limit, forgotten } => {
                let mut audits = self.incode.audits(limit + 1, before).await.map_err(unavailable)?;
                let more = audits.len() > limit as usize;
                audits.truncate(limit as usize);
                let next = audits.last().filter(|_| more).map(|audit| audit.id);
                Ok(if self.html {
                    page::audit(&audits, next, forgotten, self.root, self.incode.now())
                } else {
                    json::audit(&audits, next)
                })
            }
        }
    }

    async fn list(&self, list: List) -> Result<Reply, Problem> {
        let counts = self.incode.inbox_counts().await.map_err(unavailable)?;
        let mut events = self.incode.inbox_events(list.filter()).await.map_err(unavailable)?;
        let more = events.len() > list.limit as usize;
        events.truncate(list.limit as usize);
        let next = events.last().filter(|_| more).map(|row| row.id);
        let now = self.incode.now();
        if !self.html {
            return Ok(json::inbox(&counts, &events, next, now));
        }
        let trail = self.incode.audits(LATEST_ACTIONS, None).await.map_err(unavailable)?;
        Ok(page::inbox(&page::Inbox { list: &list, counts: &counts, events: &events, next, trail: &trail, now }))
    }

    async fn replay(&self, which: Replay, back: List) -> Result<Reply, Problem> {
        let replayed = self.incode.replay(which, self.actor).await.map_err(unavailable)?;
        Ok(if self.html {
            let back = List { replayed: Some(replayed), ..back };
            Reply::see_other(format!("{}{}", self.root, back.link()))
        } else {
            json::replayed(replayed)
        })
    }
}

/// The fields of a form; none when there is no body. Bounded in length and in time.
async fn read<B, C, E>(body: B, form: bool) -> Result<Params, Problem>
where
    B: Stream<Item = Result<C, E>>,
    C: AsRef<[u8]>,
{
    let read = async {
        let mut body = pin!(body);
        let mut bytes = Vec::new();
        while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
            let chunk = chunk.map_err(|_| invalid("The body did not arrive whole."))?;
            if chunk.as_ref().len() > BODY_CAP - bytes.len() {
                return Err(Problem::new(413, "body_too_large", "Too large", "A form of a few fields is enough."));
            }
            bytes.extend_from_slice(chunk.as_ref());
        }
        Ok(bytes)
    };
    let late = |_| Err(Problem::new(408, "body_too_slow", "Too slow", "The body took too long to arrive."));
    let bytes = tokio::time::timeout(READ_DEADLINE, read).await.unwrap_or_else(late)?;
    if bytes.is_empty() || form {
        return Params::parse(&bytes);
    }
    let detail = "Send fields as application/x-www-form-urlencoded, or in the query.";
    Err(Problem::new(415, "unsupported_media_type", "Not a form", detail))
}

fn is_form(head: &dyn RequestHead) -> bool {
    let value = head.header("content-type").one().unwrap_or_default();
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

fn refuse(problem: &Problem, html: bool) -> Reply {
    if html { page::problem(problem) } else { guarded(problem.reply()) }
}

/// What goes with every answer that is no page: nothing in it is to be run, kept, framed or passed on.
fn guarded(mut reply: Reply) -> Reply {
    let present = reply.headers.iter().any(|(name, _)| *name == "cache-control");
    if !present {
        reply = reply.header("cache-control", "no-store");
    }
    reply
        .header("content-security-policy", "default-src 'none'; frame-ancestors 'none'")
        .header("x-content-type-options", "nosniff")
        .header("referrer-policy", "no-referrer")
}

fn invalid(detail: &'static str) -> Problem {
    Problem::new(400, "parameter_invalid", "Not understood", detail)
}

fn not_found() -> Problem {
    let detail = "There is no such page, event or identity. The events are at `inbox`, the trail is at `audit`.";
    Problem::new(404, "not_found", "Not found", detail)
}

fn unavailable(error: StoreError) -> Problem {
    tracing::warn!(error.kind = ?error.kind(), "admin route without store");
    Problem::new(503, "store_unavailable", "Try again soon", "The store does not answer.").retry_after(RETRY_AFTER)
}

/// No form of ours comes near it.
const BODY_CAP: usize = 4096;
const READ_DEADLINE: Duration = Duration::from_secs(10);
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Entries of the audit trail below the inbox.
const LATEST_ACTIONS: u32 = 5;

#[cfg(test)]
mod tests;

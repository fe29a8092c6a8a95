#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
//!
//! # The routes
//!
//! **No guard of its own: every caller may read and replay everything.** Adapters mount it behind the application's
//! guard. That guard may put an [`Actor`] into the request extensions; the audit trail names it.
//!
//! | route, relative to the mount | what |
//! |---|---|
//! | `GET inbox?state=&reason=&kind=&before=&limit=` | counts, age of the oldest pending event, events newest first |
//! | `GET inbox/{id}` | one event, masked |
//! | `POST inbox/{id}/replay` | makes it pending again |
//! | `POST inbox/replay` (`reason`, `kind`) | makes all dead events pending again, or those asked for |
//! | `GET jobs?state=&handler=&before=&limit=` | counts, age of the oldest pending job, handler jobs newest first |
//! | `GET jobs/{id}` | one job, masked |
//! | `POST jobs/{id}/replay` | makes it pending again |
//! | `POST jobs/replay` (`handler`) | makes all dead jobs pending again, or those of one handler |
//! | `GET people?q=` | finds a person by subject, identity id or the id of a verification |
//! | `GET person?subject=` | why a subject stands as it does, and what to do next |
//! | `POST person/unlink` (`subject`, `why`) | ends its link |
//! | `POST person/export` (`subject`, `why`) | everything that is stored of it, as JSON |
//! | `GET identities/{identityId}` | the stored row |
//! | `POST identities/{identityId}/export` (`why`) | everything that is stored of the person, as JSON |
//! | `POST identities/{identityId}/forget` (`why`) | erases it |
//! | `GET audit?before=&limit=` | what was done by hand, and by whom |
//!
//! JSON, unless the request accepts `text/html`. Every request may be repeated without harm.

mod cross_site;
mod json;
mod lists;
mod page;
mod params;
mod route;
mod serve;

use std::time::Duration;

use futures_core::Stream;
use incode_core::adapter::{Problem, Reply, RequestHead};
use incode_core::http::{BodyError, BodyLimit};
use incode_core::store::StoreError;
use incode_core::{Actor, Incode};

use params::Params;
use route::{Call, Route};
use serve::Handler;

/// The admin routes over an [`Incode`]. Cheap to clone. It needs a guard around it: see the [crate's documentation](self).
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
    /// slashes do not matter. [`AdminRequest::answer`] reads the body, if one is to be read at all.
    pub fn open(&self, head: &dyn RequestHead, path: &str) -> AdminRequest {
        let html = head.prefers_html();
        let actor = head.actor().cloned().unwrap_or_else(Actor::unknown);
        let step = match route::find(head, path) {
            Ok(Route { call, root }) => Step::Call { call, root, form: is_form(head) },
            Err(problem) => Step::Answered(refuse(&problem, html)),
        };
        AdminRequest { incode: self.incode.clone(), actor, html, step }
    }
}

/// One request to an admin route, between its head and its answer.
#[derive(Debug)]
#[must_use]
pub struct AdminRequest {
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
        /// The way up from here to the mount, for links: a mounted service does not know where it is.
        root: &'static str,
        form: bool,
    },
}

impl AdminRequest {
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
        let handler = Handler { incode: &incode, actor: &actor, html, root };
        let answer = async {
            let fields = if call.has_body() { read(body, form).await? } else { Params::default() };
            handler.serve(call, fields).await
        };
        answer.await.unwrap_or_else(|problem| refuse(&problem, html))
    }
}

/// The fields of a form; none when there is no body. Bounded in length and in time.
async fn read<B, C, E>(body: B, form: bool) -> Result<Params, Problem>
where
    B: Stream<Item = Result<C, E>>,
    C: AsRef<[u8]>,
{
    let bytes = BodyLimit::new(BODY_CAP, READ_DEADLINE).read(body).await.map_err(|error| match error {
        BodyError::Broken => invalid("The body did not arrive whole."),
        BodyError::TooLarge => Problem::new(413, "body_too_large", "Too large", "A form of a few fields is enough."),
        BodyError::TooSlow => Problem::new(408, "body_too_slow", "Too slow", "The body took too long to arrive."),
    })?;
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
    let detail = "There is no such page, event, job or identity. The events are at `inbox`, the jobs of handlers at `jobs`, \
                  people at `people`, the trail is at `audit`.";
    Problem::new(404, "not_found", "Not found", detail)
}

fn unavailable(error: StoreError) -> Problem {
    tracing::warn!(error.kind = ?error.kind(), error.cause = %error.cause(), "admin route without store");
    Problem::new(503, "store_unavailable", "Try again soon", "The store does not answer.").retry_after(RETRY_AFTER)
}

/// Far more than any form of these pages.
const BODY_CAP: usize = 4096;
/// A form of a few fields arrives in one packet: what takes longer holds a connection open.
const READ_DEADLINE: Duration = Duration::from_secs(10);
/// When a store that does not answer is worth another try.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;

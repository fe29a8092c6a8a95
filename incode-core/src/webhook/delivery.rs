use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_core::Stream;

use super::{Authenticity, Check, Event, Rejection, RejectionKind, Trust, parse};
use crate::Timestamp;
use crate::http::{BodyLimit, Field, RequestHead};
use crate::model::EventKind;

#[cfg(test)]
mod tests;

/// A webhook route: the policy of authenticity, the longest body, the read deadline, and the kind of events.
///
/// Clones share the policy: [`Webhook::replace_authenticity`] on one of them replaces it in all.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Shared by all clones, so that a rotation reaches every worker. Locked to take or replace the inner `Arc` alone.
    authenticity: Arc<RwLock<Arc<Authenticity>>>,
    body_cap: usize,
    read_deadline: Duration,
    kind: Option<EventKind>,
}

impl Webhook {
    /// The longest body accepted unless said otherwise, in bytes. The spec's samples are under 300.
    pub const BODY_CAP: usize = 64 * 1024;

    /// How long a body may take to arrive unless said otherwise.
    pub const READ_DEADLINE: Duration = Duration::from_secs(10);

    /// A route for both kinds.
    pub fn new(authenticity: Authenticity) -> Self {
        let authenticity = Arc::new(RwLock::new(Arc::new(authenticity)));
        Self { authenticity, body_cap: Self::BODY_CAP, read_deadline: Self::READ_DEADLINE, kind: None }
    }

    /// Changes the longest body accepted, in bytes.
    #[must_use]
    pub fn with_body_cap(mut self, bytes: usize) -> Self {
        self.body_cap = bytes;
        self
    }

    /// Changes how long a body may take to arrive.
    #[must_use]
    pub fn with_read_deadline(mut self, deadline: Duration) -> Self {
        self.read_deadline = deadline;
        self
    }

    /// Refuses the other kind of the spec, for accounts that configured one address each. Kinds the spec doesn't know
    /// are taken as everywhere: to be stored as ignored.
    #[must_use]
    pub fn only(mut self, kind: EventKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// The one kind that it takes. `None`: both.
    pub fn kind(&self) -> Option<&EventKind> {
        self.kind.as_ref()
    }

    /// Replaces the policy, for all clones. A delivery under way is judged by the policy that it began with.
    pub fn replace_authenticity(&self, authenticity: Authenticity) {
        *self.authenticity.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(authenticity);
    }

    /// The policy that the next delivery is judged by.
    pub fn authenticity(&self) -> Arc<Authenticity> {
        Arc::clone(&self.authenticity.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The longest body accepted, in bytes.
    pub fn body_cap(&self) -> usize {
        self.body_cap
    }

    /// How long a body may take to arrive, from the head on. The code that reads the body keeps the time, as
    /// [`Delivery::read`] does, and rejects with [`RejectionKind::TooSlow`].
    pub fn read_deadline(&self) -> Duration {
        self.read_deadline
    }

    /// Looks at the head alone, before a byte of the body is read.
    ///
    /// # Errors
    /// In this order: [`RejectionKind::MethodNotAllowed`], [`RejectionKind::Unauthentic`], and for `Content-Length`
    /// [`RejectionKind::Malformed`] or [`RejectionKind::TooLarge`].
    pub fn begin(&self, head: &dyn RequestHead, now: Timestamp) -> Result<Delivery, Rejection> {
        if head.method() != "POST" {
            return Err(Rejection::new(RejectionKind::MethodNotAllowed));
        }
        let check = self.authenticity().begin(head, now)?;
        let announced = announced_length(head, self.body_cap)?;
        Ok(Delivery {
            check,
            body: Vec::new(),
            announced,
            body_cap: self.body_cap,
            overflowed: false,
            kind: self.kind.clone(),
        })
    }
}

/// A delivery whose head passed, and whose body is on its way.
pub struct Delivery {
    check: Check,
    body: Vec<u8>,
    /// What `Content-Length` said, within the cap; zero without it.
    announced: usize,
    body_cap: usize,
    /// A caller that goes on after the rejection must not get a cut body parsed.
    overflowed: bool,
    kind: Option<EventKind>,
}

impl Delivery {
    /// Takes the next chunk of the body.
    ///
    /// # Errors
    /// [`RejectionKind::TooLarge`] when the body grows over the cap, whatever `Content-Length` said. Nothing more need
    /// be read then.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Rejection> {
        if self.overflowed || chunk.len() > self.body_cap.saturating_sub(self.body.len()) {
            self.overflowed = true;
            return Err(over_the_cap());
        }
        if self.body.is_empty() {
            // Only now: a head alone, however many are sent, reserves nothing.
            self.body.reserve_exact(self.announced.min(Webhook::BODY_CAP).max(chunk.len()));
        }
        self.check.update(chunk);
        self.body.extend_from_slice(chunk);
        Ok(())
    }

    /// Judges the whole: first the sender, then the content.
    ///
    /// # Errors
    /// [`RejectionKind::Unauthentic`], then [`RejectionKind::Malformed`], then [`RejectionKind::WrongKind`].
    pub fn finish(self) -> Result<(Event, Trust), Rejection> {
        if self.overflowed {
            return Err(over_the_cap());
        }
        judge(self.check, &self.body, self.kind.as_ref())
    }

    /// [`push`](Self::push) of the last chunk, and [`finish`](Self::finish). When it is the only one, as it is of most
    /// deliveries, it is judged where it lies, and not copied.
    ///
    /// # Errors
    /// Those of both.
    pub fn finish_with(mut self, last: &[u8]) -> Result<(Event, Trust), Rejection> {
        if self.overflowed || !self.body.is_empty() || last.len() > self.body_cap {
            self.push(last)?;
            return self.finish();
        }
        self.check.update(last);
        judge(self.check, last, self.kind.as_ref())
    }

    /// Reads `body` to its end and judges it: [`push`](Self::push) of each chunk, then [`finish`](Self::finish).
    ///
    /// A body that comes as one chunk, as most do, is judged where it lies. `deadline` is
    /// [`Webhook::read_deadline`].
    ///
    /// # Errors
    /// Those of both, [`RejectionKind::TooSlow`] at the deadline, and [`RejectionKind::Malformed`] when the body breaks
    /// off.
    pub async fn read<B, C, E>(mut self, deadline: Duration, body: B) -> Result<(Event, Trust), Rejection>
    where
        B: Stream<Item = Result<C, E>>,
        C: AsRef<[u8]>,
    {
        // The first chunk is held back while it may be the whole body: then it need not be copied.
        let mut whole: Option<C> = None;
        // The cap is held by `push`, for those who read by themselves as well.
        let limit = BodyLimit::new(usize::MAX, deadline);
        limit
            .each(body, |chunk: C| {
                if let Some(first) = whole.take() {
                    self.push(first.as_ref())?;
                }
                if self.is_whole(chunk.as_ref()) {
                    whole = Some(chunk);
                    return Ok(());
                }
                self.push(chunk.as_ref())
            })
            .await?;
        match whole {
            Some(whole) => self.finish_with(whole.as_ref()),
            None => self.finish(),
        }
    }

    /// Whether a chunk is the first and as long as the head said that the body is.
    pub(crate) fn is_whole(&self, chunk: &[u8]) -> bool {
        self.body.is_empty() && !chunk.is_empty() && chunk.len() == self.announced
    }
}

#[inline]
fn judge(check: Check, body: &[u8], only: Option<&EventKind>) -> Result<(Event, Trust), Rejection> {
    let trust = check.finish()?;
    let event = parse(body).map_err(|error| Rejection::because(RejectionKind::Malformed, error.as_str()))?;
    match only {
        Some(only) if event.kind.object().is_some() && event.kind != *only => {
            Err(Rejection::new(RejectionKind::WrongKind))
        }
        _ => Ok((event, trust)),
    }
}

fn over_the_cap() -> Rejection {
    Rejection::because(RejectionKind::TooLarge, "the body grew over the cap")
}

/// Shows how far it is, and nothing of the body.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("received", &self.body.len()).finish_non_exhaustive()
    }
}

fn announced_length(head: &dyn RequestHead, cap: usize) -> Result<usize, Rejection> {
    let unclear = Err(Rejection::because(RejectionKind::Malformed, "the length of the body is unclear"));
    let digits = match head.header("content-length") {
        Field::Missing => return Ok(0),
        Field::Many => return unclear,
        Field::One(value) if value.is_empty() || !value.iter().all(u8::is_ascii_digit) => return unclear,
        Field::One(value) => value,
    };
    // Saturates: a number too long for the machine is too long for the cap as well.
    let length = digits
        .iter()
        .fold(0_usize, |sum, digit| sum.saturating_mul(10).saturating_add(usize::from(digit.saturating_sub(b'0'))));
    if length > cap {
        return Err(Rejection::because(RejectionKind::TooLarge, "the announced length is over the cap"));
    }
    Ok(length)
}

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use crate::identity::transition::{HandlerNames, JobCause, VerifiedHandler};

use super::handler::Call;
use super::{AppliedEvent, Handler, HandlerError, RevokedSubject, VerifiedSubject};

/// The handlers of the application, by name.
#[derive(Default)]
pub(crate) struct Handlers(Vec<Arc<Registered>>);

/// A handler with its name, and what wakes the runner that calls it.
pub(super) struct Registered {
    pub(super) name: Arc<str>,
    trigger: Trigger,
    pub(super) handler: Box<dyn ErasedHandler>,
    /// Notified after each change: a job may have been enqueued.
    pub(super) wakeup: Notify,
}

/// What a handler is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    Event,
    Verified { needs_verification: bool },
    Revoked,
}

/// A name that can't be one. Says why.
#[derive(Debug)]
pub(crate) struct IllegalHandler(pub(crate) &'static str);

/// [`Handler`] behind a pointer.
pub(super) trait ErasedHandler: Send + Sync {
    fn call(&self, call: Call) -> HandlerFuture<'_>;
}

type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send + 'a>>;

/// A handler of one kind of call.
struct Of<T, H> {
    handler: H,
    /// The handler is called with a `T` and holds none.
    of: PhantomData<fn(T)>,
}

impl Handlers {
    pub(crate) fn on_event(&mut self, name: &str, handler: impl Handler<AppliedEvent>) {
        self.add(name, Trigger::Event, Of::<AppliedEvent, _>::boxed(handler));
    }

    pub(crate) fn on_verified(&mut self, name: &str, needs_verification: bool, handler: impl Handler<VerifiedSubject>) {
        self.add(name, Trigger::Verified { needs_verification }, Of::<VerifiedSubject, _>::boxed(handler));
    }

    pub(crate) fn on_revoked(&mut self, name: &str, handler: impl Handler<RevokedSubject>) {
        self.add(name, Trigger::Revoked, Of::<RevokedSubject, _>::boxed(handler));
    }

    fn add(&mut self, name: &str, trigger: Trigger, handler: Box<dyn ErasedHandler>) {
        self.0.push(Arc::new(Registered { name: name.into(), trigger, handler, wakeup: Notify::new() }));
    }

    /// Names are kept in rows and shown in metrics: short, plain, and unique.
    pub(crate) fn check(&self) -> Result<(), IllegalHandler> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        for (at, registered) in self.0.iter().enumerate() {
            let name = &registered.name;
            if name.is_empty() || name.len() > 64 || !name.bytes().all(legal) {
                return Err(IllegalHandler("a name takes 1 to 64 of the characters a-z A-Z 0-9 - _ ."));
            }
            if self.0.iter().take(at).any(|other| other.name == *name) {
                return Err(IllegalHandler("a name is registered twice"));
            }
        }
        Ok(())
    }

    /// The names by what they are called for.
    pub(crate) fn names(&self) -> HandlerNames {
        let mut names = HandlerNames::default();
        for registered in &self.0 {
            let name = Arc::clone(&registered.name);
            match registered.trigger {
                Trigger::Event => names.on_event.push(name),
                Trigger::Verified { needs_verification } => {
                    names.on_verified.push(VerifiedHandler { name, needs_verification });
                }
                Trigger::Revoked => names.on_revoked.push(name),
            }
        }
        names
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &Arc<Registered>> {
        self.0.iter()
    }

    /// Jobs may have been enqueued: every runner looks.
    pub(crate) fn notify(&self) {
        self.0.iter().for_each(|registered| registered.wakeup.notify_one());
    }
}

impl Registered {
    /// Of what the call is about alone, so that it outlives rows, retries and processes.
    pub(super) fn idempotency_key(&self, cause: &JobCause) -> String {
        let (what, which) = match cause {
            JobCause::Event { kind, object_id, .. } => (kind.as_str().to_owned(), object_id.as_str()),
            JobCause::Verified { subject, linked_at } => {
                (format!("verified {}", linked_at.as_millis()), subject.as_str())
            }
            JobCause::Revoked { subject, checked_at } => {
                (format!("revoked {}", checked_at.as_millis()), subject.as_str())
            }
        };
        let mut digest = Sha256::new();
        // Lengths first: no two calls may spell the same bytes.
        for part in ["incode job v1", &self.name, &what, which] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut key = HEXLOWER.encode(&digest.finalize());
        key.truncate(KEY_LEN);
        key
    }
}

impl<T: 'static, H: Handler<T>> Of<T, H>
where
    Self: ErasedHandler,
{
    fn boxed(handler: H) -> Box<dyn ErasedHandler> {
        Box::new(Self { handler, of: PhantomData })
    }
}

/// A job with another kind of cause: an older version of the application used the name for another kind of handler.
fn of_another_kind<'a>() -> HandlerFuture<'a> {
    Box::pin(std::future::ready(Err("the handler of this name is registered for another kind of cause".into())))
}

impl<H: Handler<AppliedEvent>> ErasedHandler for Of<AppliedEvent, H> {
    fn call(&self, call: Call) -> HandlerFuture<'_> {
        let Call::Event(event) = call else { return of_another_kind() };
        Box::pin(self.handler.handle(event))
    }
}

impl<H: Handler<VerifiedSubject>> ErasedHandler for Of<VerifiedSubject, H> {
    fn call(&self, call: Call) -> HandlerFuture<'_> {
        let Call::Verified(verified) = call else { return of_another_kind() };
        Box::pin(self.handler.handle(verified))
    }
}

impl<H: Handler<RevokedSubject>> ErasedHandler for Of<RevokedSubject, H> {
    fn call(&self, call: Call) -> HandlerFuture<'_> {
        let Call::Revoked(revoked) = call else { return of_another_kind() };
        Box::pin(self.handler.handle(revoked))
    }
}

/// 128 bits in hex.
const KEY_LEN: usize = 32;

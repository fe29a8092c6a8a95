use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use super::{AppliedEvent, Handler, HandlerError};
use crate::ObjectId;
use crate::model::EventKind;

/// The handlers of the application, by name.
#[derive(Default)]
pub(crate) struct Handlers(Vec<Arc<Registered>>);

/// A handler with its name, and the wakeup of the runner that calls it.
pub(super) struct Registered {
    pub(super) name: Arc<str>,
    pub(super) handler: Box<dyn ErasedHandler>,
    pub(super) wakeup: Notify,
}

/// A name that can't be one. Says why.
#[derive(Debug)]
pub(crate) struct IllegalHandler(pub(crate) &'static str);

/// [`Handler`] behind a pointer.
pub(super) trait ErasedHandler: Send + Sync {
    fn call(&self, applied: AppliedEvent) -> Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send + '_>>;
}

impl Handlers {
    pub(crate) fn add(&mut self, name: &str, handler: impl Handler) {
        self.0.push(Arc::new(Registered { name: name.into(), handler: Box::new(handler), wakeup: Notify::new() }));
    }

    /// Names are kept in rows and shown in metrics: short, plain, and each one's own.
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

    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.0.iter().map(|registered| Arc::clone(&registered.name)).collect()
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &Arc<Registered>> {
        self.0.iter()
    }

    /// Something is owed: every runner looks.
    pub(crate) fn notify(&self) {
        self.0.iter().for_each(|registered| registered.wakeup.notify_one());
    }
}

impl Registered {
    /// Of what the call is about alone, so that it outlives rows, retries and processes.
    pub(super) fn idempotency_key(&self, kind: &EventKind, object: &ObjectId) -> String {
        let mut digest = Sha256::new();
        // Lengths first: no two calls may spell the same bytes.
        for part in ["incode effect v1", &self.name, kind.as_str(), object.as_str()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut key = HEXLOWER.encode(&digest.finalize());
        key.truncate(KEY_LEN);
        key
    }
}

impl<H: Handler> ErasedHandler for H {
    fn call(&self, applied: AppliedEvent) -> Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send + '_>> {
        Box::pin(self.handle(applied))
    }
}

/// 128 bits in hex.
const KEY_LEN: usize = 32;

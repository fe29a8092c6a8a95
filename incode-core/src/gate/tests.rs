mod birth;
mod face;
mod gated_store;
mod identify;
mod near;
mod outdated;
mod pages;
mod requirement;
mod subject;
mod vocabulary;
mod watch;

use std::any::Any;
use std::sync::Arc;

use crate::Subject;
use crate::http::RequestHead;
use crate::identity::{Identity, LinkProof, Observation};
use crate::model::{AttestationStatus, IdentityStatus};
use crate::testing::ManualClock;
use crate::{IdentityId, SessionHash, Timestamp};

use super::Context;

/// A request head made of literals.
#[derive(Default)]
struct TestHead {
    headers: Vec<(&'static str, &'static [u8])>,
    subject: Option<Subject>,
    session: Option<SessionHash>,
}

impl RequestHead for TestHead {
    fn method(&self) -> &str {
        "GET"
    }

    fn path(&self) -> &str {
        "/vault"
    }

    fn query(&self) -> Option<&str> {
        None
    }

    fn header_values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.headers.iter().filter(|(known, _)| *known == name).for_each(|(_, value)| visit(value));
    }

    fn subject(&self) -> Option<&Subject> {
        self.subject.as_ref()
    }

    fn session(&self) -> Option<&SessionHash> {
        self.session.as_ref()
    }

    fn extensions(&self) -> &dyn Any {
        &()
    }
}

fn observation(identity: &str, status: &str, sent_at: i64) -> Observation {
    Observation {
        identity_id: IdentityId::new(identity).unwrap(),
        sent_at: Timestamp::from_millis(sent_at),
        status: IdentityStatus::from(status),
        attestation: Some(AttestationStatus::Ok),
        verified: None,
        face_authenticated_at: None,
        face_origin: Default::default(),
        checks: Default::default(),
        fields: Vec::new(),
    }
}

fn identity(status: &str) -> Identity {
    Identity::merge(None, &observation("person", status, 0))
}

const PROOF: LinkProof = LinkProof::Application;

pub(super) fn context() -> Arc<Context> {
    context_at(&ManualClock::new(Timestamp::from_millis(0)))
}

fn context_at(clock: &ManualClock) -> Arc<Context> {
    Arc::new(Context::plain(Arc::new(clock.clone())))
}

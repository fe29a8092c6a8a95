//! A request's head with a user in a trusted header, and nothing else.

use std::any::Any;

use incode_core::adapter::RequestHead;
use incode_core::gate::{Standing, SubjectSource, Visitor};
use incode_core::{Incode, Subject};

/// Who asks.
pub(crate) struct Caller(pub(crate) String);

impl Caller {
    /// How an [`Incode`] finds them.
    pub(crate) fn source() -> SubjectSource {
        SubjectSource::trusted_header("x-user")
    }

    /// The visitor, loaded where need be.
    pub(crate) async fn visits(&self, incode: &Incode) -> Visitor {
        incode.visit(self).visitor().await
    }

    /// Whether a gate that asks for ACTIVE is open.
    pub(crate) async fn is_let_in(&self, incode: &Incode) -> bool {
        self.visits(incode).await.standing() == Standing::Active
    }
}

impl RequestHead for Caller {
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
        if name == "x-user" {
            visit(self.0.as_bytes());
        }
    }

    fn subject(&self) -> Option<&Subject> {
        None
    }

    fn extensions(&self) -> &dyn Any {
        &()
    }
}

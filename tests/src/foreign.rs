//! A visitor that is not the layer's: what a mistaken middleware might leave in a request before the layer sees it.

use std::sync::{Mutex, PoisonError};

use incode_core::Incode;
use incode_core::gate::Visitor;
use incode_tower::HttpHead;

/// The app's own authentication puts what was left into requests that carry this header.
pub const HEADER: &str = "x-foreign";

/// What an [`Incode`] knows of a user.
pub async fn visitor_of(incode: &Incode, user: &str) -> Visitor {
    let request = http::Request::builder().header("x-user", user).body(()).unwrap();
    let visit = incode.visit(&HttpHead::from(&request));
    visit.visitor().await
}

/// For requests to come.
pub fn leave(visitor: Visitor) {
    *LEFT.lock().unwrap_or_else(PoisonError::into_inner) = Some(visitor);
}

pub(crate) fn left() -> Option<Visitor> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

static LEFT: Mutex<Option<Visitor>> = Mutex::new(None);

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gate_kit::BasePath;
use incode_core::flow::{FaceError, FaceErrorKind};
use incode_core::gate::{Audience, Denial};
use incode_core::http::{Problem, Reply};
use incode_core::store::StoreError;
use incode_tower::{Denied, response};

use crate::{Bank, Key, TransferError, pages};

/// The application's own rendering of what layer and gate refuse: pages for people, problem+json for programs.
pub fn render(base: &BasePath, problem: &Problem, audience: Audience) -> Option<Reply> {
    audience.html.then(|| pages::problem(base, problem))
}

/// The answer to a request that did not get what it wanted.
pub(crate) enum Refusal {
    /// A page that says why, and what to do.
    Problem(Problem),
    /// This transfer was made: here it is.
    Made(Key),
    /// What the gate says.
    Denied(Denied),
}

impl Refusal {
    pub(crate) fn problem(status: u16, code: &'static str, title: &'static str, detail: &'static str) -> Self {
        Self::Problem(Problem::new(status, code, title, detail))
    }

    /// A form without the session's secret: another site's page, or a page from before the login.
    pub(crate) fn foreign_form() -> Self {
        Self::problem(
            403,
            "form_refused",
            "TransferError",
            "This form is not of this session. Start again from the front page.",
        )
    }

    pub(crate) fn malformed() -> Self {
        Self::problem(
            400,
            "form_malformed",
            "Not readable",
            "The form did not arrive whole. Go back and send it again.",
        )
    }

    /// Of the transfer `id`.
    pub(crate) fn of(refused: TransferError, id: &Key) -> Self {
        let (status, code, title, detail) = match refused {
            TransferError::Made => return Self::Made(id.clone()),
            TransferError::Unknown => {
                (404, "transfer_unknown", "No such transfer", "Nothing waits under this address, and nothing was made.")
            }
            TransferError::Expired => {
                (410, "transfer_expired", "Transfer expired", "It waited for more than ten minutes. Nothing was made.")
            }
            TransferError::Differs => {
                let detail = "This form was sent before with other details, and those stand. Start a new transfer.";
                (409, "transfer_differs", "Sent before", detail)
            }
            TransferError::TooManyFaces => {
                let detail = "Too many faces were tried, so this transfer was dropped. Nothing was made.";
                (403, "transfer_dropped", "Transfer dropped", detail)
            }
            TransferError::TooMany => {
                (429, "too_many_transfers", "Too many transfers", "Confirm or cancel those that wait, then try again.")
            }
        };
        Self::problem(status, code, title, detail)
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial.into())
    }
}

impl From<FaceError> for Refusal {
    /// No outcome: nothing was made, and the transfer waits on.
    fn from(error: FaceError) -> Self {
        if matches!(error.kind(), FaceErrorKind::Vendor | FaceErrorKind::Store) {
            tracing::warn!(error.kind = ?error.kind(), "no outcome of a face authentication");
        }
        Self::Problem(error.problem())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::warn!(error.kind = ?error.kind(), error.cause = %error.cause(), "identity status not read");
        let detail = "Your status can't be read right now. Nothing was made; go back and try again in a moment.";
        Self::problem(503, "identity_unavailable", "Try again soon", detail)
    }
}

/// A refusal on its way out, for [`show_refusals`]: its links need the path of the public URL.
#[derive(Clone)]
enum Unshown {
    Problem(Problem),
    Made(Key),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let unshown = match self {
            Self::Problem(problem) => Unshown::Problem(problem),
            Self::Made(id) => Unshown::Made(id),
            Self::Denied(denied) => return denied.into_response(),
        };
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(unshown);
        response
    }
}

/// Middleware around all routes: makes the page of each refusal.
pub(crate) async fn show_refusals(State(bank): State<Arc<Bank>>, request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    match answer.extensions_mut().remove() {
        Some(Unshown::Problem(problem)) => response(pages::problem(&bank.base, &problem)).into_response(),
        Some(Unshown::Made(id)) => bank.go(&format!("/transfers/{}", id.as_str())).into_response(),
        None => answer,
    }
}

/// What nothing else answers.
pub(crate) async fn not_found() -> Refusal {
    Refusal::problem(404, "not_found", "Not here", "There is nothing at this address.")
}

//! The pages of the hosted flow.

use axum::http::StatusCode;
use axum::response::Response;
use data_encoding::BASE64;
use maud::html;
use url::Url;

use super::FlowStart;
use crate::faces;
use crate::page::{mark, page};

/// The form. The start's parameters go along in hidden fields, because the sandbox keeps no session.
pub(super) fn form(start: &FlowStart, back: &Url) -> Response {
    let face = BASE64.encode(faces::portrait("hosted flow").as_bytes());
    let host = back.host_str().unwrap_or("the application");
    let host = back.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let content = html! {
        form class="card" method="post" action="/" {
            div class="brand" { (mark()) "Identity check" span class="badge wait" { "Sandbox" } }
            h1 { "Confirm who you are" }
            p class="soft" { "For " strong { (host) } ". Nothing here is real: no document is read, no face is kept." }
            div class="passport" {
                img class="face" alt="" src={ "data:image/svg+xml;base64," (face) };
                ul {
                    li { span class="tick" aria-hidden="true" { "✓" } "Passport read" }
                    li { span class="tick" aria-hidden="true" { "✓" } "Photo page matches the chip" }
                    li { span class="tick" aria-hidden="true" { "✓" } "Selfie taken" }
                }
            }
            div class="fields" {
                label class="wide" { "Full name" input name="name" value="Ana Flores" autocomplete="off" required; }
                label class="wide" {
                    "Email"
                    input name="email" type="email" value="ana.flores@example.com" autocomplete="off" required;
                }
                label { "Phone" input name="phone" type="tel" value="+521234567890" autocomplete="off"; }
                label { "Date of birth" input name="date_of_birth" type="date" value="1988-08-13"; }
            }
            input type="hidden" name="client_id" value=(start.client_id);
            input type="hidden" name="redirect_url" value=(start.redirect_url);
            @if let Some(correlation_id) = &start.correlation_id {
                input type="hidden" name="correlation_id" value=(correlation_id);
            }
            fieldset {
                legend { "Kind of check" }
                label class="option" {
                    input type="radio" name="check" value="verification" checked;
                    span { "Document and selfie (verification)" }
                }
                label class="option" {
                    input type="radio" name="check" value="authentication";
                    span { "Face only (authentication), for an enrolled email" }
                }
            }
            div class="choice" {
                button class="main" name="outcome" value="pass" { "Pass the check" }
                button class="danger" name="outcome" value="fail" { "Fail the check" }
                button name="outcome" value="pending" { "Leave it pending" }
            }
            p class="note" {
                "The same email is the same person. Each outcome returns to " (host) " with a token of that person."
            }
        }
    };
    page(StatusCode::OK, "Identity check (sandbox)", "flow", false, &content)
}

/// A page with the reason of a refusal. It does not link to the `redirect_url`, which may be the reason.
pub(super) fn refused(status: StatusCode, why: &str) -> Response {
    let content = html! {
        div class="card" {
            div class="brand" { (mark()) "Identity check" span class="badge wait" { "Sandbox" } }
            h1 { "This check can't start" }
            p class="soft" { (why) }
            p class="note" { "Looking for the sandbox itself? " a href="/control" { "Open its control page" } "." }
        }
    };
    page(status, "This check can't start", "flow", false, &content)
}

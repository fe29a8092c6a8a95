use incode_core::http::{Problem, Reply};
use maud::html;

use crate::BasePath;

use super::{bar, page_that_reloads, sign, verify_link};

/// A refusal for a person: the same status and headers as for a program, in plain words with one next step.
pub(crate) fn problem(base: &BasePath, problem: &Problem) -> Reply {
    let (label, url) = next_step(base, problem);
    let home = base.link("/");
    let tone = if matches!(problem.code, "identity_revoked" | "layer_missing") { "bad" } else { "wait" };
    let content = html! {
        (bar(base, None))
        main {
            div class="card" {
                (sign(tone))
                h1 { (problem.title) }
                p class="soft" { (problem.detail) }
                div class="actions" {
                    a class="button main" href=(url) { (label) }
                    @if url != home { a class="button" href=(home) { "Back" } }
                }
                p class="code" { (problem.status) " · " (problem.code) }
            }
        }
    };
    let reload = problem.headers.iter().find(|(name, _)| problem.code == PENDING && *name == "retry-after");
    let reload = reload.map(|(_, seconds)| &**seconds);
    let mut reply = page_that_reloads(problem.status, problem.title, "alone", &content, reload);
    reply.headers.extend(problem.headers.iter().cloned());
    reply
}

fn next_step(base: &BasePath, problem: &Problem) -> (&'static str, String) {
    match (problem.code, problem.verify_url()) {
        ("identity_revoked" | "identity_not_active" | "verification_expired", Some(url)) => {
            ("Verify again", verify_link(base, url))
        }
        (_, Some(url)) => ("Verify my identity", verify_link(base, url)),
        ("authentication_required", None) => ("Log in", base.link("/")),
        ("face_authentication_required", None) => ("Confirm by face", base.link("/#face")),
        (code, None) if code.starts_with("image_") => ("Try again", base.link("/#face")),
        (code, None) if RESTARTS.contains(&code) => {
            ("Start again", base.link(&format!("/verify?return_to={}", base.link("/"))))
        }
        _ => ("Back", base.link("/")),
    }
}

/// Ends of the hosted flow that another start can mend.
const RESTARTS: [&str; 8] = [
    "flow_incomplete",
    "flow_unknown",
    "flow_expired",
    "flow_used",
    "flow_token_dead",
    "flow_token_foreign",
    "flow_token_used",
    "verification_not_passed",
];

/// What passes by itself: the page looks again.
const PENDING: &str = "verification_pending";

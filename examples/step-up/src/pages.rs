//! HTML without script, with gate-kit's frame and style.

use gate_kit::BasePath;
use gate_kit::view::{faces, page, page_that_reloads, sign, time};
use incode_core::gate::{Standing, Visitor};
use incode_core::http::{Problem, Reply};
use maud::{Markup, html};

use crate::face::FaceFailure;
use crate::{Bank, CompletedTransfer, Key, Session, Transfer};

/// `GET /` without a session.
pub(crate) fn welcome(base: &BasePath) -> Reply {
    let content = html! {
        (bar(base, None))
        main {
            div class="welcome" {
                div {
                    h1 { "Money moves when its owner says so" }
                    p class="lead" {
                        "Enter a transfer. You see once more what you are about to confirm, and your face confirms exactly \
                         that: one face, one transfer."
                    }
                }
                form class="card" method="post" action=(base.link("/login")) {
                    h2 { "Log in" }
                    label class="field" {
                        "User name"
                        input type="text" name="user" value="alice" required maxlength="64" autocomplete="username"
                            autocapitalize="none" spellcheck="false";
                    }
                    button class="main" { "Log in" }
                    p class="soft" { "No password: this is an example. Choose any name." }
                }
            }
        }
    };
    page(200, "Transfers", "home", &content)
}

/// `GET /` with a session.
pub(crate) fn home(bank: &Bank, visitor: &Visitor, session: &Session) -> Reply {
    let base = &bank.base;
    let waiting = bank.transfers.all_waiting(session);
    let made = bank.transfers.all_made(&session.subject);
    let content = html! {
        (bar(base, Some(session)))
        main {
            @if visitor.standing() == Standing::Active {
                (new_transfer(base, session))
            } @else {
                (verify_first(base, session, visitor))
            }
            @if !waiting.is_empty() {
                section class="card list" {
                    h2 { "Waiting for your face" }
                    @for (id, transfer) in &waiting {
                        div class="row" {
                            (line(transfer))
                            a class="button" href={ (base.link("/confirm/")) (id.as_str()) } { "Look at it" }
                        }
                    }
                }
            }
            section class="card list" {
                h2 { "Made" }
                @for made in &made { div class="row" { (line(&made.transfer)) span class="soft" { (time(made.at)) } } }
                @if made.is_empty() { p class="soft" { "No transfer so far." } }
                @if let Some(since) = bank.transfers.account_since(&session.subject) {
                    p class="soft" { "Your account is open since " (time(since)) "." }
                }
            }
            @if let Some(sandbox) = &bank.sandbox {
                p class="foot" {
                    "Nothing here is real: a sandbox plays Incode. " a href=(sandbox.control_url()) { "Open its control page" }
                    " to revoke people."
                }
            }
        }
    };
    let reload = (visitor.standing() == Standing::VerificationPending).then_some("3");
    page_that_reloads(200, "Transfers", "home", &content, reload)
}

/// `GET /confirm/{id}`: the transfer once more, and the face that makes it.
pub(crate) fn confirmation(
    bank: &Bank,
    visitor: &Visitor,
    session: &Session,
    id: &Key,
    transfer: &Transfer,
    why_not: Option<FaceFailure>,
) -> Reply {
    let base = &bank.base;
    let confirm = base.link(&format!("/confirm/{}", id.as_str()));
    let content = html! {
        (bar(base, Some(session)))
        main {
            @if let Some(why) = why_not { p class="notice bad" role="alert" { (why.text) " Nothing was made." } }
            form class="card" method="post" action=(confirm) enctype="multipart/form-data" {
                span class="badge wait" { "Not made yet" }
                h1 class="sum" { (transfer.amount()) }
                p { "to " strong { (transfer.recipient()) } }
                p class="soft" { "Confirm with your face, and exactly this is transferred." }
                (hidden(session))
                (faces(bank.sandbox.as_ref(), visitor.identity()))
                div class="actions" {
                    button class="main" { "Confirm by face" }
                    button form="cancel" { "Cancel" }
                }
            }
            form id="cancel" method="post" action={ (confirm) "/cancel" } { (hidden(session)) }
        }
    };
    page(200, "Confirm the transfer", "confirm", &content)
}

/// `GET /transfers/{id}`.
pub(crate) fn receipt(base: &BasePath, session: &Session, made: &CompletedTransfer) -> Reply {
    let content = html! {
        (bar(base, Some(session)))
        main {
            div class="card" {
                (sign("good"))
                h1 { "Transfer made" }
                p { strong { (made.transfer.amount()) } " to " strong { (made.transfer.recipient()) } }
                p class="soft" { (time(made.at)) ". No money moved: this is an example." }
                div class="actions" { a class="button main" href=(base.link("/")) { "Back to your transfers" } }
            }
        }
    };
    page(200, "Transfer made", "alone", &content)
}

/// Whatever was refused, in plain words with one next step.
pub(crate) fn problem(base: &BasePath, problem: &Problem) -> Reply {
    // By the front page, which names the account that is verified.
    let label = match (problem.verify_url(), problem.code) {
        (Some(_), _) => "Verify my identity",
        (None, "authentication_required") => "Log in",
        (None, _) => "Back to your transfers",
    };
    let is_pending = problem.code == "verification_pending";
    let reload = problem.headers.iter().find(|(name, _)| is_pending && *name == "retry-after");
    let content = html! {
        (bar(base, None))
        main {
            div class="card" {
                (sign(if problem.status == 403 && !is_pending { "bad" } else { "wait" }))
                h1 { (problem.title) }
                p class="soft" { (problem.detail) }
                div class="actions" { a class="button main" href=(base.link("/")) { (label) } }
                p class="code" { (problem.status) " · " (problem.code) }
            }
        }
    };
    let reload = reload.map(|(_, seconds)| &**seconds);
    let mut reply = page_that_reloads(problem.status, problem.title, "alone", &content, reload);
    reply.headers.extend(problem.headers.iter().cloned());
    reply
}

fn new_transfer(base: &BasePath, session: &Session) -> Markup {
    html! {
        form class="card transfer" method="post" action=(base.link("/transfer")) {
            h1 { "A new transfer" }
            (hidden(session))
            // Without randomness the form is refused, and nothing worse.
            input type="hidden" name="id" value=(Key::random().as_ref().map_or("", Key::as_str));
            div class="grid" {
                label class="field" {
                    "Amount"
                    input type="text" name="amount" inputmode="decimal" placeholder="250.00" required maxlength="10"
                        autocomplete="off" pattern="[0-9]+(\\.[0-9]{2})?";
                }
                label class="field" {
                    "Recipient"
                    input type="text" name="recipient" placeholder="Bob" required maxlength="70" autocomplete="off";
                }
            }
            div class="actions" {
                button class="main" { "Transfer" }
                span class="soft" { "You will be asked for your face." }
            }
        }
    }
}

fn verify_first(base: &BasePath, session: &Session, visitor: &Visitor) -> Markup {
    let (tone, title, detail) = match visitor.standing() {
        Standing::Revoked => ("bad", "Your identity was revoked", "Incode no longer vouches for you: no transfers."),
        Standing::VerificationPending => {
            ("wait", "Your verification is being confirmed", "Incode says in a moment whether you passed.")
        }
        Standing::Unavailable => ("wait", "We can't look right now", "Your status can't be read. Reload soon."),
        _ => ("wait", "Verify your identity first", "Show your document and your face once. It takes a minute."),
    };
    html! {
        section class="card standing" {
            (sign(tone))
            div class="grow" {
                h1 { (title) }
                p class="soft" { (detail) }
                // Another check does not undo a revocation.
                @if !matches!(visitor.standing(), Standing::Unavailable | Standing::Revoked) {
                    // Another person may have logged this browser in: the identity is linked to that account.
                    p class="soft" {
                        "Your identity will be linked to the account " strong { (session.subject.as_str()) }
                        ". If it is not yours, log out first."
                    }
                    div class="actions" { a class="button main" href=(base.link("/incode/start")) { "Verify my identity" } }
                }
            }
        }
    }
}

fn line(transfer: &Transfer) -> Markup {
    html! { span class="grow" { strong { (transfer.amount()) } " to " (transfer.recipient()) } }
}

fn hidden(session: &Session) -> Markup {
    html! { input type="hidden" name="form" value=(session.form.as_str()); }
}

fn bar(base: &BasePath, session: Option<&Session>) -> Markup {
    html! {
        header class="bar" {
            a class="brand" href=(base.link("/")) { "Step up" }
            @if let Some(session) = session {
                span class="user" { (session.subject.as_str()) }
                form method="post" action=(base.link("/logout")) { (hidden(session)) button { "Log out" } }
            }
        }
    }
}

use incode_core::gate::{Standing, Visitor};
use incode_core::http::Reply;
use incode_core::identity::Identity;
use maud::{Markup, html};

use crate::notice::Notice;
use crate::{BasePath, Site};

use super::{bar, faces, page_that_reloads, sign, time};

/// `GET /`.
pub(crate) fn home(site: &Site, visitor: &Visitor, notice: Option<Notice>) -> Reply {
    let user = visitor.subject().map(|subject| subject.as_str());
    let content = html! {
        (bar(&site.base, user))
        main {
            @if let Some(notice) = notice {
                p class={ "notice " (if notice.good { "good" } else { "bad" }) } role="status" { (notice.text) }
            }
            @if user.is_some() { (signed_in(site, visitor)) } @else { (welcome(&site.base)) }
            @if let Some(sandbox) = &site.sandbox {
                p class="foot" {
                    "Nothing here is real: a sandbox plays Incode. "
                    a href=(sandbox.control_url()) { "Open its control page" }
                    " to revoke people and to see what was delivered."
                }
            }
        }
    };
    let reload = (visitor.standing() == Standing::VerificationPending).then_some(PENDING_RELOAD);
    page_that_reloads(200, "Who am I", "home", &content, reload)
}

fn welcome(base: &BasePath) -> Markup {
    html! {
        div class="welcome" {
            div {
                h1 { "A vault that opens for verified people" }
                p class="lead" {
                    "Log in, get verified with Incode, and the door opens. When Incode withdraws an identity, it closes \
                     at the next request."
                }
            }
            form class="card" method="post" action=(base.link("/login")) {
                h2 { "Log in" }
                label class="field" {
                    "User name"
                    input type="text" name="user" value="alice" required maxlength="64" pattern="[A-Za-z0-9._@\\-]+"
                        autocomplete="username" autocapitalize="none" spellcheck="false";
                }
                button class="main" { "Log in" }
                p class="soft" { "No password: this is an example. Choose any name." }
            }
        }
    }
}

fn signed_in(site: &Site, visitor: &Visitor) -> Markup {
    let passes_transfer = visitor.require(&Site::TRANSFER).is_ok();
    let active = visitor.standing() == Standing::Active;
    html! {
        (steps(active, passes_transfer))
        (standing(site, visitor))
        div class="grid" {
            section class="card door" {
                header { h2 { "The vault" } (lock(active)) }
                p class="soft" { "Opens for verified people." }
                div class="actions" { a class="button" href=(site.base.link("/vault")) { "Open the vault" } }
            }
            form class="card door" method="post" action=(site.base.link("/transfer")) {
                header { h2 { "A transfer" } (lock(passes_transfer)) }
                p class="soft" { "Opens for verified people who confirmed their face within 5 minutes." }
                div class="actions" { button { "Make a transfer" } }
            }
            (face(site, visitor.identity()))
        }
    }
}

fn steps(active: bool, confirmed: bool) -> Markup {
    let classes = match (active, confirmed) {
        (false, _) => ["done", "next", ""],
        (true, false) => ["done", "done", "next"],
        (true, true) => ["done"; 3],
    };
    html! {
        ol class="steps" {
            @for (class, name) in classes.into_iter().zip(["Logged in", "Identity verified", "Face confirmed"]) {
                li class=(class) { (name) }
            }
        }
    }
}

fn standing(site: &Site, visitor: &Visitor) -> Markup {
    let (tone, badge, title) = words(visitor.standing());
    let verify = match visitor.standing() {
        _ if !site.can_verify => None,
        // Another check does not undo a revocation.
        Standing::Active | Standing::Revoked | Standing::Unavailable => None,
        Standing::NotLinked | Standing::NotYetAsked | Standing::NoSubject => Some("Verify my identity"),
        Standing::Other => Some("Verify again"),
        Standing::VerificationPending => Some("Start again"),
    };
    html! {
        section class="card standing" {
            (sign(tone))
            div class="grow" {
                span class={ "badge " (tone) } { (badge) }
                h1 { (title) }
                p class="soft" { (detail(visitor)) }
                @if let Some(verify) = verify {
                    div class="actions" { a class="button main" href={ (site.base.link("/verify?return_to=")) (site.base.link("/")) } { (verify) } }
                }
            }
            @if let Some(identity) = visitor.identity() { (facts(identity)) }
        }
    }
}

fn words(standing: Standing) -> (&'static str, &'static str, &'static str) {
    match standing {
        Standing::Active => ("good", "Verified", "You are who you say you are"),
        Standing::Revoked => ("bad", "Revoked", "Your identity was revoked"),
        Standing::Other => ("wait", "Not active", "Your identity is not active"),
        Standing::NotLinked | Standing::NotYetAsked | Standing::NoSubject => {
            ("wait", "Not verified", "We don't know you yet")
        }
        Standing::VerificationPending => ("wait", "Pending", "Your verification is being confirmed"),
        Standing::Unavailable => ("wait", "Unknown", "We can't look right now"),
    }
}

fn detail(visitor: &Visitor) -> Markup {
    html! {
        @match visitor.standing() {
            Standing::Active => "Incode vouches for you, and the vault is open.",
            Standing::Revoked => "Incode no longer vouches for this identity, so the doors stay closed.",
            Standing::Other => {
                "Incode knows you, and says "
                @if let Some(identity) = visitor.identity() { code { (identity.status) } }
                ". The doors open when it says ACTIVE."
            }
            Standing::NotLinked | Standing::NotYetAsked | Standing::NoSubject => "Show your document and your face once. It takes a minute.",
            Standing::VerificationPending => {
                "Incode says in a moment whether you passed. This page looks again by itself. If you did not finish, start \
                 again."
            }
            Standing::Unavailable => "Your status can't be read at the moment, so the doors stay closed. Reload soon.",
        }
    }
}

fn facts(identity: &Identity) -> Markup {
    html! {
        dl class="facts" {
            div { dt { "Identity" } dd { code { (identity.identity_id.masked().as_str()) } } }
            div {
                dt { "Verified" }
                dd { @if let Some(at) = identity.verified_at { (time(at)) } @else { "not yet seen" } }
            }
            div {
                dt { "Face confirmed" }
                dd { @if let Some(at) = identity.face_authenticated_at { (time(at)) } @else { "never" } }
            }
            @if let Some(attestation) = &identity.attestation {
                div { dt { "Document check" } dd { (attestation) } }
            }
        }
    }
}

fn lock(open: bool) -> Markup {
    html! { @if open { span class="badge good" { "Open" } } @else { span class="badge wait" { "Closed" } } }
}

fn face(site: &Site, identity: Option<&Identity>) -> Markup {
    html! {
        form class="card wide door" id="face" method="post" action=(site.base.link("/face")) enctype="multipart/form-data" {
            h2 { "Confirm by face" }
            (faces(site.sandbox.as_ref(), identity))
            div class="actions" { button { "Confirm by face" } }
        }
    }
}

/// After how many seconds the page looks again: the event of a check usually comes within a few.
const PENDING_RELOAD: &str = "3";

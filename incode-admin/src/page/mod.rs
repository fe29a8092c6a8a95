//! The pages. Everything shown goes through maud, which escapes it; nothing but the style sheet is taken verbatim.

mod inbox;
mod jobs;
mod people;
mod rows;
mod trail;
mod words;

use std::sync::LazyLock;

use data_encoding::BASE64;
use incode_core::adapter::{Problem, Reply};
use incode_core::identity::Identity;
use incode_core::{IdentityId, Subject, Timestamp};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

pub(super) use inbox::{Inbox, inbox};
pub(super) use jobs::{Jobs, job, jobs};
pub(super) use people::{people, person};
pub(super) use rows::event;
pub(super) use trail::audit;

pub(super) fn identity(identity: &Identity, subjects: &[Subject], root: &str) -> Reply {
    let Identity { status, verification_id, verified_at, face_authenticated_at, attestation, .. } = identity;
    let segment = identity_segment(&identity.identity_id);
    let content = html! {
        h1 { "Identity" }
        section class="card" aria-label="What is known" {
            dl class="facts" {
                dt { "Identity" } dd { code { (identity.identity_id.as_str()) } }
                dt { "Subjects" } dd { (people::links(subjects, root)) }
                dt { "Status" } dd { (status.as_str()) }
                dt { "Asked for" } dd { (time(identity.checked_at)) }
                dt { "Verification" } dd { @if let Some(id) = verification_id { code { (id.as_str()) } } @else { "none" } }
                dt { "Verified" } dd { (maybe_time(*verified_at)) }
                dt { "Confirmed by face" } dd { (maybe_time(*face_authenticated_at)) }
                dt { "Attestation" } dd { (attestation.as_ref().map_or("none", |status| status.as_str())) }
            }
        }
        (people::export(&format!("{segment}/export"), None))
        (people::erase(&format!("{segment}/forget")))
    };
    page(200, "Identity", root, Some(Place::People), &content)
}

pub(super) fn problem(problem: &Problem) -> Reply {
    // Where it was asked for is not known, so there is no link that would be right.
    let content = html! {
        div class="card alone" {
            h1 { (problem.title) }
            p { (problem.detail) }
            p class="soft" { (problem.status) " " code { (problem.code) } }
        }
    };
    let mut reply = render(problem.status, problem.title, &html! { main { (content) } });
    reply.headers.extend(problem.headers.iter().cloned());
    reply
}

/// Where a page belongs in the navigation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Inbox,
    Jobs,
    People,
    Trail,
}

fn page(status: u16, title: &str, root: &str, place: Option<Place>, content: &Markup) -> Reply {
    let current = |own| (place == Some(own)).then_some("page");
    let body = html! {
        header class="bar" {
            span class="brand" { span class="mark" aria-hidden="true" {} "Incode inbox" }
            nav aria-label="Pages" {
                a href={ (root) "inbox" } aria-current=[current(Place::Inbox)] { "Events" }
                a href={ (root) "jobs" } aria-current=[current(Place::Jobs)] { "Jobs" }
                a href={ (root) "people" } aria-current=[current(Place::People)] { "People" }
                a href={ (root) "audit" } aria-current=[current(Place::Trail)] { "Audit trail" }
            }
        }
        main { (content) }
    };
    render(status, title, &body)
}

fn render(status: u16, title: &str, body: &Markup) -> Reply {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · Incode inbox" }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    Reply::new(status)
        .body("text/html; charset=utf-8", page.into_string())
        .header("cache-control", "no-store")
        .header("content-security-policy", POLICY.as_str())
        .header("x-content-type-options", "nosniff")
        // Sends other sites no referrer, as `no-referrer` does. With `no-referrer`, browsers send `Origin: null` with
        // the page's own forms, and over plain http nothing else shows that they are its own.
        .header("referrer-policy", "same-origin")
}

/// A wide table. It can be scrolled with the keyboard, and so has a name.
fn scrollable(name: &str, class: &str, table: &Markup) -> Markup {
    html! { div class={ "card table " (class) } role="region" aria-label=(name) tabindex="0" { (table) } }
}

/// A count that leads to what it counts.
fn tile(link: &str, is_current: bool, title: &str, count: u64, more: &Markup) -> Markup {
    html! {
        a class="card" href=(link) aria-current=[is_current.then_some("page")] {
            span { (title) }
            b { (count) }
            (more)
        }
    }
}

/// Where a form leads back to.
fn hidden(fields: &[(&'static str, String)]) -> Markup {
    html! { @for (name, value) in fields { input type="hidden" name=(name) value=(value); } }
}

fn notice(tone: &'static str, text: &Markup) -> Markup {
    html! { p class={ "notice " (tone) } role="status" { (text) } }
}

fn time(at: Timestamp) -> Markup {
    let exact = at.to_string();
    let shown = exact.get(..19).unwrap_or(&exact).replace('T', " ");
    html! { time datetime=(exact) { (shown) } }
}

fn maybe_time(at: Option<Timestamp>) -> Markup {
    at.map_or_else(|| html! { "never" }, time)
}

/// An identity id is visible ASCII, but may hold what means something in a URL.
fn identity_segment(id: &IdentityId) -> String {
    percent_encoding::utf8_percent_encode(id.as_str(), percent_encoding::NON_ALPHANUMERIC).to_string()
}

const STYLE: &str = include_str!("style.css");

/// No script at all, this one style sheet, and forms that go nowhere else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = BASE64.encode(&Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

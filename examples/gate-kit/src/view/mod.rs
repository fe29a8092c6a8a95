//! The pages: no script, nothing loaded from anywhere, readable on a phone and in the dark.

mod faces;
mod home;
mod problem;
mod vault;
mod verify;

use std::sync::LazyLock;

use data_encoding::BASE64;
use incode_core::Timestamp;
use incode_core::http::Reply;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::BasePath;

pub use faces::faces;
pub(crate) use home::home;
pub(crate) use problem::problem;
pub(crate) use vault::vault;
pub(crate) use verify::{verify, verify_link};

/// A whole page.
pub fn page(status: u16, title: &str, class: &str, content: &Markup) -> Reply {
    page_that_reloads(status, title, class, content, None)
}

/// A whole page. With `reload`, in seconds, the browser asks for it again by itself, without script.
pub fn page_that_reloads(status: u16, title: &str, class: &str, content: &Markup, reload: Option<&str>) -> Reply {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(seconds) = reload { meta http-equiv="refresh" content=(seconds); }
                title { (title) }
                link rel="icon" href=(ICON);
                style { (PreEscaped(STYLE)) }
            }
            body class=(class) { (content) }
        }
    };
    // `same-origin` and not `no-referrer`: without a referrer browsers send `Origin: null` along with our own forms.
    Reply::new(status)
        .body("text/html; charset=utf-8", markup.into_string())
        .header("cache-control", "no-store")
        .header("content-security-policy", POLICY.as_str())
        .header("referrer-policy", "same-origin")
        .header("x-content-type-options", "nosniff")
}

/// The bar on top, with the name of the logged-in user.
fn bar(base: &BasePath, user: Option<&str>) -> Markup {
    html! {
        header class="bar" {
            a class="brand" href=(base.link("/")) { (mark()) "Gate" }
            @if let Some(user) = user {
                span class="user" { (user) }
                form method="post" action=(base.link("/logout")) { button { "Log out" } }
            }
        }
    }
}

fn mark() -> Markup {
    html! {
        svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" {
            rect width="32" height="32" rx="9" fill="var(--accent)" {}
            path d="M10 24V14a6 6 0 0 1 12 0v10" fill="none" stroke="#fff" stroke-width="2.4" stroke-linecap="round" {}
            circle cx="16" cy="17.5" r="2.2" fill="#fff" {}
            path d="M16 19v4" stroke="#fff" stroke-width="2.4" stroke-linecap="round" {}
        }
    }
}

/// A round sign in one of the tones `good`, `bad` and `wait`.
pub fn sign(tone: &str) -> Markup {
    let line = match tone {
        "good" => "M9 16.5l5 5 9.5-10.5",
        "bad" => "M11 11l10 10M21 11L11 21",
        _ => "M16 9v8M16 22v.2",
    };
    html! {
        svg class={ "sign " (tone) } viewBox="0 0 32 32" width="44" height="44" aria-hidden="true" {
            path d=(line) fill="none" stroke="currentColor" stroke-width="2.8" stroke-linecap="round"
                stroke-linejoin="round" {}
        }
    }
}

/// To the minute, with the exact instant in the markup.
pub fn time(at: Timestamp) -> Markup {
    let exact = at.to_string();
    let shown = exact.get(..16).map(|start| start.replace('T', " ")).unwrap_or_else(|| exact.clone());
    html! { time datetime=(exact) { (shown) " UTC" } }
}

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = BASE64.encode(&Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
});

const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E\
    %3Crect width='32' height='32' rx='9' fill='%233d4fd1'/%3E%3Cpath d='M10 24V14a6 6 0 0 1 12 0v10' fill='none' \
    stroke='%23fff' stroke-width='2.6' stroke-linecap='round'/%3E%3C/svg%3E";

const STYLE: &str = include_str!("style.css");

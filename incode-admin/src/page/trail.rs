use maud::{Markup, html};

use crate::Timestamp;
use crate::http::Reply;
use crate::store::{Audit, AuditAction, AuditId, DeadFilter, Reason, Replay};

use super::words::{age, events};
use super::{Place, notice, page, time};

/// The page of the audit trail.
pub(in crate::admin) fn audit(
    audits: &[Audit],
    next: Option<AuditId>,
    forgotten: Option<bool>,
    root: &str,
    now: Timestamp,
) -> Reply {
    let content = html! {
        @match forgotten {
            None => {}
            Some(true) => { (notice("good", &html! { "The identity and its links are erased." })) }
            Some(false) => { (notice("calm", &html! { "Nothing was known of this identity." })) }
        }
        h1 { "Audit trail" }
        p class="soft lead" { "Every replay and every erasure, written in the transaction that did it." }
        @if audits.is_empty() { p class="card empty" { "Nothing was done by hand yet." } } @else { (table(audits, root, now)) }
        @if let Some(AuditId(next)) = next {
            p class="pages" { a class="older" href={ (root) "audit?before=" (next) } { "Older →" } }
        }
    };
    page(200, "Audit trail", root, Some(Place::Trail), &content)
}

pub(super) fn table(audits: &[Audit], root: &str, now: Timestamp) -> Markup {
    html! {
        div class="card table trail" {
            table {
                thead { tr { th { "When (UTC)" } th { "Who" } th class="wide" { "What" } th class="number" { "How many" } } }
                tbody {
                    @for audit in audits {
                        tr {
                            td { (age(now.since(audit.at))) " ago" small { (time(audit.at)) } }
                            td { bdi class="actor" { (audit.actor.as_str()) } }
                            td class="wide" { (what(&audit.action, root)) }
                            td class="number" { (count(audit)) }
                        }
                    }
                }
            }
        }
    }
}

fn what(action: &AuditAction, root: &str) -> Markup {
    html! {
        @match action {
            AuditAction::Replay(Replay::One(id)) => { "Replayed event " a href={ (root) "inbox/" (id.0) } { "#" (id.0) } }
            AuditAction::Replay(Replay::Dead(filter)) => { (dead(filter)) }
            AuditAction::Forget(masked) => { "Erased identity " code { (masked) } }
        }
    }
}

fn dead(DeadFilter { reason, kind, accepted_before }: &DeadFilter) -> Markup {
    html! {
        "Replayed all dead events"
        @if let Some(reason) = reason { ", reason " code { (Reason::as_str(*reason)) } }
        @if let Some(kind) = kind { ", kind " span class="kind" { (kind.as_str()) } }
        @if let Some(before) = accepted_before { ", accepted before " (time(*before)) }
    }
}

fn count(audit: &Audit) -> Markup {
    match (&audit.action, audit.count) {
        (_, 0) => html! { span class="soft" { "nothing to do" } },
        (AuditAction::Replay(_), count) => html! { (events(count)) },
        (AuditAction::Forget(_), _) => html! { "1 identity" },
    }
}

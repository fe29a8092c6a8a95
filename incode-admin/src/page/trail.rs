use incode_core::Timestamp;
use incode_core::adapter::Reply;
use incode_core::store::{Audit, AuditAction, AuditId, DeadFilter, Reason, Replay, ReplayJobs};
use maud::{Markup, html};

use super::words::{age, events, jobs};
use super::{Place, notice, page, scrollable, time};

/// The page of the audit trail.
pub(crate) fn audit(
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
        p class="soft lead" { "Every replay, erasure, export, import and link by hand." }
        @if audits.is_empty() { p class="card empty" { "Nothing was done by hand yet." } } @else { (table("Audit trail", audits, root, now)) }
        @if let Some(AuditId(next)) = next {
            p class="pages" { a class="older" href={ (root) "audit?before=" (next) } { "Older →" } }
        }
    };
    page(200, "Audit trail", root, Some(Place::Trail), &content)
}

pub(super) fn table(name: &str, audits: &[Audit], root: &str, now: Timestamp) -> Markup {
    scrollable(
        name,
        "trail",
        &html! {
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
        },
    )
}

fn what(action: &AuditAction, root: &str) -> Markup {
    html! {
        @match action {
            AuditAction::Replay(Replay::One(id)) => { "Replayed event " a href={ (root) "inbox/" (id.0) } { "#" (id.0) } }
            AuditAction::Replay(Replay::Dead(filter)) => { (dead(filter)) }
            AuditAction::ReplayJobs(ReplayJobs::One(id)) => { "Replayed job " a href={ (root) "jobs/" (id.0) } { "#" (id.0) } }
            AuditAction::ReplayJobs(ReplayJobs::Dead(None)) => { "Replayed all dead jobs" }
            AuditAction::ReplayJobs(ReplayJobs::Dead(Some(handler))) => {
                "Replayed all dead jobs of handler " span class="kind" { (handler) }
            }
            AuditAction::Forget(masked) => { "Erased identity " code { (masked) } }
            AuditAction::Link(masked) => { "Linked a subject to identity " code { (masked) } }
            AuditAction::Unlink(masked) => { "Unlinked a subject from identity " code { (masked) } }
            AuditAction::Export(masked) => { "Exported what is stored of " code { (masked) } }
            AuditAction::Import => { "Imported links" }
            other => { (other.as_str()) }
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
        (AuditAction::ReplayJobs(_), count) => html! { (jobs(count)) },
        (AuditAction::Forget(_), _) => html! { "1 identity" },
        (AuditAction::Import, 1) => html! { "1 subject" },
        (AuditAction::Import, count) => html! { (count) " subjects" },
        (_, count) => html! { (count) },
    }
}

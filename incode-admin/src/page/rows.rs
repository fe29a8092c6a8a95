use incode_core::adapter::Reply;
use incode_core::store::{EventId, EventRow, EventState};
use incode_core::{Inspection, Timestamp, TokenState};
use maud::{Markup, html};

use crate::lists::EventList;

use super::words::{age, meaning};
use super::{Place, hidden, maybe_time, notice, page, scrollable, time};

/// Events of the list `chosen`, on its page before the event `before`.
pub(super) fn table(events: &[EventRow], chosen: &EventList, before: Option<EventId>, now: Timestamp) -> Markup {
    let back = EventList { before, ..chosen.clone() };
    scrollable(
        "Events",
        "",
        &html! {
                table {
                    thead {
                        tr {
                            th { "Event" } th { "State" } th class="wide" { "What is known" } th { "Attempts" }
                            th { "Accepted (UTC)" } th { span class="unseen" { "Action" } }
                        }
                    }
                    tbody {
                        @for event in events {
                            tr {
                                td class="event" {
                                    a href={ "inbox/" (event.id.0) } { "#" (event.id.0) }
                                    @if let Some(id) = &event.object_id { " " code { (id.masked()) } }
                                    small class="kind" { (event.kind.as_str()) }
                                }
                                td { (badge(event.state)) }
                                td class="wide" { (known(event, chosen.reason.is_none())) }
                                td class="number" { span class="label" { "Attempts: " } (event.attempts) }
                                td { (age(now.since(event.received_at))) " ago" small { (time(event.received_at)) } }
                                td class="action" {
                                    @if event.state == EventState::Dead && event.object_id.is_some() {
                                        (replay(&format!("inbox/{}/replay", event.id.0), Some(&back)))
                                    }
                                }
                            }
                        }
                    }
                }
        },
    )
}

/// The page of one event.
pub(crate) fn event(seen: &Inspection, root: &str, now: Timestamp) -> Reply {
    let dead = seen.state == EventState::Dead;
    let content = html! {
        div class="title" {
            h1 { "Event #" (seen.id.0) " " (badge(seen.state)) }
            @if dead && seen.object_id.is_some() { (replay(&format!("{}/replay", seen.id.0), None)) }
        }
        @if let Some(reason) = seen.reason {
            p class="notice calm" { b { (meaning(reason).what) } " " (meaning(reason).advice) }
        }
        @if dead && seen.object_done {
            (notice("good", &html! { "Another event of the same object was applied meanwhile: nothing is left to do." }))
        } @else if dead && seen.token == TokenState::Wiped {
            (notice("wait", &html! { "Its token is gone, so a replay can't succeed. A fresh event for the same object is applied as usual." }))
        }
        section class="card" aria-label="What is known" {
            dl class="facts" {
                dt { "Kind" } dd { span class="kind" { (seen.kind.as_str()) } }
                dt { "Object" } dd { @if let Some(id) = &seen.object_id { code { (id) } } @else { "none" } }
                dt { "Reason" } dd { @if let Some(reason) = seen.reason { code { (reason.as_str()) } } @else { "none" } }
                dt { "Attempts" } dd { (seen.attempts) }
                dt { "Token" } dd { @match seen.token { TokenState::Present => "present", TokenState::Wiped => "wiped" } }
                dt { "Object applied" } dd { @if seen.object_done { "yes" } @else { "no" } }
                dt { "Sent by the vendor" } dd { (maybe_time(seen.vendor_time)) }
                dt { "Accepted" } dd { (time(seen.received_at)) " UTC (" (age(now.since(seen.received_at))) " ago)" }
                @if let Some(due_at) = seen.due_at { dt { "Due" } dd { (time(due_at)) } }
                dt { "Settled" } dd { (maybe_time(seen.settled_at)) }
            }
        }
    };
    page(200, "Event", root, Some(Place::Inbox), &content)
}

/// With advice, unless the page gives it once for all its rows.
fn known(event: &EventRow, advise: bool) -> Markup {
    html! {
        @match (event.reason, event.settled_at) {
            (Some(reason), _) => { (meaning(reason).what) @if advise { small { (meaning(reason).advice) } } }
            (None, Some(at)) => { span class="soft" { "Settled " (time(at)) } }
            (None, None) => { span class="soft" { "Waits for its turn." } }
        }
    }
}

fn replay(action: &str, back: Option<&EventList>) -> Markup {
    html! {
        form method="post" action=(action) {
            (hidden(&back.map(EventList::fields).unwrap_or_default()))
            button { "Replay" }
        }
    }
}

fn badge(state: EventState) -> Markup {
    let tone = match state {
        EventState::Done => "good",
        EventState::Dead => "bad",
        EventState::Pending => "wait",
        EventState::Ignored => "calm",
    };
    html! { span class={ "badge " (tone) } { (state.as_str()) } }
}

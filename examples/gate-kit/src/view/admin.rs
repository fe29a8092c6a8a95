use incode_core::http::Reply;
use incode_core::store::{EventRow, EventState, InboxCounts};
use maud::{Markup, html};

use crate::admin::masked;

use super::{bar, page, time};

/// `GET /admin/inbox` for a browser.
pub(crate) fn inbox(state: Option<EventState>, counts: &InboxCounts, events: &[EventRow], more: bool) -> Reply {
    let content = html! {
        (bar(None))
        main {
            div class="title" {
                h1 { "Inbox" }
                @if counts.dead > 0 {
                    form method="post" action="/admin/inbox/replay" { button class="main" { "Replay all dead events" } }
                }
            }
            nav class="tiles" {
                @for one in EventState::ALL {
                    a class="card" href={ "/admin/inbox?state=" (one.as_str()) }
                        aria-current=[(state == Some(one)).then_some("page")] {
                        b { (count(counts, one)) } (one.as_str())
                    }
                }
            }
            @if events.is_empty() { p class="card empty" { "No events here." } } @else { (table(events)) }
            p class="foot" {
                @if state.is_some() { a href="/admin/inbox" { "All events" } }
                @if let Some(last) = events.last().filter(|_| more) {
                    " " a href=(older(state, last)) { "Older events" }
                }
            }
        }
    };
    page(200, "Inbox", "inbox", &content)
}

fn table(events: &[EventRow]) -> Markup {
    html! {
        div class="card table" {
            table {
                thead { tr { th { "Event" } th { "Object" } th { "State" } th { "Tries" } th { "Received" } th { "" } } }
                tbody {
                    @for event in events {
                        tr {
                            td { (event.kind.as_str()) }
                            td { @if let Some(id) = &event.object_id { code { (masked(id.as_str())) } } @else { "–" } }
                            td {
                                span class={ "badge " (tone(event.state)) } { (event.state.as_str()) }
                                @if let Some(reason) = event.reason { " " span class="soft" { (reason.as_str()) } }
                            }
                            td { (event.attempts) }
                            td { (time(event.received_at)) }
                            td {
                                @if event.state == EventState::Dead {
                                    form method="post" action={ "/admin/inbox/" (event.id.0) "/replay" } {
                                        button { "Replay" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn older(state: Option<EventState>, last: &EventRow) -> String {
    let state = state.map(|state| format!("state={}&", state.as_str())).unwrap_or_default();
    format!("/admin/inbox?{state}before={}", last.id.0)
}

fn count(counts: &InboxCounts, state: EventState) -> u64 {
    match state {
        EventState::Pending => counts.pending,
        EventState::Done => counts.done,
        EventState::Dead => counts.dead,
        EventState::Ignored => counts.ignored,
    }
}

fn tone(state: EventState) -> &'static str {
    match state {
        EventState::Done => "good",
        EventState::Dead => "bad",
        EventState::Pending | EventState::Ignored => "wait",
    }
}

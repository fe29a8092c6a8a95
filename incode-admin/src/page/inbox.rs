use incode_core::Timestamp;
use incode_core::adapter::Reply;
use incode_core::store::{Audit, EventId, EventRow, EventState, InboxCounts, Reason};
use maud::{Markup, html};

use crate::lists::EventList;

use super::words::{age, events_are, meaning};
use super::{Place, notice, page, rows, tile, trail};

/// What the page of the inbox shows.
pub(crate) struct Inbox<'a> {
    pub(crate) list: &'a EventList,
    pub(crate) counts: &'a InboxCounts,
    pub(crate) events: &'a [EventRow],
    pub(crate) next: Option<EventId>,
    pub(crate) trail: &'a [Audit],
    pub(crate) now: Timestamp,
}

pub(crate) fn inbox(inbox: &Inbox<'_>) -> Reply {
    let Inbox { list, counts, events, next, trail, now } = *inbox;
    let chosen = EventList { before: None, replayed: None, ..list.clone() };
    let content = html! {
        h1 { "Events" }
        @match list.replayed {
            None => {}
            Some(0) => { (notice("calm", &html! { "Nothing to replay: none of these is dead any more." })) }
            Some(count) => { (notice("good", &html! { (events_are(count)) " pending again, to be applied as usual." })) }
        }
        (tiles(list, counts, now))
        div class="tools" {
            (filter(list))
            (replay_all(list, counts))
        }
        @if let Some(reason) = list.reason {
            p class="notice calm" { b { (meaning(reason).what) } " " (meaning(reason).advice) }
        }
        @if events.is_empty() {
            p class="card empty" { (nothing(list)) }
        } @else {
            (rows::table(events, &chosen, list.before, now))
        }
        @if list.before.is_some() || next.is_some() {
            p class="pages" {
                @if list.before.is_some() { a href=(chosen.link()) { "← Newest" } }
                @if next.is_some() { a class="older" href=(EventList { before: next, ..chosen.clone() }.link()) { "Older →" } }
            }
        }
        @if !trail.is_empty() {
            h2 { "Done by hand" }
            (trail::table("Done by hand", trail, "", now))
            p class="pages" { a class="older" href="audit" { "Whole trail →" } }
        }
    };
    page(200, "Events", "", Some(Place::Inbox), &content)
}

fn tiles(list: &EventList, counts: &InboxCounts, now: Timestamp) -> Markup {
    // Counted a moment apart: the one that waited may be applied by now.
    let oldest = counts.oldest_pending.filter(|_| counts.pending > 0).map(|oldest| now.since(oldest));
    let late = oldest.is_some_and(|oldest| oldest.as_secs() >= LATE_SECS);
    html! {
        nav class="tiles" aria-label="Events by state" {
            @for state in [EventState::Dead, EventState::Pending, EventState::Done, EventState::Ignored] {
                (tile(&EventList { state: Some(state), ..EventList::default() }.link(), list.state == Some(state), title(state),
                    count(counts, state), &html! {
                    small class=[(state == EventState::Pending && late).then_some("late")] {
                        @match (state, oldest) {
                            (EventState::Pending, Some(oldest)) => { "oldest waits " (age(oldest)) }
                            (EventState::Pending, None) => { "nothing waits" }
                            (EventState::Dead, _) => { @if counts.dead > 0 { "need a look" } @else { "all is well" } }
                            (EventState::Done, _) => { "applied" }
                            (EventState::Ignored, _) => { "unknown kinds" }
                        }
                    }
                }))
            }
        }
    }
}

fn filter(list: &EventList) -> Markup {
    html! {
        form class="filter" method="get" action="inbox" {
            label { "State"
                select name="state" {
                    option value="" { "any" }
                    @for state in EventState::ALL {
                        option value=(state.as_str()) selected[list.state == Some(state)] { (state.as_str()) }
                    }
                }
            }
            label { "Reason"
                select name="reason" {
                    option value="" { "any" }
                    @for reason in Reason::ALL {
                        option value=(reason.as_str()) selected[list.reason == Some(reason)] { (reason.as_str()) }
                    }
                }
            }
            label { "Kind"
                input name="kind" list="kinds" maxlength="128" autocomplete="off" placeholder="any"
                    value=[list.kind.as_ref().map(|kind| kind.as_str())];
                datalist id="kinds" {
                    option value="verification.completed" {}
                    option value="authentication.completed" {}
                }
            }
            button { "Show" }
            @if *list != EventList::default() { a class="clear" href="inbox" { "Clear" } }
        }
    }
}

/// For all that died, or all that died of what is being looked at; there when any of them may be on the page.
fn replay_all(list: &EventList, counts: &InboxCounts) -> Markup {
    let narrowed = list.reason.is_some() || list.kind.is_some();
    let offered = counts.dead > 0 && list.state.is_none_or(|state| state == EventState::Dead);
    html! {
        @if offered {
            form method="post" action="inbox/replay" {
                @if let Some(reason) = list.reason { input type="hidden" name="reason" value=(reason.as_str()); }
                @if let Some(kind) = &list.kind { input type="hidden" name="kind" value=(kind.as_str()); }
                button class="main" {
                    @if narrowed { "Replay all dead events like these" } @else { "Replay all that are dead" }
                }
            }
        }
    }
}

fn nothing(list: &EventList) -> &'static str {
    if list.before.is_some() {
        "No older events."
    } else if list.state == Some(EventState::Dead) {
        "No dead events here."
    } else {
        "No events here."
    }
}

fn title(state: EventState) -> &'static str {
    match state {
        EventState::Pending => "Pending",
        EventState::Done => "Done",
        EventState::Dead => "Dead",
        EventState::Ignored => "Ignored",
    }
}

fn count(counts: &InboxCounts, state: EventState) -> u64 {
    match state {
        EventState::Pending => counts.pending,
        EventState::Done => counts.done,
        EventState::Dead => counts.dead,
        EventState::Ignored => counts.ignored,
    }
}

/// Tokens begin to die then.
const LATE_SECS: u64 = 600;

//! The control page.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::file_name;
use crate::calls::Call;
use crate::deliveries::{Attempt, Delivery, DeliveryState, EventKind};
use crate::faces::{Face, FaceKind};
use crate::page::{mark, page};
use crate::vendor::Vendor;
use crate::{Person, faces};

/// The page. `live` makes it reload itself every three seconds.
pub(super) fn control(vendor: &Arc<Vendor>, live: bool) -> Response {
    let people: Vec<Person> = vendor.world().people().map(|record| record.snapshot()).collect();
    let samples: Vec<Face> = vendor.world().faces().into_iter().filter(|f| f.kind != FaceKind::Enrolled).collect();
    let deliveries = vendor.deliveries().latest(ROWS);
    let calls = vendor.calls().latest(ROWS);
    let webhook = vendor.target();
    let target = webhook.url(EventKind::Verification).or(webhook.url(EventKind::Authentication)).map(url::Url::as_str);
    let content = html! {
        div class="top" {
            (mark())
            div class="grow" {
                h1 { "Incode sandbox" }
                p class="soft small" {
                    @match target {
                        Some(url) => { "Webhooks go to " code { (url) } }
                        None => { "No webhook target is set." }
                    }
                }
            }
            @if live { a class="button" href="/control" { "Stop reloading" } }
            @else { a class="button" href="/control?live" { "Reload by itself" } a class="button" href="/control" { "Reload" } }
        }
        (people_card(&people))
        (deliveries_card(&deliveries))
        (calls_card(&calls))
        section class="card" {
            header { h2 { "Faces that don't pass" } span class="soft small" { "Open one to save the picture" } }
            div class="faces" {
                @for face in &samples {
                    a href={ "/control/faces/" (file_name(face)) ".svg" } {
                        img class="face" alt="" src={ "data:image/svg+xml;base64," (face.base64_image) };
                        (face.label)
                    }
                }
            }
        }
    };
    page(StatusCode::OK, "Incode sandbox", "wide", live, &content)
}

/// 404: the person or delivery of a form does not exist.
pub(super) fn missing() -> Response {
    let content = html! {
        div class="card" {
            div class="brand" { (mark()) "Incode sandbox" }
            h1 { "Nothing there" }
            p class="soft" { "It may have been made in an earlier run, or has no verification yet." }
            p class="note" { a href="/control" { "Back to the control page" } }
        }
    };
    page(StatusCode::NOT_FOUND, "Nothing there", "flow", false, &content)
}

/// The people, and the form that adds one.
fn people_card(people: &[Person]) -> Markup {
    html! {
        section class="card" {
            header { h2 { "People" } span class="soft small" { (people.len()) " known to the vendor" } }
            @if people.is_empty() {
                p class="empty" { "No people yet. They come through the hosted flow, or are added here." }
            }
            @for person in people { (person_row(person)) }
            form class="add" method="post" action="/control/people" {
                label { "Name" input name="name" placeholder="Ana Flores" required autocomplete="off"; }
                label { "Email" input name="email" type="email" placeholder="made up when empty" autocomplete="off"; }
                button class="main" { "Add, verified" }
            }
        }
    }
}

/// One person: face, name, status, actions.
fn person_row(person: &Person) -> Markup {
    let id = utf8_percent_encode(&person.identity_id, NON_ALPHANUMERIC).to_string();
    let face = data_encoding::BASE64.encode(faces::portrait(&person.identity_id).as_bytes());
    let revoked = person.status == "REVOKED";
    html! {
        div class="row" {
            a href={ "/control/faces/" (id) ".svg" } {
                img class="face" alt={ "The picture that authenticates " (person.name) } src={ "data:image/svg+xml;base64," (face) };
            }
            div class="grow" {
                strong { (person.name) } " "
                span class=(status_class(&person.status)) { (person.status) }
                @if person.verification_id.is_none() { " " span class="badge" { "face not enrolled" } }
                p class="soft small" { (person.email) }
                code class="soft" { (person.identity_id) }
            }
            div class="actions" {
                @if revoked { (action(&id, "activate", "Reactivate", "")) }
                @else { (action(&id, "revoke", "Revoke", "danger")) }
                (action(&id, "verify", if person.verification_id.is_some() { "Verify again" } else { "Verify" }, ""))
                (action(&id, "fail", "Fail a check", ""))
                @if person.verification_id.is_some() { (action(&id, "send", "Send webhook", "")) }
            }
        }
    }
}

/// A button that posts to an action of the person.
fn action(id: &str, name: &str, label: &str, class: &str) -> Markup {
    html! {
        form method="post" action={ "/control/people/" (id) "/" (name) } { button class=(class) { (label) } }
    }
}

/// The latest deliveries.
fn deliveries_card(deliveries: &[Delivery]) -> Markup {
    html! {
        section class="card" {
            header { h2 { "Deliveries" } span class="soft small" { "The vendor tries six times in 32 minutes" } }
            @if deliveries.is_empty() { p class="empty" { "No webhook was sent yet." } }
            @else {
                div class="scroll" tabindex="0" role="group" aria-label="Table of deliveries" { table {
                    thead { tr { th { "#" } th { "Event" } th { "Object" } th { "Answers" } th { "Next try" } th { "Again" } } }
                    tbody { @for delivery in deliveries { (delivery_row(delivery)) } }
                } }
            }
        }
    }
}

/// One delivery, with a badge for each try.
fn delivery_row(delivery: &Delivery) -> Markup {
    let form = |fresh: bool, label: &str| {
        html! {
            form method="post" action={ "/control/deliveries/" (delivery.number) "/resend" } {
                @if fresh { input type="hidden" name="fresh" value="1"; }
                button { (label) }
            }
        }
    };
    html! {
        tr {
            td class="num" { (delivery.number) }
            td {
                @if delivery.event.is_empty() { "(none)" } @else { (delivery.event) }
                @if let Some(earlier) = delivery.resend_of { p class="soft small" { "again, after #" (earlier) } }
            }
            td { code { (delivery.object_id) } }
            td {
                @match delivery.state {
                    DeliveryState::NoTarget => { span class="badge" { "no target set" } }
                    DeliveryState::Held => { span class="badge wait" { "held" } (release(delivery.number)) }
                    _ if delivery.attempts.is_empty() => { span class="badge wait" { "on its way" } }
                    _ => { @for attempt in &delivery.attempts { (answer(attempt)) } }
                }
            }
            td class="num soft" {
                @match (delivery.state, delivery.next_at) {
                    (_, Some(at)) => { (clock(at)) }
                    (DeliveryState::GivenUp, None) => { "given up" }
                    _ => {}
                }
            }
            td { div class="actions" { (form(false, "Resend")) (form(true, "Fresh token")) } }
        }
    }
}

/// The button of a held delivery.
fn release(number: u64) -> Markup {
    html! {
        form class="inline" method="post" action={ "/control/deliveries/" (number) "/release" } { button { "Release" } }
    }
}

/// One try: its status, or the reason why there was none.
fn answer(attempt: &Attempt) -> Markup {
    let text = match (attempt.status, attempt.failure) {
        (Some(status), _) => status.to_string(),
        (None, Some(failure)) => failure.to_owned(),
        (None, None) => "?".to_owned(),
    };
    let class = if matches!(attempt.status, Some(200 | 204)) { "badge good" } else { "badge bad" };
    html! { span class=(class) title=(clock(attempt.at)) { (text) } }
}

/// The latest calls of the API.
fn calls_card(calls: &[Call]) -> Markup {
    html! {
        section class="card" {
            header { h2 { "API calls" } span class="soft small" { "The latest " (ROWS) ", newest first" } }
            @if calls.is_empty() { p class="empty" { "The API was not called yet." } }
            @else {
                div class="scroll" tabindex="0" role="group" aria-label="Table of API calls" { table {
                    thead { tr { th { "When (UTC)" } th { "Call" } th { "Fault" } th { "Answer" } } }
                    tbody {
                        @for call in calls {
                            tr {
                                td class="num soft" { (clock(call.at)) }
                                td { code { (call.method) " " (call.path) } }
                                td class="soft" { (call.fault.unwrap_or_default()) }
                                td { (call_answer(call)) }
                            }
                        }
                    }
                } }
            }
        }
    }
}

/// The status of a call; "none" while it runs and after a reset.
fn call_answer(call: &Call) -> Markup {
    html! {
        @match call.status {
            Some(status) => { span class={ "badge " (if status < 400 { "good" } else { "bad" }) } { (status) } }
            None => { span class="badge wait" { "none" } }
        }
    }
}

/// The colour of a status. An unknown status looks like one that waits.
fn status_class(status: &str) -> &'static str {
    match status {
        "ACTIVE" => "badge good",
        "REVOKED" => "badge bad",
        _ => "badge wait",
    }
}

/// The time of day in UTC.
fn clock(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| millis.to_string(), |time| time.strftime("%H:%M:%S").to_string())
}

// As many as a reader looks through; the JSON API has all.
const ROWS: usize = 50;

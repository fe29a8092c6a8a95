//! People: the search, and the page of one.

use incode_core::adapter::Reply;
use incode_core::gate::{Explanation, Standing};
use incode_core::{Subject, Timestamp};
use maud::{Markup, html};

use crate::lists::PersonView;

use super::words::age;
use super::{Place, identity_segment, maybe_time, notice, page, scrollable, time};

/// The search, with what was found.
pub(crate) fn people(name: Option<&str>, people: &[Explanation]) -> Reply {
    let content = html! {
        h1 { "People" }
        p class="soft lead" { "Find a person by the application's key of the user, or by the vendor's id of an identity or a verification." }
        form class="filter" method="get" action="people" role="search" {
            label { "Subject, identity or verification"
                input name="q" value=[name] maxlength="256" autocomplete="off" spellcheck="false";
            }
            button class="main" { "Find" }
        }
        @if name.is_some() {
            @if people.is_empty() {
                p class="card empty" role="status" { "Nothing is known under this name." }
            } @else {
                (table(people))
            }
        }
    };
    page(200, "People", "", Some(Place::People), &content)
}

fn table(people: &[Explanation]) -> Markup {
    scrollable(
        "People found",
        "found",
        &html! {
            table {
                thead { tr { th { "Subject" } th { "Standing" } th class="wide" { "Why" } th { "Identity" } } }
                tbody {
                    @for person in people {
                        tr {
                            td class="event" {
                                @match &person.subject {
                                    Some(subject) => { (links(std::slice::from_ref(subject), "")) }
                                    None => { span class="soft" { "none" } }
                                }
                            }
                            td { (badge(person.standing)) }
                            td class="wide" { (sentence(person.why)) }
                            td {
                                @if let Some(id) = &person.identity_id {
                                    a href={ "identities/" (identity_segment(id)) } { code { (id.masked()) } }
                                } @else { span class="soft" { "none" } }
                            }
                        }
                    }
                }
            }
        },
    )
}

/// The page of one subject.
pub(crate) fn person(view: &PersonView, person: &Explanation, now: Timestamp) -> Reply {
    let content = html! {
        @match view.unlinked {
            None => {}
            Some(true) => { (notice("good", &html! { "The link is ended. The identity stays." })) }
            Some(false) => { (notice("calm", &html! { "There was no link to end." })) }
        }
        h1 { bdi class="actor" { (view.subject.as_str()) } " " (badge(person.standing)) }
        p class="notice calm" { b { (sentence(person.why)) } " Next: " (person.next) "." }
        @if let (Some(because), Some(at)) = (person.refused_because, person.refused_at) {
            p class="notice wait" {
                b { "A link was refused " (age(now.since(at))) " ago: " (because) "." }
                " By "
                @match person.refused_event {
                    Some(id) => { "event " a href={ "inbox/" (id) } { "#" (id) } }
                    None => "the callback of the hosted flow"
                }
                "."
            }
        }
        (facts(person))
        @let field = subject_field(&view.subject);
        (export("person/export", Some(&field)))
        @if person.linked_at.is_some() || person.pending_since.is_some() {
            details class="card danger" {
                summary { "End the link…" }
                p { "The subject loses access at the next request, and its face confirmations are removed. The identity stays." }
                form class="stack" method="post" action="person/unlink" {
                    (field)
                    (why())
                    button class="bad" { "End the link" }
                }
            }
        }
        @if let Some(id) = &person.identity_id {
            (erase(&format!("identities/{}/forget", identity_segment(id))))
        }
    };
    page(200, "Person", "", Some(Place::People), &content)
}

fn facts(person: &Explanation) -> Markup {
    html! {
        section class="card" aria-label="What is known" {
            dl class="facts" {
                dt { "Standing since" } dd { (maybe_time(person.since)) }
                @if let Some(at) = person.linked_at {
                    dt { "Linked" } dd { (time(at)) @if let Some(proof) = person.link_proof { " by " (proof.as_str()) } }
                }
                @if let Some(at) = person.pending_since { dt { "Pending since" } dd { (time(at)) } }
                @if let Some(at) = person.pending_until { dt { "Pending until" } dd { (time(at)) } }
                @if let Some(id) = person.pending_identity.as_ref() {
                    dt { "Pending identity" } dd { code { (id.as_str()) } }
                }
                @if let Some(id) = &person.identity_id {
                    dt { "Identity" } dd { a href={ "identities/" (identity_segment(id)) } { code { (id.as_str()) } } }
                    dt { "Status" } dd { (person.status.as_ref().map_or("none", |status| status.as_str())) }
                    dt { "Asked for" } dd { (maybe_time(person.checked_at)) }
                    dt { "Verification" } dd {
                        @if let Some(id) = &person.verification_id { code { (id.as_str()) } } @else { "none" }
                    }
                    dt { "Verified" } dd { (maybe_time(person.verified_at)) }
                    dt { "Last check that failed" } dd { (maybe_time(person.last_check_failed_at)) }
                    dt { "Face seen by the vendor" } dd { (maybe_time(person.face_authenticated_at)) }
                    dt { "Face confirmed here" } dd { (maybe_time(person.face_confirmed_at)) }
                }
                @if person.subjects.len() > 1 { dt { "Subjects" } dd { (links(&person.subjects, "")) } }
            }
        }
    }
}

/// To the pages of subjects.
pub(super) fn links(subjects: &[Subject], root: &str) -> Markup {
    html! {
        @if subjects.is_empty() { "none" }
        @for (at, subject) in subjects.iter().enumerate() {
            @if at > 0 { ", " }
            a href={ (root) (PersonView::of(subject.clone()).link()) } { bdi class="actor" { (subject.as_str()) } }
        }
    }
}

/// Everything that is stored of the person, to be saved. A POST, because it leaves an entry in the audit trail.
pub(super) fn export(action: &str, subject: Option<&Markup>) -> Markup {
    html! {
        details class="card more" {
            summary { "Export everything that is stored…" }
            p { "A JSON file for the person. It may hold personal data. The audit trail keeps who exported it." }
            form class="stack" method="post" action=(action) {
                @if let Some(subject) = subject { (subject) }
                (why())
                button { "Export" }
            }
        }
    }
}

pub(super) fn erase(action: &str) -> Markup {
    html! {
        details class="card danger" {
            summary { "Erase this identity…" }
            p {
                "Removes the row and its links for good; whoever was linked to it loses access at the next request. "
                "Events from before do not bring it back."
            }
            form class="stack" method="post" action=(action) {
                (why())
                label class="check" { input type="checkbox" name="confirm" value="yes" required; " It can't be undone, and that is meant" }
                button class="bad" { "Erase for good" }
            }
        }
    }
}

/// For the audit trail, behind the name of the one who asks.
fn why() -> Markup {
    html! { label { "Why, for the audit trail" input name="why" maxlength="100" autocomplete="off"; } }
}

fn subject_field(subject: &Subject) -> Markup {
    html! { input type="hidden" name="subject" value=(subject.as_str()); }
}

fn badge(standing: Standing) -> Markup {
    let tone = match standing {
        Standing::Active => "good",
        Standing::Revoked => "bad",
        Standing::NotLinked | Standing::NoSubject => "calm",
        _ => "wait",
    };
    html! { span class={ "badge " (tone) } { (standing.as_str().replace('_', " ")) } }
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).chain(['.']).collect()).unwrap_or_default()
}

use incode_core::Timestamp;
use incode_core::adapter::Reply;
use incode_core::identity::transition::JobCause;
use incode_core::store::{JobCounts, JobId, JobRow, JobState};
use maud::{Markup, html};

use crate::lists::JobList;

use super::words::{age, failed, jobs_are};
use super::{Place, hidden, maybe_time, notice, page, scrollable, tile, time};

/// What the page of the handlers' jobs shows.
pub(crate) struct Jobs<'a> {
    pub(crate) list: &'a JobList,
    pub(crate) counts: &'a JobCounts,
    pub(crate) jobs: &'a [JobRow],
    pub(crate) next: Option<JobId>,
    pub(crate) now: Timestamp,
}

pub(crate) fn jobs(jobs: &Jobs<'_>) -> Reply {
    let Jobs { list, counts, jobs, next, now } = *jobs;
    let chosen = JobList { before: None, replayed: None, ..list.clone() };
    let content = html! {
        h1 { "Handler jobs" }
        @match list.replayed {
            None => {}
            Some(0) => { (notice("calm", &html! { "Nothing to replay: none of these is dead any more." })) }
            Some(count) => { (notice("good", &html! { (jobs_are(count)) " pending again: the handler is called." })) }
        }
        (tiles(list, counts, now))
        div class="tools" {
            (filter(list))
            (replay_all(list, counts))
        }
        @if jobs.is_empty() {
            p class="card empty" { (nothing(list)) }
        } @else {
            (table(jobs, &JobList { before: list.before, ..chosen.clone() }, now))
        }
        @if list.before.is_some() || next.is_some() {
            p class="pages" {
                @if list.before.is_some() { a href=(chosen.link()) { "← Newest" } }
                @if next.is_some() { a class="older" href=(JobList { before: next, ..chosen.clone() }.link()) { "Older →" } }
            }
        }
    };
    page(200, "Handler jobs", "", Some(Place::Jobs), &content)
}

/// The page of one job.
pub(crate) fn job(job: &JobRow, root: &str, now: Timestamp) -> Reply {
    let content = html! {
        div class="title" {
            h1 { "Job #" (job.id.0) " " (badge(job.state)) }
            @if job.state == JobState::Dead { (replay(&format!("{}/replay", job.id.0), None)) }
        }
        @if let (JobState::Dead, Some(failure)) = (job.state, job.failure) {
            p class="notice calm" { b { (failed(failure)) } " Mend the handler, then replay: it is called as the first time." }
        }
        section class="card" aria-label="What is known" {
            dl class="facts" {
                dt { "Handler" } dd { code { (job.handler) } }
                dt { "Called because" } dd { (because(job.cause.as_ref(), root)) }
                dt { "Last call" } dd { (job.failure.map_or("none failed", failed)) }
                dt { "Calls" } dd { (job.attempts) }
                dt { "Since" } dd { (time(job.caused_at)) " UTC (" (age(now.since(job.caused_at))) " ago)" }
                @if let Some(due_at) = job.due_at { dt { "Due" } dd { (time(due_at)) } }
                dt { "Settled" } dd { (maybe_time(job.settled_at)) }
            }
        }
    };
    page(200, "Job", root, Some(Place::Jobs), &content)
}

fn tiles(list: &JobList, counts: &JobCounts, now: Timestamp) -> Markup {
    let oldest = counts.oldest_pending.filter(|_| counts.pending > 0).map(|oldest| now.since(oldest));
    html! {
        nav class="tiles two" aria-label="Jobs by state" {
            @for (state, title, count) in [(JobState::Dead, "Dead", counts.dead), (JobState::Pending, "Pending", counts.pending)] {
                (tile(&JobList { state: Some(state), ..JobList::default() }.link(), list.state == Some(state), title, count, &html! {
                    small {
                        @match (state, oldest) {
                            (JobState::Pending, Some(oldest)) => { "oldest since " (age(oldest)) }
                            (JobState::Pending, None) => { "nothing waits" }
                            _ => { @if counts.dead > 0 { "need a look" } @else { "all is well" } }
                        }
                    }
                }))
            }
        }
    }
}

fn filter(list: &JobList) -> Markup {
    html! {
        form class="filter" method="get" action="jobs" {
            label { "State"
                select name="state" {
                    option value="" { "any" }
                    @for state in JobState::ALL {
                        option value=(state.as_str()) selected[list.state == Some(state)] { (state.as_str()) }
                    }
                }
            }
            label { "Handler"
                input name="handler" maxlength="64" autocomplete="off" placeholder="any" value=[list.handler.as_deref()];
            }
            button { "Show" }
            @if *list != JobList::default() { a class="clear" href="jobs" { "Clear" } }
        }
    }
}

/// For all that died, or all that died of the handler that is being looked at.
fn replay_all(list: &JobList, counts: &JobCounts) -> Markup {
    let offered = counts.dead > 0 && list.state.is_none_or(|state| state == JobState::Dead);
    html! {
        @if offered {
            form method="post" action="jobs/replay" {
                @if let Some(handler) = &list.handler { input type="hidden" name="handler" value=(handler); }
                button class="main" {
                    @if list.handler.is_some() { "Replay all dead jobs of it" } @else { "Replay all that are dead" }
                }
            }
        }
    }
}

fn table(jobs: &[JobRow], back: &JobList, now: Timestamp) -> Markup {
    scrollable(
        "Jobs",
        "",
        &html! {
            table {
                thead {
                    tr {
                        th { "Job" } th { "State" } th class="wide" { "What is known" } th { "Calls" } th { "Since (UTC)" }
                        th { span class="unseen" { "Action" } }
                    }
                }
                tbody {
                    @for job in jobs {
                        tr {
                            td class="event" {
                                a href={ "jobs/" (job.id.0) } { "#" (job.id.0) }
                                small class="kind" { (job.handler) }
                            }
                            td { (badge(job.state)) }
                            td class="wide" {
                                (because(job.cause.as_ref(), ""))
                                @if let Some(failure) = job.failure { small { (failed(failure)) } }
                            }
                            td class="number" { span class="label" { "Calls: " } (job.attempts) }
                            td { (age(now.since(job.caused_at))) " ago" small { (time(job.caused_at)) } }
                            td class="action" {
                                @if job.state == JobState::Dead { (replay(&format!("jobs/{}/replay", job.id.0), Some(back))) }
                            }
                        }
                    }
                }
            }
        },
    )
}

fn because(cause: Option<&JobCause>, root: &str) -> Markup {
    html! {
        @match cause {
            Some(JobCause::Event { event, kind, object_id }) => {
                "Event " a href={ (root) "inbox/" (event.0) } { "#" (event.0) } " " span class="kind" { (kind.as_str()) } " "
                code { (object_id.masked()) }
            }
            Some(JobCause::Verified { subject, .. }) => { "Subject " code { (subject.masked()) } " is verified" }
            Some(JobCause::Revoked { subject, .. }) => { "The identity of subject " code { (subject.masked()) } " is revoked" }
            Some(_) => { "A cause this version does not know" }
            None => { span class="soft" { "The subject is erased: the job is done." } }
        }
    }
}

fn replay(action: &str, back: Option<&JobList>) -> Markup {
    html! {
        form method="post" action=(action) {
            (hidden(&back.map(JobList::fields).unwrap_or_default()))
            button { "Replay" }
        }
    }
}

fn badge(state: JobState) -> Markup {
    let tone = match state {
        JobState::Done => "good",
        JobState::Dead => "bad",
        JobState::Pending => "wait",
    };
    html! { span class={ "badge " (tone) } { (state.as_str()) } }
}

fn nothing(list: &JobList) -> &'static str {
    if list.before.is_some() {
        "No older jobs."
    } else if list.state == Some(JobState::Dead) {
        "No dead jobs here."
    } else {
        "No jobs here."
    }
}

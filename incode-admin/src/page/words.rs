use std::time::Duration;

use incode_core::store::{JobFailure, Reason};

/// A reason in plain words; the table of `docs/operations.md`.
pub(super) struct Meaning {
    pub(super) what: &'static str,
    pub(super) advice: &'static str,
}

pub(super) fn meaning(reason: Reason) -> Meaning {
    let (what, advice) = match reason {
        Reason::VendorUnavailable => ("The vendor does not answer.", "Nothing to do: it is tried again."),
        Reason::RateLimited => ("The vendor asks for patience.", "Nothing to do: it is tried again."),
        Reason::KeyRefused => ("The vendor refuses the API key.", "Renew the key. Nothing is lost meanwhile."),
        Reason::TokenDead => {
            ("The vendor no longer takes the token.", "Nothing to do: a fresh event for the same object is applied.")
        }
        Reason::NotFound => ("The vendor knows no such object.", "Replay once. If it stays, ask the vendor."),
        Reason::Refused => ("The vendor refused the request.", "Report it: this program and the vendor disagree."),
        Reason::Malformed => {
            ("The vendor's answers could not be read.", "It changed something, or a proxy answers in its place.")
        }
        Reason::BindingMismatch => {
            ("The pieces belong to different people.", "Look closely: it may be an attempt. It is never applied.")
        }
        Reason::Unproven => (
            "Any caller could have sent it, and nothing the vendor says shows whose it is.",
            "It is never applied. If genuine ones look like that, have deliveries authenticated.",
        ),
        Reason::TokenSealed => (
            "The token was sealed with a key that this process does not have.",
            "Add the old store key behind the new one. Nothing is lost meanwhile.",
        ),
        Reason::LinkRuleFailed => {
            ("The application's link rule gave no answer.", "Mend the rule, and replay while the token may live.")
        }
        Reason::Exhausted => (
            "The vendor was down for as long as the token lived.",
            "Replay while the token may live. Otherwise have the person verify again.",
        ),
        Reason::UnknownKind => {
            ("This version does not know the kind.", "Nothing to do, unless a newer version knows it.")
        }
        // Also a reason that a newer core adds.
        _ => ("A reason this version does not know.", "See what wrote it: a newer version used this store."),
    };
    Meaning { what, advice }
}

/// How a handler's last call failed.
pub(super) fn failed(failure: JobFailure) -> &'static str {
    match failure {
        JobFailure::Failed => "The handler returned an error.",
        JobFailure::Panicked => "The handler panicked.",
        JobFailure::TimedOut => "The handler did not return within its deadline.",
        _ => "A failure this version does not know.",
    }
}

/// In one unit, rounded down.
pub(super) fn age(span: Duration) -> String {
    match span.as_secs() {
        secs @ 0..60 => format!("{secs} s"),
        secs @ 60..3_600 => format!("{} min", secs / 60),
        secs @ 3_600..172_800 => format!("{} h", secs / 3_600),
        secs => format!("{} days", secs / 86_400),
    }
}

pub(super) fn events(count: u64) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{count} events") }
}

pub(super) fn events_are(count: u64) -> String {
    format!("{} {}", events(count), if count == 1 { "is" } else { "are" })
}

pub(super) fn jobs(count: u64) -> String {
    if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") }
}

pub(super) fn jobs_are(count: u64) -> String {
    format!("{} {}", jobs(count), if count == 1 { "is" } else { "are" })
}

#[cfg(test)]
mod tests;

//! What was seen, counted, and whatever must not be.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use incode_tests::Response;

/// Shared by all who look.
#[derive(Default)]
pub(crate) struct Expectations(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    counts: BTreeMap<String, u64>,
    /// What must not be, in words. Empty at the end, or the soak has failed.
    wrong: Vec<String>,
    /// From the settled revocation to a replica's last open answer: while nothing disturbs it, and otherwise.
    closings: [Vec<Duration>; 2],
}

impl Expectations {
    pub(crate) fn count(&self, what: &str) {
        self.add(what, 1);
    }

    pub(crate) fn add(&self, what: &str, number: u64) {
        *self.pages().counts.entry(what.to_owned()).or_default() += number;
    }

    pub(crate) fn of(&self, what: &str) -> u64 {
        self.pages().counts.get(what).copied().unwrap_or_default()
    }

    /// Everything whose name begins so, without that beginning.
    pub(crate) fn all(&self, prefix: &str) -> Vec<(String, u64)> {
        let pages = self.pages();
        let of = |(name, count): (&String, &u64)| Some((name.strip_prefix(prefix)?.to_owned(), *count));
        pages.counts.iter().filter_map(of).collect()
    }

    /// The first of them are enough.
    pub(crate) fn wrong(&self, what: String) {
        let mut pages = self.pages();
        if pages.wrong.len() < MOST_WRONGS {
            println!("WRONG: {what}");
            pages.wrong.push(what);
        }
    }

    pub(crate) fn wrongs(&self) -> Vec<String> {
        self.pages().wrong.clone()
    }

    pub(crate) fn closed(&self, after: Duration, disturbed: bool) {
        self.pages().closings[usize::from(disturbed)].push(after);
    }

    /// Sorted.
    pub(crate) fn closings(&self, disturbed: bool) -> Vec<Duration> {
        let mut all = self.pages().closings[usize::from(disturbed)].clone();
        all.sort();
        all
    }

    /// A fault of ours is a 503 that says when to come again, and nothing else. The balancer's own answers count apart.
    pub(crate) fn answered(&self, to: &str, answer: &Response) {
        if let Some(why) = answer.header("x-balancer") {
            self.count(&format!("balancer/{why}"));
            return;
        }
        if answer.status >= 500 && (answer.status != 503 || answer.header("retry-after").is_none()) {
            self.wrong(format!("{to} was answered {answer:?}"));
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap()
    }
}

const MOST_WRONGS: usize = 100;

//! Who lives here: what all who take part share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use incode_sandbox::Sandbox;
use incode_tests::process::ADMIN_TOKEN;
use incode_tests::{Call, Response, get, post};

use crate::expectations::Expectations;
use crate::fleet::Fleet;
use crate::net;
use crate::sender::Sent;

pub(crate) struct Cluster {
    pub(crate) sandbox: Sandbox,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) balancer: SocketAddr,
    pub(crate) expectations: Arc<Expectations>,
    pub(crate) people: Vec<Person>,
    /// Verified people whose events are sent in bulk; no user logs in as one of them.
    pub(crate) crowd: Vec<String>,
    pub(crate) sent: Sent,
    /// The form of the test command.
    pub(crate) is_short: bool,
    over: AtomicBool,
}

/// A user who logs in.
pub(crate) struct Person {
    pub(crate) user: String,
    pub(crate) class: Class,
    pub(crate) cookie: String,
    /// Set while nothing may be open: since when the revocation was seen to be settled.
    closed_since: Mutex<Option<Instant>>,
    /// Whether a gate was ever open to this person.
    was_let_in: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Verified, revoked, verified again.
    Member,
    /// Goes through the flow and never passes: linked, and never ACTIVE.
    Refused,
    /// Logs in and is never linked.
    Visitor,
}

impl Cluster {
    /// Without people.
    pub(crate) fn new(
        sandbox: Sandbox,
        fleet: Arc<Fleet>,
        balancer: SocketAddr,
        expectations: Arc<Expectations>,
        is_short: bool,
    ) -> Self {
        let (people, crowd) = (Vec::new(), Vec::new());
        Self {
            sandbox,
            fleet,
            balancer,
            expectations,
            people,
            crowd,
            sent: Sent::default(),
            is_short,
            over: AtomicBool::new(false),
        }
    }

    /// Through the balancer. `None` when there was no whole answer.
    pub(crate) async fn ask(&self, what: &str, call: &Call) -> Option<Response> {
        self.ask_at(self.balancer, what, call).await
    }

    /// Straight at a replica.
    pub(crate) async fn ask_at(&self, address: SocketAddr, what: &str, call: &Call) -> Option<Response> {
        let answer = net::ask(address, call).await;
        match &answer {
            Some(answer) => self.expectations.answered(what, answer),
            None => self.expectations.count("cut off"),
        }
        answer
    }

    /// Where the replicas listen that are up.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.fleet.slots.iter().filter_map(crate::fleet::Slot::address).collect()
    }

    /// What the store has of an identity, and when it was asked for; `None` when it could not be seen.
    pub(crate) async fn status(&self, identity: &str) -> Option<(Instant, String)> {
        let call = admin(&format!("/admin/identities/{identity}"));
        let asked = Instant::now();
        let answer = self.ask("an identity", &call).await?;
        (answer.status == 200).then(|| (asked, answer.json()["status"].as_str().unwrap().to_owned()))
    }

    /// Waits until the store has this status; gives when it was asked, and `None` when it did not in time.
    pub(crate) async fn settles(&self, identity: &str, status: &str, limit: Duration) -> Option<Instant> {
        let begun = Instant::now();
        while !self.is_over() && begun.elapsed() < limit {
            match self.status(identity).await {
                Some((asked, known)) if known == status => return Some(asked),
                _ => tokio::time::sleep(Duration::from_millis(4)).await,
            }
        }
        None
    }

    pub(crate) fn finish(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Less when all is over.
    pub(crate) async fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_over() && Instant::now() < until {
            tokio::time::sleep(time.min(Duration::from_millis(50))).await;
        }
    }
}

impl Person {
    pub(crate) fn new(user: String, class: Class, cookie: String) -> Self {
        Self { user, class, cookie, closed_since: Mutex::default(), was_let_in: AtomicBool::new(false) }
    }

    /// Distinguishes people at the vendor.
    pub(crate) fn email(&self) -> String {
        format!("{}@{CANARY}.example", self.user)
    }

    pub(crate) fn identity(&self, sandbox: &Sandbox) -> Option<String> {
        let email = self.email();
        sandbox.people().into_iter().find(|person| person.email == email).map(|person| person.identity_id)
    }

    pub(crate) fn get(&self, target: &str) -> Call {
        get(target).header("cookie", &self.cookie)
    }

    pub(crate) fn post(&self, target: &str) -> Call {
        post(target).header("cookie", &self.cookie)
    }

    pub(crate) fn close(&self, since: Option<Instant>) {
        *self.closed_since.lock().unwrap() = since;
    }

    pub(crate) fn let_in(&self) {
        self.was_let_in.store(true, Ordering::Relaxed);
    }

    pub(crate) fn was_let_in(&self) -> bool {
        self.was_let_in.load(Ordering::Relaxed)
    }

    pub(crate) fn closed_since(&self) -> Option<Instant> {
        *self.closed_since.lock().unwrap()
    }
}

/// With the bearer token of the admin routes, and for JSON.
pub(crate) fn admin(target: &str) -> Call {
    get(target).header("authorization", format!("Bearer {ADMIN_TOKEN}")).header("accept", "application/json")
}

/// In the name and address of every person.
pub(crate) const CANARY: &str = "canary-6f1d";

//! One check: the browser's return, the deliveries, and what their tokens open.

use std::time::Instant;

use incode_core::adapter::Deployment;
use incode_core::{ObjectId, Token};
use tokio::time::{Instant as Deadline, timeout_at};

use super::deliveries::Try;
use super::receiver::{Arrival, Receiver, Return};
use super::tokens::{Answer, Tested, Tester, path_segment};
use super::{Plan, claims};
use crate::failure::Failure;
use crate::output::Output;

/// What was seen of one check.
pub(super) struct Round {
    pub(super) fails: bool,
    pub(super) correlation_id: String,
    pub(super) returned: Option<Return>,
    pub(super) tries: Vec<Try>,
    /// Of the browser's token, or the event's where the browser brought none.
    pub(super) tested: Option<Tested>,
    /// Whether that one was the browser's.
    pub(super) tested_browser: bool,
    /// userinfo with the token of the event.
    pub(super) of_event: Option<Answer>,
    pub(super) claims: serde_json::Map<String, serde_json::Value>,
}

impl Round {
    pub(super) async fn make(
        receiver: &mut Receiver,
        deployment: &Deployment,
        plan: &Plan,
        correlation_id: &str,
        fails: bool,
        output: &Output,
    ) -> Result<Self, Failure> {
        let mut round = Self {
            fails,
            correlation_id: correlation_id.to_owned(),
            returned: None,
            tries: Vec::new(),
            tested: None,
            tested_browser: false,
            of_event: None,
            claims: serde_json::Map::new(),
        };
        let end = Deadline::now() + plan.wait;
        round.wait_for_both(receiver, plan, end, output).await;
        let tester = Tester { deployment, plan, output };
        round.test(&tester).await;
        round.wait_for_acceptance(receiver, end, output).await;
        Ok(round)
    }

    /// Until the browser and the event have come. The event may not come at all: it has its own limit.
    async fn wait_for_both(&mut self, receiver: &mut Receiver, plan: &Plan, end: Deadline, output: &Output) {
        let mut until = end;
        while self.returned.is_none() || self.tries.is_empty() {
            output.progress(if self.returned.is_none() { "waiting for the browser" } else { "waiting for the event" });
            let Ok(arrival) = timeout_at(until, receiver.next()).await else { return };
            self.take(arrival);
            if self.returned.is_some() {
                until = end.min(Deadline::now() + plan.event_wait);
            }
        }
    }

    async fn test(&mut self, tester: &Tester<'_>) {
        let browser = self.returned.as_ref().and_then(|back| Some((Token::new(back.token.clone()?).ok()?, back.at)));
        let event = self.tries.first().and_then(|first| Some((first.token.clone()?, first.at)));
        self.tested_browser = browser.is_some();
        let object = self.tries.first().and_then(|first| {
            let id = ObjectId::new(first.id.as_deref()?).ok()?;
            let kind = if first.kind.starts_with("authentication") { "authentication" } else { "verification" };
            Some(format!("{kind}/{}", path_segment(&id)))
        });
        if let Some((token, _)) = &event
            && browser.as_ref().is_some_and(|(browser, _)| browser.hash() != token.hash())
        {
            self.of_event = Some(tester.ask("userinfo", token).await);
        }
        if let Some((token, received)) = browser.or(event) {
            self.claims = claims::of(token.expose());
            self.tested = Some(tester.test(&token, received, object.as_deref(), !self.fails).await);
        }
    }

    /// Until every delivery that was refused has come again often enough.
    async fn wait_for_acceptance(&mut self, receiver: &mut Receiver, end: Deadline, output: &Output) {
        while let Some(arrival) = receiver.ready() {
            self.take(arrival);
        }
        while self.is_owed_a_try() {
            output.progress("waiting for the delivery that was refused");
            let Ok(arrival) = timeout_at(end, receiver.next()).await else { return };
            self.take(arrival);
        }
    }

    fn is_owed_a_try(&self) -> bool {
        self.tries.first().is_some_and(|first| {
            self.tries.iter().filter(|tried| tried.object == first.object).all(|tried| tried.is_refused)
        })
    }

    /// Another flow's return is none of this check.
    fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Return(back) => {
                let is_ours =
                    back.correlation_id.as_ref() == Some(&self.correlation_id) || back.correlation_id.is_none();
                if is_ours && self.returned.is_none() {
                    self.returned = Some(back);
                }
            }
            Arrival::Try(tried) => self.tries.push(tried),
        }
    }

    /// Seconds from the first try to each later one of the same delivery.
    pub(super) fn repeats(&self) -> Vec<(f64, &Try)> {
        let Some(first) = self.tries.first() else { return Vec::new() };
        let later = self.tries.iter().skip(1).filter(|tried| tried.object == first.object);
        later.map(|tried| (seconds(first.at, tried.at), tried)).collect()
    }
}

fn seconds(from: Instant, to: Instant) -> f64 {
    to.duration_since(from).as_secs_f64()
}

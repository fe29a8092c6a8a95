use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;

use crate::Subject;
use crate::flow::{self, Callback, Parts, Start};
use crate::gate::{Audience, Denial};
use crate::http::{Problem, Reply, RequestHead};
use crate::store::StoreErrorKind;
use crate::task::to_the_end;
use crate::webhook::{Delivery, Rejection, TokenRefusal, TokenRequest, Trust, Webhook};

use super::{Incode, Mount};

/// One request to a mounted route, between its head and its answer.
#[derive(Debug)]
#[must_use]
pub struct RouteRequest {
    incode: Incode,
    audience: Audience,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Answered(Reply),
    Begin(Box<Start>),
    Deliver { delivery: Box<Delivery>, read_deadline: Duration },
    Redeem(Box<Callback>),
    Issue { request: Box<TokenRequest>, read_deadline: Duration },
}

impl RouteRequest {
    /// `subject` is called only where the answer depends on the user, and at most once.
    pub(super) fn open(
        incode: Incode,
        mount: &Mount,
        head: &dyn RequestHead,
        subject: impl FnOnce(&Incode) -> Result<Option<Subject>, Problem>,
    ) -> Self {
        // No gRPC call, whatever its `Content-Type`: the 200 of gRPC would mean that a delivery was kept.
        let audience = Audience::of_page(head);
        let step = match mount {
            Mount::Webhook(webhook) => deliver(&incode, webhook, head),
            Mount::Start => start(&incode, head, subject).map_err(no_referrer),
            Mount::Callback => callback(&incode, head, subject).map_err(no_referrer),
            Mount::Token => Ok(token(&incode, head)),
        };
        let step = step.unwrap_or_else(|problem| Step::Answered(incode.0.context.reply(&problem, audience)));
        Self { incode, audience, step }
    }

    /// Whether a request to start or callback is one that they take: no other needs its user.
    pub(super) fn may_begin(head: &dyn RequestHead) -> bool {
        only_get(head).and_then(|()| not_ahead_of_time(head)).is_ok()
    }

    /// Reads the body, as far as it has to be read, and answers. Never fails: every failure is an answer.
    pub async fn answer<B, C, E>(self, body: B) -> Reply
    where
        B: Stream<Item = Result<C, E>>,
        C: AsRef<[u8]>,
    {
        let Self { incode, audience, step } = self;
        let answer = match step {
            Step::Answered(reply) => return reply,
            Step::Deliver { delivery, read_deadline } => receive(&incode, *delivery, read_deadline, body).await,
            Step::Issue { request, read_deadline } => Ok(token_reply(request.read(read_deadline, body).await)),
            Step::Begin(start) => begin(&incode, *start).await.map_err(no_referrer),
            Step::Redeem(callback) => redeem(&incode, *callback).await.map_err(no_referrer),
        };
        answer.unwrap_or_else(|problem| incode.0.context.reply(&problem, audience))
    }
}

fn deliver(incode: &Incode, webhook: &Webhook, head: &dyn RequestHead) -> Result<Step, Problem> {
    let delivery = webhook.begin(head, incode.0.clock.now()).map_err(rejected)?;
    Ok(Step::Deliver { delivery: Box::new(delivery), read_deadline: webhook.read_deadline() })
}

fn start(
    incode: &Incode,
    head: &dyn RequestHead,
    subject: impl FnOnce(&Incode) -> Result<Option<Subject>, Problem>,
) -> Result<Step, Problem> {
    only_get(head)?;
    not_ahead_of_time(head)?;
    let flow = incode.0.flow.as_ref().ok_or_else(flow::not_set_up)?;
    match subject(incode)? {
        Some(subject) => Ok(Step::Begin(Box::new(Start::open(flow, head, subject)?))),
        None => log_in_first(incode, head).map(Step::Answered),
    }
}

/// A browser goes to the application's login and comes back here, where the application opted in to that. Every other
/// client gets the problem.
fn log_in_first(incode: &Incode, head: &dyn RequestHead) -> Result<Reply, Problem> {
    let denial = Denial::without_subject(Arc::clone(&incode.0.context), head);
    let problem = denial.problem();
    match (denial.redirect(&problem, Audience::of(head)), problem.login_url()) {
        (Some(url), _) => Ok(Reply::see_other(url.to_owned())),
        (None, Some(url)) => Err(flow::login_first().login_at(url.to_owned())),
        (None, None) => Err(flow::login_first()),
    }
}

fn callback(
    incode: &Incode,
    head: &dyn RequestHead,
    subject: impl FnOnce(&Incode) -> Result<Option<Subject>, Problem>,
) -> Result<Step, Problem> {
    only_get(head)?;
    not_ahead_of_time(head)?;
    let flow = incode.0.flow.as_ref().ok_or_else(flow::not_set_up)?;
    let subject = subject(incode)?;
    Ok(Step::Redeem(Box::new(Callback::open(flow, head, subject.as_ref())?)))
}

fn token(incode: &Incode, head: &dyn RequestHead) -> Step {
    let shared = &*incode.0;
    match shared.tokens.begin(&shared.webhook.authenticity(), head, &*shared.clock) {
        Ok(request) => Step::Issue { request: Box::new(request), read_deadline: shared.webhook.read_deadline() },
        Err(refusal) => Step::Answered(token_reply(Err(refusal))),
    }
}

/// The answer of the token endpoint: as OAuth has it, so not rendered by the application.
fn token_reply(answer: Result<Reply, TokenRefusal>) -> Reply {
    let outcome = answer.as_ref().map_or_else(TokenRefusal::as_str, |_| "issued");
    metrics::counter!("incode_token_requests_total", "outcome" => outcome).increment(1);
    answer.unwrap_or_else(|refusal| {
        tracing::info!(reason = refusal.as_str(), detail = refusal.detail(), "token refused");
        refusal.reply()
    })
}

async fn receive<B, C, E>(
    incode: &Incode,
    delivery: Delivery,
    read_deadline: Duration,
    body: B,
) -> Result<Reply, Problem>
where
    B: Stream<Item = Result<C, E>>,
    C: AsRef<[u8]>,
{
    let (mut event, trust) = delivery.read(read_deadline, body).await.map_err(rejected)?;
    // Anyone may write a correlation id of their own flow into an event they make up. What is not stored can't count.
    if trust != Trust::Authenticated {
        event.correlation_id = None;
    }
    match incode.0.inbox.accept(event, trust).await {
        Ok(_) => Ok(Reply::new(204)),
        Err(error) => {
            tracing::warn!(error.kind = ?error.kind(), error.cause = %error.cause(), "delivery not accepted");
            metrics::counter!("incode_deliveries_refused_total", "reason" => refusal(error.kind())).increment(1);
            let detail = "The event was not stored. Send it again.";
            Err(Problem::new(503, "inbox_unavailable", "Try again soon", detail).retry_after(RETRY_AFTER))
        }
    }
}

async fn begin(incode: &Incode, start: Start) -> Result<Reply, Problem> {
    let flow = incode.0.flow.as_ref().ok_or_else(flow::not_set_up)?;
    start.begin(flow, &incode.0.directory).await.map(Reply::see_other)
}

async fn redeem(incode: &Incode, callback: Callback) -> Result<Reply, Problem> {
    callback.check(&incode.0.claims, &incode.0.directory).await?;
    let incode = incode.clone();
    // A person who goes away meanwhile is linked all the same.
    to_the_end(async move { link(&incode, callback).await }).await
}

async fn link(incode: &Incode, callback: Callback) -> Result<Reply, Problem> {
    let shared = &*incode.0;
    let flow = shared.flow.as_ref().ok_or_else(flow::not_set_up)?;
    let parts = Parts {
        flow,
        client: &shared.client,
        directory: &shared.directory,
        observer: &shared.observer,
        limits: &shared.limits,
    };
    callback.redeem(parts).await
}

fn rejected(rejection: Rejection) -> Problem {
    let reason = rejection.kind().as_str();
    metrics::counter!("incode_deliveries_rejected_total", "reason" => reason).increment(1);
    tracing::info!(reason, detail = %rejection, "delivery rejected");
    rejection.problem()
}

/// GET alone: HEAD would spend a correlation id for a link preview.
fn only_get(head: &dyn RequestHead) -> Result<(), Problem> {
    if head.method() == "GET" {
        return Ok(());
    }
    Err(Problem::new(405, "method_not_allowed", "Method not allowed", "Use GET.").header("allow", "GET"))
}

/// A browser that loads a page before the person asks for it must not use up the flow, nor wait for its check. It throws
/// the answer away, and asks again when the person goes there.
fn not_ahead_of_time(head: &dyn RequestHead) -> Result<(), Problem> {
    let mut is_prefetch = false;
    for name in ["sec-purpose", "purpose", "x-purpose", "x-moz"] {
        head.header_values(name, &mut |value| {
            // `prefetch`, or `prefetch;prerender`; older browsers say `preview`.
            let purpose = value.split(|byte| matches!(byte, b';' | b',')).next().unwrap_or_default().trim_ascii();
            is_prefetch |= [b"prefetch".as_slice(), b"prerender", b"preview"]
                .iter()
                .any(|known| purpose.eq_ignore_ascii_case(known));
        });
    }
    if !is_prefetch {
        return Ok(());
    }
    let detail = "This page is not loaded ahead of time. Open it to go on.";
    Err(Problem::new(425, "prefetch_refused", "Not ahead of time", detail))
}

/// The URL of a callback holds a token, that of a start may lead to one: a page that explains a failure must not hand it
/// on.
fn no_referrer(problem: Problem) -> Problem {
    problem.header("referrer-policy", "no-referrer")
}

fn refusal(kind: StoreErrorKind) -> &'static str {
    match kind {
        StoreErrorKind::Busy => "store_busy",
        StoreErrorKind::Full => "store_full",
        StoreErrorKind::Unavailable => "store_unavailable",
        _ => "store_failed",
    }
}

/// When the sender of a delivery that could not be stored should come again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;

//! The application with the stand-in vendor, without a server: requests are heads, deliveries are bodies.

use std::any::Any;
use std::convert::Infallible;
use std::time::Duration;

use futures_util::stream;
use incode_sandbox::{NewPerson, Sandbox};
use serde_json::Value;

use super::{Builder, Incode};
use crate::client::Client;
use crate::flow::HostedFlow;
use crate::gate::{Requirement, Visitor, check};
use crate::http::{Reply, RequestHead};
use crate::webhook::Authenticity;
use crate::{Secret, Subject};

pub(super) const SECRET: &str = "a-webhook-secret-of-many-bytes";

pub(super) struct World {
    pub(super) sandbox: Sandbox,
    pub(super) incode: Incode,
}

/// One request.
#[derive(Clone)]
pub(super) struct Request {
    method: &'static str,
    path: String,
    query: Option<String>,
    headers: Vec<(&'static str, String)>,
    subject: Option<Subject>,
}

impl World {
    /// Every callback returns at once: a test waits for what it needs itself.
    pub(super) async fn start(settings: impl FnOnce(Builder) -> Builder) -> Self {
        let sandbox = Sandbox::builder().start().await.unwrap();
        let client = Client::builder(&sandbox.url(), Secret::from(sandbox.api_key())).build().unwrap();
        let secret = Secret::from("0123456789abcdef0123456789abcdef");
        let flow = HostedFlow::new(sandbox.client_id(), &sandbox.web_url(), "http://127.0.0.1:1", secret).unwrap();
        let builder = Incode::builder()
            .client(client)
            .memory()
            .webhook_authenticity(Authenticity::header("x-incode-secret", [Secret::from(SECRET)]).unwrap())
            .hosted_flow(flow)
            .callback_wait(Duration::ZERO);
        Self { incode: settings(builder).build().await.unwrap(), sandbox }
    }

    /// A person whom the vendor knows and stands by.
    pub(super) fn person(&self, name: &str) -> String {
        let email = format!("{name}@example.com");
        self.sandbox.add_person(NewPerson::named(name).email(email)).identity_id
    }

    pub(super) async fn answer(&self, request: &Request, body: &[u8]) -> Reply {
        let route = self.incode.open(request).expect("a mounted route");
        route.answer(stream::iter([Ok::<_, Infallible>(body.to_vec())])).await
    }

    /// Begins a flow; gives its correlation id.
    pub(super) async fn begin(&self, subject: &str) -> String {
        let reply = self.answer(&Request::get("/incode/start?return_to=/vault").of(subject), b"").await;
        let location = url::Url::parse(header(&reply, "location").unwrap()).unwrap();
        let (_, id) = location.query_pairs().find(|(name, _)| name == "correlation_id").unwrap();
        id.into_owned()
    }

    pub(super) async fn come_back(&self, subject: &str, correlation_id: &str, token: &str) -> Reply {
        self.answer(&callback(subject, correlation_id, token), b"").await
    }

    /// Delivers the event of a verification, and waits until it is settled.
    pub(super) async fn deliver_verification(&self, id: &str) {
        let number = self.sandbox.send_verification(id).unwrap();
        self.deliver(&self.sandbox.delivery_body(number).unwrap()).await;
    }

    pub(super) async fn deliver_authentication(&self, id: &str) {
        let number = self.sandbox.send_authentication(id).unwrap();
        self.deliver(&self.sandbox.delivery_body(number).unwrap()).await;
    }

    pub(super) async fn deliver(&self, body: &[u8]) {
        let request = Request::post("/incode/webhook").with("x-incode-secret", SECRET);
        let reply = self.answer(&request.with("content-type", "application/json"), body).await;
        assert_eq!(reply.status, 204, "{reply:?}");
        self.until(async || self.incode.inbox_counts().await.unwrap().pending == 0).await;
    }

    /// What a page behind the gate says to the subject: 200, or the denial.
    pub(super) async fn vault(&self, subject: &str) -> Reply {
        let request = Request::get("/vault").of(subject);
        match check(Some(&self.visitor(&request).await), &Requirement::active(), &request) {
            Ok(()) => Reply::new(200),
            Err(reply) => reply,
        }
    }

    pub(super) async fn visitor(&self, request: &Request) -> Visitor {
        self.incode.visit(request).visitor().await
    }

    pub(super) async fn is_open(&self, subject: &str) -> bool {
        self.vault(subject).await.status == 200
    }

    pub(super) fn userinfo_calls(&self) -> usize {
        self.calls("userinfo")
    }

    /// How many calls the vendor got at this end of a path.
    pub(super) fn calls(&self, end: &str) -> usize {
        self.sandbox.calls().iter().filter(|call| call.path.ends_with(end)).count()
    }

    pub(super) async fn until(&self, mut is_so: impl AsyncFnMut() -> bool) {
        let patience = Duration::from_secs(60);
        let waited = tokio::time::timeout(patience, async {
            while !is_so().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.expect("in time");
    }
}

impl Request {
    pub(super) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(super) fn post(target: &str) -> Self {
        Self::new("POST", target)
    }

    fn new(method: &'static str, target: &str) -> Self {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let (path, query) = (path.to_owned(), query.map(str::to_owned));
        Self { method, path, query, headers: Vec::new(), subject: None }
    }

    pub(super) fn of(mut self, subject: &str) -> Self {
        self.subject = Some(Subject::new(subject).unwrap());
        self
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl RequestHead for Request {
    fn method(&self) -> &str {
        self.method
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    fn header_values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.headers.iter().filter(|(own, _)| *own == name).for_each(|(_, value)| visit(value.as_bytes()));
    }

    fn subject(&self) -> Option<&Subject> {
        self.subject.as_ref()
    }

    fn extensions(&self) -> &dyn Any {
        &()
    }
}

pub(super) fn callback(subject: &str, correlation_id: &str, token: &str) -> Request {
    Request::get(&format!("/incode/callback?token={token}&correlation_id={correlation_id}")).of(subject)
}

pub(super) fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| &**value)
}

/// Status and code of a problem.
pub(super) fn problem(reply: &Reply) -> (u16, String) {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    (reply.status, body["code"].as_str().unwrap_or_default().to_owned())
}

/// Where a callback that went well leads.
pub(super) fn is_sent_back(reply: &Reply) -> bool {
    reply.status == 303 && header(reply, "location") == Some("/vault")
}

use std::sync::LazyLock;
use std::time::Duration;

use futures_util::{FutureExt, stream};
use incode_core::client::Client;
use incode_core::flow::HostedFlow;
use incode_core::gate::{SubjectSource, Visitor};
use incode_core::http::Reply;
use incode_core::testing::ManualClock;
use incode_core::webhook::Authenticity;
use incode_core::{Incode, Secret, Timestamp};
use tokio::runtime::Runtime;

use crate::head::Written;

/// An application in memory whose vendor is never reached, at one instant.
pub(crate) struct Served(Incode);

impl Served {
    pub(crate) fn new(flow_secret: &str, now: Timestamp) -> Self {
        RUNTIME.block_on(async {
            let client = Client::builder("http://127.0.0.1:9", Secret::from("a-key")).retries(0).build().unwrap();
            let flow = HostedFlow::new("a-client", "https://web.example", PUBLIC_URL, Secret::from(flow_secret));
            let builder = Incode::builder()
                .client(client)
                .webhook_authenticity(Authenticity::fetch_back())
                .hosted_flow(flow.unwrap())
                .subjects(SubjectSource::cookie("session", |value| value.strip_prefix("signed.").map(Into::into)))
                .redirect_browsers()
                .login_at(LOGIN)
                // So that an endless run stays as large as a short one.
                .near_cache_capacity(64)
                .clock(ManualClock::new(now))
                .memory();
            Self(builder.build().await.unwrap())
        })
    }

    /// The answer of a mounted route that needs no I/O; `None` when it would ask the vendor.
    pub(crate) fn answer(&self, head: &Written) -> Option<Reply> {
        let exchange = self.0.open(head).expect("a mounted route");
        let _inside = RUNTIME.enter();
        let reply = exchange.answer(stream::empty::<Result<Vec<u8>, std::io::Error>>()).now_or_never()?;
        legal(&reply);
        Some(reply)
    }

    /// Who asks.
    pub(crate) fn visitor(&self, head: &Written) -> Visitor {
        let inside = RUNTIME.enter();
        let visit = self.0.visit(head);
        drop(inside);
        RUNTIME.block_on(async { tokio::time::timeout(Duration::from_secs(10), visit.visitor()).await }).unwrap()
    }
}

/// What holds for every reply: a client's mistake and never ours, headers that can be sent as they are, and a body that is
/// a problem or nothing.
pub(crate) fn legal(reply: &Reply) {
    assert!((200..500).contains(&reply.status), "{reply:?}");
    for (name, value) in &reply.headers {
        assert!(!value.is_empty() && value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name}: {value:?}");
    }
    if reply.status >= 400 {
        let problem: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(problem["status"], reply.status);
    } else {
        assert!(reply.body.is_empty());
    }
}

/// The `code` of a problem.
pub(crate) fn code(reply: &Reply) -> String {
    let problem: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    problem["code"].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_ref())
}

/// Of one thread: an answer then costs no wake-up of another.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());

pub(crate) const LOGIN: &str = "/login";
pub(crate) const PUBLIC_URL: &str = "https://app.example";
pub(crate) const FLOW_SECRET: &str = "a flow secret of thirty-two bytes or more";
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_688_052_828);

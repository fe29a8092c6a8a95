//! From a revocation that one replica has written to the last open answer of two others, which ask in a tight loop;
//! each with a near cache of its own, on one real server. While notices arrive; while it is known that none does; and
//! with the notice lost at that very moment, with an error or without one.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod common {
    pub(crate) mod caller;
    pub(crate) mod figures;
}

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use common::caller::Caller;
use common::figures::Figures;
use incode_core::adapter::Resolved;
use incode_core::client::Client;
use incode_core::webhook::Authenticity;
use incode_core::{Builder, IdentityId, Incode, ObjectId, Secret, Subject, Token};
use incode_postgres::PostgresOptions;
use incode_redis::RedisOptions;
use incode_sandbox::{NewPerson, Sandbox};
use incode_tests::servers::{PostgresServer, Proxy, RedisServer};

fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("milliseconds from the settled write to the last open answer of each of the two others\n");
    println!("| store | notices | revocations | p50 | p99 | at most |\n|---|---|---|---|---|---|");
    runtime.block_on(async {
        if let Some(server) = PostgresServer::start().await {
            let (_, schema) = server.fresh();
            let join = |builder: Builder, port| {
                builder.open_store(PostgresOptions::new(&server.url_at(port, &schema)).unwrap())
            };
            measure("PostgreSQL", server.port(), join).await;
        }
        if let Some(server) = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]).await {
            let join = |builder: Builder, port| builder.open_store(RedisOptions::new(&server.url_at(port)).unwrap());
            measure("Redis, appendfsync always", server.port(), join).await;
        }
    });
}

async fn measure(store: &str, port: u16, join: impl Fn(Builder, u16) -> Builder) {
    let cluster = Cluster::start(port, join).await;
    for (notices, rounds) in
        [(Notices::Arrives, ROUNDS), (Notices::Cut, ROUNDS), (Notices::CutNow, ABRUPT), (Notices::SilentNow, SILENT)]
    {
        let mut waits = Vec::new();
        for _ in 0..rounds {
            waits.extend(cluster.round(notices).await);
        }
        let waits = Figures::from(waits);
        let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| waits.quantile(share));
        println!("| {store} | {} | {rounds} | {p50:.2} | {p99:.2} | {most:.2} |", notices.words());
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Notices {
    Arrives,
    /// The replicas know.
    Cut,
    /// Reset with the revocation.
    CutNow,
    /// Silent from the revocation on.
    SilentNow,
}

impl Notices {
    fn words(self) -> &'static str {
        match self {
            Self::Arrives => "arrive",
            Self::Cut => "are cut, and each request asks the store",
            Self::CutNow => "are cut at the moment of the revocation",
            Self::SilentNow => "fall silent at the moment of the revocation",
        }
    }
}

/// Three replicas, and a user whom all of them know.
struct Cluster {
    sandbox: Sandbox,
    person: String,
    verification: String,
    writer: Incode,
    others: [(Incode, Proxy); 2],
    caller: Arc<Caller>,
}

impl Cluster {
    async fn start(port: u16, join: impl Fn(Builder, u16) -> Builder) -> Self {
        let sandbox = Sandbox::builder().start().await.unwrap();
        let person = sandbox.add_person(NewPerson::named("Ana Flores")).identity_id;
        let verification = sandbox.verify(&person).unwrap().verification_id;
        let replica = async |port| {
            let client = Client::builder(&sandbox.url(), Secret::from(sandbox.api_key())).build().unwrap();
            let builder = Incode::builder()
                .client(client)
                .webhook_authenticity(Authenticity::fetch_back())
                .near_cache_lifetime(LIFETIME)
                .subjects(Caller::source());
            join(builder, port).build().await.unwrap()
        };
        let writer = replica(port).await;
        let other = async || {
            let proxy = Proxy::to(port).await;
            (replica(proxy.port()).await, proxy)
        };
        let others = [other().await, other().await];
        let caller = Arc::new(Caller("ana".to_owned()));
        let cluster = Self { sandbox, person, verification, writer, others, caller };
        cluster.send_to_writer().await;
        let (subject, identity) = (Subject::new("ana").unwrap(), IdentityId::new(&*cluster.person).unwrap());
        cluster.writer.link(&subject, &identity, &incode_core::Actor::unknown()).await.unwrap();
        cluster
    }

    /// The one asks the vendor, and writes what it says.
    async fn send_to_writer(&self) {
        let token = Token::new(self.sandbox.issue_token(&self.person)).unwrap();
        self.writer.recheck(&ObjectId::new(&*self.verification).unwrap(), &token).await.unwrap();
    }

    /// Milliseconds, of each of the others.
    async fn round(&self, notices: Notices) -> Vec<f64> {
        for (incode, proxy) in &self.others {
            if notices == Notices::Cut {
                proxy.cut_notices();
            } else {
                proxy.mend();
            }
            self.until(incode, |is_known| is_known != (notices == Notices::Cut)).await;
        }
        self.sandbox.activate(&self.person).unwrap();
        self.send_to_writer().await;
        let settled = Arc::new(Mutex::new(None));
        let mut watchers = Vec::new();
        for (incode, _) in &self.others {
            while !self.caller.is_let_in(incode).await {}
            watchers.push(tokio::spawn(watch(incode.clone(), Arc::clone(&self.caller), Arc::clone(&settled))));
        }
        self.sandbox.revoke(&self.person).unwrap();
        for (_, proxy) in &self.others {
            match notices {
                Notices::CutNow => proxy.cut_notices(),
                Notices::SilentNow => proxy.silence_notices(),
                Notices::Arrives | Notices::Cut => {}
            }
        }
        self.send_to_writer().await;
        *settled.lock().unwrap() = Some(Instant::now());
        let mut waits = Vec::new();
        for watcher in watchers {
            waits.push(watcher.await.unwrap().as_secs_f64() * 1e3);
        }
        waits
    }

    /// Asks until the answer comes from the near cache, or until it no longer does.
    async fn until(&self, incode: &Incode, fits: impl Fn(bool) -> bool) {
        let begun = Instant::now();
        loop {
            self.caller.visits(incode).await;
            if fits(matches!(incode.visit(&*self.caller), Resolved::Ready(_))) {
                return;
            }
            assert!(begun.elapsed() < LIFETIME, "the feed did not reach the state that was set");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// From the settlement to the last open answer.
async fn watch(incode: Incode, caller: Arc<Caller>, settled: Arc<Mutex<Option<Instant>>>) -> Duration {
    let mut last_open = Instant::now();
    loop {
        let is_open = caller.is_let_in(&incode).await;
        let now = Instant::now();
        if is_open {
            last_open = now;
        } else if let Some(settled) = *settled.lock().unwrap()
            && now > settled + AFTERWARDS
        {
            return last_open.saturating_duration_since(settled);
        }
        tokio::task::yield_now().await;
    }
}

const ROUNDS: usize = 300;
const ABRUPT: usize = 100;
/// Each takes a second.
const SILENT: usize = 20;
/// So long that it ends for no user.
const LIFETIME: Duration = Duration::from_secs(600);
/// How long a replica has to stay shut.
const AFTERWARDS: Duration = Duration::from_millis(5);

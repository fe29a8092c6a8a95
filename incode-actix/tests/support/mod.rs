//! Real sockets, two workers, and a store that takes its time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::{ServerHandle, Service};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::rt::{self, task::spawn_blocking, time::sleep};
use actix_web::{App, HttpServer, web};
use incode_actix::core::client::Client;
use incode_actix::core::identity::transition::{ChangeRequest, Command};
use incode_actix::core::identity::{
    Checks, FaceOrigin, Identity, Link, LinkProof, Observation, RefusedLink, RetainedField, SubjectState,
};
use incode_actix::core::model::IdentityStatus;
use incode_actix::core::store::{
    Accepted, Audit, AuditId, AuditStore, Changed, Claim, Claimed, ClaimedJobs, Counts, EventDetail, EventFilter,
    EventId, EventRow, IdentityStore, InboxStore, JobClaim, JobFilter, JobLease, JobRow, JobSettlement, JobStore,
    Lease, LifeCycle, MemoryStore, NewEvent, Prune, Replay, ReplayJobs, SecretCheck, Settled, Settlement, Store,
    StoreFuture,
};
use incode_actix::core::webhook::Authenticity;
use incode_actix::core::{Actor, Clock, IdentityId, ObjectId, SystemClock, Timestamp};
use incode_actix::{Builder, Incode, IncodeMiddleware, Subject, SubjectSource};

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
}

impl Served {
    /// Two workers; outside of everything a middleware that marks each response it gets to see.
    pub(crate) async fn start(incode: Incode, routes: fn(&mut web::ServiceConfig)) -> Self {
        let server = HttpServer::new(move || {
            App::new().configure(routes).wrap(IncodeMiddleware::new(incode.clone())).wrap_fn(|request, service| {
                let response = service.call(request);
                async {
                    let mut response = response.await?;
                    response.headers_mut().insert(HeaderName::from_static("x-outer"), HeaderValue::from_static("saw"));
                    Ok(response)
                }
            })
        })
        .workers(2)
        .client_disconnect_timeout(Duration::from_millis(100))
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        rt::spawn(server);
        Self { address, handle }
    }

    /// The response as text, of a connection of its own.
    pub(crate) async fn get(&self, path: &str, user: Option<&str>) -> String {
        let user = user.map(|user| format!("x-user: {user}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nhost: app\r\n{user}connection: close\r\n\r\n");
        let address = self.address;
        spawn_blocking(move || {
            let mut socket = connect(address);
            socket.write_all(request.as_bytes()).unwrap();
            let mut response = String::new();
            socket.read_to_string(&mut response).unwrap();
            response.to_ascii_lowercase()
        })
        .await
        .unwrap()
    }

    pub(crate) async fn stop(self) {
        self.handle.stop(false).await;
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

pub(crate) async fn incode(store: impl Store) -> Incode {
    builder(store).build().await.unwrap()
}

pub(crate) fn builder(store: impl Store) -> Builder {
    Incode::builder()
        .client(Client::builder("http://127.0.0.1:9", "key").build().unwrap())
        .webhook_authenticity(Authenticity::fetch_back())
        .subjects(SubjectSource::trusted_header("x-user"))
        .store(store)
}

/// Links a subject to an identity of its own.
pub(crate) async fn link(store: &impl Store, subject: &str, status: &str) {
    let now = SystemClock.now();
    let identity_id = IdentityId::new(format!("id-of-{subject}")).unwrap();
    let link = Link::new(Subject::new(subject).unwrap(), identity_id.clone(), LinkProof::Application, now);
    let seen = Observation {
        identity_id,
        sent_at: now,
        status: IdentityStatus::from(status),
        attestation: None,
        verified: None,
        face_authenticated_at: None,
        face_origin: FaceOrigin::default(),
        checks: Checks::default(),
        fields: Vec::new(),
    };
    for command in [Command::Observe(seen), Command::Link { link, by: None }] {
        store.change(ChangeRequest { command, rules: Arc::default(), now }).await.unwrap();
    }
}

/// Answers for subjects late, and counts how often it was asked.
pub(crate) struct SlowStore {
    pub(crate) store: MemoryStore,
    pub(crate) loads: Arc<AtomicUsize>,
    pub(crate) wait: Duration,
}

impl IdentityStore for SlowStore {
    fn subject(&self, subject: Subject) -> StoreFuture<'_, SubjectState> {
        Box::pin(async move {
            self.loads.fetch_add(1, Ordering::SeqCst);
            sleep(self.wait).await;
            self.store.subject(subject).await
        })
    }

    fn change(&self, request: ChangeRequest) -> StoreFuture<'_, Changed> {
        self.store.change(request)
    }

    fn identity(&self, id: IdentityId) -> StoreFuture<'_, Option<Identity>> {
        self.store.identity(id)
    }

    fn subjects(&self, id: IdentityId) -> StoreFuture<'_, Vec<Subject>> {
        self.store.subjects(id)
    }

    fn refused_link(&self, subject: Subject) -> StoreFuture<'_, Option<RefusedLink>> {
        self.store.refused_link(subject)
    }

    fn verified_as(&self, verification: ObjectId) -> StoreFuture<'_, Option<IdentityId>> {
        self.store.verified_as(verification)
    }

    fn fields(&self, id: IdentityId, now: Timestamp) -> StoreFuture<'_, Vec<RetainedField>> {
        self.store.fields(id, now)
    }
}

impl InboxStore for SlowStore {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        self.store.accept(event)
    }

    fn claim(&self, claim: Claim) -> StoreFuture<'_, Claimed> {
        self.store.claim(claim)
    }

    fn renew(&self, leases: Vec<Lease>, lease_until: Timestamp) -> StoreFuture<'_, ()> {
        self.store.renew(leases, lease_until)
    }

    fn settle(&self, lease: Lease, settlement: Settlement) -> StoreFuture<'_, Settled> {
        self.store.settle(lease, settlement)
    }

    fn events(&self, filter: EventFilter) -> StoreFuture<'_, Vec<EventRow>> {
        self.store.events(filter)
    }

    fn event(&self, id: EventId) -> StoreFuture<'_, Option<EventDetail>> {
        self.store.event(id)
    }

    fn replay(&self, which: Replay, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        self.store.replay(which, by, now)
    }
}

impl JobStore for SlowStore {
    fn claim_jobs(&self, claim: JobClaim) -> StoreFuture<'_, ClaimedJobs> {
        self.store.claim_jobs(claim)
    }

    fn renew_jobs(&self, leases: Vec<JobLease>, lease_until: Timestamp) -> StoreFuture<'_, ()> {
        self.store.renew_jobs(leases, lease_until)
    }

    fn settle_job(&self, lease: JobLease, settlement: JobSettlement) -> StoreFuture<'_, bool> {
        self.store.settle_job(lease, settlement)
    }

    fn jobs(&self, filter: JobFilter) -> StoreFuture<'_, Vec<JobRow>> {
        self.store.jobs(filter)
    }

    fn replay_jobs(&self, which: ReplayJobs, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        self.store.replay_jobs(which, by, now)
    }
}

impl AuditStore for SlowStore {
    fn audits(&self, limit: u32, before: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>> {
        self.store.audits(limit, before)
    }
}

impl LifeCycle for SlowStore {
    fn counts(&self) -> StoreFuture<'_, Counts> {
        self.store.counts()
    }

    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64> {
        self.store.prune(prune)
    }

    fn time(&self) -> StoreFuture<'_, Option<Timestamp>> {
        self.store.time()
    }

    fn check_secret(&self, name: &'static str, check_value: [u8; 16]) -> StoreFuture<'_, SecretCheck> {
        self.store.check_secret(name, check_value)
    }

    fn replace_secret(&self, name: &'static str, kept: [u8; 16], by: [u8; 16]) -> StoreFuture<'_, bool> {
        self.store.replace_secret(name, kept, by)
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.store.close()
    }
}

//! From SQLite to PostgreSQL: everything arrives, once, whatever happens on the way.

use std::path::PathBuf;
use std::sync::Arc;

use incode_core::identity::{Field, Observation, RetainedField};
use incode_core::model::{AttestationStatus, IdentityStatus};
use incode_core::store::{
    Accepted, Claim, ClaimedEvent, EventFilter, EventId, JobClaim, JobFailure, JobFilter, JobSettlement, Moved,
    MovedTable, Moving, NewEvent, NewLink, PostgresOptions, PostgresStore, Reason, Replay, Settlement, SqliteStore,
    Store,
};
use incode_core::testing::store_suite::{ignored, new_link, pending, seen};
use incode_core::{Actor, IdentityId, ObjectId, Subject, Timestamp};
use incode_tests::servers::PostgresServer;
use tempfile::TempDir;

mod arriving;
mod large;
mod live;
mod meeting;
mod program;
mod repeating;

/// A file and a schema that it moves to.
struct Move {
    directory: TempDir,
    server: Arc<PostgresServer>,
    url: String,
    schema: String,
}

impl Move {
    async fn start() -> Option<Self> {
        let server = PostgresServer::shared().await?;
        let (url, schema) = server.fresh();
        Some(Self { directory: TempDir::new().unwrap(), server, url, schema })
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("incode.db")
    }

    async fn sqlite(&self) -> SqliteStore {
        SqliteStore::open(self.file()).await.unwrap()
    }

    async fn postgres(&self) -> PostgresStore {
        PostgresStore::open(&self.url).await.unwrap()
    }

    fn moving(&self) -> Moving {
        Moving::new(self.file(), PostgresOptions::new(&self.url).unwrap())
    }

    async fn run(&self) -> Moved {
        self.moving().run().await.unwrap()
    }

    /// Also after a complete one.
    async fn run_again(&self) -> Moved {
        self.moving().again(true).run().await.unwrap()
    }

    /// Tables of the schema.
    async fn tables(&self) -> Vec<String> {
        let sql = "SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY 1";
        let rows = self.server.connect(&self.schema).await.query(sql, &[&self.schema]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

fn table(moved: &Moved, name: &str) -> MovedTable {
    *moved.tables.iter().find(|table| table.name == name).unwrap()
}

/// Some of everything that a store can hold.
async fn fill(store: &dyn Store) {
    // Linked, and revoked since; another two share an identity.
    link(store, new_link("alice", "ana", 10, Some(1))).await;
    store.observe(Observation { status: IdentityStatus::Revoked, verified: None, ..seen("ana", 20) }).await.unwrap();
    link(store, NewLink { shared: true, ..new_link("bob", "ben", 11, Some(2)) }).await;
    link(store, NewLink { shared: true, ..new_link("carol", "ben", 12, None) }).await;
    let mut face = seen("cem", 30);
    face.status = IdentityStatus::Other("ON_HOLD".into());
    face.attestation = Some(AttestationStatus::from("MANUAL_OK"));
    face.face_authenticated_at = Some(ms(29));
    face.face_origin.verification_id = Some(object("enrolment"));
    face.face_origin.source_id = Some("gate-7".into());
    face.fields = vec![
        RetainedField { field: Field::Email, sealed: b"sealed email".to_vec(), expires_at: ms(LONG) },
        RetainedField { field: Field::Curp, sealed: b"sealed curp".to_vec(), expires_at: ms(LONG) },
    ];
    store.observe(face).await.unwrap();
    link(store, new_link("dora", "dee", 40, None)).await;
    store.forget(identity("dee"), Actor::new("an admin").unwrap(), ms(50)).await.unwrap().unwrap();

    accept(store, pending("applied", "token", 60)).await;
    let event = claim(store, 60).await;
    let handlers = vec!["ledger".into(), "mail".into()];
    let settlement = Settlement::Done { seen: Some(seen("eve", 61)), link: None, handlers, at: ms(62) };
    store.settle(event.lease, settlement).await.unwrap();
    let mail = claim_effect(store, "mail").await;
    store.effects().settle_job(mail, JobSettlement::Done { at: ms(63) }).await.unwrap();
    let ledger = claim_effect(store, "ledger").await;
    let failure = JobFailure::TimedOut;
    store.effects().settle_job(ledger, JobSettlement::Retry { due_at: ms(900), failure }).await.unwrap();

    for (name, reason, wipe_token, at) in
        [("lost", Reason::Exhausted, false, 70), ("swapped", Reason::BindingMismatch, true, 80)]
    {
        let id = accept(store, pending(name, "token", at)).await;
        for _ in 0..2 {
            let lease = claim(store, at).await.lease;
            store.settle(lease, Settlement::Dead { reason, wipe_token, at: ms(at + 1) }).await.unwrap();
            store.replay(Replay::One(id), Actor::new("an admin").unwrap(), ms(at)).await.unwrap();
        }
        let lease = claim(store, at).await.lease;
        store.settle(lease, Settlement::Dead { reason, wipe_token, at: ms(at + 1) }).await.unwrap();
    }
    accept(store, ignored("strange", 90)).await;
    accept(store, pending("tried", "token", 100)).await;
    let lease = claim(store, 100).await.lease;
    let reason = Reason::VendorUnavailable;
    store.settle(lease, Settlement::Retry { due_at: ms(LONG), reason }).await.unwrap();
    accept(store, pending("leased", "sealed-token", 110)).await;
    claim(store, 110).await;
    accept(store, pending("waiting", "token", 120)).await;
}

/// All that can be asked of a store, in lines that can be compared.
async fn all_of(store: &dyn Store) -> Vec<String> {
    let mut lines = vec![format!("{:?}", store.counts().await.unwrap())];
    for row in store.events(EventFilter { limit: 10_000, ..EventFilter::default() }).await.unwrap() {
        let detail = store.inspect(row.id).await.unwrap().unwrap();
        let object = row.object_id.as_ref().map(|id| id.as_str().to_owned());
        lines.push(format!("{row:?} {object:?} {:?} {} {}", detail.vendor_time, detail.has_token, detail.object_done));
    }
    for name in ["alice", "bob", "carol", "dora", "nobody"] {
        let linked = store.linked(subject(name)).await.unwrap();
        lines.push(format!("{name}: {:?}", linked.map(|linked| (linked.link, linked.identity.identity_id))));
    }
    for name in ["ana", "ben", "cem", "dee", "eve"] {
        let mut fields = store.fields(identity(name), ms(0)).await.unwrap();
        fields.sort_by_key(|field| field.field);
        let fields: Vec<_> = fields.into_iter().map(|kept| (kept.field, kept.sealed, kept.expires_at)).collect();
        let known = store.identity(identity(name)).await.unwrap();
        let source = known.as_ref().and_then(|known| known.face_origin.source_id.clone());
        lines.push(format!("{name}: {known:?} {source:?} {fields:?}"));
    }
    for verification in ["verification-10", "verification-11", "verification-12", "verification-40", "enrolment"] {
        lines.push(format!("{verification}: {:?}", store.verified_as(object(verification)).await.unwrap()));
    }
    let filter = JobFilter { state: None, handler: None, before: None, limit: 100 };
    lines.extend(store.effects().list_jobs(filter).await.unwrap().iter().map(|effect| format!("{effect:?}")));
    lines.push(format!("{:?}", store.effects().job_counts().await.unwrap()));
    lines.extend(store.audits(100, None).await.unwrap().iter().map(|audit| format!("{audit:?}")));
    lines
}

async fn accept(store: &dyn Store, event: NewEvent) -> EventId {
    match store.accept(event).await.unwrap() {
        Accepted::New(id) => id,
        Accepted::Duplicate => panic!("a duplicate of nothing"),
    }
}

async fn link(store: &dyn Store, new: NewLink) {
    let linked = store.link(new).await.unwrap();
    assert!(matches!(linked, incode_core::store::Linked::Done(_)), "{linked:?}");
}

/// The one event that is due at this moment.
async fn claim(store: &dyn Store, now: i64) -> ClaimedEvent {
    let claim = Claim { now: ms(now), lease_until: ms(LONG), limit: 10, newest_first: false };
    let mut events = store.claim(claim).await.unwrap();
    assert_eq!(events.len(), 1);
    events.remove(0)
}

async fn claim_effect(store: &dyn Store, handler: &str) -> incode_core::store::JobLease {
    let claim = JobClaim { handler: handler.into(), now: ms(LONG), lease_until: ms(LONG + 1), limit: 10 };
    let effects = store.effects().claim_jobs(claim).await.unwrap();
    assert_eq!(effects.len(), 1);
    effects[0].lease
}

fn done(at: i64, who: &str) -> Settlement {
    Settlement::Done { seen: Some(seen(who, at)), link: None, handlers: Vec::new(), at: ms(at) }
}

/// Of the machine, which is the server's too.
fn clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    ms(i64::try_from(since.as_millis()).unwrap())
}

fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

fn identity(name: &str) -> IdentityId {
    IdentityId::new(name).unwrap()
}

fn object(name: &str) -> ObjectId {
    ObjectId::new(name).unwrap()
}

/// After everything here.
const LONG: i64 = 1_000_000;

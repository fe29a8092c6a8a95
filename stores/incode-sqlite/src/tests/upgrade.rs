use rusqlite::Connection;

use super::*;
use crate::store::{EventFilter, EventState, JobClaim, Linked};
use crate::testing::store_suite::{new_link, seen};
use crate::{IdentityId, ObjectId, Subject};

#[tokio::test]
async fn rows_of_version_1_are_served() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    write_version_1(&path);
    let store = open(&path).await;

    let counts = store.counts().await.unwrap();
    assert_eq!((counts.pending, counts.done, counts.dead), (1, 1, 1));
    assert_eq!(accept(&store, pending("applied", "other", 30)).await, Accepted::Duplicate);
    assert_eq!(accept(&store, pending("waiting", "token", 30)).await, Accepted::Duplicate);
    let dead = EventFilter { state: Some(EventState::Dead), limit: 10, ..EventFilter::default() };
    assert_eq!(store.events(dead).await.unwrap().len(), 1);
    let linked = store.linked(Subject::new("alice").unwrap()).await.unwrap().unwrap();
    assert_eq!(linked.identity.verified_at, Some(ms(5)));
    assert_eq!(store.link(new_link("bob", "x", 30, Some(1))).await.unwrap(), Linked::AlreadySpent);

    let claim = JobClaim { handler: "mail".into(), now: ms(9_000), lease_until: ms(9_999), limit: 10 };
    assert!(
        store.effects().claim_jobs(claim.clone()).await.unwrap().is_empty(),
        "what was applied before is owed to nobody"
    );
    let event = super::claim(&store, 20, 1).await.pop().unwrap();
    assert_eq!((event.object_id.as_str(), &event.token[..], event.attempts), ("waiting", &b"token"[..], 3));
    assert!(!event.authenticated, "nobody wrote down who sent it");
    let verification = ObjectId::new("verification-5").unwrap();
    assert_eq!(store.verified_as(verification).await.unwrap(), Some(IdentityId::new("person").unwrap()));
    let (seen, handlers) = (Some(seen("person", 20)), vec!["mail".into()]);
    store.settle(event.lease, Settlement::Done { seen, link: None, handlers, at: ms(21) }).await.unwrap();
    let effect = store.effects().claim_jobs(claim).await.unwrap().pop().unwrap();
    assert_eq!(effect.identity, store.identity(IdentityId::new("person").unwrap()).await.unwrap());
    let Accepted::New(id) = accept(&store, pending("next", "token", 30)).await else {
        panic!("a duplicate of nothing")
    };
    assert_eq!(id.0, 9, "ids go on");
}

fn write_version_1(path: &Path) {
    use crate::store::dedupe::Keys;
    let conn = Connection::open(path).unwrap();
    conn.execute_batch(VERSION_1).unwrap();
    let rows = [(6, "applied", "done", None), (7, "lost", "dead", Some("not_found")), (8, "waiting", "pending", None)];
    for (id, object, state, reason) in rows {
        let keys = Keys::of(&pending(object, "token", 10));
        let waits = state == "pending";
        let sql = "INSERT INTO event VALUES (?, 'verification.completed', ?, ?, ?, ?, ?, 2, 4, 9, 10, ?, ?, NULL, ?)";
        conn.execute(
            sql,
            rusqlite::params![
                id,
                object,
                keys.object,
                keys.delivery,
                state,
                reason,
                waits.then_some(15),
                (!waits).then_some(15),
                waits.then_some(b"token"),
            ],
        )
        .unwrap();
    }
    conn.execute_batch(
        "UPDATE inbox SET last_id = 8;
        INSERT INTO identity VALUES ('person', 'ACTIVE', 6, 'verification-5', 5, NULL, NULL);
        INSERT INTO link VALUES ('alice', 'person', 'flow', 6);
        INSERT INTO spent VALUES (x'010101010101010101010101010101010101010101010101', 9000)",
    )
    .unwrap();
}

/// The tables as the first version made them, down to the numbers in the header.
const VERSION_1: &str = "
CREATE TABLE event (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, object_id TEXT, object_key BLOB NOT NULL, delivery_key BLOB NOT NULL,
    state TEXT NOT NULL, reason TEXT, attempts INTEGER NOT NULL, lease INTEGER NOT NULL, vendor_time INTEGER,
    received_at INTEGER NOT NULL, due_at INTEGER, settled_at INTEGER, correlation_id TEXT, token BLOB
) STRICT;
CREATE INDEX event_due ON event (due_at) WHERE state = 'pending';
CREATE INDEX event_state ON event (state);
CREATE INDEX event_settled ON event (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX event_dead_token ON event (settled_at) WHERE state = 'dead' AND token IS NOT NULL;
CREATE TABLE inbox (last_id INTEGER NOT NULL) STRICT;
INSERT INTO inbox (last_id) VALUES (0);
CREATE TABLE identity (
    identity_id TEXT PRIMARY KEY, status TEXT NOT NULL, checked_at INTEGER NOT NULL, verification_id TEXT,
    verified_at INTEGER, face_authenticated_at INTEGER, attestation TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE link (
    subject TEXT PRIMARY KEY, identity_id TEXT NOT NULL, proof TEXT NOT NULL, linked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX link_identity ON link (identity_id);
CREATE TABLE forgotten (identity_hash BLOB PRIMARY KEY, forgotten_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE spent (nonce BLOB PRIMARY KEY, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX spent_expires ON spent (expires_at);
PRAGMA user_version = 1;
PRAGMA application_id = 0x696e6364;
";

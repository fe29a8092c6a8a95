//! The tables.

use incode_core::store::{StoreError, StoreErrorKind};
use rusqlite::{Connection, TransactionBehavior};

use crate::error::Failure;

/// Whether the file has our tables; false for an empty file. Refuses a file of another program or version. Writes
/// nothing.
pub(crate) fn check(conn: &Connection) -> Result<bool, StoreError> {
    let number = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(Failure::from);
    let version = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let is_empty = number("SELECT count(*) FROM sqlite_master")? == 0;
    match (application, version) {
        (0, 0) if is_empty => Ok(false),
        (APPLICATION_ID, VERSION) => Ok(true),
        (APPLICATION_ID, _) => Err(incompatible("the file was written by another version of incode")),
        _ => Err(incompatible("the file belongs to another program")),
    }
}

/// Creates the tables in one transaction: all or none.
pub(crate) fn create(conn: &mut Connection) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for tables in [INBOX, PEOPLE, USED, JOBS, AUDIT] {
        tx.execute_batch(tables)?;
    }
    tx.execute_batch(&format!("PRAGMA user_version = {VERSION}; PRAGMA application_id = {APPLICATION_ID}"))?;
    tx.commit()
}

/// The file can't be used by this version.
fn incompatible(cause: &'static str) -> StoreError {
    StoreError::with_source(StoreErrorKind::Incompatible, cause)
}

/// "incd" in ASCII: `file` and SQLite's own tools show it.
const APPLICATION_ID: i64 = 0x696e_6364;
/// Of the tables. A file of another version is refused.
const VERSION: i64 = 1;

/// Rows are appended in the order of acceptance and no index is random, so the file grows at its end. The dedupe keys
/// have no index: they are in memory.
const INBOX: &str = "
-- All times are milliseconds since 1970.
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    object_id TEXT,
    object_key BLOB NOT NULL,     -- the four keys of dedupe
    delivery_key BLOB NOT NULL,
    done_key BLOB NOT NULL,
    applied_key BLOB,
    state TEXT NOT NULL,
    reason TEXT,
    attempts INTEGER NOT NULL,
    lease INTEGER NOT NULL,       -- counts up with every claim and settlement; odd: under a lease
    authenticated INTEGER NOT NULL,
    implausible INTEGER NOT NULL,
    vendor_time INTEGER,
    received_at INTEGER NOT NULL,
    due_at INTEGER,               -- while pending: when it is due, or its lease ends
    settled_at INTEGER,
    correlation_id TEXT,
    token BLOB                    -- last, so that scans skip its overflow pages
) STRICT;
CREATE INDEX event_due ON event (implausible, due_at) WHERE state = 'pending';
CREATE INDEX event_state ON event (state);
CREATE INDEX event_settled ON event (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX event_dead_token ON event (settled_at) WHERE state = 'dead' AND token IS NOT NULL;
-- Events without trouble have no reason, so accepting and settling them writes nothing here.
CREATE INDEX event_reason ON event (reason) WHERE reason IS NOT NULL;

-- last_event: the highest id ever given, in case its row was pruned. secret NAME: a check value.
CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
";

/// What is known of people. Rows are found by identity or by subject; every index serves one of these, or a prune.
const PEOPLE: &str = "
CREATE TABLE identity (
    identity_id TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    checked_at INTEGER NOT NULL,
    verification_id TEXT,
    verified_at INTEGER,
    face_authenticated_at INTEGER,
    face_verification_id TEXT,
    face_source_id TEXT,
    attestation TEXT,
    checks TEXT NOT NULL          -- Checks, encoded by core
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_verification ON identity (verification_id) WHERE verification_id IS NOT NULL;

CREATE TABLE link (
    subject TEXT PRIMARY KEY,
    identity_id TEXT NOT NULL,
    proof TEXT NOT NULL,
    linked_at INTEGER NOT NULL,
    active_since INTEGER,
    verified_since INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX link_identity ON link (identity_id);

CREATE TABLE pending_link (
    subject TEXT PRIMARY KEY,
    identity_id TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    vendor_began_at INTEGER NOT NULL,
    vendor_returned_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_link_identity ON pending_link (identity_id);
CREATE INDEX pending_link_expires ON pending_link (expires_at);

-- The newest refusal of each subject, for those who ask why. No rule reads it.
CREATE TABLE refused_link (
    subject TEXT PRIMARY KEY,
    refusal TEXT NOT NULL,
    event_id INTEGER,             -- of an event; NULL: a callback
    refused_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refused_link_at ON refused_link (refused_at);

CREATE TABLE confirmation (
    id INTEGER PRIMARY KEY,
    subject TEXT NOT NULL,
    identity_id TEXT NOT NULL,
    session BLOB NOT NULL,
    action BLOB,
    passed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX confirmation_subject ON confirmation (subject);
CREATE INDEX confirmation_passed ON confirmation (passed_at);

-- Personal fields that the application opted in to retain: sealed, each until it expires.
CREATE TABLE field (
    identity_id TEXT NOT NULL,
    field TEXT NOT NULL,
    sealed BLOB NOT NULL,
    sent_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (identity_id, field)
) STRICT, WITHOUT ROWID;
CREATE INDEX field_expires ON field (expires_at);

-- SHA-256 of the identity id: the id itself is erased.
CREATE TABLE tombstone (identity_hash BLOB PRIMARY KEY, forgotten_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// What may be used once. The keys are random, so these tables have no other order: they stay small, because rows go soon.
const USED: &str = "
CREATE TABLE used_nonce (nonce BLOB PRIMARY KEY, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX used_nonce_expires ON used_nonce (expires_at);

CREATE TABLE used_token (
    token_hash BLOB PRIMARY KEY,
    subject TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_token_expires ON used_token (expires_at);
";

/// The jobs of handlers. `job_due` begins with the handler: each handler claims its own jobs.
const JOBS: &str = "
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- an id is never used twice
    handler TEXT NOT NULL,
    cause TEXT NOT NULL,
    event_id INTEGER,             -- of an event: its id, kind and object
    kind TEXT,
    object_id TEXT,
    subject TEXT,                 -- of a person: the subject, until the job is done
    instant INTEGER,              -- and what tells two of the same cause apart
    identity_id TEXT,             -- until the job is done, or the identity forgotten
    state TEXT NOT NULL,
    failure TEXT,
    attempts INTEGER NOT NULL,
    lease INTEGER NOT NULL,       -- as in event
    caused_at INTEGER NOT NULL,
    due_at INTEGER,
    settled_at INTEGER
) STRICT;
CREATE INDEX job_due ON job (handler, due_at) WHERE state = 'pending';
CREATE INDEX job_state ON job (state);
CREATE INDEX job_settled ON job (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX job_identity ON job (identity_id) WHERE identity_id IS NOT NULL;
";

/// What was done by hand. Two partial indexes: entries that are kept by number, and erasures that are kept by age.
const AUDIT: &str = "
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    row_id INTEGER,               -- of a replay: the one event or job, or else the filter of the next four
    reason TEXT,
    kind TEXT,
    accepted_before INTEGER,
    handler TEXT,
    identity TEXT,                -- masked
    count INTEGER NOT NULL,
    by_age INTEGER NOT NULL       -- 1: an erasure, which is kept for its time however many entries follow
) STRICT;
CREATE INDEX audit_by_number ON audit (id) WHERE by_age = 0;
CREATE INDEX audit_by_age ON audit (at) WHERE by_age = 1;
";

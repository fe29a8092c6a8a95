use rusqlite::{Connection, TransactionBehavior};

use super::failure::Failure;
use crate::store::{StoreError, StoreErrorKind};

/// Refuses a file that is not ours, or newer than this program. Writes nothing.
pub(super) fn check(conn: &Connection) -> Result<(), StoreError> {
    let number = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(Failure::from);
    let version = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let empty = number("SELECT count(*) FROM sqlite_master")? == 0;
    if application == 0 && version == 0 && empty {
        return Ok(());
    }
    if application != APPLICATION_ID {
        return Err(StoreError::with_source(StoreErrorKind::Incompatible, "the file belongs to another program"));
    }
    if usize::try_from(version).is_ok_and(|version| version <= MIGRATIONS.len()) {
        Ok(())
    } else {
        Err(StoreError::with_source(StoreErrorKind::Incompatible, "the file was written by a newer version"))
    }
}

/// Whether the tables are of this version already. Of a file that [`check`] found to be ours.
#[cfg(feature = "postgres")]
pub(super) fn is_current(conn: &Connection) -> rusqlite::Result<bool> {
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(usize::try_from(version) == Ok(MIGRATIONS.len()))
}

/// Brings the tables to this version, in one transaction: all of it or none.
pub(super) fn migrate(conn: &mut Connection) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or(0);
    for (migration, version) in MIGRATIONS.iter().zip(1_i64..).skip(done) {
        tx.execute_batch(migration)?;
        tx.execute_batch(&format!("PRAGMA user_version = {version}; PRAGMA application_id = {APPLICATION_ID}"))?;
    }
    tx.commit()
}

/// "incd" in ASCII: `file` and SQLite's own tools show it.
const APPLICATION_ID: i64 = 0x696e_6364;

/// Each brings the version before it to its own; `user_version` counts them. Never edit one that was released.
pub(super) const MIGRATIONS: &[&str] = &[
    "
-- The inbox. Rows are appended in the order of acceptance, and no index is random: the file grows at its end.
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    object_id TEXT,
    object_key BLOB NOT NULL,   -- of (kind, object id)
    delivery_key BLOB NOT NULL, -- of (kind, object id, token hash)
    state TEXT NOT NULL,        -- pending, done, dead, ignored
    reason TEXT,
    attempts INTEGER NOT NULL,
    lease INTEGER NOT NULL,     -- counts up with every claim and settlement; odd: under a lease
    vendor_time INTEGER,        -- all times in milliseconds since 1970
    received_at INTEGER NOT NULL,
    due_at INTEGER,             -- while pending: when it is due, or its lease ends
    settled_at INTEGER,
    correlation_id TEXT,
    token BLOB                  -- last, so that scans skip what it spills over
) STRICT;
CREATE INDEX event_due ON event (due_at) WHERE state = 'pending';
CREATE INDEX event_state ON event (state);
CREATE INDEX event_settled ON event (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX event_dead_token ON event (settled_at) WHERE state = 'dead' AND token IS NOT NULL;

-- The highest id ever given, in case its row was pruned: an id is never used twice.
CREATE TABLE inbox (last_id INTEGER NOT NULL) STRICT;
INSERT INTO inbox (last_id) VALUES (0);

CREATE TABLE identity (
    identity_id TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    checked_at INTEGER NOT NULL,
    verification_id TEXT,
    verified_at INTEGER,
    face_authenticated_at INTEGER,
    attestation TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE link (
    subject TEXT PRIMARY KEY,
    identity_id TEXT NOT NULL,
    proof TEXT NOT NULL,
    linked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX link_identity ON link (identity_id);

-- Tombstones: SHA-256 of the identity id, so that the id itself is gone.
CREATE TABLE forgotten (identity_hash BLOB PRIMARY KEY, forgotten_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Correlation ids that were used.
CREATE TABLE spent (nonce BLOB PRIMARY KEY, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX spent_expires ON spent (expires_at);
",
    EFFECTS,
    AUDIT,
    FIELD,
    FACE,
    BINDING,
];

const EFFECTS: &str = "
-- What applied events owe to the application's handlers: a row for each, written when the event is done.
CREATE TABLE effect (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- an id is never used twice
    event_id INTEGER NOT NULL,
    handler TEXT NOT NULL,
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    identity_id TEXT,           -- gone once it is done, or the identity forgotten
    state TEXT NOT NULL,        -- pending, done, dead
    failure TEXT,
    attempts INTEGER NOT NULL,
    lease INTEGER NOT NULL,     -- counts up with every claim and settlement; odd: under a lease
    applied_at INTEGER NOT NULL,
    due_at INTEGER,             -- while pending: when it is due, or its lease ends
    settled_at INTEGER
) STRICT;
CREATE INDEX effect_due ON effect (handler, due_at) WHERE state = 'pending';
CREATE INDEX effect_state ON effect (state);
CREATE INDEX effect_settled ON effect (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX effect_identity ON effect (identity_id) WHERE identity_id IS NOT NULL;
";

const AUDIT: &str = "
-- What was done by hand: a row in the transaction that did it.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,     -- replay, forget
    event_id INTEGER,         -- of a replay: the one event, or else what was asked of the dead
    reason TEXT,
    kind TEXT,
    accepted_before INTEGER,
    identity TEXT,            -- of a forget: the first characters
    count INTEGER NOT NULL
) STRICT;

-- Lists of one reason. Events that fare well have none, so accepting and settling them writes nothing here.
CREATE INDEX event_reason ON event (reason) WHERE reason IS NOT NULL;
";

const FACE: &str = "
-- What the vendor said of the newest face authentication that passed.
ALTER TABLE identity ADD COLUMN face_verification_id TEXT;
ALTER TABLE identity ADD COLUMN face_source_id TEXT;
";

const BINDING: &str = "
-- Whose verification it is.
CREATE INDEX identity_verification ON identity (verification_id) WHERE verification_id IS NOT NULL;

-- 1: the sender proved to be the vendor. What was accepted before does not say, and is taken for what anybody may send.
ALTER TABLE event ADD COLUMN authenticated INTEGER NOT NULL DEFAULT 0;
";

const FIELD: &str = "
-- PersonalData fields that the application opted in to keep: sealed, each until it expires.
CREATE TABLE field (
    identity_id TEXT NOT NULL,
    field TEXT NOT NULL,
    sealed BLOB NOT NULL,
    sent_at INTEGER NOT NULL,    -- of the request that brought it: the newest stands
    expires_at INTEGER NOT NULL, -- from then on it is not read, and goes
    PRIMARY KEY (identity_id, field)
) STRICT, WITHOUT ROWID;
CREATE INDEX field_expires ON field (expires_at);
";

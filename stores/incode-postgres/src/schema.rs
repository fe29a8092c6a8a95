use super::failure::Failure;
use super::link::Link;
use super::rows;
use crate::store::StoreErrorKind;

/// Brings the tables to this version, in one transaction that one process at a time is in.
///
/// A schema of a newer version is left as it is, and used, when that version says that this one can work beside it: so
/// the two run side by side while replicas are replaced one by one, in either direction.
pub(super) async fn migrate(link: &Link) -> Result<(), Failure> {
    let schema = &link.target.schema;
    // Tables that are locked or large take their time.
    link.simple("BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '30s'").await?;
    // Of all of the database's processes: the schema may not exist yet, so nothing else could be locked.
    link.query("SELECT pg_advisory_xact_lock(7379803462)", &[]).await?;
    let known = version(link).await?;
    let ours = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    let done = match known {
        Some(Version { version, oldest }) if version > ours => {
            link.simple("ROLLBACK").await?;
            return if oldest <= ours {
                Ok(())
            } else {
                Err(Failure::new(StoreErrorKind::Incompatible, "the schema was written by a newer version"))
            };
        }
        Some(Version { version, .. }) if version == ours => return link.simple("ROLLBACK").await,
        Some(Version { version, .. }) => version,
        None => {
            if !exists(link).await? {
                link.simple(&format!("CREATE SCHEMA \"{schema}\"")).await?;
            }
            link.simple("CREATE TABLE version (version integer NOT NULL, oldest integer NOT NULL); INSERT INTO version VALUES (0, 0)")
                .await?;
            0
        }
    };
    for (migration, version) in MIGRATIONS.iter().zip(1_i32..).skip(usize::try_from(done).unwrap_or(0)) {
        link.simple(migration.sql).await?;
        link.simple(&format!("UPDATE version SET version = {version}, oldest = {}", migration.oldest)).await?;
    }
    link.simple("COMMIT").await
}

/// One step of the tables' history. Never edit one that was released.
struct Migration {
    /// The oldest version that can work on the tables after this step. Steps that only add leave it as it was.
    oldest: i32,
    sql: &'static str,
}

struct Version {
    version: i32,
    oldest: i32,
}

/// `None`: there is no table of ours. Tables of others are refused.
async fn version(link: &Link) -> Result<Option<Version>, Failure> {
    let sql = "SELECT count(*), count(*) FILTER (WHERE relname = 'version') FROM pg_class
        WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND relkind IN ('r', 'p')";
    let row = link.query_one(sql, &[&&*link.target.schema]).await?;
    match (rows::number(&row, 0)?, rows::number(&row, 1)?) {
        (0, _) => Ok(None),
        (_, 0) => Err(Failure::new(StoreErrorKind::Incompatible, "the schema belongs to another program")),
        _ => {
            let row = link.query_one("SELECT version, oldest FROM version", &[]).await?;
            Ok(Some(Version { version: rows::get(&row, 0)?, oldest: rows::get(&row, 1)? }))
        }
    }
}

async fn exists(link: &Link) -> Result<bool, Failure> {
    let sql = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
    Ok(link.query_opt(sql, &[&&*link.target.schema]).await?.is_some())
}

const MIGRATIONS: &[Migration] = &[Migration { oldest: 1, sql: FIRST }, Migration { oldest: 1, sql: UPKEEP }];

const UPKEEP: &str = "
-- Every event leaves two dead rows and their index entries behind. The server's own measure, a fifth of the table, would
-- let each claim wade through a week's worth of them.
ALTER TABLE event SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE effect SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
";

const FIRST: &str = "
-- The inbox. All times are in milliseconds since 1970.
CREATE TABLE event (
    id bigserial PRIMARY KEY,
    kind text NOT NULL,
    object_id text,
    object_key bytea NOT NULL,   -- of (kind, object id)
    delivery_key bytea NOT NULL, -- of (kind, object id, token hash)
    known_key bytea,             -- what must be unique while the row is as it was accepted: pending or ignored
    state text NOT NULL,         -- pending, done, dead, ignored
    reason text,
    attempts integer NOT NULL DEFAULT 0,
    lease bigint NOT NULL DEFAULT 0, -- counts up with every claim and settlement
    authenticated boolean NOT NULL,  -- the sender proved to be the vendor
    vendor_time bigint,
    received_at bigint NOT NULL,
    due_at bigint,               -- while pending: when it is due, or its lease ends
    settled_at bigint,
    correlation_id text,
    token bytea
);
CREATE UNIQUE INDEX event_known ON event (known_key) WHERE known_key IS NOT NULL;
CREATE INDEX event_object ON event (object_key) WHERE state <> 'dead';
CREATE INDEX event_due ON event (due_at, id) WHERE state = 'pending';
CREATE INDEX event_pending ON event (id) WHERE state = 'pending';
CREATE INDEX event_state ON event (state, id) WHERE state <> 'pending';
CREATE INDEX event_reason ON event (reason, id) WHERE reason IS NOT NULL;
CREATE INDEX event_settled ON event (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX event_dead_token ON event (settled_at) WHERE state = 'dead' AND token IS NOT NULL;

CREATE TABLE identity (
    identity_id text PRIMARY KEY,
    status text NOT NULL,
    checked_at bigint NOT NULL,
    verification_id text,
    verified_at bigint,
    face_authenticated_at bigint,
    attestation text,
    face_verification_id text,
    face_source_id text
);
CREATE INDEX identity_verification ON identity (verification_id) WHERE verification_id IS NOT NULL;

CREATE TABLE link (
    subject text PRIMARY KEY,
    identity_id text NOT NULL,
    proof text NOT NULL,
    linked_at bigint NOT NULL
);
CREATE INDEX link_identity ON link (identity_id);

-- Tombstones: SHA-256 of the identity id, so that the id itself is gone.
CREATE TABLE forgotten (identity_hash bytea PRIMARY KEY, forgotten_at bigint NOT NULL);

-- Correlation ids that were used.
CREATE TABLE spent (nonce bytea PRIMARY KEY, expires_at bigint NOT NULL);
CREATE INDEX spent_expires ON spent (expires_at);

-- What applied events owe to the application's handlers: a row for each, written when the event is done.
CREATE TABLE effect (
    id bigserial PRIMARY KEY,
    event_id bigint NOT NULL,
    handler text NOT NULL,
    kind text NOT NULL,
    object_id text NOT NULL,
    identity_id text,            -- gone once it is done, or the identity forgotten
    state text NOT NULL,         -- pending, done, dead
    failure text,
    attempts integer NOT NULL DEFAULT 0,
    lease bigint NOT NULL DEFAULT 0,
    applied_at bigint NOT NULL,
    due_at bigint,
    settled_at bigint
);
CREATE INDEX effect_due ON effect (handler, due_at, id) WHERE state = 'pending';
CREATE INDEX effect_state ON effect (state, id);
CREATE INDEX effect_settled ON effect (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX effect_identity ON effect (identity_id) WHERE identity_id IS NOT NULL;

-- What was done by hand: a row in the transaction that did it.
CREATE TABLE audit (
    id bigserial PRIMARY KEY,
    at bigint NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,        -- replay, forget
    event_id bigint,             -- of a replay: the one event, or else what was asked of the dead
    reason text,
    kind text,
    accepted_before bigint,
    identity text,               -- of a forget: the first characters
    count bigint NOT NULL
);

-- PersonalData fields that the application opted in to keep: sealed, each until it expires.
CREATE TABLE field (
    identity_id text NOT NULL,
    field text NOT NULL,
    sealed bytea NOT NULL,
    sent_at bigint NOT NULL,     -- of the request that brought it: the newest stands
    expires_at bigint NOT NULL,  -- from then on it is not read, and goes
    PRIMARY KEY (identity_id, field)
);
CREATE INDEX field_expires ON field (expires_at);
";

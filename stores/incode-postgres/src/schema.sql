-- All times are in milliseconds since 1970.

-- The version, the key of the change channel, check values of secrets.
CREATE TABLE incode.meta (name text PRIMARY KEY, value bytea NOT NULL);

-- Rows to lock, and nothing else: a name that has no row yet, an identity for instance, is locked by the row that its
-- hash falls on. Only a role that may write the table can do so.
CREATE TABLE incode.lock (id integer PRIMARY KEY);
INSERT INTO incode.lock SELECT generate_series(0, 4096);

-- The inbox.
CREATE TABLE incode.event (
    id bigserial PRIMARY KEY,
    kind text NOT NULL,
    object_id text,
    object_key bytea NOT NULL,   -- the keys of dedupe
    delivery_key bytea NOT NULL,
    done_key bytea NOT NULL,
    applied_key bytea,           -- of the object and the identity it was applied to
    known_key bytea,             -- unique while the row is as it was accepted: two processes may accept at once
    state text NOT NULL,
    reason text,
    attempts integer NOT NULL DEFAULT 0,
    lease bigint NOT NULL DEFAULT 0, -- counts up with every claim and settlement
    authenticated boolean NOT NULL,
    implausible boolean NOT NULL,
    vendor_time bigint,
    received_at bigint NOT NULL,
    due_at bigint,               -- while pending: when it is due, or its lease ends
    settled_at bigint,
    correlation_id text,
    token bytea
);
CREATE UNIQUE INDEX event_known ON incode.event (known_key) WHERE known_key IS NOT NULL;
CREATE INDEX event_object ON incode.event (object_key) WHERE state IN ('pending', 'ignored');
CREATE INDEX event_done ON incode.event (done_key) WHERE state = 'done';
CREATE INDEX event_applied ON incode.event (applied_key) WHERE applied_key IS NOT NULL;
CREATE INDEX event_due ON incode.event (implausible, due_at, id) WHERE state = 'pending';
CREATE INDEX event_pending ON incode.event (id) WHERE state = 'pending';
CREATE INDEX event_state ON incode.event (state, id) WHERE state <> 'pending';
CREATE INDEX event_reason ON incode.event (reason, id) WHERE reason IS NOT NULL;
CREATE INDEX event_settled ON incode.event (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX event_dead_token ON incode.event (settled_at) WHERE state = 'dead' AND token IS NOT NULL;

CREATE TABLE incode.identity (
    identity_id text PRIMARY KEY,
    status text NOT NULL,
    checked_at bigint NOT NULL,
    verification_id text,
    verified_at bigint,
    face_authenticated_at bigint,
    attestation text,
    face_verification_id text,
    face_source_id text,
    checks text NOT NULL         -- Checks, encoded by core
);
CREATE INDEX identity_verification ON incode.identity (verification_id) WHERE verification_id IS NOT NULL;

CREATE TABLE incode.link (
    subject text PRIMARY KEY,
    identity_id text NOT NULL,
    proof text NOT NULL,
    linked_at bigint NOT NULL,
    active_since bigint,
    verified_since bigint
);
CREATE INDEX link_identity ON incode.link (identity_id);

CREATE TABLE incode.pending_link (
    subject text PRIMARY KEY,
    identity_id text NOT NULL,
    began_at bigint NOT NULL,
    vendor_began_at bigint NOT NULL,
    vendor_returned_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX pending_link_identity ON incode.pending_link (identity_id);
CREATE INDEX pending_link_expires ON incode.pending_link (expires_at);

-- The newest refusal of each subject, for those who ask why. No rule reads it.
CREATE TABLE incode.refused_link (
    subject text PRIMARY KEY,
    refusal text NOT NULL,
    event_id bigint,             -- of an event; none of a callback
    refused_at bigint NOT NULL
);
CREATE INDEX refused_link_at ON incode.refused_link (refused_at);

-- Face authentications through the application. Session and action are hashes.
CREATE TABLE incode.confirmation (
    subject text NOT NULL,
    identity_id text NOT NULL,
    session bytea NOT NULL,
    action bytea,
    passed_at bigint NOT NULL
);
CREATE INDEX confirmation_subject ON incode.confirmation (subject);
CREATE INDEX confirmation_passed ON incode.confirmation (passed_at);

-- Personal fields that the application opted in to keep: sealed, each until it expires.
CREATE TABLE incode.field (
    identity_id text NOT NULL,
    field text NOT NULL,
    sealed bytea NOT NULL,
    sent_at bigint NOT NULL,     -- of the request that brought it
    expires_at bigint NOT NULL,
    PRIMARY KEY (identity_id, field)
);
CREATE INDEX field_expires ON incode.field (expires_at);

-- Forgotten identities by the SHA-256 of their id, so that the id itself is gone.
CREATE TABLE incode.tombstone (identity_hash bytea PRIMARY KEY, forgotten_at bigint NOT NULL);

CREATE TABLE incode.used_nonce (nonce bytea PRIMARY KEY, expires_at bigint NOT NULL);
CREATE INDEX used_nonce_expires ON incode.used_nonce (expires_at);

-- Tokens of callbacks, by their hash.
CREATE TABLE incode.used_token (hash bytea PRIMARY KEY, subject text NOT NULL, expires_at bigint NOT NULL);
CREATE INDEX used_token_expires ON incode.used_token (expires_at);

-- What is owed to the application's handlers: written with its cause.
CREATE TABLE incode.job (
    id bigserial PRIMARY KEY,
    handler text NOT NULL,
    cause text NOT NULL,         -- event, verified, revoked
    event_id bigint,             -- of an event
    kind text,
    object_id text,
    subject text,                -- of the other causes; gone once the job is done
    cause_at bigint,
    identity_id text,            -- gone once the job is done, or the identity forgotten
    state text NOT NULL,
    failure text,
    attempts integer NOT NULL DEFAULT 0,
    lease bigint NOT NULL DEFAULT 0,
    caused_at bigint NOT NULL,
    due_at bigint,
    settled_at bigint
);
CREATE INDEX job_due ON incode.job (handler, due_at, id) WHERE state = 'pending';
CREATE INDEX job_state ON incode.job (state, id);
CREATE INDEX job_settled ON incode.job (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX job_identity ON incode.job (identity_id) WHERE identity_id IS NOT NULL;

-- What was done by hand.
CREATE TABLE incode.audit (
    id bigserial PRIMARY KEY,
    at bigint NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    one_id bigint,               -- of a replay: the one event or job, or else what was asked of the dead
    reason text,
    kind text,
    accepted_before bigint,
    handler text,
    identity text,               -- the first characters of an identity's id
    count bigint NOT NULL,
    ordinal bigint               -- among the entries that later ones replace; none of an erasure
);
CREATE SEQUENCE incode.audit_ordinal OWNED BY incode.audit.ordinal;
CREATE INDEX audit_ordinal_index ON incode.audit (ordinal) WHERE ordinal IS NOT NULL;
CREATE INDEX audit_erasure ON incode.audit (at) WHERE ordinal IS NULL;

-- Every event leaves dead rows and index entries behind. By the server's own measure, a fifth of the table, each claim
-- would read through a week's worth of them.
ALTER TABLE incode.event SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE incode.job SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

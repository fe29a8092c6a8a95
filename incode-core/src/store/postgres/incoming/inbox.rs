use std::sync::{Arc, LazyLock};

use super::{Incoming, Outcome, is_forgotten, lock, now, write, write_with};
use crate::store::StoreError;
use crate::store::moving::page::Page;
use crate::store::postgres::link::Link;

impl Incoming {
    pub(in crate::store) async fn events(&self, page: Page) -> Result<Outcome, StoreError> {
        self.transact(async |tx: Arc<Link>| write_with(&tx, EVENTS, &page, &[&now(&tx).await?]).await).await
    }

    pub(in crate::store) async fn effects(&self, page: Page) -> Result<Outcome, StoreError> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            EFFECTS.replace("IS_FORGOTTEN", &is_forgotten("fresh.identity_id", "fresh.applied_at", "$14::bigint"))
        });
        self.transact(async |tx: Arc<Link>| {
            let tx = &*tx;
            lock(tx, page.texts(IDENTITY)).await?;
            write_with(tx, &SQL, &page, &[&now(tx).await?]).await
        })
        .await
    }

    pub(in crate::store) async fn audits(&self, page: Page) -> Result<Outcome, StoreError> {
        self.transact(async |tx: Arc<Link>| write(&tx, AUDITS, &page).await).await
    }
}

/// The row of the same id is the same event when it has the same keys and instant; otherwise the id is another's, and a new
/// one is given and remembered. Leases count what was done to a row, so the higher one has got further; done is the end.
/// What is pending or ignored and not there by its id is held against what is known, as when it is accepted. What was work when it
/// was brought is remembered: where it is gone since, it was done and pruned there. What a clock that was ahead has put off is due at once.
const EVENTS: &str = "WITH new AS MATERIALIZED (
    SELECT *, encode(delivery_key, 'hex') || ' ' || received_at AS mark,
        CASE WHEN received_at > $17::bigint THEN least(source_due_at, $17::bigint) ELSE source_due_at END AS due_at
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::text[], $7::text[], $8::bigint[],
        $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::text[], $16::bytea[])
        AS new (id, kind, object_id, object_key, delivery_key, state, reason, attempts, lease, authenticated, vendor_time,
            received_at, source_due_at, settled_at, correlation_id, token)
), met AS MATERIALIZED (
    SELECT new.*, coalesce(moved.id, new.id) AS place, moved.id IS NOT NULL AS was_brought, known.id IS NOT NULL AS is_taken,
        known.state AS known_state,
        known.lease AS known_lease,
        coalesce(known.delivery_key = new.delivery_key AND known.received_at = new.received_at, false) AS is_same
    FROM new
    LEFT JOIN moved_id moved ON moved.what = 'event' AND moved.source_id = new.id AND moved.mark = new.mark
    LEFT JOIN event known ON known.id = coalesce(moved.id, new.id)
), brought AS (
    UPDATE event SET state = met.state, reason = met.reason, attempts = met.attempts::integer, lease = met.lease,
        due_at = met.due_at, settled_at = met.settled_at, correlation_id = met.correlation_id, token = met.token,
        known_key = CASE met.state WHEN 'pending' THEN event.known_key END
    FROM met WHERE event.id = met.place AND met.is_same AND event.state NOT IN ('done', 'ignored')
        AND (met.state = 'done' OR met.lease > event.lease)
    RETURNING event.id
), fresh AS MATERIALIZED (
    SELECT met.*, CASE WHEN is_taken THEN nextval('event_id_seq') ELSE place END AS new_id,
        CASE state WHEN 'pending' THEN delivery_key WHEN 'ignored' THEN object_key END AS known_key
    FROM met WHERE NOT is_same AND NOT was_brought AND NOT EXISTS (
        SELECT 1 FROM event other WHERE other.object_key = met.object_key AND other.state <> 'dead' AND (
            met.state = 'pending' AND other.state IN ('pending', 'done') AND other.delivery_key = met.delivery_key
            OR met.state = 'ignored' AND other.state = 'ignored'))
), kept AS (
    INSERT INTO event (id, kind, object_id, object_key, delivery_key, known_key, state, reason, attempts, lease,
        authenticated, vendor_time, received_at, due_at, settled_at, correlation_id, token)
    SELECT new_id, kind, object_id, object_key, delivery_key, known_key, state, reason, attempts::integer, lease,
        authenticated <> 0, vendor_time, received_at, due_at, settled_at, correlation_id, token
    FROM fresh ORDER BY id
    ON CONFLICT (known_key) WHERE known_key IS NOT NULL DO NOTHING RETURNING id
), numbered AS (
    INSERT INTO moved_id (what, source_id, mark, id)
    SELECT 'event', fresh.id, mark, new_id FROM fresh JOIN kept ON kept.id = new_id WHERE is_taken OR state <> 'done'
    ON CONFLICT (what, source_id, mark) DO UPDATE SET id = excluded.id
), met_by_another AS (
    INSERT INTO moved_id (what, source_id, mark, id)
    SELECT 'event', id, mark, place FROM met
    WHERE state <> 'done' AND NOT was_brought AND id NOT IN (SELECT id FROM fresh)
    ON CONFLICT DO NOTHING
)
SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM brought),
    (SELECT count(*) FROM met WHERE CASE WHEN is_same THEN state <> 'done' AND (known_state = 'done' OR known_lease > lease)
        ELSE was_brought AND NOT is_taken END)";

/// As events; what is owed because of one that was given another id follows it.
const EFFECTS: &str = "WITH new AS MATERIALIZED (
    SELECT *, encode(sha256(convert_to(concat_ws(' ', handler, kind, object_id, applied_at), 'UTF8')), 'hex') AS mark,
        CASE WHEN applied_at > $14::bigint THEN least(source_due_at, $14::bigint) ELSE source_due_at END AS due_at
    FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[])
        AS new (id, event_id, handler, kind, object_id, identity_id, state, failure, attempts, lease, applied_at,
            source_due_at, settled_at)
), met AS MATERIALIZED (
    SELECT new.*, coalesce(moved.id, new.id) AS place, moved.id IS NOT NULL AS was_brought, known.id IS NOT NULL AS is_taken,
        known.state AS known_state,
        known.lease AS known_lease,
        coalesce((known.handler, known.kind, known.object_id, known.applied_at)
            = (new.handler, new.kind, new.object_id, new.applied_at), false) AS is_same
    FROM new
    LEFT JOIN moved_id moved ON moved.what = 'effect' AND moved.source_id = new.id AND moved.mark = new.mark
    LEFT JOIN effect known ON known.id = coalesce(moved.id, new.id)
), brought AS (
    UPDATE effect SET state = met.state, failure = met.failure, attempts = met.attempts::integer, lease = met.lease,
        due_at = met.due_at, settled_at = met.settled_at,
        identity_id = CASE WHEN met.identity_id IS NOT NULL THEN effect.identity_id END
    FROM met WHERE effect.id = met.place AND met.is_same AND effect.state <> 'done'
        AND (met.state = 'done' OR met.lease > effect.lease)
    RETURNING effect.id
), fresh AS MATERIALIZED (
    SELECT met.*, CASE WHEN is_taken THEN nextval('effect_id_seq') ELSE place END AS new_id FROM met
    WHERE NOT is_same AND NOT was_brought
), kept AS (
    INSERT INTO effect (id, event_id, handler, kind, object_id, identity_id, state, failure, attempts, lease, applied_at,
        due_at, settled_at)
    SELECT new_id, coalesce((SELECT max(id) FROM moved_id WHERE what = 'event' AND source_id = event_id), event_id), handler,
        kind, object_id, CASE WHEN NOT IS_FORGOTTEN THEN identity_id END, state, failure, attempts::integer, lease, applied_at, due_at, settled_at
    FROM fresh ORDER BY id RETURNING id
), numbered AS (
    INSERT INTO moved_id (what, source_id, mark, id)
    SELECT 'effect', id, mark, new_id FROM fresh WHERE is_taken OR state <> 'done'
    ON CONFLICT (what, source_id, mark) DO UPDATE SET id = excluded.id
)
SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM brought),
    (SELECT count(*) FROM met WHERE CASE WHEN is_same THEN state <> 'done' AND (known_state = 'done' OR known_lease > lease)
        ELSE was_brought AND NOT is_taken END)";

/// An entry may be counted up until the action is over.
const AUDITS: &str = "WITH new AS MATERIALIZED (
    SELECT *, encode(sha256(convert_to(concat_ws(' ', at, action, actor), 'UTF8')), 'hex') AS mark
    FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::bigint[],
        $9::text[], $10::bigint[])
        AS new (id, at, actor, action, event_id, reason, kind, accepted_before, identity, count)
), met AS MATERIALIZED (
    SELECT new.*, coalesce(moved.id, new.id) AS place, known.id IS NOT NULL AS is_taken, known.count AS known_count,
        coalesce((known.at, known.action, known.actor) = (new.at, new.action, new.actor), false) AS is_same
    FROM new
    LEFT JOIN moved_id moved ON moved.what = 'audit' AND moved.source_id = new.id AND moved.mark = new.mark
    LEFT JOIN audit known ON known.id = coalesce(moved.id, new.id)
), brought AS (
    UPDATE audit SET count = met.count FROM met
    WHERE audit.id = met.place AND met.is_same AND met.count > audit.count RETURNING audit.id
), fresh AS MATERIALIZED (
    SELECT met.*, CASE WHEN is_taken THEN nextval('audit_id_seq') ELSE place END AS new_id FROM met WHERE NOT is_same
), kept AS (
    INSERT INTO audit (id, at, actor, action, event_id, reason, kind, accepted_before, identity, count)
    SELECT new_id, at, actor, action,
        coalesce((SELECT max(id) FROM moved_id WHERE what = 'event' AND source_id = event_id), event_id), reason, kind,
        accepted_before, identity, count
    FROM fresh ORDER BY id RETURNING id
), numbered AS (
    INSERT INTO moved_id (what, source_id, mark, id)
    SELECT 'audit', id, mark, new_id FROM fresh WHERE is_taken
    ON CONFLICT (what, source_id, mark) DO UPDATE SET id = excluded.id
)
SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM brought),
    (SELECT count(*) FROM met WHERE is_same AND known_count > count)";

/// The column of identities in a page of effects.
const IDENTITY: usize = 5;

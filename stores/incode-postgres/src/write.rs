//! Writing what a command came to.

use std::collections::BTreeMap;

use incode_core::identity::transition::{After, JobCause, NewJob, Write};
use incode_core::identity::{Confirmation, Identity, Link, PendingLink, RefusedLink, RetainedField};
use incode_core::store::{EventId, JobState};
use incode_core::{IdentityId, Subject, Timestamp};

use super::audit;
use super::connection::Statement;
use super::load::identity_hash;
use super::params::stored;

/// The statements that write it, to be sent at once. Nothing for what stays as it is.
pub(crate) fn statements(after: &After, identity: Option<&IdentityId>) -> Vec<Statement> {
    let mut all = Vec::new();
    if let Some(id) = identity {
        match &after.identity {
            Write::Keep => {}
            Write::Put(identity) => all.push(put_identity(identity)),
            Write::Delete => all.push(("DELETE FROM incode.identity WHERE identity_id = $1", params![id])),
        }
        if let Some(at) = after.forgotten_at {
            all.push((PUT_TOMBSTONE, params![identity_hash(id).as_slice(), at]));
        }
        if after.erase_fields {
            all.push(("DELETE FROM incode.field WHERE identity_id = $1", params![id]));
        }
        if !after.fields.is_empty() {
            all.push(put_fields(id, &after.fields));
        }
        if after.detach_jobs {
            all.push(("UPDATE incode.job SET identity_id = NULL WHERE identity_id = $1", params![id]));
        }
    }
    rows(&mut all, &after.links, "DELETE FROM incode.link WHERE subject = ANY($1)", put_links);
    let delete = "DELETE FROM incode.pending_link WHERE subject = ANY($1)";
    rows(&mut all, &after.pending_links, delete, put_pending_links);
    let delete = "DELETE FROM incode.refused_link WHERE subject = ANY($1)";
    rows(&mut all, &after.refused_links, delete, put_refused_links);
    if !after.confirmations.is_empty() {
        let subjects = after.confirmations.iter().map(|(subject, _)| subject.as_str().to_owned());
        let delete = "DELETE FROM incode.confirmation WHERE subject = ANY($1)";
        all.push((delete, params![subjects.collect::<Vec<_>>()]));
        all.push(put_confirmations(after.confirmations.iter().flat_map(|(_, kept)| kept)));
    }
    if let Some(used) = &after.nonce {
        let sql = "INSERT INTO incode.used_nonce (nonce, expires_at) VALUES ($1, $2)
            ON CONFLICT (nonce) DO UPDATE SET expires_at = excluded.expires_at";
        all.push((sql, params![used.nonce.as_slice(), used.expires_at]));
    }
    if let Some((used, subject)) = &after.token {
        let sql = "INSERT INTO incode.used_token (hash, subject, expires_at) VALUES ($1, $2, $3)
            ON CONFLICT (hash) DO UPDATE SET subject = excluded.subject, expires_at = excluded.expires_at";
        all.push((sql, params![used.hash.0.as_slice(), subject, used.expires_at]));
    }
    if !after.jobs.is_empty() {
        all.push(put_jobs(&after.jobs));
    }
    if let Some(new) = &after.audit {
        all.push(audit::write(&new.action, &new.actor, new.at, new.count));
    }
    all
}

/// Of several writes of one row the last counts.
fn rows<T>(
    all: &mut Vec<Statement>,
    writes: &[(Subject, Write<T>)],
    delete: &'static str,
    put: fn(&[&T]) -> Statement,
) {
    let last: BTreeMap<&Subject, &Write<T>> = writes.iter().map(|(subject, write)| (subject, write)).collect();
    let (mut gone, mut kept) = (Vec::new(), Vec::new());
    for (subject, write) in last {
        match write {
            Write::Keep => {}
            Write::Put(row) => kept.push(row),
            Write::Delete => gone.push(subject.as_str().to_owned()),
        }
    }
    if !gone.is_empty() {
        all.push((delete, params![gone]));
    }
    if !kept.is_empty() {
        all.push(put(&kept));
    }
}

/// The columns of `identity_columns`, in their order.
fn put_identity(identity: &Identity) -> Statement {
    let origin = &identity.face_origin;
    let params = params![
        &identity.identity_id,
        identity.status.as_str(),
        identity.checked_at,
        identity.verification_id.as_ref(),
        identity.verified_at,
        identity.face_authenticated_at,
        identity.attestation.as_ref().map(|status| status.as_str()),
        origin.verification_id.as_ref(),
        origin.source_id.as_deref(),
        identity.checks.encode().as_str(),
    ];
    (PUT_IDENTITY, params)
}

/// All fields in one statement, as arrays: the number of round trips does not grow with the fields.
fn put_fields(id: &IdentityId, fields: &[(RetainedField, Timestamp)]) -> Statement {
    let sql = "INSERT INTO incode.field (identity_id, field, sealed, sent_at, expires_at)
        SELECT $1, * FROM unnest($2::text[], $3::bytea[], $4::bigint[], $5::bigint[])
        ON CONFLICT (identity_id, field) DO UPDATE SET sealed = excluded.sealed, sent_at = excluded.sent_at,
            expires_at = excluded.expires_at";
    let retained = || fields.iter().map(|(field, _)| field);
    let params = params![
        id,
        retained().map(|field| field.field.as_str().to_owned()).collect::<Vec<_>>(),
        retained().map(|field| field.sealed.clone()).collect::<Vec<_>>(),
        fields.iter().map(|(_, sent_at)| sent_at.as_millis()).collect::<Vec<_>>(),
        retained().map(|field| field.expires_at.as_millis()).collect::<Vec<_>>(),
    ];
    (sql, params)
}

/// All links in one statement.
fn put_links(links: &[&Link]) -> Statement {
    let texts = |text: fn(&Link) -> &str| links.iter().map(|link| text(link).to_owned()).collect::<Vec<_>>();
    let since = |at: fn(&Link) -> Option<Timestamp>| {
        links.iter().map(|link| at(link).map(Timestamp::as_millis)).collect::<Vec<_>>()
    };
    let params = params![
        texts(|link| link.subject.as_str()),
        texts(|link| link.identity_id.as_str()),
        texts(|link| link.proof.as_str()),
        since(|link| Some(link.linked_at)),
        since(|link| link.active_since),
        since(|link| link.verified_since),
    ];
    (PUT_LINKS, params)
}

/// All pending links in one statement.
fn put_pending_links(pending: &[&PendingLink]) -> Statement {
    let texts = |text: fn(&PendingLink) -> &str| pending.iter().map(|row| text(row).to_owned()).collect::<Vec<_>>();
    let times = |at: fn(&PendingLink) -> Timestamp| pending.iter().map(|row| at(row).as_millis()).collect::<Vec<i64>>();
    let params = params![
        texts(|row| row.subject.as_str()),
        texts(|row| row.identity_id.as_str()),
        times(|row| row.window.began_at),
        times(|row| row.window.vendor_began_at),
        times(|row| row.window.vendor_returned_at),
        times(|row| row.expires_at),
    ];
    (PUT_PENDING_LINKS, params)
}

/// Replaces the refusal of each subject: the newest is kept.
fn put_refused_links(refused: &[&RefusedLink]) -> Statement {
    let params = params![
        refused.iter().map(|row| row.subject.as_str().to_owned()).collect::<Vec<_>>(),
        refused.iter().map(|row| row.refusal.as_str().to_owned()).collect::<Vec<_>>(),
        refused.iter().map(|row| row.event.map(|event| event.0)).collect::<Vec<_>>(),
        refused.iter().map(|row| row.refused_at.as_millis()).collect::<Vec<i64>>(),
    ];
    (PUT_REFUSED_LINKS, params)
}

/// Inserts. The old rows of the subjects are deleted in the statement before it.
fn put_confirmations<'a>(confirmations: impl Iterator<Item = &'a Confirmation> + Clone) -> Statement {
    let all = || confirmations.clone();
    let sql = "INSERT INTO incode.confirmation (subject, identity_id, session, action, passed_at)
        SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::bigint[])";
    let params = params![
        all().map(|row| row.subject.as_str().to_owned()).collect::<Vec<_>>(),
        all().map(|row| row.identity_id.as_str().to_owned()).collect::<Vec<_>>(),
        all().map(|row| row.session.0.to_vec()).collect::<Vec<_>>(),
        all().map(|row| row.action.map(|action| action.0.to_vec())).collect::<Vec<_>>(),
        all().map(|row| row.passed_at.as_millis()).collect::<Vec<_>>(),
    ];
    (sql, params)
}

/// The columns of a cause: event, kind, object, subject, instant.
type CauseColumns = (Option<i64>, Option<String>, Option<String>, Option<String>, Option<i64>);

/// A cause of a kind that this version does not know has no columns: [`rows::cause`](super::rows::cause) then refuses
/// the row.
fn cause_columns(job: &NewJob) -> CauseColumns {
    let of_subject =
        |subject: &Subject, at: Timestamp| (None, None, None, Some(subject.as_str().to_owned()), Some(at.as_millis()));
    match &job.cause {
        JobCause::Event { event: EventId(id), kind, object_id } => {
            (Some(*id), Some(stored(kind.as_str())), Some(object_id.as_str().to_owned()), None, None)
        }
        JobCause::Verified { subject, linked_at } => of_subject(subject, *linked_at),
        JobCause::Revoked { subject, checked_at } => of_subject(subject, *checked_at),
        _ => (None, None, None, None, None),
    }
}

/// All jobs in one statement.
fn put_jobs(jobs: &[NewJob]) -> Statement {
    let causes: Vec<CauseColumns> = jobs.iter().map(cause_columns).collect();
    let params = params![
        jobs.iter().map(|job| job.handler.as_ref().to_owned()).collect::<Vec<_>>(),
        jobs.iter().map(|job| job.cause.as_str().to_owned()).collect::<Vec<_>>(),
        causes.iter().map(|cause| cause.0).collect::<Vec<_>>(),
        causes.iter().map(|cause| cause.1.clone()).collect::<Vec<_>>(),
        causes.iter().map(|cause| cause.2.clone()).collect::<Vec<_>>(),
        causes.iter().map(|cause| cause.3.clone()).collect::<Vec<_>>(),
        causes.iter().map(|cause| cause.4).collect::<Vec<_>>(),
        jobs.iter().map(|job| job.identity_id.as_str().to_owned()).collect::<Vec<_>>(),
        jobs.iter().map(|job| job.caused_at.as_millis()).collect::<Vec<_>>(),
        JobState::Pending.as_str(),
    ];
    (PUT_JOBS, params)
}

/// Replaces the whole row: the rules have merged what was there.
const PUT_IDENTITY: &str = concat!(
    "INSERT INTO incode.identity (",
    identity_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (identity_id) DO UPDATE SET status = excluded.status, checked_at = excluded.checked_at,
        verification_id = excluded.verification_id, verified_at = excluded.verified_at,
        face_authenticated_at = excluded.face_authenticated_at, attestation = excluded.attestation,
        face_verification_id = excluded.face_verification_id, face_source_id = excluded.face_source_id,
        checks = excluded.checks"
);
/// The hash of the identity is enough to find a tombstone, and names no person.
const PUT_TOMBSTONE: &str = "INSERT INTO incode.tombstone (identity_hash, forgotten_at) VALUES ($1, $2)
    ON CONFLICT (identity_hash) DO UPDATE SET forgotten_at = excluded.forgotten_at";
/// A subject has one link: a new one replaces it.
const PUT_LINKS: &str = concat!(
    "INSERT INTO incode.link (",
    link_columns!(),
    ") SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
    ON CONFLICT (subject) DO UPDATE SET identity_id = excluded.identity_id, proof = excluded.proof,
        linked_at = excluded.linked_at, active_since = excluded.active_since,
        verified_since = excluded.verified_since"
);
/// A subject has one pending link: a new flow replaces the older one.
const PUT_PENDING_LINKS: &str = concat!(
    "INSERT INTO incode.pending_link (",
    pending_link_columns!(),
    ") SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    ON CONFLICT (subject) DO UPDATE SET identity_id = excluded.identity_id, began_at = excluded.began_at,
        vendor_began_at = excluded.vendor_began_at, vendor_returned_at = excluded.vendor_returned_at,
        expires_at = excluded.expires_at"
);
/// Replaces the refusal of each subject.
const PUT_REFUSED_LINKS: &str = concat!(
    "INSERT INTO incode.refused_link (",
    refused_link_columns!(),
    ") SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
    ON CONFLICT (subject) DO UPDATE SET refusal = excluded.refusal, event_id = excluded.event_id,
        refused_at = excluded.refused_at"
);
/// In the order in which the rules return the jobs, so that ids count up in that order.
const PUT_JOBS: &str =
    "INSERT INTO incode.job (handler, cause, event_id, kind, object_id, subject, cause_at, identity_id,
        caused_at, due_at, state)
    SELECT handler, cause, event_id, kind, object_id, subject, cause_at, identity_id, caused_at, caused_at, $10
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[],
        $9::bigint[]) WITH ORDINALITY
        AS new (handler, cause, event_id, kind, object_id, subject, cause_at, identity_id, caused_at, n)
    ORDER BY n";

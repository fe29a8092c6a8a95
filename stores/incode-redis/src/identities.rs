use sha2::{Digest, Sha256};

use super::failure::Failure;
use super::link::{Arguments, Link};
use super::rows::{self, Row};
use super::scripts;
use crate::identity::{Change, Identity, Link as SubjectLink, LinkProof, LinkedIdentity, Observation, RetainedField};
use crate::store::audit::AUDITS_KEPT;
use crate::store::{AuditAction, EventId, Linked, NewLink, StoreErrorKind};
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp};

/// What the server knows of an identity, to be compared when something is written that was made from it.
#[derive(Clone)]
pub(super) struct Known {
    row: Vec<u8>,
    forgotten: String,
}

/// An observation merged into what was known.
pub(super) struct Merged<'a> {
    seen: &'a Observation,
    known: Known,
    /// `None`: the identity was forgotten since, and nothing is written.
    row: Option<Vec<u8>>,
    /// Nobody is linked by it: it dates from before the identity was forgotten, though that may be known anew.
    links_nobody: bool,
    is_new: bool,
    verification: Option<ObjectId>,
}

impl Known {
    pub(super) async fn of(link: &Link, id: &IdentityId) -> Result<Self, Failure> {
        let mut ask = redis::cmd("HGET");
        ask.arg(link.key(&format!("i:{}", id.as_str()))).arg("row");
        let mut forgotten = redis::cmd("GET");
        forgotten.arg(link.key(&format!("f:{}", hash(id))));
        let (row, forgotten) = tokio::join!(link.ask::<Option<Vec<u8>>>(&ask), link.ask::<Option<String>>(&forgotten));
        Ok(Self { row: row?.unwrap_or_default(), forgotten: forgotten?.unwrap_or_default() })
    }

    /// The instant from which an observation dates that the event brought.
    pub(super) async fn since(&self, link: &Link, event: EventId, seen: &Observation) -> Result<Timestamp, Failure> {
        if self.forgotten.is_empty() {
            // There is nothing to hold it against.
            return Ok(seen.sent_at);
        }
        let mut ask = redis::cmd("HGET");
        ask.arg(link.key(&format!("e:{}", event.0))).arg("received_at");
        // None: the row is gone, and the lease with it.
        let received_at = link.ask::<Option<i64>>(&ask).await?.map(Timestamp::from_millis);
        Ok(received_at.map_or(seen.sent_at, |received_at| seen.dates_from(received_at)))
    }

    pub(super) fn merge<'a>(&self, seen: &'a Observation, since: Timestamp) -> Result<Merged<'a>, Failure> {
        let forgotten = Some(&self.forgotten).filter(|at| !at.is_empty());
        let forgotten =
            forgotten.map(|at| at.parse::<i64>().map_err(|_| Failure::unreadable("tombstone"))).transpose()?;
        let known = Some(&self.row).filter(|row| !row.is_empty());
        let known = known.map(|row| rows::read_identity(&seen.identity_id, row)).transpose()?;
        let merged = Identity::merge(known.clone(), seen);
        let is_forgotten = |since: Timestamp| forgotten.is_some_and(|at| since.as_millis() <= at);
        // One that is known anew is not forgotten, whatever brings news of it.
        let is_late = is_forgotten(if known.is_some() { seen.sent_at } else { since });
        Ok(Merged {
            seen,
            known: self.clone(),
            row: if is_late { None } else { Some(rows::write_identity(&merged)?) },
            links_nobody: is_forgotten(since),
            is_new: !is_late && known.as_ref() != Some(&merged),
            verification: merged.verification_id,
        })
    }
}

impl Merged<'_> {
    pub(super) fn is_late(&self) -> bool {
        self.row.is_none()
    }

    pub(super) fn identity_id(&self) -> &IdentityId {
        &self.seen.identity_id
    }

    /// What is known when this was written.
    pub(super) fn after(&self) -> Known {
        let row = self.row.clone().filter(|_| self.is_new).unwrap_or_else(|| self.known.row.clone());
        Known { row, forgotten: self.known.forgotten.clone() }
    }

    pub(super) fn add_to(&self, arguments: Arguments) -> Arguments {
        let fields: &[RetainedField] = if self.is_late() { &[] } else { &self.seen.fields };
        let arguments = arguments
            .text(self.seen.identity_id.as_str())
            .text(hash(&self.seen.identity_id))
            .text(&self.known.row)
            .text(&self.known.forgotten)
            .flag(self.is_new)
            .maybe(self.row.as_ref())
            .maybe(self.verification.as_ref().map(ObjectId::as_str))
            .number(self.seen.sent_at.as_millis())
            .number(fields.len());
        fields.iter().fold(arguments, |arguments, kept| {
            arguments.text(kept.field.as_str()).number(kept.expires_at.as_millis()).text(&kept.sealed)
        })
    }
}

pub(super) async fn observe(link: &Link, seen: &Observation) -> Result<Change, Failure> {
    let identity_id = seen.identity_id.clone();
    for _ in 0..MOST_TRIES {
        let merged = Known::of(link, &identity_id).await?.merge(seen, seen.sent_at)?;
        if merged.is_late() {
            return Ok(Change { identity_id, subjects: Vec::new() });
        }
        let arguments = merged.add_to(Arguments::default().text(&*link.origin));
        let row: Row = link.change(&scripts::OBSERVE, arguments).await?;
        if rows::text(&row, 0)? == "done" {
            return Ok(Change { identity_id, subjects: rows::subjects(&row, 1)? });
        }
    }
    Err(contended())
}

pub(super) async fn link(link: &Link, new: &NewLink) -> Result<Linked, Failure> {
    for _ in 0..MOST_TRIES {
        let merged = Known::of(link, &new.link.identity_id).await?.merge(&new.seen, new.seen.sent_at)?;
        let arguments = add_link(Arguments::default().text(&*link.origin), new, &merged);
        let row: Row = link.change(&scripts::LINK, arguments).await?;
        return Ok(match rows::text(&row, 0)? {
            "done" => {
                let identity_id = new.link.identity_id.clone();
                Linked::Done(Change { identity_id, subjects: rows::subjects(&row, 1)? })
            }
            "spent" => Linked::AlreadySpent,
            "subject" => Linked::SubjectTaken,
            "identity" => Linked::IdentityTaken,
            _ => continue,
        });
    }
    Err(contended())
}

pub(super) fn add_link(arguments: Arguments, new: &NewLink, merged: &Merged<'_>) -> Arguments {
    let nonce = new.spend.map(|spend| data_encoding::HEXLOWER.encode(&spend.nonce));
    let arguments = arguments
        .text(new.link.subject.as_str())
        .text(new.link.proof.as_str())
        .number(new.link.linked_at.as_millis())
        .maybe(nonce)
        .maybe(new.spend.map(|spend| spend.expires_at.as_millis().to_string()))
        .flag(new.shared)
        .flag(merged.links_nobody);
    merged.add_to(arguments)
}

pub(super) async fn unlink(link: &Link, subject: &Subject) -> Result<Option<Change>, Failure> {
    let arguments = Arguments::default().text(&*link.origin).text(subject.as_str());
    let row: Row = link.change(&scripts::UNLINK, arguments).await?;
    let Some(identity) = rows::maybe_text(&row, 0)? else { return Ok(None) };
    Ok(Some(Change { identity_id: rows::identity_id(identity)?, subjects: rows::subjects(&row, 1)? }))
}

pub(super) async fn forget(link: &Link, id: &IdentityId, by: &Actor, at: Timestamp) -> Result<Option<Change>, Failure> {
    let arguments = Arguments::default()
        .text(&*link.origin)
        .text(id.as_str())
        .text(hash(id))
        .number(at.as_millis())
        .text(by.as_str())
        .text(super::audits::write(&AuditAction::Forget(id.masked()))?)
        .number(AUDITS_KEPT);
    let row: Row = link.change(&scripts::FORGET, arguments).await?;
    if !rows::flag(&row, 0) {
        return Ok(None);
    }
    Ok(Some(Change { identity_id: id.clone(), subjects: rows::subjects(&row, 1)? }))
}

pub(super) async fn linked(link: &Link, subject: &Subject) -> Result<Option<LinkedIdentity>, Failure> {
    let row: Row = link.run(&scripts::LINKED, Arguments::default().text(subject.as_str())).await?;
    let Some(id) = rows::maybe_text(&row, 0)? else { return Ok(None) };
    let identity_id = rows::identity_id(id)?;
    let bytes = rows::bytes(&row, 3).ok_or_else(|| Failure::unreadable("identity"))?;
    let identity = rows::read_identity(&identity_id, bytes)?;
    let link = SubjectLink {
        subject: subject.clone(),
        identity_id,
        proof: LinkProof::parse(rows::text(&row, 1)?).ok_or_else(|| Failure::unreadable("proof"))?,
        linked_at: rows::time(&row, 2)?,
    };
    Ok(Some(LinkedIdentity { link, identity }))
}

pub(super) async fn identity(link: &Link, id: &IdentityId) -> Result<Option<Identity>, Failure> {
    let mut ask = redis::cmd("HGET");
    ask.arg(link.key(&format!("i:{}", id.as_str()))).arg("row");
    let row: Option<Vec<u8>> = link.ask(&ask).await?;
    row.map(|row| rows::read_identity(id, &row)).transpose()
}

/// All have the score 0, so the order is that of their bytes.
pub(super) async fn verified_as(link: &Link, verification: &ObjectId) -> Result<Option<IdentityId>, Failure> {
    let mut ask = redis::cmd("ZRANGE");
    ask.arg(link.key(&format!("v:{}", verification.as_str()))).arg(0).arg(0);
    let first: Vec<String> = link.ask(&ask).await?;
    first.first().map(|id| rows::identity_id(id)).transpose()
}

/// Fields that only a newer version knows are passed over.
pub(super) async fn fields(link: &Link, id: &IdentityId, now: Timestamp) -> Result<Vec<RetainedField>, Failure> {
    let arguments = Arguments::default().text(id.as_str()).number(now.as_millis());
    let found: Vec<Row> = link.run(&scripts::FIELDS, arguments).await?;
    let mut fields = Vec::new();
    for row in &found {
        if let Some(field) = crate::identity::Field::parse(rows::text(row, 0)?) {
            let sealed = rows::bytes(row, 2).unwrap_or_default().to_vec();
            fields.push(RetainedField { field, sealed, expires_at: rows::time(row, 1)? });
        }
    }
    Ok(fields)
}

/// Others wrote the same identity in between, each time.
pub(super) fn contended() -> Failure {
    Failure::new(StoreErrorKind::Busy, "many write the same identity")
}

fn hash(id: &IdentityId) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(id.as_str()))
}

/// One of those who write at the same moment is never in vain, so this many must have been before us.
pub(super) const MOST_TRIES: usize = 200;

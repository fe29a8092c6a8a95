use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::store::{Store, StoreError};
use crate::{IdentityId, Masked, ObjectId, Secret, Subject, Timestamp};

use super::transition::Refusal;
use super::{Field, FoundPerson, Identity, LinkProof, Observer, PersonalData, RetainedField, SubjectState};

/// What is stored of a person, for the person: as JSON by `Serialize`, with the names below in camel case.
///
/// It holds personal data: hand it to the person, not to a log. `Debug` shows nothing of it. Hashes of sessions, actions
/// and tokens are left out: they say nothing of the person. So are events and done handler jobs: they name no person.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Export {
    /// The row of the identity.
    pub identity: Option<ExportedIdentity>,
    /// The subjects, with everything that is kept of each.
    pub subjects: Vec<ExportedSubject>,
    /// The personal fields that are kept, as the vendor wrote them, by name. `null`: it is kept, and does not open with
    /// the store keys at hand.
    pub fields: BTreeMap<&'static str, Option<String>>,
}

/// The row of an identity.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExportedIdentity {
    /// Everything but what follows.
    #[serde(flatten)]
    pub row: Identity,
    /// When the vendor was asked last.
    pub checked_at: Timestamp,
    /// The verification that enrolled the face of the newest authentication.
    pub face_verification_id: Option<ObjectId>,
    /// Where that face was seen.
    pub face_source_id: Option<String>,
    /// When the newest check was made that passed.
    pub check_passed_at: Option<Timestamp>,
    /// When the newest check was made that did not.
    pub check_failed_at: Option<Timestamp>,
}

/// What is kept of one subject.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExportedSubject {
    /// The application's user.
    pub subject: Subject,
    /// When it was linked.
    pub linked_at: Option<Timestamp>,
    /// What showed that subject and identity are one person.
    pub link_proof: Option<LinkProof>,
    /// When link and ACTIVE were first true together.
    pub active_since: Option<Timestamp>,
    /// The same with a verification as the third condition.
    pub verified_since: Option<Timestamp>,
    /// The identity of a flow whose check is not known yet.
    pub pending_identity: Option<IdentityId>,
    /// When that flow began.
    pub pending_since: Option<Timestamp>,
    /// Why the newest link was refused.
    pub refused: Option<Refusal>,
    /// When.
    pub refused_at: Option<Timestamp>,
    /// When faces were confirmed through the application, newest first.
    pub face_confirmed_at: Vec<Timestamp>,
}

impl Export {
    /// Reads it from a store. `keys` are the application's store keys, which personal fields are sealed with.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn read(
        store: &dyn Store,
        person: &FoundPerson,
        keys: &[Secret],
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let every_field = Field::ALL.into_iter().map(|field| (field, std::time::Duration::MAX)).collect();
        let observer = if keys.is_empty() { Observer::new() } else { Observer::retaining(keys, every_field) };
        Self::read_by(store, person, &observer, now).await
    }

    pub(crate) async fn read_by(
        store: &dyn Store,
        person: &FoundPerson,
        observer: &Observer,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let (identity, mut names) = match person {
            FoundPerson::Identity(id) => (store.identity(id.clone()).await?, Vec::new()),
            FoundPerson::Subject(subject) => {
                let linked = store.subject(subject.clone()).await?.linked;
                (linked.map(|linked| linked.identity), vec![subject.clone()])
            }
        };
        let mut fields = BTreeMap::new();
        if let Some(identity) = &identity {
            let id = &identity.identity_id;
            names.extend(store.subjects(id.clone()).await?);
            let kept = store.fields(id.clone(), now).await?;
            fields = named(&kept, &observer.reveal(id, &kept));
        }
        names.sort();
        names.dedup();
        let mut subjects = Vec::new();
        for name in names {
            subjects.extend(ExportedSubject::read(store, name).await?);
        }
        Ok(Self { identity: identity.map(ExportedIdentity::from), subjects, fields })
    }

    /// What the audit trail shows of the person: the identity, or the subject where there is none. `None`: nothing is
    /// stored of the person.
    pub fn masked(&self) -> Option<Masked> {
        let identity = self.identity.as_ref().map(|identity| identity.row.identity_id.masked());
        identity.or_else(|| self.subjects.first().map(|one| one.subject.masked()))
    }
}

impl ExportedSubject {
    /// `None`: nothing is stored of it.
    async fn read(store: &dyn Store, subject: Subject) -> Result<Option<Self>, StoreError> {
        let state = store.subject(subject.clone()).await?;
        let refused = store.refused_link(subject.clone()).await?;
        if state == SubjectState::default() && refused.is_none() {
            return Ok(None);
        }
        let (link, pending) = (state.linked.map(|linked| linked.link), state.pending);
        Ok(Some(Self {
            subject,
            linked_at: link.as_ref().map(|link| link.linked_at),
            link_proof: link.as_ref().map(|link| link.proof),
            active_since: link.as_ref().and_then(|link| link.active_since),
            verified_since: link.as_ref().and_then(|link| link.verified_since),
            pending_identity: pending.as_ref().map(|pending| pending.identity_id.clone()),
            pending_since: pending.as_ref().map(|pending| pending.window.began_at),
            refused: refused.as_ref().map(|refused| refused.refusal),
            refused_at: refused.as_ref().map(|refused| refused.refused_at),
            face_confirmed_at: state.confirmations.iter().map(|confirmation| confirmation.passed_at).collect(),
        }))
    }
}

impl From<Identity> for ExportedIdentity {
    fn from(row: Identity) -> Self {
        Self {
            checked_at: row.checked_at,
            face_verification_id: row.face_origin.verification_id.clone(),
            face_source_id: row.face_origin.source_id.clone(),
            check_passed_at: row.checks.passed_at,
            check_failed_at: row.checks.failed_at.newest(),
            row,
        }
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Export(..)")
    }
}

impl fmt::Debug for ExportedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExportedIdentity(..)")
    }
}

impl fmt::Debug for ExportedSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExportedSubject(..)")
    }
}

fn named(kept: &[RetainedField], opened: &PersonalData) -> BTreeMap<&'static str, Option<String>> {
    let fields = kept.iter().map(|kept| kept.field);
    fields.map(|field| (field.as_str(), opened.get(field).map(str::to_owned))).collect()
}

//! Who exists and what they hold: people, tokens, verifications, authentications. No I/O; time is an argument.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::errors::NotFound;
use crate::faces::{self, Face};
use crate::person::{Row, merge};
use crate::token::Mint;
use crate::{NewPerson, Person};

/// What a verification came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// `VERIFIED`; enrols the face, and makes a `PENDING` person `ACTIVE`.
    #[default]
    Pass,
    /// `REJECTED`; changes nothing else.
    Fail,
}

/// A verification just made.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Verified {
    /// Whose it is.
    pub identity_id: String,
    /// Its id.
    pub verification_id: String,
    /// A fresh token of that person.
    pub token: String,
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("identity_id", &self.identity_id)
            .field("verification_id", &self.verification_id)
            .finish_non_exhaustive()
    }
}

pub(crate) struct World {
    mint: Mint,
    people: HashMap<String, Row>,
    /// Identity ids in the order of their arrival, for the pages.
    order: Vec<String>,
    by_email: HashMap<String, String>,
    by_face: HashMap<Arc<[u8]>, String>,
    tokens: HashMap<String, Holder>,
    pub(crate) verifications: BTreeMap<String, Object>,
    pub(crate) authentications: BTreeMap<String, Object>,
}

/// What a token opens, until when.
struct Holder {
    owner: Option<String>,
    expires: i64,
}

/// A verification or authentication, served as it is.
pub(crate) struct Object {
    /// Whose token may read it; anybody's when none.
    pub(crate) owner: Option<String>,
    pub(crate) body: Value,
}

/// What the authenticate call found.
pub(crate) struct Authenticated {
    pub(crate) id: String,
    /// Token and verification, when it passed.
    pub(crate) pass: Option<(String, Option<String>)>,
    pub(crate) failure_reason: Option<&'static str>,
}

impl World {
    pub(crate) fn new(mint: Mint) -> Self {
        Self {
            mint,
            people: HashMap::new(),
            order: Vec::new(),
            by_email: HashMap::new(),
            by_face: HashMap::new(),
            tokens: HashMap::new(),
            verifications: BTreeMap::new(),
            authentications: BTreeMap::new(),
        }
    }

    pub(crate) fn id(&mut self) -> String {
        self.mint.dashed_id()
    }

    /// Adds a person, or replaces the one of that id.
    pub(crate) fn add(&mut self, new: NewPerson) -> Person {
        let given = new.identity_id.clone().or_else(|| {
            new.userinfo.as_ref().and_then(|info| info.get("identityId")).and_then(Value::as_str).map(str::to_owned)
        });
        let id = given.unwrap_or_else(|| self.mint.id());
        let mut row = Row::new(id.clone(), new);
        match self.people.get(&id) {
            Some(old) => row.enrolled_by.clone_from(&old.enrolled_by),
            None => self.order.push(id.clone()),
        }
        let person = row.snapshot();
        self.by_email.insert(email_key(&person.email), id.clone());
        self.by_face.insert(row.face.clone(), id.clone());
        self.people.insert(id, row);
        person
    }

    pub(crate) fn row(&self, id: &str) -> Result<&Row, NotFound> {
        self.people.get(id).ok_or(NotFound)
    }

    fn row_mut(&mut self, id: &str) -> Result<&mut Row, NotFound> {
        self.people.get_mut(id).ok_or(NotFound)
    }

    pub(crate) fn people(&self) -> impl Iterator<Item = &Row> {
        self.order.iter().filter_map(|id| self.people.get(id))
    }

    pub(crate) fn set_status(&mut self, id: &str, status: &str) -> Result<Person, NotFound> {
        let row = self.row_mut(id)?;
        row.set_status(status);
        Ok(row.snapshot())
    }

    /// Merges `patch` (RFC 7396) into the person's userinfo.
    pub(crate) fn update(&mut self, id: &str, patch: &Value) -> Result<Person, NotFound> {
        let row = self.row_mut(id)?;
        merge(&mut row.userinfo, patch);
        let person = row.snapshot();
        self.by_email.insert(email_key(&person.email), id.to_owned());
        Ok(person)
    }

    pub(crate) fn verify(
        &mut self,
        id: &str,
        outcome: Outcome,
        now: i64,
        lifetime: Duration,
    ) -> Result<Verified, NotFound> {
        let verification_id = self.mint.id();
        let row = self.row_mut(id)?;
        let status = match outcome {
            Outcome::Pass => {
                row.enrolled_by = Some(verification_id.clone());
                if row.text("/status") == PENDING {
                    row.set_status("ACTIVE");
                }
                "VERIFIED"
            }
            Outcome::Fail => "REJECTED",
        };
        let body = json!({
            "id": verification_id,
            "createdAt": now.div_euclid(1000),
            "status": status,
            "data": row.verification_data(),
        });
        self.verifications.insert(verification_id.clone(), Object { owner: Some(id.to_owned()), body });
        let token = self.issue(Some(id), now, lifetime);
        Ok(Verified { identity_id: id.to_owned(), verification_id, token })
    }

    /// A run of the hosted flow: the person of that email, new or known, verified or refused.
    pub(crate) fn visit(
        &mut self,
        visitor: NewPerson,
        outcome: Outcome,
        now: i64,
        lifetime: Duration,
    ) -> Result<Verified, NotFound> {
        let known = visitor.email.as_deref().and_then(|email| self.by_email.get(&email_key(email)).cloned());
        let id = match known {
            Some(id) => {
                if outcome == Outcome::Pass {
                    self.row_mut(&id)?.learn(&visitor);
                }
                id
            }
            None => self.add(visitor.status(PENDING)).identity_id,
        };
        self.verify(&id, outcome, now, lifetime)
    }

    /// Looks a face up (spec: Face Authentication).
    pub(crate) fn authenticate(
        &mut self,
        image: &[u8],
        source: Option<&str>,
        now: i64,
        lifetime: Duration,
    ) -> Authenticated {
        let id = self.mint.dashed_id();
        let enrolled = self.by_face.get(image).and_then(|owner| self.people.get(owner));
        let enrolled = enrolled
            .filter(|row| row.enrolled_by.is_some())
            .map(|row| (row.identity_id.clone(), row.enrolled_by.clone()));
        let mut body = json!({ "id": id, "createdAt": now.div_euclid(1000), "status": "fail" });
        if let Some(source) = source {
            merge(&mut body, &json!({ "sourceId": source }));
        }
        let Some((owner, verification)) = enrolled else {
            let reason = faces::recognise(image).failure_reason();
            self.authentications.insert(id.clone(), Object { owner: None, body });
            return Authenticated { id, pass: None, failure_reason: reason };
        };
        merge(&mut body, &json!({ "status": "pass", "verificationId": verification }));
        self.authentications.insert(id.clone(), Object { owner: Some(owner.clone()), body });
        let token = self.issue(Some(&owner), now, lifetime);
        Authenticated { id, pass: Some((token, verification)), failure_reason: None }
    }

    /// Serves `body` verbatim under `id`; a VERIFIED one enrols its owner.
    pub(crate) fn seed_verification(&mut self, id: String, owner: Option<String>, body: Value) {
        let verified = body.get("status").and_then(Value::as_str) == Some("VERIFIED");
        if let Some(row) = owner.as_ref().and_then(|owner| self.people.get_mut(owner)).filter(|_| verified) {
            row.enrolled_by = Some(id.clone());
        }
        self.verifications.insert(id, Object { owner, body });
    }

    /// A fresh token; without an owner it opens only what belongs to nobody.
    pub(crate) fn issue(&mut self, owner: Option<&str>, now: i64, lifetime: Duration) -> String {
        let token = self.mint.token(now, lifetime);
        self.seed_token(token.clone(), owner.map(str::to_owned), now, lifetime);
        token
    }

    pub(crate) fn seed_token(&mut self, token: String, owner: Option<String>, now: i64, lifetime: Duration) {
        if self.tokens.len() >= TOKENS_BEFORE_SWEEP {
            self.tokens.retain(|_, holder| holder.expires > now);
        }
        let lifetime = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        self.tokens.insert(token, Holder { owner, expires: now.saturating_add(lifetime) });
    }

    pub(crate) fn expire_tokens(&mut self) {
        self.tokens.clear();
    }

    /// Whom a live token belongs to; `Err` when it is unknown or expired.
    pub(crate) fn owner(&self, token: &str, now: i64) -> Result<Option<String>, NotFound> {
        self.tokens.get(token).filter(|holder| holder.expires > now).map(|holder| holder.owner.clone()).ok_or(NotFound)
    }

    pub(crate) fn faces(&self) -> Vec<Face> {
        let enrolled = self.people().filter(|row| row.enrolled_by.is_some());
        let mut faces: Vec<Face> =
            enrolled.map(|row| Face::enrolled(row.text("/name/fullName"), &row.identity_id, &row.face)).collect();
        faces.extend(Face::samples());
        faces
    }
}

fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}

pub(crate) const PENDING: &str = "PENDING";
const TOKENS_BEFORE_SWEEP: usize = 10_000;

//! People, tokens, verifications, authentications. No I/O; time and settings are an argument ([`IssueContext`]).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::behaviour::{Behaviour, FieldOverride};
use crate::errors::NotFound;
use crate::faces::{self, Face};
use crate::person::{PersonRecord, merge};
use crate::token::{NewToken, TokenMint};
use crate::{NewPerson, Person};

/// The outcome of a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Outcome {
    /// `VERIFIED`; enrols the face, and makes a `PENDING` person `ACTIVE`.
    #[default]
    Pass,
    /// `REJECTED`; changes nothing else.
    Fail,
    /// `PENDING`; the vendor has not decided. Changes nothing else. End it with
    /// [`Sandbox::complete_verification`](crate::Sandbox::complete_verification).
    Pending,
}

/// A verification just made.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Verified {
    /// The person.
    pub identity_id: String,
    /// The verification's id.
    pub verification_id: String,
    /// A fresh token of that person. Every outcome gives one.
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

/// The clock and the settings under which objects and tokens are made.
#[derive(Clone, Debug)]
pub(crate) struct IssueContext {
    /// Milliseconds since the epoch.
    pub(crate) now: i64,
    pub(crate) lifetime: Duration,
    /// Shared and never changed: a change of behaviour replaces the whole.
    pub(crate) behaviour: Arc<Behaviour>,
}

impl IssueContext {
    /// Seconds since the epoch, the unit of `createdAt`, `timestamp` and `iat`.
    pub(crate) fn seconds(&self) -> i64 {
        self.now.div_euclid(1000)
    }

    fn lifetime_seconds(&self) -> i64 {
        i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX)
    }
}

/// Everything that the API can be asked for.
pub(crate) struct World {
    /// Ids and tokens. Inside, so that one lock covers an object and its id.
    mint: TokenMint,
    /// By identity id.
    people: HashMap<String, PersonRecord>,
    /// Identity ids in the order of their arrival, for the pages.
    order: Vec<String>,
    /// Identity ids by email, for the hosted page. The latest person of an email wins.
    by_email: HashMap<String, String>,
    /// Identity ids by the bytes of the picture.
    by_face: HashMap<Arc<[u8]>, String>,
    /// Live tokens, and expired ones until the next sweep.
    tokens: HashMap<String, TokenRecord>,
    /// By id, as are the authentications.
    pub(crate) verifications: BTreeMap<String, StoredObject>,
    pub(crate) authentications: BTreeMap<String, StoredObject>,
}

/// The person of a token, and its end in milliseconds.
struct TokenRecord {
    owner: Option<String>,
    expires: i64,
}

/// A verification or authentication, served as it is.
pub(crate) struct StoredObject {
    /// The person of the object. Without one, any live token may read it.
    pub(crate) owner: Option<String>,
    pub(crate) body: Value,
}

/// The result of an authenticate call.
pub(crate) struct Authenticated {
    pub(crate) id: String,
    /// Token and verification, where it passed.
    pub(crate) pass: Option<(String, Option<String>)>,
    pub(crate) failure_reason: Option<&'static str>,
}

/// A check in the hosted flow: the object of its event, and the browser's token.
pub(crate) struct HostedCheck {
    pub(crate) object_id: String,
    pub(crate) token: String,
}

impl World {
    /// A world without people.
    pub(crate) fn new(mint: TokenMint) -> Self {
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

    /// A fresh id in the shape of an authentication's.
    pub(crate) fn id(&mut self) -> String {
        self.mint.dashed_id()
    }

    /// Adds a person, or replaces the one of that id.
    pub(crate) fn add(&mut self, new: NewPerson) -> Person {
        let given = new.identity_id.clone().or_else(|| {
            new.userinfo.as_ref().and_then(|info| info.get("identityId")).and_then(Value::as_str).map(str::to_owned)
        });
        let id = given.unwrap_or_else(|| self.mint.id());
        let mut record = PersonRecord::new(id.clone(), new);
        match self.people.get(&id) {
            Some(old) => record.enrolled_by.clone_from(&old.enrolled_by),
            None => self.order.push(id.clone()),
        }
        let person = record.snapshot();
        self.by_email.insert(email_key(&person.email), id.clone());
        self.by_face.insert(record.face.clone(), id.clone());
        self.people.insert(id, record);
        person
    }

    /// A person's record.
    ///
    /// # Errors
    /// When no person has that id.
    pub(crate) fn record(&self, id: &str) -> Result<&PersonRecord, NotFound> {
        self.people.get(id).ok_or(NotFound)
    }

    fn record_mut(&mut self, id: &str) -> Result<&mut PersonRecord, NotFound> {
        self.people.get_mut(id).ok_or(NotFound)
    }

    /// All people, in the order of their arrival.
    pub(crate) fn people(&self) -> impl Iterator<Item = &PersonRecord> {
        self.order.iter().filter_map(|id| self.people.get(id))
    }

    /// Sets the status in the person's userinfo.
    pub(crate) fn set_status(&mut self, id: &str, status: &str) -> Result<Person, NotFound> {
        let record = self.record_mut(id)?;
        record.set_status(status);
        Ok(record.snapshot())
    }

    /// Merges `patch` (RFC 7396) into the person's userinfo.
    pub(crate) fn update(&mut self, id: &str, patch: &Value) -> Result<Person, NotFound> {
        let record = self.record_mut(id)?;
        merge(&mut record.userinfo, patch);
        let person = record.snapshot();
        self.by_email.insert(email_key(&person.email), id.to_owned());
        Ok(person)
    }

    /// A verification of this outcome, and a fresh token of the person.
    ///
    /// # Errors
    /// When no person has that id.
    pub(crate) fn verify(&mut self, id: &str, outcome: Outcome, context: &IssueContext) -> Result<Verified, NotFound> {
        let verification_id = self.mint.id();
        let data = self.record(id)?.verification_data();
        let status = self.settle(id, &verification_id, outcome);
        let mut body = Map::new();
        body.insert("id".to_owned(), json!(verification_id));
        context.behaviour.verification_created_at.write(&mut body, "createdAt", json!(context.seconds()));
        body.insert("status".to_owned(), json!(status));
        body.insert("data".to_owned(), data);
        let object = StoredObject { owner: Some(id.to_owned()), body: Value::Object(body) };
        self.verifications.insert(verification_id.clone(), object);
        let token = self.issue(Some(id), context);
        Ok(Verified { identity_id: id.to_owned(), verification_id, token })
    }

    /// Gives a verification another outcome. Its `createdAt` stays.
    pub(crate) fn complete(&mut self, verification_id: &str, outcome: Outcome) -> Result<(), NotFound> {
        let owner = self.verifications.get(verification_id).ok_or(NotFound)?.owner.clone();
        let status = match owner {
            Some(owner) => self.settle(&owner, verification_id, outcome),
            None => verification_status(outcome),
        };
        let object = self.verifications.get_mut(verification_id).ok_or(NotFound)?;
        merge(&mut object.body, &json!({ "status": status }));
        Ok(())
    }

    /// What an outcome changes about the person; gives the verification's status.
    fn settle(&mut self, id: &str, verification_id: &str, outcome: Outcome) -> &'static str {
        if let Some(record) = self.people.get_mut(id).filter(|_| outcome == Outcome::Pass) {
            record.enrolled_by = Some(verification_id.to_owned());
            if record.text("/status") == PENDING {
                record.set_status("ACTIVE");
            }
        }
        verification_status(outcome)
    }

    /// A verification in the hosted flow, of the person with that email, new or known.
    pub(crate) fn hosted_verification(
        &mut self,
        visitor: NewPerson,
        outcome: Outcome,
        context: &IssueContext,
    ) -> Result<HostedCheck, NotFound> {
        let known = visitor.email.as_deref().and_then(|email| self.by_email.get(&email_key(email)).cloned());
        let id = match known {
            Some(id) => {
                if outcome == Outcome::Pass {
                    self.record_mut(&id)?.learn(&visitor);
                }
                id
            }
            None => self.add(visitor.status(PENDING)).identity_id,
        };
        let Verified { verification_id, token, .. } = self.verify(&id, outcome, context)?;
        Ok(HostedCheck { object_id: verification_id, token })
    }

    /// A face check in the hosted flow, of the enrolled person with that email. The page knows the person by the email,
    /// so a check that failed belongs to that person too, and its token is theirs.
    pub(crate) fn hosted_authentication(
        &mut self,
        email: &str,
        passed: bool,
        context: &IssueContext,
    ) -> Result<HostedCheck, NotFound> {
        let owner = self.by_email.get(&email_key(email)).cloned().ok_or(NotFound)?;
        let verification = self.record(&owner)?.enrolled_by.clone().ok_or(NotFound)?;
        let enrolled = passed.then_some(verification);
        let object_id = self.add_authentication(Some(&owner), enrolled.as_deref(), passed, None, context);
        let token = self.issue(Some(&owner), context);
        Ok(HostedCheck { object_id, token })
    }

    /// Looks a face up (spec: Face Authentication).
    pub(crate) fn authenticate(&mut self, image: &[u8], source: Option<&str>, context: &IssueContext) -> Authenticated {
        let person = self.by_face.get(image).and_then(|owner| self.people.get(owner));
        let enrolled = person.and_then(|record| Some((record.identity_id.clone(), record.enrolled_by.clone()?)));
        let Some((owner, verification)) = enrolled else {
            let id = self.add_authentication(None, None, false, source, context);
            return Authenticated { id, pass: None, failure_reason: faces::recognise(image).failure_reason() };
        };
        let id = self.add_authentication(Some(&owner), Some(&verification), true, source, context);
        let token = self.issue(Some(&owner), context);
        Authenticated { id, pass: Some((token, Some(verification))), failure_reason: None }
    }

    /// Stores an authentication; gives its id. `verificationId` is there only where it passed, as documented.
    fn add_authentication(
        &mut self,
        owner: Option<&str>,
        verification: Option<&str>,
        passed: bool,
        source: Option<&str>,
        context: &IssueContext,
    ) -> String {
        let id = self.mint.dashed_id();
        let mut body = Map::new();
        body.insert("id".to_owned(), json!(id));
        context.behaviour.authentication_created_at.write(&mut body, "createdAt", json!(context.seconds()));
        body.insert("status".to_owned(), json!(if passed { "pass" } else { "fail" }));
        if let Some(source) = source {
            body.insert("sourceId".to_owned(), json!(source));
        }
        if let Some(verification) = verification {
            body.insert("verificationId".to_owned(), json!(verification));
        }
        let object = StoredObject { owner: owner.map(str::to_owned), body: Value::Object(body) };
        self.authentications.insert(id.clone(), object);
        id
    }

    /// Serves `body` verbatim under `id`; a VERIFIED one enrols its owner.
    pub(crate) fn seed_verification(&mut self, id: String, owner: Option<String>, body: Value) {
        let verified = body.get("status").and_then(Value::as_str) == Some("VERIFIED");
        if let Some(record) = owner.as_ref().and_then(|owner| self.people.get_mut(owner)).filter(|_| verified) {
            record.enrolled_by = Some(id.clone());
        }
        self.verifications.insert(id, StoredObject { owner, body });
    }

    /// A fresh token. Without an owner, userinfo answers 404 to it.
    pub(crate) fn issue(&mut self, owner: Option<&str>, context: &IssueContext) -> String {
        let issued_at = context.seconds();
        let expires_at = issued_at.saturating_add(context.lifetime_seconds());
        let token = self.mint.token(issued_at, expires_at, &[&context.behaviour.token_claims]);
        self.seed_token(token.clone(), owner.map(str::to_owned), context.now, context.lifetime);
        token
    }

    /// A token as asked for.
    pub(crate) fn mint(&mut self, new: NewToken, context: &IssueContext) -> String {
        let issued_at = new.issued_at.unwrap_or_else(|| context.seconds().saturating_sub(new.issued_seconds_ago));
        let expires_at = new.expires_at.unwrap_or_else(|| issued_at.saturating_add(context.lifetime_seconds()));
        let token = self.mint.token(issued_at, expires_at, &[&context.behaviour.token_claims, &new.claims]);
        let expires = expires_at.saturating_mul(1000);
        self.insert_token(token.clone(), TokenRecord { owner: new.identity_id, expires }, context.now);
        token
    }

    /// Makes a text a token. A token of that text is replaced.
    pub(crate) fn seed_token(&mut self, token: String, owner: Option<String>, now: i64, lifetime: Duration) {
        let lifetime = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        self.insert_token(token, TokenRecord { owner, expires: now.saturating_add(lifetime) }, now);
    }

    /// Stores a token, and drops expired ones where there are many.
    fn insert_token(&mut self, token: String, record: TokenRecord, now: i64) {
        if self.tokens.len() >= TOKENS_BEFORE_SWEEP {
            self.tokens.retain(|_, record| record.expires > now);
        }
        self.tokens.insert(token, record);
    }

    /// Ends every token.
    pub(crate) fn expire_tokens(&mut self) {
        self.tokens.clear();
    }

    /// The person of a live token; `Err` where the token is unknown or expired.
    pub(crate) fn owner(&self, token: &str, now: i64) -> Result<Option<String>, NotFound> {
        self.tokens.get(token).filter(|record| record.expires > now).map(|record| record.owner.clone()).ok_or(NotFound)
    }

    /// The faces of all enrolled people, then the samples that never pass.
    pub(crate) fn faces(&self) -> Vec<Face> {
        let enrolled = self.people().filter(|record| record.enrolled_by.is_some());
        let face =
            |record: &PersonRecord| Face::enrolled(record.text("/name/fullName"), &record.identity_id, &record.face);
        let mut faces: Vec<Face> = enrolled.map(face).collect();
        faces.extend(Face::samples());
        faces
    }

    /// The person's userinfo, with its `identityId` as the behaviour says, and whether it was given as a whole.
    pub(crate) fn userinfo(&self, id: &str, identity_id: &FieldOverride) -> Result<(Value, bool), NotFound> {
        let record = self.record(id)?;
        let mut userinfo = record.userinfo.clone();
        if let (Some(fields), false) = (userinfo.as_object_mut(), *identity_id == FieldOverride::Usual) {
            identity_id.write(fields, "identityId", Value::Null);
        }
        Ok((userinfo, record.verbatim))
    }
}

/// The `status` of a verification.
fn verification_status(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "VERIFIED",
        Outcome::Fail => "REJECTED",
        Outcome::Pending => PENDING,
    }
}

/// Emails that differ in case or in outer blanks are the same person.
fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}

/// The status of a person who never passed a check, and of a check that is not decided. The document names neither.
pub(crate) const PENDING: &str = "PENDING";
// Expired tokens are dropped when there are this many, so that a long run does not fill the memory.
const TOKENS_BEFORE_SWEEP: usize = 10_000;

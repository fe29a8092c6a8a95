//! Ours: a user who is linked to an ACTIVE identity, known by a cookie.

use std::sync::Arc;
use std::time::Duration;

use incode_core::client::Client;
use incode_core::identity::transition::{ChangeRequest, Command};
use incode_core::identity::{Checks, FaceOrigin, Link, LinkProof, Observation};
use incode_core::model::IdentityStatus;
use incode_core::store::{IdentityStore, MemoryStore};
use incode_core::webhook::Authenticity;
use incode_core::{Clock, IdentityId, Incode, Secret, Subject, SystemClock};
use incode_tower::SubjectSource;

use crate::USER;

pub(crate) async fn incode() -> Incode {
    let (now, identity_id) = (SystemClock.now(), IdentityId::new("64bb17ff915ccccb85bb45b7").unwrap());
    let seen = Observation {
        identity_id: identity_id.clone(),
        sent_at: now,
        status: IdentityStatus::Active,
        attestation: None,
        verified: None,
        face_authenticated_at: None,
        face_origin: FaceOrigin::default(),
        checks: Checks::default(),
        fields: Vec::new(),
    };
    let link = Link::new(Subject::new(USER).unwrap(), identity_id, LinkProof::Application, now);
    let store = MemoryStore::new();
    for command in [Command::Observe(seen), Command::Link { link, by: None }] {
        store.change(ChangeRequest { command, rules: Arc::default(), now }).await.unwrap();
    }
    // Never asked: there are no events.
    let client = Client::builder("http://127.0.0.1:9", Secret::from("a-key")).build().unwrap();
    Incode::builder()
        .client(client)
        .webhook_authenticity(Authenticity::fetch_back())
        .store(store)
        .subjects(SubjectSource::cookie("sid", |value| Some(value.into())))
        .near_cache_lifetime(Duration::from_secs(24 * 60 * 60))
        .build()
        .await
        .unwrap()
}

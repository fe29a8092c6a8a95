//! Genuine deliveries in any number, without sockets on the way in.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use incode_core::client::Client;
use incode_core::webhook::Authenticity;
use incode_core::{Incode, Secret};
use incode_sandbox::{NewPerson, Sandbox, Verified};
use incode_tower::IncodeLayer;
use serde_json::json;
use tower::ServiceExt;

/// An application with a memory store, which asks this vendor.
pub(crate) struct Feed {
    pub(crate) incode: Incode,
    app: Router,
    sandbox: Sandbox,
    people: Vec<String>,
}

impl Feed {
    pub(crate) async fn start(sandbox: &Sandbox) -> Self {
        let client = Client::builder(&sandbox.url(), Secret::from(sandbox.api_key())).build().unwrap();
        let authenticity = Authenticity::header(HEADER, [Secret::from(SECRET)]).unwrap();
        let builder = Incode::builder().memory().client(client).webhook_authenticity(authenticity);
        let incode = builder.build().await.unwrap();
        let app = Router::new().layer(IncodeLayer::new(incode.clone()));
        let people = (0..PEOPLE).map(|_| sandbox.add_person(NewPerson::named("Ana Flores")).identity_id).collect();
        Self { incode, sandbox: sandbox.clone(), app, people }
    }

    /// So many verifications, each of the next person.
    pub(crate) async fn deliver(&self, events: usize) {
        for person in self.people.iter().cycle().take(events) {
            self.verify(person).await;
        }
    }

    async fn verify(&self, person: &str) {
        self.send(&self.sandbox.verify(person).unwrap()).await;
    }

    /// The event of a verification, acknowledged.
    pub(crate) async fn send(&self, verified: &Verified) {
        let event = json!({
            "event": "verification.completed",
            "id": verified.verification_id,
            "token": verified.token,
        });
        let request = Request::post("/incode/webhook")
            .header("content-type", "application/json")
            .header(HEADER, SECRET)
            .body(Body::from(event.to_string()))
            .unwrap();
        assert_eq!(self.app.clone().oneshot(request).await.unwrap().status(), StatusCode::NO_CONTENT);
    }

    pub(crate) async fn pending(&self) -> u64 {
        self.incode.inbox_counts().await.unwrap().pending
    }

    pub(crate) async fn end(self) {
        self.incode.shutdown().await;
    }
}

const HEADER: &str = "x-incode-secret";
const SECRET: &str = "a-secret-of-a-benchmark-0123456789";
const PEOPLE: usize = 1000;

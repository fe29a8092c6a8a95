//! One inbox, served three ways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{HttpMessage, middleware as actix_middleware, web};
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use incode_core::client::Client;
use incode_core::identity::transition::{ChangeRequest, Command};
use incode_core::identity::{Link, LinkProof, Observation, Verified};
use incode_core::model::EventKind;
use incode_core::store::{EventState, IdentityStore, InboxStore, MemoryStore, NewEvent, Reason};
use incode_core::testing::store_suite::seen;
use incode_core::webhook::Authenticity;
use incode_core::{Actor, Clock, IdentityId, Incode, ObjectId, Subject, SystemClock, Token};

use crate::wire::Mount;

pub(crate) const HOSTILE_OBJECT: &str = "\"><script>alert(1)</script>";
pub(crate) const HOSTILE_KIND: &str = "<img src=x onerror=alert(1)>";

pub(crate) fn axum() -> Mount {
    let address = tokio_thread(|listener, incode| async move {
        let admin = incode_tower::AdminService::behind_guard(incode);
        let app = Router::new().nest_service("/admin", admin).route_layer(from_fn(guard));
        axum::serve(listener, app).await.unwrap();
    });
    Mount { address, path: "/admin/" }
}

pub(crate) fn bare_tower() -> Mount {
    let address = tokio_thread(|listener, incode| async move {
        let admin = incode_tower::AdminService::behind_guard(incode);
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let admin = hyper_util::service::TowerToHyperService::new(admin.clone());
            let stream = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(stream, admin));
        }
    });
    Mount { address, path: "/" }
}

pub(crate) fn actix() -> Mount {
    let (told, address) = mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let incode = incode().await;
            let server = actix_web::HttpServer::new(move || {
                let admin = incode_actix::AdminService::behind_guard(incode.clone());
                let scope = web::scope("/admin").wrap(actix_middleware::from_fn(actix_guard)).default_service(admin);
                actix_web::App::new().service(scope)
            });
            let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
            told.send(server.addrs()[0]).unwrap();
            server.run().await.unwrap();
        });
    });
    Mount { address: address.recv().unwrap(), path: "/admin/" }
}

fn tokio_thread<F>(serve: impl FnOnce(tokio::net::TcpListener, Incode) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()>,
{
    let (told, address) = mpsc::channel();
    thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(async move {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let incode = incode().await;
            told.send(listener.local_addr().unwrap()).unwrap();
            serve(listener, incode).await;
        });
    });
    address.recv().unwrap()
}

async fn guard(mut request: Request, next: Next) -> Result<Response, StatusCode> {
    let name = request.headers().get("x-admin").ok_or(StatusCode::UNAUTHORIZED)?;
    let actor = Actor::new(name.to_str().unwrap()).unwrap();
    request.extensions_mut().insert(actor);
    Ok(next.run(request).await)
}

async fn actix_guard<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: actix_middleware::Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let name = request.headers().get("x-admin").ok_or_else(|| actix_web::error::ErrorUnauthorized("no"))?;
    let actor = Actor::new(name.to_str().unwrap()).unwrap();
    request.extensions_mut().insert(actor);
    next.call(request).await
}

/// A vendor that does not answer: what is replayed stays pending.
async fn incode() -> Incode {
    let store = MemoryStore::new();
    seed(&store).await;
    let client = Client::builder("http://127.0.0.1:9", "key").build().unwrap();
    let builder = Incode::builder().client(client).webhook_authenticity(Authenticity::fetch_back()).store(store);
    builder.build().await.unwrap()
}

/// Events 1 to 5, oldest first, and two identities.
async fn seed(store: &MemoryStore) {
    let (verification, authentication) = (EventKind::Verification, EventKind::Authentication);
    for (kind, object, state, reason) in [
        (verification.clone(), Some("verification-1"), EventState::Dead, Reason::NotFound),
        (authentication, Some("authentication-2"), EventState::Dead, Reason::Refused),
        (verification.clone(), Some(HOSTILE_OBJECT), EventState::Dead, Reason::NotFound),
        (EventKind::from(HOSTILE_KIND), None, EventState::Ignored, Reason::UnknownKind),
        (verification, Some("verification-5"), EventState::Dead, Reason::Exhausted),
    ] {
        let event = NewEvent {
            kind,
            object_id: object.map(|object| ObjectId::new(object).unwrap()),
            // Sealed with a key that no process has: the pages show none of it either way.
            token: b"\0canary-token".to_vec(),
            token_hash: Token::new("canary-token").unwrap().hash(),
            correlation_id: Some("canary-correlation".to_owned()),
            vendor_time: None,
            received_at: SystemClock.now(),
            authenticated: true,
            implausible: false,
            state,
            reason: Some(reason),
        };
        store.accept(event).await.unwrap();
    }
    let (now, identity_id) = (SystemClock.now(), IdentityId::new("identity/of anna".replace(' ', "%")).unwrap());
    let seen = Observation { identity_id: identity_id.clone(), ..seen("unused", now.as_millis()) };
    let link = Link::new(Subject::new("anna").unwrap(), identity_id, LinkProof::Application, now);
    let of_bea = Observation {
        verified: Some(Verified { id: ObjectId::new("verification-of-bea").unwrap(), at: Some(now) }),
        ..incode_core::testing::store_suite::seen("identity-of-bea", now.as_millis())
    };
    let subject = Subject::new(crate::script::SUBJECT).unwrap();
    let link_of_bea = Link::new(subject, of_bea.identity_id.clone(), LinkProof::Application, now);
    for command in [
        Command::Observe(seen),
        Command::Link { link, by: None },
        Command::Observe(of_bea),
        Command::Link { link: link_of_bea, by: None },
    ] {
        let request = ChangeRequest { command, rules: Arc::default(), now };
        store.change(request).await.unwrap();
    }
}

//! A real client over a socket: each denial as its status, the grant, and what a revocation does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;

use gate_kit::Sessions;
use incode_core::client::Client;
use incode_core::flow::HostedFlow;
use incode_core::webhook::Authenticity;
use incode_core::{Incode, Secret};
use incode_sandbox::Sandbox;
use incode_tests::process::{App, Settings};
use incode_tests::{Failing, Switch, eventually, get, post, verify};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_gate::vault::vault_client::VaultClient;
use tonic_gate::{OpenRequest, Site, app, subjects};

struct Served {
    sandbox: Sandbox,
    incode: Incode,
    store: Switch,
    sessions: Sessions,
    address: SocketAddr,
    client: VaultClient<Channel>,
}

async fn serve() -> Served {
    let sandbox = Sandbox::builder().automatic_events(false).start().await.unwrap();
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let origin = format!("http://{address}");
    let secret = "a flow secret for tests, 32 bytes or more";
    let flow = HostedFlow::new(sandbox.client_id(), &sandbox.web_url(), &origin, Secret::from(secret)).unwrap();
    let sessions = Sessions::new(secret.as_bytes(), false);
    let (kept, store) = Failing::store();
    let incode = Incode::builder()
        .client(Client::builder(&sandbox.url(), sandbox.api_key()).build().unwrap())
        .webhook_authenticity(Authenticity::fetch_back())
        .hosted_flow(flow)
        // Tests of the flow are elsewhere. Here a person who comes back is verified.
        .trust_userinfo_alone()
        .near_cache_lifetime(std::time::Duration::ZERO)
        .subjects(subjects(&sessions))
        .store(kept)
        .build()
        .await
        .unwrap();
    let app = app(incode.clone(), Site { sessions: sessions.clone(), origin: origin.clone() });
    tokio::spawn(async move { axum::serve(listener, app).await });
    let client = VaultClient::new(Endpoint::from_shared(origin).unwrap().connect_lazy());
    Served { sandbox, incode, store, sessions, address, client }
}

impl Served {
    async fn open(&self, token: Option<&str>) -> Result<String, Status> {
        let mut request = Request::new(OpenRequest {});
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        self.client.clone().open(request).await.map(|reply| reply.into_inner().message)
    }

    async fn denied(&self, token: Option<&str>) -> (Code, String) {
        let status = self.open(token).await.unwrap_err();
        let code = status.metadata().get("incode-code").map(|code| code.to_str().unwrap().to_owned());
        (status.code(), code.unwrap_or_default())
    }
}

fn is(code: Code, name: &str) -> (Code, String) {
    (code, name.to_owned())
}

#[tokio::test]
async fn each_denial_is_a_status_with_its_code_and_the_verified_pass() {
    let served = serve().await;
    assert_eq!(served.denied(None).await, is(Code::Unauthenticated, "authentication_required"));
    let token = served.sessions.token("alice");
    let forged = token.replace("alice", "admin");
    assert_eq!(served.denied(Some(&forged)).await, is(Code::Unauthenticated, "authentication_required"));

    let status = served.open(Some(&token)).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(status.metadata().get("incode-verify-url").unwrap(), "/incode/start");
    verify(served.address, &format!("session={token}"), "Ana").await;
    assert_eq!(served.open(Some(&token)).await.unwrap(), "the vault is open for alice");

    served.store.fail();
    assert_eq!(served.denied(Some(&token)).await, is(Code::Unavailable, "identity_unavailable"));
    served.store.mend();
    assert!(served.open(Some(&token)).await.is_ok());
}

#[tokio::test]
async fn a_revoked_caller_is_out_at_the_next_call() {
    let served = serve().await;
    let token = served.sessions.token("alice");
    verify(served.address, &format!("session={token}"), "Ana").await;
    let person = served.sandbox.people().remove(0);
    served.sandbox.revoke(&person.identity_id).unwrap();
    assert!(served.open(Some(&token)).await.is_ok(), "nothing announces a revocation");
    let verified = served.sandbox.verify(&person.identity_id).unwrap();
    served.sandbox.revoke(&person.identity_id).unwrap();
    let event = incode_tests::event("verification.completed", &verified.verification_id, &verified.token);
    let delivered = post("/incode/webhook").header("content-type", "application/json").body(event.to_string());
    assert_eq!(delivered.send(served.address).await.status, 204);
    eventually("applied", async || served.incode.inbox_counts().await.unwrap().done == 1).await;
    assert_eq!(served.denied(Some(&token)).await, is(Code::PermissionDenied, "identity_revoked"));
}

#[tokio::test]
async fn there_is_no_way_around_the_gate_and_the_pages_are_beside_it() {
    let served = serve().await;
    let grpc = |path: &str| post(path).header("content-type", "application/grpc").body([0, 0, 0, 0, 0]);
    for path in ["/example.Vault/Open", "/example.Vault/Close", "/example.Vault/Open/"] {
        let denied = grpc(path).send(served.address).await;
        assert_eq!((denied.status, denied.header("grpc-status")), (200, Some("16")), "{path}");
    }
    for path in ["//example.Vault/Open", "/example.vault/Open", "/example%2eVault/Open"] {
        let unknown = grpc(path).send(served.address).await;
        assert_eq!(unknown.header("grpc-status"), Some("12"), "{path}");
    }
    let page = get("/").send(served.address).await;
    assert!(page.status == 200 && page.text().contains("Log in"));
}

#[tokio::test]
async fn the_programs_work_together() {
    let app = App::launch(env!("CARGO_BIN_EXE_tonic-gate"), &Settings::none()).await;
    let cookie = app.log_in("alice").await;
    let token = cookie.strip_prefix("session=").unwrap();
    let url = format!("http://{}", app.address);
    let ask = async || {
        let mut ask = tokio::process::Command::new(env!("CARGO_BIN_EXE_ask"));
        let output = ask.args([&url, token]).stdin(Stdio::null()).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(ask().await.contains("code verification_required, verify at /incode/start"));
    verify(app.address, &cookie, "Ana").await;
    assert_eq!(ask().await, "the vault is open for alice\n");
    assert_eq!(app.stop().await.code, Some(0));
}

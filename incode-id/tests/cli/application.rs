//! The application that commands talk to: incode around a router, in this process, with the settings of a real one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::Output;

use axum::Router;
use axum::response::Redirect;
use incode_core::{Builder, Incode};
use incode_sandbox::Sandbox;
use incode_tower::IncodeLayer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::world::program;

/// The variables of a deployment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Complete, with this vendor, a header secret, and a store in memory of the application's own.
    pub(crate) fn of(vendor: &Sandbox, public_url: &str, store: &str) -> Self {
        Self::default()
            .with("INCODE_HOST", vendor.url())
            .with("INCODE_API_KEY", vendor.api_key())
            .with("INCODE_CLIENT_ID", vendor.client_id())
            .with("INCODE_WEB_URL", vendor.web_url())
            .with("PUBLIC_URL", public_url)
            .with("INCODE_WEBHOOK_AUTH", "header")
            .with("INCODE_WEBHOOK_SECRETS", SECRET)
            .with("INCODE_FLOW_SECRET", KEY)
            .with("INCODE_STORE_KEY", OTHER_KEY)
            .with("INCODE_STORE", store)
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// For another thread, because the program is waited for: the application answers meanwhile.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let mut program = program(arguments);
        program.env_clear().envs(&self.0);
        tokio::task::spawn_blocking(move || program.output().unwrap()).await.unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut program = program(arguments);
        program.env_clear().envs(&self.0);
        program
    }

    fn variables(&self) -> Vec<(OsString, OsString)> {
        self.0.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }
}

/// A running application.
pub(crate) struct Application {
    pub(crate) incode: Incode,
    pub(crate) url: String,
    server: JoinHandle<()>,
}

impl Application {
    /// A place to listen, whose address the settings can name before the application is there.
    pub(crate) async fn place() -> (TcpListener, String) {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        (listener, url)
    }

    /// `below`: the path that it is mounted under.
    pub(crate) async fn start(listener: TcpListener, settings: &Settings) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let engines: &[incode_core::adapter::Engine] = &[|store| {
            let options = incode_postgres::from_url(store.url)?;
            Some(options.map(|options| Box::new(options) as Box<dyn incode_core::store::OpenStore>))
        }];
        let incode = Builder::from_settings(settings.variables(), engines).unwrap().build().await.unwrap();
        let app = Router::new().route("/login", axum::routing::get(async || "log in"));
        let app = app.layer(IncodeLayer::new(incode.clone()));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { incode, url, server }
    }

    /// A server that sends everyone to its login, as one without incode does.
    pub(crate) fn with_login_in_front(listener: TcpListener) -> JoinHandle<()> {
        let app = Router::new().fallback(async || Redirect::to("/login"));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() })
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) const SECRET: &str = "canary-webhook-secret-0123456789";
/// 32 bytes in base64.
pub(crate) const KEY: &str = "Y2FuYXJ5LWZsb3ctc2VjcmV0LTAxMjM0NTY3ODlhYmM=";
pub(crate) const OTHER_KEY: &str = "Y2FuYXJ5LXN0b3JlLWtleS0wMTIzNDU2Nzg5YWJjZGU=";

use std::net::TcpListener;

use actix_web::dev::{ServerHandle, Service};
use actix_web::middleware::DefaultHeaders;
use actix_web::{App, HttpMessage, HttpServer, web};
use incode_actix::{Active, Denied, GateMiddleware, IncodeMiddleware, Visitor};
use incode_core::gate::Requirement;
use incode_core::{Incode, Subject};

use super::{OUTER, PASSED, SESSION, gated, page};

/// Tells the server to stop and does not wait: its thread ends by itself.
pub(super) struct SystemGuard(ServerHandle);

impl Drop for SystemGuard {
    fn drop(&mut self) {
        drop(self.0.stop(false));
    }
}

impl std::fmt::Debug for SystemGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SystemGuard")
    }
}

macro_rules! app {
    ($($middleware:expr)?) => {
        App::new()
            .configure(routes)
            $(.wrap($middleware))?
            .wrap_fn(|request, next| {
                let subject = request.headers().get(SESSION).and_then(|value| Subject::new(value.to_str().ok()?).ok());
                if let Some(subject) = subject {
                    request.extensions_mut().insert(subject);
                }
                next.call(request)
            })
            .wrap(DefaultHeaders::new().add(OUTER))
    };
}

pub(super) async fn serve(listener: TcpListener, incode: Option<Incode>) -> SystemGuard {
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = match incode {
                Some(incode) => HttpServer::new(move || app!(IncodeMiddleware::new(incode.clone())))
                    .workers(2)
                    .disable_signals()
                    .listen(listener)
                    .unwrap()
                    .run(),
                None => HttpServer::new(|| app!()).workers(2).disable_signals().listen(listener).unwrap().run(),
            };
            let _ = tell.send(server.handle());
            server.await.unwrap();
        });
    });
    SystemGuard(told.await.unwrap())
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/open", web::get().to(async |visitor: Visitor| page(&visitor)))
        .route(
            "/active-extractor",
            web::get().to(async |person: Active| person.identity().identity_id.as_str().to_owned()),
        )
        .route("/in-handler", web::get().to(in_handler));
    for (path, requirement) in gated() {
        let method = if path == "/transfer" { web::post() } else { web::get() };
        let resource = web::resource(path).route(method.to(async || PASSED));
        config.service(resource.wrap(GateMiddleware::new(requirement)));
    }
}

async fn in_handler(visitor: Visitor) -> Result<&'static str, Denied> {
    visitor.require(&Requirement::active())?;
    Ok(PASSED)
}

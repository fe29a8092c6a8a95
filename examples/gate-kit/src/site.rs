use std::fmt;

use bytes::Bytes;
use futures_core::Stream;
use incode_core::gate::{Requirement, Standing, Visitor};
use incode_core::http::{Problem, Reply, is_local_path};
use incode_core::identity::Identity;
use incode_core::{Incode, Subject};
use incode_sandbox::Sandbox;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;

use crate::admin::Admin;
use crate::notice::{self, Notice};
use crate::session::{Sessions, is_user_name};
use crate::{BasePath, RequestContext, body, refusal, view};

/// The example site: one method per route, each giving the complete answer.
pub struct Site {
    pub(crate) incode: Incode,
    pub(crate) sessions: Sessions,
    /// The stand-in vendor, when it runs in this process.
    pub(crate) sandbox: Option<Sandbox>,
    /// None: as if there were no admin routes.
    pub(crate) admins: Vec<Admin>,
    pub(crate) metrics: PrometheusHandle,
    /// Scheme, host and port of the site, as browsers send it in `Origin`.
    pub(crate) public_origin: String,
    pub(crate) base: BasePath,
    /// The hosted flow is set up: people can get verified from here.
    pub(crate) can_verify: bool,
    /// `/healthz` and `/metrics` are on a port of their own, and not here.
    pub(crate) ops_apart: bool,
}

impl Site {
    /// What the layer is made of.
    pub fn incode(&self) -> &Incode {
        &self.incode
    }

    /// The path below which browsers reach the site.
    pub fn base(&self) -> &BasePath {
        &self.base
    }

    /// `GET /`: the user, their standing, and what they can do.
    pub fn page(&self, visitor: &Visitor, request: &RequestContext) -> Reply {
        if let Some(there) = request.public_address(&format!("{}{}", self.public_origin, self.base.link(""))) {
            return Reply::see_other(there);
        }
        let notice = request.query_value("notice").and_then(|name| Notice::named(&name));
        view::home(self, visitor, notice)
    }

    /// `GET /verify?return_to=...`: names the account before the browser goes to the vendor. The person's identity will
    /// be linked to the account that is logged in here, also if another person logged in.
    pub fn verify(&self, visitor: &Visitor, request: &RequestContext) -> Reply {
        if let Some(there) = request.public_address(&format!("{}{}", self.public_origin, self.base.link(""))) {
            return Reply::see_other(there);
        }
        let back = request.query_value("return_to").filter(|path| is_local_path(path));
        match visitor.subject() {
            Some(subject) => {
                let back = back.unwrap_or_else(|| self.base.link("/"));
                view::verify(&self.base, subject.as_str(), &back)
            }
            None => Reply::see_other(self.base.link("/")),
        }
    }

    /// `POST /login` with the form `user=alice`: no password, because this is an example.
    pub async fn login<B, C, E>(&self, request: &RequestContext, body: B) -> Reply
    where
        B: Stream<Item = Result<C, E>>,
        C: AsRef<[u8]>,
    {
        match self.log_in(request, body).await {
            Ok(user) => {
                // The session that this browser had ends: a new login is a new session.
                self.sessions.revoke(request.cookie.as_deref().unwrap_or_default());
                Reply::see_other(self.base.link("/")).header("set-cookie", self.sessions.begin(&user))
            }
            Err(problem) => refusal::refuse(&self.base, &problem, request),
        }
    }

    /// `POST /logout`: ends the session on the server too.
    pub fn logout(&self, request: &RequestContext) -> Reply {
        match self.check_origin(request) {
            Ok(()) => {
                self.sessions.revoke(request.cookie.as_deref().unwrap_or_default());
                Reply::see_other(self.base.link("/")).header("set-cookie", self.sessions.end())
            }
            Err(problem) => refusal::refuse(&self.base, &problem, request),
        }
    }

    /// `GET /me`: the visitor as JSON. Open to all.
    pub fn me(&self, visitor: &Visitor) -> Reply {
        json(200, &Me { subject: visitor.subject(), standing: visitor.standing(), identity: visitor.identity() })
    }

    /// `GET /vault`, behind a gate that asks for ACTIVE.
    pub fn vault(&self, visitor: &Visitor, identity: &Identity, request: &RequestContext) -> Reply {
        if request.html {
            return view::vault(&self.base, identity);
        }
        json(200, &Vault { vault: "open", subject: visitor.subject(), identity })
    }

    /// What `POST /transfer` asks for: ACTIVE, and a face that was confirmed within 5 minutes.
    pub const TRANSFER: Requirement =
        Requirement::active().face_authenticated_within(std::time::Duration::from_secs(5 * 60));

    /// `POST /transfer`, behind a gate that asks for [`Site::TRANSFER`].
    pub fn transfer(&self, visitor: &Visitor, request: &RequestContext) -> Reply {
        if let Err(problem) = self.check_origin(request) {
            return refusal::refuse(&self.base, &problem, request);
        }
        if request.html {
            return Reply::see_other(self.base.link(&notice::TRANSFERRED.url()));
        }
        json(200, &Transfer { transferred: true, subject: visitor.subject() })
    }

    /// `GET /livez`: 200 while this process takes requests and its worker is at work, whatever the state of the store or the
    /// vendor. A restart would mend neither of them.
    pub fn livez(&self) -> Reply {
        let (status, word) = if self.incode.is_working() { (200, "ok") } else { (503, "unavailable") };
        json(status, &Live { status: word })
    }

    /// `GET /healthz`: 200 while the store answers and the worker is at work. 404 where `OPS_BIND` names another port.
    pub async fn healthz(&self, request: &RequestContext) -> Reply {
        if self.ops_apart {
            refusal::refuse(&self.base, &refusal::not_found(), request)
        } else {
            self.health_reply().await
        }
    }

    /// `GET /metrics`: Prometheus text. 404 where `OPS_BIND` names another port.
    pub fn metrics(&self, request: &RequestContext) -> Reply {
        if self.ops_apart { refusal::refuse(&self.base, &refusal::not_found(), request) } else { self.metrics_reply() }
    }

    pub(crate) async fn health_reply(&self) -> Reply {
        let health = self.incode.health().await;
        let word = |well| if well { "ok" } else { "unavailable" };
        let well = health.store && health.worker;
        json(if well { 200 } else { 503 }, &Health { status: word(well), store: word(health.store) })
    }

    pub(crate) fn metrics_reply(&self) -> Reply {
        self.metrics.run_upkeep();
        Reply::new(200)
            .body("text/plain; version=0.0.4; charset=utf-8", self.metrics.render())
            .header("cache-control", "no-store")
    }

    /// Every other path: 404; every other method of a known path: 405 with `Allow`.
    pub fn unrouted(&self, request: &RequestContext) -> Reply {
        refusal::unrouted(&self.base, request, if self.ops_apart { ROUTES.split_at(OPS_ROUTES).1 } else { &ROUTES })
    }

    pub(crate) fn check_origin(&self, request: &RequestContext) -> Result<(), Problem> {
        if request.is_from_here(&self.public_origin) { Ok(()) } else { Err(refusal::cross_site()) }
    }

    async fn log_in<B, C, E>(&self, request: &RequestContext, body: B) -> Result<String, Problem>
    where
        B: Stream<Item = Result<C, E>>,
        C: AsRef<[u8]>,
    {
        self.check_origin(request)?;
        if request.media_type() != body::FORM {
            return Err(body::unsupported(body::FORM));
        }
        let form = body::read(request, body, LOGIN_CAP).await?;
        body::form_value(&form, "user").filter(|user| is_user_name(user)).ok_or_else(|| {
            let detail = "A user name has 1 to 64 characters: letters, digits and . _ @ -";
            Problem::new(400, "user_invalid", "Not a user name", detail)
        })
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("public_origin", &self.public_origin).finish_non_exhaustive()
    }
}

/// JSON that no cache keeps.
pub(crate) fn json(status: u16, value: &impl Serialize) -> Reply {
    // Strings, numbers and times only: serialising can't fail.
    let body = serde_json::to_vec(value).map(Bytes::from).unwrap_or_default();
    Reply::new(status).body("application/json", body).header("cache-control", "no-store")
}

#[derive(Serialize)]
struct Me<'a> {
    subject: Option<&'a Subject>,
    standing: Standing,
    identity: Option<&'a Identity>,
}

#[derive(Serialize)]
struct Vault<'a> {
    vault: &'static str,
    subject: Option<&'a Subject>,
    identity: &'a Identity,
}

#[derive(Serialize)]
struct Transfer<'a> {
    transferred: bool,
    subject: Option<&'a Subject>,
}

#[derive(Serialize)]
struct Live {
    status: &'static str,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    store: &'static str,
}

/// Every path with the methods it takes; `/incode/*` and `/admin/*` answer for themselves.
const ROUTES: [(&str, &str); 11] = [
    ("/healthz", "GET, HEAD"),
    ("/metrics", "GET, HEAD"),
    ("/", "GET, HEAD"),
    ("/login", "POST"),
    ("/logout", "POST"),
    ("/me", "GET, HEAD"),
    ("/verify", "GET, HEAD"),
    ("/vault", "GET, HEAD"),
    ("/transfer", "POST"),
    ("/face", "POST"),
    ("/livez", "GET, HEAD"),
];

/// The first so many of [`ROUTES`] move to the port of `OPS_BIND`.
const OPS_ROUTES: usize = 2;

/// A user name and its key, with room to spare.
const LOGIN_CAP: usize = 4 * 1024;

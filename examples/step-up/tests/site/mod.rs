//! A bank, a vendor and people with browsers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use gate_kit::BasePath;
use incode_core::client::Client;
use incode_core::flow::HostedFlow;
use incode_core::testing::ManualClock;
use incode_core::webhook::Authenticity;
use incode_core::{Clock, Incode, Secret, SystemClock};
use incode_sandbox::{Effect, Fault, Route, Sandbox};
use incode_tests::{Response, eventually, get, post, verify};
use step_up::{Bank, TransferService, app, set_up};

pub(crate) struct Site {
    pub(crate) sandbox: Sandbox,
    pub(crate) incode: Incode,
    pub(crate) clock: ManualClock,
    pub(crate) address: SocketAddr,
}

/// MaybeSession with a browser.
pub(crate) struct Person<'a> {
    site: &'a Site,
    pub(crate) name: &'static str,
    pub(crate) cookie: String,
}

/// What a page's form holds beside what people type.
#[derive(Clone)]
pub(crate) struct Form {
    pub(crate) secret: String,
    pub(crate) id: String,
}

impl Site {
    pub(crate) async fn build() -> Self {
        Self::below("").await
    }

    /// Browsers reach it below this path.
    pub(crate) async fn below(path: &str) -> Self {
        let sandbox = Sandbox::builder().automatic_events(false).start().await.unwrap();
        let clock = ManualClock::new(SystemClock.now());
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let origin = format!("http://{address}");
        let client = Client::builder(&sandbox.url(), sandbox.api_key()).retries(0).build().unwrap();
        let secret = Secret::from("a flow secret for tests, 32 bytes or more");
        let public_url = format!("{origin}{path}");
        let base = BasePath::of(&public_url);
        let flow = HostedFlow::new(sandbox.client_id(), &sandbox.web_url(), &public_url, secret).unwrap();
        let transfers = Arc::new(TransferService::new(clock.clone()));
        let incode = set_up(Incode::builder(), &transfers, &base)
            .client(client)
            .webhook_authenticity(Authenticity::fetch_back())
            .hosted_flow(flow)
            .clock(clock.clone())
            // Tests of the flow are elsewhere. Here a person who comes back is verified.
            .trust_userinfo_alone()
            .callback_wait(Duration::ZERO)
            // The sandbox has one picture for each face.
            .same_face_image_after(Duration::ZERO)
            .face_limit(5, Duration::ZERO)
            .memory()
            .build()
            .await
            .unwrap();
        let bank = Bank::new(incode.clone(), transfers, Some(sandbox.clone()), origin, base);
        tokio::spawn(async move { axum::serve(listener, app(Arc::new(bank))).await });
        Self { sandbox, incode, clock, address }
    }

    pub(crate) async fn log_in(&self, name: &'static str) -> Person<'_> {
        let login = post("/login").header("content-type", FORM).body(format!("user={name}"));
        let answer = login.send(self.address).await;
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.ends_with("; HttpOnly; SameSite=Lax"), "{cookie}");
        Person { site: self, name, cookie: cookie.split(';').next().unwrap().to_owned() }
    }

    pub(crate) async fn verified(&self, name: &'static str) -> Person<'_> {
        let person = self.log_in(name).await;
        assert_eq!(verify(self.address, &person.cookie, name).await, "/");
        person
    }

    /// The sandbox's face of this kind.
    pub(crate) fn sample(&self, kind: &str) -> String {
        let faces = self.sandbox.faces();
        faces.into_iter().find(|face| format!("{:?}", face.kind) == kind).unwrap().base64_image
    }

    pub(crate) fn asked_for_faces(&self) -> usize {
        self.sandbox.calls().iter().filter(|call| call.path.ends_with("/authenticate")).count()
    }
}

impl Person<'_> {
    pub(crate) async fn get(&self, target: &str) -> Response {
        get(target).header("cookie", &self.cookie).send(self.site.address).await
    }

    pub(crate) async fn post(&self, target: &str, form: &str) -> Response {
        let call = post(target).header("cookie", &self.cookie).header("content-type", FORM);
        call.body(form).send(self.site.address).await
    }

    /// The form of the front page.
    pub(crate) async fn new_form(&self) -> Form {
        let page = self.get("/").await.text();
        Form { secret: value(&page, "form"), id: value(&page, "id") }
    }

    /// As if the page had been opened before whatever closed it.
    pub(crate) fn new_form_of_the_page_before(&self, form: &Form) -> Form {
        Form { id: form.id.chars().rev().collect(), ..form.clone() }
    }

    pub(crate) async fn send(&self, form: &Form, amount: &str, recipient: &str) -> Response {
        let pairs = [("form", form.secret.as_str()), ("id", &form.id), ("amount", amount), ("recipient", recipient)];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.post("/transfer", &body).await
    }

    /// A transfer that waits.
    pub(crate) async fn waiting(&self, amount: &str, recipient: &str) -> Form {
        let form = self.new_form().await;
        assert_eq!(self.send(&form, amount, recipient).await.header("location").unwrap(), form.confirm());
        form
    }

    pub(crate) async fn transfer_and_confirm(&self) -> Form {
        let form = self.waiting("5", "Bob").await;
        assert_eq!(self.confirm(&form, &self.face()).await.header("location").unwrap(), form.receipt());
        form
    }

    /// Sends the form of the confirmation page.
    pub(crate) async fn confirm(&self, form: &Form, face: &str) -> Response {
        let part = |name: &str, value: &str| {
            format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = format!("{}{}--edge--\r\n", part("form", &form.secret), part("base64Image", face));
        let call = post(&form.confirm()).header("cookie", &self.cookie);
        call.header("content-type", "multipart/form-data; boundary=edge").body(body).send(self.site.address).await
    }

    /// Confirms with the own face, and does something while the vendor looks at it.
    pub(crate) async fn confirm_while(&self, form: &Form, something: impl Future<Output = ()>) -> Response {
        self.site.sandbox.add_fault(Fault::new(Effect::Delay).on(Route::Authenticate).held());
        let meanwhile = async {
            eventually("the vendor looks", async || self.site.asked_for_faces() == 1).await;
            something.await;
            self.site.sandbox.release_held();
        };
        let face = self.face();
        tokio::join!(self.confirm(form, &face), meanwhile).0
    }

    /// The page that a face which does not do leads back to.
    pub(crate) async fn refused(&self, form: &Form, face: &str) -> String {
        let back = self.confirm(form, face).await;
        let target = back.header("location").unwrap();
        assert!(back.status == 303 && target.starts_with(&format!("{}?why=", form.confirm())), "{back:?}");
        self.get(target).await.text()
    }

    pub(crate) async fn cancel(&self, form: &Form) -> Response {
        self.post(&format!("{}/cancel", form.confirm()), &format!("form={}", form.secret)).await
    }

    /// How many transfers the front page lists as made.
    pub(crate) async fn made(&self) -> usize {
        let page = self.get("/").await.text();
        page.split_once("<h2>Made</h2>").unwrap().1.matches("class=\"row\"").count()
    }

    pub(crate) fn identity(&self) -> String {
        let people = self.site.sandbox.people();
        people.into_iter().find(|person| person.name == self.name).unwrap().identity_id
    }

    pub(crate) fn face(&self) -> String {
        let (faces, identity) = (self.site.sandbox.faces(), self.identity());
        faces.into_iter().find(|face| face.identity_id.as_ref() == Some(&identity)).unwrap().base64_image
    }
}

impl Form {
    pub(crate) fn confirm(&self) -> String {
        format!("/confirm/{}", self.id)
    }

    pub(crate) fn receipt(&self) -> String {
        format!("/transfers/{}", self.id)
    }

    /// This transfer in a form of another session.
    pub(crate) fn with(&self, other: &Self) -> Self {
        Self { secret: other.secret.clone(), id: self.id.clone() }
    }
}

fn value(page: &str, name: &str) -> String {
    let field = format!("name=\"{name}\" value=\"");
    page.split_once(&field).map(|(_, rest)| rest[..rest.find('"').unwrap()].to_owned()).unwrap_or_default()
}

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

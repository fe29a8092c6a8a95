//! Opted-in personal fields, from the vendor's answer to the application and out again, over a SQLite file.

use std::convert::Infallible;
use std::time::Duration;

use incode_core::client::Client;
use incode_core::flow::{FaceOutcome, FaceScope, HostedFlow};
use incode_core::http::Reply;
use incode_core::identity::{Field, PersonalData};
use incode_core::model::{Face, FaceAuthenticationRequest, IdentityStatus};
use incode_core::testing::ManualClock;
use incode_core::webhook::Authenticity;
use incode_core::{Actor, Builder, Clock, IdentityId, Incode, Secret, Subject, SystemClock};
use incode_sandbox::{NewPerson, Sandbox};
use incode_sqlite::SqliteOptions;
use serde_json::json;
use tempfile::TempDir;

use crate::request::Request;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_opting_in_nothing_personal_reaches_the_file() {
    let world = World::start().await;
    let incode = world.builder().store_key(key()).build().await.unwrap();
    world.deliver(&incode).await;
    assert_eq!(incode.personal(&world.id()).await.unwrap().fields().count(), 0);
    incode.shutdown().await;
    world.holds_no(&CANARIES);
    let other = world.builder().build().await.unwrap();
    world.come_back(&other).await;
    other.shutdown().await;
    world.holds_no(&CANARIES);
}

/// Through every door: the worker, the callback, a face authentication.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_exchange_keeps_what_was_opted_in_and_nothing_lies_open() {
    let world = World::start().await;
    let clock = ManualClock::new(SystemClock.now());
    let incode = world.keeping().clock(clock.clone()).build().await.unwrap();
    world.deliver(&incode).await;
    let personal = incode.personal(&world.id()).await.unwrap();
    assert_eq!(personal.fields().collect::<Vec<_>>(), [Field::FullName, Field::Email, Field::Curp]);
    assert_eq!(read(&personal), [Some(NAME), Some(EMAIL), Some(CURP), None]);
    world.while_it_runs_holds_no(&CANARIES);

    for (turn, email) in ["canary-callback@example.test", "canary-face@example.test"].into_iter().enumerate() {
        clock.advance(Duration::from_secs(1));
        world.sandbox.update_person(IDENTITY, &json!({"email": email, "curp": null})).unwrap();
        if turn == 0 {
            world.come_back(&incode).await;
        } else {
            let face = world.sandbox.faces().swap_remove(0).base64_image;
            let request = FaceAuthenticationRequest { face: Face::Base64Image(face), source: None };
            let outcome = incode.authenticate(FaceScope::new(alice()), &request).await.unwrap();
            assert!(matches!(outcome, FaceOutcome::Passed(_)), "{outcome:?}");
        }
        let personal = incode.personal(&world.id()).await.unwrap();
        assert_eq!(read(&personal), [Some(NAME), Some(email), Some(CURP), None], "what is left out is not denied");
        let linked = incode.linked(&alice()).await.unwrap().unwrap();
        let shown = format!("{personal:?} {linked:?} {incode:?} {}", serde_json::to_string(&linked.identity).unwrap());
        assert!(CANARIES.iter().chain([&email]).all(|canary| !shown.contains(canary)), "{shown}");
    }
    incode.shutdown().await;
    world.holds_no(&CANARIES);
    world.holds_no(&["canary-callback", "canary-face"]);

    let again = world.keeping().clock(clock).build().await.unwrap();
    let personal = again.personal(&world.id()).await.unwrap();
    assert_eq!(personal.get(Field::Email), Some("canary-face@example.test"), "across a restart");
    again.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_field_ends_with_its_own_retention() {
    let world = World::start().await;
    let clock = ManualClock::new(SystemClock.now());
    let build =
        || world.builder().store_key(key()).clock(clock.clone()).retain(Field::Email, DAY).retain(Field::Curp, 2 * DAY);
    let incode = build().build().await.unwrap();
    world.deliver(&incode).await;
    clock.advance(DAY - Duration::from_millis(1));
    assert_eq!(read(&incode.personal(&world.id()).await.unwrap()), [None, Some(EMAIL), Some(CURP), None]);
    clock.advance(Duration::from_millis(1));
    assert_eq!(read(&incode.personal(&world.id()).await.unwrap()), [None, None, Some(CURP), None]);
    clock.advance(DAY);
    assert_eq!(incode.personal(&world.id()).await.unwrap().fields().count(), 0);
    assert!(incode.identity(&world.id()).await.unwrap().is_some(), "the standing stays");
    incode.shutdown().await;
    // The upkeep that runs at start takes them out of the file.
    let incode = build().build().await.unwrap();
    until(async || world.rows_of_fields() == 0).await;
    incode.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgetting_erases_them() {
    let world = World::start().await;
    let incode = world.keeping().build().await.unwrap();
    world.deliver(&incode).await;
    assert_eq!(world.rows_of_fields(), 3);
    assert!(incode.forget(&world.id(), &Actor::unknown()).await.unwrap());
    assert_eq!(incode.personal(&world.id()).await.unwrap().fields().count(), 0);
    assert_eq!(world.rows_of_fields(), 0);
    incode.shutdown().await;
    world.holds_no(&CANARIES);
    world.holds_no(&[IDENTITY]);
}

/// Neither another key nor none holds anything up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_reads_nothing_and_blocks_no_one() {
    let world = World::start().await;
    let incode = world.keeping().build().await.unwrap();
    world.come_back(&incode).await;
    incode.shutdown().await;

    let other = || Secret::from("another key of thirty-two bytes!");
    let clock = ManualClock::new(SystemClock.now().after(Duration::from_secs(30)));
    let incode = world.builder().store_key(other()).retain(Field::Email, DAY).clock(clock).build().await.unwrap();
    assert_eq!(incode.personal(&world.id()).await.unwrap().fields().count(), 0);
    let linked = incode.linked(&alice()).await.unwrap().unwrap();
    assert_eq!(linked.identity.status, IdentityStatus::Active);
    world.come_back(&incode).await;
    assert_eq!(incode.personal(&world.id()).await.unwrap().get(Field::Email), Some(EMAIL), "sealed anew");
    incode.shutdown().await;
}

#[tokio::test]
async fn keeping_needs_a_key_and_a_time() {
    let world = World::start().await;
    let refused = |builder: Builder| async { builder.build().await.map(|_| ()).expect_err("refused").to_string() };
    let no_key = world.builder().retain(Field::Email, DAY);
    assert_eq!(refused(no_key).await, "retain: retaining personal fields needs a store key");
    let no_time = world.keeping().retain(Field::Email, Duration::from_micros(999));
    assert_eq!(refused(no_time).await, "retain: a field can't be kept for no time at all");
    let weak = world.builder().store_key(Secret::from("too short")).retain(Field::Email, DAY);
    assert_eq!(refused(weak).await, "store_key: shorter than 32 bytes");
    assert!(!world.file().exists(), "refused before anything is opened");
}

struct World {
    sandbox: Sandbox,
    directory: TempDir,
}

impl World {
    async fn start() -> Self {
        let sandbox = Sandbox::builder().start().await.unwrap();
        sandbox.add_person(NewPerson::from_userinfo(json!({
            "status": "ACTIVE", "identityId": IDENTITY, "name": {"fullName": NAME}, "dateOfBirth": BORN, "phone": PHONE,
            "email": EMAIL, "curp": CURP, "idImagesInfo": {"frontIdImageUrl": IMAGE},
        })));
        Self { sandbox, directory: TempDir::new().unwrap() }
    }

    fn file(&self) -> std::path::PathBuf {
        self.directory.path().join("incode.db")
    }

    fn id(&self) -> IdentityId {
        IdentityId::new(IDENTITY).unwrap()
    }

    fn builder(&self) -> Builder {
        let client = Client::builder(&self.sandbox.url(), Secret::from(self.sandbox.api_key())).build().unwrap();
        let secret = Secret::from("a flow secret of at least thirty-two bytes");
        let flow = HostedFlow::new("client", "https://web.example", "https://app.example", secret).unwrap();
        Incode::builder()
            .client(client)
            .webhook_authenticity(Authenticity::fetch_back())
            .open_store(SqliteOptions::new(self.file()))
            .trust_userinfo_alone()
            .hosted_flow(flow)
    }

    fn keeping(&self) -> Builder {
        self.builder().store_key(key()).retain(Field::FullName, DAY).retain(Field::Email, DAY).retain(Field::Curp, DAY)
    }

    /// A verification that the worker applies.
    async fn deliver(&self, incode: &Incode) {
        let verified = self.sandbox.verify(IDENTITY).unwrap();
        let (id, token) = (verified.verification_id, verified.token);
        let event = json!({"event": "verification.completed", "object": "verification", "id": id, "token": token});
        let post = Request { method: "POST", path: "/incode/webhook", query: String::new(), subject: None };
        assert_eq!(answer(incode, &post, event.to_string()).await.status, 204);
        until(async || incode.inbox_counts().await.unwrap().done > 0).await;
    }

    /// Alice leaves for the hosted page and comes back as the person.
    async fn come_back(&self, incode: &Incode) {
        let alice = alice();
        let get = |path, query| Request { method: "GET", path, query, subject: Some(&alice) };
        let sent = answer(incode, &get("/incode/start", String::new()), String::new()).await;
        let (_, page) = sent.headers.iter().find(|(name, _)| *name == "location").unwrap();
        let (_, id) = page.split_once("correlation_id=").unwrap();
        let token = self.sandbox.issue_token(IDENTITY);
        let back = get("/incode/callback", format!("token={token}&correlation_id={id}"));
        assert_eq!(answer(incode, &back, String::new()).await.status, 303);
    }

    /// Nothing of it in the store's file, nor in any beside it.
    fn holds_no(&self, canaries: &[&str]) {
        let files: Vec<_> =
            std::fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.contains(&self.file()));
        for path in files {
            let bytes = std::fs::read(&path).unwrap();
            for canary in canaries {
                let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
                assert!(!found, "{canary} in {}", path.display());
            }
        }
    }

    /// The same with the write-ahead log beside it.
    fn while_it_runs_holds_no(&self, canaries: &[&str]) {
        let log = self.directory.path().join("incode.db-wal");
        assert!(std::fs::metadata(log).unwrap().len() > 0);
        self.holds_no(canaries);
    }

    fn rows_of_fields(&self) -> i64 {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let conn = rusqlite::Connection::open_with_flags(self.file(), flags).unwrap();
        conn.query_row("SELECT count(*) FROM field", [], |row| row.get(0)).unwrap()
    }
}

async fn answer(incode: &Incode, request: &Request<'_>, body: String) -> Reply {
    let body = futures_util::stream::iter([Ok::<_, Infallible>(body)]);
    incode.open(request).unwrap().answer(body).await
}

/// Three that are kept in these tests, and one that never is.
fn read(personal: &PersonalData) -> [Option<&str>; 4] {
    [Field::FullName, Field::Email, Field::Curp, Field::Phone].map(|field| personal.get(field))
}

fn key() -> Secret {
    Secret::from("0123456789abcdef0123456789abcdef")
}

fn alice() -> Subject {
    Subject::new("alice").unwrap()
}

async fn until(fits: impl AsyncFn() -> bool) {
    let wait = async {
        while !fits().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("this should have happened by now");
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const IDENTITY: &str = "canary-identity-000001";
const NAME: &str = "Canaria Cantante";
const EMAIL: &str = "canary-email@example.test";
const PHONE: &str = "+5299887766";
const CURP: &str = "CANA880813MDFXXX09";
const BORN: &str = "587455212345";
const IMAGE: &str = "https://images.invalid/canary.jpg";
const CANARIES: [&str; 6] = [NAME, EMAIL, PHONE, CURP, BORN, IMAGE];

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use super::presented::Presented;
use super::{Bearer, BearerTokens, Found, MOST_REFUSED, Parts, REFUSED_FOR};
use crate::app::changes::Feed;
use crate::app::listeners::Listeners;
use crate::client::Client;
use crate::flow::ExpectedClaims;
use crate::gate::{Context, NearCache, NearSettings, Standing, Visitor};
use crate::http::RequestHead;
use crate::identity::transition::Rules;
use crate::identity::{Directory, Observer, Time};
use crate::inbox::Handlers;
use crate::store::MemoryStore;
use crate::testing::ManualClock;
use crate::{IdentityId, Secret, Subject, Timestamp, Token};
use incode_sandbox::{Fault, NewPerson, NewToken, Sandbox};

mod calls;
mod paths;

struct Values(Vec<&'static [u8]>);

impl RequestHead for Values {
    fn method(&self) -> &str {
        "GET"
    }
    fn path(&self) -> &str {
        "/"
    }
    fn query(&self) -> Option<&str> {
        None
    }
    fn header_values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.0.iter().filter(|_| name == "authorization").for_each(|value| visit(value));
    }
    fn subject(&self) -> Option<&Subject> {
        None
    }
    fn extensions(&self) -> &dyn Any {
        &()
    }
}

fn presented(values: &[&'static [u8]]) -> &'static str {
    match Presented::of(&Values(values.to_vec())) {
        Presented::Nothing => "nothing",
        Presented::Illegible => "illegible",
        Presented::Token(token) => {
            assert_eq!(token.expose(), "a.b-c");
            "token"
        }
    }
}

#[test]
fn a_token_is_one_value_of_the_scheme_and_nothing_else() {
    for value in [b"Bearer a.b-c".as_slice(), b"bearer a.b-c", b"BEARER   a.b-c", b" Bearer a.b-c "] {
        assert_eq!(presented(&[value]), "token", "{value:?}");
    }
    for value in [b"".as_slice(), b"Basic YTpi", b"Bearerish a.b-c", b"Beare", b"DPoP a", b"a.b-c"] {
        assert_eq!(presented(&[value]), "nothing", "{value:?}");
    }
    for value in
        [b"Bearer".as_slice(), b"Bearer ", b"Bearer a b", b"Bearer \xff", b"Bearer a\tb", b"Bearer a, Bearer b"]
    {
        assert_eq!(presented(&[value]), "illegible", "{value:?}");
    }
    static LONG: [u8; 5000] = {
        let mut long = [b'x'; 5000];
        let scheme = b"Bearer ";
        let mut at = 0;
        while at < scheme.len() {
            long[at] = scheme[at];
            at += 1;
        }
        long
    };
    assert_eq!(presented(&[&LONG]), "illegible");
    assert_eq!(presented(&[]), "nothing");
    assert_eq!(presented(&[b"Bearer a.b-c", b"Bearer a.b-c"]), "illegible", "even the same twice");
    assert_eq!(presented(&[b"Basic YTpi", b"Bearer a.b-c"]), "illegible");
    assert_eq!(presented(&[b"Basic YTpi", b"Digest x"]), "nothing");
}

/// Memory alone: the vendor is not asked.
fn bearer(settings: BearerTokens) -> (Arc<Bearer>, ManualClock) {
    let client = Client::builder("http://127.0.0.1:9", Secret::from("a-key")).build().unwrap();
    bearer_of(settings, client, ExpectedClaims::default())
}

fn bearer_of(settings: BearerTokens, client: Client, claims: ExpectedClaims) -> (Arc<Bearer>, ManualClock) {
    let clock = ManualClock::new(Timestamp::from_secs(1_700_000_000));
    let context = Arc::new(Context::plain(Arc::new(clock.clone())));
    let store: Arc<dyn crate::store::Store> = Arc::new(MemoryStore::new());
    let near = NearCache::new(
        Arc::clone(&store),
        Arc::clone(&context),
        NearSettings::default(),
        tokio::runtime::Handle::current(),
    );
    let handlers = Arc::new(Handlers::default());
    let listeners = Arc::new(Listeners { near: Arc::clone(&near), feed: Feed::new(), handlers });
    let time = Time::Clock(Arc::new(clock.clone()));
    let directory = Directory::new(store, Arc::new(Rules::default()), time, listeners);
    let parts = Parts { client, directory, observer: Arc::new(Observer::new()), context, near, claims };
    (Bearer::new(settings, parts), clock)
}

fn token(number: usize, exp: Option<i64>) -> Token {
    let claims = exp.map_or(format!("{{\"n\":{number}}}"), |exp| format!("{{\"n\":{number},\"exp\":{exp}}}"));
    Token::new(format!("h.{}.s", BASE64URL_NOPAD.encode(claims.as_bytes()))).unwrap()
}

fn belongs() -> Found {
    Found::Belongs(IdentityId::new("person").unwrap())
}

/// How long it is known for, in seconds.
fn remembered(bearer: &Bearer, clock: &ManualClock, token: &Token, found: Found) -> u64 {
    bearer.remember(token.hash(), token, found);
    let mut seconds = 0;
    while bearer.recall(&token.hash()).is_some() {
        clock.advance(Duration::from_secs(1));
        seconds += 1;
    }
    seconds
}

#[tokio::test]
async fn a_token_counts_up_to_its_end_or_the_bound_whichever_is_first() {
    let (bearer, clock) = bearer(BearerTokens::on_paths(["/"]));
    let in_seconds = |seconds: i64, clock: &ManualClock| {
        use crate::Clock;
        Some(clock.now().as_millis() / 1000 + seconds)
    };
    for (number, exp, expected) in [
        (1, None, 300),
        (2, in_seconds(100, &clock), 100),
        (3, Some(253_402_300_799), 300),
        (4, Some(1), 5),
        (6, in_seconds(2, &clock), 2),
    ] {
        let token = token(number, exp);
        let seconds = remembered(&bearer, &clock, &token, belongs());
        assert_eq!(seconds, expected, "{number}");
        clock.set(Timestamp::from_secs(1_700_000_000));
    }
    // A wall clock that is set back makes the end seem far away; the bound still counts.
    let token = token(5, Some(1_700_000_100));
    clock.set(Timestamp::from_secs(1_000_000_000));
    assert_eq!(remembered(&bearer, &clock, &token, belongs()), 300);
}

#[tokio::test]
async fn a_refusal_is_remembered_for_a_moment_and_no_answer_not_at_all() {
    let (bearer, clock) = bearer(BearerTokens::on_paths(["/"]));
    assert_eq!(remembered(&bearer, &clock, &token(1, None), Found::Refused), REFUSED_FOR.as_secs());
    assert_eq!(remembered(&bearer, &clock, &token(2, None), Found::Unknown), 0);
    assert_eq!(remembered(&bearer, &clock, &token(3, None), Found::NotNow(Duration::from_secs(7))), 7);
}

#[tokio::test]
async fn memory_is_bounded_and_junk_pushes_out_junk() {
    let (bearer, _) = bearer(BearerTokens::on_paths(["/"]).capacity(100));
    let good = token(0, None);
    bearer.remember(good.hash(), &good, belongs());
    for number in 1..=3 * MOST_REFUSED {
        let junk = token(number, None);
        bearer.remember(junk.hash(), &junk, Found::Refused);
    }
    assert!(bearer.memory.refused.pin().len() <= MOST_REFUSED);
    assert!(matches!(bearer.recall(&good.hash()), Some(Found::Belongs(_))));
    for number in 1..1000 {
        let other = token(number, Some(i64::MAX / 1000));
        bearer.remember(other.hash(), &other, belongs());
    }
    assert!(bearer.memory.good.pin().len() <= 100);
}

#[test]
fn settings_show_no_rule_and_stay_in_bounds() {
    let settings = BearerTokens::only_where(|_| false).believed_for(Duration::MAX).asking_at_most(0).capacity(0);
    assert_eq!(format!("{settings:?}"), "BearerTokens { believed: 3600s, capacity: 1, at_once: 1, .. }");
    assert!(!settings.takes(&Values(Vec::new())));
}

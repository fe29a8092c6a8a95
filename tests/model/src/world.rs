//! A small world: who is in it, what may happen there and how often; and the state it is in.

use std::sync::Arc;

use incode_core::identity::transition::{HandlerNames, Rules, VerifiedHandler};

use crate::broken::Rule;
use crate::rows::Rows;

/// What may happen, and how often. Everything that is left out does not happen.
#[derive(Clone, Debug)]
pub struct World {
    /// Its name.
    pub name: &'static str,
    /// How many exchanges with the vendor can be under way at once: one for each replica.
    pub replicas: usize,
    /// The subject of each hosted flow that may be started.
    pub flows: &'static [u8],
    /// Visits of the vendor's page, each at most once.
    pub visits: Vec<Visit>,
    /// How often people may come back in all.
    pub returns: u8,
    /// How often the vendor may send an event again, with another token.
    pub redeliveries: u8,
    /// How often a stranger may send an event of an object, with a token that belongs to it.
    pub forgeries: u8,
    /// How often a process may die with an exchange in hand.
    pub crashes: u8,
    /// How often a lease may be lost although its holder lives.
    pub steals: u8,
    /// The persons that may be looked at again, and how often in all.
    pub observes: (&'static [u8], u8),
    /// How often the vendor revokes the victim, and how often the victim verifies again elsewhere.
    pub revokes: u8,
    /// See `revokes`.
    pub reverifies: u8,
    /// How often the victim's identity is forgotten.
    pub forgets: u8,
    /// Links that the application makes: (subject, identity), each at most once.
    pub links: &'static [(u8, u8)],
    /// Subjects that the application unlinks, each at most once.
    pub unlinks: &'static [u8],
    /// Faces through the application, each at most once.
    pub faces: Vec<Face>,
    /// Uses of confirmations: (subject, session, action), each at most twice.
    pub uses: &'static [(u8, u8, u8)],
    /// How the clocks move, in seconds: (ours, the vendor's). Each jump comes at any moment, in this order.
    pub clock: &'static [(i64, i64)],
    /// The vendor repeats a flow's correlation id in its events.
    pub is_named: bool,
    /// The vendor gives `createdAt`.
    pub is_timed: bool,
    /// An event that repeats a correlation id links its subject.
    pub links_by_webhook: bool,
    /// One identity may serve several subjects.
    pub is_shared: bool,
    /// Both accounts belong to the victim.
    pub is_one_person: bool,
    /// The victim is linked, ACTIVE and VERIFIED at the start.
    pub is_linked: bool,
    /// An exchange with the vendor is one step, not asking, answer and writing.
    pub is_quick: bool,
    /// The event of a failed check is applied before anything else happens.
    pub is_prompt: bool,
    /// Nothing in this world keeps an honest person out: each who passed and came back is linked at rest.
    pub is_honest: bool,
    /// The rule that is broken on purpose.
    pub broken: Option<Rule>,
}

/// Someone in front of the vendor's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The flow it belongs to; `None`: another application's, of which only the event arrives here.
    pub flow: Option<u8>,
    /// Who is in front of the camera.
    pub human: u8,
    /// Whose name was typed: the token names that identity.
    pub typed: u8,
    /// How the check can end.
    pub ends: &'static [End],
    /// The correlation id was changed on the way to the vendor, or it is another application's: its events repeat an id
    /// that is not ours.
    pub is_foreign: bool,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// VERIFIED, or `pass`. Only for the person of the identity.
    Pass,
    /// Rejected.
    Fail,
    /// The vendor has not decided yet. It sends the event when it has.
    Undecided,
}

/// A face authentication through the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Face {
    /// Whose session.
    pub subject: u8,
    /// Which session.
    pub session: u8,
    /// What it confirms.
    pub action: Option<u8>,
    /// Who is in front of the camera.
    pub human: u8,
}

impl World {
    /// A world of one replica, in which nothing happens.
    pub const EMPTY: Self = Self {
        name: "empty",
        replicas: 1,
        flows: &[],
        visits: Vec::new(),
        returns: 0,
        redeliveries: 0,
        forgeries: 0,
        crashes: 0,
        steals: 0,
        observes: (&[], 0),
        revokes: 0,
        reverifies: 0,
        forgets: 0,
        links: &[],
        unlinks: &[],
        faces: Vec::new(),
        uses: &[],
        clock: &[],
        is_named: false,
        is_timed: true,
        links_by_webhook: false,
        is_shared: false,
        is_one_person: false,
        is_linked: false,
        is_quick: false,
        is_prompt: false,
        is_honest: false,
        broken: None,
    };

    /// The person of an account.
    pub fn human_of(&self, subject: u8) -> u8 {
        if self.is_one_person { 0 } else { subject }
    }

    /// How many objects the vendor can make: one for each visit, change of status and face.
    pub fn objects(&self) -> usize {
        self.visits.len() + usize::from(self.revokes + self.reverifies) + self.faces.len()
    }

    /// No jump sets our clock back.
    pub fn is_monotonic(&self) -> bool {
        self.clock.iter().all(|(ours, _)| *ours >= 0)
    }

    /// The application's choices.
    pub fn rules(&self) -> Arc<Rules> {
        let mut handlers = HandlerNames::default();
        handlers.on_event = vec!["event".into()];
        handlers.on_revoked = vec!["revoked".into()];
        let verified = |name: &str, needs_verification| VerifiedHandler { name: Arc::from(name), needs_verification };
        handlers.on_verified = vec![verified("active", false), verified("verified", true)];
        let mut rules = Rules::default();
        rules.shared_identities = self.is_shared || self.broken == Some(Rule::OneSubject);
        rules.trust_userinfo_alone = self.broken == Some(Rule::CallbackNeedsCheck);
        rules.handlers = handlers;
        Arc::new(rules)
    }
}

/// Everything that the next steps depend on.
#[derive(Clone, Debug, Hash)]
pub struct State {
    /// The store.
    pub rows: Rows,
    /// Our clock and the vendor's, in seconds.
    pub clock: (i64, i64),
    /// How many jumps came: the true order of things.
    pub era: u8,
    /// The vendor's truth of the victim.
    pub is_revoked: bool,
    /// What the vendor made, by the number of its cause.
    pub objects: Vec<Option<Object>>,
    /// Started flows: when by our clock, when by the vendor's.
    pub flows: Vec<Option<(i64, i64)>>,
    /// Exchanges under way.
    pub hands: Vec<Hand>,
    /// How often each limited thing happened.
    pub did: Did,
    /// What only a witness of everything knows.
    pub truth: Truth,
}

/// A verification or an authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// Whose token came with it.
    pub identity: u8,
    /// Who was in front of the camera. `None`: no one, the vendor decided by itself.
    pub human: Option<u8>,
    /// An authentication, not a verification.
    pub is_face: bool,
    /// How it ended.
    pub end: End,
    /// When it was made, by the vendor's clock.
    pub made_at: i64,
    /// The flow whose correlation id its events repeat, where the vendor repeats them.
    pub flow: Option<u8>,
    /// Its events repeat a correlation id that is not ours, where the vendor repeats them.
    pub is_foreign: bool,
    /// The vendor's own event arrived.
    pub is_delivered: bool,
}

/// How often each limited thing happened.
#[derive(Clone, Debug, Default, Hash)]
pub struct Did {
    /// See [`World`].
    pub returns: u8,
    /// See [`World`].
    pub redeliveries: u8,
    /// See [`World`].
    pub forgeries: u8,
    /// See [`World`].
    pub crashes: u8,
    /// See [`World`].
    pub steals: u8,
    /// See [`World`].
    pub observes: u8,
    /// See [`World`].
    pub revokes: u8,
    /// See [`World`].
    pub reverifies: u8,
    /// See [`World`].
    pub forgets: u8,
    /// A bit for each.
    pub links: u8,
    /// A bit for each.
    pub unlinks: u8,
    /// A bit for each.
    pub faces: u8,
    /// How often each was tried.
    pub uses: [u8; 4],
}

/// An exchange with the vendor under way in one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hand {
    /// What it is about.
    pub task: Task,
    /// When the vendor was asked, by our clock.
    pub sent_at: i64,
    /// The same in the true order.
    pub era: u8,
    /// The vendor's clock then.
    pub vendor_at: i64,
    /// What it answered: whether the identity is revoked, and whether the check passed.
    pub answer: Option<(bool, bool)>,
}

/// What an exchange is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// An event of the inbox: its row and the number of the lease.
    Event(u8, u8),
    /// A callback: the flow, and the visit whose token it carries.
    Return(u8, u8),
    /// A bearer token or a recheck of a person.
    Observe(u8),
    /// A face through the application.
    Face(u8),
}

/// What only a witness of everything knows: nothing decides by it, the properties are held against it.
#[derive(Clone, Debug, Default, Hash)]
pub struct Truth {
    /// The newest era in which the vendor was asked and said ACTIVE, of what was written; since it was forgotten.
    pub active_era: Option<u8>,
    /// The same of REVOKED.
    pub revoked_era: Option<u8>,
    /// When the victim's identity was forgotten last.
    pub forgotten_era: Option<u8>,
    /// How often `on_event` was enqueued for each object.
    pub on_event: Vec<u8>,
    /// An event of the object was refused by a tombstone.
    pub dropped: u16,
    /// How often each `on_verified` handler was enqueued for the subject's present link.
    pub on_verified: [[u8; 2]; 2],
    /// How often `on_revoked` was enqueued for a subject.
    pub on_revoked: [u8; 2],
    /// How often each flow's callback made a link or a pending link.
    pub linked_by: Vec<u8>,
    /// The subjects for whom each visit's token made a link or a pending link: a bit for each.
    pub token_for: Vec<u8>,
    /// Flows that came back with the token of the visit: a bit for each visit.
    pub came_back: Vec<u16>,
    /// Confirmations that own faces gave, less those used: (subject, session, action) in order of [`World::uses`].
    pub owed_uses: [i8; 4],
    /// The application linked, unlinked or forgot something: an honest person may be out.
    pub is_meddled: bool,
}

//! Who is logged in, which transfers wait for a face, and which were made. In memory, behind one lock.
//!
//! An application keeps this in its database. What matters there too: a transfer that waits belongs to one session and
//! holds what the person entered, so nothing of it travels through the browser to be changed there; and [`Desk::make`] is
//! one transaction over a unique key (person, transfer), so it is made once however often it is asked for.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use incode_core::{Clock, Subject, Timestamp};

use crate::{Key, Transfer};

/// The books.
pub struct Desk {
    clock: Arc<dyn Clock>,
    books: Mutex<Books>,
}

/// A logged-in person in one browser.
#[derive(Clone, Debug)]
pub struct Session {
    /// The value of the cookie. Whoever has it is this person.
    pub(crate) key: Key,
    pub(crate) subject: Subject,
    /// In every form: pages of other sites can't know it.
    pub(crate) form: Key,
}

/// A transfer that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub(crate) transfer: Transfer,
    pub(crate) at: Timestamp,
}

/// Why a transfer can't go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// This session has no such transfer: cancelled, of somebody else, of another session, or never there.
    Unknown,
    /// It waited too long.
    Expired,
    /// It was made.
    Made,
    /// It is there with another amount or recipient.
    Differs,
    /// Too many faces were tried on it; it is gone.
    TooManyFaces,
    /// Too many wait in this session, or were made by this person.
    TooMany,
}

#[derive(Default)]
struct Books {
    sessions: HashMap<Key, Open>,
    made: HashMap<Subject, Vec<(Key, Made)>>,
}

/// An open session.
struct Open {
    session: Session,
    until: Timestamp,
    waiting: Vec<(Key, Waiting)>,
}

struct Waiting {
    transfer: Transfer,
    until: Timestamp,
    faces: u8,
}

impl Desk {
    /// With nobody at it.
    pub fn new(clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), books: Mutex::default() }
    }

    /// Opens a session under a new key, whatever the browser had before. `None` when there are too many, or no randomness.
    pub fn begin(&self, subject: Subject) -> Option<Session> {
        let session = Session { key: Key::random()?, subject, form: Key::random()? };
        let now = self.clock.now();
        let mut books = self.books();
        books.sessions.retain(|_, open| now < open.until);
        if books.sessions.len() >= SESSIONS {
            return None;
        }
        let open = Open { session: session.clone(), until: now.after(SESSION), waiting: Vec::new() };
        books.sessions.insert(session.key.clone(), open);
        Some(session)
    }

    /// The session of a cookie.
    pub fn session(&self, key: &Key) -> Option<Session> {
        self.books().sessions.get(key).filter(|open| self.clock.now() < open.until).map(|open| open.session.clone())
    }

    /// Ends a session, and what waits in it.
    pub fn end(&self, key: &Key) {
        self.books().sessions.remove(key);
    }

    /// Lets a transfer wait. RequestContext again for the same, nothing changes: a page that is open already must go on to show
    /// what will be made.
    ///
    /// # Errors
    /// Made already, there with other details, or too many.
    pub fn hold(&self, session: &Session, id: &Key, transfer: Transfer) -> Result<(), Refused> {
        let now = self.clock.now();
        let mut books = self.books();
        if let Some(made) = books.made(&session.subject, id) {
            return Err(if made.transfer == transfer { Refused::Made } else { Refused::Differs });
        }
        let open = books.sessions.get_mut(&session.key).ok_or(Refused::Unknown)?;
        open.waiting.retain(|(_, waiting)| now < waiting.until);
        if let Some((_, waiting)) = open.waiting.iter().find(|(own, _)| own == id) {
            return if waiting.transfer == transfer { Ok(()) } else { Err(Refused::Differs) };
        }
        if open.waiting.len() >= WAITING {
            return Err(Refused::TooMany);
        }
        open.waiting.push((id.clone(), Waiting { transfer, until: now.after(PATIENCE), faces: 0 }));
        Ok(())
    }

    /// What a transfer that waits would do, to be shown.
    ///
    /// # Errors
    /// When it does not wait (any more).
    pub fn waiting(&self, session: &Session, id: &Key) -> Result<Transfer, Refused> {
        let mut books = self.books();
        books.waiting(session, id, self.clock.now()).map(|waiting| waiting.transfer.clone())
    }

    /// Everything that waits in a session.
    pub fn all_waiting(&self, session: &Session) -> Vec<(Key, Transfer)> {
        let now = self.clock.now();
        let books = self.books();
        let waiting = books.sessions.get(&session.key).map(|open| open.waiting.as_slice()).unwrap_or_default();
        let alive = waiting.iter().filter(|(_, waiting)| now < waiting.until);
        alive.map(|(id, waiting)| (id.clone(), waiting.transfer.clone())).collect()
    }

    /// Counts a face that is about to be tried. Before it is tried, or many at once would count as few.
    ///
    /// # Errors
    /// When it does not wait (any more), also because this was one face too many.
    pub fn try_face(&self, session: &Session, id: &Key) -> Result<(), Refused> {
        let mut books = self.books();
        let waiting = books.waiting(session, id, self.clock.now())?;
        waiting.faces += 1;
        if waiting.faces <= FACES {
            return Ok(());
        }
        books.drop_waiting(session, id);
        Err(Refused::TooManyFaces)
    }

    /// Makes a transfer that waits, once: asked again, it says that it was made.
    ///
    /// # Errors
    /// When it does not wait (any more).
    pub fn make(&self, session: &Session, id: &Key) -> Result<(), Refused> {
        let now = self.clock.now();
        let mut books = self.books();
        if books.made(&session.subject, id).is_some() {
            return Ok(());
        }
        let transfer = books.waiting(session, id, now)?.transfer.clone();
        let made = books.made.entry(session.subject.clone()).or_default();
        if made.len() >= MADE {
            return Err(Refused::TooMany);
        }
        made.push((id.clone(), Made { transfer, at: now }));
        books.drop_waiting(session, id);
        Ok(())
    }

    /// Drops a transfer that waits.
    pub fn cancel(&self, session: &Session, id: &Key) {
        self.books().drop_waiting(session, id);
    }

    /// One transfer that this person made.
    pub fn made(&self, subject: &Subject, id: &Key) -> Option<Made> {
        self.books().made(subject, id).cloned()
    }

    /// All that this person made, newest first.
    pub fn all_made(&self, subject: &Subject) -> Vec<Made> {
        let books = self.books();
        let made = books.made.get(subject).map(Vec::as_slice).unwrap_or_default();
        made.iter().rev().map(|(_, made)| made.clone()).collect()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn made(&self, subject: &Subject, id: &Key) -> Option<&Made> {
        self.made.get(subject)?.iter().find(|(own, _)| own == id).map(|(_, made)| made)
    }

    fn waiting(&mut self, session: &Session, id: &Key, now: Timestamp) -> Result<&mut Waiting, Refused> {
        if self.made(&session.subject, id).is_some() {
            return Err(Refused::Made);
        }
        let open = self.sessions.get_mut(&session.key).ok_or(Refused::Unknown)?;
        let waiting = open.waiting.iter_mut().find(|(own, _)| own == id).map(|(_, waiting)| waiting);
        waiting.ok_or(Refused::Unknown).and_then(
            |waiting| {
                if now < waiting.until { Ok(waiting) } else { Err(Refused::Expired) }
            },
        )
    }

    fn drop_waiting(&mut self, session: &Session, id: &Key) {
        if let Some(open) = self.sessions.get_mut(&session.key) {
            open.waiting.retain(|(own, _)| own != id);
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// How long a transfer waits for its face.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// A working day.
const SESSION: Duration = Duration::from_secs(12 * 60 * 60);
/// Faces that may be tried on one transfer.
const FACES: u8 = 5;
/// Transfers that wait in one session.
const WAITING: usize = 16;
/// Transfers of one person: memory is not a ledger.
const MADE: usize = 1_000;
const SESSIONS: usize = 10_000;

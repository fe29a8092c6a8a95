//! Sessions, transfers that wait for a face, and transfers that were made. In memory, behind one lock.
//!
//! An application keeps this in its database. Two rules matter there too:
//!
//! - A transfer that waits belongs to one session and holds what the person entered. The browser sends its id alone, so
//!   nothing of it can be changed there.
//! - [`TransferService::make`] is one transaction over a unique key (person, transfer), so a transfer is made once however
//!   often it is requested.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use incode_core::{Clock, Subject, Timestamp};

use crate::{Key, Transfer};

/// Sessions and transfers, with the rules of "exactly once".
pub struct TransferService {
    clock: Arc<dyn Clock>,
    /// One lock for all: a transfer goes from waiting to made in one step. Held for memory access alone, never across I/O.
    state: Mutex<State>,
}

/// A logged-in person in one browser.
#[derive(Clone, Debug)]
pub struct Session {
    /// The value of the cookie. A request that carries it is made as this person.
    pub(crate) key: Key,
    pub(crate) subject: Subject,
    /// In every form: pages of other sites can't know it.
    pub(crate) form: Key,
}

/// A transfer that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedTransfer {
    pub(crate) transfer: Transfer,
    pub(crate) at: Timestamp,
}

/// Why a transfer can't go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// This session has no such transfer: cancelled, of another person or session, or never there.
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
struct State {
    sessions: HashMap<Key, Open>,
    made: HashMap<Subject, Vec<(Key, CompletedTransfer)>>,
    /// Since when each person has an account.
    accounts: HashMap<Subject, Timestamp>,
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
    /// Held from the use of a face to the end of its transfer: of two requests at once the second finds the transfer made.
    /// One for each transfer, so that no transfer waits for another.
    making: Arc<tokio::sync::Mutex<()>>,
}

impl TransferService {
    /// Without sessions and transfers.
    pub fn new(clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), state: Mutex::default() }
    }

    /// Opens a session under a new key, whatever the browser had before. `None` when there are too many, or no randomness.
    pub fn begin(&self, subject: Subject) -> Option<Session> {
        let session = Session { key: Key::random()?, subject, form: Key::random()? };
        let now = self.clock.now();
        let mut state = self.state();
        state.sessions.retain(|_, open| now < open.until);
        if state.sessions.len() >= SESSIONS {
            return None;
        }
        let open = Open { session: session.clone(), until: now.after(SESSION), waiting: Vec::new() };
        state.sessions.insert(session.key.clone(), open);
        Some(session)
    }

    /// The session of a cookie.
    pub fn session(&self, key: &Key) -> Option<Session> {
        self.state().sessions.get(key).filter(|open| self.clock.now() < open.until).map(|open| open.session.clone())
    }

    /// Opens the account of a person who was verified. A second call changes nothing.
    pub fn open_account(&self, subject: Subject, at: Timestamp) {
        self.state().accounts.entry(subject).or_insert(at);
    }

    /// Since when a person has an account.
    pub fn account_since(&self, subject: &Subject) -> Option<Timestamp> {
        self.state().accounts.get(subject).copied()
    }

    /// Drops everything that waits in the sessions of a person.
    pub fn cancel_all(&self, subject: &Subject) {
        for open in self.state().sessions.values_mut().filter(|open| open.session.subject == *subject) {
            open.waiting.clear();
        }
    }

    /// Ends a session, and what waits in it.
    pub fn end(&self, key: &Key) {
        self.state().sessions.remove(key);
    }

    /// Lets a transfer wait. For one that waits already nothing changes: a page that is open must go on to show what will be
    /// made.
    ///
    /// # Errors
    /// Made already, there with other details, or too many.
    pub fn hold(&self, session: &Session, id: &Key, transfer: Transfer) -> Result<(), TransferError> {
        let now = self.clock.now();
        let mut state = self.state();
        if let Some(made) = state.made(&session.subject, id) {
            return Err(if made.transfer == transfer { TransferError::Made } else { TransferError::Differs });
        }
        let open = state.sessions.get_mut(&session.key).ok_or(TransferError::Unknown)?;
        open.waiting.retain(|(_, waiting)| now < waiting.until);
        if let Some((_, waiting)) = open.waiting.iter().find(|(own, _)| own == id) {
            return if waiting.transfer == transfer { Ok(()) } else { Err(TransferError::Differs) };
        }
        if open.waiting.len() >= WAITING {
            return Err(TransferError::TooMany);
        }
        open.waiting
            .push((id.clone(), Waiting { transfer, until: now.after(PATIENCE), faces: 0, making: Arc::default() }));
        Ok(())
    }

    /// What a transfer that waits would do, to be shown.
    ///
    /// # Errors
    /// When it does not wait (any more).
    pub fn waiting(&self, session: &Session, id: &Key) -> Result<Transfer, TransferError> {
        let mut state = self.state();
        state.waiting(session, id, self.clock.now()).map(|waiting| waiting.transfer.clone())
    }

    /// To be locked while the transfer's face is used and the transfer is made. It may have been made while the lock was
    /// waited for.
    ///
    /// # Errors
    /// When it does not wait (any more).
    pub fn making(&self, session: &Session, id: &Key) -> Result<Arc<tokio::sync::Mutex<()>>, TransferError> {
        let mut state = self.state();
        state.waiting(session, id, self.clock.now()).map(|waiting| Arc::clone(&waiting.making))
    }

    /// Everything that waits in a session.
    pub fn all_waiting(&self, session: &Session) -> Vec<(Key, Transfer)> {
        let now = self.clock.now();
        let state = self.state();
        let waiting = state.sessions.get(&session.key).map(|open| open.waiting.as_slice()).unwrap_or_default();
        let alive = waiting.iter().filter(|(_, waiting)| now < waiting.until);
        alive.map(|(id, waiting)| (id.clone(), waiting.transfer.clone())).collect()
    }

    /// Counts a face that is about to be tried. Before it is tried, or many at once would count as few.
    ///
    /// # Errors
    /// When it does not wait (any more), also because this was one face too many.
    pub fn try_face(&self, session: &Session, id: &Key) -> Result<(), TransferError> {
        let mut state = self.state();
        let waiting = state.waiting(session, id, self.clock.now())?;
        waiting.faces += 1;
        if waiting.faces <= FACES {
            return Ok(());
        }
        state.drop_waiting(session, id);
        Err(TransferError::TooManyFaces)
    }

    /// Makes the transfer that was shown, once. A second request succeeds and makes nothing.
    ///
    /// Compared in the same step: it may have been cancelled meanwhile, and another one wait under its id.
    ///
    /// # Errors
    /// When it does not wait (any more), or another one waits in its place.
    pub fn make(&self, session: &Session, id: &Key, shown: &Transfer) -> Result<(), TransferError> {
        let now = self.clock.now();
        let mut state = self.state();
        if state.made(&session.subject, id).is_some() {
            return Ok(());
        }
        let transfer = state.waiting(session, id, now)?.transfer.clone();
        if transfer != *shown {
            return Err(TransferError::Differs);
        }
        let made = state.made.entry(session.subject.clone()).or_default();
        if made.len() >= MADE {
            return Err(TransferError::TooMany);
        }
        made.push((id.clone(), CompletedTransfer { transfer, at: now }));
        state.drop_waiting(session, id);
        Ok(())
    }

    /// Drops a transfer that waits.
    pub fn cancel(&self, session: &Session, id: &Key) {
        self.state().drop_waiting(session, id);
    }

    /// One transfer that this person made.
    pub fn made(&self, subject: &Subject, id: &Key) -> Option<CompletedTransfer> {
        self.state().made(subject, id).cloned()
    }

    /// All that this person made, newest first.
    pub fn all_made(&self, subject: &Subject) -> Vec<CompletedTransfer> {
        let state = self.state();
        let made = state.made.get(subject).map(Vec::as_slice).unwrap_or_default();
        made.iter().rev().map(|(_, made)| made.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn made(&self, subject: &Subject, id: &Key) -> Option<&CompletedTransfer> {
        self.made.get(subject)?.iter().find(|(own, _)| own == id).map(|(_, made)| made)
    }

    fn waiting(&mut self, session: &Session, id: &Key, now: Timestamp) -> Result<&mut Waiting, TransferError> {
        if self.made(&session.subject, id).is_some() {
            return Err(TransferError::Made);
        }
        let open = self.sessions.get_mut(&session.key).ok_or(TransferError::Unknown)?;
        let waiting = open.waiting.iter_mut().find(|(own, _)| own == id).map(|(_, waiting)| waiting);
        waiting
            .ok_or(TransferError::Unknown)
            .and_then(|waiting| if now < waiting.until { Ok(waiting) } else { Err(TransferError::Expired) })
    }

    fn drop_waiting(&mut self, session: &Session, id: &Key) {
        if let Some(open) = self.sessions.get_mut(&session.key) {
            open.waiting.retain(|(own, _)| own != id);
        }
    }
}

impl fmt::Debug for TransferService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferService").finish_non_exhaustive()
    }
}

/// How long a transfer waits for its face: long enough to find good light, short enough that the person still means it.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// A working day.
const SESSION: Duration = Duration::from_secs(12 * 60 * 60);
/// Faces that may be tried on one transfer. Each is a call to the vendor that costs money.
const FACES: u8 = 5;
/// Transfers that wait in one session. Bounds what one person can store without a face.
const WAITING: usize = 16;
/// Transfers of one person: memory is not a ledger.
const MADE: usize = 1_000;
/// Sessions that are open at the same time. Bounds memory; a full table refuses logins.
const SESSIONS: usize = 10_000;

use std::sync::PoisonError;

use super::MemoryStore;
use super::rows::{Rows, StoredEvent};
use crate::Timestamp;
use crate::identity::transition::Write;
use crate::store::{
    Counts, ERASURES_KEPT, EventState, InboxCounts, JobCounts, JobState, LifeCycle, Prune, SecretCheck, StoreFuture,
};

impl LifeCycle for MemoryStore {
    fn counts(&self) -> StoreFuture<'_, Counts> {
        self.locked(|rows| Ok(rows.counts()))
    }

    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64> {
        self.locked(|rows| {
            rows.prune_people(prune);
            rows.jobs.retain(|_, job| job.settled_at.is_none_or(|at| at >= prune.settled_before));
            let oldest_erasure = prune.now.before(ERASURES_KEPT);
            rows.erasures.retain(|erasure| erasure.at >= oldest_erasure);
            Ok(rows.prune_events(prune))
        })
    }

    fn time(&self) -> StoreFuture<'_, Option<Timestamp>> {
        self.locked(|_| Ok(None))
    }

    fn check_secret(&self, name: &'static str, check_value: [u8; 16]) -> StoreFuture<'_, SecretCheck> {
        self.locked(|rows| {
            let Some(known) = rows.secrets.get(name) else {
                rows.secrets.insert(name, check_value);
                return Ok(SecretCheck::New);
            };
            Ok(if *known == check_value { SecretCheck::Same } else { SecretCheck::Other })
        })
    }

    fn replace_secret(&self, name: &'static str, kept: [u8; 16], by: [u8; 16]) -> StoreFuture<'_, bool> {
        self.locked(|rows| {
            let known = rows.secrets.get_mut(name).filter(|known| **known == kept);
            Ok(known.map(|known| *known = by).is_some())
        })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Rows {
    fn counts(&self) -> Counts {
        let oldest = self.events.values().find(|row| row.event.state == EventState::Pending);
        let inbox = InboxCounts { oldest_pending: oldest.map(|row| row.event.received_at), ..self.index.counts() };
        let of = |state| self.jobs.values().filter(move |job| job.state == state);
        let jobs = JobCounts {
            pending: of(JobState::Pending).count() as u64,
            dead: of(JobState::Dead).count() as u64,
            oldest_pending: of(JobState::Pending).next().map(|job| job.caused_at),
        };
        Counts { inbox, jobs }
    }

    fn prune_people(&mut self, prune: Prune) {
        self.used_nonces.retain(|_, expires_at| *expires_at >= prune.now);
        self.used_tokens.retain(|_, (_, expires_at)| *expires_at >= prune.now);
        self.fields.retain(|_, fields| {
            fields.retain(|_, (field, _)| field.expires_at > prune.now);
            !fields.is_empty()
        });
        self.confirmations.retain(|_, confirmations| {
            confirmations.retain(|confirmation| confirmation.passed_at >= prune.confirmed_before);
            !confirmations.is_empty()
        });
        self.refused_links.retain(|_, refused| refused.refused_at >= prune.settled_before);
        let is_void = |expires_at| expires_at <= prune.now;
        let void = self.pending_links.values().filter(|pending| is_void(pending.expires_at));
        for subject in void.map(|pending| pending.subject.clone()).collect::<Vec<_>>() {
            self.write_pending(subject, Write::Delete);
        }
    }

    /// Returns how many events were removed.
    fn prune_events(&mut self, prune: Prune) -> u64 {
        let mut old = Vec::new();
        for (id, row) in &mut self.events {
            let Some(settled_at) = row.settled_at else { continue };
            if settled_at < prune.settled_before {
                old.push(*id);
            } else if row.event.state == EventState::Dead && settled_at < prune.tokens_before {
                row.wipe();
            }
        }
        let mut removed = old.len() as u64;
        old.into_iter().for_each(|id| self.remove_event(id));
        let surplus = usize::try_from(self.index.surplus_dead()).unwrap_or(usize::MAX);
        let is_dead = |row: &StoredEvent| row.event.state == EventState::Dead;
        let dead: Vec<_> =
            self.events.iter().filter(|(_, row)| is_dead(row)).map(|(id, _)| *id).take(surplus).collect();
        removed += dead.len() as u64;
        dead.into_iter().for_each(|id| self.remove_event(id));
        removed
    }
}

//! The handle's faults and behaviour.

use std::convert::Infallible;

use super::Sandbox;
use crate::{Behaviour, Fault};

impl Sandbox {
    /// Adds a fault for calls to come. Several faults for the same calls come one after the other.
    pub fn add_fault(&self, fault: Fault) {
        self.vendor().add_fault(fault);
    }

    /// Forgets the faults that no call has met yet.
    pub fn clear_faults(&self) {
        self.vendor().faults().clear();
    }

    /// Lets all calls go on that meet a [held](Fault::held) fault which was added before, also those to come.
    pub fn release_held(&self) {
        self.vendor().release_held();
    }

    /// How the sandbox behaves now.
    pub fn behaviour(&self) -> Behaviour {
        Behaviour::clone(&self.vendor().behaviour())
    }

    /// Changes how the sandbox behaves from now on. Buckets of rate limits start full again.
    ///
    /// `change` must not use the sandbox: the behaviour is locked meanwhile.
    pub fn change_behaviour(&self, change: impl FnOnce(&mut Behaviour)) {
        let changed = self.vendor().change_behaviour(|behaviour| {
            let mut behaviour = behaviour.clone();
            change(&mut behaviour);
            Ok::<_, Infallible>(behaviour)
        });
        match changed {
            Ok(_) => {}
            Err(never) => match never {},
        }
    }
}

//! A revocation that arrives while the store can't take it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use incode_core::store::StoreError;
use incode_core::testing::{Hook, StoreCall};
use incode_tests::{Adapter, Plan, World, event, eventually};
use tokio::sync::watch;

use crate::engine::Engine;
use crate::is_kept;
use crate::replicas::beside;

on_both_engines!(a_revocation_in_hand_while_the_store_is_away_shuts_at_once_and_everywhere_after alone);

/// Who is known is stood in for while the store is away. The process that received the revocation closes its gate at
/// the vendor's answer, before it is written, and does not open again when the store is back with the older row.
async fn a_revocation_in_hand_while_the_store_is_away_shuts_at_once_and_everywhere_after(engine: Engine) {
    let gate = Gate::default();
    let first = plan(&engine, &gate).await.start().await;
    let worlds = [beside(&first, plan(&engine, &gate).await).start().await, first];
    let first = &worlds[1];
    let ana = first.person("Ana Flores");
    let verified = first.sandbox.verify(&ana.identity_id).unwrap();
    first.link("ana", &ana.identity_id).await;
    // Notices come in order: when the last change is known everywhere, so are those before it.
    let ben = first.person("Ben Ochoa");
    for world in &worlds {
        eventually("a stranger", async || world.status("ben", "/vault").await == 403 && is_kept(world, "ben")).await;
    }
    first.link("ben", &ben.identity_id).await;
    for world in &worlds {
        eventually("linked", async || world.status("ben", "/vault").await == 200).await;
        eventually("open", async || is_open(world).await && is_kept(world, "ana")).await;
    }

    first.sandbox.revoke(&ana.identity_id).unwrap();
    gate.shut();
    first.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    eventually("the vendor was asked", async || gate.waiting() > 0).await;
    engine.kill();
    let away_since = Instant::now();
    let mut heard = None;
    eventually("closed where it was received", async || {
        for world in &worlds {
            if !is_open(world).await {
                heard = Some(world);
            }
        }
        heard.is_some()
    })
    .await;
    let heard = heard.unwrap();
    let other = worlds.iter().find(|world| !std::ptr::eq(*world, heard)).unwrap();
    eventually("stood in for elsewhere", async || is_open(other).await).await;
    gate.open();
    while away_since.elapsed() < AWAY {
        assert!(!is_open(heard).await, "open again while the store is away");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }

    engine.resume().await;
    let back = Instant::now();
    loop {
        assert!(!is_open(heard).await, "open again {:?} after the store came back", back.elapsed());
        let mut codes = Vec::new();
        for world in &worlds {
            codes.push(world.get("ana", "/vault").await.code());
        }
        if codes.iter().all(|code| code == "identity_revoked") {
            break;
        }
        assert!(back.elapsed() < BOUND, "not shut everywhere: {codes:?}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    println!("shut everywhere {} ms after the store came back", back.elapsed().as_millis());
    first.settles(1, 0, 0).await;
    for world in &worlds {
        assert_eq!(world.get("ana", "/vault").await.code(), "identity_revoked");
    }
}

async fn is_open(world: &World) -> bool {
    world.status("ana", "/vault").await == 200
}

/// A replica whose settlements wait for the gate.
async fn plan(engine: &Engine, gate: &Gate) -> Plan {
    let choose = engine.choose_behind(gate.clone()).await;
    let long = Duration::from_secs(600);
    Plan::new(Adapter::Axum).incode(move |builder| choose(builder).near_cache_lifetime(long).serve_stale(long))
}

/// Holds settlements back while it is shut.
#[derive(Clone, Debug)]
struct Gate {
    is_open: watch::Sender<bool>,
    waiting: Arc<AtomicUsize>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { is_open: watch::Sender::new(true), waiting: Arc::default() }
    }
}

impl Gate {
    fn shut(&self) {
        self.is_open.send_replace(false);
    }

    fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// How many settlements came so far while it was shut.
    fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

impl Hook for Gate {
    async fn before(&self, call: StoreCall) -> Result<(), StoreError> {
        let mut is_open = self.is_open.subscribe();
        if call == StoreCall::Settle && !*is_open.borrow() {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            // An error would mean that the gate is gone, and this holds it.
            let _ = is_open.wait_for(|is_open| *is_open).await;
        }
        Ok(())
    }
}

/// How long the store is away at least.
const AWAY: Duration = Duration::from_secs(3);
/// A second or two on a machine with nothing else to do.
const BOUND: Duration = Duration::from_secs(120);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

//! Causes faults of the replicas, the store's server and the networks between.

use std::sync::Arc;

use crate::cluster::Cluster;
use crate::engine::Engine;
use crate::random::Random;

#[derive(Clone, Copy, Debug)]
enum Blow {
    Kill,
    Stop,
    Server,
    /// The server goes, and a replica with it.
    Both,
    Reset,
    Cut,
    Silent,
    Slow,
    /// The store answers, and its notices do not arrive.
    NoNotices,
    /// A replica is restarted with only the older of two store keys, as in a rotation that was not finished.
    OldKey,
}

/// Causes one fault after the other until all is over. Each kind comes once before any comes again.
pub(crate) async fn cause(cluster: Arc<Cluster>, engine: Arc<Engine>, mut random: Random, (least, most): (u64, u64)) {
    // However short it is, these have been seen. The last comes first.
    let mut blows = vec![Blow::OldKey, Blow::Server, Blow::Kill];
    loop {
        cluster.pause(random.millis(least, most)).await;
        if cluster.is_over() {
            return;
        }
        if blows.is_empty() {
            blows = random.shuffled(&[
                Blow::Kill,
                Blow::Kill,
                Blow::Stop,
                Blow::Server,
                Blow::Both,
                Blow::Reset,
                Blow::Cut,
                Blow::Silent,
                Blow::Slow,
                Blow::NoNotices,
                Blow::OldKey,
            ]);
        }
        let blow = blows.pop().unwrap();
        cluster.expectations.count(&format!("blows/{blow:?}"));
        fall(&cluster, &engine, blow, &mut random).await;
    }
}

async fn fall(cluster: &Cluster, engine: &Engine, blow: Blow, random: &mut Random) {
    let fleet = &cluster.fleet;
    let any = random.below(fleet.slots.len());
    // The first is never killed, so that its memory is seen over the whole time.
    let mortal = 1 + random.below(fleet.slots.len() - 1);
    let all = 0..fleet.slots.len();
    match blow {
        Blow::Kill | Blow::Stop => {
            fleet.disturb(mortal);
            if matches!(blow, Blow::Kill) {
                fleet.kill(mortal).await;
            } else {
                fleet.stop(mortal).await;
            }
            tokio::time::sleep(random.millis(0, 1_500)).await;
            fleet.start(mortal).await;
            fleet.recovers(mortal).await;
        }
        Blow::OldKey => {
            fleet.disturb(mortal);
            fleet.stop(mortal).await;
            fleet.start_with_the_old_key(mortal).await;
            fleet.recovers(mortal).await;
            tokio::time::sleep(random.millis(1_000, 5_000)).await;
            fleet.disturb(mortal);
            fleet.stop(mortal).await;
            fleet.start(mortal).await;
            fleet.recovers(mortal).await;
        }
        Blow::Server | Blow::Both => {
            all.clone().for_each(|which| fleet.disturb(which));
            engine.kill();
            if matches!(blow, Blow::Both) {
                fleet.kill(mortal).await;
            }
            tokio::time::sleep(random.millis(50, 2_000)).await;
            engine.resume().await;
            if matches!(blow, Blow::Both) {
                fleet.start(mortal).await;
            }
            for which in all {
                fleet.recovers(which).await;
            }
        }
        Blow::Reset | Blow::Cut | Blow::Silent | Blow::Slow | Blow::NoNotices => {
            fleet.disturb(any);
            let proxy = &fleet.slots[any].proxy;
            match blow {
                Blow::Reset => proxy.reset(),
                Blow::Cut => proxy.cut(),
                Blow::Silent => proxy.half_open(),
                Blow::NoNotices if random.chance(50) => proxy.cut_notices(),
                Blow::NoNotices => proxy.silence_notices(),
                _ => proxy.delay(random.millis(5, 60)),
            }
            tokio::time::sleep(random.millis(300, 4_000)).await;
            proxy.mend();
            fleet.recovers(any).await;
        }
    }
}

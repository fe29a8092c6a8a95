//! Three replicas, each with its own network to the store; started, killed, stopped, and watched.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use incode_tests::get;
use incode_tests::process::{App, Ended, Example, Settings};
use incode_tests::servers::{Proxy, free_port};

use crate::expectations::Expectations;
use crate::net;

pub(crate) struct Fleet {
    pub(crate) slots: Vec<Slot>,
    settings: Settings,
    /// Texts that no line of a log may hold.
    canaries: Vec<String>,
    expectations: Arc<Expectations>,
}

/// A place for a replica: its process comes and goes.
pub(crate) struct Slot {
    pub(crate) example: Example,
    pub(crate) proxy: Proxy,
    store: String,
    app: tokio::sync::Mutex<Option<App>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    address: Option<SocketAddr>,
    /// When the notices of the others may have been cut, from first to last; no end while it lasts.
    disturbed: Vec<(Instant, Option<Instant>)>,
    /// Of the process that runs now: since when, and what it has taken when it was warm.
    process: Option<(u32, Instant, Option<Taken>)>,
    /// KiB of memory of whatever process ran, each time it was looked at.
    memory: Vec<u64>,
    most: Taken,
    /// By how many KiB any process grew after it was warm.
    growth: u64,
}

/// Memory in KiB, and open files.
#[derive(Clone, Copy, Default)]
pub(crate) struct Taken {
    pub(crate) memory: u64,
    pub(crate) files: u64,
}

impl Fleet {
    /// No replica runs yet. `store` gives the URL of the store by way of a port of this machine.
    pub(crate) async fn new(
        settings: Settings,
        store: impl Fn(u16) -> String,
        port: u16,
        canaries: Vec<String>,
        expectations: Arc<Expectations>,
    ) -> Self {
        let mut slots = Vec::new();
        for example in [Example::Axum, Example::Actix, Example::Axum] {
            let proxy = Proxy::to(port).await;
            let store = store(proxy.port());
            slots.push(Slot { example, proxy, store, app: tokio::sync::Mutex::default(), seen: Mutex::default() });
        }
        Self { slots, settings, canaries, expectations }
    }

    pub(crate) async fn start(&self, which: usize) {
        self.start_with(which, &self.settings).await;
    }

    /// It can't open the tokens that the others seal, and leaves their events to them. They can open its own.
    pub(crate) async fn start_with_the_old_key(&self, which: usize) {
        self.start_with(which, &self.settings.clone().with("INCODE_STORE_KEY", OLD_STORE_KEY)).await;
    }

    async fn start_with(&self, which: usize, settings: &Settings) {
        let slot = &self.slots[which];
        // What it prints is where browsers go: to the balancer.
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let settings = settings.clone().with("BIND", address.to_string()).with("INCODE_STORE", &*slot.store);
        let app = App::start(slot.example, &settings).await;
        {
            let mut seen = slot.seen();
            seen.address = Some(address);
            seen.process = Some((app.id(), Instant::now(), None));
        }
        *slot.app.lock().await = Some(app);
    }

    /// SIGKILL.
    pub(crate) async fn kill(&self, which: usize) {
        if let Some(app) = self.take(which).await {
            self.look_through(which, app.kill().await);
        }
    }

    /// SIGTERM; it ends in good order.
    pub(crate) async fn stop(&self, which: usize) {
        if let Some(app) = self.take(which).await {
            let ended = app.stop().await;
            if ended.code != Some(0) {
                self.expectations.wrong(format!("replica {which} was stopped and ended with {:?}", ended.code));
            }
            self.look_through(which, ended);
        }
    }

    async fn take(&self, which: usize) -> Option<App> {
        let slot = &self.slots[which];
        let mut app = slot.app.lock().await.take()?;
        let mut seen = slot.seen();
        (seen.address, seen.process) = (None, None);
        if app.is_gone() {
            self.expectations.wrong(format!("replica {which} ended by itself"));
        }
        Some(app)
    }

    fn look_through(&self, which: usize, ended: Ended) {
        for line in ended.stdout.iter().chain(&ended.stderr) {
            self.expectations.count("log lines");
            if line.contains("panicked") {
                self.expectations.wrong(format!("replica {which} panicked: {line}"));
            }
            if self.canaries.iter().any(|canary| line.contains(canary)) {
                self.expectations.wrong(format!("replica {which} logged what it must not: {line}"));
            }
        }
    }

    /// From now on its notices may be late.
    pub(crate) fn disturb(&self, which: usize) {
        self.slots[which].seen().disturbed.push((Instant::now(), None));
    }

    /// Waits until it says that notices arrive again.
    pub(crate) async fn recovers(&self, which: usize) {
        let slot = &self.slots[which];
        let begun = Instant::now();
        while !slot.is_up_to_date().await {
            assert!(begun.elapsed() < Duration::from_secs(180), "no notice arrives at replica {which}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for (_, end) in &mut slot.seen().disturbed {
            end.get_or_insert_with(Instant::now);
        }
    }

    /// Looks at what each process takes.
    pub(crate) fn weigh(&self) {
        for slot in &self.slots {
            let mut seen = slot.seen();
            let Some((id, since, warm)) = seen.process else { continue };
            let Some(now) = taken(id) else { continue };
            seen.memory.push(now.memory);
            seen.most = Taken { memory: seen.most.memory.max(now.memory), files: seen.most.files.max(now.files) };
            match warm {
                Some(warm) => seen.growth = seen.growth.max(now.memory.saturating_sub(warm.memory)),
                None if since.elapsed() > WARM_UP => seen.process = Some((id, since, Some(now))),
                None => {}
            }
        }
    }

    /// The most that any process took, and by how many KiB any grew.
    pub(crate) fn weights(&self) -> (Taken, u64) {
        self.slots.iter().fold(Default::default(), |(most, growth): (Taken, u64), slot| {
            let seen = slot.seen();
            let (memory, files) = (most.memory.max(seen.most.memory), most.files.max(seen.most.files));
            (Taken { memory, files }, growth.max(seen.growth))
        })
    }
}

impl Slot {
    /// MiB of memory, from the beginning to the end in so many steps.
    pub(crate) fn memory(&self, steps: usize) -> Vec<u64> {
        let seen = self.seen();
        let last = seen.memory.len().saturating_sub(1);
        (0..=steps).filter_map(|step| seen.memory.get(last * step / steps)).map(|memory| memory >> 10).collect()
    }

    /// The address on which it listens; `None` while it does not run.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.seen().address
    }

    /// Whether its notices may have been late at any time since.
    pub(crate) fn was_disturbed(&self, since: Instant) -> bool {
        self.seen().disturbed.iter().any(|(_, end)| end.is_none_or(|end| end >= since))
    }

    async fn is_up_to_date(&self) -> bool {
        let Some(address) = self.address() else { return false };
        let metrics = net::ask(address, &get("/metrics")).await;
        metrics.is_some_and(|metrics| metrics.text().lines().any(|line| line == "incode_store_feed_up 1"))
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

fn taken(process: u32) -> Option<Taken> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let memory = memory.trim().trim_end_matches(" kB").parse().ok()?;
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).ok()?.count() as u64;
    Some(Taken { memory, files })
}

/// 32 bytes in base64, as the next.
pub(crate) const STORE_KEY: &str = "c29hay1zdG9yZS1rZXktb2Ytbm93LTAxMjM0NTY3ODk=";
pub(crate) const OLD_STORE_KEY: &str = "c29hay1zdG9yZS1rZXktb2YtdGhlbi0wMTIzNDU2Nzg=";
const WARM_UP: Duration = Duration::from_secs(10);

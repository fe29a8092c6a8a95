//! Catches what is traced and counted, to look for what must not be in it.

use std::io;
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tracing_subscriber::fmt::MakeWriter;

/// Everything our crates trace, and the name and labels of everything they count, in this process from [`listen`] on.
#[derive(Clone, Debug, Default)]
pub struct Traced(Arc<Mutex<Vec<u8>>>);

impl Traced {
    /// What was traced so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Listens to our crates on every thread, at the finest level. Once for each process.
pub fn listen() -> Traced {
    let traced = Traced::default();
    metrics::set_global_recorder(traced.clone()).unwrap();
    tracing_subscriber::fmt()
        .with_env_filter("incode_core=trace,incode_tower=trace,incode_actix=trace")
        .with_ansi(false)
        .with_writer(traced.clone())
        .init();
    traced
}

impl io::Write for Traced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Traced {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Traced {
    fn counted(&self, key: &Key) {
        let mut text = self.0.lock().unwrap();
        text.extend_from_slice(format!("{key:?}\n").as_bytes());
    }
}

/// Keeps keys; the numbers are not asked for.
impl Recorder for Traced {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.counted(key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.counted(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.counted(key);
        Histogram::noop()
    }
}

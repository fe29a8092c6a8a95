//! Catches what is traced, to look for what must not be in it.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

/// Everything our crates trace in this process, from [`listen`] on.
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

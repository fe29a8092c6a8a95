//! The example apps as child processes: started, asked, killed, stopped.

mod app;
mod settings;

pub use app::{App, Ended, Example, program, refused};
pub use settings::{ADMIN_TOKEN, FLOW_SECRET, Settings, WEBHOOK_HEADER, WEBHOOK_SECRET};

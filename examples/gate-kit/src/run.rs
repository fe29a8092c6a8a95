use std::io::{self, IsTerminal, Write};
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::Site;
use crate::settings::Prepared;

/// The life of an example app: settings, one line that says where to click, `serve` until [`stopped`], and an orderly
/// end. 2 for a wrong setting, which is named on stderr.
pub async fn run(app: &'static str, serve: impl AsyncFnOnce(TcpListener, Arc<Site>) -> io::Result<()>) -> ExitCode {
    log_to_stderr();
    let prepared = match Prepared::from_env().await {
        Ok(prepared) => prepared,
        Err(wrong) => {
            let _ = writeln!(io::stderr(), "{app}: {wrong}");
            return ExitCode::from(2);
        }
    };
    let Prepared { listener, site, public_url, throw_away } = prepared;
    let sandbox = site.sandbox.clone();
    // Nobody may be reading: a closed stdout is no reason not to serve.
    let _ = match &sandbox {
        Some(sandbox) => {
            writeln!(io::stdout(), "{app}: open {public_url} (the stand-in vendor: {})", sandbox.control_url())
        }
        None => writeln!(io::stdout(), "{app}: open {public_url}"),
    };
    let incode = site.incode.clone();
    let served = tokio::select! {
        served = serve(listener, Arc::new(site)) => served,
        // Requests that never end must not keep the process alive.
        () = async { stopped().await; tokio::time::sleep(PATIENCE).await } => Ok(()),
    };
    incode.shutdown().await;
    if let Some(sandbox) = sandbox {
        sandbox.stop().await;
    }
    drop(throw_away);
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{app}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Resolves when the process is asked to end: SIGTERM or ctrl-c.
pub async fn stopped() {
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = ctrl_c => {}
        () = terminated => {}
    }
}

/// To stderr, so that stdout has the one line.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let ansi = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).with_writer(io::stderr).init();
}

/// How long requests under way are given after a stop.
const PATIENCE: Duration = Duration::from_secs(10);

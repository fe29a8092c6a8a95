use std::io::{self, IsTerminal, Write};
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::Site;
use crate::ops::serve_ops;
use crate::settings::{Start, WrongSetting};

/// The life of an example app: settings, one line that says where to click, `serve` until [`stopped`], and an orderly
/// end. 2 for a wrong setting, which is named on stderr.
pub async fn run(app: &'static str, serve: impl AsyncFnOnce(TcpListener, Arc<Site>) -> io::Result<()>) -> ExitCode {
    log_to_stderr();
    let (start, site) = match prepare().await {
        Ok(prepared) => prepared,
        Err(wrong) => {
            let _ = writeln!(io::stderr(), "{app}: {wrong}");
            return ExitCode::from(2);
        }
    };
    start.announce(app);
    let Start { listener, ops_listener, sandbox, .. } = start;
    let (incode, metrics) = (site.incode.clone(), site.metrics.clone());
    let site = Arc::new(site);
    // Health and metrics are served to the very end of a stop: its last seconds are when they are looked at.
    let ops = ops_listener.map(|listener| tokio::spawn(serve_ops(listener, Arc::clone(&site), std::future::pending())));
    // The recorder keeps every sample of a histogram until its upkeep runs, also when no one reads the metrics.
    let upkeep = tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            metrics.run_upkeep();
        }
    });
    let served = tokio::select! {
        served = serve(listener, site) => served,
        // Requests that never end must not keep the process alive.
        () = async { stopped().await; tokio::time::sleep(PATIENCE).await } => Ok(()),
    };
    upkeep.abort();
    incode.shutdown().await;
    if let Some(ops) = ops {
        ops.abort();
    }
    if let Some(sandbox) = sandbox {
        sandbox.stop().await;
    }
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{app}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn prepare() -> Result<(Start, Site), WrongSetting> {
    let mut start = Start::from_env().await?;
    let site = Site::prepare(&mut start).await?;
    Ok((start, site))
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

/// Logs to stderr, so that stdout has the one line: warnings, or what `RUST_LOG` asks for.
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let ansi = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).with_writer(io::stderr).init();
}

/// How long requests under way are given after a stop.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How often the upkeep of the metrics recorder runs.
const UPKEEP: Duration = Duration::from_secs(5);

//! `doctor`: compares what is set with what is there, one line a check.

mod public;
mod settings;
mod store;
mod vendor;

use clap::Args;
use incode_core::adapter::Deployment;
use reqwest::Url;
use serde_json::json;

use crate::failure::Failure;
use crate::log;
use crate::output::{Output, Verdict};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where the vendor reaches the application, if that is not PUBLIC_URL.
    #[arg(long, value_name = "URL")]
    public_url: Option<Url>,
    /// Leaves out what is tried at the public URL: the application does not run yet.
    #[arg(long)]
    no_public: bool,
    /// Takes a warning for a failure.
    #[arg(long)]
    strict: bool,
}

/// Writes each check at once, and remembers the worst.
struct Report<'a> {
    output: &'a Output,
    passed: u32,
    warned: u32,
    failed: u32,
}

impl Report<'_> {
    fn pass(&mut self, name: &str, detail: impl AsRef<str>) -> Result<(), Failure> {
        self.passed += 1;
        self.output.check(Verdict::Pass, name, detail.as_ref(), None)
    }

    fn warn(&mut self, name: &str, detail: impl AsRef<str>, todo: impl AsRef<str>) -> Result<(), Failure> {
        self.warned += 1;
        self.output.check(Verdict::Warn, name, detail.as_ref(), Some(todo.as_ref()))
    }

    fn fail(&mut self, name: &str, detail: impl AsRef<str>, todo: impl AsRef<str>) -> Result<(), Failure> {
        self.failed += 1;
        self.output.check(Verdict::Fail, name, detail.as_ref(), Some(todo.as_ref()))
    }
}

/// A check that fails is a failure of the command.
pub(crate) async fn run(arguments: Arguments, store: Option<&str>, output: &Output) -> Result<(), Failure> {
    log::keep();
    let mut report = Report { output, passed: 0, warned: 0, failed: 0 };
    let deployment = settings::check(&mut report)?;
    store::check(&mut report, store, deployment.as_ref()).await?;
    if let Some(deployment) = &deployment {
        vendor::check(&mut report, deployment).await?;
        public(&mut report, deployment, &arguments).await?;
    }
    let Report { passed, warned, failed, .. } = report;
    if output.is_json() {
        output.object(&json!({"passed": passed, "warned": warned, "failed": failed}))?;
    }
    if failed > 0 || arguments.strict && warned > 0 {
        return Err(Failure::failed(format!("{failed} checks failed, {warned} warned, {passed} passed")));
    }
    output.text(&format!("{passed} checks passed, {warned} warned"))
}

async fn public(report: &mut Report<'_>, deployment: &Deployment, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.no_public {
        return Ok(());
    }
    let url = match &arguments.public_url {
        Some(url) => Some(url.clone()),
        None => deployment.public_url().and_then(|url| Url::parse(url).ok()),
    };
    match url {
        Some(url) => public::check(report, deployment, &url).await,
        None => report.warn("public URL", "is not known, so nothing was tried from outside", "write --public-url URL"),
    }
}

pub(crate) const HELP: &str = "\
Run it with the settings of the application (--env-file, or the same environment), where the application runs. It opens the
store as the application does at its start: it makes the tables where there are none, and keeps a check value of each key.

Exit codes: 0 every check passed (with --strict: and none warned); 1 a check failed; 2 wrong arguments.

Example:
  incode-id --env-file incode.env doctor";

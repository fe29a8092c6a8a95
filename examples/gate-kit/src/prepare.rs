use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::admin::{self, admins};
use crate::journal::Journal;
use crate::settings::{Settings, Start, WrongSetting};
use crate::{BasePath, Site, refusal};

impl Site {
    /// The site of the two gate apps: with metrics, admin routes and a journal, where they are set.
    pub(crate) async fn prepare(start: &mut Start) -> Result<Self, WrongSetting> {
        let settings = &start.settings;
        let metrics = record_metrics().map_err(|_| WrongSetting::new("metrics", "the recorder can't be installed"))?;
        let mut builder = std::mem::replace(&mut start.builder, incode_core::Incode::builder());
        let base = BasePath::of(&start.public_url);
        let pages = base.clone();
        builder = builder.subjects(start.sessions.subjects());
        builder = builder.render(move |problem, audience| refusal::render(&pages, problem, audience));
        if let Some(journal) = journal(settings)? {
            builder = builder.on_event("journal", journal);
        }
        Ok(Site {
            incode: builder.build().await?,
            sessions: start.sessions.clone(),
            sandbox: start.sandbox.clone(),
            admins: admins(settings.text(admin::NAME)?.as_deref())?,
            metrics,
            public_origin: start.public_origin(),
            base,
            ops_apart: start.ops_listener.is_some(),
            can_verify: settings.text("INCODE_CLIENT_ID")?.is_some(),
        })
    }
}

/// Times in buckets. Without them the exporter computes quantiles in each process, which can't be added up over processes.
fn record_metrics() -> Result<PrometheusHandle, BuildError> {
    let times = Matcher::Suffix("_seconds".to_owned());
    PrometheusBuilder::new().set_buckets_for_metric(times, &BUCKETS)?.install_recorder()
}

/// Upper ends of the buckets, in seconds: from a commit on a good disk to the longest wait for the vendor.
const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Of `EXAMPLE_JOURNAL`, a file, and `EXAMPLE_JOURNAL_FAILS`: of each event, so many attempts fail on purpose.
fn journal(settings: &Settings) -> Result<Option<Journal>, WrongSetting> {
    let Some(path) = settings.text("EXAMPLE_JOURNAL")? else { return Ok(None) };
    let fails = match settings.text("EXAMPLE_JOURNAL_FAILS")? {
        Some(number) => {
            number.parse().map_err(|_| WrongSetting::new("EXAMPLE_JOURNAL_FAILS", "is not a number of attempts"))?
        }
        None => 0,
    };
    let unusable =
        |error: std::io::Error| WrongSetting::new("EXAMPLE_JOURNAL", format!("can't be written to ({})", error.kind()));
    Journal::open(path.into(), fails).map(Some).map_err(unusable)
}

//! From the environment to a [`Site`] and the socket it listens on.

use std::collections::HashMap;
use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::net::TcpListener;

use data_encoding::{BASE64, HEXLOWER};
use incode_core::{Builder, Secret};
use incode_sandbox::Sandbox;
use metrics_exporter_prometheus::PrometheusBuilder;
use tempfile::TempDir;
use url::Url;

use crate::journal::Journal;
use crate::session::Sessions;
use crate::{Site, refusal, vendor};

/// Everything that is to be served, and what must outlive it.
pub(crate) struct Prepared {
    pub(crate) listener: TcpListener,
    pub(crate) site: Site,
    pub(crate) public_url: String,
    /// Removed with everything in it when the app ends.
    pub(crate) throw_away: Option<TempDir>,
}

impl Prepared {
    pub(crate) async fn from_env() -> Result<Self, WrongSetting> {
        Settings::default().prepare().await
    }
}

/// A setting that can't work: one line that names it, never its value.
pub(crate) struct WrongSetting(String);

impl WrongSetting {
    fn new(setting: &str, problem: impl fmt::Display) -> Self {
        Self(format!("{setting}: {problem}"))
    }
}

impl From<incode_core::SettingError> for WrongSetting {
    /// With its causes, which are as silent about values as itself.
    fn from(error: incode_core::SettingError) -> Self {
        let mut line = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            line.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self(line)
    }
}

impl fmt::Display for WrongSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The environment, with what this process makes up for itself on top.
#[derive(Default)]
struct Settings {
    made_up: HashMap<&'static str, String>,
}

impl Settings {
    async fn prepare(mut self) -> Result<Prepared, WrongSetting> {
        let bind = self.text("BIND")?.unwrap_or_else(|| "127.0.0.1:3000".to_owned());
        let listener = TcpListener::bind(&bind)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(|error| WrongSetting::new("BIND", format!("can't be listened on ({})", error.kind())))?;
        let address = listener.local_addr().map_err(|error| WrongSetting::new("BIND", error.kind()))?;

        let public_url = self.text("PUBLIC_URL")?.unwrap_or_else(|| vendor::reachable(address));
        let public = Url::parse(&public_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| WrongSetting::new("PUBLIC_URL", "is not an http(s) URL"))?;
        self.made_up.insert("PUBLIC_URL", public_url.clone());

        let (sandbox, throw_away) = match self.text("INCODE_HOST")? {
            Some(_) => (None, None),
            None => {
                let sandbox = self.start_sandbox(address).await?;
                (Some(sandbox), self.throw_away_store()?)
            }
        };
        let sessions = self.sessions(public.scheme() == "https")?;
        let admin_token = self.admin_token()?;
        let metrics = PrometheusBuilder::new()
            .install_recorder()
            .map_err(|_| WrongSetting::new("metrics", "the recorder can't be installed"))?;
        let mut builder =
            Builder::from_settings(|name| self.value(name))?.subjects(sessions.subjects()).render(refusal::render);
        if let Some(journal) = self.journal()? {
            builder = builder.handler("journal", journal);
        }
        let incode = builder.build().await?;
        if self.text("INCODE_FLOW_SECRET")?.is_none() {
            tracing::warn!("INCODE_FLOW_SECRET is not set: sessions end when this process does");
        }
        let site = Site {
            incode,
            sessions,
            sandbox,
            admin_token,
            metrics,
            public_origin: public.origin().ascii_serialization(),
            can_verify: self.text("INCODE_CLIENT_ID")?.is_some(),
        };
        Ok(Prepared { listener, site, public_url, throw_away })
    }

    /// A vendor of our own, and the settings that lead to it.
    async fn start_sandbox(&mut self, app: std::net::SocketAddr) -> Result<Sandbox, WrongSetting> {
        if self.text("INCODE_WEBHOOK_AUTH")?.is_none() {
            self.made_up.insert("INCODE_WEBHOOK_AUTH", "header".to_owned());
            self.made_up.insert("INCODE_WEBHOOK_SECRETS", HEXLOWER.encode(&random()?));
        }
        let auth = vendor::auth_for(
            &self.text("INCODE_WEBHOOK_AUTH")?.unwrap_or_default(),
            self.text("INCODE_WEBHOOK_HEADER")?,
            &self.text("INCODE_WEBHOOK_SECRETS")?.unwrap_or_default(),
        );
        let sandbox = vendor::start(app, auth)
            .await
            .map_err(|error| WrongSetting::new("INCODE_HOST", format!("is not set, and the sandbox fails: {error}")))?;
        self.made_up.insert("INCODE_HOST", sandbox.url());
        self.made_up.insert("INCODE_API_KEY", sandbox.api_key().to_owned());
        self.made_up.insert("INCODE_CLIENT_ID", sandbox.client_id().to_owned());
        self.made_up.insert("INCODE_WEB_URL", sandbox.web_url());
        if self.text("INCODE_FLOW_SECRET")?.is_none() {
            self.made_up.insert("INCODE_FLOW_SECRET", BASE64.encode(&random()?));
        }
        Ok(sandbox)
    }

    /// People of the sandbox end with it, so by default their rows do too.
    fn throw_away_store(&mut self) -> Result<Option<TempDir>, WrongSetting> {
        if self.text("INCODE_STORE")?.is_some() {
            return Ok(None);
        }
        let unusable = || WrongSetting::new("INCODE_STORE", "is not set, and no temporary directory can be made");
        let directory = tempfile::Builder::new().prefix("incode-gate-").tempdir().map_err(|_| unusable())?;
        let path = directory.path().join("incode.db");
        self.made_up.insert("INCODE_STORE", format!("sqlite:{}", path.to_str().ok_or_else(unusable)?));
        Ok(Some(directory))
    }

    /// Of `EXAMPLE_JOURNAL`, a file, and `EXAMPLE_JOURNAL_FAILS`: of each event, so many attempts fail on purpose.
    fn journal(&self) -> Result<Option<Journal>, WrongSetting> {
        let Some(path) = self.text("EXAMPLE_JOURNAL")? else { return Ok(None) };
        let fails = match self.text("EXAMPLE_JOURNAL_FAILS")? {
            Some(number) => {
                number.parse().map_err(|_| WrongSetting::new("EXAMPLE_JOURNAL_FAILS", "is not a number of attempts"))?
            }
            None => 0,
        };
        let unusable = |error: std::io::Error| {
            WrongSetting::new("EXAMPLE_JOURNAL", format!("can't be written to ({})", error.kind()))
        };
        Journal::open(path.into(), fails).map(Some).map_err(unusable)
    }

    /// Signed with the newest flow secret, read with each; with one of this process alone when none is set.
    fn sessions(&self, secure: bool) -> Result<Sessions, WrongSetting> {
        const NAME: &str = "INCODE_FLOW_SECRET";
        let Some(list) = self.text(NAME)? else { return Ok(Sessions::new(&random()?, secure)) };
        let mut sessions = None::<Sessions>;
        for text in list.split(',') {
            let secret = BASE64.decode(text.trim().as_bytes()).ok().filter(|secret| secret.len() >= 32);
            let secret = secret.ok_or_else(|| WrongSetting::new(NAME, "is not padded base64 of 32 bytes or more"))?;
            sessions = Some(match sessions {
                Some(sessions) => sessions.older_secret(&secret),
                None => Sessions::new(&secret, secure),
            });
        }
        sessions.ok_or_else(|| WrongSetting::new(NAME, "is empty"))
    }

    /// None: no admin routes.
    fn admin_token(&self) -> Result<Option<Secret>, WrongSetting> {
        const NAME: &str = "INCODE_ADMIN_TOKEN";
        match self.text(NAME)? {
            Some(token) if token.len() < MIN_ADMIN_TOKEN => {
                Err(WrongSetting::new(NAME, format!("is shorter than {MIN_ADMIN_TOKEN} bytes")))
            }
            token => Ok(token.map(|token| Secret::from(token.as_str()))),
        }
    }

    fn value(&self, name: &'static str) -> Option<OsString> {
        self.made_up.get(name).map(OsString::from).or_else(|| std::env::var_os(name))
    }

    /// An empty value counts as unset.
    fn text(&self, name: &'static str) -> Result<Option<String>, WrongSetting> {
        let Some(value) = self.value(name).filter(|value| !value.is_empty()) else { return Ok(None) };
        value.into_string().map(Some).map_err(|_| WrongSetting::new(name, "is not UTF-8"))
    }
}

fn random() -> Result<[u8; 32], WrongSetting> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| WrongSetting::new("INCODE_FLOW_SECRET", "no randomness on this machine"))?;
    Ok(bytes)
}

/// As long as a webhook secret: it opens dead letters and erasure to whoever guesses it.
const MIN_ADMIN_TOKEN: usize = 24;

//! From the environment to what every example begins with.

use std::collections::HashMap;
use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::net::TcpListener;

use data_encoding::{BASE64, HEXLOWER};
use incode_core::Builder;
use incode_sandbox::Sandbox;
use tempfile::TempDir;
use url::Url;

use crate::session::Sessions;
use crate::vendor;

/// What every example begins with: a socket, the settings of incode, and the stand-in vendor when no other is named.
pub struct Start {
    /// Listens at `BIND`, without blocking.
    pub listener: TcpListener,
    /// Made from the environment; lacks what is the application's own, such as who asks.
    pub builder: Builder,
    /// A login for whoever needs one.
    pub sessions: Sessions,
    /// The stand-in vendor, when it runs in this process.
    pub sandbox: Option<Sandbox>,
    /// Where browsers reach the app.
    pub public_url: String,
    pub(crate) settings: Settings,
    /// Removed with everything in it when the app ends.
    _throw_away: Option<TempDir>,
}

impl Start {
    /// Reads the variables of the README's table, and makes up what is missing when no vendor is named.
    ///
    /// # Errors
    /// [`WrongSetting`] for one that can't work.
    pub async fn from_env() -> Result<Self, WrongSetting> {
        Settings::default().start().await
    }

    /// Scheme, host and port of the site, as browsers send it in `Origin`.
    pub fn public_origin(&self) -> String {
        Url::parse(&self.public_url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }

    /// Says where to click: the one line that an example prints.
    pub fn announce(&self, app: &str) {
        if matches!(self.settings.text("INCODE_FLOW_SECRET"), Ok(None)) {
            tracing::warn!("INCODE_FLOW_SECRET is not set: sessions end when this process does");
        }
        let url = &self.public_url;
        // Nobody may be reading: a closed stdout is no reason not to serve.
        let _ = match &self.sandbox {
            Some(sandbox) => {
                writeln!(io::stdout(), "{app}: open {url} (the stand-in vendor: {})", sandbox.control_url())
            }
            None => writeln!(io::stdout(), "{app}: open {url}"),
        };
    }
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

/// A setting that can't work: one line that names it, never its value.
pub struct WrongSetting(String);

impl WrongSetting {
    pub(crate) fn new(setting: &str, problem: impl fmt::Display) -> Self {
        Self(format!("{setting}: {problem}"))
    }
}

impl From<incode_core::ConfigError> for WrongSetting {
    /// With its causes, which are as silent about values as itself.
    fn from(error: incode_core::ConfigError) -> Self {
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

/// The same line: `main` shows a failure by its `Debug`.
impl fmt::Debug for WrongSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for WrongSetting {}

/// The environment, with what this process makes up for itself on top.
#[derive(Default)]
pub(crate) struct Settings {
    made_up: HashMap<&'static str, String>,
}

impl Settings {
    async fn start(mut self) -> Result<Start, WrongSetting> {
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
        // Whether the token of the hosted page can be redeemed by a callback is not documented; where it can't, only the
        // webhook tells who was verified.
        if self.text("INCODE_LINK_BY_WEBHOOK")?.is_none() {
            self.made_up.insert("INCODE_LINK_BY_WEBHOOK", "on".to_owned());
        }

        let (sandbox, throw_away) = match self.text("INCODE_HOST")? {
            Some(_) => (None, None),
            None => {
                let sandbox = self.start_sandbox().await?;
                (Some(sandbox), self.throw_away_store()?)
            }
        };
        let sessions = self.sessions(public.scheme() == "https")?;
        let builder = Builder::from_settings(|name| self.value(name))?;
        if let Some(sandbox) = &sandbox {
            // Only now: what can't be used was named above, as the setting it is.
            vendor::deliver_to(sandbox, address, self.agreed()?.auth(address))
                .map_err(|error| WrongSetting::new("INCODE_WEBHOOK_AUTH", error))?;
        }
        Ok(Start { listener, builder, sessions, sandbox, public_url, settings: self, _throw_away: throw_away })
    }

    /// A vendor of our own, and the settings that lead to it.
    async fn start_sandbox(&mut self) -> Result<Sandbox, WrongSetting> {
        if self.text("INCODE_WEBHOOK_AUTH")?.is_none() {
            self.made_up.insert("INCODE_WEBHOOK_AUTH", "header".to_owned());
            self.made_up.insert("INCODE_WEBHOOK_SECRETS", HEXLOWER.encode(&random()?));
        }
        let sandbox = vendor::start()
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

    fn agreed(&self) -> Result<vendor::Agreed, WrongSetting> {
        let text = |name| self.text(name).map(Option::unwrap_or_default);
        Ok(vendor::Agreed {
            policies: text("INCODE_WEBHOOK_AUTH")?,
            header: self.text("INCODE_WEBHOOK_HEADER")?,
            secrets: text("INCODE_WEBHOOK_SECRETS")?,
            client_id: text("INCODE_OAUTH_CLIENT_ID")?,
            client_secrets: text("INCODE_OAUTH_CLIENT_SECRET")?,
        })
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

    fn value(&self, name: &'static str) -> Option<OsString> {
        self.made_up.get(name).map(OsString::from).or_else(|| std::env::var_os(name))
    }

    /// An empty value counts as unset.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<String>, WrongSetting> {
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

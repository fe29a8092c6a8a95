//! From the environment to what every example begins with.

mod vendor_choice;
mod wrong_setting;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::net::TcpListener;
use std::time::Duration;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER};
use incode_core::Builder;
use incode_core::adapter::Engine;
use incode_core::store::{OpenStore, StoreError};
use incode_sandbox::Sandbox;
use tempfile::TempDir;
use url::Url;

use crate::session::Sessions;
use crate::{BasePath, vendor};
use vendor_choice::{VendorChoice, is_local, is_loopback, separate_stores};

pub use wrong_setting::WrongSetting;

/// What every example begins with: a socket, the settings of incode, and the stand-in vendor when no other is named.
pub struct Start {
    /// Listens at `BIND`, without blocking.
    pub listener: TcpListener,
    /// Listens at `OPS_BIND`, where that is set: for metrics and health, away from the public port.
    pub(crate) ops_listener: Option<TcpListener>,
    /// Made from the environment; lacks what is the application's own, such as the source of subjects.
    pub builder: Builder,
    /// A login, for an application that has none of its own.
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
    /// Reads the variables of docs/settings.md, and makes up what is missing when no vendor is named.
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
        if self.sandbox.is_none()
            && matches!(self.settings.text(LINK_BY_WEBHOOK).as_ref().map(Option::as_deref), Ok(Some("on")))
        {
            tracing::warn!(
                "{LINK_BY_WEBHOOK} is on with a real vendor: an event links the user whose start link was opened, so a \
                 person who opens a link that another user sent gives that user their identity"
            );
        }
        let url = &self.public_url;
        // A closed stdout is no reason not to serve.
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

/// The environment, with what this process makes up for itself on top.
#[derive(Default)]
pub(crate) struct Settings {
    made_up: HashMap<&'static str, String>,
}

impl Settings {
    async fn start(mut self) -> Result<Start, WrongSetting> {
        let vendor = VendorChoice::of(std::env::vars_os());
        let bind = self.text("BIND")?.unwrap_or_else(|| "127.0.0.1:3000".to_owned());
        let listener = listen("BIND", &bind)?;
        let ops_listener = self.text("OPS_BIND")?.map(|bind| listen("OPS_BIND", &bind)).transpose()?;
        let address = listener.local_addr().map_err(|error| WrongSetting::new("BIND", error.kind()))?;

        let here = vendor::reachable(address);
        let public_url = self.text("PUBLIC_URL")?.unwrap_or_else(|| format!("http://{here}"));
        let public = public_of(&public_url)?;

        let vendor = vendor?;
        // Core makes the public URL of it where none is set and the vendor is on this machine. Beside a vendor elsewhere a
        // forgotten one is an error. The system may have chosen the port.
        self.made_up.insert("BIND", here.to_string());
        if vendor == VendorChoice::Sandbox {
            is_local(address.ip(), &public)?;
        }
        separate_stores(vendor, self.text("INCODE_STORE")?.as_deref())?;
        let (sandbox, throw_away) = match vendor {
            VendorChoice::Real => (None, None),
            VendorChoice::Sandbox => {
                let sandbox = self.start_sandbox().await?;
                (Some(sandbox), self.throw_away_store()?)
            }
        };
        let sessions = self.sessions(public.scheme() == "https")?.below(BasePath::of(&public_url));
        let mut builder = Builder::from_settings(self.variables(), ENGINES)?.sessions(sessions.sessions());
        if let Some(sandbox) = &sandbox {
            // The sandbox has a few faces to choose from. A camera never makes the same picture twice.
            builder = builder.same_face_image_after(Duration::ZERO);
            let secret = self.text("INCODE_WEBHOOK_SECRETS")?.unwrap_or_default();
            vendor::deliver_to(sandbox, address, secret).map_err(|error| WrongSetting::new("INCODE_HOST", error))?;
        }
        Ok(Start {
            listener,
            ops_listener,
            builder,
            sessions,
            sandbox,
            public_url,
            settings: self,
            _throw_away: throw_away,
        })
    }

    /// Starts a vendor of our own, and sets what leads to it.
    async fn start_sandbox(&mut self) -> Result<Sandbox, WrongSetting> {
        let sandbox = vendor::start()
            .await
            .map_err(|error| WrongSetting::new("INCODE_HOST", format!("is not set, and the sandbox fails: {error}")))?;
        self.made_up.insert("INCODE_HOST", sandbox.url());
        self.made_up.insert("INCODE_API_KEY", sandbox.api_key().to_owned());
        self.made_up.insert("INCODE_CLIENT_ID", sandbox.client_id().to_owned());
        self.made_up.insert("INCODE_WEB_URL", sandbox.web_url());
        self.made_up.insert("INCODE_WEBHOOK_AUTH", "header".to_owned());
        self.made_up.insert("INCODE_WEBHOOK_SECRETS", HEXLOWER.encode(&random()?));
        if self.text("INCODE_FLOW_SECRET")?.is_none() {
            self.made_up.insert("INCODE_FLOW_SECRET", BASE64.encode(&random()?));
        }
        // The sandbox then shows both ways to a link. With a real vendor this is off: see `announce`.
        if self.text(LINK_BY_WEBHOOK)?.is_none() {
            self.made_up.insert(LINK_BY_WEBHOOK, "on".to_owned());
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

    /// Signed with the newest flow secret, read with each; with one of this process alone when none is set.
    fn sessions(&self, secure: bool) -> Result<Sessions, WrongSetting> {
        const NAME: &str = "INCODE_FLOW_SECRET";
        let Some(list) = self.text(NAME)? else { return Ok(Sessions::new(&random()?, secure)) };
        let mut sessions = None::<Sessions>;
        for text in list.split([',', '\n']) {
            let secret = ALPHABETS.iter().find_map(|base64| base64.decode(text.trim().as_bytes()).ok());
            let secret = secret.filter(|secret| secret.len() >= 32);
            let secret = secret.ok_or_else(|| WrongSetting::new(NAME, "is not base64 of 32 bytes or more"))?;
            sessions = Some(match sessions {
                Some(sessions) => sessions.older_secret(&secret),
                None => Sessions::new(&secret, secure),
            });
        }
        sessions.ok_or_else(|| WrongSetting::new(NAME, "is empty"))
    }

    /// The environment, with what this process made up in the place of what is set.
    fn variables(&self) -> impl Iterator<Item = (OsString, OsString)> + '_ {
        let is_made_up = |name: &OsString| self.made_up.keys().any(|made_up| name == made_up);
        let set = std::env::vars_os().filter(move |(name, _)| !is_made_up(name));
        set.chain(self.made_up.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
    }

    fn value(&self, name: &'static str) -> Option<OsString> {
        self.made_up.get(name).map(OsString::from).or_else(|| std::env::var_os(name))
    }

    /// The value of a variable, or of the file that `<name>_FILE` names, without blanks and line ends around it. One that
    /// is set and empty is an error: a template whose variable was not filled in, for example.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<String>, WrongSetting> {
        if let Some(value) = self.value(name) {
            let value = value.into_string().map_err(|_| WrongSetting::new(name, "is not UTF-8"))?;
            return trimmed(name, &value).map(Some);
        }
        let file = format!("{name}_FILE");
        let Some(path) = std::env::var_os(&file) else { return Ok(None) };
        let text = std::fs::read_to_string(path)
            .map_err(|error| WrongSetting::new(&file, format!("names a file that can't be read ({})", error.kind())))?;
        trimmed(&file, &text).map(Some)
    }
}

fn trimmed(name: &str, value: &str) -> Result<String, WrongSetting> {
    match value.trim() {
        "" => Err(WrongSetting::new(name, "is empty: write a value, or remove the variable")),
        value => Ok(value.to_owned()),
    }
}

fn listen(name: &str, address: &str) -> Result<TcpListener, WrongSetting> {
    TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener)).map_err(|error| {
        let problem = "can't be listened on: write an address with a port, such as 127.0.0.1:3000";
        WrongSetting::new(name, format!("{problem} ({})", error.kind()))
    })
}

/// An http(s) URL. Plain http would show session cookies and callback tokens to the network, so it is for loopback alone.
fn public_of(text: &str) -> Result<Url, WrongSetting> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| WrongSetting::new("PUBLIC_URL", "is not an http(s) URL"))?;
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(WrongSetting::new("PUBLIC_URL", "is plain http to another host than loopback: use https"));
    }
    Ok(url)
}

fn random() -> Result<[u8; 32], WrongSetting> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| WrongSetting::new("INCODE_FLOW_SECRET", "no randomness on this machine"))?;
    Ok(bytes)
}

/// The stores that `INCODE_STORE` may name. `builder_from_env()` of an adapter has them ready; this crate is for both
/// adapters, and changes some settings before they are read.
const ENGINES: &[Engine] = &[
    |store| boxed(incode_sqlite::from_url(store.url)),
    |store| {
        let options = incode_postgres::from_url(store.url)?;
        boxed(Some(options.and_then(|options| match store.listen {
            Some(listen) => options.listen_url(listen),
            None => Ok(options),
        })))
    },
    |store| boxed(incode_redis::from_url(store.url)),
];

fn boxed<O: OpenStore>(options: Option<Result<O, StoreError>>) -> Option<Result<Box<dyn OpenStore>, StoreError>> {
    options.map(|options| options.map(|options| Box::new(options) as Box<dyn OpenStore>))
}

/// Of base64: each that core takes for a key.
const ALPHABETS: [data_encoding::Encoding; 4] = [BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD];

/// Off with a real vendor unless set: see [`Start::announce`].
const LINK_BY_WEBHOOK: &str = "INCODE_LINK_BY_WEBHOOK";

use std::collections::BTreeMap;
use std::path::Path;

use incode_sandbox::Sandbox;

/// The environment of an app: these variables and no others.
#[derive(Clone, Debug, Default)]
pub struct Settings(BTreeMap<&'static str, String>);

impl Settings {
    /// Nothing but a free port to listen on.
    pub fn none() -> Self {
        Self::default().with("BIND", "127.0.0.1:0")
    }

    /// Everything: this vendor, the header secret, a store in `directory`, the admin routes.
    pub fn of(sandbox: &Sandbox, directory: &Path) -> Self {
        Self::none()
            .with("INCODE_HOST", sandbox.url())
            .with("INCODE_API_KEY", sandbox.api_key())
            .with("INCODE_CLIENT_ID", sandbox.client_id())
            .with("INCODE_WEB_URL", sandbox.web_url())
            .with("INCODE_WEBHOOK_AUTH", "header")
            .with("INCODE_WEBHOOK_SECRETS", WEBHOOK_SECRET)
            .with("INCODE_FLOW_SECRET", FLOW_SECRET)
            .with("INCODE_STORE", format!("sqlite:{}", directory.join("incode.db").display()))
            .with("INCODE_ADMIN_TOKEN", ADMIN_TOKEN)
    }

    /// Sets one.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.insert(name, value.into());
        self
    }

    /// Leaves one out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// Each name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

/// The header that deliveries carry [`WEBHOOK_SECRET`] in.
pub const WEBHOOK_HEADER: &str = "x-incode-secret";
/// What it carries.
pub const WEBHOOK_SECRET: &str = "process-secret-0123456789abcdef";
/// Opens `/admin/*`.
pub const ADMIN_TOKEN: &str = "process-admin-token-0123456789abcdef";
/// 32 bytes in base64.
pub const FLOW_SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

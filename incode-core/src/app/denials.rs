//! How denials are answered: the choices of the application.

use std::borrow::Cow;

use crate::gate::Pages;
use crate::http::{Brand, is_local_path};

use super::{Builder, ConfigError};

/// As given; looked at when the application is built.
#[derive(Default)]
pub(super) struct Denials {
    redirects: bool,
    login: Option<String>,
    step_up: Option<String>,
    return_as: Option<String>,
    challenge: Option<String>,
    brand: Option<Brand>,
}

impl Builder {
    /// Sends browsers that were denied a page (GET or HEAD, `Accept` that prefers `text/html`) to where they can do
    /// something about it, with 303 and a `return_to` that leads back: to the login page, to the start route of the
    /// hosted flow, or to the step-up page, whichever helps and exists.
    ///
    /// A known user who needs more than a recent verification gets the problem in place: a redirect would not help.
    /// Other clients and other methods also get the problem; a redirect would lose what was posted.
    pub fn redirect_browsers(mut self) -> Self {
        self.denials.redirects = true;
        self
    }

    /// The application's own login page, a path on this host. Problems contain it as `login_url`; with
    /// [`redirect_browsers`](Self::redirect_browsers) browsers are sent there. It is given `return_to`, to be checked
    /// with [`is_local_path`] before it is followed: any site can contain a link to a login page.
    pub fn login_at(mut self, path: &str) -> Self {
        self.denials.login = Some(path.to_owned());
        self
    }

    /// Under which name the application's own pages, for login and for step-up, are given the way back: `next` for a
    /// login page that reads `?next=`. `return_to` unless set. The start route always reads `return_to`.
    pub fn return_as(mut self, parameter: &str) -> Self {
        self.denials.return_as = Some(parameter.to_owned());
        self
    }

    /// The application's own page where people confirm by face, a path on this host. Problems contain it as
    /// `step_up_url`; all else is as for [`login_at`](Self::login_at).
    pub fn step_up_at(mut self, path: &str) -> Self {
        self.denials.step_up = Some(path.to_owned());
        self
    }

    /// `WWW-Authenticate` of a 401 that asks for a login. RFC 9110 wants one on every 401; unless set it is `Login`, a
    /// scheme that no browser knows, so that none shows a dialog of its own, as they do for `Basic`. An API whose clients
    /// log in with tokens would say `Bearer`, as it is unless set where [`bearer_tokens`](Self::bearer_tokens) are taken.
    pub fn challenge(mut self, challenge: &str) -> Self {
        self.denials.challenge = Some(challenge.to_owned());
        self
    }

    /// Shows the application's name, logo and stylesheet on the built-in pages: the denials and failed flows that browsers
    /// are shown. For pages of your own use [`render`](Self::render).
    pub fn brand(mut self, brand: Brand) -> Self {
        self.denials.brand = Some(brand);
        self
    }
}

/// What is left of the settings once they are known to work.
pub(super) type Checked = (Pages, Cow<'static, str>, Option<Brand>);

impl Denials {
    pub(super) fn check(self, takes_tokens: bool) -> Result<Checked, ConfigError> {
        let is_page = |path: &Option<String>| {
            path.as_ref().is_none_or(|path| is_local_path(path) && path.is_ascii() && !path.contains(['?', '#', ' ']))
        };
        if !is_page(&self.login) {
            return Err(ConfigError::new("login_at", NO_PAGE));
        }
        if !is_page(&self.step_up) {
            return Err(ConfigError::new("step_up_at", NO_PAGE));
        }
        let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if self.return_as.as_deref().is_some_and(|name| name.is_empty() || !is_plain(name)) {
            return Err(ConfigError::new("return_as", "must be a name of letters, digits and - _ ."));
        }
        let challenge = self.challenge.map_or(Cow::Borrowed(if takes_tokens { "Bearer" } else { "Login" }), Cow::Owned);
        let is_legal = challenge.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if !is_legal || challenge.trim().is_empty() {
            return Err(ConfigError::new("challenge", "not a header value"));
        }
        let pages = Pages {
            base: String::new(),
            start: None,
            login: self.login,
            step_up: self.step_up,
            return_as: self.return_as,
            redirects: self.redirects,
        };
        if self.brand.as_ref().is_some_and(|brand| !brand.is_legal()) {
            return Err(ConfigError::new("brand", "logo and stylesheet must be paths on this host"));
        }
        Ok((pages, challenge, self.brand))
    }
}

const NO_PAGE: &str = "must be a path on this host, without a query";

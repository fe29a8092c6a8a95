//! All routes of the layer below one path.

use super::Builder;

impl Builder {
    /// Mounts the routes of the layer below this path instead of below `/incode`: `mount_at("/id")` makes `/id/webhook`,
    /// `/id/start`, `/id/callback` and `/id/token`. A path that is named on its own counts from then on:
    /// [`webhook_path`](Self::webhook_path), [`flow_paths`](Self::flow_paths) and [`token_path`](Self::token_path) come
    /// after it.
    ///
    /// The vendor is told the same paths: they are in the dashboard as webhook, token and redirect URL.
    pub fn mount_at(mut self, prefix: &str) -> Self {
        let prefix = prefix.trim_end_matches('/');
        let at = |route: &str| [prefix, route].concat();
        self.webhook_paths.clear();
        self.webhook_path(&at("/webhook")).flow_paths(&at("/start"), &at("/callback")).token_path(&at("/token"))
    }
}

//! The scripts, each put together from the parts it needs: a part that is not needed costs time in every call.

use std::sync::LazyLock;

/// A script with the hash by which the server knows it.
#[derive(Debug)]
pub(crate) struct Script {
    /// Sent when the server does not know the hash.
    pub(crate) text: &'static str,
    /// SHA-1 of the text, in hexadecimal digits: the server's own name of the script.
    pub(crate) hash: String,
}

impl Script {
    /// The hash is that of the whole text: a script of another version has another hash, so processes of two versions
    /// can share a server.
    fn new(text: &'static str) -> Self {
        Self { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }
}

/// Declares each script with its parts. `base.lua` is always the first.
macro_rules! scripts {
    ($($name:ident = $($part:literal)+;)*) => { $(
        pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("lua/base.lua") $(, include_str!(concat!("lua/", $part, ".lua")))+))
        });
    )* };
}

scripts! {
    ACCEPT = "events" "accept";
    CLAIM = "events" "claim";
    CLAIM_JOBS = "claim_jobs";
    COUNTS = "counts";
    EVENT = "event";
    LIST = "list";
    LOAD = "rows" "load";
    OPEN = "open";
    PRUNE = "events" "prune";
    RENEW = "events" "renew";
    RENEW_JOBS = "renew_jobs";
    REPLACE_SECRET = "replace_secret";
    REPLAY = "events" "audits" "replay";
    REPLAY_JOBS = "audits" "replay_jobs";
    SECRET = "secret";
    SETTLE = "events" "settle";
    SETTLE_JOB = "settle_job";
    SUBJECT = "subject";
    TIME = "time";
    WRITE = "events" "rows" "audits" "write";
}

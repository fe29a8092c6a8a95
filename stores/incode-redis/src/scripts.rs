//! Each call that writes is one script, which the server runs from its first line to its last with nobody in between.

use std::sync::LazyLock;

use redis::Script;

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => { $(
        pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!(include_str!("lua/prelude.lua"), include_str!($file))));
    )* };
}

scripts! {
    ACCEPT = "lua/accept.lua";
    CLAIM = "lua/claim.lua";
    CLAIM_EFFECTS = "lua/claim_jobs.lua";
    COUNTS = "lua/counts.lua";
    EFFECT_COUNTS = "lua/job_counts.lua";
    FIELDS = "lua/fields.lua";
    FORGET = "lua/forget.lua";
    INSPECT = "lua/inspect.lua";
    LINK = "lua/link.lua";
    LINKED = "lua/linked.lua";
    LIST = "lua/list.lua";
    OBSERVE = "lua/observe.lua";
    PRUNE = "lua/prune.lua";
    REPLAY = "lua/replay.lua";
    REPLAY_EFFECTS = "lua/replay_jobs.lua";
    SETTLE = "lua/settle.lua";
    SETTLE_EFFECT = "lua/settle_job.lua";
    UNLINK = "lua/unlink.lua";
}

//! What a server must be, and the keys under the prefix.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `meta` | hash | `version`, `feed_key` of the notices, check values of secrets |
//! | `n` | hash | the last id of events, jobs, audits |
//! | `e:ID` | hash | an event |
//! | `k:STATE` | hash | how many rows of that state hold a key; `k:objects` the pending rows of an object |
//! | `due`, `due:implausible` | sorted set | pending events by due time |
//! | `events`, `s:STATE`, `r:REASON` | sorted set | event ids, for lists and counts |
//! | `settled`, `tokens` | sorted set | events by settlement; dead events that still have a token |
//! | `i:IDENTITY`, `t:SHA1` | text | an identity; the instant at which one was forgotten |
//! | `v:VERIFICATION` | sorted set | the identities whose row names the verification |
//! | `f:IDENTITY`, `fields:until` | hash, sorted set | retained fields; when they expire |
//! | `l:SUBJECT`, `il:IDENTITY` | text, sorted set | a link; the subjects linked to an identity |
//! | `p:SUBJECT`, `ip:IDENTITY`, `pending:until` | the same | pending links; when they expire |
//! | `d:SUBJECT`, `refused` | text, sorted set | the newest refused link; subjects by when it was refused |
//! | `c:SUBJECT`, `confirmed` | sorted set | confirmations by instant; subjects by their oldest |
//! | `nonces`, `used_tokens`, `used_tokens:until` | sorted set, hash | used correlation ids and tokens |
//! | `x:ID`, `jobs`, `xs:STATE`, `xd:HANDLER`, `xi:IDENTITY`, `xsettled` | hash, sorted sets | jobs |
//! | `a:ID`, `audits`, `audits:other`, `erasures` | hash, sorted sets | the audit trail |

use std::collections::HashMap;

use data_encoding::HEXLOWER;
use incode_core::store::{StoreErrorKind, hub};
use redis::Value;

use crate::connection::Server;
use crate::error::Failure;
use crate::rows::{self, Row};
use crate::scripts;

/// Of the keys and their meaning. Another number is refused: there is no upgrade.
pub(crate) const VERSION: u32 = 1;

/// The key of the notices, in hexadecimal digits as it is kept.
pub(crate) struct FeedKey(pub(crate) String);

impl FeedKey {
    /// The key as bytes. It is kept as text so that `redis-cli` shows a readable `meta`.
    pub(crate) fn bytes(&self) -> Result<[u8; 32], Failure> {
        let decoded = HEXLOWER.decode(self.0.as_bytes()).ok();
        decoded.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| Failure::unreadable("key of the notices"))
    }
}

/// Refuses a server that this store can't work on. `HELLO` needs no right.
pub(crate) async fn check_server(server: &Server) -> Result<(), Failure> {
    let answer: HashMap<String, Value> = server.ask(&redis::cmd("HELLO")).await?;
    let text = |name: &str| match answer.get(name) {
        Some(Value::BulkString(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(Value::SimpleString(text)) => text.clone(),
        _ => String::new(),
    };
    match text("mode").as_str() {
        "cluster" => return Err(Failure::failed("it is a node of Redis Cluster, which is not supported")),
        "sentinel" => return Err(Failure::failed("it is a Redis Sentinel: name the primary itself")),
        _ => {}
    }
    if ["replica", "slave"].contains(&text("role").as_str()) {
        return Err(Failure::unavailable("it is a replica: name the primary"));
    }
    let version = text("version");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < OLDEST_REDIS) {
        return Err(Failure::failed(format!("Redis {OLDEST_REDIS} or newer is needed, and it is {version}")));
    }
    Ok(())
}

/// Tries the rights of the user, and claims the keys.
pub(crate) async fn open(server: &Server) -> Result<FeedKey, Failure> {
    let new = hub::new_key().map_err(|_| Failure::failed("no random bytes"))?;
    let call = server.script(&scripts::OPEN).arg(VERSION).arg(HEXLOWER.encode(&new));
    let row: Row = server.run(call).await.map_err(|failure| match failure.is_forbidden {
        // The keys of a script are looked at before it runs.
        true => Failure { cause: format!("{} (keys start with {})", failure.cause, server.prefix()), ..failure },
        false => failure,
    })?;
    match rows::maybe_text(&row, 0)? {
        Some("missing") => {
            let commands = rows::text(&row, 1)?;
            let cause = format!(
                "the user lacks the rights to these commands, or to keys that start with {}: {commands}",
                server.prefix()
            );
            Err(Failure::unavailable(cause))
        }
        Some(version) if version == VERSION.to_string() => Ok(FeedKey(rows::text(&row, 1)?.to_owned())),
        _ => Err(Failure::new(StoreErrorKind::Incompatible, "the keys are of another version of this store")),
    }
}

/// What is wrong with the durability of the server, if something is.
pub(crate) async fn weakness(server: &Server) -> Result<Option<&'static str>, Failure> {
    let appends = setting(server, "appendonly").await?;
    let syncs = setting(server, "appendfsync").await?;
    let evicts = eviction(server).await?;
    Ok(match (appends.as_deref(), syncs.as_deref(), evicts.as_deref()) {
        (None, ..) | (_, None, _) | (.., None) => Some("its settings can't be read (CONFIG GET is refused)"),
        (.., Some(policy)) if policy != KEEPS => Some("maxmemory-policy is not noeviction, so rows may be thrown away"),
        (Some("yes"), Some("always"), _) => None,
        (Some("yes"), ..) => Some("appendfsync is not always, so a crash of its machine loses the last second"),
        _ => Some("appendonly is not yes, so a restart loses everything since the last snapshot"),
    })
}

/// The eviction policy. `None`: the user may not read it.
pub(crate) async fn eviction(server: &Server) -> Result<Option<String>, Failure> {
    if let Some(policy) = setting(server, "maxmemory-policy").await? {
        return Ok(Some(policy));
    }
    // Hosted servers often refuse CONFIG and allow INFO.
    let info = readable(server.ask::<String>(redis::cmd("INFO").arg("memory")).await)?;
    let policy = info.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")));
    Ok(policy.map(|policy| policy.trim().to_owned()))
}

/// One setting of the server. `None`: the user may not read it, as with many hosted servers.
async fn setting(server: &Server, name: &str) -> Result<Option<String>, Failure> {
    let all = server.ask::<HashMap<String, String>>(redis::cmd("CONFIG").arg("GET").arg(name)).await;
    Ok(readable(all)?.and_then(|mut all| all.remove(name)))
}

/// A server that refuses to answer is no server that failed.
fn readable<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failure) if failure.is_broken || failure.kind == StoreErrorKind::Unavailable && !failure.is_forbidden => {
            Err(failure)
        }
        Err(_) => Ok(None),
    }
}

/// The only policy under which no row is thrown away.
pub(crate) const KEEPS: &str = "noeviction";
/// Scripts of older servers replicate in another way, and `HELLO` does not name the role.
const OLDEST_REDIS: u32 = 7;

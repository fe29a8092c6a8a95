//! Redis behind an application. What needs none is tested in the crate of the engine.

use incode_redis::RedisOptions;

/// The options of a store on this server, with keys of its own.
pub(crate) fn options(url: &str, name: &str) -> RedisOptions {
    RedisOptions::new(url).unwrap().name(name).unwrap()
}

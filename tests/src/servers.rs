//! Private servers for the stores that need one: those of `incode-test-servers`, and Redis. And the proxies that people
//! put in front of an application.

mod front;
mod redis;

pub use front::{Front, FrontServer, Variant};
pub use incode_test_servers::{Certificates, PostgresServer, Proxy, free_port};
pub use redis::RedisServer;

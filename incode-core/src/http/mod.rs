//! The border to web frameworks, independent of their versions: actix-web 4 uses `http` 0.2, axum 1.x, and core neither.
//!
//! | type | direction |
//! |---|---|
//! | [`RequestHead`] | what core reads of a request; adapters implement it |
//! | [`BodyLimit`] | how a body is read: bounded in bytes and in time |
//! | [`Reply`] | an answer; adapters copy it into their own response type |
//! | [`Problem`] | a refusal as RFC 9457 problem+json |

mod accept;
mod body;
mod credentials;
mod head;
mod language;
mod page;
mod page_texts;
mod problem;
mod reply;
pub(crate) mod return_to;

pub use body::{BodyError, BodyLimit};
pub(crate) use credentials::credentials;
pub use head::{Field, RequestHead};
pub use language::Language;
pub use page::Brand;
pub(crate) use page::page;
pub use problem::Problem;
pub use reply::Reply;
pub use return_to::is_local as is_local_path;

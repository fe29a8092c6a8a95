//! The seam to web frameworks, neutral to their versions: actix-web 4 is on `http` 0.2, axum on 1.x, and core names
//! neither. A [`RequestHead`] gives what core reads of a request, a [`Reply`] is what an adapter sends back.

mod accept;
mod credentials;
mod head;
mod language;
mod page;
mod page_texts;
mod problem;
mod reply;
pub(crate) mod return_to;

pub(crate) use credentials::credentials;
pub use head::{Field, RequestHead};
pub use language::Language;
pub use page::Brand;
pub(crate) use page::page;
pub use problem::Problem;
pub use reply::Reply;
pub use return_to::is_local as is_local_path;

//! One person: `who`, `link`, `unlink`, `forget`, `export`; and many: `import`.

mod change;
mod export;
mod import;
mod rows;
mod who;

pub(crate) use change::{forget, link, unlink};
pub(crate) use export::export;
pub(crate) use import::import;
pub(crate) use rows::Format;
pub(crate) use who::who;

use incode_core::identity::FoundPerson;
use incode_core::store::Store;

use crate::failure::Failure;

/// By subject, identity or verification.
async fn find(store: &dyn Store, name: &str) -> Result<FoundPerson, Failure> {
    FoundPerson::find(store, name).await?.ok_or_else(|| {
        Failure::not_found(
            "no subject was ever linked or refused under this name, and no identity or verification has this id: if it is a \
             subject, send it through the hosted flow",
        )
    })
}

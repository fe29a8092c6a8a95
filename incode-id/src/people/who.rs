//! `who`: why a person stands as they do.

use incode_core::gate::Explanation;
use incode_core::store::Store;
use serde_json::json;

use super::find;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings;

pub(crate) async fn who(store: &dyn Store, name: &str, output: &Output) -> Result<(), Failure> {
    let person = find(store, name).await?;
    // An identity that was forgotten between the two reads is as good as never found.
    let explained = Explanation::read(store, &person, settings::now(store).await?).await?;
    let explained = explained.ok_or_else(|| Failure::not_found("the identity was erased a moment ago"))?;
    output.object(&json!(explained))
}

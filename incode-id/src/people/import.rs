//! `import`: links of people whom another system has verified at the same vendor.

use std::io::Read;

use incode_core::identity::transition::{Command, Outcome};
use incode_core::identity::{Link, LinkProof};
use incode_core::store::{AuditAction, Store};
use serde_json::json;

use super::change::{change, said};
use super::rows::{self, Format};
use crate::cli::ImportArguments;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings;

/// Reads every row before the first is written, so that a file that can't be read changes nothing. Running it again does
/// no harm: what is linked already stays as it is.
pub(crate) async fn import(store: &dyn Store, arguments: ImportArguments, output: &Output) -> Result<(), Failure> {
    let ImportArguments { file, format, shared_identities, by } = arguments;
    let by = by.actor()?;
    let format = format.or_else(|| Format::of(&file)).ok_or_else(|| {
        Failure::arguments("the name of the file does not say what it is: write --format csv or --format jsonl")
    })?;
    let rows = rows::read(&text(&file)?, format)?;
    let note = Command::Note { action: AuditAction::Import, count: rows.len() as u64, by };
    change(store, note, false).await?;
    let (mut linked, mut refused) = (0_u64, Vec::new());
    for (at, row) in rows.iter().enumerate() {
        if at % ROWS_A_LINE == 0 {
            output.progress(&format!("{at} of {} rows", rows.len()));
        }
        let now = settings::now(store).await?;
        let link = Link::new(row.subject.clone(), row.identity.clone(), LinkProof::Application, now);
        match change(store, Command::Import(link), shared_identities).await? {
            Outcome::Refused(refusal) => {
                refused.push(json!({"line": row.line, "refused": refusal, "because": said(refusal)}));
            }
            _ => linked += 1,
        }
    }
    output.progress("");
    if !refused.is_empty() {
        output.list(&["line", "refused", "because"], &refused)?;
    }
    output.object(&json!({"linked": linked, "refused": refused.len()}))?;
    if refused.is_empty() { Ok(()) } else { Err(Failure::refused(format!("{} rows were not linked", refused.len()))) }
}

fn text(file: &str) -> Result<String, Failure> {
    if file != "-" {
        return std::fs::read_to_string(file).map_err(|error| Failure::missing(file.as_ref(), &error));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(Failure::system)?;
    Ok(text)
}

/// How often progress is shown.
const ROWS_A_LINE: usize = 500;

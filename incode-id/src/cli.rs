//! The arguments.

use std::num::NonZeroUsize;

use clap::{Args, Parser, Subcommand};
use incode_core::model::EventKind;
use incode_core::store::{EventState, JobState, Reason};
use incode_core::{Actor, IdentityId, InvalidValue, Subject};

use crate::failure::Failure;
use crate::people::Format;
use crate::{doctor, init, listen, probe, sandbox, send};

/// For those who set up and operate an application that uses incode.
#[derive(Debug, Parser)]
#[command(name = "incode-id", version, after_help = AFTER)]
pub(crate) struct Cli {
    /// Writes JSON to stdout instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The store: sqlite:PATH, postgres://... or redis://... Without it INCODE_STORE is read, or the file that
    /// INCODE_STORE_FILE names. Prefer these: other users of the machine can see arguments, and the URL may hold a password.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// Reads variables from this file, lines NAME=value as `init` writes them. They count before the environment.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) env_file: Option<std::path::PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes the secrets and an env file, and says what to enter at the vendor.
    #[command(after_help = init::HELP)]
    Init(init::Arguments),
    /// Compares what is set with what is there: settings, vendor, store, public URL.
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::Arguments),
    /// Finds out what the vendor's documents don't say, with a real check that you make.
    #[command(after_help = probe::HELP)]
    Probe(probe::Arguments),
    /// Receives deliveries, shows them with secrets masked, checks them, and passes them on.
    #[command(after_help = listen::HELP)]
    Listen(listen::Arguments),
    /// Sends a genuine delivery, with the sandbox as the vendor.
    #[command(after_help = send::HELP)]
    Send(send::Arguments),
    /// Runs the stand-in vendor.
    #[command(after_help = sandbox::HELP)]
    Sandbox(sandbox::Arguments),
    /// Works on a store as a whole.
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Lists, shows and replays events of the inbox.
    Events {
        #[command(subcommand)]
        command: EventsCommand,
    },
    /// Lists and replays jobs of the application's handlers.
    Jobs {
        #[command(subcommand)]
        command: JobsCommand,
    },
    /// Lists what was done by hand, newest first.
    #[command(after_help = "Example:\n  incode-id audit --limit 20")]
    Audit(Page),
    /// Shows why a person stands as they do: standing, since when, by what, what was refused and why, what to do next.
    #[command(after_help = "Example:\n  incode-id who account-4711")]
    Who {
        /// A subject, an identity id or the id of a verification; looked for in this order.
        name: String,
    },
    /// Links a subject to an identity that is known. No link is moved: unlink first.
    #[command(after_help = "Example:\n  incode-id link account-4711 5f3c9a0e --by anna --why \"ticket 812\"")]
    Link(LinkArguments),
    /// Ends the link of a subject. The identity stays.
    #[command(after_help = "Example:\n  incode-id unlink account-4711 --by anna --why \"ticket 812\"")]
    Unlink {
        #[arg(value_parser = subject)]
        subject: Subject,
        #[command(flatten)]
        by: By,
    },
    /// Erases an identity with its links and fields, and remembers that it was erased.
    #[command(after_help = "Example:\n  incode-id forget 5f3c9a0e --by anna")]
    Forget {
        #[arg(value_parser = identity_id)]
        identity: IdentityId,
        #[command(flatten)]
        by: By,
    },
    /// Writes everything that is stored of a person as JSON, for the person. INCODE_STORE_KEY opens personal fields.
    #[command(
        after_help = "Example:\n  incode-id export account-4711 --by anna --why \"request of 3 May\" > account-4711.json"
    )]
    Export {
        /// A subject, an identity id or the id of a verification; looked for in this order.
        name: String,
        #[command(flatten)]
        by: By,
    },
    /// Links subjects to identities that need not be known yet. Such a link opens no gate until the vendor answers.
    #[command(after_help = IMPORT)]
    Import(ImportArguments),
}

/// Who asks and why, for the audit trail.
#[derive(Debug, Args)]
pub(crate) struct By {
    /// Who asks, for the audit trail.
    #[arg(long, value_name = "NAME", value_parser = actor)]
    by: Actor,
    /// Why, for the audit trail: shown behind the name.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

impl By {
    pub(crate) fn actor(&self) -> Result<Actor, Failure> {
        match &self.why {
            None => Ok(self.by.clone()),
            Some(why) => self.by.because(why).map_err(|_| Failure::arguments(LONG_REASON)),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct LinkArguments {
    #[arg(value_parser = subject)]
    pub(crate) subject: Subject,
    #[arg(value_parser = identity_id)]
    pub(crate) identity: IdentityId,
    /// For an application whose identities serve several subjects.
    #[arg(long)]
    pub(crate) shared_identities: bool,
    #[command(flatten)]
    pub(crate) by: By,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The file, or - for stdin.
    pub(crate) file: String,
    /// What the file is, where its name does not end with .csv or .jsonl.
    #[arg(long)]
    pub(crate) format: Option<Format>,
    /// For an application whose identities serve several subjects.
    #[arg(long)]
    pub(crate) shared_identities: bool,
    #[command(flatten)]
    pub(crate) by: By,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Copies an SQLite file that no process uses into an empty schema of PostgreSQL.
    #[command(after_help = COPY)]
    Copy(CopyArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CopyArguments {
    /// The file: sqlite:PATH. Nothing in it is changed.
    #[arg(long, value_name = "URL")]
    pub(crate) from: String,
    /// The database: postgres://... Without it INCODE_STORE is read, or the file that INCODE_STORE_FILE names.
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// How many rows are written in one transaction at most.
    #[arg(long, value_name = "ROWS", default_value = "5000")]
    pub(crate) batch: NonZeroUsize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Lists events, newest first.
    #[command(after_help = "Example:\n  incode-id events list --state dead --reason exhausted")]
    List {
        /// Only these: pending, done, dead or ignored.
        #[arg(long, value_parser = event_state)]
        state: Option<EventState>,
        #[command(flatten)]
        filter: EventFilter,
        #[command(flatten)]
        page: Page,
    },
    /// Shows one event, without its token.
    #[command(after_help = "Example:\n  incode-id events show 4711")]
    Show { id: i64 },
    /// Makes dead events pending again: one, or all that the options name.
    #[command(after_help = "Examples:\n  incode-id events replay 4711 --by anna\n  \
                            incode-id events replay --all --reason exhausted --by anna")]
    Replay {
        #[arg(required_unless_present = "all", conflicts_with_all = ["all", "reason", "kind"])]
        id: Option<i64>,
        /// All dead events, or those of a reason and a kind.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        filter: EventFilter,
        /// Who asks, for the audit trail.
        #[arg(long, value_name = "NAME", value_parser = actor)]
        by: Actor,
    },
}

#[derive(Debug, Args)]
pub(crate) struct EventFilter {
    /// Only those that wait or died of this: exhausted, token_dead, not_found ...
    #[arg(long, value_parser = reason)]
    pub(crate) reason: Option<Reason>,
    /// Only those of this kind, for instance verification.completed.
    #[arg(long, value_parser = kind)]
    pub(crate) kind: Option<EventKind>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// Lists jobs, newest first.
    #[command(after_help = "Example:\n  incode-id jobs list --state dead --handler open-account")]
    List {
        /// Only these: pending, done or dead.
        #[arg(long, value_parser = job_state)]
        state: Option<JobState>,
        /// Only those of this handler.
        #[arg(long)]
        handler: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Shows one job.
    #[command(after_help = "Example:\n  incode-id jobs show 12")]
    Show { id: i64 },
    /// Makes dead jobs pending again: one, or all that the options name.
    #[command(after_help = "Examples:\n  incode-id jobs replay 12 --by anna\n  \
                            incode-id jobs replay --all --handler open-account --by anna")]
    Replay {
        #[arg(required_unless_present = "all", conflicts_with_all = ["all", "handler"])]
        id: Option<i64>,
        /// All dead jobs, or those of one handler.
        #[arg(long)]
        all: bool,
        /// Only those of this handler.
        #[arg(long, requires = "all")]
        handler: Option<String>,
        /// Who asks, for the audit trail.
        #[arg(long, value_name = "NAME", value_parser = actor)]
        by: Actor,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Page {
    /// How many at most.
    #[arg(long, default_value = "50")]
    pub(crate) limit: u32,
    /// Only those with a lower id: the last id of the page before.
    #[arg(long, value_name = "ID")]
    pub(crate) before: Option<i64>,
}

fn subject(text: &str) -> Result<Subject, InvalidValue> {
    Subject::new(text)
}

fn identity_id(text: &str) -> Result<IdentityId, InvalidValue> {
    IdentityId::new(text)
}

fn actor(text: &str) -> Result<Actor, InvalidValue> {
    Actor::new(text)
}

fn event_state(text: &str) -> Result<EventState, &'static str> {
    EventState::parse(text).ok_or("takes pending, done, dead and ignored")
}

fn job_state(text: &str) -> Result<JobState, &'static str> {
    JobState::parse(text).ok_or("takes pending, done and dead")
}

/// A reason that is not known would list everything of newer versions.
fn reason(text: &str) -> Result<Reason, &'static str> {
    let reason = Reason::parse(text);
    if reason.as_str() == text { Ok(reason) } else { Err("is no reason; docs/operations.md lists them") }
}

fn kind(text: &str) -> Result<EventKind, std::convert::Infallible> {
    Ok(EventKind::from(text))
}

const LONG_REASON: &str = "--by and --why take 128 characters together, and no control characters";
const IMPORT: &str = "\
CSV with the line of names subject,identityId, or one JSON object a line: {\"subject\":\"..\",\"identityId\":\"..\"}.
Nothing is written unless every line can be read. Rows that are refused are listed; the others are linked.

Example:
  incode-id import people.csv --by anna --why \"move from the old system\"";
const AFTER: &str = "\
Exit codes:
  0  done
  1  failed; stderr says why
  2  wrong arguments
  3  refused: the store is of another version or program, is not empty, or its copy is unfinished; or `init` would
     overwrite a file
  4  unavailable: the file is open in another process or is missing, or the server does not answer
  5  nothing was found under this name or id

Example:
  INCODE_STORE=postgres://app@db.internal/app incode-id who account-4711";
const COPY: &str = "\
A copy that was interrupted goes on where it was when the command is run again. Until it is finished no process can open
the schema. The file stays as it is.

Example:
  incode-id store copy --from sqlite:/var/lib/app/incode.db --to postgres://app@db.internal/app";

#[cfg(test)]
mod tests;

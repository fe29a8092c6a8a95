//! The command line of incode, for those who operate it. `incode-id --help` lists the commands.
//!
//! `cli` has the arguments, `settings` finds the store, `copy` moves a store, `events`, `jobs`, `audit` and `people` are
//! the other commands, `output` writes what they found, `failure` has the exit codes.

mod audit;
mod cli;
mod copy;
mod events;
mod failure;
mod jobs;
mod output;
mod people;
mod settings;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command, StoreCommand};
use failure::Failure;
use output::Output;

fn main() -> ExitCode {
    // What is wrong with the arguments ends with 2 here.
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where stderr is closed there is no other place to say it.
            let _ = writeln!(std::io::stderr(), "incode-id: {failure}");
            failure.code()
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let output = Output::new(cli.json);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::system)?;
    if let Command::Store { command: StoreCommand::Copy(arguments) } = &cli.command {
        return copy::run(arguments, &runtime, &output);
    }
    runtime.block_on(async {
        let store = settings::open(cli.store.as_deref()).await?;
        let done = match cli.command {
            // Handled above: it opens two stores in its own way.
            Command::Store { .. } => Ok(()),
            Command::Events { command } => events::run(&*store, command, &output).await,
            Command::Jobs { command } => jobs::run(&*store, command, &output).await,
            Command::Audit(page) => audit::run(&*store, &page, &output).await,
            Command::Who { name } => people::who(&*store, &name, &output).await,
            Command::Link(arguments) => people::link(&*store, arguments, &output).await,
            Command::Unlink { subject, by } => people::unlink(&*store, subject, &by, &output).await,
            Command::Forget { identity, by } => people::forget(&*store, identity, &by, &output).await,
            Command::Export { name, by } => people::export(&*store, &name, &by, &output).await,
            Command::Import(arguments) => people::import(&*store, arguments, &output).await,
        };
        store.close().await?;
        done
    })
}

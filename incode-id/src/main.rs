//! The command line of incode, for those who operate it. `incode-id --help` lists the commands.
//!
//! `cli` has the arguments, `settings` finds the store and the application's settings, `output` writes what was found,
//! `failure` has the exit codes, `http` the client and what is received, `log` what the libraries warn of. Every other
//! module is a command: `init`, `doctor`, `probe`, `listen`, `send` and `sandbox` set an application up, `copy` moves a
//! store, `events`, `jobs`, `audit` and `people` look after one.

// The comments on arguments are the text of `--help`, where an address needs no brackets.
#![allow(rustdoc::bare_urls)]

mod audit;
mod cli;
mod copy;
mod doctor;
mod events;
mod failure;
mod http;
mod init;
mod jobs;
mod listen;
mod log;
mod output;
mod people;
mod probe;
mod sandbox;
mod send;
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
    if let Some(path) = &cli.env_file {
        settings::read_file(path)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::system)?;
    if let Command::Store { command: StoreCommand::Copy(arguments) } = &cli.command {
        return copy::run(arguments, &runtime, &output);
    }
    runtime.block_on(async {
        // These open no store, or in their own way.
        let command = match cli.command {
            Command::Init(arguments) => return init::run(arguments, cli.store, &output),
            Command::Doctor(arguments) => return doctor::run(arguments, cli.store.as_deref(), &output).await,
            Command::Probe(arguments) => return probe::run(arguments, &output).await,
            Command::Listen(arguments) => return listen::run(arguments, &output).await,
            Command::Send(arguments) => return send::run(arguments, &output).await,
            Command::Sandbox(arguments) => return sandbox::run(&arguments, &output).await,
            command => command,
        };
        let store = settings::open(cli.store.as_deref()).await?;
        let done = match command {
            Command::Events { command } => events::run(&*store, command, &output).await,
            Command::Jobs { command } => jobs::run(&*store, command, &output).await,
            Command::Audit(page) => audit::run(&*store, &page, &output).await,
            Command::Who { name } => people::who(&*store, &name, &output).await,
            Command::Link(arguments) => people::link(&*store, arguments, &output).await,
            Command::Unlink { subject, by } => people::unlink(&*store, subject, &by, &output).await,
            Command::Forget { identity, by } => people::forget(&*store, identity, &by, &output).await,
            Command::Export { name, by } => people::export(&*store, &name, &by, &output).await,
            Command::Import(arguments) => people::import(&*store, arguments, &output).await,
            // Those above.
            _ => Ok(()),
        };
        store.close().await?;
        done
    })
}

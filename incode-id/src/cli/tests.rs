use clap::{CommandFactory, Parser};

use super::*;

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_an_example() {
    fn check(command: &clap::Command) -> usize {
        if command.has_subcommands() {
            return command.get_subcommands().map(check).sum();
        }
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let example = format!("incode-id {}", if command.get_name() == "copy" { "store copy" } else { "" });
        assert!(help.contains("Example") && help.contains(&example), "{}", command.get_name());
        1
    }
    assert_eq!(check(&Cli::command()), 14);
}

#[test]
fn a_replay_names_one_or_all() {
    let parse = |arguments: &[&str]| Cli::try_parse_from([&["incode-id"], arguments].concat());
    for right in [
        &["events", "replay", "7", "--by", "anna"][..],
        &["events", "replay", "--all", "--reason", "exhausted", "--by", "anna"],
        &["jobs", "replay", "7", "--by", "anna"],
        &["jobs", "replay", "--all", "--handler", "open", "--by", "anna"],
    ] {
        assert!(parse(right).is_ok(), "{right:?}");
    }
    for wrong in [
        &["events", "replay", "--by", "anna"][..],
        &["events", "replay", "7"],
        &["events", "replay", "7", "--all", "--by", "anna"],
        &["events", "replay", "7", "--kind", "x", "--by", "anna"],
        &["events", "replay", "--all", "--reason", "unheard", "--by", "anna"],
        &["jobs", "replay", "7", "--handler", "open", "--by", "anna"],
        &["jobs", "replay", "--handler", "open", "--by", "anna"],
        &["events", "list", "--state", "lost"],
    ] {
        assert!(parse(wrong).is_err(), "{wrong:?}");
    }
}

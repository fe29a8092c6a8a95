//! Each guard of `docs/security.md` is there, and the test that holds it. `tests/long/guards` takes them away, one at a
//! time, and sees those tests fail.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests: a panic is how they fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use incode_tests::guards::{Guard, root};

#[test]
fn every_guard_stands_where_it_is_said_to() {
    for guard in Guard::all() {
        guard.removed_from(&fs::read_to_string(root().join(&guard.file)).unwrap());
    }
}

#[test]
fn the_threat_model_names_every_guard_and_no_other() {
    let text = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let spans = text.split('`').skip(1).step_by(2);
    let named: BTreeSet<_> = spans.filter_map(|span| span.strip_prefix("guard:")).map(str::to_owned).collect();
    let all: BTreeSet<_> = Guard::all().into_iter().map(|guard| guard.name).collect();
    assert_eq!(named, all);
}

#[test]
fn every_guard_names_a_test_that_there_is() {
    for guard in Guard::all() {
        let place = match guard.package.as_str() {
            package @ ("incode-sqlite" | "incode-postgres" | "incode-redis") => format!("stores/{package}"),
            package => package.to_owned(),
        };
        let folder = root().join(match guard.package.as_str() {
            "incode-tests" => format!("tests/tests/{}", guard.target),
            _ if guard.target == "lib" => format!("{place}/src"),
            _ => format!("{place}/tests/{}", guard.target),
        });
        let name = guard.test.rsplit("::").next().unwrap();
        let is_there = declares(&folder, name) || declares(&folder.with_extension("rs"), name);
        assert!(is_there, "{}: no test {name} below {}", guard.name, folder.display());
    }
}

/// `INCODE_GUARDS` names the ones to try, with blanks between; unset, all.
#[test]
#[ignore = "compiles the project once for each guard: tests/long/guards"]
fn without_a_guard_its_test_fails() {
    let chosen = std::env::var("INCODE_GUARDS").unwrap_or_default();
    let chosen: BTreeSet<_> = chosen.split_whitespace().collect();
    let copy = Copy::new();
    let guards: Vec<_> = Guard::all().into_iter().filter(|g| chosen.is_empty() || chosen.contains(&*g.name)).collect();
    // A test that fails with its guard in place would say nothing without it.
    let sound = guards.iter().filter(|guard| match copy.run(guard) {
        Ok(()) => true,
        Err(error) => {
            println!("{}: FAILS WITH ITS GUARD\n{error}", guard.name);
            false
        }
    });
    let sound: Vec<_> = sound.collect();
    println!("{} of {} tests pass with their guard in place", sound.len(), guards.len());
    let mut held = 0;
    for guard in sound {
        let begun = Instant::now();
        let path = copy.0.path().join(&guard.file);
        let source = fs::read_to_string(&path).unwrap();
        fs::write(&path, guard.removed_from(&source)).unwrap();
        // Apart from the run: code that does not compile would hold nothing.
        let is_held = copy.build(guard).map(|()| copy.run(guard).is_err());
        fs::write(&path, source).unwrap();
        let word = match &is_held {
            Ok(true) => "fails",
            Ok(false) => "STILL PASSES",
            Err(error) => &format!("DOES NOT BUILD\n{error}"),
        };
        println!("{}: without it {} {word} ({:.0} s)", guard.name, guard.test, begun.elapsed().as_secs_f64());
        held += usize::from(is_held == Ok(true));
    }
    println!("{held} of {} guards are held by their test", guards.len());
    assert_eq!(held, guards.len());
}

/// A copy of the project, so that no other build reads a half-changed file.
struct Copy(tempfile::TempDir);

impl Copy {
    fn new() -> Self {
        let copy = tempfile::tempdir().unwrap();
        let list = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().unwrap();
        assert!(list.status.success());
        for file in String::from_utf8(list.stdout).unwrap().split_terminator('\0') {
            let to = copy.path().join(file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(root().join(file), to).unwrap();
        }
        Self(copy)
    }

    fn build(&self, guard: &Guard) -> Result<(), String> {
        self.cargo(guard, &["--no-run"])
    }

    /// Fails when no test was run, too: a guard that names none would be held by nothing.
    fn run(&self, guard: &Guard) -> Result<(), String> {
        self.cargo(guard, &["--", &guard.test])
    }

    fn cargo(&self, guard: &Guard, more: &[&str]) -> Result<(), String> {
        let mut command = Command::new(env!("CARGO"));
        // What waits for what does not come need not wait three minutes on three adapters.
        command.env("INCODE_TEST_PATIENCE", "30");
        command.args(guard.arguments()).args(more).current_dir(self.0.path());
        let output = command.env("CARGO_TARGET_DIR", root().join("target/guards")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            return Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)));
        }
        assert!(more == ["--no-run"] || !said.contains(" 0 passed"), "{}: no test {}", guard.name, guard.test);
        Ok(())
    }
}

fn declares(path: &Path, test: &str) -> bool {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().any(|entry| declares(&entry.unwrap().path(), test));
    }
    path.extension().is_some_and(|extension| extension == "rs")
        && fs::read_to_string(path).is_ok_and(|source| source.contains(&format!("fn {test}(")))
}

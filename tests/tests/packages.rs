//! What would be published: each crate is packed, unpacked, and looked at as a user would get it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test: a panic is how it fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is published, with its folder, in the order in which each can be published after the ones that it needs.
const PUBLISHED: [(&str, &str); 9] = [
    ("incode-sandbox", "incode-sandbox"),
    ("incode-core", "incode-core"),
    ("incode-sqlite", "stores/incode-sqlite"),
    ("incode-postgres", "stores/incode-postgres"),
    ("incode-redis", "stores/incode-redis"),
    ("incode-admin", "incode-admin"),
    ("incode-tower", "incode-tower"),
    ("incode-actix", "incode-actix"),
    ("incode-id", "incode-id"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // A build may be at work in `target`: what is listed there can be gone a moment later.
        if path.ends_with("target") || path.ends_with(".git") {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The paths that a source reads at compile time: arguments of `include_str!` and its like, and of `#[path]`.
fn paths_read_by(source: &str) -> Vec<String> {
    let marks = ["include_str!(", "include_bytes!(", "include!(", "#[path = "];
    let rest = marks.iter().flat_map(|mark| source.split(mark).skip(1));
    // All literals of the argument, joined: `concat!` joins them, and what stands between is a name.
    rest.map(|rest| {
        let argument = rest.split([';', ']', '\n']).next().unwrap_or_default();
        argument.split('"').skip(1).step_by(2).filter(|part| *part != "CARGO_MANIFEST_DIR").collect()
    })
    .collect()
}

/// How far a relative path climbs above the folder that it starts in.
fn climbs(path: &str) -> usize {
    let (mut depth, mut above) = (0_usize, 0);
    for part in path.split('/') {
        match part {
            ".." if depth == 0 => above += 1,
            ".." => depth -= 1,
            "" | "." => {}
            _ => depth += 1,
        }
    }
    above
}

#[test]
fn every_crate_can_be_packed_and_needs_nothing_outside_of_its_package() {
    let target = tempfile::tempdir().unwrap();
    let mut package = Command::new(env!("CARGO"));
    package.args(["package", "--no-verify", "--allow-dirty", "--locked", "--offline", "--quiet", "--target-dir"]);
    package.arg(target.path()).current_dir(root());
    for (name, _) in PUBLISHED {
        package.args(["--package", name]);
    }
    run(&mut package);

    for (name, folder) in PUBLISHED {
        let unpacked = target.path().join("package");
        run(Command::new("tar").current_dir(&unpacked).args(["-xzf", &format!("{name}-0.1.0.crate")]));
        let unpacked = unpacked.join(format!("{name}-0.1.0"));
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            assert!(unpacked.join(file).is_file(), "the package of {name} has no {file}");
        }
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let read = |folder: &Path| fs::read_to_string(folder.join(licence)).unwrap();
            assert_eq!(read(&root()), read(&root().join(folder)), "{folder}/{licence} differs from the project's");
        }

        // As cargo writes it: one key a line.
        let manifest = fs::read_to_string(unpacked.join("Cargo.toml")).unwrap();
        let keys = [
            "description",
            "license",
            "repository",
            "documentation",
            "readme",
            "rust-version",
            "keywords",
            "categories",
        ];
        for key in keys {
            let has_it =
                manifest.lines().any(|line| line.starts_with(&format!("{key} = ")) && !line.ends_with("= \"\""));
            assert!(has_it, "the package of {name} has no {key}");
        }
        assert!(!manifest.contains("\npath = \"..\""), "the package of {name} depends on a path");

        let mut sources = 0;
        for file in files(&unpacked).into_iter().filter(|file| file.extension().is_some_and(|kind| kind == "rs")) {
            let source = fs::read_to_string(&file).unwrap();
            let inside = file.strip_prefix(&unpacked).unwrap();
            for path in paths_read_by(&source) {
                // A path after `CARGO_MANIFEST_DIR` begins with a slash, and starts in the root of the package.
                let start = if path.starts_with('/') { 0 } else { inside.components().count() - 1 };
                assert!(climbs(&path) <= start, "{name}: {} reads {path}", inside.display());
            }
            sources += 1;
        }
        assert!(sources > 5, "{name}: {sources}");
    }
}

#[test]
fn a_path_that_leaves_the_package_is_seen() {
    let read = paths_read_by("#[path = \"../../stores/mod.rs\"]\nmod a;\nconst A: &str = include_str!(\"lua/a.lua\");");
    assert_eq!(read, ["lua/a.lua", "../../stores/mod.rs"]);
    let joined = paths_read_by("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/../tests/a.json\"))");
    assert_eq!((joined[0].as_str(), climbs(&joined[0])), ("/../tests/a.json", 1));
    assert_eq!(climbs("a/../b/c"), 0);
    assert_eq!(climbs("../../a"), 2);
}

/// Only what this list names may be published, so that no example or test goes to the registry by mistake.
#[test]
fn what_is_not_listed_is_not_published() {
    let listed: Vec<_> = PUBLISHED.iter().map(|(_, folder)| root().join(folder).join("Cargo.toml")).collect();
    for manifest in files(&root()).into_iter().filter(|file| file.ends_with("Cargo.toml")) {
        let text = fs::read_to_string(&manifest).unwrap();
        if !text.contains("[package]") {
            continue;
        }
        let is_private = text.contains("publish.workspace = true") || text.contains("publish = false");
        assert_ne!(is_private, listed.contains(&manifest), "{}", manifest.display());
    }
}

/// A long check that the workflow leaves out is never run. `release` is for the moment before a release only.
#[test]
fn the_workflow_runs_every_long_check() {
    let workflow = fs::read_to_string(root().join(".github/workflows/long.yaml")).unwrap();
    let mut listed: Vec<_> = workflow.lines().filter_map(|line| line.strip_prefix("          - ")).collect();
    let names = files(&root().join("tests/long"))
        .into_iter()
        .map(|file| file.file_name().unwrap().to_string_lossy().into_owned());
    let mut present: Vec<_> = names.filter(|name| name != "release").collect();
    present.sort();
    listed.sort_unstable();
    assert_eq!(listed, present);
}

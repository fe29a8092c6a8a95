//! The bodies of the fuzz targets as ordinary tests: over the committed seeds, over seeds changed at random, and over
//! any bytes. `tests/long/fuzz` goes on from there, guided by coverage.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test: a panic is how it fails")]

use std::fs;
use std::path::Path;

use incode_any_input::TARGETS;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{TestError, TestRunner};

/// Every seed, the changed ones and the others: a few seconds for each target.
fn holds(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|(own, _)| *own == name).unwrap();
    let seeds = seeds(name);
    assert!(seeds.len() > 3, "no seeds for {name}");
    seeds.iter().for_each(|seed| target(seed));

    let changes = vec((any::<Index>(), select(CHANGES.as_slice()), any::<u8>()), 0..6);
    let changed = (select(seeds), changes).prop_map(|(mut input, changes)| {
        for (at, change, byte) in changes {
            let at = at.index(input.len() + 1);
            change(&mut input, at, byte);
        }
        input
    });
    let inputs = prop_oneof![4 => changed, 1 => vec(any::<u8>(), 0..300)];
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() });
    let ran = runner.run(&inputs, |input| {
        target(&input);
        Ok(())
    });
    if let Err(TestError::Fail(reason, input)) = ran {
        panic!("{reason}, by the input \"{}\"", input.escape_ascii());
    }
    ran.unwrap();
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let files = fs::read_dir(&folder).unwrap_or_else(|_| panic!("no folder {}", folder.display()));
    files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
}

type Change = fn(&mut Vec<u8>, usize, u8);

const CHANGES: [Change; 6] = [
    |input, at, byte| input.insert(at, byte),
    |input, at, byte| {
        let signs = b"\"\\{}[]:,;%/?&=.\n\0 0e-+\xc3\xff";
        input.insert(at, signs[usize::from(byte) % signs.len()]);
    },
    |input, at, byte| {
        if let Some(old) = input.get_mut(at) {
            *old = byte;
        }
    },
    |input, at, byte| drop(input.drain(at..(at + usize::from(byte) % 16).min(input.len()))),
    |input, at, byte| {
        let again = input[at..(at + usize::from(byte)).min(input.len())].to_vec();
        input.splice(at..at, again);
    },
    |input, at, _| input.truncate(at),
];

macro_rules! targets {
    ($($name:ident),+) => {$(
        #[test]
        fn $name() {
            holds(stringify!($name));
        }
    )+

        #[test]
        fn every_target_is_tried_here() {
            assert_eq!(TARGETS.map(|(name, _)| name), [$(stringify!($name)),+]);
        }

        #[test]
        fn every_target_can_be_fuzzed() {
            let read = |file: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
            let (package, command) = (read("fuzz/Cargo.toml"), read("long/fuzz"));
            for (name, _) in TARGETS {
                assert!(read(&format!("fuzz/targets/{name}.rs")).contains(&format!("incode_any_input::{name}(")));
                assert!(package.contains(&format!("name = \"{name}\"\npath = \"targets/{name}.rs\"")), "{name}");
                assert!(command.contains(name), "{name}");
            }
        }
    };
}

targets! { answers, correlation_id, delivery, gate_request, settings, signature_header, token_request }

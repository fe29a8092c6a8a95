//! Compares the public API of each library with the list in `tests/api/lists`, or writes the lists anew.
//!
//! Called by `tests/api/run`, which makes the JSON of rustdoc that this reads.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(mode), Some(json), Some(lists)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: incode-api-list check|write JSON_FOLDER LIST_FOLDER LIBRARY...".into());
    };
    let mut changed = false;
    for library in arguments {
        let file = Path::new(&json).join(format!("{}.json", library.replace('-', "_")));
        // Impls that every type has say nothing about this one.
        let api = public_api::Builder::from_rustdoc_json(&file)
            .omit_blanket_impls(true)
            .omit_auto_trait_impls(true)
            .omit_auto_derived_impls(true)
            .build()
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let mut now: Vec<String> = api.items().map(ToString::to_string).collect();
        now.dedup();
        let list = Path::new(&lists).join(format!("{library}.txt"));
        if mode == "write" {
            fs::write(&list, now.join("\n") + "\n")?;
            continue;
        }
        let written = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
        let written: Vec<&str> = written.lines().collect();
        for gone in written.iter().filter(|line| !now.iter().any(|item| item == *line)) {
            println!("{library}: - {gone}");
            changed = true;
        }
        for new in now.iter().filter(|item| !written.contains(&item.as_str())) {
            println!("{library}: + {new}");
            changed = true;
        }
    }
    if changed {
        println!("The public API is another than tests/api/lists says. If that is meant: tests/api/run write");
    }
    Ok(if changed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

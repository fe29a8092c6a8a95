//! Guards: places in the code that refuse a request, each with what the code would be without it and the test that
//! then fails. `tests/guards` holds one file for each, `docs/security.md` the threat that it answers.

use std::fs;
use std::path::{Path, PathBuf};

/// One guard, as a file in `tests/guards` describes it:
///
/// ```text
/// file: incode-core/src/webhook/authenticity/header.rs
/// test: incode-tests conformance every_unauthentic_delivery_gets_the_same_answer
/// guard:
/// <lines that occur once in the file>
/// without:
/// <lines in their place>
/// ```
#[derive(Clone, Debug)]
pub struct Guard {
    /// The name of its file.
    pub name: String,
    /// Where it stands, from the root of the workspace.
    pub file: String,
    /// The package of the test that holds it.
    pub package: String,
    /// `lib`, or the name of an integration test.
    pub target: String,
    /// The name of the test, or a part of it that several adapters share.
    pub test: String,
    guard: String,
    without: String,
}

impl Guard {
    /// Every guard, by name.
    pub fn all() -> Vec<Self> {
        let mut files: Vec<PathBuf> = fs::read_dir(root().join("tests/guards"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "guard"))
            .collect();
        files.sort();
        files.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(path).unwrap();
        let parse = || {
            let (head, rest) = text.split_once("\nguard:\n")?;
            let (guard, without) = rest.split_once("\nwithout:\n")?;
            let field = |key: &str| head.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
            let mut test = field("test:")?.splitn(3, ' ');
            Some((field("file:")?, test.next()?, test.next()?, test.next()?, guard, without))
        };
        let Some((file, package, target, test, guard, without)) = parse() else {
            panic!("tests/guards/{name}.guard is not written as a guard")
        };
        Self {
            file: file.to_owned(),
            package: package.to_owned(),
            target: target.to_owned(),
            test: test.to_owned(),
            guard: guard.to_owned(),
            without: without.trim_end_matches('\n').to_owned(),
            name,
        }
    }

    /// The file without the guard.
    ///
    /// # Panics
    /// When the guard is not there, or not once.
    pub fn removed_from(&self, source: &str) -> String {
        assert_eq!(source.matches(&self.guard).count(), 1, "{}: the guard stands once in {}", self.name, self.file);
        let changed = source.replacen(&self.guard, &self.without, 1);
        assert_ne!(changed, source, "{}: without it the code is another", self.name);
        changed
    }

    /// The arguments with which `cargo test` runs the test alone.
    pub fn arguments(&self) -> Vec<String> {
        let target = if self.target == "lib" { vec!["--lib"] } else { vec!["--test", &self.target] };
        let all = ["test", "--quiet", "--locked", "--all-features", "-p", &self.package];
        all.into_iter().chain(target).map(str::to_owned).collect()
    }
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

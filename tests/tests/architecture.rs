//! The law of the arrows: who may depend on whom, what an adapter may not do, and how large a file may grow.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test: a panic is how it fails")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// `cargo metadata` of the workspace: every package, and what each depends on when it is not testing.
struct Packages {
    by_id: HashMap<String, Value>,
    normal: HashMap<String, Vec<String>>,
}

impl Packages {
    fn read() -> Self {
        let rustc = run(Command::new("rustc").arg("-vV"));
        let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let metadata = run(Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--all-features", "--filter-platform", host])
            .current_dir(root()));
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let by_id = list(&metadata["packages"]).into_iter().map(|package| (text(&package["id"]), package)).collect();
        let normal = list(&metadata["resolve"]["nodes"])
            .into_iter()
            .map(|node| {
                let is_normal = |dep: &Value| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
                let deps =
                    list(&node["deps"]).iter().filter(|dep| is_normal(dep)).map(|dep| text(&dep["pkg"])).collect();
                (text(&node["id"]), deps)
            })
            .collect();
        Self { by_id, normal }
    }

    fn id(&self, name: &str) -> &String {
        self.by_id.iter().find(|(_, package)| package["name"] == name).unwrap().0
    }

    fn direct(&self, name: &str) -> BTreeSet<String> {
        self.normal[self.id(name)].iter().map(|id| text(&self.by_id[id]["name"])).collect()
    }

    fn all(&self, name: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut next = vec![self.id(name).clone()];
        while let Some(id) = next.pop() {
            if seen.insert(id.clone()) {
                next.extend(self.normal[&id].iter().cloned());
            }
        }
        seen.iter().map(|id| text(&self.by_id[id]["name"])).collect()
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// All code of the project.
const FOLDERS: [&str; 9] = [
    "incode-core",
    "incode-tower",
    "incode-actix",
    "incode-admin",
    "incode-id",
    "incode-sandbox",
    "stores",
    "examples",
    "tests",
];
const ENGINES: [&str; 3] = ["incode-sqlite", "incode-postgres", "incode-redis"];

fn sources(folder: &str) -> BTreeMap<String, String> {
    files_of(folder, &["rs"])
}

fn files_of(folder: &str, extensions: &[&str]) -> BTreeMap<String, String> {
    fn walk(folder: &Path, base: &Path, extensions: &[&str], into: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, base, extensions, into);
            } else if path.extension().is_some_and(|known| extensions.iter().any(|extension| known == *extension)) {
                let name = path.strip_prefix(base).unwrap().to_string_lossy().into_owned();
                into.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let base = root().join(folder);
    let mut found = BTreeMap::new();
    walk(&base, &base, extensions, &mut found);
    assert!(!found.is_empty(), "no sources in {folder}");
    found
}

/// The code of a file: without comments, which may speak of anything.
fn code(source: &str) -> String {
    source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[test]
fn core_knows_no_framework() {
    let packages = Packages::read();
    let all = packages.all("incode-core");
    for framework in ["axum", "axum-core", "actix-web", "actix-http", "warp", "rocket", "poem", "salvo", "tonic"] {
        assert!(!all.contains(framework), "incode-core must not depend on {framework}");
    }
    for other in ["rusqlite", "tokio-postgres", "redis", "sqlx", "diesel", "maud", "askama", "tera", "incode-admin"] {
        assert!(!all.contains(other), "incode-core knows no database and no HTML: not {other}");
    }
    let direct = packages.direct("incode-core");
    for seam in ["http", "http-body", "hyper", "tower", "tower-service", "tower-layer"] {
        assert!(!direct.contains(seam), "incode-core's seam must not name {seam}");
    }
}

#[test]
fn an_adapter_knows_core_and_its_own_framework() {
    let packages = Packages::read();
    let own = |name: &str| {
        let mut direct = packages.direct(name);
        let features = ["incode-admin", "incode-sqlite", "incode-postgres", "incode-redis"];
        for neutral in ["bytes", "futures-core", "pin-project-lite", "incode-core"].into_iter().chain(features) {
            direct.remove(neutral);
        }
        direct.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(
        own("incode-tower"),
        ["axum", "axum-core", "http", "http-body", "http-body-util", "tower-layer", "tower-service"]
    );
    assert_eq!(own("incode-actix"), ["actix-web"]);
    for (adapter, other) in
        [("incode-tower", "actix-web"), ("incode-actix", "axum-core"), ("incode-sandbox", "incode-core")]
    {
        assert!(!packages.all(adapter).contains(other), "{adapter} must not depend on {other}");
    }
}

#[test]
fn the_modules_of_core_follow_the_arrows() {
    // Each module with what it may name; base modules (ids, secret, time, seal) are open to all.
    let arrows: &[(&str, &[&str])] = &[
        ("http", &[]),
        ("model", &[]),
        ("client", &["model"]),
        ("webhook", &["model", "http"]),
        // Rules are pure, and the directory writes what they say through the contract: the two know each other.
        ("identity", &["model", "store"]),
        ("store", &["model", "identity"]),
        ("inbox", &["model", "client", "webhook", "identity", "store"]),
        ("gate", &["model", "http", "identity", "store"]),
        // What a token shows of itself is read in one place.
        ("flow", &["model", "client", "http", "identity", "store", "inbox"]),
    ];
    let modules: Vec<_> = arrows.iter().map(|(module, _)| *module).chain(["app"]).collect();
    for (module, allowed) in arrows {
        for (file, source) in sources(&format!("incode-core/src/{module}")) {
            if file.starts_with("tests") || file.contains("/tests") || file.starts_with("fake_") {
                continue;
            }
            let code = code(&source);
            for other in modules.iter().filter(|other| *other != module && !allowed.contains(other)) {
                let named = [format!("crate::{other}::"), format!("crate::{other};"), format!("crate::{{{other}")];
                let names = named.iter().any(|name| code.contains(name.as_str()))
                    || code.lines().any(|line| {
                        line.starts_with("use crate::{")
                            && line.split(&['{', ',', ' ', '}'][..]).any(|word| word == *other)
                    });
                assert!(!names, "{module}/{file} must not use {other}");
            }
        }
    }
}

#[test]
fn adapters_decide_nothing() {
    // What deciding would need. Status codes come from core's replies; the one fallback is for a code out of range.
    let forbidden = [
        "serde",
        "sha2",
        "Hmac",
        "SystemTime",
        "Instant",
        "Duration",
        "tracing::",
        "metrics::",
        "eprintln",
        "std::env",
        "StatusCode::OK",
        "StatusCode::UNAUTHORIZED",
        "StatusCode::FORBIDDEN",
        "StatusCode::NOT_FOUND",
        "Standing::",
        "unwrap()",
        "expect(",
        "panic!",
    ];
    for adapter in ["incode-tower/src", "incode-actix/src"] {
        for (file, source) in sources(adapter) {
            let code = code(&source);
            for word in forbidden {
                assert!(!code.contains(word), "{adapter}/{file} must not use `{word}`");
            }
        }
    }
}

#[test]
fn the_adapters_mirror_each_other_file_by_file() {
    // What only axum wants of the tower adapter, which serves other frameworks too.
    const AXUM: &str = "extract/axum.rs";
    let files = |adapter: &str| {
        let names = sources(adapter).into_keys().filter(|file| file != AXUM);
        names.map(|file| file.replace("transform.rs", "layer.rs")).collect::<BTreeSet<_>>()
    };
    assert_eq!(files("incode-tower/src"), files("incode-actix/src"));
}

#[test]
fn the_engines_have_the_files_of_the_contract() {
    const SHARED: [&str; 13] = [
        "accept.rs",
        "audit.rs",
        "change.rs",
        "error.rs",
        "identities.rs",
        "inbox.rs",
        "jobs.rs",
        "lib.rs",
        "life_cycle.rs",
        "options.rs",
        "rows.rs",
        "schema.rs",
        "store.rs",
    ];
    for engine in ENGINES {
        let files = sources(&format!("stores/{engine}/src"));
        for file in SHARED {
            assert!(files.contains_key(file), "{engine} has no {file}: the same table is in the same file of each");
        }
    }
}

/// Core decides about statuses and about which answer is newer; an engine reads and writes.
#[test]
fn no_rule_of_the_domain_is_in_an_engine() {
    for engine in ENGINES {
        for (file, source) in files_of(&format!("stores/{engine}/src"), &["rs", "sql", "lua"]) {
            if file.contains("tests") {
                continue;
            }
            let code = source.lines().map(|line| {
                let line = line.split("//").next().unwrap_or_default();
                // A comment of SQL and of Lua.
                line.split("-- ").next().unwrap_or_default()
            });
            for line in code {
                for status in ["ACTIVE", "REVOKED", "VERIFIED"] {
                    let is_named =
                        line.split(|char: char| !char.is_alphanumeric() && char != '_').any(|word| word == status);
                    assert!(!is_named, "{engine}/{file} names the status {status}: {line}");
                }
                for variant in ["IdentityStatus::Active", "IdentityStatus::Revoked", "IdentityStatus::Other"] {
                    assert!(!line.contains(variant), "{engine}/{file} decides by a status: {line}");
                }
                let words: Vec<_> = line.split_whitespace().collect();
                for place in words.windows(3) {
                    let compares = matches!(place[1], "<" | ">" | "<=" | ">=");
                    let is_sent = |word: &str| word.contains("sent_at") || word.contains("checked_at");
                    assert!(!(compares && (is_sent(place[0]) || is_sent(place[2]))), "{engine}/{file}: {line}");
                }
            }
        }
    }
}

/// A file that uses another is not used by it, however long the way.
#[test]
fn the_files_of_engines_and_adapters_use_each_other_in_one_direction() {
    for folder in ENGINES
        .map(|engine| format!("stores/{engine}/src"))
        .into_iter()
        .chain(["incode-tower/src", "incode-actix/src"].map(str::to_owned))
    {
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (file, source) in sources(&folder) {
            if file.contains("tests") || file == "lib.rs" {
                continue;
            }
            let module = file.split(['/', '.']).next().unwrap().to_owned();
            let code = code(&source);
            let named = code.split("crate::").skip(1).map(|rest| {
                rest.split(|char: char| !char.is_alphanumeric() && char != '_').next().unwrap_or_default().to_owned()
            });
            uses.entry(module.clone()).or_default().extend(named.filter(|other| *other != module));
        }
        // What uses nothing that is left is taken away, until nothing is left: then there is no circle.
        while !uses.is_empty() {
            let left: BTreeSet<_> = uses.keys().cloned().collect();
            uses.retain(|_, others| others.iter().any(|other| left.contains(other)));
            assert!(uses.len() < left.len(), "{folder}: files use each other in a circle: {left:?}");
        }
    }
}

#[test]
fn every_dependency_builds_with_the_rust_version_we_promise() {
    let packages = Packages::read();
    let version = |text: &str| {
        let mut parts = text.split('.').map(|part| part.parse::<u32>().unwrap());
        (parts.next(), parts.next(), parts.next().unwrap_or(0))
    };
    let promised = text(&packages.by_id[packages.id("incode-core")]["rust_version"]);
    for crates in ["incode-core", "incode-tower", "incode-actix", "incode-sandbox"] {
        for name in packages.all(crates) {
            let package = packages.by_id.values().find(|package| package["name"] == name.as_str()).unwrap();
            if let Some(needs) = package["rust_version"].as_str() {
                assert!(version(needs) <= version(&promised), "{name} needs rust {needs}, we promise {promised}");
            }
        }
    }
}

/// A second provider in a program lets rustls choose none on its own: an application that relies on that choice panics.
#[test]
fn no_library_chooses_the_tls_provider_of_an_application() {
    let providers = |library: &str, features: &str| {
        let arguments = ["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"];
        let tree = run(Command::new(env!("CARGO"))
            .args(arguments)
            .args(["--package", library, "--features", features])
            .current_dir(root()));
        assert!(tree.contains("rustls v"), "{library} has TLS");
        let names = tree.lines().filter_map(|line| line.split(' ').next());
        names.filter(|name| ["ring", "aws-lc-rs"].contains(name)).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    for adapter in ["incode-tower", "incode-actix"] {
        let all = "sqlite,postgres,redis,admin";
        assert_eq!(providers(adapter, all), BTreeSet::new(), "{adapter}");
        for (feature, provider) in [("tls-ring", "ring"), ("tls-aws-lc-rs", "aws-lc-rs")] {
            let chosen = providers(adapter, &format!("{all},{feature}"));
            assert_eq!(chosen, BTreeSet::from([provider.to_owned()]), "{adapter}");
        }
    }
    for library in ["incode-core", "incode-postgres", "incode-redis", "incode-sandbox"] {
        assert_eq!(providers(library, "default"), BTreeSet::new(), "{library}");
    }
}

#[test]
fn what_the_documents_name_exists() {
    for document in ["README.md", "docs/architecture.md", "docs/assurance.md", "docs/operations.md", "docs/security.md"]
    {
        let text = fs::read_to_string(root().join(document)).unwrap();
        // Code spans that read as a path of ours; modules are named from the folder of core's sources.
        let paths = text.split('`').skip(1).step_by(2).filter(|span| {
            span.contains('/')
                && !span.starts_with('/')
                && span.chars().all(|c| c.is_ascii_lowercase() || "/._-".contains(c))
        });
        for path in paths {
            let places = [root().join(path), root().join("incode-core/src").join(path)];
            assert!(places.iter().any(|place| place.exists()), "{document} names {path}, which is not there");
        }
    }
}

/// A recipe that is in the folder is in its list, and its code is compiled.
#[test]
fn every_recipe_is_listed_and_compiled() {
    let folder = root().join("docs/recipes");
    let list = fs::read_to_string(folder.join("README.md")).unwrap();
    let compiled = fs::read_to_string(root().join("tests/src/lib.rs")).unwrap();
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let recipes: Vec<_> = names.filter(|name| name != "README.md").collect();
    assert_eq!(list.matches("| [").count(), recipes.len());
    for name in recipes {
        assert!(list.contains(&format!("]({name})")), "{name} is not listed");
        assert!(compiled.contains(&format!("\"{name}\"")), "{name} is not compiled");
    }
}

/// `file::test` in the page of what is shown, so that no line of it outlives its test.
#[test]
fn the_tests_that_the_documents_name_exist() {
    for document in ["docs/assurance.md", "docs/security.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let named: Vec<_> = text.split('`').skip(1).step_by(2).filter_map(|span| span.split_once(".rs::")).collect();
        assert!(named.len() > 50, "{document}: {}", named.len());
        for (file, test) in named {
            let source =
                fs::read_to_string(root().join(format!("{file}.rs"))).unwrap_or_else(|_| panic!("no {file}.rs"));
            assert!(source.contains(&format!("fn {test}(")), "{file}.rs has no {test}");
        }
    }
}

#[test]
fn files_stay_small() {
    let mut lengths = Vec::new();
    for folder in FOLDERS {
        for (file, source) in sources(folder) {
            let length = source.lines().count();
            assert!(length <= 500, "{folder}/{file} has {length} lines");
            lengths.push(length);
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median < 130, "the median file has {median} lines");
}

#[test]
fn unsafe_is_forbidden_everywhere() {
    for (_, package) in Packages::read().by_id.iter().filter(|(_, package)| package["source"].is_null()) {
        let manifest = fs::read_to_string(text(&package["manifest_path"])).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{} does not take the workspace's lints",
            package["name"]
        );
    }
    assert!(fs::read_to_string(root().join("Cargo.toml")).unwrap().contains("unsafe_code = \"forbid\""));
}

/// A comment names the thing: a request, a row, a caller, a process. These words hide it.
#[test]
fn comments_name_what_they_mean() {
    const HIDING: [&str; 8] = ["anybody", "everybody", "heard", "news", "nobody", "somebody", "told", "whoever"];
    for folder in FOLDERS {
        for (file, source) in sources(folder) {
            for line in source.lines().filter(|line| line.trim_start().starts_with("//")) {
                let mut words = line.split(|char: char| !char.is_alphabetic()).map(str::to_lowercase);
                let hiding = words.find(|word| HIDING.contains(&word.as_str()));
                assert_eq!(hiding, None, "{folder}/{file}: {line}");
            }
        }
    }
}

/// The share of lines that are comments, without tests and blank lines: the code of an engine is the hardest to read.
#[test]
fn core_and_engines_are_documented() {
    let engines = ENGINES.map(|engine| (format!("stores/{engine}/src"), 15));
    for (folder, least) in [("incode-core/src".to_owned(), 20)].into_iter().chain(engines) {
        let files = sources(&folder).into_iter().filter(|(file, _)| !file.contains("test"));
        let lines: Vec<String> =
            files.flat_map(|(_, source)| source.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        let lines = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
        let (comments, code): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("//"));
        let share = 100 * comments.len() / (comments.len() + code.len());
        assert!(share >= least, "{folder}: {share} % of the lines are documentation");
    }
}

/// An alarm that names a metric which does not exist is silent for ever.
#[test]
fn the_alarm_rules_name_only_metrics_that_exist() {
    let rules = fs::read_to_string(root().join("docs/monitoring/alarms.yaml")).unwrap();
    let operations = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let names = |text: &str| -> BTreeSet<String> {
        let words = text.split(|char: char| !char.is_ascii_lowercase() && char != '_');
        words.filter(|word| word.starts_with("incode_")).map(str::to_owned).collect()
    };
    let used = names(&rules);
    let known = names(&operations);
    let unknown: Vec<_> = used.difference(&known).collect();
    assert!(used.len() >= 9 && unknown.is_empty(), "{unknown:?}");
}

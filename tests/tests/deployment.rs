//! Compares the operations documents with the program: names of settings, and the Kubernetes manifest.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test: a panic is how it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use yaml_rust2::YamlLoader;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Names that the program asks its environment for.
fn settings() -> BTreeSet<String> {
    let folders = [
        "incode-core/src/app",
        "incode-core/src/app/settings",
        "examples/gate-kit/src",
        "examples/gate-kit/src/settings",
    ];
    let files = folders.into_iter().flat_map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    let sources =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs"));
    let mut names = BTreeSet::new();
    for path in sources {
        let source = fs::read_to_string(path).unwrap();
        let quoted = source.split('"').skip(1).step_by(2).filter(|word| is_setting(word) && !word.ends_with('_'));
        names.extend(quoted.map(|name| base(name).to_owned()));
    }
    names
}

fn is_setting(word: &str) -> bool {
    let shouted = word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    shouted
        && (["BIND", "OPS_BIND", "PUBLIC_URL"].contains(&word)
            || word.starts_with("INCODE_")
            || word.starts_with("EXAMPLE_"))
}

/// Words of a document that read as names of settings. Those of the tests themselves are none.
fn named(document: &str) -> BTreeSet<String> {
    let words = document.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| is_setting(word) && !word.ends_with('_'));
    names
        .filter(|name| !name.starts_with("INCODE_TEST_") && !name.starts_with("INCODE_KILL_"))
        .map(|name| base(name).to_owned())
        .collect()
}

/// `NAME_FILE` names a file that holds `NAME`.
fn base(name: &str) -> &str {
    name.strip_suffix("_FILE").unwrap_or(name)
}

#[test]
fn every_setting_that_the_documents_name_is_read_and_every_one_that_is_read_is_in_the_table() {
    let settings = settings();
    assert!(settings.len() > 15, "{settings:?}");
    let mut documents = vec!["README.md".to_owned()];
    for folder in ["docs", "docs/recipes"] {
        let files =
            fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        documents.extend(files.filter(|file| file.contains('.')).map(|file| format!("{folder}/{file}")));
    }
    for document in documents {
        for name in named(&text(&document)) {
            assert!(settings.contains(&name), "{document} names {name}, which nothing reads");
        }
    }
    let page = text("docs/settings.md");
    let table: String = page.lines().filter(|line| line.starts_with("| `")).collect();
    let listed = named(&table);
    let missing: Vec<_> = settings.difference(&listed).collect();
    assert!(missing.is_empty(), "not in the table of docs/settings.md: {missing:?}");
}

#[test]
fn the_manifest_agrees_with_the_program() {
    let manifest = YamlLoader::load_from_str(&text("docs/kubernetes.yaml")).unwrap();
    let [deployment, service] = manifest.as_slice() else { panic!("a Deployment and a Service") };
    assert_eq!((deployment["kind"].as_str(), service["kind"].as_str()), (Some("Deployment"), Some("Service")));
    let (spec, pod) = (&deployment["spec"], &deployment["spec"]["template"]["spec"]);
    let labels = &spec["template"]["metadata"]["labels"];
    assert!(!labels.is_badvalue());
    assert_eq!((&spec["selector"]["matchLabels"], &service["spec"]["selector"]), (labels, labels));
    assert_eq!(spec["strategy"]["rollingUpdate"]["maxUnavailable"].as_i64(), Some(0));
    let [container] = pod["containers"].as_vec().unwrap().as_slice() else { panic!("one container") };

    // The program ends by itself before it is killed: first it is given time to be found no more.
    let seconds = |file: &str, name: &str| -> i64 {
        let source = text(file);
        let value = source.split(&format!("const {name}: Duration = Duration::from_secs(")).nth(1).unwrap();
        value.split(')').next().unwrap().parse().unwrap()
    };
    let requests = seconds("examples/gate-kit/src/run.rs", "PATIENCE");
    let drain = seconds("incode-core/src/inbox/runner.rs", "DRAIN");
    let pause = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_i64().unwrap();
    let grace = pod["terminationGracePeriodSeconds"].as_i64().unwrap();
    assert!(grace >= pause + requests + drain + 10, "{grace} s, of {pause}, {requests} and {drain}");

    // Only readiness may depend on the store; see the test of the two routes on the running apps.
    let probe = |name: &str| container[name]["httpGet"]["path"].as_str().unwrap().to_owned();
    assert_eq!((probe("livenessProbe"), probe("startupProbe"), probe("readinessProbe")), paths());
    let routes = text("examples/gate-kit/src/site.rs");
    for name in ["livenessProbe", "startupProbe", "readinessProbe"] {
        assert!(routes.contains(&format!("(\"{}\", \"GET, HEAD\")", probe(name))), "{name}");
        // Readiness is on the port of operations, which the Service does not publish.
        let port = usize::from(name == "readinessProbe");
        assert_eq!(container[name]["httpGet"]["port"], container["ports"][port]["name"], "{name}");
    }
    assert_eq!(service["spec"]["ports"][0]["targetPort"], container["ports"][0]["name"]);

    let env = container["env"].as_vec().unwrap();
    let names: BTreeSet<String> = env.iter().map(|one| base(one["name"].as_str().unwrap()).to_owned()).collect();
    assert!(names.is_subset(&settings()), "{names:?}");
    let bind = env.iter().find(|one| one["name"].as_str() == Some("BIND")).unwrap();
    let port = container["ports"][0]["containerPort"].as_i64().unwrap();
    assert!(bind["value"].as_str().unwrap().ends_with(&format!(":{port}")));
    for one in env {
        let name = one["name"].as_str().unwrap();
        let is_secret = ["KEY", "SECRET", "SECRETS", "STORE", "TOKEN"].iter().any(|end| base(name).ends_with(end));
        assert_eq!(is_secret, name.ends_with("_FILE"), "{name}: secrets, and nothing else, come from files");
        let mounted = one["value"].as_str().unwrap();
        let folders = container["volumeMounts"].as_vec().map(Vec::as_slice).unwrap_or_default();
        let is_mounted = folders.iter().any(|folder| mounted.starts_with(folder["mountPath"].as_str().unwrap()));
        assert_eq!(is_secret, is_mounted, "{name}: {mounted}");
    }
}

fn paths() -> (String, String, String) {
    ("/livez".into(), "/livez".into(), "/healthz".into())
}

//! Reads the documents as a reader does: each relative link leads somewhere, also in the book and on the page of a crate, and
//! no cell of a table is a paragraph.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test: a panic is how it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Each document by its path from the root: those of the root and of docs/, and the READMEs of crates.
fn documents() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    // Folders with documents, and whether those below them have some too.
    for (folder, is_deep) in [("", false), ("docs", true), (".github", false)] {
        collect(&root().join(folder), is_deep, &mut found);
    }
    for folder in CRATES {
        collect(&root().join(folder), false, &mut found);
    }
    assert!(found.len() > 80, "{}", found.len());
    found
}

fn collect(folder: &Path, is_deep: bool, into: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && is_deep {
            collect(&path, true, into);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            into.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

/// The folders of the crates that are published: what their READMEs say is shown where no other file of the repository is.
const CRATES: [&str; 9] = [
    "incode-core",
    "incode-tower",
    "incode-actix",
    "incode-admin",
    "incode-id",
    "incode-sandbox",
    "stores/incode-sqlite",
    "stores/incode-postgres",
    "stores/incode-redis",
];

/// The lines outside of code blocks.
fn prose(document: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    document.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// A line with its code spans emptied: what stands in them is no link and no border of a cell.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

/// The targets of links and pictures.
fn links(document: &str) -> Vec<String> {
    let text: String = prose(document).map(|line| without_code(line) + "\n").collect();
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.split(' ').next().unwrap_or_default().to_owned()).collect()
}

/// The anchors of the headings, as GitHub and mdbook make them.
fn anchors(document: &str) -> BTreeSet<String> {
    let mut times = BTreeMap::<String, usize>::new();
    let headings = prose(document).filter_map(|line| {
        let text = line.trim_start_matches('#');
        (text.len() < line.len() && text.starts_with(' ')).then(|| shown(text.trim()))
    });
    headings
        .map(|heading| {
            let kept = heading.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
            let slug: String =
                kept.flat_map(char::to_lowercase).map(|char| if char == ' ' { '-' } else { char }).collect();
            let before = times.entry(slug.clone()).or_default();
            *before += 1;
            if *before == 1 { slug } else { format!("{slug}-{}", *before - 1) }
        })
        .collect()
}

/// What a reader sees of a piece of Markdown: the text of a link without its target.
fn shown(text: &str) -> String {
    let mut parts = text.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |seen, rest| seen + rest.split_once(')').map_or(rest, |(_, after)| after))
}

/// Where a relative link of a document leads, from the root. `None`: out of the repository.
fn resolved(document: &str, target: &str) -> Option<PathBuf> {
    let mut path = Path::new(document).parent().unwrap().to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir if !path.pop() => return None,
            Component::ParentDir | Component::CurDir => {}
            part => path.push(part),
        }
    }
    Some(path)
}

#[test]
fn every_relative_link_leads_somewhere() {
    let documents = documents();
    let mut dead = Vec::new();
    let mut count = 0;
    for (name, document) in &documents {
        for link in links(document).iter().filter(|link| !link.contains(':')) {
            count += 1;
            let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(file, at)| (file, Some(at)));
            let target = if file.is_empty() { Some(PathBuf::from(name)) } else { resolved(name, file) };
            let Some(target) = target.filter(|target| root().join(target).exists()) else {
                dead.push(format!("{name}: {link}: no such file"));
                continue;
            };
            // The book has docs/ alone, and the page of a crate its README.
            let whole = if name.starts_with("docs/") {
                Some("docs")
            } else {
                CRATES.into_iter().find(|folder| name.starts_with(&format!("{folder}/")))
            };
            if whole.is_some_and(|whole| !target.starts_with(whole)) {
                dead.push(format!("{name}: {link}: leads out of what is published with it"));
            }
            let headings = documents.get(target.to_str().unwrap()).map(|document| anchors(document));
            if anchor.is_some_and(|anchor| headings.is_some_and(|headings| !headings.contains(anchor))) {
                dead.push(format!("{name}: {link}: no such heading"));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
    assert!(count > 200, "{count}");
}

#[test]
fn a_link_a_heading_and_a_cell_are_read_as_they_are_shown() {
    let document = "# What `axum::serve` does [not](a.md#b) do\n\n## Twice\n## Twice\n```sh\n# no heading](x)\n```\n![A](b.png) `](c)`";
    let expected = ["what-axumserve-does-not-do", "twice", "twice-1"].map(str::to_owned);
    assert_eq!(anchors(document), BTreeSet::from(expected));
    assert_eq!(links(document), ["a.md#b", "b.png"]);
    assert_eq!(resolved("docs/recipes/a.md", "../../README.md"), Some(PathBuf::from("README.md")));
    assert_eq!(resolved("docs/a.md", "../../README.md"), None);
    assert_eq!(cells("| a | `b|c` [d](e) |"), ["a", "`b|c` [d]"]);
}

/// Code spans that read as a path of ours. Paths are from the root, from docs/, or from the folder of core's sources.
#[test]
fn every_path_that_a_document_names_exists() {
    let mut count = 0;
    for (name, document) in documents() {
        let is_path = |span: &&str| {
            let letters = span.chars().all(|char| char.is_ascii_lowercase() || "/._-".contains(char));
            letters && span.contains('/') && !span.starts_with('/')
        };
        for path in prose(&document).flat_map(|line| line.split('`').skip(1).step_by(2)).filter(is_path) {
            count += 1;
            let places = ["", "docs", "incode-core/src"];
            let is_there = places.iter().any(|place| root().join(place).join(path).exists());
            assert!(is_there, "{name} names {path}, which is not there");
        }
    }
    assert!(count > 100, "{count}");
}

/// The book shows what its summary lists, and nothing else.
#[test]
fn the_summary_of_the_book_lists_every_document() {
    let documents = documents();
    let links = links(&documents["docs/SUMMARY.md"]);
    let listed: BTreeSet<_> = links.iter().map(|link| format!("docs/{link}")).collect();
    assert_eq!(listed.len(), links.len(), "a document is listed twice");
    let below = documents.keys().filter(|name| name.starts_with("docs/") && *name != "docs/SUMMARY.md");
    assert_eq!(listed, below.cloned().collect());
}

/// What a reader sees of each cell of a row.
fn cells(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut in_code = false;
    let mut before = ' ';
    for char in row.trim().trim_matches('|').chars() {
        in_code ^= char == '`';
        if char == '|' && !in_code && before != '\\' {
            cells.push(String::new());
        } else {
            cells.last_mut().unwrap().push(char);
        }
        before = char;
    }
    let targets_gone = |cell: &String| {
        let mut parts = cell.trim().split("](");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |seen, rest| seen + "]" + rest.split_once(')').map_or(rest, |(_, after)| after))
    };
    cells.iter().map(targets_gone).collect()
}

#[test]
fn no_cell_of_a_table_is_a_paragraph() {
    let mut long = Vec::new();
    for (name, document) in documents() {
        for row in prose(&document).filter(|line| line.trim_start().starts_with('|')) {
            long.extend(
                cells(row).into_iter().filter(|cell| cell.chars().count() > 200).map(|cell| (name.clone(), cell)),
            );
        }
    }
    assert!(long.is_empty(), "longer text goes below the table: {long:#?}");
}

/// As for comments: a sentence names the thing.
#[test]
fn documents_name_what_they_mean() {
    const HIDING: [&str; 8] = ["anybody", "everybody", "heard", "news", "nobody", "somebody", "told", "whoever"];
    for (name, document) in documents() {
        for line in prose(&document) {
            let line = without_code(line);
            let mut words = line.split(|char: char| !char.is_alphabetic()).map(str::to_lowercase);
            let hiding = words.find(|word| HIDING.contains(&word.as_str()));
            assert_eq!(hiding, None, "{name}: {line}");
        }
    }
}

/// `tests/pictures` writes what the documents show. A picture that none shows would grow old unseen.
#[test]
fn every_picture_is_shown_by_a_document() {
    let shown: BTreeSet<_> = documents()
        .iter()
        .flat_map(|(name, document)| {
            links(document).into_iter().filter_map(|link| resolved(name, &link)).collect::<Vec<_>>()
        })
        .collect();
    for entry in fs::read_dir(root().join("docs/pictures")).unwrap() {
        let picture = Path::new("docs/pictures").join(entry.unwrap().file_name());
        assert!(shown.contains(&picture), "no document shows {}", picture.display());
    }
}

/// Programs branch on a code, and support looks it up: each that a person can meet is in the page of denials.
#[test]
fn the_page_of_denials_lists_every_code() {
    let page = fs::read_to_string(root().join("docs/denials.md")).unwrap();
    let mut count = 0;
    for file in ["gate/denial.rs", "http/page_texts.rs", "flow/callback.rs", "flow/start.rs", "flow/messages.rs"] {
        let source = fs::read_to_string(root().join("incode-core/src").join(file)).unwrap();
        let is_code = |text: &&str| {
            let letters = text.chars().all(|char| char.is_ascii_lowercase() || char == '_');
            letters && text.contains('_') && !text.starts_with("incode_")
        };
        // Parameters of addresses are written like codes.
        let codes = source.split('"').skip(1).step_by(2).filter(is_code);
        for code in codes.filter(|code| !["correlation_id", "return_to"].contains(code)) {
            count += 1;
            assert!(page.contains(&format!("`{code}`")), "docs/denials.md lacks {code} of {file}");
        }
    }
    assert!(count > 60, "{count}");
}

//! Compares the data map of docs/data-protection.md with the schemas of the stores: each table, column and key is in both.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test: a panic is how it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Columns by table.
type Tables = BTreeMap<String, BTreeSet<String>>;

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)).unwrap()
}

/// The tables that `CREATE TABLE` statements in a text make.
fn tables(source: &str, prefix: &str) -> Tables {
    let without_comments: Vec<_> = source.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let sql = without_comments.join("\n");
    let statements = sql.split("CREATE TABLE ").skip(1).map(|rest| {
        let (name, rest) = rest.split_once('(').unwrap();
        (name.trim().strip_prefix(prefix).unwrap().to_owned(), columns(rest))
    });
    statements.collect()
}

/// The columns of a statement, from behind its opening parenthesis.
fn columns(rest: &str) -> BTreeSet<String> {
    let (mut depth, mut parts, mut part) = (1, Vec::new(), String::new());
    for char in rest.chars() {
        depth += i32::from(char == '(') - i32::from(char == ')');
        match char {
            _ if depth == 0 => break,
            ',' if depth == 1 => parts.push(std::mem::take(&mut part)),
            _ => part.push(char),
        }
    }
    parts.push(part);
    // Constraints of a table begin with a word in capitals.
    let names = parts.iter().filter_map(|part| part.split_whitespace().next());
    names.filter(|name| name.chars().all(|char| !char.is_ascii_uppercase())).map(str::to_owned).collect()
}

/// The tables of the data map that `engine` has: a name with another engine behind it is left out.
fn mapped(engine: &str) -> Tables {
    let page = text("docs/data-protection.md");
    let map = page.split("## Data map").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut tables = Tables::new();
    for section in map.split("\n### ").skip(1) {
        let name = section.lines().next().unwrap();
        if name == "Redis" {
            continue;
        }
        let cells =
            section.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| row.split(" | ").next().unwrap());
        let names = cells.flat_map(|cell| cell.split(", ")).filter_map(|part| {
            let (name, only) = part.trim_start_matches('`').split_once('`').unwrap();
            (only.is_empty() || only == format!(" ({engine})")).then(|| name.to_owned())
        });
        let columns: BTreeSet<_> = names.collect();
        if !columns.is_empty() {
            tables.insert(name.to_owned(), columns);
        }
    }
    tables
}

fn assert_same(engine: &str, schema: &Tables) {
    let map = mapped(engine);
    assert!(schema.len() >= 12, "{engine}: {schema:?}");
    for (table, columns) in schema {
        let known = map.get(table).unwrap_or_else(|| panic!("{engine}: {table} is not in the data map"));
        let missing: Vec<_> = columns.difference(known).collect();
        assert!(missing.is_empty(), "{engine}: not in the data map, of {table}: {missing:?}");
        let gone: Vec<_> = known.difference(columns).collect();
        assert!(gone.is_empty(), "{engine}: the data map names what {table} does not have: {gone:?}");
    }
    let gone: Vec<_> = map.keys().filter(|table| !schema.contains_key(*table)).collect();
    assert!(gone.is_empty(), "{engine}: the data map names tables that are not there: {gone:?}");
}

#[test]
fn the_data_map_has_each_column_of_sqlite_and_no_other() {
    assert_same("SQLite", &tables(&text("stores/incode-sqlite/src/schema.rs"), ""));
}

#[test]
fn the_data_map_has_each_column_of_postgresql_and_no_other() {
    assert_same("PostgreSQL", &tables(&text("stores/incode-postgres/src/schema.sql"), "incode."));
}

/// The keys in the first column of a table in a text, each row behind `start`.
fn keys(text: &str, start: &str) -> BTreeSet<String> {
    let rows = text.lines().filter_map(|line| line.strip_prefix(start));
    let cells = rows.map(|row| row.split(" | ").next().unwrap());
    cells
        .flat_map(|cell| cell.split('`').step_by(2))
        .map(str::to_owned)
        .filter(|key| !key.starts_with([',', ' ']))
        .collect()
}

#[test]
fn the_data_map_has_each_key_of_redis_and_no_other() {
    let page = text("docs/data-protection.md");
    let section = page.split("### Redis").nth(1).unwrap().split("\n## ").next().unwrap();
    let schema = keys(&text("stores/incode-redis/src/schema.rs"), "//! | `");
    assert!(schema.len() >= 35, "{schema:?}");
    assert_eq!(keys(section, "| `"), schema);
}

/// The scripts write no key that the table of keys leaves out.
#[test]
fn the_table_of_keys_has_each_key_that_the_scripts_name() {
    let known = keys(&text("stores/incode-redis/src/schema.rs"), "//! | `");
    let families: BTreeSet<_> = known.iter().map(|key| key.split(':').next().unwrap().to_owned()).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stores/incode-redis/src/lua");
    let mut named = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let source = fs::read_to_string(file.unwrap().path()).unwrap();
        let keys = source.split("P .. '").skip(1).map(|rest| rest.split('\'').next().unwrap().to_owned());
        named.extend(keys);
    }
    assert!(named.len() >= 20, "{named:?}");
    for key in named.iter().filter(|key| *key != "probe") {
        let family = key.split(':').next().unwrap();
        assert!(families.contains(family), "a script names {key}, which the table of keys does not have");
    }
}

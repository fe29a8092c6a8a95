//! The alarm rules and the dashboard, read by Prometheus's own tool, and held against the table of metrics.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test: a panic is how it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use incode_test_servers::{program, skipped};
use serde_json::{Value, json};
use yaml_rust2::YamlLoader;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Runs `promtool`. The output comes with the failure, because it names the rule and the line.
fn promtool(arguments: &[&str]) {
    let Some(program) = program("promtool", []) else { return skipped("promtool").unwrap_or_default() };
    let output = Command::new(program).args(arguments).current_dir(root()).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

/// Kind of each metric in the table of operations.md, by name.
fn documented() -> BTreeMap<String, String> {
    let operations = text("docs/operations.md");
    let rows = operations.lines().filter_map(|line| line.strip_prefix("| `incode_"));
    let metrics = rows.map(|row| {
        let name = row.split(['`', '{']).next().unwrap();
        let kind = row.split('|').nth(1).unwrap().trim();
        (format!("incode_{name}"), kind.to_owned())
    });
    metrics.collect()
}

/// The names of metrics in an expression, as Prometheus stores them.
fn names(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|char: char| !char.is_ascii_lowercase() && char != '_');
    words.filter(|word| word.starts_with("incode_")).map(str::to_owned).collect()
}

/// The metric of the table that a stored series belongs to: a histogram is stored as three.
fn metric_of(series: &str, documented: &BTreeMap<String, String>) -> Option<String> {
    if documented.get(series).is_some_and(|kind| kind != "histogram") {
        return Some(series.to_owned());
    }
    let metric = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| series.strip_suffix(suffix))?;
    (documented.get(metric)? == "histogram").then(|| metric.to_owned())
}

fn dashboard() -> Value {
    serde_json::from_str(&text("docs/monitoring/dashboard.json")).unwrap()
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

/// Every expression of the dashboard, with the title of its panel. Variables have a value, as Grafana gives them one.
fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let of = |panel: &Value| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().unwrap().clone();
        let filled = move |target: Value| {
            let expression = target["expr"].as_str().unwrap();
            (title.clone(), expression.replace("$__rate_interval", "5m").replace("$job", "app|other"))
        };
        targets.into_iter().map(filled).collect::<Vec<_>>()
    };
    panels(dashboard).flat_map(of).collect()
}

#[test]
fn prometheus_takes_the_alarm_rules() {
    promtool(&["check", "rules", "docs/monitoring/alarms.yaml"]);
}

#[test]
fn each_alarm_fires_when_it_should_and_not_otherwise() {
    promtool(&["test", "rules", "docs/monitoring/alarms.test.yaml"]);
}

/// A rule without a case in the tests may never fire: the first version of most of these did not.
#[test]
fn each_alarm_has_a_test_in_which_it_fires() {
    let rules = YamlLoader::load_from_str(&text("docs/monitoring/alarms.yaml")).unwrap();
    let alarms = rules[0]["groups"][0]["rules"].as_vec().unwrap();
    assert!(alarms.len() >= 10);
    let tests = text("docs/monitoring/alarms.test.yaml");
    for alarm in alarms {
        let (name, severity) = (alarm["alert"].as_str().unwrap(), alarm["labels"]["severity"].as_str().unwrap());
        let fires = format!("alertname=\"{name}\", alertstate=\"firing\", severity=\"{severity}\"");
        assert!(tests.contains(&fires), "{name}");
        for annotation in ["summary", "what_to_do"] {
            assert!(alarm["annotations"][annotation].as_str().is_some(), "{name}: {annotation}");
        }
    }
}

#[test]
fn prometheus_takes_each_expression_of_the_dashboard() {
    let dashboard = dashboard();
    let rule = |(number, (_, expression)): (usize, (String, String))| json!({"record": format!("panel:expression:{number}"), "expr": expression});
    let rules: Vec<_> = expressions(&dashboard).into_iter().enumerate().map(rule).collect();
    assert!(rules.len() >= 40);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("dashboard.rules.yaml");
    // JSON is YAML.
    fs::write(&file, json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string()).unwrap();
    promtool(&["check", "rules", "--lint=none", file.to_str().unwrap()]);
}

/// A panel whose expression names a label that is never there stays empty, and no tool complains. So each expression is
/// computed from series of all metrics that rise.
#[test]
fn each_expression_of_the_dashboard_gives_a_number() {
    // Values of the labels by which panels select.
    let labels =
        [r#"job="app", state="dead", outcome="dead""#, r#"job="app", state="pending", outcome="too_many_requests""#];
    let mut series = Vec::new();
    for (metric, kind) in documented() {
        let (names, rises) = match kind.as_str() {
            "histogram" => (["_bucket", "_sum", "_count"].map(|suffix| format!("{metric}{suffix}")).to_vec(), "0+2x40"),
            "counter" => (vec![metric], "0+2x40"),
            _ => (vec![metric], "1x40"),
        };
        for (name, labels) in names.iter().flat_map(|name| labels.map(|labels| (name, labels))) {
            for end in if name.ends_with("_bucket") { [r#", le="1""#, r#", le="+Inf""#].as_slice() } else { &[""] } {
                series.push(json!({"series": format!("{name}{{{labels}{end}}}"), "values": rises}));
            }
        }
    }
    let is_number = |(_, expression): (String, String)| {
        // That alone would be a number.
        let expression = expression.replace(" or vector(0)", "");
        let all = format!("count(({expression}) >= 0) > bool 0");
        json!({"expr": all, "eval_time": "15m", "exp_samples": [{"labels": "{}", "value": 1}]})
    };
    let checks: Vec<_> = expressions(&dashboard()).into_iter().map(is_number).collect();
    let tests = json!([{"name": "dashboard", "interval": "30s", "input_series": series, "promql_expr_test": checks}]);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("dashboard.test.yaml");
    fs::write(&file, json!({"evaluation_interval": "30s", "tests": tests}).to_string()).unwrap();
    promtool(&["test", "rules", file.to_str().unwrap()]);
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let (documented, dashboard) = (documented(), dashboard());
    let mut shown = BTreeSet::new();
    for (title, expression) in expressions(&dashboard) {
        let names = names(&expression);
        assert!(!names.is_empty(), "{title}: {expression}");
        for series in names {
            let metric = metric_of(&series, &documented);
            assert!(metric.is_some(), "{title}: no metric of operations.md is stored as {series}");
            shown.extend(metric);
        }
        let rated = expression.matches("rate(").count();
        assert_eq!(rated, expression.matches("[5m]").count(), "{title}: the interval is Grafana's choice");
        assert_eq!(expression.matches("job=~\"app|other\"").count(), expression.matches('{').count(), "{title}");
    }
    let missing: Vec<_> = documented.keys().filter(|metric| !shown.contains(*metric)).collect();
    assert!(missing.is_empty(), "on no panel: {missing:?}");
}

/// Grafana refuses no such file: it shows panels that are empty, or one above the other.
#[test]
fn the_dashboard_can_be_imported() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_u64().is_some_and(|version| version >= 36));
    assert_eq!(dashboard["id"], Value::Null, "a number would replace another dashboard");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "job"]);
    let source = json!({"type": "prometheus", "uid": "${datasource}"});
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is another panel's");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(x + w <= 24, "{title}");
        for cell in (x..x + w).flat_map(|column| (y..y + h).map(move |row| (column, row))) {
            assert!(cells.insert(cell), "{title}: another panel is in its place");
        }
    }
    for panel in panels(&dashboard) {
        assert_eq!(panel["datasource"], source, "{}", panel["title"]);
        let targets = panel["targets"].as_array().unwrap();
        let references: BTreeSet<_> = targets.iter().map(|target| target["refId"].as_str().unwrap()).collect();
        assert_eq!(references.len(), targets.len(), "{}", panel["title"]);
    }
}

//! `doctor` over wrong set-ups: each is found, and named with what to do.

mod outside;
mod stores;
mod vendor;

use serde_json::Value;

use crate::application::Settings;

/// What it found.
pub(crate) struct Found {
    code: Option<i32>,
    checks: Vec<Value>,
}

impl Found {
    pub(crate) async fn with(settings: &Settings, arguments: &[&str]) -> Self {
        let output = settings.run(&[&["doctor", "--json"], arguments].concat()).await;
        let written = String::from_utf8(output.stdout).unwrap();
        assert!(!written.contains("canary"), "a secret is shown: {written}");
        let lines = written.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")));
        Self { code: output.status.code(), checks: lines.filter(|line: &Value| !line["check"].is_null()).collect() }
    }

    /// The check ends like this, names the problem, and says what to do.
    pub(crate) fn assert(&self, check: &str, verdict: &str, detail: &str, todo: &str) {
        let has = |found: &Value, key: &str, words: &str| found[key].as_str().unwrap_or_default().contains(words);
        let found = self.checks.iter().any(|found| {
            found["check"] == check
                && found["verdict"] == verdict
                && has(found, "detail", detail)
                && has(found, "todo", todo)
        });
        assert!(found, "{check} {verdict} {detail} {todo}: {:#?}", self.checks);
        let fails = self.checks.iter().any(|found| found["verdict"] == "fail");
        assert_eq!(self.code, Some(i32::from(fails)), "{:#?}", self.checks);
    }

    /// Nothing is wrong.
    pub(crate) fn assert_green(&self, warnings: &[&str]) {
        let bad = |found: &&Value| found["verdict"] != "pass" && !warnings.contains(&found["check"].as_str().unwrap());
        let bad: Vec<_> = self.checks.iter().filter(bad).collect();
        assert!(bad.is_empty() && self.code == Some(0), "{bad:#?}");
    }
}

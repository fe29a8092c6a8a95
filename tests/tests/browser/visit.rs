//! What is asked of each page: axe finds nothing, wide and light, and on a phone of 320 px and dark; nothing is wider than
//! the window. The README's pictures are made on the way.

use std::path::PathBuf;

use data_encoding::BASE64;
use incode_tests::eventually;
use serde_json::{Value, json};

use crate::webdriver::Browser;

/// A walk over pages. What is wrong is collected, so that one run shows all of it.
pub(crate) struct Visit<'a> {
    pub(crate) browser: &'a Browser,
    axe: String,
    /// Where the README's pictures go, if they are to be made.
    pictures: Option<PathBuf>,
    wrong: Vec<String>,
}

impl<'a> Visit<'a> {
    /// None, in words, where there is no axe.
    pub(crate) fn new(browser: &'a Browser) -> Option<Self> {
        let Some(axe) = std::env::var_os("INCODE_TEST_AXE") else {
            println!("SKIPPED: the accessibility check of the pages: INCODE_TEST_AXE does not name axe's script");
            return None;
        };
        let axe = std::fs::read_to_string(axe).unwrap();
        let pictures = std::env::var_os("INCODE_TEST_PICTURES").map(PathBuf::from);
        Some(Self { browser, axe, pictures, wrong: Vec::new() })
    }

    /// Opens a page, and checks it.
    pub(crate) async fn open(&mut self, url: &str) {
        self.browser.open(url).await;
        self.check(url.split_once("://").map_or(url, |(_, rest)| rest)).await;
    }

    /// Checks the page that is open.
    pub(crate) async fn check(&mut self, name: &str) {
        for look in [WIDE, PHONE] {
            self.look(&look).await;
            let found = self.findings().await;
            self.wrong.extend(found.into_iter().map(|found| format!("{name}, {}: {found}", look.name)));
        }
    }

    /// Checks the page that is open, and makes its pictures for the README.
    pub(crate) async fn show(&mut self, name: &str) {
        self.check(name).await;
        let Some(directory) = self.pictures.clone() else { return };
        for (look, suffix) in [(WIDE, ""), (PHONE, "-phone")] {
            // Low, so that the picture ends where the page does.
            self.look(&Look { height: 320, ..look }).await;
            let height = self.browser.run("return document.documentElement.scrollHeight").await;
            let clip = json!({ "x": 0, "y": 0, "width": look.width, "height": height, "scale": 1 });
            let shot =
                self.browser.devtools("Page.captureScreenshot", json!({ "clip": clip, "captureBeyondViewport": true }));
            let shot = BASE64.decode(shot.await["data"].as_str().unwrap().as_bytes()).unwrap();
            std::fs::write(directory.join(format!("{name}{suffix}.png")), shot).unwrap();
        }
    }

    /// Ends the walk.
    pub(crate) async fn end(self) {
        self.browser.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
        self.browser.devtools("Emulation.setEmulatedMedia", json!({ "features": [] })).await;
        assert!(self.wrong.is_empty(), "{} findings:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }

    async fn look(&self, look: &Look) {
        let metrics = json!({ "width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": false });
        self.browser.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = json!({ "name": "prefers-color-scheme", "value": look.scheme });
        self.browser.devtools("Emulation.setEmulatedMedia", json!({ "features": [scheme] })).await;
    }

    /// A page that loads itself again meanwhile is asked again.
    async fn findings(&self) -> Vec<String> {
        let script = format!("{};{CHECK}", self.axe);
        let mut found = None;
        eventually("axe is done", async || {
            found = self.browser.try_run(&script).await;
            found.is_some()
        })
        .await;
        let found: Vec<Value> = found.unwrap().as_array().unwrap().clone();
        found.iter().map(|found| found.as_str().unwrap().to_owned()).collect()
    }
}

/// How the browser shows a page.
#[derive(Clone, Copy)]
struct Look {
    name: &'static str,
    width: u32,
    height: u32,
    scheme: &'static str,
}

const WIDE: Look = Look { name: "wide", width: 1000, height: 800, scheme: "light" };
/// The narrowest that WCAG 1.4.10 asks for.
const PHONE: Look = Look { name: "320 px", width: 320, height: 640, scheme: "dark" };

/// All rules but `meta-refresh`: a page that waits for the vendor loads itself again, because it has no script, and nothing
/// that a person entered is lost by it.
const CHECK: &str = "
    const wider = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const overflow = wider > 0 ? ['wider than the window by ' + wider + ' px'] : [];
    return axe.run(document, { resultTypes: ['violations'], rules: { 'meta-refresh': { enabled: false } } })
        .then(found => overflow.concat(found.violations.flatMap(rule => rule.nodes.map(node =>
            rule.id + ' at ' + node.target.join(' ') + ': ' + node.failureSummary.replace(/\\s+/g, ' ')))));";

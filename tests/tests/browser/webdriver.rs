//! As much of WebDriver as the stories need, spoken to chromedriver.

use std::path::PathBuf;

use data_encoding::BASE64;
use incode_tests::eventually;
use serde_json::{Value, json};

use crate::driver::{Javascript, Lease};

/// The browser in the hands of one test.
pub(crate) struct Browser {
    lease: Lease,
    pub(crate) javascript: Javascript,
    pictures: PathBuf,
}

impl Browser {
    /// Without cookies, with one window of the usual size.
    pub(crate) async fn borrow(name: &str, javascript: Javascript) -> Self {
        let pictures = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("browser").join(name);
        std::fs::create_dir_all(&pictures).unwrap();
        let browser = Self { lease: Lease::of(javascript).await, javascript, pictures };
        browser.devtools("Network.clearBrowserCookies", json!({})).await;
        browser.proves_its_javascript().await;
        browser
    }

    /// Gives the browser to the next test.
    pub(crate) async fn give_back(self) {
        let windows = self.command("GET", "window/handles", None).await;
        let (first, more) = windows.as_array().unwrap().split_first().unwrap();
        for window in more {
            self.switch_to(window.as_str().unwrap()).await;
            self.command("DELETE", "window", None).await;
        }
        self.switch_to(first.as_str().unwrap()).await;
        self.open("about:blank").await;
    }

    /// Leaves a picture of where a test failed. What the test left in the browser is not known, so it ends.
    pub(crate) async fn give_up(self) {
        let _ = self.lease.session().send("POST", "alert/dismiss", Some(&json!({}))).await;
        let (status, picture) = self.lease.session().send("GET", "screenshot", None).await;
        if status == 200 {
            self.write("where-it-failed", &picture["value"]);
        }
        self.lease.end();
    }

    pub(crate) async fn open(&self, url: &str) {
        self.command("POST", "url", Some(json!({ "url": url }))).await;
    }

    pub(crate) async fn reload(&self) {
        self.command("POST", "refresh", Some(json!({}))).await;
    }

    pub(crate) async fn url(&self) -> String {
        self.command("GET", "url", None).await.as_str().unwrap().to_owned()
    }

    /// The page's main heading.
    pub(crate) async fn heading(&self) -> String {
        self.text("h1").await
    }

    /// Waits until a page with this main heading is there. The page before it may go by itself.
    pub(crate) async fn arrives_at(&self, heading: &str) {
        let what = format!("a page with the heading {heading:?}");
        eventually(&what, async || self.try_text("h1").await.is_some_and(|found| found == heading)).await;
    }

    /// Waits until the page has a problem with one of these codes, and gives it. The page before it may go by itself.
    pub(crate) async fn arrives_at_problem(&self, codes: &[&str]) -> String {
        let mut found = None;
        eventually(&format!("a problem of {codes:?}"), async || {
            found = self.try_text(".code").await.filter(|found| codes.iter().any(|code| found.ends_with(code)));
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// What a person reads in the first element that fits.
    pub(crate) async fn text(&self, css: &str) -> String {
        let element = self.find("css selector", css).await;
        self.command("GET", &format!("element/{element}/text"), None).await.as_str().unwrap().to_owned()
    }

    /// The same; none where there is no such element, or it went with its page.
    pub(crate) async fn try_text(&self, css: &str) -> Option<String> {
        let query = json!({ "using": "css selector", "value": css });
        let (status, found) = self.lease.session().send("POST", "element", Some(&query)).await;
        let element = (status == 200).then(|| element_of(&found["value"]))?;
        let (status, text) = self.lease.session().send("GET", &format!("element/{element}/text"), None).await;
        (status == 200).then(|| text["value"].as_str().unwrap().to_owned())
    }

    /// Clicks the first button of that name; it leads to another page.
    pub(crate) async fn press(&self, name: &str) {
        self.click(&format!("//button[normalize-space()='{name}']")).await;
    }

    /// Clicks the first link of that name; it leads to another page.
    pub(crate) async fn follow(&self, name: &str) {
        self.click(&format!("//a[normalize-space()='{name}']")).await;
    }

    /// Chooses what has this label; stays on the page.
    pub(crate) async fn choose(&self, label: &str) {
        let element = self.find("xpath", &format!("//label[normalize-space()='{label}']")).await;
        self.command("POST", &format!("element/{element}/click"), Some(json!({}))).await;
    }

    /// The back button.
    pub(crate) async fn back(&self) {
        self.command("POST", "back", Some(json!({}))).await;
    }

    /// Replaces what a field holds.
    pub(crate) async fn fill(&self, field: &str, text: &str) {
        let element = self.find("css selector", &format!("input[name={field}]")).await;
        self.command("POST", &format!("element/{element}/clear"), Some(json!({}))).await;
        self.command("POST", &format!("element/{element}/value"), Some(json!({ "text": text }))).await;
    }

    /// The tab that is looked at.
    pub(crate) async fn tab(&self) -> String {
        self.command("GET", "window", None).await.as_str().unwrap().to_owned()
    }

    /// Opens another tab, and looks at it.
    pub(crate) async fn new_tab(&self) -> String {
        let tab = self.command("POST", "window/new", Some(json!({ "type": "tab" }))).await;
        let tab = tab["handle"].as_str().unwrap().to_owned();
        self.switch_to(&tab).await;
        tab
    }

    /// Looks at this tab.
    pub(crate) async fn switch_to(&self, tab: &str) {
        self.command("POST", "window", Some(json!({ "handle": tab }))).await;
    }

    /// Runs a script in the page, as a person at the developer console; waits for what it promises.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.command("POST", "execute/sync", Some(json!({ "script": script, "args": [] }))).await
    }

    /// The same; none where the page went meanwhile.
    pub(crate) async fn try_run(&self, script: &str) -> Option<Value> {
        let script = json!({ "script": script, "args": [] });
        let (status, mut answer) = self.lease.session().send("POST", "execute/sync", Some(&script)).await;
        if status == 200 {
            return Some(answer["value"].take());
        }
        // Anything else would fail again.
        let error = answer["value"]["error"].as_str().unwrap_or_default();
        let message = answer["value"]["message"].as_str().unwrap_or_default();
        let is_gone = error.contains("no such") || error.contains("stale") || message.contains("aborted");
        assert!(is_gone || message.contains("navigat") || message.contains("context"), "{error}: {message}");
        None
    }

    /// A command of the DevTools protocol.
    pub(crate) async fn devtools(&self, command: &str, params: Value) -> Value {
        self.command("POST", "goog/cdp/execute", Some(json!({ "cmd": command, "params": params }))).await
    }

    /// A page that says by script whether scripts run.
    async fn proves_its_javascript(&self) {
        let page = "<main><h1 id=a>Off</h1></main><script>a.textContent='On'</script>";
        self.open(&format!("data:text/html,{page}")).await;
        assert_eq!(self.heading().await, format!("{:?}", self.javascript));
    }

    /// Clicks, and waits until the page that was clicked on has given way to the next.
    async fn click(&self, xpath: &str) {
        let page = self.find("css selector", "html").await;
        let element = self.find("xpath", xpath).await;
        self.command("POST", &format!("element/{element}/click"), Some(json!({}))).await;
        let gone = format!("element/{page}/name");
        eventually("the next page", async || self.lease.session().send("GET", &gone, None).await.0 != 200).await;
    }

    async fn find(&self, using: &str, value: &str) -> String {
        element_of(&self.command("POST", "element", Some(json!({ "using": using, "value": value }))).await)
    }

    async fn command(&self, method: &str, command: &str, body: Option<Value>) -> Value {
        let (status, mut answer) = self.lease.session().send(method, command, body.as_ref()).await;
        // Of a long script, its start says enough.
        let body = body.map(|body| body.to_string().chars().take(300).collect::<String>());
        assert_eq!(status, 200, "{method} {command} {body:?}: {answer}");
        answer["value"].take()
    }

    fn write(&self, name: &str, picture: &Value) {
        let picture = BASE64.decode(picture.as_str().unwrap().as_bytes()).unwrap();
        std::fs::write(self.pictures.join(format!("{name}.png")), picture).unwrap();
    }
}

/// The reference in the answer to a search.
fn element_of(found: &Value) -> String {
    found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
}

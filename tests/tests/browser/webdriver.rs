//! As much of WebDriver as the story needs, spoken to chromedriver.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use data_encoding::BASE64;
use incode_tests::Wire;
use incode_tests::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A browser with one window and a profile of its own.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    javascript: Javascript,
    pictures: PathBuf,
    _profile: TempDir,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Javascript {
    On,
    Off,
}

impl Browser {
    pub(crate) async fn start(name: &str, javascript: Javascript) -> Self {
        let profile = TempDir::new().unwrap();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port(&mut driver).await));
        let pictures = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("browser").join(name);
        std::fs::create_dir_all(&pictures).unwrap();
        let session = String::new();
        let mut browser = Self { driver, address, session, javascript, pictures, _profile: profile };
        let setting = if javascript == Javascript::On { 1 } else { 2 };
        let options = json!({
            "args": [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-proxy-server",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--window-size=1100,1000",
                format!("--user-data-dir={}", browser._profile.path().display()),
            ],
            "prefs": { "profile.default_content_setting_values.javascript": setting },
        });
        let capabilities = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let begun = browser.call("POST", "/session", Some(capabilities)).await;
        browser.session = begun["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    /// Ends the browser, then its driver.
    pub(crate) async fn quit(mut self) {
        let ended = self.exchange("DELETE", &format!("/session/{}", self.session), None).await;
        self.driver.kill().await.unwrap();
        assert_eq!(ended.0, 200, "{}", ended.1);
    }

    pub(crate) async fn open(&self, url: &str) {
        self.command("POST", "url", Some(json!({ "url": url }))).await;
    }

    pub(crate) async fn url(&self) -> String {
        self.command("GET", "url", None).await.as_str().unwrap().to_owned()
    }

    /// The page's main heading.
    pub(crate) async fn heading(&self) -> String {
        self.text("main h1, form h1").await
    }

    /// What a person reads in the first element that fits.
    pub(crate) async fn text(&self, css: &str) -> String {
        let element = self.find("css selector", css).await;
        self.command("GET", &format!("element/{element}/text"), None).await.as_str().unwrap().to_owned()
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

    /// Keeps a picture of the whole page.
    pub(crate) async fn picture(&self, name: &str) {
        let picture = self.command("GET", "screenshot", None).await;
        let picture = BASE64.decode(picture.as_str().unwrap().as_bytes()).unwrap();
        std::fs::write(self.pictures.join(format!("{name}.png")), picture).unwrap();
    }

    /// A page that says by script whether scripts run.
    pub(crate) async fn proves_its_javascript(&self) {
        let page = "<main><h1 id=a>Off</h1></main><script>a.textContent='On'</script>";
        self.open(&format!("data:text/html,{page}")).await;
        assert_eq!(self.heading().await, format!("{:?}", self.javascript));
    }

    /// Clicks, and waits until the page that was clicked on has given way to the next.
    async fn click(&self, xpath: &str) {
        let page = self.find("css selector", "html").await;
        let element = self.find("xpath", xpath).await;
        self.command("POST", &format!("element/{element}/click"), Some(json!({}))).await;
        let gone = format!("/session/{}/element/{page}/name", self.session);
        eventually("the next page", async || self.exchange("GET", &gone, None).await.0 != 200).await;
    }

    async fn find(&self, using: &str, value: &str) -> String {
        let found = self.command("POST", "element", Some(json!({ "using": using, "value": value }))).await;
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    async fn command(&self, method: &str, command: &str, body: Option<Value>) -> Value {
        self.call(method, &format!("/session/{}/{command}", self.session), body).await
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, mut answer) = self.exchange(method, path, body.as_ref()).await;
        assert_eq!(status, 200, "{method} {path} {body:?}: {answer}");
        answer["value"].take()
    }

    async fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n", self.address, body.len());
        let mut wire = Wire::open(self.address).await;
        wire.write(format!("{head}content-type: application/json\r\n\r\n{body}").as_bytes()).await;
        let answer = wire.response(false).await;
        (answer.status, answer.json())
    }
}

/// The port that the driver says it chose.
async fn port(driver: &mut Child) -> u16 {
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            let port = line.rsplit("on port ").next().and_then(|rest| rest.trim_end_matches('.').parse().ok());
            if line.contains("started successfully")
                && let Some(port) = port
            {
                return port;
            }
        }
        panic!("chromedriver ended");
    };
    let port = timeout(Duration::from_secs(20), port).await.expect("chromedriver is up in time");
    // It may have more to say, and must not trip over a closed pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    port
}

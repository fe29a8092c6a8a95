//! A running example app, a browser at it, and what they exchange over real sockets.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

pub(crate) struct App {
    pub(crate) child: Child,
    pub(crate) stdout: BufReader<ChildStdout>,
    pub(crate) url: String,
    pub(crate) vendor: String,
}

#[derive(Default)]
pub(crate) struct Browser {
    pub(crate) session: String,
    pub(crate) html: bool,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl App {
    pub(crate) fn start(program: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = clean(program);
        let mut child = command.envs(settings.iter().copied()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let mut urls =
            line.split([' ', ')']).filter(|word| word.starts_with("http://") || word.starts_with("https://"));
        let url = urls.next().unwrap_or_else(|| panic!("no address in {line:?}")).trim().to_owned();
        let vendor = urls.next().map(|url| url.trim().strip_suffix("/control").unwrap().to_owned());
        Self { child, stdout, url, vendor: vendor.unwrap_or_default() }
    }

    /// With the sandbox of another app as its vendor, as a real one is named.
    pub(crate) fn at(vendor: &Self, program: &str, settings: &[(&str, &str)]) -> Self {
        let web_url = format!("{}/", vendor.vendor);
        let real = [
            ("INCODE_HOST", vendor.vendor.as_str()),
            ("INCODE_API_KEY", "sandbox-api-key-for-nothing-real"),
            ("INCODE_CLIENT_ID", "sandbox-client"),
            ("INCODE_WEB_URL", &web_url),
            ("INCODE_FLOW_SECRET", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
            ("INCODE_STORE", "memory:"),
        ];
        let mut app = Self::start(program, &[&real[..], settings].concat());
        app.vendor.clone_from(&vendor.vendor);
        app
    }

    /// Points the vendor's webhooks at this app.
    pub(crate) fn deliver(&self, auth: &Value) {
        let target = json!({"url": format!("{}/incode/webhook", self.url), "auth": auth});
        let headers = [("content-type", JSON)];
        let set = exchange(&self.vendor, "PUT", "/control/api/webhook", &target.to_string(), &headers);
        assert_eq!(set.status, 204, "{}", set.body);
    }

    /// Ends it, and gives what it wrote to stderr.
    pub(crate) fn complaints(&mut self) -> String {
        self.terminate();
        let mut complaints = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        complaints
    }

    pub(crate) fn get(&self, browser: &Browser, path: &str) -> Answer {
        self.ask("GET", browser, path, "", &[])
    }

    pub(crate) fn post(&self, browser: &Browser, path: &str, body: &str, media_type: &str) -> Answer {
        self.ask("POST", browser, path, body, &[("content-type", media_type)])
    }

    pub(crate) fn log_in(&self, user: &str) -> String {
        let answer = self.post(&Browser::default(), "/login", &format!("user={user}"), FORM);
        assert_eq!((answer.status, answer.headers["location"].as_str()), (303, "/"));
        answer.headers["set-cookie"].split(';').next().unwrap().to_owned()
    }

    /// Through the hosted flow and back, until the event of the check arrived; gives the callback that did it.
    pub(crate) fn verify(&self, browser: &Browser) -> String {
        let callback = self.hosted(browser);
        assert_eq!(self.get(browser, &callback).location(), "/vault");
        self.me_when(browser, |me| me["standing"] == "active");
        callback
    }

    /// Through the hosted flow, up to the callback that the browser would be sent to.
    pub(crate) fn hosted(&self, browser: &Browser) -> String {
        self.hosted_with(browser, "pass")
    }

    /// The same with a check that ends so.
    pub(crate) fn hosted_with(&self, browser: &Browser, outcome: &str) -> String {
        let hosted = self.get(browser, "/incode/start?return_to=/vault").location();
        let person = "name=Ana&email=ana%40example.com&phone=%2B521234567890&date_of_birth=1988-08-13";
        let form = format!("{}&{person}&outcome={outcome}", hosted.split_once('?').unwrap().1);
        let back = self.vendor_post("/", &form, FORM).location();
        back.strip_prefix(&self.url).unwrap().to_owned()
    }

    /// As a supervisor does.
    pub(crate) fn terminate(&self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
    }

    pub(crate) fn face(&self, browser: &Browser, image: &str) -> Answer {
        self.post(browser, "/face", &json!({"base64Image": image}).to_string(), JSON)
    }

    pub(crate) fn me_when(&self, browser: &Browser, fits: impl Fn(&Value) -> bool) -> Value {
        self.wait_for("/me", browser, fits)
    }

    /// The JSON at `path`, as soon as it fits.
    pub(crate) fn wait_for(&self, path: &str, browser: &Browser, fits: impl Fn(&Value) -> bool) -> Value {
        let mut found = Value::Null;
        eventually(&format!("{path} is as expected"), || {
            found = self.get(browser, path).json();
            fits(&found)
        });
        found
    }

    pub(crate) fn sample_face(&self, kind: &str) -> String {
        let faces = exchange(&self.vendor, "GET", "/control/api/faces", "", &[]).json();
        let face = faces.as_array().unwrap().iter().find(|face| face["kind"] == kind).unwrap();
        face["base64Image"].as_str().unwrap().to_owned()
    }

    pub(crate) fn vendor_post(&self, path: &str, body: &str, media_type: &str) -> Answer {
        exchange(&self.vendor, "POST", path, body, &[("content-type", media_type)])
    }

    pub(crate) fn ask(
        &self,
        method: &str,
        browser: &Browser,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let accept = if browser.html { "text/html" } else { "*/*" };
        let mut all = vec![("accept", accept), ("cookie", browser.session.as_str())];
        all.extend(headers);
        exchange(&self.url, method, path, body, &all)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // In good order when it still runs, so that it removes what it made up for itself.
        if let Ok(None) = self.child.try_wait() {
            self.terminate();
        }
        let _ = self.child.wait();
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}: {}", self.status, self.body))
    }

    pub(crate) fn location(&self) -> String {
        assert_eq!(self.status, 303, "{}", self.body);
        self.headers["location"].clone()
    }

    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        let problem = self.json();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(problem["status"], status);
    }
}

/// Waits for a condition, far longer than it takes.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2400 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(25));
    }
    panic!("not in a minute: {what}");
}

/// One request on a connection of its own.
pub(crate) fn exchange(base: &str, method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let authority = base.strip_prefix("http://").unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        request += &format!("host: {authority}\r\n");
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    if !headers.iter().any(|(name, _)| *name == "content-length") {
        request += &format!("content-length: {}\r\n", body.len());
    }
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

/// The program with no settings but a port of its own.
pub(crate) fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("INCODE_")
            || name == "PUBLIC_URL"
            || name == "OPS_BIND"
            || name == "RUST_LOG"
        {
            command.env_remove(name);
        }
    }
    command.env("BIND", "127.0.0.1:0").stderr(Stdio::piped()).stdin(Stdio::null());
    command
}

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
pub(crate) const JSON: &str = "application/json";

/// The program ends with 2 and one line, which names the setting and keeps its value to itself.
pub(crate) fn is_one_line(command: &mut Command, name: &str) {
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{name}: {told}");
    assert!(told.contains(&format!(": {name}: ")) && !told.contains("wrong-value"), "{name}: {told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(output.stdout.is_empty());
}

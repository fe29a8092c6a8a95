use std::sync::LazyLock;

use incode_core::gate::{self, Requirement, Standing};
use incode_core::http::Reply;
use url::Url;

use crate::head::Written;
use crate::input::Input;
use crate::served::{FLOW_SECRET, LOGIN, NOW, PUBLIC_URL, Served, code, header, legal};

/// A request at a gate that no visitor may pass, and at start: a denial that can be sent as it is and never ours, a
/// subject that is exactly what one cookie says, a link that leads back to the very page, and no way back to anywhere
/// else.
///
/// The input: a line with the target, then lines of `name: value`.
pub fn gate_request(input: &[u8]) {
    let mut input = Input::new(input);
    let target = format!("/{}", String::from_utf8_lossy(input.line()));
    let mut head = Written::new("GET", &target);
    while !input.is_empty() {
        let line = input.line();
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
        head = head.with(&name, line.get(colon + 1..).unwrap_or_default().trim_ascii());
    }

    let visitor = APP.visitor(&head);
    let subject = visitor.subject().map(|subject| subject.as_str());
    let cookies = sessions(&head);
    // The same cookie twice with the same value is one.
    let expected = match &cookies[..] {
        [only, others @ ..] if others.iter().all(|other| other == only) => {
            only.strip_prefix("signed.").filter(|text| incode_core::Subject::new(text).is_ok())
        }
        _ => None,
    };
    assert_eq!(subject, expected, "{cookies:?}");
    let standing = if subject.is_some() { Standing::NotLinked } else { Standing::NoSubject };
    assert_eq!(visitor.standing(), standing);

    let denial = gate::check(Some(&visitor), &Requirement::active(), &head).expect_err("no visitor is verified here");
    legal(&denial);
    denied(&denial, subject.is_some(), &head);
    head.path = "/incode/start".into();
    leads_nowhere_else(&head);
}

fn denied(denial: &Reply, known: bool, head: &Written) {
    let says = |name: &str, what: &str| {
        let values = head.headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value);
        values.map(|value| String::from_utf8_lossy(value).to_lowercase()).any(|value| value.contains(what))
    };
    let problem: serde_json::Value = serde_json::from_slice(&denial.body).unwrap_or_default();
    let link = |field: &str| problem[field].as_str().map(str::to_owned);
    let (login, verify) = match denial.status {
        303 => {
            assert!(says("accept", "html"), "only a browser is sent on");
            let location = header(denial, "location").unwrap().to_owned();
            if known { (None, Some(location)) } else { (Some(location), None) }
        }
        200 => {
            assert!(says("content-type", "application/grpc"), "only a gRPC client gets a gRPC answer");
            assert_eq!(header(denial, "grpc-status"), Some(if known { "7" } else { "16" }));
            (None, None)
        }
        status => {
            let expected = if known { (403, "verification_required") } else { (401, "authentication_required") };
            assert_eq!((status, &*code(denial)), expected);
            assert!(known || header(denial, "www-authenticate").is_some());
            (link("login_url"), link("verify_url"))
        }
    };
    if let Some(link) = verify {
        follow(head, &link);
    }
    if let Some(link) = login {
        let link = Url::parse(PUBLIC_URL).unwrap().join(&link).unwrap();
        assert_eq!(link.path(), LOGIN);
        if let Some((_, back)) = link.query_pairs().find(|(name, _)| name == "return_to") {
            stays(&back);
        }
    }
}

/// A link of ours is taken by start, for the same visitor.
fn follow(head: &Written, link: &str) {
    let start = Written { headers: head.headers.clone(), ..Written::new("GET", link) };
    let reply = APP.answer(&start).expect("start makes no call");
    assert_eq!(reply.status, 303, "{link} leads nowhere: {reply:?}");
}

fn leads_nowhere_else(start: &Written) {
    let reply = APP.answer(start).expect("start makes no call");
    if reply.status != 303 {
        return;
    }
    let app = Url::parse(PUBLIC_URL).unwrap();
    let page = app.join(header(&reply, "location").unwrap()).unwrap();
    if page.origin() == app.origin() {
        // A browser without a login: to the login page, and back to start.
        assert_eq!(page.path(), LOGIN);
        if let Some((_, back)) = page.query_pairs().find(|(name, _)| name == "return_to") {
            stays(&back);
        }
        return;
    }
    assert_eq!(page.host_str(), Some("web.example"));
    let query = start.query.as_deref().unwrap_or_default();
    if let Some((_, back)) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "return_to") {
        stays(&back);
    }
}

/// The rule for ways back, read as a browser reads them.
fn stays(back: &str) {
    let app = Url::parse(PUBLIC_URL).unwrap();
    assert!(back.starts_with('/') && !back.contains(char::is_control), "{back:?}");
    assert_eq!(app.join(back).unwrap().origin(), app.origin(), "{back:?}");
}

/// The values of every cookie of that name, found another way than the gate finds them.
fn sessions(head: &Written) -> Vec<String> {
    let pairs =
        head.headers.iter().filter(|(name, _)| name == "cookie").flat_map(|(_, value)| value.split(|b| *b == b';'));
    let values = pairs.filter_map(|pair| pair.trim_ascii().strip_prefix(b"session="));
    values.map(|value| std::str::from_utf8(value).unwrap_or("\0").to_owned()).collect()
}

static APP: LazyLock<Served> = LazyLock::new(|| Served::new(FLOW_SECRET, NOW));

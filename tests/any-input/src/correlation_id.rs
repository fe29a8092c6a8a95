use std::sync::LazyLock;
use std::time::Duration;

use incode_core::Subject;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use url::Url;

use crate::head::Written;
use crate::input::Input;
use crate::served::{FLOW_SECRET, NOW, Served, code, header};

/// A correlation id on the callback route: one that was made by start opens on every replica, for its own subject and in
/// its time; anything else is unknown, an edited one as well, and no case gets as far as asking the vendor.
///
/// The input: a byte for the case, two for a place, one to put there; then the id or the query as it is, or a line with
/// the subject and one with the way back.
pub fn correlation_id(input: &[u8]) {
    let mut input = Input::new(input);
    let (case, at, with) = (input.byte() % 4, input.number(), input.byte());
    match case {
        0 => {
            let id = percent_encode(input.rest(), NON_ALPHANUMERIC);
            let reply = come_back(&APP, "ana", &format!("token=t&correlation_id={id}"));
            assert!(matches!(&*reply, "flow_unknown" | "flow_incomplete"), "{reply}");
        }
        1 => {
            let query = String::from_utf8_lossy(input.rest()).into_owned();
            let reply = come_back(&APP, "ana", &query);
            assert!(matches!(&*reply, "flow_unknown" | "flow_incomplete"), "{reply}");
        }
        _ => {
            let line = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
            let (subject, return_to) = (line(input.line()), line(input.line()));
            if let Some(id) = start(&subject, &return_to) {
                made(&subject, &id, at, with);
            }
        }
    }
}

fn made(subject: &str, id: &str, at: usize, with: u8) {
    let query = |id: &[u8]| format!("token=t&correlation_id={}", percent_encode(id, NON_ALPHANUMERIC));
    let other = if subject == "ana" { "ben" } else { "ana" };
    assert_eq!(come_back(&APP, other, &query(id.as_bytes())), "flow_other_subject");
    assert_eq!(come_back(&LATER, subject, &query(id.as_bytes())), "flow_expired");
    assert_eq!(come_back(&STRANGER, subject, &query(id.as_bytes())), "flow_unknown");

    let mut edited = id.as_bytes().to_vec();
    let at = at % edited.len();
    match with % 4 {
        0 => edited.truncate(at),
        1 => edited.insert(at, with),
        2 => edited[at] ^= 1 << (with >> 5),
        _ => edited[at] = with,
    }
    if edited != id.as_bytes() {
        for app in [&APP, &LATER] {
            let reply = come_back(app, subject, &query(&edited));
            // Cut to nothing it is no parameter at all.
            assert!(reply == "flow_unknown" || edited.is_empty() && reply == "flow_incomplete", "{reply}");
        }
    }
}

/// The correlation id that this subject is sent off with; `None` when start refuses.
fn start(subject: &str, return_to: &str) -> Option<String> {
    let target = format!("/incode/start?return_to={}", percent_encode(return_to.as_bytes(), NON_ALPHANUMERIC));
    let reply = APP.answer(&session(Written::new("GET", &target), subject)).expect("start makes no call");
    if reply.status != 303 {
        return None;
    }
    let page = Url::parse(header(&reply, "location")?).unwrap();
    page.query_pairs().find(|(name, _)| name == "correlation_id").map(|(_, id)| id.into_owned())
}

/// The code of the answer.
fn come_back(app: &Served, subject: &str, query: &str) -> String {
    let head = session(Written::new("GET", &format!("/incode/callback?{query}")), subject);
    code(&app.answer(&head).expect("it got as far as redeeming"))
}

/// A subject that no cookie can carry is no subject; the spelling in the cookie is the subject's own.
fn session(head: Written, subject: &str) -> Written {
    if Subject::new(subject).is_err() || subject.contains(';') || subject.trim_ascii_end() != subject {
        return head;
    }
    head.with("cookie", format!("session=signed.{subject}"))
}

static APP: LazyLock<Served> = LazyLock::new(|| Served::new(FLOW_SECRET, NOW));
static LATER: LazyLock<Served> = LazyLock::new(|| Served::new(FLOW_SECRET, NOW.after(Duration::from_secs(31 * 60))));
static STRANGER: LazyLock<Served> = LazyLock::new(|| Served::new("another secret, of another application", NOW));

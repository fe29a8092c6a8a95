use serde_json::{Value, json};

use crate::wire::{Mount, Response};

/// What an administrator does in a day, and what others try. `actor` is who the audit trail must name.
pub(crate) fn run(mount: &Mount, actor: &str) {
    list(mount);
    pages(mount);
    inspect(mount);
    refuse(mount);
    escape(mount);
    cross_site(mount);
    replay(mount);
    forget(mount);
    trail(mount, actor);
    people(mount, actor);
}

fn list(mount: &Mount) {
    let answer = mount.get("inbox");
    let inbox = answer.json();
    assert_eq!(inbox["counts"], json!({"pending": 0, "done": 0, "dead": 4, "ignored": 1}));
    assert_eq!(inbox["oldestPendingSeconds"], Value::Null);
    assert_eq!(ids(&answer), [5, 4, 3, 2, 1]);
    let event = &inbox["events"][4];
    let mut keys: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["attempts", "dueAt", "id", "kind", "objectId", "reason", "receivedAt", "settledAt", "state"]);
    assert_eq!((&event["objectId"], &event["reason"]), (&json!("veri…"), &json!("not_found")));
    assert_eq!(inbox["events"][2]["objectId"], "\"><s…");
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
    assert_eq!(ids(&mount.get("inbox?state=dead")), [5, 3, 2, 1]);
    assert_eq!(ids(&mount.get("inbox?state=dead&reason=not_found&kind=")), [3, 1]);
    assert_eq!(ids(&mount.get("inbox?kind=authentication.completed")), [2]);
    assert_eq!(ids(&mount.get("inbox?state=done")), [0; 0]);
    assert_eq!(mount.request("HEAD", "inbox").send().body, "");
}

fn pages(mount: &Mount) {
    let mut seen = Vec::new();
    let mut path = "inbox?limit=2".to_owned();
    for _ in 0..3 {
        let answer = mount.get(&path);
        seen.push(ids(&answer));
        let next = answer.json()["next"].clone();
        path = format!("inbox?limit=2&before={next}");
        if seen.len() == 3 {
            assert_eq!(next, Value::Null);
        }
    }
    assert_eq!(seen, [vec![5, 4], vec![3, 2], vec![1]]);
    let page = mount.request("GET", "inbox?limit=2&state=dead").by_browser().send().body;
    assert!(page.contains("inbox?state=dead&amp;before=3&amp;limit=2"), "{page}");
}

fn inspect(mount: &Mount) {
    let event = mount.get("inbox/1").json();
    assert_eq!((&event["id"], &event["objectId"], &event["token"]), (&json!(1), &json!("veri…"), &json!("present")));
    assert_eq!((&event["objectDone"], &event["vendorTime"]), (&json!(false), &Value::Null));
    let page = mount.request("GET", "inbox/1").by_browser().send();
    assert!(page.body.contains("The vendor knows no such object.") && page.body.contains("action=\"1/replay\""));
}

fn refuse(mount: &Mount) {
    for (method, path, status, allow) in [
        ("GET", "", 404, None),
        ("GET", "inbox/", 404, None),
        ("GET", "inbox/99", 404, None),
        ("GET", "inbox/one", 404, None),
        ("GET", "identities/nobody", 404, None),
        ("GET", "identities/%00", 404, None),
        ("GET", "elsewhere", 404, None),
        ("POST", "inbox/one/replay", 404, None),
        ("POST", "inbox", 405, Some("GET, HEAD")),
        ("DELETE", "inbox/1", 405, Some("GET, HEAD")),
        ("GET", "inbox/replay", 405, Some("POST")),
        ("GET", "inbox/1/replay", 405, Some("POST")),
        ("GET", "identities/anna/forget", 405, Some("POST")),
        ("GET", "inbox?state=unheard", 400, None),
        ("GET", "inbox?reason=unheard", 400, None),
        ("GET", "inbox?limit=0", 400, None),
        ("GET", "inbox?limit=201", 400, None),
        ("GET", "inbox?before=x", 400, None),
        ("GET", "inbox?state=dead&state=done", 400, None),
        ("GET", "audit?before=99999999999999999999", 400, None),
        ("POST", "inbox/replay?reson=not_found", 400, None),
        ("POST", "inbox/replay?reason=unheard", 400, None),
        ("POST", "people", 405, Some("GET, HEAD")),
        ("POST", "person?subject=anna", 405, Some("GET, HEAD")),
        ("GET", "person/unlink?subject=anna", 405, Some("POST")),
        ("GET", "person/export?subject=anna", 405, Some("POST")),
        ("GET", "identities/anna/export", 405, Some("POST")),
        ("GET", "person", 400, None),
        ("GET", "person?subject=", 400, None),
        ("GET", "person?subject=a%0Ab", 400, None),
        ("GET", "person?subject=anna&unlinked=x", 400, None),
        ("POST", "person/unlink", 400, None),
        ("POST", "person/export", 400, None),
        ("POST", "person/unlink?subject=anna&why=a%0Ab", 400, None),
        ("POST", "person/export?subject=nobody", 404, None),
        ("POST", "identities/nobody/export", 404, None),
    ] {
        let answer = mount.request(method, path).send();
        assert_eq!((answer.status, answer.header("allow")), (status, allow), "{method} {path}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{method} {path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let page = mount.request(method, path).by_browser().send();
        assert_eq!((page.status, page.header("allow")), (status, allow), "{method} {path}");
        assert!(page.body.starts_with("<!DOCTYPE html>"), "{method} {path}");
    }
    let json = mount.request("POST", "inbox/replay").body("application/json", r#"{"reason":"not_found"}"#).send();
    assert_eq!(json.status, 415, "a filter that is not understood is not taken for none");
    let json = mount.request("POST", "inbox/replay").form(r#"{"reason":"not_found"}"#).send();
    assert_eq!(json.status, 400);
    let long = mount.request("POST", "inbox/replay").form(&format!("reason={}", "x".repeat(5000))).send();
    assert_eq!(long.status, 413);
}

fn escape(mount: &Mount) {
    let page = mount.request("GET", "inbox").by_browser().send();
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("&lt;img src=x onerror=alert(1)&gt;"), "{}", page.body);
    assert!(page.body.contains("&quot;&gt;&lt;s…"), "{}", page.body);
    let hostile = mount.request("GET", "inbox?kind=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").by_browser().send();
    for page in [&page, &hostile] {
        assert!(!page.body.contains("<img") && !page.body.contains("<script"), "{}", page.body);
        assert!(!page.body.contains("canary"), "{}", page.body);
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    }
}

fn cross_site(mount: &Mount) {
    let host = mount.address.to_string();
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://elsewhere.example"),
        ("origin", "null"),
        ("origin", host.as_str()),
    ] {
        for path in [
            "inbox/replay",
            "inbox/1/replay",
            "identities/identity%2Fof%25anna/forget",
            "identities/identity%2Fof%25anna/export",
            "person/unlink?subject=anna",
            "person/export?subject=anna",
        ] {
            let refused = mount.request("POST", path).with(name, value).send();
            assert_eq!(refused.status, 403, "{name}: {value}");
        }
    }
    let origin = format!("http://{host}");
    let both = mount.request("POST", "inbox/1/replay").with("origin", &origin).with("sec-fetch-site", "cross-site");
    assert_eq!(both.send().status, 403);
    assert_eq!(mount.get("inbox").json()["counts"]["dead"], 4, "nothing was replayed");
    assert_eq!(mount.get("audit").json()["audits"], json!([]));
    let own = mount.request("POST", "inbox/4/replay").with("origin", &origin).send();
    assert_eq!(own.json(), json!({"replayed": 0}), "an ignored event is not dead");
}

fn replay(mount: &Mount) {
    assert_eq!(mount.post("inbox/1/replay").json(), json!({"replayed": 1}));
    assert_eq!(mount.post("inbox/1/replay").json(), json!({"replayed": 0}));
    let inbox = mount.get("inbox").json();
    assert_eq!((&inbox["counts"]["pending"], &inbox["counts"]["dead"]), (&json!(1), &json!(3)));
    assert!(inbox["oldestPendingSeconds"].is_u64());

    let form = "state=dead&reason=not_found&kind=verification.completed";
    let back = mount.request("POST", "inbox/3/replay").by_browser().form(form).send();
    let location = "../../inbox?state=dead&reason=not_found&kind=verification.completed&replayed=1";
    assert_eq!((back.status, back.header("location")), (303, Some(location)));
    let page = mount.request("GET", location.trim_start_matches("../")).by_browser().send().body;
    assert!(page.contains("1 event is pending again"), "{page}");

    assert_eq!(
        mount.request("POST", "inbox/replay").form("reason=refused&kind=unheard.of").send().json()["replayed"],
        0
    );
    assert_eq!(mount.post("inbox/replay?reason=refused").json()["replayed"], 1);
    let all = mount.request("POST", "inbox/replay").by_browser().form("").send();
    assert_eq!((all.status, all.header("location")), (303, Some("../inbox?state=dead&replayed=1")));
    assert_eq!(mount.post("inbox/replay").json()["replayed"], 0);
    assert_eq!(mount.get("inbox").json()["counts"], json!({"pending": 4, "done": 0, "dead": 0, "ignored": 1}));
}

fn forget(mount: &Mount) {
    let path = "identities/identity%2Fof%25anna";
    let identity = mount.get(path).json();
    assert_eq!((&identity["identityId"], &identity["status"]), (&json!("identity/of%anna"), &json!("ACTIVE")));
    assert!(identity["checkedAt"].is_string());
    let page = mount.request("GET", path).by_browser().send();
    assert!(page.body.contains("action=\"identity%2Fof%25anna/forget\""), "{}", page.body);
    let forget = format!("{path}/forget");
    let gone = mount.request("POST", &forget).by_browser().form("").send();
    assert_eq!((gone.status, gone.header("location")), (303, Some("../../audit?forgotten=1")));
    assert_eq!(mount.post(&forget).json(), json!({"forgotten": false}));
    assert_eq!(mount.get(path).status, 404);
}

fn trail(mount: &Mount, actor: &str) {
    let trail = mount.get("audit").json();
    let told = trail["audits"].as_array().unwrap().iter().rev().map(|audit| {
        assert_eq!(audit["actor"], actor);
        let what = ["event", "reason", "kind", "identityId"].map(|name| audit[name].clone());
        let what: Vec<_> = what.into_iter().filter(|value| !value.is_null()).collect();
        (audit["action"].as_str().unwrap().to_owned(), Value::Array(what), audit["count"].as_u64().unwrap())
    });
    let expected = [
        ("replay", json!([4]), 0),
        ("replay", json!([1]), 1),
        ("replay", json!([1]), 0),
        ("replay", json!([3]), 1),
        ("replay", json!(["refused", "unheard.of"]), 0),
        ("replay", json!(["refused"]), 1),
        ("replay", json!([]), 1),
        ("replay", json!([]), 0),
        ("forget", json!(["iden…"]), 1),
        ("forget", json!(["iden…"]), 0),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected.map(|(action, what, count)| (action.to_owned(), what, count)));
    let page = mount.get("audit?limit=3").json();
    assert_eq!((page["audits"].as_array().unwrap().len(), &page["next"]), (3, &json!(8)));
    assert_eq!(mount.get("audit?limit=3&before=8").json()["audits"][0]["id"], 7);
    let page = mount.request("GET", "audit?forgotten=1").by_browser().send().body;
    assert!(page.contains("are erased") && page.contains(&format!("<bdi class=\"actor\">{actor}</bdi>")), "{page}");
}

/// A person is found by each of their names, explained, exported and unlinked.
fn people(mount: &Mount, actor: &str) {
    assert_eq!(mount.get("people").json(), json!({"people": []}));
    assert_eq!(mount.get("people?q=nobody").json(), json!({"people": []}));
    let by_browser = |path: &str| mount.request("GET", path).by_browser().send();
    let page = by_browser("people?q=nobody");
    assert!(page.status == 200 && page.body.contains("Nothing is known under this name."), "{}", page.body);
    for name in [SUBJECT_IN_URL, "identity-of-bea", "verification-of-bea"] {
        let found = mount.get(&format!("people?q={name}")).json();
        assert_eq!(found["people"].as_array().unwrap().len(), 1, "{name}: {found}");
        let person = &found["people"][0];
        assert_eq!((&person["subject"], &person["standing"]), (&json!(SUBJECT), &json!("active")), "{name}");
        let page = by_browser(&format!("people?q={name}")).body;
        assert!(page.contains(&format!("href=\"person?subject={SUBJECT_IN_URL}\"")), "{page}");
        assert!(page.contains("href=\"identities/identity%2Dof%2Dbea\"") && !page.contains("<i>"), "{page}");
    }
    let path = format!("person?subject={SUBJECT_IN_URL}");
    let person = mount.get(&path).json();
    assert_eq!((&person["linkProof"], &person["identityId"]), (&json!("application"), &json!("identity-of-bea")));
    assert!(person["since"].is_string() && person["next"].is_string(), "{person}");
    let page = by_browser(&path).body;
    for part in
        ["action=\"person/unlink\"", "action=\"person/export\"", "action=\"identities/identity%2Dof%2Dbea/forget\""]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.contains("bea/ü&amp;&lt;i&gt;") && !page.contains("<i>"), "{page}");
    let page = by_browser("identities/identity-of-bea").body;
    assert!(page.contains(&format!("href=\"../person?subject={SUBJECT_IN_URL}\"")), "{page}");

    let form = format!("subject={SUBJECT_IN_URL}&why=ticket+7");
    let export = mount.request("POST", "person/export").by_browser().form(&form).send();
    assert_eq!((export.status, export.header("content-type")), (200, Some("application/json")));
    assert_eq!(export.header("content-disposition"), Some("attachment; filename=\"person.json\""));
    assert_eq!(export.header("cache-control"), Some("no-store"));
    let export = export.json();
    assert_eq!(export["identity"]["identityId"], "identity-of-bea");
    assert_eq!((&export["subjects"][0]["subject"], &export["fields"]), (&json!(SUBJECT), &json!({})));
    assert_eq!(mount.post("identities/identity-of-bea/export").json(), export);

    let gone = mount.request("POST", "person/unlink").by_browser().form(&form).send();
    let location = format!("../person?subject={SUBJECT_IN_URL}&unlinked=1");
    assert_eq!((gone.status, gone.header("location")), (303, Some(&*location)));
    let page = by_browser(location.trim_start_matches("../")).body;
    assert!(page.contains("The link is ended.") && !page.contains("person/unlink"), "{page}");
    assert_eq!(mount.post(&format!("person/unlink?subject={SUBJECT_IN_URL}")).json(), json!({"unlinked": false}));
    assert_eq!(mount.get(&path).json()["standing"], "not_linked");
    let alone = mount.get("people?q=identity-of-bea").json();
    assert_eq!((&alone["people"][0]["subject"], &alone["people"][0]["subjects"]), (&Value::Null, &json!([])));

    let trail = mount.get("audit?limit=3").json();
    let told = trail["audits"].as_array().unwrap().iter();
    let told: Vec<_> = told.map(|audit| ["actor", "action", "identityId"].map(|name| audit[name].clone())).collect();
    let (plain, with_reason) = (json!(actor), json!(format!("{actor}: ticket 7")));
    let expected = [(&with_reason, "unlink"), (&plain, "export"), (&with_reason, "export")];
    assert_eq!(told, expected.map(|(actor, action)| [actor.clone(), json!(action), json!("iden…")]));
}

/// What means something in a URL and in HTML.
pub(crate) const SUBJECT: &str = "bea/ü&<i>";
const SUBJECT_IN_URL: &str = "bea%2F%C3%BC%26%3Ci%3E";

fn ids(answer: &Response) -> Vec<i64> {
    answer.json()["events"].as_array().unwrap().iter().map(|event| event["id"].as_i64().unwrap()).collect()
}

//! A `PUBLIC_URL` with a path, behind a proxy that takes the path off and behind one that does not.

use super::app::{App, Browser, FORM};
use super::trust::own_address;

pub(crate) fn below_a_path(program: &str) {
    let bind = own_address(9913);
    let public = format!("http://{bind}/app");
    let mut app = App::start(program, &[("BIND", bind.as_str()), ("PUBLIC_URL", public.as_str())]);
    app.url = format!("http://{bind}");
    for (as_sent, user) in [("", "alice"), ("/app", "bob")] {
        let sent = |path: &str| format!("{as_sent}{path}");
        let login = app.post(&Browser::default(), &sent("/login"), &format!("user={user}"), FORM);
        let cookie = &login.headers["set-cookie"];
        assert!(cookie.contains("; Path=/app; "), "{cookie}");
        let session = cookie.split(';').next().unwrap().to_owned();
        assert_eq!(login.location(), "/app/");
        let page = Browser { session: session.clone(), html: true };
        let program = Browser { session, html: false };

        for (path, status) in [("/", 200), ("/verify?return_to=/app/vault", 200), ("/vault", 403), ("/nowhere", 404)] {
            let answer = app.get(&page, &sent(path));
            assert_eq!(answer.status, status, "{path}");
            links_are_below(&answer.body, "/app/");
        }
        links_are_below(&app.get(&Browser { session: String::new(), html: true }, &sent("/vault")).body, "/app/");
        assert_eq!(app.get(&Browser::default(), &sent("/verify")).location(), "/app/");

        // Through the hosted flow, which a browser leaves by the public URL, and the proxy as before.
        let hosted = app.get(&program, &sent("/incode/start?return_to=/app/vault")).location();
        let person = format!("name={user}&email={user}%40example.com&phone=%2B521234567890&date_of_birth=1988-08-13");
        let form = format!("{}&{person}&outcome=pass", hosted.split_once('?').unwrap().1);
        let back = app.vendor_post("/", &form, FORM).location();
        let callback = back.strip_prefix(&public).unwrap_or_else(|| panic!("{back}"));
        assert_eq!(app.get(&program, &sent(callback)).location(), "/app/vault");
        app.wait_for(&sent("/me"), &program, |me| me["standing"] == "active");
        let vault = app.get(&page, &sent("/vault"));
        assert_eq!(vault.status, 200);
        links_are_below(&vault.body, "/app/");
        links_are_below(&app.get(&page, &sent("/")).body, "/app/");
        assert_eq!(app.post(&page, &sent("/logout"), "", FORM).location(), "/app/");
    }
    assert_eq!(app.get(&Browser::default(), "/apple").status, 404);
}

/// Every link and form of a page that leads to this site.
fn links_are_below(page: &str, base: &str) {
    let targets = page.split("href=\"").skip(1).chain(page.split("action=\"").skip(1));
    let own: Vec<_> = targets.filter(|target| target.starts_with('/')).collect();
    assert!(!own.is_empty(), "{page}");
    for target in own {
        assert!(target.starts_with(base), "{}", target.split('"').next().unwrap());
    }
}

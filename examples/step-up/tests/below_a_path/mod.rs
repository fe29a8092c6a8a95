//! A public URL with a path, behind a proxy that takes the path off and behind one that does not.

use incode_tests::{get, post};

use super::site::{FORM, Site};

#[tokio::test]
async fn the_path_of_the_public_url_is_in_every_link_redirect_and_cookie() {
    let site = Site::below("/app").await;
    for (as_sent, name) in [("", "alice"), ("/app", "bob")] {
        let sent = |path: &str| format!("{as_sent}{path}");
        let login = post(&sent("/login")).header("content-type", FORM).body(format!("user={name}"));
        let login = login.send(site.address).await;
        assert_eq!((login.status, login.header("location")), (303, Some("/app/")));
        assert!(login.header("set-cookie").unwrap().contains("; Path=/app; "), "{login:?}");
        let person = site.log_in(name).await;
        for (path, status) in [("/", 200), ("/nowhere", 404)] {
            is_below(&person.get(&sent(path)).await, status);
        }
        let html = get(&sent("/confirm/of-nothing")).header("cookie", &person.cookie).header("accept", "text/html");
        is_below(&html.send(site.address).await, 403);
        assert_eq!(get(&sent("/transfers/x")).send(site.address).await.header("location"), Some("/app/"));

        let person = site.verified(name).await;
        let form = person.new_form().await;
        let (confirm, receipt) = (format!("/app{}", form.confirm()), format!("/app{}", form.receipt()));
        assert_eq!(person.send(&form, "5", "Bob").await.header("location"), Some(&*confirm));
        is_below(&person.get(&sent("/")).await, 200);
        is_below(&person.get(&sent(&form.confirm())).await, 200);
        assert_eq!(person.confirm(&form, &person.face()).await.header("location"), Some(&*receipt));
        is_below(&person.get(&sent(&form.receipt())).await, 200);
        assert_eq!(person.get(&sent(&form.confirm())).await.header("location"), Some(&*receipt), "made before");
        let logout = person.post(&sent("/logout"), &format!("form={}", form.secret)).await;
        assert_eq!(logout.header("location"), Some("/app/"));
    }
}

/// Every link and form of the page that leads to this site.
#[track_caller]
fn is_below(page: &incode_tests::Response, status: u16) {
    assert_eq!(page.status, status, "{page:?}");
    let text = page.text();
    let targets = text.split("href=\"").skip(1).chain(text.split("action=\"").skip(1));
    let own: Vec<_> = targets.filter(|target| target.starts_with('/')).collect();
    assert!(!own.is_empty(), "{text}");
    assert!(own.iter().all(|target| target.starts_with("/app/")), "{text}");
}

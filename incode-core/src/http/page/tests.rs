use std::time::Duration;

use super::{Brand, page};
use crate::http::{Language, Problem, Reply};

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

fn policy(reply: &Reply) -> &str {
    let found = reply.headers.iter().find(|(name, _)| *name == "content-security-policy");
    found.map(|(_, value)| &**value).unwrap()
}

#[test]
fn nothing_shown_can_become_markup() {
    let evil = "\"><script>alert('&')</script>";
    let problem = Problem::new(403, "code", "title", evil).verify_at(evil).login_at(evil).step_up_at(evil);
    let brand = Brand { name: evil.into(), logo: Some(evil.into()), stylesheet: Some(evil.into()) };
    let reply = page(&problem, Some(&brand), Language::English, true);
    let html = text(&reply);
    assert!(!html.contains("<script"), "{html}");
    assert_eq!(html.matches("&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)").count(), 8, "{html}");
    assert!(policy(&reply).starts_with("default-src 'none'; style-src 'self' 'sha256-"), "{}", policy(&reply));
}

#[test]
fn a_brand_shows_its_name_and_files_of_this_host() {
    let problem = Problem::new(403, "code", "Title", "Detail.");
    let brand = Brand::new("Bank").logo("/logo.svg").stylesheet("/site.css");
    assert!(brand.is_legal());
    let html = text(&page(&problem, Some(&brand), Language::English, false));
    for part in ["<title>Title - Bank</title>", "<img src=\"/logo.svg\" alt=\"\">", "href=\"/site.css\"", "<span>Bank<"]
    {
        assert!(html.contains(part), "{part}: {html}");
    }
    let plain = text(&page(&problem, None, Language::English, false));
    assert!(plain.contains("<title>Title</title>") && !plain.contains("<header>"), "{plain}");
    for elsewhere in ["https://cdn.example/logo.svg", "//cdn.example/logo.svg", "logo.svg", ""] {
        assert!(!Brand::new("Bank").logo(elsewhere).is_legal(), "{elsewhere}");
        assert!(!Brand::new("Bank").stylesheet(elsewhere).is_legal(), "{elsewhere}");
    }
}

#[test]
fn only_what_passes_by_itself_reloads_and_only_where_that_asks_the_same_again() {
    let passing = Problem::new(503, "code", "Title", "Detail.").reloading_after(Duration::from_secs(2));
    let lasting = Problem::new(503, "code", "Title", "Detail.").retry_after(Duration::from_secs(2));
    for (problem, may_reload, reloads) in [(&passing, true, true), (&passing, false, false), (&lasting, true, false)] {
        let reply = page(problem, None, Language::English, may_reload);
        assert_eq!(text(&reply).contains("http-equiv=\"refresh\" content=\"2\""), reloads);
        assert!(reply.headers.contains(&("retry-after", "2".into())));
    }
}

#[test]
fn a_code_without_a_translation_is_shown_as_it_is() {
    let problem = Problem::new(400, "a_code_of_the_application", "Title", "Detail.");
    for language in [Language::English, Language::Spanish, Language::Portuguese] {
        assert!(text(&page(&problem, None, language, false)).contains("<h1>Title</h1><p>Detail.</p>"));
    }
}

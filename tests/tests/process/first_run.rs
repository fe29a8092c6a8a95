use incode_tests::get;
use incode_tests::process::{App, Example, Settings};

on_both_examples!(one_line_with_a_link_to_a_page_that_answers);

async fn one_line_with_a_link_to_a_page_that_answers(example: Example) {
    let app = App::start(example, &Settings::none()).await;
    let link = format!("{}: open http://{} (the stand-in vendor: http://127.0.0.1:", example.name(), app.address);
    assert!(app.line.starts_with(&link), "{}", app.line);

    let page = app.send(get("/").header("accept", "text/html")).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("Log in"));
    let vendor = app.line.rsplit("http://").next().unwrap();
    let (vendor, path) = vendor.trim_end_matches(')').split_once('/').unwrap();
    let control = get(&format!("/{path}")).host(vendor).send(vendor.parse().unwrap()).await;
    assert_eq!(control.status, 200);

    let ended = app.stop().await;
    assert_eq!((ended.code, ended.stdout), (Some(0), Vec::new()), "one line and no more: {:?}", ended.stderr);
    assert!(ended.stderr.is_empty(), "{:?}", ended.stderr);
}

//! What a person needs who can't see the page, or sees little of it at a time: the rules of axe that can be read off the
//! text.

use incode_core::identity::transition::Command;
use incode_core::store::{EventState, IdentityStore, Reason};
use incode_core::testing::store_suite::{callback, link, request};

use super::*;

#[tokio::test]
async fn every_page_has_its_landmarks_and_one_heading() {
    let store = MemoryStore::new();
    let mut dead = pending("verification-1", Timestamp::from_secs(50));
    (dead.state, dead.reason) = (EventState::Dead, Some(Reason::NotFound));
    store.accept(dead).await.unwrap();
    store.change(link("anna", "identity-of-anna", 40)).await.unwrap();
    let taken = request(Command::Return(callback("mallory", "identity-of-anna", 50)), 50);
    store.change(taken).await.unwrap();
    let incode = builder(store).build().await.unwrap();
    let _ = answer(&incode, post("anna"), "inbox/replay").await;
    for path in [
        "inbox",
        "inbox/1",
        "jobs",
        "audit",
        "elsewhere",
        "people",
        "people?q=anna",
        "people?q=identity-of-anna",
        "people?q=nobody",
        "person?subject=anna",
        "person?subject=mallory",
        "identities/identity-of-anna",
    ] {
        let (route, query) = path.split_once('?').map_or((path, None), |(route, query)| (route, Some(query)));
        let page = text(&answer(&incode, Sent { query, ..browser() }, route).await);
        assert_eq!(page.matches("<main").count(), 1, "{path}");
        assert_eq!(page.matches("<h1").count(), 1, "page-has-heading-one: {path}: {page}");
        assert_eq!(page.matches("lang=\"en\"").count(), 1, "{path}");
        let names: Vec<_> = page.split("aria-label=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "unique-landmark: {path}: {names:?}");
        assert_eq!(
            page.matches("<nav").count(),
            page.matches("<nav aria-label").count() + page.matches("<nav class").count()
        );
        for table in page.split("<div class=\"card table").skip(1) {
            let opening = table.split('>').next().unwrap();
            let is_reachable =
                ["role=\"region\"", "aria-label=", "tabindex=\"0\""].iter().all(|part| opening.contains(part));
            assert!(is_reachable, "scrollable-region-focusable: {path}: {opening}");
        }
        assert!(!page.contains("<th></th>"), "empty-table-header: {path}");
        for list in page.split("<dl").skip(1) {
            let list = list.split("</dl>").next().unwrap();
            assert_eq!(list.matches("<dt").count(), list.matches("<dd").count(), "definition-list: {path}");
        }
        for input in page.split("<input").skip(1).filter(|input| !input.starts_with(" type=\"hidden\"")) {
            let before = page.split(input).next().unwrap();
            assert!(before.rfind("<label") > before.rfind("</label>"), "label: {path}: {input:.60}");
        }
        assert_eq!(page.matches("<th").count() > 0, page.contains("<table"), "a table has headers: {path}");
        assert!(page.contains("width=device-width"), "{path}");
    }
    incode.shutdown().await;
}

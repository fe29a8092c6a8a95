use std::net::SocketAddr;

use crate::{get, post};

/// Takes the user of this cookie through start, the sandbox's page and the callback, as a person of this name who
/// passes; gives where they are sent at the end.
pub async fn verify(app: SocketAddr, cookie: &str, name: &str) -> String {
    let mine = |target: &str| get(target).header("cookie", cookie);
    let start = mine("/incode/start?return_to=/").send(app).await;
    let hosted = url::Url::parse(start.header("location").unwrap_or_else(|| panic!("{start:?}"))).unwrap();
    let form = url::form_urlencoded::Serializer::new(hosted.query().unwrap().to_owned())
        .extend_pairs([("name", name), ("email", &format!("{name}@example.com")), ("phone", "+521234567890")])
        .extend_pairs([("date_of_birth", "1988-08-13"), ("outcome", "pass")])
        .finish();
    let vendor = *hosted.socket_addrs(|| None).unwrap().first().unwrap();
    let passed = post("/").header("content-type", "application/x-www-form-urlencoded").body(form).send(vendor).await;
    let back = url::Url::parse(passed.header("location").unwrap_or_else(|| panic!("{passed:?}"))).unwrap();
    let callback = mine(&format!("{}?{}", back.path(), back.query().unwrap())).send(app).await;
    assert_eq!(callback.status, 303, "{callback:?}");
    callback.header("location").unwrap().to_owned()
}

use super::*;
use crate::flow::HostedFlow;
use crate::model::EventKind;
use crate::store::MemoryStore;
use crate::webhook::{Authenticity, ClientCredentials};

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn builder() -> Builder {
    let client = Client::builder("https://vendor.example", Secret::from("the-key")).build().unwrap();
    Builder::new().client(client)
}

fn flow() -> HostedFlow {
    HostedFlow::new("app", "https://web.example/", "https://app.example/base", Secret::from(KEY)).unwrap()
}

#[test]
fn it_names_what_is_mounted() {
    let header = Authenticity::header("x-secret", [Secret::from(KEY)]).unwrap();
    let deployment = builder().webhook_authenticity(header.clone()).deployment().unwrap();
    let [(path, webhook)] = deployment.webhooks() else { panic!("one path") };
    assert_eq!((&**path, webhook.kind()), ("/incode/webhook", None));
    assert_eq!((deployment.token_path(), deployment.start_path(), deployment.callback_path()), (None, None, None));
    assert_eq!((deployment.public_url(), deployment.page_url("id")), (None, None));

    let oauth = ClientCredentials::new("vendor", [Secret::from(KEY)], [Secret::from(KEY)]).unwrap();
    let both = Authenticity::any_of([header, Authenticity::oauth(oauth)]).unwrap();
    let deployment = builder()
        .webhook_authenticity(both)
        .webhook_path_for(EventKind::Verification, "/v")
        .webhook_path_for(EventKind::Authentication, "/a")
        .hosted_flow(flow())
        .deployment()
        .unwrap();
    let kinds: Vec<_> = deployment.webhooks().iter().map(|(path, webhook)| (&**path, webhook.kind())).collect();
    assert_eq!(kinds, [("/v", Some(&EventKind::Verification)), ("/a", Some(&EventKind::Authentication))]);
    assert_eq!(deployment.token_path(), Some("/incode/token"));
    assert_eq!(deployment.callback_path(), Some("/incode/callback"));
    let page = deployment.page_url("the id").unwrap();
    assert_eq!(
        page,
        "https://web.example/?client_id=app&redirect_url=https%3A%2F%2Fapp.example%2Fbase%2Fincode%2Fcallback&\
         correlation_id=the+id"
    );
}

#[test]
fn it_needs_a_client_and_a_policy() {
    assert_eq!(Builder::new().deployment().unwrap_err().setting(), "client");
    assert_eq!(builder().deployment().unwrap_err().setting(), "webhook_authenticity");
}

#[tokio::test]
async fn it_names_the_secrets_that_it_lacks() {
    let with = |key: &str| {
        let builder = builder().webhook_authenticity(Authenticity::fetch_back()).hosted_flow(flow());
        builder.store_key(Secret::from(key)).deployment().unwrap()
    };
    let store = MemoryStore::new();
    assert_eq!(with("one key of 32 bytes or even more").unknown_secrets(&store).await.unwrap(), [""; 0]);
    assert_eq!(with("another key of 32 bytes and more").unknown_secrets(&store).await.unwrap(), ["store key"]);
    assert!(!format!("{:?}", with(KEY)).contains(KEY));
}

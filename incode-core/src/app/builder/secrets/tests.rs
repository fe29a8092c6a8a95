use super::*;
use crate::store::{LifeCycle, MemoryStore};

async fn knows(store: &MemoryStore, name: &'static str, secrets: &[&str]) -> bool {
    let secrets: Vec<_> = secrets.iter().map(|secret| Secret::from(*secret)).collect();
    is_known(store, name, &secrets).await.unwrap()
}

/// [A], then [B, A], then [B]: right at each step, and a process that still has [A] is wrong from then on.
#[tokio::test]
async fn the_check_value_follows_a_rotation() {
    let store = MemoryStore::new();
    assert!(knows(&store, STORE_KEY, &["a"]).await);
    assert!(!knows(&store, STORE_KEY, &["b"]).await, "it would not open what the others sealed");
    assert!(knows(&store, STORE_KEY, &["b", "a"]).await);
    assert!(knows(&store, STORE_KEY, &["b", "a"]).await, "a second replica");
    assert!(knows(&store, STORE_KEY, &["b"]).await, "the old key is gone");
    assert!(!knows(&store, STORE_KEY, &["a"]).await, "left behind");
    assert!(knows(&store, STORE_KEY, &["b"]).await, "it replaced nothing");
    // The other order, as a rotation begins that first adds the new key everywhere.
    assert!(knows(&store, STORE_KEY, &["b", "c"]).await);
    assert!(knows(&store, STORE_KEY, &["c", "b"]).await);
    assert!(knows(&store, STORE_KEY, &["d", "x", "c"]).await, "however many are older");
    assert!(knows(&store, STORE_KEY, &[]).await, "no secret, nothing to compare");
}

/// A store that was first opened without a store key: its flow secret does not vouch for a store key later.
#[tokio::test]
async fn a_flow_secret_says_nothing_of_a_store_key() {
    let store = MemoryStore::new();
    let client = Client::builder("https://vendor.example", Secret::from("the-api-key")).build().unwrap();
    let secret = |text: &str| Secret::from(text);
    let kept = async |name, text: &str| store.check_secret(name, check_value(&secret(text))).await.unwrap();
    check_secrets(&store, &[], &[secret("flow")], &client).await.unwrap();
    check_secrets(&store, &[secret("key")], &[secret("flow")], &client).await.unwrap();
    assert_eq!(kept(STORE_KEY, "key").await, SecretCheck::Same, "not the flow secret's");
    check_secrets(&store, &[secret("wrong")], &[secret("flow")], &client).await.unwrap();
    assert!(!is_known(&store, STORE_KEY, &[secret("wrong")]).await.unwrap());
    assert_eq!(kept(STORE_KEY, "key").await, SecretCheck::Same, "the wrong one replaced nothing");
    assert_eq!(kept(API_KEY, "another").await, SecretCheck::New, "the API key sealed nothing");
}

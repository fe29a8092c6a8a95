use std::sync::Arc;

use super::MemoryStore;
use crate::store::{InboxStore, Store, StoreErrorKind};
use crate::testing::store_suite;

#[tokio::test]
async fn keeps_the_contract() {
    store_suite::run(|| async { Arc::new(MemoryStore::new()) as Arc<dyn Store> }).await;
}

#[tokio::test]
async fn refuses_more_than_it_has_room_for() {
    let store = MemoryStore::with_capacity(1);
    store.accept(store_suite::pending("first", "token", 1)).await.unwrap();
    let refused = store.accept(store_suite::pending("second", "token", 1)).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Full);
}

/// The tests for two processes that need neither a feed nor an end of one: here both are the same store.
#[tokio::test]
async fn calls_at_once_are_one_after_the_other() {
    macro_rules! each {
        ($($test:ident),* $(,)?) => { $(
            let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
            store_suite::$test(Arc::clone(&store), store).await;
        )* };
    }
    each!(
        what_one_accepts_the_other_knows_and_works_on,
        deliveries_to_two_at_once_are_one_event,
        two_never_claim_the_same_event,
        what_two_apply_at_once_enqueues_one_job,
        two_merge_without_losing_an_update,
        a_correlation_id_is_used_once_among_two,
        a_token_is_used_once_among_two,
        an_identity_is_linked_once_among_two,
        event_and_callback_among_two_link_once,
        a_confirmation_is_used_once_among_two,
        two_compare_their_secrets,
    );
}

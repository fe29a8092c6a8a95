use super::*;
use crate::testing::store_suite::seen;

fn revoked(sent_at: i64) -> Observation {
    Observation { status: IdentityStatus::Revoked, ..seen("person", sent_at) }
}

fn answered(sent_at: i64) -> Arc<NotActive> {
    Arc::new(NotActive::of(&revoked(sent_at), Cause::BearerToken).unwrap())
}

/// One answer is reported when it arrives, and again when it is written. Only the first report searches the near cache.
#[tokio::test]
async fn one_answer_is_withheld_once() {
    let unwritten = Unwritten::default();
    assert_eq!(unwritten.add(&answered(1_000)), Added::NeedsWriter);
    assert_eq!(unwritten.add(&answered(1_000)), Added::Known);
    assert_eq!(unwritten.add(&answered(999)), Added::Known, "an older one says nothing new");
    assert_eq!(unwritten.add(&answered(1_001)), Added::Queued, "another answer");
    unwritten.remove(&revoked(1_000));
    assert_eq!(unwritten.add(&answered(1_001)), Added::Known, "what was written is an earlier one");
    unwritten.remove(&revoked(1_001));
    assert_ne!(unwritten.add(&answered(1_001)), Added::Known, "asked anew after it was written");
}

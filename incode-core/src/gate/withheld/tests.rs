use super::*;
use crate::Timestamp;
use crate::identity::Cause;
use crate::model::IdentityStatus;
use crate::testing::store_suite::seen;

fn row(status: &str, checked_at: i64) -> Identity {
    let id = IdentityId::new("person").unwrap();
    Identity::new(id, IdentityStatus::from(status), Timestamp::from_millis(checked_at))
}

fn revoked(sent_at: i64) -> Observation {
    Observation { status: IdentityStatus::Revoked, ..seen("person", sent_at) }
}

fn withheld(sent_at: i64) -> Withheld {
    let withheld = Withheld::default();
    withheld.add(&Arc::new(NotActive::of(&revoked(sent_at), Cause::BearerToken).unwrap()));
    withheld
}

fn status(withheld: &Withheld, status: &str, checked_at: i64) -> &'static str {
    match withheld.over(row(status, checked_at)).status {
        IdentityStatus::Active => "ACTIVE",
        IdentityStatus::Revoked => "REVOKED",
        IdentityStatus::NotYetAsked => "not yet asked",
        IdentityStatus::Other(_) => "other",
    }
}

#[tokio::test]
async fn an_answer_counts_over_rows_of_earlier_questions_alone() {
    let withheld = withheld(1_000);
    for earlier in [0, 999, 1_000] {
        assert_eq!(status(&withheld, "ACTIVE", earlier), "REVOKED", "asked at {earlier}");
    }
    assert_eq!(status(&withheld, "ACTIVE", 1_001), "ACTIVE", "ACTIVE again, as the vendor said later");
    assert_eq!(status(&withheld, "SUSPENDED", 1_001), "other");
    let other = IdentityId::new("other").unwrap();
    let other = Identity::new(other, IdentityStatus::Active, Timestamp::from_millis(0));
    assert_eq!(withheld.over(other).status, IdentityStatus::Active);
    assert_eq!(status(&withheld, "ACTIVE", 999), "REVOKED", "a later row of before does not end it");
}

/// Such a row was written before the clock was set back: it holds no answer to a later question.
#[tokio::test(start_paused = true)]
async fn a_row_from_the_future_does_not_end_an_answer() {
    let withheld = withheld(1_000);
    assert_eq!(status(&withheld, "ACTIVE", 181_001), "REVOKED");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(status(&withheld, "ACTIVE", 181_001), "ACTIVE", "so long after, it can be");
}

#[tokio::test(start_paused = true)]
async fn once_written_an_answer_counts_for_reads_that_began_before() {
    let withheld = withheld(1_000);
    let longest = Duration::from_secs(2);
    withheld.written(&revoked(999), longest);
    tokio::time::advance(longest).await;
    assert_eq!(status(&withheld, "ACTIVE", 0), "REVOKED", "an earlier answer was written");
    withheld.written(&revoked(1_000), longest);
    tokio::time::advance(Duration::from_millis(1_999)).await;
    withheld.written(&revoked(1_000), longest);
    assert_eq!(status(&withheld, "ACTIVE", 0), "REVOKED");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(status(&withheld, "ACTIVE", 0), "ACTIVE", "the row is the newest");
    assert!(!withheld.any.load(Ordering::SeqCst));
}

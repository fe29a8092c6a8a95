use super::*;

#[test]
fn progress_counts_what_was_copied_before_and_paces_by_this_run() {
    let line = |of, before, now, seconds| Progress { begun: Instant::now(), of, before, now }.line(seconds);
    assert_eq!(line(1_000, 0, 250, 10.0), "25 % of all, about 30 s left");
    assert_eq!(line(1_000, 500, 250, 10.0), "75 % of all, about 10 s left");
    assert_eq!(line(1_000, 500, 500, 10.0), "100 % of all, about 0 s left");
    assert_eq!(line(0, 0, 0, 0.0), "100 % of all, about 0 s left");
}

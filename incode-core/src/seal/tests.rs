use super::*;

fn sealer(purpose: &'static str) -> Sealer {
    Sealer::new(&Secret::from("0123456789abcdef0123456789abcdef"), purpose)
}

#[test]
fn opens_what_it_sealed_and_nothing_else() {
    let sealed = sealer("a").seal(b"plain", b"context").unwrap();
    assert_eq!(sealer("a").open(&sealed, b"context").unwrap().1, b"plain");
    assert!(sealer("b").open(&sealed, b"context").is_err(), "another purpose");
    assert!(sealer("a").open(&sealed, b"other").is_err(), "another context");
    for at in 0..sealed.len() {
        let mut edited = sealed.clone();
        edited[at] ^= 1;
        assert!(sealer("a").open(&edited, b"context").is_err(), "byte {at} edited");
        assert!(sealer("a").open(&sealed[..at], b"context").is_err(), "cut at {at}");
    }
    assert!(!sealed.windows(5).any(|window| window == b"plain"));
}

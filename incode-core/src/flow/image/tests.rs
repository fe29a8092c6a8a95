use data_encoding::BASE64;

use super::{FaceErrorKind, check};
use crate::model::Face;

fn judged(text: &str) -> Result<(), FaceErrorKind> {
    check(&Face::Base64Image(text.to_owned()), 8192)
}

#[test]
fn an_image_is_padded_base64_within_the_cap() {
    for len in [1, 2, 3, 767, 768, 769, 1535, 1536, 6143, 6144] {
        assert_eq!(judged(&BASE64.encode(&vec![0xa5; len])), Ok(()), "{len} bytes");
    }
    assert_eq!(judged(""), Err(FaceErrorKind::ImageMissing));
    assert_eq!(judged(&"A".repeat(8192)), Ok(()));
    assert_eq!(judged(&"A".repeat(8196)), Err(FaceErrorKind::ImageTooLarge), "counted in characters");
    for malformed in [
        "A",
        "AAA",
        "AAAAA",
        "AA==AAAA",
        "AAA=AAA=",
        "====",
        "A===",
        "AB==",
        "AAAA====",
        "AA A",
        "AAAA\n",
        "data:image/png;base64,AAAA",
        "AA-_",
        "\u{e9}AA",
        "not base64!",
        "\0\0\0\0",
    ] {
        assert_eq!(judged(malformed), Err(FaceErrorKind::ImageMalformed), "{malformed:?}");
    }
    let late = format!("{}!AAA", "A".repeat(2048));
    assert_eq!(judged(&late), Err(FaceErrorKind::ImageMalformed));
    let concatenated = format!("{}==AAAA", "A".repeat(1022));
    assert_eq!(judged(&concatenated), Err(FaceErrorKind::ImageMalformed), "at the seam of two pieces");
}

#[test]
fn other_forms_are_only_measured() {
    assert_eq!(check(&Face::ImageUrl("https://images.example/1.jpg".to_owned()), 100), Ok(()));
    assert_eq!(check(&Face::Template("t".repeat(101)), 100), Err(FaceErrorKind::ImageTooLarge));
    assert_eq!(check(&Face::Template(String::new()), 100), Err(FaceErrorKind::ImageMissing));
}

//! Faces: small pictures. The authenticate call finds a person by the exact bytes of the picture.

use data_encoding::{BASE64, HEXLOWER};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// A picture to authenticate with.
///
/// ```
/// use incode_sandbox::{FaceKind, NewPerson, Sandbox};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::builder().start().await?;
/// assert!(sandbox.faces().iter().all(|face| face.kind != FaceKind::Enrolled));
/// let ana = sandbox.add_person(NewPerson::named("Ana Flores"));
/// sandbox.verify(&ana.identity_id)?; // a verification that passed enrols the face
/// assert_eq!(sandbox.faces()[0].identity_id, Some(ana.identity_id));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Face {
    /// The person's name, or a description of the sample.
    pub label: String,
    /// The result of an authenticate call with it.
    pub kind: FaceKind,
    /// The person, where the face is enrolled.
    pub identity_id: Option<String>,
    /// The picture (SVG), base64: the value of `face.base64Image`.
    pub base64_image: String,
}

/// The result of an authenticate call with a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FaceKind {
    /// `PASS`.
    Enrolled,
    /// `FAIL`, `faceMatchFailed`.
    Stranger,
    /// `FAIL`, `hasFaceMask`.
    Mask,
    /// `FAIL`, `hasLenses`.
    Lenses,
    /// `FAIL`, `spoofAttempt`.
    Spoof,
}

impl FaceKind {
    /// The documented `failureReason`; none where it passes.
    pub(crate) fn failure_reason(self) -> Option<&'static str> {
        match self {
            Self::Enrolled => None,
            Self::Stranger => Some("faceMatchFailed"),
            Self::Mask => Some("hasFaceMask"),
            Self::Lenses => Some("hasLenses"),
            Self::Spoof => Some("spoofAttempt"),
        }
    }
}

impl Face {
    /// The face of an enrolled person.
    pub(crate) fn enrolled(label: &str, identity_id: &str, image: &[u8]) -> Self {
        Self {
            label: label.to_owned(),
            kind: FaceKind::Enrolled,
            identity_id: Some(identity_id.to_owned()),
            base64_image: BASE64.encode(image),
        }
    }

    /// The faces that never pass.
    pub(crate) fn samples() -> Vec<Self> {
        SAMPLES
            .into_iter()
            .map(|(kind, label)| Self {
                label: label.to_owned(),
                kind,
                identity_id: None,
                base64_image: BASE64.encode(sample(kind).as_bytes()),
            })
            .collect()
    }
}

/// The face of an identity, always the same.
pub(crate) fn portrait(identity_id: &str) -> String {
    draw(&format!("person:{identity_id}"), "")
}

/// The sample that has these bytes; a stranger where none has.
pub(crate) fn recognise(image: &[u8]) -> FaceKind {
    SAMPLES
        .into_iter()
        .map(|(kind, _)| kind)
        .find(|kind| sample(*kind).as_bytes() == image)
        .unwrap_or(FaceKind::Stranger)
}

/// The picture of a sample: always the same bytes.
fn sample(kind: FaceKind) -> String {
    let (seed, over) = match kind {
        FaceKind::Enrolled | FaceKind::Stranger => ("stranger", ""),
        FaceKind::Mask => ("mask", MASK),
        FaceKind::Lenses => ("lenses", LENSES),
        FaceKind::Spoof => ("spoof", SPOOF),
    };
    draw(seed, over)
}

/// A drawing of a face. The seed decides its colours and its hair; `over` is drawn above it.
fn draw(seed: &str, over: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(seed.as_bytes()).into();
    let [a, b, c, d, e, ..] = digest;
    let backdrop = pick(&BACKDROPS, a);
    let skin = pick(&SKINS, b);
    let hair = pick(&HAIRS, c);
    let shirt = pick(&SHIRTS, d);
    let (back, front) = pick(&CUTS, e);
    // Two faces may look alike. The digest makes their bytes differ.
    let mark = HEXLOWER.encode(digest.get(..8).unwrap_or_default());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 96 96\"><desc>{mark}</desc>\
         <rect width=\"96\" height=\"96\" fill=\"{backdrop}\"/>\
         <g fill=\"{hair}\">{back}</g>\
         <path d=\"M14 96c2-20 16-27 34-27s32 7 34 27z\" fill=\"{shirt}\"/>\
         <path d=\"M39 60h18v12c0 5-4 8-9 8s-9-3-9-8z\" fill=\"{skin}\"/>\
         <path d=\"M39 64c5 6 13 6 18 0v5c-5 5-13 5-18 0z\" fill=\"#000\" opacity=\".12\"/>\
         <ellipse cx=\"48\" cy=\"44\" rx=\"20\" ry=\"24\" fill=\"{skin}\"/>\
         <g fill=\"{hair}\">{front}</g>\
         <g fill=\"#2b2430\"><circle cx=\"40\" cy=\"45\" r=\"2.3\"/><circle cx=\"56\" cy=\"45\" r=\"2.3\"/></g>\
         <path d=\"M42 56c3 3.5 9 3.5 12 0\" fill=\"none\" stroke=\"#2b2430\" stroke-width=\"2\" \
         stroke-linecap=\"round\"/>{over}</svg>"
    )
}

/// One of the choices, by a byte.
fn pick<T: Copy + Default, const N: usize>(choices: &[T; N], by: u8) -> T {
    choices.get(usize::from(by) % N.max(1)).copied().unwrap_or_default()
}

const SAMPLES: [(FaceKind, &str); 4] = [
    (FaceKind::Stranger, "A stranger"),
    (FaceKind::Mask, "Behind a mask"),
    (FaceKind::Lenses, "Dark glasses"),
    (FaceKind::Spoof, "A photo on a phone"),
];
const BACKDROPS: [&str; 6] = ["#cfe3e8", "#f2dfc9", "#dcd9ee", "#d5e6d3", "#f1d7d8", "#dfe3ea"];
const SKINS: [&str; 6] = ["#f2c9a6", "#e0aa80", "#c98f62", "#a9714a", "#84543a", "#f6d7bd"];
const HAIRS: [&str; 6] = ["#2d2521", "#4f3525", "#7b4a2a", "#a8712f", "#8d8f96", "#1e2430"];
const SHIRTS: [&str; 6] = ["#3d6b83", "#7a4e6d", "#4d7257", "#a0603f", "#454f6b", "#8a7f45"];
// Hair behind the head, and in front of it.
const CUTS: [(&str, &str); 4] = [
    ("", "<path d=\"M27 42c-2-19 9-27 21-27s23 8 21 27c-4-4-5-9-6-13-9 3-21 3-30 0-1 4-2 9-6 13z\"/>"),
    (
        "<path d=\"M24 74c-4-40 4-60 24-60s28 20 24 60z\"/>",
        "<path d=\"M28 44c-1-18 8-26 20-26s21 8 20 26c-3-10-9-15-16-17-5 6-15 9-24 17z\"/>",
    ),
    (
        "<circle cx=\"48\" cy=\"14\" r=\"9\"/>",
        "<path d=\"M28 40c0-16 9-23 20-23s20 7 20 23c-6-9-13-12-20-12s-14 3-20 12z\"/>",
    ),
    (
        "<circle cx=\"48\" cy=\"36\" r=\"27\"/>",
        "<path d=\"M29 38c1-13 9-19 19-19s18 6 19 19c-5-6-11-8-19-8s-14 2-19 8z\"/>",
    ),
];
const MASK: &str = "<path d=\"M29 50c12-5 26-5 38 0-1 10-8 19-19 19s-18-9-19-19z\" fill=\"#eef4f7\"/>\
    <path d=\"M33 55h30M35 60h26\" stroke=\"#b9c9d1\" stroke-width=\"1.5\"/>";
const LENSES: &str = "<g fill=\"#17181c\"><rect x=\"30\" y=\"39\" width=\"16\" height=\"11\" rx=\"5\"/>\
    <rect x=\"50\" y=\"39\" width=\"16\" height=\"11\" rx=\"5\"/><rect x=\"44\" y=\"42\" width=\"8\" height=\"2.5\"/></g>";
const SPOOF: &str = "<rect x=\"12\" y=\"4\" width=\"72\" height=\"88\" rx=\"9\" fill=\"none\" stroke=\"#17181c\" \
    stroke-width=\"7\"/><circle cx=\"48\" cy=\"88\" r=\"2\" fill=\"#6b6f78\"/>";

use data_encoding::BASE64;
use zeroize::{Zeroize, Zeroizing};

use crate::model::{Face, FaceAuthenticationRequest};

use super::FaceErrorKind;

/// Refuses what the vendor could not use, before anything is sent: `cap` in characters of base64.
pub(crate) fn check(face: &Face, cap: usize) -> Result<(), FaceErrorKind> {
    let text = match face {
        Face::Base64Image(text) | Face::ImageUrl(text) | Face::Template(text) => text,
    };
    if text.is_empty() {
        return Err(FaceErrorKind::ImageMissing);
    }
    if text.len() > cap {
        return Err(FaceErrorKind::ImageTooLarge);
    }
    match face {
        Face::Base64Image(text) if !is_base64(text) => Err(FaceErrorKind::ImageMalformed),
        _ => Ok(()),
    }
}

/// A request whose picture is overwritten when it is no longer needed.
pub(crate) struct Wiped(pub(crate) FaceAuthenticationRequest);

impl Drop for Wiped {
    fn drop(&mut self) {
        match &mut self.0.face {
            Face::Base64Image(text) | Face::ImageUrl(text) | Face::Template(text) => text.zeroize(),
        }
    }
}

/// Padded, and nothing beside: in small pieces, so that the picture is not there twice.
fn is_base64(text: &str) -> bool {
    // The decoder takes one text after another; a picture is one.
    let padding_is_last =
        text.trim_end_matches('=').len() + 2 >= text.len() && !text.trim_end_matches('=').contains('=');
    let mut piece = Zeroizing::new([0_u8; PIECE / 4 * 3]);
    padding_is_last
        && text.as_bytes().chunks(PIECE).all(|chars| {
            let fits = BASE64.decode_len(chars.len()).ok().and_then(|len| piece.get_mut(..len));
            fits.is_some_and(|bytes| BASE64.decode_mut(chars, bytes).is_ok())
        })
}

/// Characters decoded at a time; a multiple of four.
const PIECE: usize = 1024;

#[cfg(test)]
mod tests;

//! Limits on what makes a call to the vendor. Each process counts for itself.

use std::sync::Arc;
use std::time::Duration;

use crate::http::Problem;
use crate::limit::{Limit, Limiter};
use crate::model::Face;
use crate::session::tagged;
use crate::{Clock, Subject};

/// One for each application; shared by all requests.
pub(crate) struct FlowLimits {
    callbacks_by_flow: Limiter<[u8; 24]>,
    callbacks_by_subject: Limiter<Subject>,
    faces: Limiter<Subject>,
    /// Images that were sent, each with the subject that sent it.
    images: Limiter<(Subject, [u8; 32])>,
    clock: Arc<dyn Clock>,
}

/// The application's choices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LimitSettings {
    /// Callbacks of one subject.
    pub(crate) callbacks: Limit,
    /// Face authentications of one subject.
    pub(crate) faces: Limit,
    /// How long the same image is refused.
    pub(crate) same_image_after: Duration,
}

/// An image that is being sent.
pub(super) type SentImage = (Subject, [u8; 32]);

/// Why a face is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaceLimit {
    /// The subject asked too often, and may ask again after this long.
    TooMany(Duration),
    /// This image was sent before.
    SameImage,
}

impl FlowLimits {
    pub(crate) fn new(settings: LimitSettings, clock: Arc<dyn Clock>) -> Self {
        let once = Limit { burst: 1, interval: settings.same_image_after };
        Self {
            callbacks_by_flow: Limiter::new(CALLBACKS_OF_ONE_FLOW, CAPACITY),
            callbacks_by_subject: Limiter::new(settings.callbacks, CAPACITY),
            faces: Limiter::new(settings.faces, CAPACITY),
            images: Limiter::new(once, CAPACITY),
            clock,
        }
    }

    /// Counts a callback that is about to ask the vendor.
    ///
    /// # Errors
    /// The problem to show instead.
    pub(super) fn count_callback(&self, nonce: [u8; 24], subject: &Subject) -> Result<(), Problem> {
        let now = self.clock.elapsed();
        let counted = self.callbacks_by_flow.take(&nonce, now).and_then(|()| {
            let counted = self.callbacks_by_subject.take(subject, now);
            counted.inspect_err(|_| self.callbacks_by_flow.give_back(&nonce, now))
        });
        counted.map_err(|wait| {
            metrics::counter!("incode_vendor_calls_limited_total", "call" => "callback").increment(1);
            too_many_requests(wait)
        })
    }

    /// Counts a face that is about to be sent.
    pub(super) fn count_face(&self, subject: &Subject, face: &Face) -> Result<SentImage, FaceLimit> {
        let (now, image) = (self.clock.elapsed(), (subject.clone(), hash(face)));
        let counted = self.images.take(&image, now).map_err(|_| FaceLimit::SameImage).and_then(|()| {
            let counted = self.faces.take(subject, now).map_err(FaceLimit::TooMany);
            counted.inspect_err(|_| self.images.give_back(&image, now))
        });
        if counted.is_err() {
            metrics::counter!("incode_vendor_calls_limited_total", "call" => "authenticate").increment(1);
        }
        counted.map(|()| image)
    }

    /// The vendor decided nothing about the image: it may be sent again.
    pub(super) fn allow_again(&self, image: &SentImage) {
        self.images.give_back(image, self.clock.elapsed());
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            callbacks: Limit { burst: 8, interval: Duration::from_secs(10) },
            // The vendor takes about one face a second of all an application's users together, and five at once.
            faces: Limit { burst: 5, interval: Duration::from_secs(12) },
            same_image_after: Duration::from_secs(10 * 60),
        }
    }
}

/// The answer to a request that comes too early.
pub(super) fn too_many_requests(wait: Duration) -> Problem {
    let detail = "You asked too often. Wait a moment, then try again.";
    Problem::new(429, "too_many_requests", "Too many requests", detail).retry_after(wait)
}

/// A hash can't be turned back into the picture.
fn hash(face: &Face) -> [u8; 32] {
    let (Face::Base64Image(text) | Face::ImageUrl(text) | Face::Template(text)) = face;
    tagged(b"incode face image v1", text.as_bytes())
}

/// A reload or two while the vendor does not answer, and no more: each flow has one token.
const CALLBACKS_OF_ONE_FLOW: Limit = Limit { burst: 4, interval: Duration::from_secs(15) };

/// Keys of each limit. Each subject has to be logged in, and each flow to be started here: few make that many.
const CAPACITY: usize = 10_000;

#[cfg(test)]
mod tests;

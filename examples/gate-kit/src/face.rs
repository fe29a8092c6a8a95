//! `POST /face`: face authentication of the logged-in user.

use std::convert::Infallible;

use bytes::Bytes;
use data_encoding::BASE64;
use futures_core::Stream;
use incode_core::flow::{FaceErrorKind, FaceOutcome, FaceScope};
use incode_core::gate::{Requirement, Standing, Visitor};
use incode_core::http::{Problem, Reply};
use incode_core::identity::Identity;
use incode_core::model::{Face, FaceAuthenticationRequest};
use multer::Multipart;
use serde::{Deserialize, Serialize};

use crate::notice::{self, Notice};
use crate::site::json;
use crate::{BasePath, RequestContext, Site, body, refusal};

impl Site {
    /// `POST /face`: JSON `{"base64Image"}`, or the page's own form with a picture or a file. Programs get
    /// `{"passed":true,"standing","identity"}` or a problem, browsers go back to the page with a notice.
    pub async fn face<B, C, E>(&self, visitor: &Visitor, request: &RequestContext, body: B) -> Reply
    where
        B: Stream<Item = Result<C, E>>,
        C: AsRef<[u8]>,
    {
        // In the session of this request: a second session of the same account gains nothing by it.
        let Some(scope) = FaceScope::of(visitor) else {
            return match visitor.require(&Requirement::active()) {
                Err(denial) => refusal::deny(&denial, request),
                Ok(()) => refusal::refuse(&self.base, &refusal::not_found(), request),
            };
        };
        let image = match self.image(request, body).await {
            Ok(image) => image,
            Err(problem) => return refusal::refuse(&self.base, &problem, request),
        };
        let face = FaceAuthenticationRequest { face: Face::Base64Image(image), source: None };
        match self.incode.authenticate(scope, &face).await {
            Ok(outcome) => answer(&self.base, outcome, request),
            Err(error) => {
                if matches!(error.kind(), FaceErrorKind::Vendor | FaceErrorKind::Store) {
                    tracing::warn!(error.kind = ?error.kind(), "no outcome of a face authentication");
                }
                refusal::refuse(&self.base, &error.problem(), request)
            }
        }
    }

    async fn image<B, C, E>(&self, request: &RequestContext, body: B) -> Result<String, Problem>
    where
        B: Stream<Item = Result<C, E>>,
        C: AsRef<[u8]>,
    {
        self.check_origin(request)?;
        let image = match request.media_type().as_str() {
            "application/json" => {
                let body = body::read(request, body, BODY_CAP).await?;
                let image: Image = serde_json::from_slice(&body).map_err(|_| {
                    Problem::new(400, "body_malformed", "Not readable", "Send JSON such as {\"base64Image\":\"...\"}.")
                })?;
                image.base64_image
            }
            body::FORM => {
                let body = body::read(request, body, BODY_CAP).await?;
                body::form_value(&body, "base64Image").unwrap_or_default()
            }
            "multipart/form-data" => {
                let body = body::read(request, body, BODY_CAP).await?;
                from_parts(request, body).await?
            }
            _ => return Err(body::unsupported(TAKEN)),
        };
        Ok(image)
    }
}

/// The field `image` of a form with a file, or `base64Image` as text.
async fn from_parts(request: &RequestContext, body: Bytes) -> Result<String, Problem> {
    let malformed =
        |_| Problem::new(400, "body_malformed", "Not readable", "Send a form with the picture in the field `image`.");
    let boundary = multer::parse_boundary(request.content_type.as_deref().unwrap_or_default()).map_err(malformed)?;
    let whole = futures_util::stream::once(async move { Ok::<_, Infallible>(body) });
    let mut parts = Multipart::new(whole, boundary);
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        match part.name() {
            Some("image") => return Ok(BASE64.encode(&part.bytes().await.map_err(malformed)?)),
            Some("base64Image") => return part.text().await.map_err(malformed),
            _ => {}
        }
    }
    Ok(String::new())
}

fn answer(base: &BasePath, outcome: FaceOutcome, request: &RequestContext) -> Reply {
    let problem = outcome.problem();
    let notice = match outcome {
        FaceOutcome::Passed(identity) => return passed(base, &identity, request),
        FaceOutcome::Failed(reason) => Notice::of_failure(reason.as_ref()),
        FaceOutcome::OtherIdentity => notice::FACE_OTHER,
        _ => notice::FACE_FAILED,
    };
    match problem {
        Some(problem) if !request.html => problem.reply(),
        _ => Reply::see_other(base.link(&notice.url())),
    }
}

fn passed(base: &BasePath, identity: &Identity, request: &RequestContext) -> Reply {
    let standing = Standing::from(&identity.status);
    if !request.html {
        return json(200, &Passed { passed: true, standing, identity });
    }
    let notice = if standing == Standing::Active { notice::FACE_PASSED } else { notice::FACE_REVOKED };
    Reply::see_other(base.link(&notice.url()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    base64_image: String,
}

#[derive(Serialize)]
struct Passed<'a> {
    passed: bool,
    standing: Standing,
    identity: &'a Identity,
}

const TAKEN: &str = "application/json, multipart/form-data, application/x-www-form-urlencoded";

/// A photograph of a few megabytes, in base64, with room to spare.
const BODY_CAP: usize = 10 * 1024 * 1024;

//! subject -> standing -> requirement -> decision.
//!
//! A [`SubjectSource`] finds the subject of a request, the near cache has its standing or loads it once, a [`Visitor`] carries
//! it to handlers, and a [`Requirement`] turns it into a pass or a [`Denial`]. The adapters put these into layers, gates
//! and extractors under the same names: `IncodeLayer`, `GateLayer`, `Active` of `incode-tower`; `IncodeMiddleware`,
//! `GateMiddleware`, `Active` of `incode-actix`.
//!
//! # What a route can ask for
//!
//! Every requirement includes ACTIVE: nothing else counts for a visitor whose identity has another status. What is added
//! makes it stricter.
//!
//! | ask | with | when it is not met |
//! |---|---|---|
//! | the vendor's last answer was ACTIVE | [`Requirement::active`] | by standing, see below |
//! | a VERIFIED verification was seen | [`verified`](Requirement::verified) | 403 `verification_required` |
//! | and not too long ago | [`verified_within`](Requirement::verified_within) | 403 `verification_expired` |
//! | the document check ended with OK | [`attested`](Requirement::attested) | 403 `attestation_insufficient` |
//! | the link was made by this proof | [`linked_by`](Requirement::linked_by) | 403 `link_insufficient` |
//! | so many years of age | [`minimum_age`](Requirement::minimum_age) | 403 `age_insufficient` |
//! | one of these countries | [`country`](Requirement::country) | 403 `country_not_accepted` |
//! | a rule of your own | [`satisfying`](Requirement::satisfying) | 403 `requirement_not_met` |
//! | a recent face, confirmed here in this session | [`face_authenticated_within`](Requirement::face_authenticated_within) | 401 `face_authentication_required` |
//! | a recent face that the vendor saw anywhere | [`face_seen_by_vendor_within`](Requirement::face_seen_by_vendor_within) | 401 `face_authentication_required` |
//!
//! [`and`](Requirement::and), [`or`](Requirement::or) and [`named`](Requirement::named) compose them:
//!
//! ```
//! use std::time::Duration;
//! use incode_core::gate::{Requirement, TimeZone};
//!
//! const DAY: Duration = Duration::from_secs(86_400);
//!
//! let adult = Requirement::active().minimum_age(18, TimeZone::new("America/Mexico_City")?).named("adult");
//! let sure = Requirement::active().attested().or(Requirement::active().verified_within(DAY));
//! let checkout = adult.and(sure).named("checkout");
//! # assert!(format!("{checkout:?}").contains("checkout"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a face confirms
//!
//! A face that passes [`Incode::authenticate`](crate::Incode::authenticate) is recorded for its subject, for the session it
//! was made in and, where one is named, for an action.
//!
//! | to guard | use |
//! |---|---|
//! | one action, such as a transfer | [`Incode::use_confirmation`](crate::Incode::use_confirmation) in the handler: one face, one action, once |
//! | pages for a while after a face | `face_authenticated_within`: any face of this session |
//! | what a kiosk's face may open too | `face_seen_by_vendor_within`, which says nothing of the session |
//!
//! Name the sessions ([`Builder::sessions`](crate::Builder::sessions), [`SessionSource`]). Where an application names none,
//! a face counts in every session of its subject: a second device that is logged in as the same user may use it.
//!
//! # When a requirement takes effect
//!
//! Requirements are values of your program, checked at each request against what is known then. No decision is stored.
//! A release that asks for more refuses people at once who passed before; one that asks for less lets them in again.
//!
//! Age and country read two personal fields of userinfo, which are kept only where the application opted in with
//! [`Builder::retain`](crate::Builder::retain). Where it did not, the gate is shut with 500 `requirement_not_set_up`, and a
//! line in the log names the field. Of what is kept, the near cache holds the birth date and the country, and nothing for
//! an application that keeps neither.
//!
//! # Where users come from
//!
//! | the user is found | with |
//! |---|---|
//! | by an extractor of the framework, or other asynchronous code | `identify` of the adapter's layer |
//! | in a header, a cookie or a token that a function can check | [`SubjectSource`], by [`Builder::subjects`](crate::Builder::subjects) |
//! | by a middleware of the application, which inserts a [`Subject`](crate::Subject) | [`SubjectSource::extension`], as by default |
//!
//! Code that is awaited answers with a key, with none, or with a response of its own, which is sent to the client. A key that
//! is no [`Subject`](crate::Subject) is logged and answered with 500 `subject_refused`: a user with an unusable key is not
//! taken for a visitor without a login.
//!
//! # Which denial
//!
//! One request, one denial. The standing comes first:
//!
//! | standing | denial |
//! |---|---|
//! | [`NoSubject`](Standing::NoSubject) | 401 `authentication_required`; 401 `invalid_token` when a bearer token was refused |
//! | [`NotLinked`](Standing::NotLinked) | 403 `verification_required` |
//! | [`NotYetAsked`](Standing::NotYetAsked) | 403 `verification_required` |
//! | [`VerificationPending`](Standing::VerificationPending) | 403 `verification_pending` with `Retry-After` |
//! | [`Revoked`](Standing::Revoked) | 403 `identity_revoked` |
//! | [`Other`](Standing::Other) | 403 `identity_not_active` |
//! | [`Unavailable`](Standing::Unavailable) | 503 `identity_unavailable` with `Retry-After` |
//!
//! Then, for a visitor who is ACTIVE: verification, attestation, and what was added in the order it was added; a missing face comes
//! last, so that it is not asked for at a gate that stays shut all the same. Of two alternatives that are both not met the
//! denial is the one that the person can act on best, in this order: face, verification, attestation, link, your own rule,
//! country, age. Of two alike, the first. The name shown as `requirement` is that of the smallest named requirement around
//! what was not met.
//!
//! # How it is shown
//!
//! As `application/problem+json` (RFC 9457) with `Cache-Control: no-store`. The `code` never changes for the same cause;
//! `verify_url`, `login_url` or `step_up_url` say where a person can do something about it, each only when that would help
//! and there is such a page. A revoked person gets no `verify_url`: another check does not undo a revocation.
//!
//! - **401** always has a `WWW-Authenticate`. For a face it is the step-up challenge of RFC 9470; for a login it is
//!   `Login`, which makes no browser show a dialog, or your own ([`Builder::challenge`](crate::Builder::challenge)).
//! - **Browsers** (GET or HEAD, an `Accept` that likes HTML better than JSON) are redirected where the application opted
//!   in: [`Builder::redirect_browsers`](crate::Builder::redirect_browsers), `login_at`, `step_up_at`. A POST never is: what
//!   was posted would be lost. Everything else is shown in place, as a small page: pending, revoked, not active, and what a
//!   new verification would not change. It is in English, Spanish or Portuguese by `Accept-Language`, works without
//!   JavaScript, and shows the application's name, logo and stylesheet ([`Builder::brand`](crate::Builder::brand)). The page
//!   of a pending verification reloads itself.
//! - **gRPC** calls (`Content-Type: application/grpc`) get 200 with `grpc-status` 16, 7, 14 or 13 for 401, 403, 503 or 500,
//!   the code in `incode-code`, and no body. Not so the routes that the layer answers itself: none of them is a call.
//! - **Your own rendering** ([`Builder::render`](crate::Builder::render)) replaces all of these but redirects, for gates,
//!   extractors, `require` in handlers, the hosted flow and the webhook alike; [`Audience`] says who reads. The one answer
//!   that it does not reach is 500 `layer_missing`: without the layer it is not known. There is no `Vary: Accept`,
//!   because `no-store` leaves nothing that could be taken for another answer.
//!
//! What a gate lets through is marked `Cache-Control: private, no-cache` unless its handler says something itself: no shared
//! cache keeps it, and a browser asks again, so that the gate decides again. Handlers without a gate around them, and
//! handlers that say `public`, are on their own.
//!
//! # Where it goes
//!
//! The layer goes around the whole application and lets every request pass; a gate goes around what it guards, inside the layer:
//! a route (`route_layer`, or `layer` on `any(..)`), a nested router, a scope, a resource, a whole service. It guards what it
//! wraps, whatever path led there: there is no pattern of paths that a router could read differently. A nested gate asks
//! in addition to the one around it. axum's `route_layer` leaves fallbacks outside; `layer` on the nested router takes them
//! in.
//!
//! A gate or extractor without the layer around it answers 500 `layer_missing` and logs what to add; so does one *outside*
//! the layer. A login layer *inside* of ours leaves its [`Subject`](crate::Subject) too late: then a gate answers 500
//! `layer_order` and logs what to move. A layer that finds the user by asynchronous code (`identify` of both adapters) asks only
//! where a gate, an extractor, start or callback needs the user, and once for a request. Of two layers around one route the outer counts, and that is logged too.
//!
//! **CORS** goes outside of the layer. It answers preflights, which carry no credentials, by itself, and marks denials so that
//! scripts can read them. Where it has to be inside of a gate, the gate can let genuine preflights by; [`is_preflight`] says
//! what that means. Upgrades pass layer and gate like any request, and what is denied is not upgraded.
//!
//! # What handlers take
//!
//! | extractor | is | rejects |
//! |---|---|---|
//! | `Visitor` | the visitor, whatever the standing; [`require`](Visitor::require) decides inside | only without the layer |
//! | `Active` | a visitor who is ACTIVE | every other |
//! | `MaybeActive` (and in axum `Option<Active>`) | an `Active`, if there is one | while nothing is known: 503 |
//! | `Satisfies<R>` | a visitor who meets the requirement that the type `R` stands for: [`Policy`] | every other |
//!
//! `Active` and `Satisfies` are made by these functions alone, so a handler that takes one is safe wherever it is mounted. A visitor
//! is none:
//!
//! ```
//! use incode_core::gate::{self, Active, Visitor};
//! # use incode_core::http::{RequestHead, Reply};
//!
//! fn open_vault(person: &Active) -> String {
//!     format!("verified: {:?}", person.identity().verified_at)
//! }
//!
//! fn serve(visitor: Option<&Visitor>, head: &dyn RequestHead) -> Result<String, Reply> {
//!     Ok(open_vault(&gate::active(visitor, head)?))
//! }
//! ```
//!
//! ```compile_fail,E0308
//! use incode_core::gate::{self, Active, Visitor};
//! # use incode_core::http::{RequestHead, Reply};
//!
//! fn open_vault(person: &Active) -> String {
//!     format!("verified: {:?}", person.identity().verified_at)
//! }
//!
//! fn serve(visitor: Option<&Visitor>, head: &dyn RequestHead) -> Result<String, Reply> {
//!     Ok(open_vault(&gate::visitor(visitor, head)?))
//! }
//! ```
//!
//! and no code outside makes an `Active` of an identity, be it ACTIVE or not:
//!
//! ```compile_fail,E0451
//! use incode_core::gate::{Active, Visitor};
//! use incode_core::identity::Identity;
//!
//! fn forge(visitor: Visitor, identity: Identity) -> Active {
//!     Active { visitor, identity }
//! }
//! ```
//!
//! though it may be taken apart:
//!
//! ```
//! use incode_core::gate::{Active, Visitor};
//! use incode_core::identity::Identity;
//!
//! fn parts(person: &Active) -> (Visitor, Identity) {
//!     (person.visitor().clone(), person.identity().clone())
//! }
//! ```
//!
//! Nor does one requirement count for another:
//!
//! ```
//! use incode_core::gate::Satisfies;
//!
//! struct Transfer;
//!
//! fn transfer(_: &Satisfies<Transfer>) {}
//!
//! fn serve(person: &Satisfies<Transfer>) {
//!     transfer(person);
//! }
//! ```
//!
//! ```compile_fail,E0308
//! use incode_core::gate::Satisfies;
//!
//! struct Vault;
//! struct Transfer;
//!
//! fn transfer(_: &Satisfies<Transfer>) {}
//!
//! fn serve(person: &Satisfies<Vault>) {
//!     transfer(person);
//! }
//! ```

mod active;
mod cached_standing;
mod check;
mod clause;
mod context;
mod cookie;
mod denial;
mod explanation;
mod guarded;
mod identify;
mod monotonic_age;
mod near;
mod order;
mod policy_fields;
mod request_context;
mod requirement;
mod satisfies;
mod session;
mod single_flight;
mod standing;
mod subject;
mod time_zone;
mod visitor;
mod watch;
mod withheld;

pub use active::{Active, active, maybe_active};
pub use check::{GRANTED_CACHE_CONTROL, GatePolicy, check, is_preflight, visitor};
pub use context::{Audience, Render};
pub use denial::{Denial, DenialKind};
pub use explanation::Explanation;
pub use guarded::Guarded;
pub use identify::{FoundUser, IdentifiedUser, IdentifyOutcome, UserKey};
pub use requirement::Requirement;
pub use satisfies::{Policy, Satisfies, satisfies};
pub use session::SessionSource;
pub use standing::Standing;
pub use subject::SubjectSource;
pub use time_zone::TimeZone;
pub use visitor::Visitor;

pub(crate) use cached_standing::{CacheKey, CacheKeyRef};
pub(crate) use context::{Context, Pages};
pub(crate) use monotonic_age::MonotonicAge;
pub use near::PendingVisitor;
pub(crate) use near::{NearCache, NearSettings};
pub(crate) use order::LoginOrder;
pub(crate) use single_flight::{Join, LeaderGuard, SingleFlight};

#[cfg(test)]
mod tests;

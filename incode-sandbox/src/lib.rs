#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
//!
//! # What it is
//!
//! Test an application against it in the same process through [`Sandbox`], or run it as the program `incode-sandbox`
//! (`--help` lists its settings). It shares no code with the crates that it helps to test: it is an independent reading of
//! the same document.
//!
//! # How to make it unkind
//! Three tools, from short to lasting. Each exists in process and in the control API.
//!
//! | to get | use |
//! |---|---|
//! | a status, a late, cut, wrong or missing answer to the next calls | [`Fault`], [`Sandbox::add_fault`] |
//! | 429 with `Retry-After` in seconds, as a date, or absurd | [`Fault::too_many_requests`] |
//! | 403 or 429 for one token only, or for one person only | [`Fault::for_token`], [`Fault::for_person`] |
//! | a rate limit with a burst, for all calls, a route, or each token | [`Behaviour::rate_limits`] |
//! | a latency of each answer | [`Behaviour::latency_ms`] |
//! | a `createdAt` that is absent, null, a string, a fraction, negative | [`Behaviour::verification_created_at`], [`Behaviour::authentication_created_at`] |
//! | an `identityId` of `"undefined"`, `"null"`, `"0"`, `""`, or none | [`NewPerson::identity_id`], [`Behaviour::identity_id`] |
//! | objects of other people answered with 200, 403 or 404 | [`Behaviour::others_objects`] |
//! | a token issued before a flow, for another client, without `iat` | [`Sandbox::mint_token`], [`NewToken`] |
//! | `aud` or other claims in every token | [`Behaviour::token_claims`] |
//! | the same token by webhook and by browser | [`Behaviour::webhook_token`] |
//! | a fresh token in each retry of a delivery | [`Behaviour::retry_token`] |
//! | events that repeat the correlation id | [`Behaviour::echo_correlation_id`] |
//! | an event after the browser's return | [`Sandbox::hold_deliveries`], [`Sandbox::release_deliveries`] |
//! | an event before the browser's return | [`Behaviour::return_after_event`] |
//! | a vendor's clock that is ahead or behind, or no `Date` header | [`Behaviour::date`], [`Sandbox::set_clock_offset`] |
//! | a check that fails, or stays pending | [`Sandbox::verify_as`], [`Sandbox::complete_verification`], the hosted page |
//!
//! # The hosted page
//! The application redirects to `/?client_id=...&redirect_url=...&correlation_id=...`. A test may also post the form:
//! the same parameters and `name`, `email`, `phone`, `date_of_birth`, `check`, `outcome`.
//!
//! - `check` is `verification` (default) or `authentication`. An authentication needs an enrolled person's email.
//! - `outcome` is `pass`, `fail` or, for a verification, `pending`.
//! - Every outcome returns a token of the person named in the form: of a known person, or of a newcomer.
//! - A check that passed or failed sends its event. One that is pending sends none until it is completed.
//!
//! # What it decides where the vendor's document is silent
//! - A refused verification is `REJECTED`, an undecided one `PENDING`. A person who never passed one is `PENDING` too.
//!   The document names neither, and a receiver must cope with any status.
//! - An `ACTIVE` person who fails a later verification stays `ACTIVE`.
//! - A verification that passed enrols the face. A revoked person's face still passes: revocation shows in userinfo only.
//! - A face that failed at the API belongs to no person: any live token may read the authentication, and the token of its
//!   event gets 404 from userinfo. One that failed on the hosted page belongs to the person named there.
//! - A token of another client is answered like any other: the document names no refusal.
//! - Checks run in this order: path, method, `api-version`, `x-api-key`, `Accept`, `Content-Type`, token, object. Faults
//!   and rate limits come before all of them.
//! - A request for one object with the token of another person is 404, unless [`Behaviour::others_objects`] differs.
//!
//! # Safety
//! The control page and API have no password. They answer only to a `Host` that is a loopback name or address, the bound
//! address, or a [`Builder::allowed_host`]. A request with an `Origin` must come from that host and port. Any other
//! request gets 403, so a page of another site can neither read nor change the sandbox. Still: bind to loopback.
//!
//! # The control API
//! JSON under `/control/api`, for tests in other languages and for scripts. `PATCH behaviour` replaces the fields that
//! it names and keeps the others.
//!
//! | call | body and effect |
//! |---|---|
//! | `GET people`, `GET people/{id}` | the people |
//! | `POST people` | `{identityId, name, email, phone, dateOfBirth, status, userinfo}`, all optional; `userinfo` is served verbatim |
//! | `PATCH people/{id}` | merged into userinfo (RFC 7396) |
//! | `POST people/{id}/revoke`, `POST people/{id}/activate` | sets userinfo's status |
//! | `POST people/{id}/verify` | `{outcome, send}`, optional; gives ids, a token, the delivery's number |
//! | `POST verifications/{id}/complete` | `{outcome, send}`, optional; ends a pending verification |
//! | `POST tokens` | `{token, identityId, lifetimeSeconds}` serves that text as a token |
//! | `POST tokens` without `token` | `{identityId, issuedAt, issuedSecondsAgo, expiresAt, claims}` mints one; gives `{token}` |
//! | `POST tokens/expire` | ends every token so far |
//! | `POST verifications`, `POST authentications` | `{id, identityId, body}` serves `body` verbatim, see below |
//! | `GET deliveries` | webhooks, with every try |
//! | `POST deliveries` | `{verificationId}`, `{authenticationId}` or `{raw}`: sends one |
//! | `POST deliveries/{n}/resend` | `{freshToken: false}`, optional |
//! | `POST deliveries/hold`, `POST deliveries/release` | holds new deliveries; lets all go |
//! | `POST deliveries/{n}/release` | lets one held delivery go |
//! | `PUT webhook` | `{url}` or `{verificationUrl, authenticationUrl}`, and `auth`, a [`WebhookAuth`] |
//! | `GET calls`, `DELETE calls` | the calls of the vendor's API |
//! | `GET faces` | pictures to authenticate with |
//! | `GET behaviour`, `PATCH behaviour`, `DELETE behaviour` | the [`Behaviour`]; changes fields; back to the default |
//! | `POST faults` | a [`Fault`]: `{route, token, identityId, times, delayMs, kind, ...}` |
//! | `GET faults`, `DELETE faults` | those to come |
//! | `POST clock` | `{advanceSeconds}`, or `{offsetSeconds}` from the machine's clock |
//!
//! - `outcome` is `pass`, `fail` or `pending`. `send` says whether the event is sent; by default for pass and fail.
//! - A seeded object is served under `id` (by default its own) to the tokens of `identityId` (by default to any token).
//! - A webhook's `auth` looks like `{kind: "hmac", header, secret}`.
//! - A fault looks like `{route: "userinfo", kind: "status", status: 503, retryAfter: "2"}`, or
//!   `{token: "...", kind: "too_many_requests", retryAfter: {kind: "date", seconds: 60}}`.
//! - A behaviour looks like `{verificationCreatedAt: {kind: "value", value: null}, othersObjects: "answered",
//!   rateLimits: [{perSecond: 100, burst: 20}], latencyMs: 30, date: {kind: "offset", seconds: -600}}`.
//!
//! # Tour
//! - `sandbox`: the handle. Each method has its like in the control API.
//! - `settings`, `env`: the builder, and the program's environment.
//! - `behaviour`, `rate`, `faults`: how it misbehaves.
//! - `world`, `person`, `token`, `faces`: people, their objects, tokens and pictures.
//! - `api`, `errors`, `calls`: the four vendor calls, their refusals, their log.
//! - `sender`, `deliveries`: webhooks, their signatures, their retries.
//! - `web`, `control`, `origin`: the hosted page; the control page and API; the refusal of cross-site requests.
//! - `vendor`, `server`: the shared state; the accept loop.

mod api;
mod behaviour;
mod calls;
mod control;
mod deliveries;
mod env;
mod errors;
mod faces;
mod faults;
mod origin;
mod page;
mod person;
mod rate;
mod sandbox;
mod sender;
mod server;
mod settings;
mod token;
mod vendor;
mod web;
mod world;

pub use behaviour::{Behaviour, DateHeader, FieldOverride, OthersObjects, RateLimit, RetryToken, WebhookToken};
pub use calls::Call;
pub use deliveries::{Attempt, Delivery, DeliveryState, EventKind};
pub use env::EnvError;
pub use errors::{NotFound, StartError, StartErrorKind};
pub use faces::{Face, FaceKind};
pub use faults::{Effect, Fault, RetryAfter, Route};
pub use person::{NewPerson, Person};
pub use sandbox::{PassedFlow, Sandbox};
pub use settings::{Builder, Webhook, WebhookAuth};
pub use token::NewToken;
pub use world::{Outcome, Verified};

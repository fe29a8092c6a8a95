//! stub
#![allow(missing_docs, missing_debug_implementations, unused, clippy::all)]
use crate::http::*; use crate::model::*; use crate::*; use std::time::Duration;
#[derive(Clone)] pub struct Authenticity;
#[derive(Debug)] pub struct InvalidAuthenticity;
impl std::fmt::Display for InvalidAuthenticity { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) } }
impl std::error::Error for InvalidAuthenticity {}
pub enum Encoding { Hex }
pub struct HmacScheme;
impl HmacScheme { pub fn body(n: &str, e: Encoding, s: Vec<Secret>) -> Self { Self } }
impl Authenticity { pub fn fetch_back() -> Self { Self } pub fn header(n: &str, s: Vec<Secret>) -> Result<Self, InvalidAuthenticity> { Ok(Self) } pub fn hmac(s: HmacScheme) -> Result<Self, InvalidAuthenticity> { Ok(Self) } pub fn any_of(s: Vec<Self>) -> Result<Self, InvalidAuthenticity> { Ok(Self) } }
pub struct Webhook; impl Webhook { pub fn new(a: Authenticity) -> Self { Self } pub fn body_cap(self, n: usize) -> Self { self } pub fn with_read_deadline(self, d: Duration) -> Self { self } pub fn read_deadline(&self) -> Duration { Duration::ZERO } pub fn only(self, k: EventKind) -> Self { self }
 pub fn begin(&self, h: &dyn Head, now: Timestamp) -> Result<Delivery, Rejection> { Err(Rejection) } }
#[derive(Debug)] pub struct Delivery; impl Delivery { pub fn push(&mut self, b: &[u8]) -> Result<(), Rejection> { Ok(()) } pub fn finish(self) -> Result<(Event, Trust), Rejection> { Err(Rejection) } }
pub enum Trust { A }
pub enum RejectionKind { Malformed, TooSlow } impl RejectionKind { pub fn as_str(&self) -> &'static str { "" } }
pub struct Rejection; impl Rejection { pub fn new(k: RejectionKind) -> Self { Self } pub fn kind(&self) -> RejectionKind { RejectionKind::Malformed } pub fn problem(&self) -> Problem { Problem::new(400, "", "", "") } }
pub struct Event { pub kind: EventKind, pub object_id: Option<ObjectId>, pub token: Option<Token>, pub correlation_id: Option<String>, pub vendor_time: Option<Timestamp>, pub mismatched: bool }

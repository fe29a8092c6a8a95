//! The handle's webhooks: target, deliveries, hold and release.

use serde_json::Value;

use super::Sandbox;
use crate::deliveries::{Delivery, DeliveryState, EventKind};
use crate::errors::{NotFound, StartError};
use crate::settings::Webhook;

impl Sandbox {
    /// Sets the target of events from now on, also for retries of earlier ones.
    ///
    /// # Errors
    /// When a URL, header or secret can't be used. Then the former setting stays.
    pub fn set_webhook(&self, webhook: Webhook) -> Result<(), StartError> {
        self.vendor().set_webhook(&webhook)
    }

    /// Sends `verification.completed` for a verification, with a fresh token; gives the delivery's number.
    ///
    /// # Errors
    /// When there is no such verification.
    pub fn send_verification(&self, verification_id: &str) -> Result<u64, NotFound> {
        self.vendor().send_event(EventKind::Verification, verification_id)
    }

    /// Sends `authentication.completed` for an authentication, with a fresh token; gives the delivery's number.
    ///
    /// # Errors
    /// When there is no such authentication.
    pub fn send_authentication(&self, authentication_id: &str) -> Result<u64, NotFound> {
        self.vendor().send_event(EventKind::Authentication, authentication_id)
    }

    /// Sends any JSON, authenticated as set; an `event` that begins with `authentication` goes to that URL.
    pub fn send(&self, body: &Value) -> u64 {
        self.send_bytes(EventKind::of(body), body.to_string())
    }

    /// Sends any bytes, authenticated as set.
    pub fn send_bytes(&self, kind: EventKind, body: impl Into<Vec<u8>>) -> u64 {
        self.vendor().send(kind, body.into().into(), None)
    }

    /// Sends a delivery again as a new one, with the same body.
    ///
    /// # Errors
    /// When there is no such delivery.
    pub fn resend(&self, number: u64) -> Result<u64, NotFound> {
        self.vendor().resend(number, false)
    }

    /// Sends a delivery again as a new one, with a fresh token and time.
    ///
    /// # Errors
    /// When there is no such delivery.
    pub fn resend_with_fresh_token(&self, number: u64) -> Result<u64, NotFound> {
        self.vendor().resend(number, true)
    }

    /// All deliveries so far.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.vendor().deliveries().all()
    }

    /// One delivery.
    ///
    /// # Errors
    /// When there is no such delivery.
    pub fn delivery(&self, number: u64) -> Result<Delivery, NotFound> {
        self.vendor().deliveries().get(number).ok_or(NotFound)
    }

    /// The bytes that a delivery sends (or sent last), its token included.
    ///
    /// # Errors
    /// When there is no such delivery.
    pub fn delivery_body(&self, number: u64) -> Result<Vec<u8>, NotFound> {
        self.vendor().deliveries().body(number).map(|body| body.to_vec()).ok_or(NotFound)
    }

    /// Waits until a delivery is accepted, given up, or without a target. A held delivery is waited for.
    ///
    /// # Errors
    /// When there is no such delivery.
    pub async fn settled(&self, number: u64) -> Result<Delivery, NotFound> {
        self.delivery_when(number, |delivery| !matches!(delivery.state, DeliveryState::Held | DeliveryState::Pending))
            .await
    }

    /// Waits until a delivery looks as asked.
    ///
    /// # Errors
    /// When there is no such delivery.
    pub async fn delivery_when(&self, number: u64, fits: impl FnMut(&Delivery) -> bool) -> Result<Delivery, NotFound> {
        self.vendor().delivery_when(number, fits).await
    }

    /// Holds every delivery made from now on before its first try: its state is [`DeliveryState::Held`]. Use it to let
    /// a browser return before the event of its check arrives. Deliveries already under way are not held.
    ///
    /// ```
    /// use incode_sandbox::{DeliveryState, NewPerson, Sandbox};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sandbox = Sandbox::builder().start().await?;
    /// let ana = sandbox.add_person(NewPerson::named("Ana Flores"));
    /// sandbox.hold_deliveries();
    /// let number = sandbox.send_verification(&sandbox.verify(&ana.identity_id)?.verification_id)?;
    /// assert_eq!(sandbox.delivery(number)?.state, DeliveryState::Held);
    /// sandbox.release_deliveries();
    /// assert_eq!(sandbox.settled(number).await?.state, DeliveryState::NoTarget);
    /// # Ok(())
    /// # }
    /// ```
    pub fn hold_deliveries(&self) {
        self.vendor().hold_deliveries();
    }

    /// Ends the hold, and lets go every held delivery.
    pub fn release_deliveries(&self) {
        self.vendor().release_deliveries();
    }

    /// Lets go one held delivery. The hold stays for the others.
    ///
    /// # Errors
    /// When there is no such delivery, or it is not held.
    pub fn release_delivery(&self, number: u64) -> Result<(), NotFound> {
        self.vendor().release_delivery(number)
    }
}

use std::fmt;

use incode_core::identity::ActionHash;

use crate::Key;

/// What a person asks for: so much, to one recipient. Made only of text that reads as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    cents: u64,
    recipient: String,
}

impl Transfer {
    /// Reads what was typed: an amount such as `250` or `250.50`, from 0.01 to 1,000,000, and a name.
    ///
    /// # Errors
    /// The text for the person.
    pub fn read(amount: &str, recipient: &str) -> Result<Self, &'static str> {
        let cents = cents(amount.trim()).filter(|cents| (1..=MOST).contains(cents));
        let cents = cents.ok_or("The amount is a number such as 250 or 250.50, up to 1,000,000.")?;
        let recipient = recipient.trim();
        // What is shown must be what is meant: no control characters, no marks that turn the direction of text.
        let legal = |char: char| char.is_alphanumeric() || matches!(char, ' ' | '.' | '-' | '\'' | '&');
        if recipient.is_empty() || recipient.chars().count() > 70 || !recipient.chars().all(legal) {
            return Err("The recipient is a name of up to 70 letters, digits, blanks and . - ' &");
        }
        Ok(Self { cents, recipient: recipient.to_owned() })
    }

    /// The amount, for people: `1,250.00`.
    pub fn amount(&self) -> String {
        let whole = (self.cents / 100).to_string();
        let mut grouped = String::new();
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        format!("{grouped}.{:02}", self.cents % 100)
    }

    /// What a face confirms: this amount to this recipient, in this transfer. Lengths keep the parts apart, so two
    /// transfers that differ spell different bytes.
    pub(crate) fn action(&self, id: &Key) -> ActionHash {
        let (id, recipient) = (id.as_str(), &self.recipient);
        ActionHash::of(format!("transfer {}:{id} {} {}:{recipient}", id.len(), self.cents, recipient.len()).as_bytes())
    }

    /// The recipient.
    pub fn recipient(&self) -> &str {
        &self.recipient
    }
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.amount(), self.recipient)
    }
}

fn cents(amount: &str) -> Option<u64> {
    let (whole, part) = amount.split_once('.').unwrap_or((amount, "00"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() != 2 {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(part.parse().ok()?)
}

/// In cents.
const MOST: u64 = 100_000_000;

#[cfg(test)]
mod tests;

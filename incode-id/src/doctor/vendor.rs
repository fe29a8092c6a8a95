//! The vendor: its host and TLS, its clock, the API key.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use incode_core::Token;
use incode_core::adapter::Deployment;
use incode_core::client::Exchange;

use super::Report;
use crate::failure::Failure;
use crate::http::causes;

/// One call tells all: userinfo with a token that no vendor made.
pub(super) async fn check(report: &mut Report<'_>, deployment: &Deployment) -> Result<(), Failure> {
    let token = Token::new("incode-id-doctor.made-up.token").map_err(|error| Failure::failed(error.to_string()))?;
    match deployment.client().exchange("userinfo", &token).await {
        Ok(answer) => {
            report.pass("vendor", format!("answers (HTTP {})", answer.status()))?;
            clock(report, &answer)?;
            key(report, answer.status())
        }
        Err(error) => {
            let cause = causes(&error);
            report.fail("vendor", &cause, advice(&cause))
        }
    }
}

fn advice(cause: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if says(&["certificate", "UnknownIssuer", "tls", "TLS", "handshake"]) {
        "TLS fails: is INCODE_HOST the host of the vendor's documents, and does a proxy in between break the encryption?"
    } else if says(&["dns", "lookup", "resolve"]) {
        "the name can't be resolved: correct INCODE_HOST, or the DNS of this machine"
    } else {
        "no connection: correct INCODE_HOST, and allow the way out in the firewall (HTTPS_PROXY is used if set)"
    }
}

/// By the `Date` of the answer, which has no fractions of a second.
fn clock(report: &mut Report<'_>, answer: &Exchange) -> Result<(), Failure> {
    let date = answer.header("date").and_then(|date| httpdate::parse_http_date(date).ok());
    let Some(date) = date else {
        let detail = "the vendor's answer has no Date, so its clock is not known";
        return report.warn("clock", detail, "compare this machine's clock with another one (chronyc tracking)");
    };
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (vendor, here) = (seconds(date), seconds(SystemTime::now()));
    let apart = vendor.abs_diff(here);
    // The answer may have been under way for a while.
    let tolerance = answer.answered().duration_since(answer.sent()) + Duration::from_secs(5);
    let detail = format!("{apart} s from the vendor's");
    if apart > LONGEST_APART.max(tolerance.as_secs()) {
        report.fail(
            "clock",
            detail,
            "set this machine's clock, and keep it by NTP: signatures and tokens would be refused",
        )
    } else if apart > tolerance.as_secs() {
        report.warn("clock", detail, "keep this machine's clock by NTP")
    } else {
        report.pass("clock", detail)
    }
}

/// Spec, "HTTP status code summary": 401 is for the token, 403 for the key.
fn key(report: &mut Report<'_>, status: u16) -> Result<(), Failure> {
    let name = "API key";
    match status {
        401 => report.pass(name, "is taken: the made-up token was refused, and not the key"),
        403 => {
            let todo =
                "take INCODE_API_KEY from the vendor's dashboard: demo and production have different keys and hosts";
            report.fail(name, "the vendor refuses it (HTTP 403)", todo)
        }
        404 => {
            let todo = "correct INCODE_HOST: it is what stands before /omni/incode-id/userinfo";
            report.fail(name, "there is no userinfo at this host (HTTP 404)", todo)
        }
        429 | 500..=599 => {
            report.warn(name, format!("the vendor can't say now (HTTP {status})"), "run doctor again later")
        }
        300..=399 => {
            let todo = "correct INCODE_HOST: it names a page, not the API";
            report.fail(name, format!("the host redirects (HTTP {status})"), todo)
        }
        _ => {
            let todo = "correct INCODE_HOST: the vendor answers 401 to a token that it did not make";
            report.fail(name, format!("the answer to a made-up token is HTTP {status}"), todo)
        }
    }
}

/// In seconds. What is older than a minute counts as made before a flow began.
const LONGEST_APART: u64 = 60;

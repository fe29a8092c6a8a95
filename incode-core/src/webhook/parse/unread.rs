//! JSON allows text and numbers that Rust has no value for. In a field that is not read they are no reason to refuse a
//! delivery, so they are replaced before the body is parsed a second time.

use std::ops::Range;

use serde::de::IgnoredAny;

/// The body with each lone surrogate and each overflowing number of unread fields replaced; `None` when there is none.
///
/// This is a scanner, not a parser: it only has to find strings, numbers and the depth. What it gives is parsed like any
/// other body, so a body that is no JSON stays none.
pub(super) fn replaced(text: &str) -> Option<String> {
    let mut scanner = Scanner { text, at: 0, depth: 0, read_field: false, edits: Vec::new() };
    while scanner.step().is_some() {}
    if scanner.edits.is_empty() {
        return None;
    }
    let (mut result, mut copied) = (String::with_capacity(text.len()), 0);
    for (range, replacement) in scanner.edits {
        result.push_str(text.get(copied..range.start)?);
        result.push_str(replacement);
        copied = range.end;
    }
    result.push_str(text.get(copied..)?);
    Some(result)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    /// The value that comes next belongs to a field that the event is made of.
    read_field: bool,
    /// In the order of the text, without overlap.
    edits: Vec<(Range<usize>, &'static str)>,
}

impl Scanner<'_> {
    /// Goes past one token; `None` at the end of the text.
    fn step(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => return self.string(),
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b',' if self.depth == 1 => self.read_field = false,
            b'-' | b'0'..=b'9' => return self.number(),
            _ => {}
        }
        self.at += 1;
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        let start = self.at;
        let edits_before = self.edits.len();
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.escape()?,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        let is_key = self.depth == 1 && self.rest().trim_start().starts_with(':');
        if is_key {
            let name: Option<String> = serde_json::from_str(self.text.get(start..self.at)?).ok();
            self.read_field = name.is_some_and(|name| READ.contains(&name.as_str()));
        } else if self.read_field {
            self.edits.truncate(edits_before);
        }
        Some(())
    }

    /// A backslash and what belongs to it: for a surrogate both halves of the pair.
    fn escape(&mut self) -> Option<()> {
        let start = self.at;
        let Some(unit) = self.code_unit() else {
            self.at += 1;
            self.at += self.rest().chars().next()?.len_utf8();
            return Some(());
        };
        self.at += ESCAPE_LEN;
        match unit {
            0xd800..=0xdbff if self.code_unit().is_some_and(|low| matches!(low, 0xdc00..=0xdfff)) => {
                self.at += ESCAPE_LEN;
            }
            0xd800..=0xdfff => self.edits.push((start..self.at, "\\ufffd")),
            _ => {}
        }
        Some(())
    }

    /// The UTF-16 code unit of a `\uXXXX` that begins here.
    fn code_unit(&self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + ESCAPE_LEN)?.strip_prefix("\\u")?;
        let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| hex)
    }

    fn number(&mut self) -> Option<()> {
        let is_part = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        let length = self.rest().bytes().take_while(|byte| is_part(*byte)).count();
        let range = self.at..self.at + length;
        let number = self.text.get(range.clone())?;
        let overflows = number.parse::<f64>().is_ok_and(f64::is_infinite);
        // The grammar is serde_json's to judge: it skips a number without computing its value.
        if overflows && !self.read_field && serde_json::from_str::<IgnoredAny>(number).is_ok() {
            self.edits.push((range.clone(), "0"));
        }
        self.at = range.end;
        Some(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }
}

/// The keys that [`WebhookEvent`](crate::model::WebhookEvent) reads, at the top level alone.
const READ: [&str; 10] = [
    "token",
    "event",
    "event_type",
    "eventType",
    "onboardingStatus",
    "object",
    "id",
    "timestamp",
    "correlation_id",
    "correlationId",
];

/// Bytes of `\uXXXX`.
const ESCAPE_LEN: usize = 6;

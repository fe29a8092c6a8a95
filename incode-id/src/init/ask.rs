//! Questions to the person at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::ValueEnum;

use crate::failure::Failure;

pub(super) struct Ask {
    has_terminal: bool,
}

impl Ask {
    pub(super) fn new() -> Self {
        Self { has_terminal: io::stdin().is_terminal() && io::stderr().is_terminal() }
    }

    /// The value of the flag, or the answer.
    pub(super) fn text(&self, given: Option<String>, flag: &str, question: &str) -> Result<String, Failure> {
        match given {
            Some(text) if text.trim().is_empty() => Err(Failure::arguments(format!("{flag} is empty"))),
            Some(text) => Ok(text.trim().to_owned()),
            None => self.answer(flag, question),
        }
    }

    /// One of the values of a flag.
    pub(super) fn choice<T: ValueEnum>(&self, flag: &str, question: &str) -> Result<T, Failure> {
        let names: Vec<_> = T::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect();
        let names: Vec<_> = names.iter().map(|value| value.get_name()).collect();
        loop {
            let answer = self.answer(flag, &format!("{question} ({})", names.join(", ")))?;
            if let Ok(value) = T::from_str(&answer, true) {
                return Ok(value);
            }
        }
    }

    fn answer(&self, flag: &str, question: &str) -> Result<String, Failure> {
        if !self.has_terminal {
            return Err(Failure::arguments(format!("{flag} is missing, and there is no terminal to ask at")));
        }
        loop {
            write!(io::stderr(), "{question}: ").map_err(Failure::system)?;
            let mut line = String::new();
            if io::stdin().lock().read_line(&mut line).map_err(Failure::system)? == 0 {
                return Err(Failure::arguments(format!("{flag} is missing")));
            }
            if !line.trim().is_empty() {
                return Ok(line.trim().to_owned());
            }
        }
    }
}

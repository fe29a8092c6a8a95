//! Several runs of one thing, and what to say about them.

use std::fmt;

/// Figures of several runs. Shows the median with the range: `12.3 (11.9 - 13.0)`.
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    /// The value below which this share lies, by the nearest rank. 0 when there is none.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((share * last as f64).round() as usize).copied().unwrap_or(0.0)
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

impl From<Vec<f64>> for Figures {
    fn from(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        Self(figures)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.median() >= 1000.0 { 0 } else { 2 };
        let [low, median, high] = [0.0, 0.5, 1.0].map(|share| self.quantile(share));
        write!(f, "{median:.digits$} ({low:.digits$} - {high:.digits$})")
    }
}

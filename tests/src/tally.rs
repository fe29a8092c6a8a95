//! A recorder of metrics that can be asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// Sums of counters, values of gauges, numbers of measurements; by name and labels. What never moved is not there.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<BTreeMap<String, f64>>>);

impl Tally {
    /// Zero when it never moved.
    pub fn of(&self, key: &str) -> f64 {
        self.0.lock().unwrap().get(key).copied().unwrap_or_default()
    }

    /// It moved, and stands there.
    pub fn is(&self, key: &str, value: f64) -> bool {
        self.0.lock().unwrap().get(key) == Some(&value)
    }

    /// Of all whose key begins so.
    pub fn sum(&self, prefix: &str) -> f64 {
        let all = self.0.lock().unwrap();
        all.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(_, value)| value).sum()
    }

    /// Moves by so much while this is done.
    pub async fn moves<T>(&self, key: &str, by: f64, done: impl Future<Output = T>) {
        let before = self.of(key);
        done.await;
        assert_eq!(self.of(key), before + by, "{key} of {:#?}", self.0.lock().unwrap());
    }

    /// The names of all that moved.
    pub fn names(&self) -> BTreeSet<String> {
        let all = self.0.lock().unwrap();
        all.keys().map(|key| key.split('{').next().unwrap().to_owned()).collect()
    }

    fn series(&self, key: &Key) -> Arc<Series> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        Arc::new(Series { key: format!("{}{labels}", key.name()), all: self.clone() })
    }
}

struct Series {
    key: String,
    all: Tally,
}

impl Series {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut all = self.all.0.lock().unwrap();
        let value = all.entry(self.key.clone()).or_default();
        *value = change(*value);
    }
}

impl CounterFn for Series {
    fn increment(&self, by: u64) {
        self.change(|value| value + by as f64);
    }

    fn absolute(&self, value: u64) {
        self.change(|_| value as f64);
    }
}

impl GaugeFn for Series {
    fn increment(&self, by: f64) {
        self.change(|value| value + by);
    }

    fn decrement(&self, by: f64) {
        self.change(|value| value - by);
    }

    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        assert!(value >= 0.0, "{}: {value}", self.key);
        self.change(|count| count + 1.0);
    }
}

impl Recorder for Tally {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.series(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.series(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.series(key))
    }
}

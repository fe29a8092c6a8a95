mod drift;
mod fixtures;
mod redaction;
mod times;
mod words;

use serde::de::DeserializeOwned;
use serde_json::Value;

fn read<T: DeserializeOwned>(json: Value) -> T {
    read_text(&json.to_string())
}

/// Through text, as the client reads: reading from a `Value` hides duplicate keys and the like.
fn read_text<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in {json}"))
}

fn refused<T: DeserializeOwned>(json: Value) -> bool {
    serde_json::from_str::<T>(&json.to_string()).is_err()
}

use std::collections::HashMap;
use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStringExt;

use incode_core::Builder;

use crate::input::Input;

/// An environment: whatever it holds, settings are read or refused in one line that names a variable, and no value gets
/// into a message or a `Debug`.
///
/// The input: lines of `NAME=value`, values of any bytes. A line that starts with none of the names sets the one its
/// first byte picks.
pub fn settings(input: &[u8]) {
    let mut input = Input::new(input);
    let mut values: HashMap<&'static str, Vec<u8>> = HashMap::new();
    while !input.is_empty() {
        let line = input.line();
        let named =
            NAMES.iter().find_map(|name| Some((*name, line.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?)));
        let (name, value) = named.unwrap_or_else(|| {
            let (first, rest) = line.split_first().unwrap_or((&0, b""));
            (NAMES[usize::from(*first) % NAMES.len()], rest)
        });
        values.insert(name, value.to_vec());
    }
    let variables = values.into_iter().map(|(name, value)| (OsString::from(name), OsString::from_vec(value)));
    let read = Builder::from_settings(variables, &[]);
    let said = match read {
        Ok(builder) => format!("{builder:?}"),
        Err(error) => {
            assert!(SETTINGS.contains(error.setting()), "{error} names no variable");
            let mut said = format!("{error} {error:?}");
            assert!(said.starts_with(error.setting()) && !said.contains(char::is_control), "{said:?}");
            let mut source = error.source();
            while let Some(error) = source {
                write!(said, " {error} {error:?}").unwrap();
                source = error.source();
            }
            said
        }
    };
    // A word that the code does not have comes from a value. Short ones occur in any text.
    for word in said.split(|char: char| !char.is_alphanumeric()).filter(|word| word.len() >= 4) {
        assert!(CODE.iter().any(|source| source.contains(word)), "{word} stems from a value: {said}");
    }
}

const SETTINGS: &str = include_str!("../../../docs/settings.md");

/// What is set.
const NAMES: [&str; 18] = [
    "BIND",
    "PUBLIC_URL",
    "INCODE_HOST",
    "INCODE_API_KEY",
    "INCODE_CLIENT_ID",
    "INCODE_WEB_URL",
    "INCODE_WEBHOOK_AUTH",
    "INCODE_WEBHOOK_SECRETS",
    "INCODE_WEBHOOK_HEADER",
    "INCODE_WEBHOOK_PATH",
    "INCODE_WEBHOOK_NETWORKS",
    "INCODE_PROXIES",
    "INCODE_LINK_BY_WEBHOOK",
    "INCODE_FLOW_SECRET",
    "INCODE_STORE",
    "INCODE_STORE_KEY",
    "INCODE_OAUTH_CLIENT_ID",
    "INCODE_OAUTH_CLIENT_SECRET",
];

/// What may be said when settings are read, and the names of the types that say it.
const CODE: [&str; 11] = [
    include_str!("../../../incode-core/src/app/settings/mod.rs"),
    include_str!("../../../incode-core/src/app/settings/deliveries.rs"),
    include_str!("../../../incode-core/src/app/settings/keys.rs"),
    include_str!("../../../incode-core/src/app/settings/names.rs"),
    include_str!("../../../incode-core/src/app/settings/urls.rs"),
    include_str!("../../../incode-core/src/app/settings/variables.rs"),
    include_str!("../../../incode-core/src/app/builder.rs"),
    include_str!("../../../incode-core/src/config_error.rs"),
    include_str!("../../../incode-core/src/client/builder.rs"),
    include_str!("../../../incode-core/src/flow/mod.rs"),
    include_str!("../../../incode-core/src/webhook/authenticity/error.rs"),
];

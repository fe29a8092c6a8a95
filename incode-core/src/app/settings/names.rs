//! The names of the settings, and what a misspelt one was meant to be.

/// A variable that is read here or by the example applications.
pub(super) struct Name {
    pub(super) name: &'static str,
    /// Where a secret may be: the variable that names its file.
    pub(super) file: Option<&'static str>,
}

const fn plain(name: &'static str) -> Name {
    Name { name, file: None }
}

const fn secret(name: &'static str, file: &'static str) -> Name {
    Name { name, file: Some(file) }
}

/// Every setting. One that is missing here is reported as unknown, and is not read.
pub(super) const NAMES: [Name; 24] = [
    plain("INCODE_HOST"),
    secret("INCODE_API_KEY", "INCODE_API_KEY_FILE"),
    plain("INCODE_CLIENT_ID"),
    plain("INCODE_WEB_URL"),
    secret("INCODE_FLOW_SECRET", "INCODE_FLOW_SECRET_FILE"),
    plain("INCODE_LINK_BY_WEBHOOK"),
    plain("INCODE_WEBHOOK_AUTH"),
    secret("INCODE_WEBHOOK_SECRETS", "INCODE_WEBHOOK_SECRETS_FILE"),
    plain("INCODE_WEBHOOK_HEADER"),
    plain("INCODE_WEBHOOK_SIGNATURE"),
    plain("INCODE_WEBHOOK_SIGNED"),
    plain("INCODE_WEBHOOK_PATH"),
    plain("INCODE_WEBHOOK_PATH_VERIFICATION"),
    plain("INCODE_WEBHOOK_PATH_AUTHENTICATION"),
    plain("INCODE_WEBHOOK_NETWORKS"),
    plain("INCODE_PROXIES"),
    plain("INCODE_OAUTH_CLIENT_ID"),
    secret("INCODE_OAUTH_CLIENT_SECRET", "INCODE_OAUTH_CLIENT_SECRET_FILE"),
    // With a password in the URL.
    secret("INCODE_STORE", "INCODE_STORE_FILE"),
    secret("INCODE_STORE_LISTEN", "INCODE_STORE_LISTEN_FILE"),
    secret("INCODE_STORE_KEY", "INCODE_STORE_KEY_FILE"),
    // Of the example applications: known, so that they are not reported.
    secret("INCODE_ADMIN_TOKEN", "INCODE_ADMIN_TOKEN_FILE"),
    plain("PUBLIC_URL"),
    plain("BIND"),
];

/// Whether a variable looks like a setting of ours and is none; and then the nearest that is, if one is near.
pub(super) fn unknown(name: &str) -> Option<Option<&'static str>> {
    let is_ours = name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    if !is_ours || known().any(|known| known == name) {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    let nearest = known().map(|known| (distance(&upper, known), known)).min();
    Some(nearest.filter(|(distance, _)| *distance <= FAR).map(|(_, known)| known))
}

fn known() -> impl Iterator<Item = &'static str> {
    NAMES.iter().flat_map(|name| [Some(name.name), name.file]).flatten()
}

/// How many characters have to be inserted, removed or replaced to make one name of the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, left) in left.bytes().enumerate() {
        let mut diagonal = at;
        let mut before = at + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(right.bytes()) {
            let replaced = diagonal + usize::from(left != right);
            diagonal = *cell;
            before = replaced.min(*cell + 1).min(before + 1);
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

const PREFIX: &str = "INCODE_";

/// A slip changes a few characters. A name that is further away is another program's, and no guess is made.
const FAR: usize = 5;

//! Finds the store that a command works on, and the settings of the application.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use incode_core::adapter::{Deployment, Engine};
use incode_core::store::{OpenStore, Store, StoreError};
use incode_core::{Builder, ConfigError, Timestamp};

use crate::failure::Failure;

/// The variables of `--env-file`. Set once, before a command runs: a process can't change its environment safely.
static FILE: OnceLock<EnvFile> = OnceLock::new();

struct EnvFile {
    path: PathBuf,
    variables: BTreeMap<String, String>,
}

/// The path of `--env-file`.
pub(crate) fn file() -> Option<&'static Path> {
    FILE.get().map(|file| file.path.as_path())
}

fn of_file() -> Option<&'static BTreeMap<String, String>> {
    FILE.get().map(|file| &file.variables)
}

/// Reads lines `NAME=value`, as `init` writes them. They count before the environment.
pub(crate) fn read_file(path: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::missing(path, &error))?;
    let mut variables = BTreeMap::new();
    for (at, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        // The line itself is not shown: it may hold a secret.
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| Failure::arguments(format!("{}: line {} is not NAME=value", path.display(), at + 1)))?;
        let value = value.trim();
        let quoted = ['\'', '"'].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
        variables.insert(name.trim().to_owned(), quoted.unwrap_or(value).to_owned());
    }
    // A second call does not happen: there is one argument.
    let _ = FILE.set(EnvFile { path: path.to_owned(), variables });
    Ok(())
}

/// Every variable: those of the file, and those of the environment that the file does not name.
pub(crate) fn variables() -> Vec<(OsString, OsString)> {
    let file = of_file();
    let is_free = |name: &OsString| !name.to_str().is_some_and(|name| file.is_some_and(|file| file.contains_key(name)));
    let environment = std::env::vars_os().filter(|(name, _)| is_free(name));
    let owned = |(name, value): (&String, &String)| (OsString::from(name), OsString::from(value));
    environment.chain(file.into_iter().flatten().map(owned)).collect()
}

/// One variable, where it is set.
pub(crate) fn variable(name: &str) -> Result<Option<String>, Failure> {
    if let Some(value) = of_file().and_then(|file| file.get(name)) {
        return if value.is_empty() { Err(empty(name)) } else { Ok(Some(value.clone())) };
    }
    match std::env::var(name) {
        Ok(value) if value.trim().is_empty() => Err(empty(name)),
        Ok(value) => Ok(Some(value.trim().to_owned())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::arguments(format!("{name} is not UTF-8"))),
    }
}

fn empty(name: &str) -> Failure {
    Failure::arguments(format!("{name} is set but empty"))
}

/// A secret of a variable, or the first line of the file that `NAME_FILE` names. The first one of a list.
pub(crate) fn secret(name: &str) -> Result<Option<String>, Failure> {
    if let Some(list) = variable(name)? {
        return Ok(list.split(',').next().map(|first| first.trim().to_owned()));
    }
    let file = format!("{name}_FILE");
    let Some(path) = variable(&file)? else { return Ok(None) };
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| Failure::system(error).at(&format!("the file that {file} names")))?;
    Ok(text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned))
}

/// The settings of the application, read as it reads them. No store is opened.
pub(crate) fn deployment(variables: Vec<(OsString, OsString)>) -> Result<Deployment, ConfigError> {
    Builder::from_settings(variables, ENGINES)?.deployment()
}

/// As the adapters have them.
const ENGINES: &[Engine] = &[
    |store| boxed(incode_sqlite::from_url(store.url)),
    |store| {
        let options = incode_postgres::from_url(store.url);
        boxed(options.map(|options| match store.listen {
            Some(listen) => options?.listen_url(listen),
            None => options,
        }))
    },
    |store| boxed(incode_redis::from_url(store.url)),
];

fn boxed<O: OpenStore>(options: Option<Result<O, StoreError>>) -> Option<Result<Box<dyn OpenStore>, StoreError>> {
    options.map(|options| options.map(|options| Box::new(options) as Box<dyn OpenStore>))
}

/// The URL of the argument, or else of the environment. Names no secret in its errors.
pub(crate) fn url(argument: Option<&str>) -> Result<String, Failure> {
    if let Some(url) = argument {
        return Ok(url.trim().to_owned());
    }
    match (variable("INCODE_STORE")?, variable("INCODE_STORE_FILE")?) {
        (Some(url), None) => Ok(url),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|error| Failure::system(error).at("the file that INCODE_STORE_FILE names"))?;
            Ok(text.trim().to_owned())
        }
        (None, None) => Err(Failure::arguments("no store is named: write --store URL, or set INCODE_STORE")),
        (Some(_), Some(_)) => {
            Err(Failure::arguments("INCODE_STORE and INCODE_STORE_FILE are both set: remove one of them"))
        }
    }
}

/// The path of `sqlite:PATH`, as the engine reads it.
pub(crate) fn sqlite_path(url: &str) -> Option<&Path> {
    let (scheme, path) = url.trim().split_once(':')?;
    scheme.eq_ignore_ascii_case("sqlite").then(|| Path::new(path))
}

/// Opens the store. A file that is missing is not made.
pub(crate) async fn open(argument: Option<&str>) -> Result<Arc<dyn Store>, Failure> {
    let url = url(argument)?;
    if let Some(path) = sqlite_path(&url) {
        std::fs::metadata(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                let advice = "the application makes it at its first start: start it once, or correct the path";
                Failure::missing(path, &format_args!("there is no such file; {advice}"))
            }
            _ => Failure::missing(path, &error),
        })?;
    }
    let unusable = |error: StoreError| Failure::arguments(error.cause().to_string());
    if let Some(options) = incode_sqlite::from_url(&url) {
        let advice = ": stop the application, or use its admin pages";
        let in_use = |error| Failure::from(error).advised("open in another process", advice);
        Ok(Arc::new(options.map_err(unusable)?.open().await.map_err(in_use)?))
    } else if let Some(options) = incode_postgres::from_url(&url) {
        let options = match secret("INCODE_STORE_LISTEN")? {
            Some(listen) => options.and_then(|options| options.listen_url(&listen)),
            None => options,
        };
        Ok(Arc::new(options.map_err(unusable)?.open().await?))
    } else if let Some(options) = incode_redis::from_url(&url) {
        Ok(Arc::new(options.map_err(unusable)?.open().await?))
    } else {
        Err(Failure::arguments("the store is none of sqlite:PATH, postgres://... and redis://..."))
    }
}

/// The present, by the store's clock where it has one.
pub(crate) async fn now(store: &dyn Store) -> Result<Timestamp, StoreError> {
    Ok(store.time().await?.unwrap_or_else(|| SystemTime::now().into()))
}

//! The settings, and the files that hold secrets.

use std::path::Path;

use incode_core::ConfigErrorKind;
use incode_core::adapter::Deployment;

use super::Report;
use crate::failure::Failure;
use crate::{log, settings};

pub(super) fn check(report: &mut Report<'_>) -> Result<Option<Deployment>, Failure> {
    let deployment = settings::deployment(settings::variables());
    for line in log::take() {
        report.warn("settings", line, "correct the name, or remove the variable")?;
    }
    let deployment = match deployment {
        Ok(deployment) => {
            report.pass("settings", "are complete, and can be used")?;
            Some(deployment)
        }
        Err(error) => {
            let todo = match error.kind() {
                ConfigErrorKind::Missing => "set it; incode-id init makes every secret",
                ConfigErrorKind::Insecure => "write a value that is safe; incode-id init makes every secret",
                ConfigErrorKind::Conflict => "remove one of the two",
                _ => "correct it; the other checks of the settings follow when this one passes",
            };
            report.fail("settings", error.to_string(), todo)?;
            None
        }
    };
    secrets(report)?;
    Ok(deployment)
}

/// A file of a secret that other users can read, and a secret that serves two purposes.
fn secrets(report: &mut Report<'_>) -> Result<(), Failure> {
    let mut open = Vec::new();
    for (name, value) in settings::variables() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("INCODE_") && name.ends_with("_FILE")) else {
            continue;
        };
        if others_can_read(Path::new(&value)) {
            open.push(name.to_owned());
        }
    }
    if settings::file().is_some_and(others_can_read) {
        open.push("--env-file".to_owned());
    }
    let value = |name| settings::secret(name).ok().flatten();
    let is_twice = value("INCODE_STORE_KEY").is_some_and(|key| value("INCODE_FLOW_SECRET") == Some(key));
    if !open.is_empty() {
        let detail = format!("other users can read the file of {}", open.join(", "));
        report.warn("secrets", detail, "chmod 600, with the application's user as its owner")?;
    }
    if is_twice {
        let detail = "INCODE_STORE_KEY and INCODE_FLOW_SECRET are the same";
        report.warn("secrets", detail, "make one of each, so that one can be rotated without the other")?;
    }
    if open.is_empty() && !is_twice { report.pass("secrets", "no file is open to other users") } else { Ok(()) }
}

#[cfg(unix)]
fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

/// Other systems have other rights, which are not looked at.
#[cfg(not(unix))]
fn others_can_read(_: &Path) -> bool {
    false
}

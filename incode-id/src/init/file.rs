//! The file of settings: readable by its owner alone, from its first byte on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Writes the whole file or nothing: what is there is replaced by a rename.
pub(super) fn write(path: &Path, variables: &[(&'static str, String)], force: bool) -> Result<(), Failure> {
    let lines = variables.iter().map(|(name, value)| line(name, value)).collect::<Result<String, _>>()?;
    let text = format!("{HEAD}{lines}");
    let at = |error| Failure::system(error).at(&path.display().to_string());
    if !force {
        return private(path).and_then(|file| fill(file, &text)).map_err(at);
    }
    let beside = beside(path);
    // Of a run that was interrupted.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(error)),
        _ => {}
    }
    private(&beside).and_then(|file| fill(file, &text)).and_then(|()| fs::rename(&beside, path)).map_err(at)
}

/// A shell, systemd and Docker read the same line, as long as no character of it means anything to them. Otherwise it is
/// quoted, for the first two.
fn line(name: &str, value: &str) -> Result<String, Failure> {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./:@=,%+~?-".contains(&byte));
    if is_plain {
        return Ok(format!("{name}={value}\n"));
    }
    if value.contains('\'') || value.chars().any(char::is_control) {
        return Err(Failure::arguments(format!(
            "{name} holds a quote or a control character: encode it as %27 or the like"
        )));
    }
    Ok(format!("{name}='{value}'\n"))
}

/// Never an existing file, nor one that a link leads to.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn fill(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

const HEAD: &str = "\
# Settings of incode, made by incode-id init. They hold secrets: keep the file private.
# In a shell: set -a; . ./incode.env; set +a
";

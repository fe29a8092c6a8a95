//! Notices while the store runs that its files were replaced, moved, deleted or emptied.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use incode_core::store::StoreError;

use crate::error::{Failure, io_error};
use crate::lock::{FileId, hard_links, with_suffix};

/// Compares names with the files that are open. A connection goes on writing to a file that was deleted, and the next
/// process finds nothing of it.
#[derive(Debug)]
pub(crate) struct Watch {
    files: Vec<Watched>,
    /// At the last look a file was gone. So the loss is logged once, not at every look.
    is_lost: AtomicBool,
}

/// What was seen of the file when it was opened.
#[derive(Debug)]
struct Watched {
    path: PathBuf,
    id: FileId,
    /// It holds a header at least. The log is empty after each checkpoint.
    is_never_empty: bool,
}

impl Watch {
    /// Of a file that SQLite has open and has written to: so the log and its index exist.
    pub(crate) fn new(path: &Path) -> Result<Self, StoreError> {
        let watched = |path: PathBuf, is_never_empty| {
            let metadata = fs::metadata(&path).map_err(|error| io_error(&path, &error))?;
            Ok(Watched { id: FileId::of(&metadata), path, is_never_empty })
        };
        let files = [("", true), ("-wal", false), ("-shm", true)];
        let files =
            files.into_iter().map(|(suffix, is_never_empty)| watched(with_suffix(path, suffix), is_never_empty));
        Ok(Self { files: files.collect::<Result<_, StoreError>>()?, is_lost: AtomicBool::new(false) })
    }

    /// Whether a file was gone at the last look.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// Looks at every file. An error says that what is written now would be lost.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let fault = self.files.iter().find_map(|file| file.fault().map(|fault| (file, fault)));
        let was_lost = self.is_lost.swap(fault.is_some(), Ordering::Relaxed);
        let Some((file, fault)) = fault else {
            if was_lost {
                tracing::info!("the store file is back, and events are accepted again");
            }
            return Ok(());
        };
        if !was_lost {
            tracing::error!(
                file.path = %file.path.display(),
                "the store file {fault}: no event is accepted until it is back or the application was restarted"
            );
        }
        Err(Failure::unavailable(&format!("{} {fault}", file.path.display())))
    }
}

impl Watched {
    /// What is wrong with the file now, if something is.
    fn fault(&self) -> Option<&'static str> {
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some("was deleted or moved"),
            Err(_) => Some("can't be looked at"),
            Ok(metadata) if FileId::of(&metadata) != self.id => Some("was replaced by another file"),
            Ok(metadata) if hard_links(&metadata) > 1 => Some("has a second name (a hard link)"),
            Ok(metadata) if self.is_never_empty && metadata.len() == 0 => Some("was emptied"),
            Ok(_) => None,
        }
    }
}

//! One process at a time, whatever name it opens the file by; and no file that was separated from its log.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use incode_core::store::{StoreError, StoreErrorKind};

use crate::error::{Failure, io_error};
use crate::file;

/// The right to the file. Held as long as a connection is open; the system ends it when the process dies.
///
/// Two locks, both of the kind that belongs to an open file (`flock`):
/// - on `PATH.lock`, which also marks that a store was made here;
/// - on Linux, on the file itself. It holds where names differ: a file that was moved under a running process and opened
///   by another under its new name. Elsewhere this lock would conflict with SQLite's own locks on the file.
///
/// The lock on the file needs care. SQLite's locks (`fcntl`) belong to the process, and closing *any* handle of the file
/// ends them all: another program could then take the log away. So the handle is opened before SQLite's connections,
/// closed after them, and [`Registration`] keeps a second opener in this process from opening the file at all.
#[derive(Debug)]
pub(crate) struct FileLock {
    marker: File,
    marker_path: PathBuf,
    #[cfg(target_os = "linux")]
    _file: File,
    /// Dropped last, when the handle above is closed.
    #[cfg(unix)]
    _registration: Registration,
}

impl FileLock {
    /// Takes the right to the file, which is created if it is missing.
    pub(crate) fn acquire(path: &Path) -> Result<Self, StoreError> {
        refuse_other_names(path)?;
        let marker_path = with_suffix(path, ".lock");
        let marker = file::private(OpenOptions::new().create(true).truncate(false).write(true))
            .open(&marker_path)
            .map_err(|error| io_error(&marker_path, &error))?;
        lock(&marker, &marker_path)?;
        refuse_lost(path, &marker_path)?;
        file::create(path)?;
        #[cfg(unix)]
        let registration = Registration::of(path)?;
        #[cfg(target_os = "linux")]
        let file = lock_itself(path)?;
        Ok(Self {
            marker,
            marker_path,
            #[cfg(target_os = "linux")]
            _file: file,
            #[cfg(unix)]
            _registration: registration,
        })
    }

    /// A store was made in the file before.
    pub(crate) fn was_used(&self) -> bool {
        self.marker.metadata().is_ok_and(|marker| marker.len() > 0)
    }

    /// Marks that the tables are made. Called after their commit: a crash in between leaves a file without tables that is
    /// still new.
    pub(crate) fn mark_used(&self) -> Result<(), StoreError> {
        if self.was_used() {
            return Ok(());
        }
        let written = (&self.marker).write_all(MARK).and_then(|()| self.marker.sync_all());
        written.map_err(|error| io_error(&self.marker_path, &error))
    }
}

/// The name of a file beside the store's.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(suffix);
    name.into()
}

/// Refuses a file that has, or can have, a second name: SQLite finds the log by the name. Two processes that use
/// two names have two logs, and each overwrites what the other acknowledged.
fn refuse_other_names(path: &Path) -> Result<(), StoreError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error(path, &error)),
    };
    if !metadata.is_file() {
        return Err(refused(path, "is not a regular file"));
    }
    if hard_links(&metadata) > 1 {
        return Err(refused(
            path,
            "has a second name (a hard link), and the log goes by the name: remove the other name",
        ));
    }
    if is_mounted(path, &metadata) {
        return Err(refused(path, "is mounted as a single file, and its log is outside of it: mount the folder"));
    }
    Ok(())
}

/// Refuses a missing or empty file where a store was: what was acknowledged is in another place.
fn refuse_lost(path: &Path, marker: &Path) -> Result<(), StoreError> {
    let len = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    if len(path) > 0 {
        return Ok(());
    }
    let log = with_suffix(path, "-wal");
    let Some(left) = [log.as_path(), marker].into_iter().find(|left| len(left) > 0) else { return Ok(()) };
    let cause = format!(
        "is missing or empty, but {} shows that a store was here: put the file back, or delete {} and {} to begin with \
         an empty store",
        left.display(),
        marker.display(),
        log.display(),
    );
    Err(refused(path, &cause))
}

/// Locks the file itself, and makes sure that the name still means it.
#[cfg(target_os = "linux")]
fn lock_itself(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(|error| io_error(path, &error))?;
    lock(&file, path)?;
    let by_handle = file.metadata().map_err(|error| io_error(path, &error))?;
    let by_name = fs::metadata(path).map_err(|error| io_error(path, &error))?;
    if FileId::of(&by_handle) == FileId::of(&by_name) { Ok(file) } else { Err(refused(path, "was replaced just now")) }
}

/// Waits a moment for a handle that is about to be closed: a program that another thread starts has a copy of every open
/// file until it is loaded.
fn lock(file: &File, path: &Path) -> Result<(), StoreError> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_WAIT),
            Err(TryLockError::Error(error)) => return Err(io_error(path, &error)),
        }
    }
    Err(in_use())
}

/// Device and inode of a file: the same for every path that leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The same for every file where the system has no such numbers.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Self { device: metadata.dev(), inode: metadata.ino() }
        }
        #[cfg(not(unix))]
        {
            let _ = metadata;
            Self { device: 0, inode: 0 }
        }
    }
}

/// How many names a file has, as far as the system says.
pub(crate) fn hard_links(metadata: &Metadata) -> u64 {
    #[cfg(unix)]
    {
        std::os::unix::fs::MetadataExt::nlink(metadata)
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        1
    }
}

/// Whether the file itself is mounted. By the list of mounts: a bind mount from the same disk has the same device number
/// as its folder. Where there is no list, by the device number.
fn is_mounted(path: &Path, metadata: &Metadata) -> bool {
    #[cfg(target_os = "linux")]
    if let Ok(mounts) = fs::read("/proc/self/mountinfo") {
        use std::os::unix::ffi::OsStrExt;
        return is_mount_point(&mounts, path.as_os_str().as_bytes());
    }
    let folder = path.parent().and_then(|folder| fs::metadata(folder).ok());
    folder.is_some_and(|folder| FileId::of(&folder).device != FileId::of(metadata).device)
}

/// The fifth word of each line is the mount point, with blanks, tabs, line ends and backslashes as octal numbers (`man 5
/// proc_pid_mountinfo`).
#[cfg(target_os = "linux")]
fn is_mount_point(mounts: &[u8], path: &[u8]) -> bool {
    let mut escaped = Vec::with_capacity(path.len());
    for byte in path {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => escaped.extend(format!("\\{byte:03o}").into_bytes()),
            _ => escaped.push(*byte),
        }
    }
    let point = |line: &[u8]| line.split(|byte| *byte == b' ').nth(4).map(<[u8]>::to_vec);
    mounts.split(|byte| *byte == b'\n').filter_map(point).any(|point| point == escaped)
}

/// The file's place in [`OPEN`], until it is dropped.
#[cfg(unix)]
#[derive(Debug)]
struct Registration(FileId);

#[cfg(unix)]
impl Registration {
    /// Fails if a store of this process has the file open already: the lock of the system does not keep a process from
    /// itself.
    fn of(path: &Path) -> Result<Self, StoreError> {
        let id = FileId::of(&fs::metadata(path).map_err(|error| io_error(path, &error))?);
        let is_first = OPEN.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        if is_first { Ok(Self(id)) } else { Err(in_use()) }
    }
}

#[cfg(unix)]
impl Drop for Registration {
    fn drop(&mut self) {
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Names the file and the cause.
fn refused(path: &Path, cause: &str) -> StoreError {
    Failure::unavailable(&format!("{} {cause}", path.display())).into()
}

/// Another process has the file open, or this process has it open twice.
fn in_use() -> StoreError {
    StoreError::with_source(StoreErrorKind::Unavailable, "already open in another process")
}

/// The files that stores of this process have open. Held for one insertion or removal.
#[cfg(unix)]
static OPEN: Mutex<BTreeSet<FileId>> = Mutex::new(BTreeSet::new());
/// What the marker says to a reader.
const MARK: &[u8] = b"A store of incode is in the file beside this one. Keep both, or delete both.\n";
/// Loading a program takes milliseconds, on a busy machine some tens.
const LOCK_TRIES: u32 = 20;
/// Between two tries: short, because another process usually ends within milliseconds.
const LOCK_WAIT: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;

//! The file and its log stay together: every way to separate them is refused, with real files and real processes.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::Process;
use tempfile::TempDir;

/// Not a test: what [`Process`] runs.
#[tokio::test]
#[ignore = "started by the tests of this file"]
async fn child_process() {
    common::serve().await;
}

fn place() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("incode.db");
    (directory, path)
}

/// Every object is known: nothing that was acknowledged is lost.
fn keeps(path: &Path, objects: &[&str]) {
    let mut process = Process::open(path).unwrap_or_else(|refused| panic!("{refused}"));
    for object in objects {
        assert_eq!(process.accept(object), "duplicate", "{object}");
    }
    process.stop();
}

/// Writes fail, so does the proof that they work, and one line says why.
fn is_lost(mut process: Process, fault: &str) {
    for object in ["first", "second", "third"] {
        let refused = process.accept(object);
        assert!(refused.starts_with("Unavailable: ") && refused.contains(fault), "{refused}");
        let refused = process.time();
        assert!(refused.starts_with("Unavailable: ") && refused.contains(fault), "{refused}");
    }
    let log = process.stop();
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    assert!(log.contains(fault), "{log}");
}

#[test]
fn a_killed_process_keeps_what_it_acknowledged() {
    let (_directory, path) = place();
    let mut process = Process::open(&path).unwrap_or_else(|refused| panic!("{refused}"));
    assert_eq!(process.accept("kept"), "new");
    process.kill();
    keeps(&path, &["kept"]);
}

#[test]
fn a_second_process_is_refused() {
    let (directory, path) = place();
    let mut first = Process::open(&path).unwrap_or_else(|refused| panic!("{refused}"));
    let link = directory.path().join("symbolic.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for name in [&path, &link] {
        let refused = Process::open(name).err().expect("refused");
        assert_eq!(refused, "Unavailable: already open in another process");
    }
    assert_eq!(first.accept("kept"), "new");
    first.stop();
    keeps(&link, &["kept"]);
}

/// SQLite's own locks end when any handle of the file is closed in the process. Without them the next tool that closes
/// the file takes the log away.
#[test]
fn a_second_opener_in_the_same_process_does_not_undo_its_locks() {
    let (directory, path) = place();
    let mut process = Process::open(&path).unwrap_or_else(|refused| panic!("{refused}"));
    assert_eq!(process.accept("kept"), "new");
    assert_eq!(process.open_again(), "Unavailable: already open in another process");
    let tool = rusqlite::Connection::open(&path).unwrap();
    let count: i64 = tool.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
    drop(tool);
    assert!(directory.path().join("incode.db-wal").exists());
    assert_eq!(process.time(), "ok");
    process.kill();
    keeps(&path, &["kept"]);
}

#[test]
fn a_file_with_a_hard_link_is_refused_under_both_names() {
    let (directory, path) = place();
    Process::open(&path).unwrap_or_else(|refused| panic!("{refused}")).stop();
    let link = directory.path().join("link.db");
    fs::hard_link(&path, &link).unwrap();
    for name in [&path, &link] {
        let refused = Process::open(name).err().expect("refused");
        assert!(refused.starts_with("Unavailable: ") && refused.contains("hard link"), "{refused}");
    }
    assert!(!directory.path().join("link.db.lock").exists(), "nothing is left beside the other name");
    fs::remove_file(link).unwrap();
    keeps(&path, &[]);
}

#[test]
fn a_hard_link_that_is_made_while_it_runs_stops_writes() {
    let (directory, path) = place();
    let mut process = Process::open(&path).unwrap_or_else(|refused| panic!("{refused}"));
    assert_eq!(process.accept("kept"), "new");
    let link = directory.path().join("link.db");
    fs::hard_link(&path, &link).unwrap();
    is_lost(process, "hard link");
    fs::remove_file(link).unwrap();
    keeps(&path, &["kept"]);
}

#[test]
fn a_mounted_file_is_refused_and_a_mounted_folder_is_the_same_store() {
    let (directory, path) = place();
    if !can_mount() {
        println!("not run: a mount namespace needs more rights than this process has");
        return;
    }
    let mut process = Process::open(&path).unwrap_or_else(|refused| panic!("{refused}"));
    assert_eq!(process.accept("kept"), "new");
    // As a container sees it, with a name that the list of mounts has to escape.
    let inside = directory.path().join("in side");
    fs::create_dir(&inside).unwrap();
    let mounted = inside.join("incode.db");
    fs::write(&mounted, "").unwrap();
    let mount = format!("mount --bind '{}' '{}'", path.display(), mounted.display());
    for _ in 0..2 {
        let refused = Process::open_after(&mounted, Some(&mount)).err().expect("refused");
        assert!(refused.starts_with("Unavailable: ") && refused.contains("mount the folder"), "{refused}");
    }

    let folder = directory.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let mount = format!("mount --bind '{}' '{}'", directory.path().display(), folder.display());
    let by_folder = folder.join("incode.db");
    let refused = Process::open_after(&by_folder, Some(&mount)).err().expect("refused");
    assert_eq!(refused, "Unavailable: already open in another process");
    process.kill();
    let mut contained = Process::open_after(&by_folder, Some(&mount)).unwrap_or_else(|refused| panic!("{refused}"));
    assert_eq!(contained.accept("kept"), "duplicate");
    assert_eq!(contained.accept("by-folder"), "new");
    contained.kill();
    keeps(&path, &["kept", "by-folder"]);
}

#[test]
fn a_file_of_another_disk_that_is_mounted_is_refused() {
    let (directory, path) = place();
    if !can_mount() {
        println!("not run: a mount namespace needs more rights than this process has");
        return;
    }
    let disk = directory.path().join("disk");
    fs::create_dir(&disk).unwrap();
    fs::write(&path, "").unwrap();
    let disk = disk.display();
    let mount = format!("mount -t tmpfs none '{disk}'\n: > '{disk}/f'\nmount --bind '{disk}/f' '{}'", path.display());
    let refused = Process::open_after(&path, Some(&mount)).err().expect("refused");
    assert!(refused.starts_with("Unavailable: ") && refused.contains("mount the folder"), "{refused}");
}

#[test]
fn a_file_that_is_moved_away_stops_writes_until_it_is_back() {
    let (directory, path) = place();
    let moved = directory.path().join("moved.db");
    let mut process = Process::open(&path).unwrap_or_else(|refused| panic!("{refused}"));
    assert_eq!(process.accept("before"), "new");
    fs::rename(&path, &moved).unwrap();
    assert!(process.accept("meanwhile").contains("was deleted or moved"));
    assert!(process.time().contains("was deleted or moved"));
    // The first process has it open still, under whatever name.
    let refused = Process::open(&moved).err().expect("refused");
    assert_eq!(refused, "Unavailable: already open in another process");

    fs::rename(&moved, &path).unwrap();
    assert_eq!(process.time(), "ok");
    assert_eq!(process.accept("after"), "new");
    let log = process.stop();
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    assert!(log.contains("the store file is back"), "{log}");
    keeps(&path, &["before", "after"]);
}

#[test]
fn a_deleted_file_stops_writes_and_is_not_taken_for_a_new_store() {
    let (directory, path) = place();
    let mut process = Process::open(&path).unwrap_or_else(|refused| panic!("{refused}"));
    assert_eq!(process.accept("lost"), "new");
    fs::remove_file(&path).unwrap();
    is_lost(process, "was deleted or moved");

    let refused = Process::open(&path).err().expect("refused");
    assert!(refused.contains("is missing or empty") && refused.contains("incode.db.lock"), "{refused}");
    assert!(!path.exists(), "nothing is put in its place");
    // What the message says.
    fs::remove_file(directory.path().join("incode.db.lock")).unwrap();
    let _ = fs::remove_file(directory.path().join("incode.db-wal"));
    let mut new = Process::open(&path).unwrap_or_else(|refused| panic!("{refused}"));
    assert_eq!(new.accept("lost"), "new");
}

#[test]
fn a_file_that_is_replaced_stops_writes() {
    let (directory, path) = place();
    let backup = directory.path().join("backup.db");
    Process::open(&backup).unwrap_or_else(|refused| panic!("{refused}")).stop();
    let mut process = Process::open(&path).unwrap_or_else(|refused| panic!("{refused}"));
    assert_eq!(process.accept("lost"), "new");
    fs::rename(&backup, &path).unwrap();
    let duplicate = process.accept("lost");
    assert!(duplicate.contains("was replaced"), "its original is gone: {duplicate}");
    is_lost(process, "was replaced by another file");
}

#[test]
fn a_log_that_is_deleted_stops_writes() {
    for suffix in ["-wal", "-shm"] {
        let (directory, path) = place();
        let mut process = Process::open(&path).unwrap_or_else(|refused| panic!("{refused}"));
        assert_eq!(process.accept("lost"), "new");
        fs::remove_file(directory.path().join(format!("incode.db{suffix}"))).unwrap();
        is_lost(process, "was deleted or moved");
    }
}

#[test]
fn an_emptied_file_stops_writes_and_is_not_taken_for_a_new_store() {
    let (directory, path) = place();
    let mut process = Process::open(&path).unwrap_or_else(|refused| panic!("{refused}"));
    assert_eq!(process.accept("lost"), "new");
    fs::File::create(&path).unwrap();
    let refused = process.accept("second");
    assert!(refused.starts_with("Unavailable: ") && refused.contains("was emptied"), "{refused}");
    process.kill();
    fs::File::create(&path).unwrap();
    let refused = Process::open(&path).err().expect("refused");
    assert!(refused.contains("is missing or empty"), "{refused}");
    // The log alone shows that a store was there, too: the other file may not have been copied.
    fs::remove_file(directory.path().join("incode.db.lock")).unwrap();
    let refused = Process::open(&path).err().expect("refused");
    assert!(refused.contains("is missing or empty") && refused.contains("incode.db-wal shows"), "{refused}");
    assert_eq!(fs::metadata(&path).unwrap().len(), 0, "nothing is put in its place");
}

#[test]
fn an_empty_file_without_a_past_is_a_new_store() {
    let (_directory, path) = place();
    fs::write(&path, "").unwrap();
    let mut process = Process::open(&path).unwrap_or_else(|refused| panic!("{refused}"));
    assert_eq!(process.accept("kept"), "new");
    process.stop();
    keeps(&path, &["kept"]);
}

#[test]
fn a_disk_that_is_full_or_read_only_is_said_at_start() {
    let (directory, path) = place();
    if !can_mount() {
        println!("not run: a mount namespace needs more rights than this process has");
        return;
    }
    let disk = directory.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let on_disk = disk.join("incode.db");
    Process::open(&path).unwrap_or_else(|refused| panic!("{refused}")).stop();
    let (place, disk) = (directory.path().display(), disk.display());
    let read_only = format!("mount --bind '{place}' '{disk}'\nmount -o remount,bind,ro '{disk}'");
    let refused = Process::open_after(&on_disk, Some(&read_only)).err().expect("refused");
    assert!(refused.starts_with("Unavailable: ") && refused.contains("Read-only"), "{refused}");
    let full = format!("mount -t tmpfs -o size=16k none '{disk}'");
    let refused = Process::open_after(&on_disk, Some(&full)).err().expect("refused");
    assert!(refused.starts_with("Full: "), "{refused}");
}

#[test]
fn a_disk_that_fills_up_shows_without_a_delivery() {
    let (directory, _) = place();
    if !can_mount() {
        println!("not run: a mount namespace needs more rights than this process has");
        return;
    }
    let disk = directory.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = format!("mount -t tmpfs -o size=2m none '{}'", disk.display());
    let mut process =
        Process::open_after(&disk.join("incode.db"), Some(&mount)).unwrap_or_else(|said| panic!("{said}"));
    assert_eq!(process.accept("kept"), "new");
    let ballast = process.sees(&disk.join("ballast"));
    // Until not a byte fits: the store gives room back while it is idle.
    until("full", || {
        let _ = fs::write(process.sees(&disk.join("more")), [0; 64 << 10]);
        let _ = fs::write(&ballast, vec![0; 4 << 20]);
        process.time().starts_with("Full: ")
    });
    assert!(process.accept("refused").starts_with("Full: "));
    fs::remove_file(ballast).unwrap();
    fs::remove_file(process.sees(&disk.join("more"))).unwrap();
    until("mended", || process.time() == "ok");
    assert_eq!(process.accept("refused"), "new");
    assert_eq!(process.accept("kept"), "duplicate");
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("never {what}");
}

fn can_mount() -> bool {
    let tried = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    tried.is_ok_and(|output| output.status.success())
}

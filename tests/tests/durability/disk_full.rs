use std::path::{Path, PathBuf};
use std::process::Command;

use incode_tests::eventually;
use tempfile::TempDir;

use crate::leases::{event, person, world_on};
use crate::shared;

/// On a file system of its own, two megabytes large.
#[tokio::test]
async fn a_full_disk_sends_the_vendor_away_until_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        // The process tests show the same with files that may not grow, which needs no rights.
        println!("not run: mounting a tmpfs needs more rights than this process has");
        return;
    };
    let (store, _) = shared::open(&disk.path("store.db")).await;
    let world = world_on(&store).await;
    let known = person(&world.sandbox, "known");
    world.deliver(&event(&known)).await;
    world.settles(1, 0, 0).await;
    world.link("alice", &known.identity_id).await;
    assert_eq!(world.status("alice", "/vault").await, 200);

    disk.fill();
    let mut refused = None;
    for n in 0..2_000 {
        let event = event(&person(&world.sandbox, &format!("filler-{n}")));
        let answer = world.send(world.delivery(event.to_string())).await;
        match answer.status {
            204 => {}
            503 => {
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
                refused = Some(event);
                break;
            }
            _ => panic!("{answer:?}"),
        }
    }
    let refused = refused.expect("the disk fills up");
    // Past every cache: a subject that no request asked about yet, and one whose row is read again.
    assert_eq!(world.status("stranger", "/vault").await, 403);
    assert_eq!(world.status("alice", "/vault").await, 200);
    assert_eq!(world.standing("alice").await, "active");
    assert!(world.identity(&known.identity_id).await.is_some());
    let acknowledged = world.counts().await;
    // Until not a byte fits: the store gives room back while it is idle.
    eventually("health says that nothing can be written", async || {
        disk.fill_up();
        !world.incode.health().await.store
    })
    .await;

    disk.free();
    eventually("well again", async || world.incode.health().await.store).await;
    eventually("taken again", async || world.send(world.delivery(refused.to_string())).await.status == 204).await;
    eventually("all applied", async || world.counts().await.pending == 0).await;
    let counts = world.counts().await;
    assert_eq!(counts.done, acknowledged.done + acknowledged.pending + 1, "what was acknowledged, and this one");
    assert_eq!(counts.dead, 0);
    world.incode.shutdown().await;
    drop(store);
}

/// A tmpfs, unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs"]).arg(directory.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then(|| Self(directory))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Leaves room for a few events more.
    fn fill(&self) {
        let mut ballast = vec![0; 2 << 20];
        // The largest file that fits beside a little space: halved until it does.
        while std::fs::write(self.path("ballast"), &ballast).is_err() {
            ballast.truncate(ballast.len() - (32 << 10));
        }
    }

    /// Leaves no byte. A write that fails half way leaves what fits.
    fn fill_up(&self) {
        let _ = std::fs::write(self.path("more"), [0; 64 << 10]);
    }

    fn free(&self) {
        std::fs::remove_file(self.path("ballast")).unwrap();
        std::fs::remove_file(self.path("more")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(self.0.path());
    }
}

/// Lazily: the store may still have its files open.
fn unmount(path: &Path) {
    let _ = Command::new("umount").arg("--lazy").arg(path).status();
}

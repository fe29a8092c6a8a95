use super::*;

#[cfg(target_os = "linux")]
#[test]
fn mount_points_are_read_with_their_escapes() {
    let mounts = b"24 30 0:22 / /proc rw,nosuid shared:5 - proc proc rw
531 29 259:1 /srv/a.db /data/incode.db rw,relatime shared:1 - ext4 /dev/vda rw
532 29 259:1 /srv/b.db /data/my\\040store\\134.db rw - ext4 /dev/vda rw
";
    for path in ["/proc", "/data/incode.db", "/data/my store\\.db"] {
        assert!(is_mount_point(mounts, path.as_bytes()), "{path}");
    }
    for path in ["/srv/a.db", "/data", "/data/incode.db-wal", "/data/my\\040store\\134.db", "/"] {
        assert!(!is_mount_point(mounts, path.as_bytes()), "{path}");
    }
}

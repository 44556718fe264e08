//! A volume of a few MiB that a test may fill.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set in a test that was started again where it may mount.
const AGAIN: &str = "CLEANPLATE_TEST_MAY_MOUNT";

/// A file system in memory, mounted until dropped.
pub struct Volume {
    dir: tempfile::TempDir,
}

impl Volume {
    fn mount(mib: u32) -> Option<Volume> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"])
            .arg(dir.path())
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Volume { dir })
    }

    /// Mounts it anew with these options.
    pub fn remount(&self, options: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(self.path())
            .status();
        assert!(status.unwrap().success(), "{options}");
    }

    /// Files that are on it.
    pub fn files(&self) -> u64 {
        let volume = rustix::fs::statvfs(self.path()).unwrap();
        volume.f_files - volume.f_ffree
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Fills it until `left_bytes` or a little less are free; the file that does goes when it is dropped. In one step, as far
    /// as there is room: what the daemon gives up for its own records while the volume fills stays the daemon's.
    pub fn fill(&self, left_bytes: u64) -> Filler {
        let file = tempfile::NamedTempFile::new_in(self.path()).unwrap();
        loop {
            let more = self.free_bytes().saturating_sub(left_bytes);
            if more == 0 {
                break;
            }
            let flags = rustix::fs::FallocateFlags::empty();
            // Refused when somebody took some of it meanwhile.
            if rustix::fs::fallocate(&file, flags, 0, more).is_ok() {
                break;
            }
        }
        Filler { _file: file }
    }

    /// Takes every byte as soon as it is free, until told to stop; then gives all of it back.
    pub fn keep_filling(&self, stop: &AtomicBool) {
        let mut fillers = Vec::new();
        while !stop.load(Ordering::SeqCst) {
            if self.free_bytes() > 0 {
                fillers.push(self.fill(0));
            }
            std::thread::yield_now();
        }
    }

    fn free_bytes(&self) -> u64 {
        let volume = rustix::fs::statvfs(self.path()).unwrap();
        volume.f_bavail * volume.f_frsize
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// What fills a volume.
pub struct Filler {
    _file: tempfile::NamedTempFile,
}

/// Runs `body` on a volume of `mib` MiB. Where mounting is refused, the test `name` is started again in a namespace of its
/// own in which it is not.
pub fn on_small_volume(name: &str, mib: u32, body: impl FnOnce(&Volume)) {
    if let Some(volume) = Volume::mount(mib) {
        return body(&volume);
    }
    assert!(
        std::env::var_os(AGAIN).is_none(),
        "{name}: no file system can be mounted, not even in a user namespace; run it as root"
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(AGAIN, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

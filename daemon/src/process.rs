//! What the process takes from its machine. Figures that the system does not tell are 0.

use std::path::Path;
use std::time::Instant;

/// Ticks per second of processor times in /proc: 100 on every Linux that this runs on.
const TICKS_PER_S: f64 = 100.0;

/// Reads the figures of this process.
pub struct Process {
    last: Option<(Instant, f64)>,
}

impl Process {
    /// Begins to measure.
    pub fn new() -> Process {
        Process {
            last: processor_s().map(|seconds| (Instant::now(), seconds)),
        }
    }

    /// Processor time since the last call, in cores.
    pub fn cpu_cores(&mut self) -> f64 {
        let Some(seconds) = processor_s() else {
            return 0.0;
        };
        let now = Instant::now();
        let last = self.last.replace((now, seconds));
        last.map_or(0.0, |(at, before)| {
            ((seconds - before) / now.duration_since(at).as_secs_f64().max(1e-3)).max(0.0)
        })
    }
}

/// Processor time of all threads so far, seconds.
pub fn processor_s() -> Option<f64> {
    Some((stat(11)? + stat(12)?) / TICKS_PER_S)
}

/// A field of /proc/self/stat, counted from behind the name, which may hold spaces.
fn stat(field: usize) -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    fields.nth(field)?.parse().ok()
}

/// Gives memory that was freed back to the system: the allocator keeps it otherwise.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and glibc lets any thread call it at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Threads.
pub fn threads() -> u64 {
    stat(17).unwrap_or(0.0) as u64
}

/// Address space, bytes.
pub fn virtual_bytes() -> u64 {
    stat(20).unwrap_or(0.0) as u64
}

/// Open files and connections.
pub fn open_files() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64)
}

/// Most open files and connections that the system allows.
pub fn open_files_max() -> u64 {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Resident memory, bytes.
pub fn rss_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Space on the volume of `path` that this user may fill, bytes.
pub fn free_bytes(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |volume| volume.f_bavail.saturating_mul(volume.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_figures_are_plausible() {
        assert!(rss_bytes() > 1 << 20, "{}", rss_bytes());
        assert!(virtual_bytes() > rss_bytes() && threads() >= 1);
        assert!(open_files() >= 3 && open_files_max() >= open_files());
        assert!(free_bytes(Path::new("/")) > 0);
        let mut process = Process::new();
        let start = Instant::now();
        let mut sum = 0u64;
        while start.elapsed().as_millis() < 300 {
            sum = sum.wrapping_add(start.elapsed().as_nanos() as u64);
        }
        let cores = process.cpu_cores();
        assert!(cores > 0.05 && cores < 1_000.0 && sum > 0, "{cores}");
    }
}

//! The memory that the control groups of this process allow (a container's, a service's `MemoryMax`): passing it ends the
//! process, and no allocation fails before.

use std::path::Path;

/// Larger limits are none: version 1 writes the largest number there is, rounded to pages.
const NONE_BYTES: u64 = 1 << 60;

/// The least that any of the groups allows this process, if one does.
pub fn memory_bytes_max() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    least(Path::new("/sys/fs/cgroup"), &groups)
}

/// `groups` as in `/proc/self/cgroup`: a line for each hierarchy, `number:controllers:path`, without controllers that of version 2.
fn least(root: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let (root, file) = match controllers {
            "" => (root.to_path_buf(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        // Limits of outer groups count, too. In a container the path may be the host's, which is not seen inside.
        let inner = root.join(path.trim_start_matches('/'));
        let groups = inner
            .ancestors()
            .take_while(|group| group.starts_with(&root));
        groups.filter_map(|group| limit(&group.join(file))).min()
    });
    limits.min()
}

fn limit(file: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.trim().parse().ok().filter(|bytes| *bytes < NONE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_all_groups_of_both_versions_counts() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("system.slice/photos.service")).unwrap();
        std::fs::create_dir_all(root.join("memory/docker")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(root.join(name), text).unwrap();
        let second = "0::/system.slice/photos.service\n";
        assert_eq!(least(root, second), None);
        write("system.slice/photos.service/memory.max", "max\n");
        assert_eq!(least(root, second), None);
        write("system.slice/memory.max", "1073741824\n");
        assert_eq!(least(root, second), Some(1 << 30));
        write("system.slice/photos.service/memory.max", "536870912\n");
        assert_eq!(least(root, second), Some(512 << 20));
        // A container sees its own group at the root, and the host's path.
        write("memory.max", "268435456\n");
        assert_eq!(least(root, "0::/../away\n"), Some(256 << 20));

        let first = "12:cpu,cpuacct:/docker\n5:memory:/docker\n";
        assert_eq!(least(root, first), None);
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(least(root, first), None);
        write("memory/docker/memory.limit_in_bytes", "734003200\n");
        assert_eq!(least(root, first), Some(700 << 20));
        assert_eq!(least(root, "damaged\n"), None);
    }
}

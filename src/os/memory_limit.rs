//! The process's memory limit: the lowest one of its control groups. Above it the kernel kills a process of the group,
//! so the memory budget must fit.

use std::fs;
use std::path::{Path, PathBuf};

/// The limit in bytes; `None` if there is none or it cannot be read.
pub fn of_this_process() -> Option<u64> {
    below(Path::new("/"))
}

/// The same on a machine whose root directory is `root`.
///
/// A container that has its control group for the root of the file system finds its own limit there, under whatever
/// path `/proc/self/cgroup` names; elsewhere each directory above may have a limit of its own.
fn below(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    groups.lines().filter_map(|line| least_of(root, line)).min()
}

/// The least limit of a line `NUMBER:CONTROLLERS:PATH`: version 2 has no controllers there, version 1 has `memory`.
fn least_of(root: &Path, line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    let (mount, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let group = PathBuf::from(path.trim_start_matches('/'));
    group
        .ancestors()
        .filter_map(|group| fs::read_to_string(root.join(mount).join(group).join(file)).ok())
        // "max" is not a number.
        .filter_map(|text| text.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(groups: &str, files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().expect("directory");
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("directory");
            fs::write(path, text).expect("file");
        };
        put("proc/self/cgroup", groups);
        for (path, text) in files {
            put(path, text);
        }
        below(root.path())
    }

    #[test]
    fn version_2() {
        let file = "sys/fs/cgroup/memory.max";
        assert_eq!(machine("0::/\n", &[(file, "33554432\n")]), Some(33_554_432));
        assert_eq!(machine("0::/\n", &[(file, "max\n")]), None);
        // The least of those above counts.
        let files = [
            ("sys/fs/cgroup/pods/memory.max", "1000\n"),
            ("sys/fs/cgroup/pods/a/memory.max", "max\n"),
            ("sys/fs/cgroup/other/memory.max", "1\n"),
        ];
        assert_eq!(machine("0::/pods/a\n", &files), Some(1000));
        // A path of the host, seen from inside.
        assert_eq!(machine("0::/../../kubepods/b\n", &[(file, "5\n")]), Some(5));
    }

    #[test]
    fn version_1() {
        let groups = "8:pids:/\n4:cpu,memory:/kubepods/a\n0::/\n";
        let file = "sys/fs/cgroup/memory/kubepods/a/memory.limit_in_bytes";
        assert_eq!(machine(groups, &[(file, "2000\n")]), Some(2000));
        let inside = "sys/fs/cgroup/memory/memory.limit_in_bytes";
        assert_eq!(machine(groups, &[(inside, "3000\n")]), Some(3000));
    }

    #[test]
    fn nothing_to_see() {
        assert_eq!(machine("", &[]), None);
        assert_eq!(machine("0::/a\nnonsense\n::\n", &[]), None);
    }
}

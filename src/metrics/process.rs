//! What the kernel says about this process, under the names that Prometheus clients share.

use std::fs;

use super::Text;

/// Writes what `/proc` has; what it has not is left out. `started` is in seconds since the epoch.
pub(super) fn write(text: &mut Text, started: i64) {
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        let memory = [
            (
                "VmRSS",
                "process_resident_memory_bytes",
                "Resident memory size in bytes.",
            ),
            (
                "VmHWM",
                "process_resident_memory_max_bytes",
                "Largest resident memory size so far in bytes.",
            ),
            (
                "VmSize",
                "process_virtual_memory_bytes",
                "Virtual memory size in bytes.",
            ),
        ];
        for (field, name, help) in memory {
            if let Some(kib) = number_after(&status, field) {
                text.shared_name(name, "gauge", help);
                text.value(&[], kib.saturating_mul(1024));
            }
        }
        if let Some(threads) = number_after(&status, "Threads") {
            text.shared_name("process_threads", "gauge", "Threads of the process.");
            text.value(&[], threads);
        }
    }
    if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
        // One of them reads the directory.
        let open = descriptors.count().saturating_sub(1);
        text.shared_name("process_open_fds", "gauge", "Number of open file descriptors.");
        text.value(&[], open);
    }
    if let Ok(limits) = fs::read_to_string("/proc/self/limits")
        && let Some(most) = number_after(&limits, "Max open files")
    {
        text.shared_name(
            "process_max_fds",
            "gauge",
            "Maximum number of open file descriptors.",
        );
        text.value(&[], most);
    }
    text.shared_name(
        "process_start_time_seconds",
        "gauge",
        "Start time of the process since unix epoch in seconds.",
    );
    text.value(&[], started);
}

/// The first number on the line that begins with `field`.
fn number_after(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim_start_matches(':')
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_layout() {
        let status = "Name:\tx\nVmSize:\t   9000 kB\nVmRSS:\t    4321 kB\nThreads:\t3\n";
        assert_eq!(number_after(status, "VmRSS"), Some(4321));
        assert_eq!(number_after(status, "Threads"), Some(3));
        assert_eq!(number_after(status, "VmHWM"), None);
        let limits = "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 unlimited            files\n";
        assert_eq!(number_after(limits, "Max open files"), Some(1024));
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let mut text = Text::default();
        write(&mut text, 12);
        let text = text.into_string();
        for name in [
            "process_resident_memory_bytes ",
            "process_open_fds ",
            "process_max_fds ",
            "process_start_time_seconds 12",
        ] {
            assert!(
                text.lines().any(|line| line.starts_with(name)),
                "{name} in {text}"
            );
        }
    }
}

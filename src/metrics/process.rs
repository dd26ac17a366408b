//! Metrics of the process, under the names that Prometheus clients share.

use std::fs;
use std::time::Duration;

use super::text::Text;

/// The unit of times in `/proc/self/stat`: USER_HZ is 100 on each architecture that we build for.
const MILLIS_PER_TICK: u64 = 10;

/// Writes what `/proc` has; what is missing there is left out. `started` is in seconds since the epoch.
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
    if let Some(ticks) = fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| ticks_in(&stat))
    {
        text.shared_name(
            "process_cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
        );
        let spent = Duration::from_millis(ticks.saturating_mul(MILLIS_PER_TICK));
        text.value(&[], spent.as_secs_f64());
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

/// User and system time of `/proc/self/stat`, its fields 14 and 15. The second is the name in parentheses, which may
/// hold anything: fields count from its end.
fn ticks_in(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
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
    fn a_name_that_looks_like_fields_moves_nothing() {
        let stat = "7 (a) b (1) 2) S 1 7 7 0 -1 4194560 150 0 1 0 123 45 6 7 20 0 3 0 9000 1 2\n";
        assert_eq!(ticks_in(stat), Some(168));
        assert_eq!(ticks_in("7 (a) S 1 7 7 0 -1 4194560 150 0 1 0 123"), None);
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let mut text = Text::default();
        write(&mut text, 12);
        let text = text.into_string();
        for name in [
            "process_resident_memory_bytes ",
            "process_cpu_seconds_total ",
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

//! Memory limits of mounts: the flags, lowered to fit the process's memory limit.

use super::error::ConfigError;
use super::flag::Flag;
use super::units::bytes;
use crate::fetch;
use crate::limits;

/// `--max-response-bytes`
pub(super) fn max_response_bytes(flag: &Flag) -> Result<usize, ConfigError> {
    const LEAST: usize = limits::CONFIG_MIN_RESPONSE_BYTES;
    let bytes = bytes(flag.text()).filter(|bytes| *bytes >= LEAST);
    bytes.ok_or_else(|| {
        let example = "a number of bytes such as 4194304 or 4MiB";
        flag.invalid(format!("expected {example}, at least {LEAST}"))
    })
}

/// `--memory-budget`
pub(super) fn budget(flag: &Flag, max_response_bytes: usize) -> Result<usize, ConfigError> {
    let bytes = bytes(flag.text())
        .ok_or_else(|| flag.invalid("expected a number of bytes such as 67108864, 65536KiB or 64MiB"))?;
    let volume = max_response_bytes.saturating_mul(limits::VOLUME_MEMORY_FACTOR);
    let least = limits::CONFIG_MIN_MEMORY_BUDGET.max(volume);
    if bytes < least {
        return Err(flag.invalid(format!("expected at least {least} bytes for one full volume")));
    }
    Ok(bytes)
}

/// The part of the memory budget for cached values, in bytes. A volume of full size still fits beside it and `taken`.
pub(super) fn copies_bytes(memory_budget: usize, taken: usize, max_response_bytes: usize) -> usize {
    let volume = max_response_bytes.saturating_mul(limits::VOLUME_MEMORY_FACTOR);
    let left = memory_budget.saturating_sub(taken).saturating_sub(volume);
    (memory_budget / limits::COPIES_BUDGET_DIVISOR).min(left)
}

/// Lowers the budget, and the parts of it for cached values, to fit `limit`. Returns a warning if it did.
pub(super) fn fit(
    memory_budget: &mut usize,
    fetch: &mut fetch::Settings,
    max_response_bytes: usize,
    limit: u64,
) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let pulls = fetch.kms.pulls.saturating_add(fetch.oos.pulls);
    let beside = pulls
        .saturating_mul(limits::MEMORY_PER_PULL)
        .saturating_add(limits::MEMORY_BESIDE_BUDGET);
    let room = limit
        .saturating_sub(beside)
        .max(limit / limits::LEAST_BUDGET_DIVISOR);
    if *memory_budget <= room {
        return None;
    }
    let wanted = std::mem::replace(memory_budget, room);
    fetch.copies_bytes = copies_bytes(room, 0, max_response_bytes);
    let mut stale = "";
    if fetch.stale_bytes > 0 {
        fetch.stale_bytes = copies_bytes(room, fetch.copies_bytes, max_response_bytes);
        if fetch.stale_bytes == 0 {
            stale = ", --serve-stale-for has no effect";
        }
    }
    let largest = room / limits::VOLUME_MEMORY_FACTOR;
    let full = if largest < max_response_bytes {
        format!(", volumes of more than {largest} bytes may fail")
    } else {
        String::new()
    };
    Some(format!(
        "--memory-budget={wanted} does not fit into the memory limit of {limit} bytes: lowered to {room}{full}{stale}; raise the memory limit to {}",
        wanted.saturating_add(beside)
    ))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use crate::config::{Command, parse};

    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;

    fn fitted(arguments: &[&str], limit: usize) -> (usize, usize, Option<String>) {
        let environment: [(&'static str, &str); 0] = [];
        let arguments = arguments.iter().map(OsString::from);
        let Ok(Command::Serve(mut config)) = parse(arguments, &environment.as_slice()) else {
            panic!("these flags are right");
        };
        let told = config.fit_memory(u64::try_from(limit).expect("64 bits"));
        (config.memory_budget, config.fetch.copies_bytes, told)
    }

    #[test]
    fn the_budget_fits_into_the_limit() {
        for (limit, budget, copies) in [
            (usize::MAX, 64 * MIB, 16 * MIB),
            (128 * MIB, 64 * MIB, 16 * MIB),
            (80 * MIB, 64 * MIB, 16 * MIB),
            (64 * MIB, 49_408 * KIB, 12_352 * KIB),
            // One full volume, and 256 KiB of copies.
            (32 * MIB, 16_640 * KIB, 256 * KIB),
            (16 * MIB, 4 * MIB, 0),
            (0, 0, 0),
        ] {
            let (got, got_copies, told) = fitted(&[], limit);
            assert_eq!((got, got_copies), (budget, copies), "{limit}");
            assert_eq!(told.is_some(), budget < 64 * MIB, "{limit}: {told:?}");
        }
    }

    #[test]
    fn many_pulls_leave_less() {
        let (budget, _, _) = fitted(&["--max-concurrent-kms-secret-pulls=100"], 64 * MIB);
        assert_eq!(budget, 64 * MIB - 12 * MIB - 110 * 192 * KIB);
    }

    #[test]
    fn it_says_if_nothing_is_left_for_outages() {
        let words = ", --serve-stale-for has no effect; raise the memory limit";
        for (limit, has_room) in [(64 * MIB, true), (32 * MIB, false)] {
            let (_, _, told) = fitted(&["--serve-stale-for=1h"], limit);
            assert_eq!(!told.expect("lowered").contains(words), has_room, "{limit}");
        }
    }

    #[test]
    fn it_says_what_no_longer_fits() {
        let (_, _, told) = fitted(&[], 32 * MIB);
        assert_eq!(
            told.as_deref(),
            Some(
                "--memory-budget=67108864 does not fit into the memory limit of 33554432 bytes: lowered to 17039360; raise the memory limit to 83623936"
            )
        );
        let (_, _, told) = fitted(&[], 20 * MIB);
        let told = told.expect("a warning");
        assert!(
            told.contains("volumes of more than 1310720 bytes may fail"),
            "{told}"
        );
    }
}

//! The memory of another process, as root reads it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

/// What is mapped and readable.
pub(crate) struct Memory {
    regions: Vec<(String, u64, Vec<u8>)>,
}

impl Memory {
    /// All of it, once.
    pub(crate) fn of(process: u32) -> Self {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("maps");
        let memory = File::open(format!("/proc/{process}/mem")).expect("this test needs root");
        let mut regions = Vec::new();
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            let (Some(range), Some(rights)) = (words.next(), words.next()) else {
                continue;
            };
            let name = words.nth(3).unwrap_or("anonymous").to_owned();
            let (from, to) = range.split_once('-').expect("a range");
            let address = |text: &str| u64::from_str_radix(text, 16).expect("an address");
            let (from, to) = (address(from), address(to));
            if !rights.starts_with('r') || name.starts_with("[v") {
                continue;
            }
            let mut bytes = vec![0; usize::try_from(to - from).expect("a size")];
            // A region may go away meanwhile; what is read of it counts.
            let mut read = 0;
            while read < bytes.len() {
                let at = from + u64::try_from(read).expect("an offset");
                match memory.read_at(&mut bytes[read..], at) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => read += count,
                }
            }
            bytes.truncate(read);
            regions.push((name, from, bytes));
        }
        assert!(regions.iter().any(|(name, _, _)| name == "[stack]"), "{maps}");
        Self { regions }
    }

    /// Where `text` is: region, address, and what stands around it.
    pub(crate) fn places(&self, text: &str) -> Vec<String> {
        let mut places = Vec::new();
        for (name, from, bytes) in &self.regions {
            let mut at = 0;
            while let Some(found) = find(&bytes[at..], text.as_bytes()) {
                let around = &bytes[(at + found).saturating_sub(60)..(at + found + 20).min(bytes.len())];
                let address = from + u64::try_from(at + found).expect("an offset");
                places.push(format!("{name} {address:x}: {}", around.escape_ascii()));
                at += found + text.len();
            }
        }
        places
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = haystack.get(from..)?.iter().position(|byte| *byte == first) {
        if haystack[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

//! What the fuzz targets call: one function per target, each from arbitrary octets to checks that must hold.
//!
//! Compiled for `cargo fuzz` and for tests only. `fuzz/fuzz_targets/` has one file per function; what a fuzzer once
//! found, and what shows it the way, is kept in `fuzz/seeds/` and replayed by the test here.

mod calls;
mod connection;
pub(crate) mod driver_rules;
mod frames;
mod grpc;
mod hpack;
mod input;
mod params;
mod policy;
mod validate;

pub(crate) use input::Input;

/// A target's function.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its file in `fuzz/fuzz_targets/` and of its seeds' directory.
pub const TARGETS: &[(&str, Target)] = &[
    ("access_policy", policy::policy),
    ("grpc_request", grpc::request),
    ("h2_connection", connection::connection),
    ("h2_frames", frames::frames),
    ("hpack", hpack::hpack),
    ("params_attributes", params::attributes),
    ("params_file_names", params::file_names),
    ("params_jmespath", params::jmespath),
    ("params_objects", params::objects),
    ("server_calls", calls::calls),
    ("validate", validate::validate),
];

/// Runs the target of this name.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = target.unwrap_or_else(|| panic!("no fuzz target {name}"));
    target(data);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn entries(directory: &Path) -> Vec<PathBuf> {
        let read = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        read.map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn every_target_has_a_file_and_every_file_a_target() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
        let stem = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let files: BTreeSet<String> = entries(&fuzz).iter().map(stem).collect();
        let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(files, targets);
    }

    #[test]
    fn the_saved_corpus_passes() {
        for (name, target) in TARGETS {
            let seeds = entries(
                &Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("fuzz/seeds")
                    .join(name),
            );
            assert!(!seeds.is_empty(), "{name} has no seeds");
            for seed in seeds {
                target(&fs::read(seed).unwrap());
            }
        }
    }
}

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| csi_provider::fuzzing::run("access_policy", data));

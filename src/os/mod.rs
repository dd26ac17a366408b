//! What the operating system is asked for: files that change, hardening, limits, threads.

pub mod file;
pub mod harden;
pub mod memory_limit;
pub mod thread;

//! What the operating system is asked for: files that change, hardening, limits.

pub mod file;
pub mod harden;
pub mod memory_limit;

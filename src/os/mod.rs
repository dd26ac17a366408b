//! Operating system services: watched files, hardening, limits, threads.

pub mod file;
pub mod harden;
pub mod memory_limit;
pub mod thread;

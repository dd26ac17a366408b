//! The subcommands, one file or folder each.

pub mod mount;
pub mod prepare_dir;
pub mod validate;
pub mod whoami;

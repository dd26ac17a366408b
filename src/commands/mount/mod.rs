//! `mount`: mounts into a directory, once or until SIGTERM. Files are written as the driver writes them.

mod files;
mod watch;

use std::io::{self, Read, Write};

use super::once::Once;
use crate::clock::{Clock as _, SystemClock};
use crate::config::MountOptions;
use crate::entropy::SystemEntropy;
use crate::grpc::proto::MountResponse;
use crate::sync::Cancellation;

impl MountOptions {
    /// Mounts once, or until SIGTERM. Prints each file's mode, size and version, never its content.
    ///
    /// # Errors
    /// The first failure; the target is unchanged then.
    pub fn run(self, input: &mut dyn Read, output: &mut dyn Write) -> Result<(), String> {
        let target = std::path::absolute(&self.target).unwrap_or_else(|_| self.target.clone());
        let once = Once::from(self.once);
        let mut write = |response: &MountResponse| {
            let stamp = files::stamp(SystemClock.wall(), &SystemEntropy::new());
            files::write(&self.target, response, &stamp)
                .map_err(|error| format!("cannot write below {}: {error}", self.target.display()))?;
            report(response, output);
            Ok(())
        };
        match &self.watch {
            Some(watch) => watch::run(
                watch,
                |stop| once.mount(&target, self.mode, &mut io::empty(), stop),
                write,
            ),
            None => write(
                once.mount(&target, self.mode, input, &Cancellation::new())?
                    .as_ref(),
            ),
        }
    }
}

fn report(response: &MountResponse, output: &mut dyn Write) {
    // A reader that stops early, such as `head`, is not an error.
    for file in &response.files {
        let (path, mode, bytes) = (&file.path, file.mode, file.contents.len());
        let _ = writeln!(output, "file {path} mode {mode:04o} bytes {bytes}");
    }
    for object in &response.object_version {
        let _ = writeln!(output, "object {} version {}", object.id, object.version);
    }
}

//! `mount`: one mount into a directory. Files are written as the driver writes them.

mod files;

use std::io::{Read, Write};

use crate::clock::{Clock as _, SystemClock};
use crate::config::MountOptions;
use crate::entropy::SystemEntropy;
use crate::grpc::proto::MountResponse;

impl MountOptions {
    /// Mounts once. Prints each file's mode, size and version, never its content.
    ///
    /// # Errors
    /// The first failure; the target is unchanged then.
    pub fn run(self, input: &mut dyn Read, output: &mut dyn Write) -> Result<(), String> {
        let target = std::path::absolute(&self.target).unwrap_or_else(|_| self.target.clone());
        let response = self.once.mount(&target, self.mode, input)?;
        let stamp = files::stamp(SystemClock.wall(), &SystemEntropy::new());
        files::write(&self.target, &response.0, &stamp)
            .map_err(|error| format!("cannot write below {}: {error}", self.target.display()))?;
        report(&response.0, output);
        Ok(())
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

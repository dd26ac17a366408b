//! `mount --watch`: keeps a directory fresh on nodes where no driver does.
//!
//! The first mount must succeed. After that, a mount that fails leaves the files as they are, and the next one is tried
//! an interval later.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Pid, kill_process};
use sha2::{Digest as _, Sha256};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::clock::{Clock as _, SystemClock};
use crate::config::{CheckReadyOptions, WatchOptions};
use crate::entropy::{Entropy as _, SystemEntropy};
use crate::grpc::proto::MountResponse;
use crate::sync::Cancellation;

/// Mounts with `mount` and writes with `write`, again and again until SIGTERM or SIGINT.
///
/// # Errors
/// The first mount fails, its files cannot be written, or signals cannot be received.
pub(super) fn run<M: AsRef<MountResponse>>(
    options: &WatchOptions,
    mount: impl Fn(&Cancellation) -> Result<M, String>,
    mut write: impl FnMut(&MountResponse) -> Result<(), String>,
) -> Result<(), String> {
    let stop = Cancellation::new();
    let wake = signals(&stop).map_err(|error| format!("cannot receive signals: {error}"))?;
    let mut last = None;
    let mut refresh = |last: &mut Option<[u8; 32]>| {
        let response = mount(&stop)?;
        let response = response.as_ref();
        let digest = Some(digest(response));
        if *last != digest {
            write(response)?;
            if last.is_some() {
                options.changed();
            }
            *last = digest;
        }
        written(options.ready_file.as_deref())
    };
    refresh(&mut last)?;
    loop {
        match wake.recv_timeout(jittered(options.interval)) {
            Ok(()) | Err(RecvTimeoutError::Timeout) if !stop.is_cancelled() => {}
            _ => return Ok(()),
        }
        match refresh(&mut last) {
            Err(_) if stop.is_cancelled() => return Ok(()),
            Err(problem) => log::warn!("{problem}; the files stay as they are"),
            Ok(()) => {}
        }
    }
}

/// A message for each SIGHUP, and the last one for SIGTERM and SIGINT, which also cancel `stop`.
fn signals(stop: &Cancellation) -> io::Result<Receiver<()>> {
    let (wake, woken) = channel();
    let mut signals = Signals::new([SIGHUP, SIGTERM, SIGINT])?;
    let stop = stop.clone();
    let listener = thread::Builder::new().name("signals".to_owned());
    listener.stack_size(64 * 1024).spawn(move || {
        for signal in signals.forever() {
            if signal != SIGHUP {
                stop.cancel();
            }
            if wake.send(()).is_err() || signal != SIGHUP {
                break;
            }
        }
    })?;
    Ok(woken)
}

impl WatchOptions {
    /// Tells others of a change. What fails is a warning, because the files are there.
    fn changed(&self) {
        if let Err(problem) = written(self.changed_file.as_deref()) {
            log::warn!("{problem}");
        }
        let Some(path) = &self.pid_file else { return };
        let signalled = process(path).and_then(|pid| Ok(kill_process(pid, self.signal)?));
        if let Err(error) = signalled {
            log::warn!("cannot signal the process that {} names: {error}", path.display());
        }
    }
}

fn process(path: &Path) -> io::Result<Pid> {
    let text = fs::read_to_string(path)?;
    let number = text.trim().parse().ok().filter(|number: &i32| *number > 0);
    let found = number.and_then(Pid::from_raw);
    found.ok_or_else(|| io::Error::other("expected the number of a process"))
}

/// Writes an empty file again, so that its time is that of the last mount.
fn written(path: Option<&Path>) -> Result<(), String> {
    path.map_or(Ok(()), |path| {
        fs::write(path, b"").map_err(|error| format!("cannot write {}: {error}", path.display()))
    })
}

/// Files with modes and contents. The values themselves are not kept.
fn digest(response: &MountResponse) -> [u8; 32] {
    let mut hash = Sha256::new();
    for file in &response.files {
        for part in [file.path.as_bytes(), &file.mode.to_be_bytes(), &file.contents] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
    }
    hash.finalize().into()
}

/// From nine to eleven tenths, so that the pods of a rollout do not all read at the same time.
fn jittered(interval: Duration) -> Duration {
    let mut byte = [0];
    SystemEntropy::new().fill(&mut byte);
    interval.mul_f64(0.9 + 0.2 * f64::from(byte[0]) / 255.0)
}

impl CheckReadyOptions {
    /// Whether the file was written recently.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn run(&self) -> Result<(), String> {
        let path = self.ready_file.display();
        let modified = fs::metadata(&self.ready_file).and_then(|file| file.modified());
        let modified = modified.map_err(|error| format!("not ready: {path}: {error}"))?;
        // A time that no calendar holds counts as old.
        let modified = Timestamp::try_from(modified).unwrap_or(Timestamp::UNIX_EPOCH);
        let age = SystemClock.wall().duration_since(modified).unsigned_abs();
        if age > self.within {
            let age = age.as_secs();
            return Err(format!(
                "not ready: the last mount that succeeded was {age} s ago ({path})"
            ));
        }
        Ok(())
    }
}

//! `prepare-bin`: copies this binary to where a container of another image can run it.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Copies the running binary into `directory` in one step, with mode 0755. A process that runs an earlier copy keeps it.
///
/// # Errors
/// The step that failed, with its path.
pub(super) fn run(directory: &Path) -> io::Result<()> {
    let failed = |step: &'static str, path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| io::Error::new(error.kind(), format!("cannot {step} {path}: {error}"))
    };
    fs::create_dir_all(directory).map_err(failed("create", directory))?;
    let target = directory.join(NAME);
    let fresh = directory.join(format!(".{NAME}.{}", std::process::id()));
    let own = Path::new("/proc/self/exe");
    let copied = copy(own, &fresh).map_err(failed("write", &fresh));
    let copied = copied.and_then(|()| fs::rename(&fresh, &target).map_err(failed("replace", &target)));
    if copied.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    copied
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = fs::File::open(from)?;
    let mut copy = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(to)?;
    io::copy(&mut source, &mut copy)?;
    // Whatever the umask.
    copy.set_permissions(Permissions::from_mode(0o755))?;
    copy.sync_all()
}

const NAME: &str = env!("CARGO_PKG_NAME");

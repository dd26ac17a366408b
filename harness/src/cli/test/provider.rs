//! Where the provider's program is.

use std::env;
use std::path::{Path, PathBuf};

use crate::cli::{Error, UsageError};

/// The one given, else the one beside this program, else the first in PATH.
#[expect(clippy::disallowed_methods, reason = "programs are looked for in PATH")]
pub(super) fn find(given: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(given) = given {
        return if given.is_file() {
            Ok(given.to_owned())
        } else {
            Err(UsageError(format!("--provider {}: there is no such file", given.display())).into())
        };
    }
    let beside = env::current_exe()
        .ok()
        .and_then(|own| own.parent().map(|directory| directory.join(NAME)));
    let in_path = env::var_os("PATH").into_iter().flat_map(|path| {
        env::split_paths(&path)
            .map(|directory| directory.join(NAME))
            .collect::<Vec<_>>()
    });
    beside
        .into_iter()
        .chain(in_path)
        .find(|path| path.is_file())
        .ok_or_else(|| {
            let text = format!("{NAME} is neither beside fake-cloud nor in PATH: name it by --provider");
            UsageError(text).into()
        })
}

const NAME: &str = "csi-secrets-store-provider-alibabacloud";

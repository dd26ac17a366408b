//! An AccessKey pair in files, as a mounted Kubernetes Secret has them: unlike variables, which `/proc` shows for as
//! long as a process lives, they can be replaced while it runs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::AccessKey;
use super::publish_secret::is_plausible;
use crate::file::{self, Stamp};
use crate::limits;
use crate::secret::Secret;

/// The names that the files may have: those of the variables, or those of the Secret in the product's documentation.
const NAMES: [(&str, &str); 2] = [("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"), ("id", "secret")];

/// The pair in a directory, read again when a file changes.
pub struct KeyFiles {
    directory: PathBuf,
    kept: Mutex<Option<((Stamp, Stamp), AccessKey)>>,
}

/// Why the files are no pair. Their contents are never quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFilesError {
    directory: PathBuf,
    problem: String,
}

impl fmt::Display for KeyFilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "credentials in {}: {}", self.directory.display(), self.problem)
    }
}

impl std::error::Error for KeyFilesError {}

impl KeyFiles {
    /// The pair in `directory`.
    ///
    /// # Errors
    /// There is none yet, or it is not one.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, KeyFilesError> {
        let files = Self {
            directory: directory.into(),
            kept: Mutex::new(None),
        };
        files.pair()?;
        Ok(files)
    }

    /// The pair as the files have it now.
    pub(super) fn pair(&self) -> Result<AccessKey, KeyFilesError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, secret) = self.paths()?;
        // A Secret is replaced as a whole between two looks at most; then the third look sees it whole.
        for _ in 0..3 {
            let stamps = (self.stamp(&id)?, self.stamp(&secret)?);
            if let Some((known, pair)) = &*kept
                && *known == stamps
            {
                return Ok(pair.clone());
            }
            let pair = AccessKey::new(
                self.half(&id)?.expose_str().unwrap_or_default().to_owned(),
                self.half(&secret)?,
            );
            if (self.stamp(&id)?, self.stamp(&secret)?) == stamps {
                if kept.is_some() {
                    log::info!("credentials in {}: read again", self.directory.display());
                }
                *kept = Some((stamps, pair.clone()));
                return Ok(pair);
            }
        }
        Err(self.failed("the files change all the time".to_owned()))
    }

    fn paths(&self) -> Result<(PathBuf, PathBuf), KeyFilesError> {
        for (id, secret) in NAMES {
            let (id_path, secret_path) = (self.directory.join(id), self.directory.join(secret));
            match (id_path.exists(), secret_path.exists()) {
                (true, true) => return Ok((id_path, secret_path)),
                (false, false) => {}
                (true, false) => {
                    return Err(self.failed(format!(
                        "there is {id} and no {secret}; put both there, or neither"
                    )));
                }
                (false, true) => {
                    return Err(self.failed(format!(
                        "there is {secret} and no {id}; put both there, or neither"
                    )));
                }
            }
        }
        Err(self.failed("there is neither ACCESS_KEY_ID and SECRET_ACCESS_KEY nor id and secret".to_owned()))
    }

    fn stamp(&self, path: &Path) -> Result<Stamp, KeyFilesError> {
        Stamp::of(path).map_err(|error| self.failed(format!("{}: {error}", name(path))))
    }

    fn half(&self, path: &Path) -> Result<Secret, KeyFilesError> {
        let bytes = file::read(path, limits::ACCESS_KEY_FILE_BYTES)
            .map_err(|error| self.failed(format!("{}: {error}", name(path))))?;
        let text = bytes.expose_str().map(str::trim).unwrap_or_default();
        if is_plausible(text) {
            Ok(Secret::from(text.to_owned()))
        } else {
            let problem = "it is empty or has bytes that no AccessKey has";
            Err(self.failed(format!("{}: {problem}", name(path))))
        }
    }

    fn failed(&self, problem: String) -> KeyFilesError {
        KeyFilesError {
            directory: self.directory.clone(),
            problem,
        }
    }
}

fn name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

impl fmt::Debug for KeyFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyFiles").field(&self.directory).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn read_again_when_they_change() {
        let directory = tempfile::tempdir().expect("directory");
        let put = |name: &str, text: &str| {
            let next = directory.path().join("next");
            fs::write(&next, text).expect("file");
            fs::rename(&next, directory.path().join(name)).expect("rename");
        };
        put("id", "LTAI1\n");
        put("secret", "one\n");
        let files = KeyFiles::open(directory.path()).expect("pair");
        let read = || {
            let pair = files.pair().expect("pair").credentials();
            let secret = pair.access_key_secret.expose_str().unwrap_or_default().to_owned();
            (pair.access_key_id.clone(), secret)
        };
        assert_eq!(read(), ("LTAI1".to_owned(), "one".to_owned()));
        put("secret", "two\n");
        assert_eq!(read(), ("LTAI1".to_owned(), "two".to_owned()));
        fs::remove_file(directory.path().join("secret")).expect("remove");
        let error = files.pair().expect_err("half").to_string();
        assert!(error.contains("there is id and no secret"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_told_without_being_quoted() {
        let directory = tempfile::tempdir().expect("directory");
        let error = KeyFiles::open(directory.path()).expect_err("empty").to_string();
        assert!(error.contains("neither ACCESS_KEY_ID"), "{error}");
        fs::write(directory.path().join("ACCESS_KEY_ID"), "LTAI1").expect("file");
        fs::write(directory.path().join("SECRET_ACCESS_KEY"), "canary canary").expect("file");
        let error = KeyFiles::open(directory.path()).expect_err("blank").to_string();
        assert!(
            error.contains("SECRET_ACCESS_KEY: it is empty") && !error.contains("canary"),
            "{error}"
        );
    }
}

//! An AccessKey pair in files, as a mounted Kubernetes Secret has them: unlike variables, which `/proc` shows for as
//! long as a process lives, they can be replaced while it runs.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::AccessKey;
use super::found_names::{FoundNames, Half};
use super::publish_secret::is_plausible;
use crate::limits;
use crate::os::file::{self, Stamp};
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
        let mut pairs = Vec::new();
        for (id, secret) in NAMES {
            let (id_path, secret_path) = (self.directory.join(id), self.directory.join(secret));
            let halves = (self.is_there(&id_path), self.is_there(&secret_path));
            let (there, missing, path) = match halves {
                (true, true) => {
                    pairs.push((id_path, secret_path));
                    continue;
                }
                (true, false) => (id, secret, secret_path),
                (false, true) => (secret, id, id_path),
                (false, false) => continue,
            };
            if pairs.is_empty() {
                self.check_if_exists(&path)?;
                return Err(self.failed(format!(
                    "there is {there} and no {missing}; put both there, or neither"
                )));
            }
        }
        if pairs.is_empty() {
            for name in NAMES.iter().flat_map(|(id, secret)| [id, secret]) {
                self.check_if_exists(&self.directory.join(name))?;
            }
        }
        let mut pairs = pairs.into_iter();
        let first = pairs.next().ok_or_else(|| self.failed(self.unknown()))?;
        match pairs.next() {
            Some(other) if !self.is_same(&first, &other)? => {
                let problem = "ACCESS_KEY_ID and SECRET_ACCESS_KEY are another pair than id and secret; remove one pair, so that it is plain which counts";
                Err(self.failed(problem.to_owned()))
            }
            _ => Ok(first),
        }
    }

    /// Whether a file holds something; an empty one counts as absent.
    fn is_there(&self, path: &Path) -> bool {
        let is_blank = |bytes: Secret| bytes.expose().trim_ascii().is_empty();
        path.exists() && !file::read(path, limits::ACCESS_KEY_FILE_BYTES).is_ok_and(is_blank)
    }

    /// Says why a file that exists holds no half of a pair.
    fn check_if_exists(&self, path: &Path) -> Result<(), KeyFilesError> {
        if path.exists() {
            self.half(path).map(drop)
        } else {
            Ok(())
        }
    }

    /// Whether two pairs of files hold the same.
    fn is_same(&self, one: &(PathBuf, PathBuf), other: &(PathBuf, PathBuf)) -> Result<bool, KeyFilesError> {
        let same = |one: &Path, other: &Path| -> Result<bool, KeyFilesError> {
            Ok(self.half(one)?.expose() == self.half(other)?.expose())
        };
        // Once more, as a Secret may be replaced between two looks.
        for _ in 0..2 {
            if same(&one.0, &other.0)? && same(&one.1, &other.1)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is wrong with a directory that has no file of a known name.
    fn unknown(&self) -> String {
        let mut found = FoundNames::default();
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) => return format!("the directory cannot be read: {error}"),
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // kubelet's own, such as ..data.
            if !name.starts_with("..") {
                found.push(&name);
            }
        }
        let [(id, secret), _] = NAMES;
        format!(
            "expected the files ACCESS_KEY_ID and SECRET_ACCESS_KEY, or id and secret, found {found}; {}",
            found.remedy(&[(Half::Id, id), (Half::Secret, secret)])
        )
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
        assert!(
            error.ends_with("found none; add ACCESS_KEY_ID and add SECRET_ACCESS_KEY"),
            "{error}"
        );
        fs::write(directory.path().join("ACCESS_KEY_ID"), "LTAI1").expect("file");
        fs::write(directory.path().join("SECRET_ACCESS_KEY"), "canary canary").expect("file");
        let error = KeyFiles::open(directory.path()).expect_err("blank").to_string();
        assert!(
            error.contains("SECRET_ACCESS_KEY: it is empty") && !error.contains("canary"),
            "{error}"
        );
    }

    /// A mounted Secret with other names, and one with two pairs of which nobody can say which is meant.
    #[test]
    fn what_is_there_and_not_understood_is_an_error() {
        let directory = tempfile::tempdir().expect("directory");
        let put = |name: &str, text: &str| fs::write(directory.path().join(name), text).expect("file");
        let open = || KeyFiles::open(directory.path()).map_err(|error| error.to_string());
        for (id, secret) in [
            ("ak", "sk"),
            ("access_key", "access_secret"),
            ("AccessKeyId", "AccessKeySecret"),
        ] {
            put(id, "LTAI");
            put(secret, "canary");
            put("..data", "canary");
            let error = open().expect_err("other names");
            for words in [
                format!("rename \"{id}\" to ACCESS_KEY_ID and rename \"{secret}\" to SECRET_ACCESS_KEY"),
                "found \"".to_owned(),
            ] {
                assert!(error.contains(&words), "{error:?} lacks {words:?}");
            }
            assert!(!error.contains("canary") && !error.contains("..data"), "{error}");
            for name in [id, secret] {
                fs::remove_file(directory.path().join(name)).expect("remove");
            }
        }
        for (name, text) in [
            ("ACCESS_KEY_ID", "LTAI"),
            ("SECRET_ACCESS_KEY", "canary"),
            ("id", "LTAI\n"),
            ("secret", "canary"),
        ] {
            put(name, text);
        }
        open().expect("the same pair twice");
        for (name, text, same) in [("secret", "canary2", "canary"), ("id", "LTAJ", "LTAI")] {
            put(name, text);
            let error = open().expect_err("two pairs");
            assert!(
                error.contains("another pair than id and secret") && !error.contains("canary"),
                "{error}"
            );
            put(name, same);
        }
        open().expect("the same pair twice");
        // An empty file counts as absent beside a pair.
        for (id, secret) in NAMES {
            put(id, "");
            put(secret, "\n");
            open().expect("one pair, and an empty one");
            put(id, "LTAI");
            let error = open().map(drop);
            assert_eq!(error.is_err(), (id, secret) == NAMES[0], "{error:?}");
            put(secret, "canary");
        }
        for (name, _) in NAMES {
            put(name, "");
        }
        let error = open().expect_err("empty halves");
        assert!(error.contains("ACCESS_KEY_ID: it is empty"), "{error}");
        let gone = KeyFiles::open(directory.path().join("gone"))
            .expect_err("gone")
            .to_string();
        assert!(gone.contains("the directory cannot be read: "), "{gone}");
    }
}

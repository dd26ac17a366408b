//! An AccessKey pair in files, as a mounted Kubernetes Secret has them: unlike variables, which `/proc` shows for as
//! long as a process lives, they can be replaced while it runs.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::access_key::{AccessKey, is_plausible};
use super::found_names::{FoundNames, Half};
use crate::limits;
use crate::os::file::WatchedFile;
use crate::secret::Secret;

/// The names that the files may have: those of the variables, or those of the Secret in the product's documentation.
const NAMES: [[&str; 2]; 2] = [["ACCESS_KEY_ID", "SECRET_ACCESS_KEY"], ["id", "secret"]];

/// The provider's own pair.
#[derive(Clone, Debug)]
pub enum Pair {
    /// From the environment, once.
    Fixed(AccessKey),
    /// From files, as they are now.
    Files(Arc<KeyFiles>),
}

impl Pair {
    /// The pair.
    ///
    /// # Errors
    /// The files hold none.
    pub(super) fn get(&self) -> Result<AccessKey, KeyFilesError> {
        match self {
            Self::Fixed(pair) => Ok(pair.clone()),
            Self::Files(files) => files.pair().map_err(|problem| files.error(problem)),
        }
    }
}

/// What a file holds, without blanks around it; none if there is no such file.
type Contents = Option<Arc<Secret>>;

/// The pair in a directory, read again when a file changes.
pub struct KeyFiles {
    directory: PathBuf,
    files: [[WatchedFile<Contents>; 2]; 2],
    kept: Mutex<Option<(Vec<Contents>, AccessKey)>>,
}

/// Why the files are not an AccessKey pair. Their contents are never quoted.
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
        let directory = directory.into();
        let files = Self {
            files: NAMES.map(|pair| pair.map(|name| WatchedFile::new(directory.join(name)))),
            directory,
            kept: Mutex::new(None),
        };
        files.pair().map_err(|problem| files.error(problem))?;
        Ok(files)
    }

    fn error(&self, problem: String) -> KeyFilesError {
        KeyFilesError {
            directory: self.directory.clone(),
            problem,
        }
    }

    /// The pair as the files have it now.
    fn pair(&self) -> Result<AccessKey, String> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read = self.read()?;
        // A Secret is replaced as a whole between two looks at most; then the third look sees it whole.
        for _ in 0..3 {
            let again = self.read()?;
            if !is_same(&read, &again) {
                read = again;
                continue;
            }
            if let Some((known, pair)) = &*kept
                && is_same(known, &read)
            {
                return Ok(pair.clone());
            }
            let pair = self.choose(&read)?;
            if kept.is_some() {
                log::info!("credentials in {}: read again", self.directory.display());
            }
            *kept = Some((read, pair.clone()));
            return Ok(pair);
        }
        Err("the files keep changing".to_owned())
    }

    /// What the files hold, in the order of their names.
    fn read(&self) -> Result<Vec<Contents>, String> {
        let read = |file: &WatchedFile<Contents>| {
            let seen = file.look(limits::ACCESS_KEY_FILE_BYTES, |bytes| match bytes {
                Ok(bytes) => Ok(Some(Arc::new(Secret::new(bytes.expose().trim_ascii().to_vec())))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(format!("{}: {error}", name(file.path()))),
            });
            seen.problem.map_or_else(|| Ok(seen.value.flatten()), Err)
        };
        self.files.iter().flatten().map(read).collect()
    }

    /// The one pair among what the files hold. An empty file counts as absent.
    fn choose(&self, read: &[Contents]) -> Result<AccessKey, String> {
        let malformed = |name: &str| format!("{name}: it is empty or has bytes invalid in an AccessKey");
        let half = |there: &str, missing: &str, contents: &Contents| match contents {
            Some(_) => malformed(missing),
            None => format!("there is {there} and no {missing}; provide both or neither"),
        };
        let filled = |contents: &Contents| contents.clone().filter(|it| !it.is_empty());
        let mut chosen: Option<[(&str, Arc<Secret>); 2]> = None;
        for (names, contents) in NAMES.iter().zip(read.chunks(2)) {
            let ([id, secret], [id_file, secret_file]) = (names, contents) else {
                continue;
            };
            match (filled(id_file), filled(secret_file), &chosen) {
                (Some(one), Some(other), None) => chosen = Some([(id, one), (secret, other)]),
                (Some(one), Some(other), Some([(_, first), (_, second)]))
                    if one.expose() != first.expose() || other.expose() != second.expose() =>
                {
                    return Err("ACCESS_KEY_ID and SECRET_ACCESS_KEY differ from id and secret; remove one pair, to make clear which pair is used".to_owned());
                }
                (Some(_), None, None) => return Err(half(id, secret, secret_file)),
                (None, Some(_), None) => return Err(half(secret, id, id_file)),
                _ => {}
            }
        }
        let Some(chosen) = chosen else {
            let mut named = NAMES.as_flattened().iter().zip(read);
            let empty = named.find(|(_, contents)| contents.is_some());
            return Err(empty.map_or_else(|| self.unknown(), |(name, _)| malformed(name)));
        };
        for (name, text) in &chosen {
            if !text.expose_str().is_some_and(is_plausible) {
                return Err(malformed(name));
            }
        }
        let [(_, id), (_, secret)] = chosen;
        let id = id.expose_str().unwrap_or_default().to_owned();
        Ok(AccessKey::new(id, secret.duplicate()))
    }

    /// What is wrong with a directory that has no file of a known name.
    fn unknown(&self) -> String {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) => return format!("the directory cannot be read: {error}"),
        };
        let mut found = FoundNames::default();
        for entry in entries.flatten() {
            let name = entry.file_name();
            // kubelet's own begin so, such as ..data.
            if !name.as_encoded_bytes().starts_with(b"..") {
                found.push(&name.to_string_lossy());
            }
        }
        let remedy = found.remedy(&[(Half::Id, "ACCESS_KEY_ID"), (Half::Secret, "SECRET_ACCESS_KEY")]);
        format!(
            "expected the files ACCESS_KEY_ID and SECRET_ACCESS_KEY, or id and secret, found {found}; {remedy}"
        )
    }
}

/// Whether both were read from the same files in the same state.
fn is_same(one: &[Contents], other: &[Contents]) -> bool {
    let state = |contents: &Contents| contents.as_ref().map(Arc::as_ptr);
    one.iter().map(state).eq(other.iter().map(state))
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
        let error = files.pair().expect_err("half");
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

    /// A mounted Secret with other names, and one with two different pairs.
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
                error.contains("differ from id and secret") && !error.contains("canary"),
                "{error}"
            );
            put(name, same);
        }
        open().expect("the same pair twice");
        // An empty file counts as absent beside a pair.
        for [id, secret] in NAMES {
            put(id, "");
            put(secret, "\n");
            open().expect("one pair, and an empty one");
            put(id, "LTAI");
            let error = open().map(drop);
            assert_eq!(error.is_err(), [id, secret] == NAMES[0], "{error:?}");
            put(secret, "canary");
        }
        for [name, _] in NAMES {
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

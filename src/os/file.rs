//! Small files watched for changes: tokens, keys, certificates.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::secret::Secret;

/// Identifies a file's state. A projected volume replaces a link, so that the inode changes; an
/// editor changes a time or the size; a new mode, which may make it readable, changes a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    size: u64,
}

impl Stamp {
    /// The file's present state; follows links.
    ///
    /// # Errors
    /// The file's metadata cannot be read.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.len(),
        })
    }
}

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// It cannot be read, is not a plain file, or is longer.
pub fn read(path: &Path, most: usize) -> io::Result<Secret> {
    // Before it is opened: opening a pipe would block.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let file = File::open(path)?;
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    // Room for all of it from the start: a growing vector leaves copies behind that are not wiped.
    let mut bytes = Vec::with_capacity(most.saturating_add(1));
    file.take(limit).read_to_end(&mut bytes)?;
    let bytes = Secret::new(bytes);
    if bytes.len() > most {
        return Err(io::Error::other(format!("it is longer than {most} bytes")));
    }
    Ok(bytes)
}

/// A file, read again when it has changed. While it is invalid, its last valid value stays.
///
/// No thread watches it: each look makes one system call to check whether the file has changed.
pub struct WatchedFile<T> {
    path: PathBuf,
    state: Mutex<State<T>>,
}

struct State<T> {
    stamp: Option<Stamp>,
    value: Option<T>,
    problem: Option<String>,
}

/// The result of a look at a file: a value, a problem, or both.
pub struct Seen<T> {
    /// Its last valid value.
    pub value: Option<T>,
    /// Why its present content is invalid.
    pub problem: Option<String>,
    /// Whether this is the first look that yields this value or this problem.
    pub is_news: bool,
}

impl<T: Clone> WatchedFile<T> {
    /// The file at `path`, first read by [`WatchedFile::look`].
    pub fn new(path: PathBuf) -> Self {
        let state = Mutex::new(State {
            stamp: None,
            value: None,
            problem: None,
        });
        Self { path, state }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The value that `parse` makes of the file's bytes, `most` at most, if it has changed since the last look; else
    /// what that look found.
    pub fn look(&self, most: usize, parse: impl FnOnce(io::Result<Secret>) -> Result<T, String>) -> Seen<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken before the file is read: a change in between is seen the next time.
        let stamp = Stamp::of(&self.path).ok();
        let mut is_news = false;
        if stamp.is_none() || stamp != state.stamp {
            let bytes = read(&self.path, most);
            // An unreadable file may be readable the next time without a change of its state.
            state.stamp = stamp.filter(|_| bytes.is_ok());
            match parse(bytes) {
                Ok(value) => {
                    is_news = true;
                    state.value = Some(value);
                    state.problem = None;
                }
                Err(problem) => {
                    is_news = state.problem.as_ref() != Some(&problem);
                    state.problem = Some(problem);
                }
            }
        }
        Seen {
            value: state.value.clone(),
            problem: state.problem.clone(),
            is_news,
        }
    }
}

impl<T> fmt::Debug for WatchedFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WatchedFile({})", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_replaced_has_another_stamp() {
        let directory = tempfile::tempdir().expect("directory");
        let (path, next) = (directory.path().join("a"), directory.path().join("b"));
        fs::write(&path, "one").expect("file");
        let first = Stamp::of(&path).expect("stamp");
        assert_eq!(Stamp::of(&path).expect("stamp"), first);
        fs::write(&next, "two").expect("file");
        fs::rename(&next, &path).expect("rename");
        assert_ne!(Stamp::of(&path).expect("stamp"), first);
    }

    /// Same bytes, same size, and its time set back, as `cp -p` does.
    #[test]
    fn a_file_whose_time_is_set_back_has_another_stamp() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("a");
        fs::write(&path, "one").expect("file");
        let first = Stamp::of(&path).expect("stamp");
        let time = fs::metadata(&path).and_then(|it| it.modified()).expect("time");
        // The kernel's clock has steps of some milliseconds.
        for _ in 0..1000 {
            fs::write(&path, "two").expect("file");
            let file = File::options().write(true).open(&path).expect("file");
            file.set_modified(time).expect("time");
            if Stamp::of(&path).expect("stamp") != first {
                return;
            }
        }
        panic!("the same stamp");
    }

    #[test]
    fn a_watched_file_is_parsed_when_it_changes_and_keeps_its_last_value() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("a");
        let file = WatchedFile::new(path.clone());
        let parsed = std::cell::Cell::new(0);
        let look = |most| {
            let seen = file.look(most, |bytes| {
                parsed.set(parsed.get() + 1);
                let bytes = bytes.map_err(|_| "unread".to_owned())?;
                let number = bytes
                    .expose_str()
                    .and_then(|text| text.trim().parse::<u32>().ok());
                number.ok_or_else(|| "no number".to_owned())
            });
            (seen.value, seen.problem, seen.is_news, parsed.replace(0))
        };
        let problem = |text: &str| Some(text.to_owned());
        assert_eq!(look(9), (None, problem("unread"), true, 1));
        assert_eq!(look(9), (None, problem("unread"), false, 1));
        fs::write(&path, "12").expect("file");
        // What cannot be read is tried again, though the file is the same.
        assert_eq!(look(1), (None, problem("unread"), false, 1));
        assert_eq!(look(9), (Some(12), None, true, 1));
        assert_eq!(look(9), (Some(12), None, false, 0));
        fs::write(&path, "twelve").expect("file");
        assert_eq!(look(9), (Some(12), problem("no number"), true, 1));
        assert_eq!(look(9), (Some(12), problem("no number"), false, 0));
        fs::remove_file(&path).expect("remove");
        assert_eq!(look(9), (Some(12), problem("unread"), true, 1));
        fs::write(&path, "13").expect("file");
        assert_eq!(look(9), (Some(13), None, true, 1));
    }

    #[test]
    fn a_pipe_is_refused_at_once() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).expect("a pipe");
        assert_eq!(
            read(&path, 4).expect_err("a pipe").to_string(),
            "it is not a regular file"
        );
    }

    #[test]
    fn only_files_and_only_short_ones() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("a");
        fs::write(&path, "1234").expect("file");
        assert_eq!(read(&path, 4).expect("four bytes").expose(), b"1234");
        let error = read(&path, 3).expect_err("too long").to_string();
        assert_eq!(error, "it is longer than 3 bytes");
        assert!(read(directory.path(), 4).is_err());
    }
}

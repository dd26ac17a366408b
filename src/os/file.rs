//! Small files that others replace while we run: tokens, keys, certificates.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::secret::Secret;

/// What tells one state of a file from another. A projected volume replaces a link, so that the inode changes; an
/// editor changes time or size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    size: u64,
}

impl Stamp {
    /// The file's present state, links followed.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.len(),
        })
    }
}

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// It cannot be read, is not a plain file, or is longer.
pub fn read(path: &Path, most: usize) -> io::Result<Secret> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    // Room for all of it from the start: a vector that grows leaves copies behind that nobody wipes.
    let mut bytes = Vec::with_capacity(most.saturating_add(1));
    file.take(limit).read_to_end(&mut bytes)?;
    let bytes = Secret::new(bytes);
    if bytes.len() > most {
        return Err(io::Error::other(format!("it is longer than {most} bytes")));
    }
    Ok(bytes)
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

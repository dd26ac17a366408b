//! The answer on disk, laid out as the driver's atomic writer does it: real files in a directory of their own,
//! `..data` pointing to it, and a symbolic link for each first path component. An update swaps `..data`.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path};
use std::{fmt, fs, io};

use super::client::MountResponse;

/// Files that the driver would not write.
#[derive(Debug)]
pub enum WriteError {
    /// A path that its rules refuse.
    Path(String),
    /// The file system.
    Io(io::Error),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "the driver refuses the path {path:?}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WriteError {}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Makes `target` hold exactly the files of `response`, atomically.
///
/// # Errors
/// A path the driver refuses (nothing is written then), or the file system.
pub fn write_files(target: &Path, response: &MountResponse) -> Result<(), WriteError> {
    for file in &response.files {
        check(&file.path)?;
    }
    fs::create_dir_all(target)?;
    let fresh = tempfile::Builder::new().prefix("..").tempdir_in(target)?.keep();
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))?;
    for file in &response.files {
        let path = fresh.join(&file.path);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&path, &file.contents)?;
        let mode = u32::try_from(file.mode).map_err(|_| WriteError::Path(file.path.clone()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    }

    let data = target.join("..data");
    let previous = fs::read_link(&data).ok();
    let staged = target.join("..data_tmp");
    if let Some(name) = fresh.file_name() {
        symlink(name, &staged)?;
    }
    fs::rename(&staged, &data)?;

    let visible: BTreeSet<&str> = response
        .files
        .iter()
        .filter_map(|file| file.path.split('/').next())
        .collect();
    for name in &visible {
        let link = target.join(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new("..data").join(name), &link)?;
        }
    }
    for entry in fs::read_dir(target)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !visible.contains(name.as_ref()) {
            fs::remove_file(entry.path())?;
        }
    }
    if let Some(previous) = previous {
        fs::remove_dir_all(target.join(previous))?;
    }
    Ok(())
}

/// The driver's rules for a file's path.
fn check(path: &str) -> Result<(), WriteError> {
    let refused = || WriteError::Path(path.to_owned());
    let clean = !path.is_empty() && path.len() <= 4096 && !path.contains('\0') && !path.starts_with("..");
    let components = path
        .split('/')
        .all(|part| !part.is_empty() && part != "." && part != ".." && part.len() <= 255);
    let normal = Path::new(path)
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    if clean && components && normal {
        Ok(())
    } else {
        Err(refused())
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::File;
    use super::*;

    fn response(files: &[(&str, i32, &str)]) -> MountResponse {
        let files = files
            .iter()
            .map(|(path, mode, contents)| File {
                path: (*path).to_owned(),
                mode: *mode,
                contents: contents.as_bytes().to_vec(),
            })
            .collect();
        MountResponse {
            files,
            ..MountResponse::default()
        }
    }

    #[test]
    fn an_update_replaces_adds_and_removes() {
        let directory = tempfile::tempdir().expect("directory");
        let target = directory.path().join("mount");
        write_files(&target, &response(&[("a", 0o644, "1"), ("d/e", 0o400, "2")])).expect("first");
        assert_eq!(fs::read_to_string(target.join("a")).expect("a"), "1");
        assert_eq!(
            fs::metadata(target.join("d/e"))
                .expect("d/e")
                .permissions()
                .mode()
                & 0o777,
            0o400
        );

        write_files(&target, &response(&[("a", 0o644, "3"), ("f", 0o644, "")])).expect("second");
        assert_eq!(fs::read_to_string(target.join("a")).expect("a"), "3");
        assert!(!target.join("d").exists());
        assert!(target.join("f").exists());
        let hidden = fs::read_dir(&target).expect("target").filter(|entry| {
            entry
                .as_ref()
                .is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(".."))
        });
        assert_eq!(hidden.count(), 2, "..data and one directory");
    }

    #[test]
    fn paths_that_the_driver_refuses() {
        let directory = tempfile::tempdir().expect("directory");
        for path in [
            "", "/a", "..", "../a", "..a", "a/../b", "a//b", "./a", "a/", ".", "a\0b",
        ] {
            let result = write_files(directory.path(), &response(&[(path, 0o644, "")]));
            assert!(matches!(result, Err(WriteError::Path(_))), "{path:?}");
        }
        assert_eq!(fs::read_dir(directory.path()).expect("directory").count(), 0);
    }
}

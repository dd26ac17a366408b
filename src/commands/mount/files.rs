//! The driver's file layout: files in a new directory, a symbolic link `..data` to it, and a symbolic link for each first
//! path component. An update replaces `..data` by a rename.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use jiff::Timestamp;

use crate::entropy::Entropy;
use crate::grpc::proto::{File, MountResponse};

/// The name of a directory of files: `..2026_05_04_03_02_01.` and a random number.
pub(super) fn stamp(now: Timestamp, entropy: &dyn Entropy) -> String {
    let mut random = [0; 4];
    entropy.fill(&mut random);
    format!(
        "{}{:010}",
        now.strftime("..%Y_%m_%d_%H_%M_%S."),
        u32::from_be_bytes(random)
    )
}

/// Writes the files of a response to `target` in one step. Files of an earlier mount go, all others stay.
pub(super) fn write(target: &Path, response: &MountResponse, stamp: &str) -> io::Result<()> {
    for File { path, mode, .. } in &response.files {
        let broken = path_rule(path).map(|rule| format!("the path {path:?}: {rule}"));
        let broken = broken.or_else(|| driver_mode(*mode).is_none().then(|| format!("the mode {mode}")));
        if let Some(what) = broken {
            return Err(io::Error::other(format!("the driver refuses {what}")));
        }
    }
    fs::create_dir_all(target)?;
    let fresh = target.join(stamp);
    let outcome = fill(&fresh, response).and_then(|()| swap(target, stamp, response));
    if outcome.is_err() {
        // The earlier files are untouched; the new ones go.
        let _ = fs::remove_dir_all(&fresh);
    }
    outcome
}

/// A mode that the driver accepts.
fn driver_mode(mode: i32) -> Option<u32> {
    u32::try_from(mode).ok().filter(|mode| *mode <= 0o777)
}

fn fill(fresh: &Path, response: &MountResponse) -> io::Result<()> {
    // Closed to other users until everything is written.
    DirBuilder::new().mode(0o700).create(fresh)?;
    for file in &response.files {
        let path = fresh.join(&file.path);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        opened.write_all(&file.contents)?;
        opened.set_permissions(Permissions::from_mode(driver_mode(file.mode).unwrap_or(0o600)))?;
    }
    fs::set_permissions(fresh, Permissions::from_mode(0o755))?;
    Ok(())
}

fn swap(target: &Path, stamp: &str, response: &MountResponse) -> io::Result<()> {
    let visible: BTreeSet<&str> = response
        .files
        .iter()
        .filter_map(|file| file.path.split('/').next())
        .collect();
    for name in &visible {
        let link = target.join(name);
        match fs::symlink_metadata(&link) {
            Ok(_) if is_ours(&link) => {}
            Ok(_) => {
                let text = format!("{name} exists already and is not from an earlier mount; remove it");
                return Err(io::Error::other(text));
            }
            Err(_) => symlink(Path::new(DATA).join(name), &link)?,
        }
    }
    let data = target.join(DATA);
    let staged = target.join("..data_tmp");
    // A run that was killed may have left one.
    let _ = fs::remove_file(&staged);
    symlink(stamp, &staged)?;
    fs::rename(&staged, &data)?;

    for entry in fs::read_dir(target)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_ours(&entry.path()) && !visible.contains(name.to_string_lossy().as_ref()) {
            fs::remove_file(entry.path())?;
        } else if name != stamp && is_stamp(Path::new(&name)) {
            // The earlier one, and what killed runs have left.
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Whether it is a link of an earlier mount.
fn is_ours(path: &Path) -> bool {
    fs::read_link(path).is_ok_and(|to| to.starts_with(DATA))
}

/// Whether it names a directory of files, without further path components.
fn is_stamp(path: &Path) -> bool {
    path.components().count() == 1 && path.to_string_lossy().starts_with("..2")
}

/// The driver's rule that a path breaks.
fn path_rule(path: &str) -> Option<&'static str> {
    let any = |breaks: fn(&str) -> bool| path.split('/').any(breaks);
    let rules = [
        (path.is_empty(), "it is empty"),
        (path.starts_with('/'), "it is absolute"),
        (path.contains('\0'), "it holds a NUL"),
        (path.len() > 4096, "it has more than 4096 bytes"),
        (any(|part| part == ".."), "it leaves the volume"),
        (path.starts_with(".."), "it begins with two dots"),
        (
            any(|part| part.len() > 255),
            "a name in it has more than 255 bytes",
        ),
        (any(|part| matches!(part, "" | ".")), "it is not normalized"),
    ];
    let mut broken = rules.into_iter().filter(|(is_broken, _)| *is_broken);
    broken.next().map(|(_, rule)| rule)
}

const DATA: &str = "..data";

#[cfg(test)]
mod tests {
    use super::*;

    fn response(files: &[(&str, i32, &str)]) -> MountResponse {
        let files = files.iter().map(|(path, mode, contents)| File {
            path: (*path).to_owned(),
            mode: *mode,
            contents: contents.as_bytes().to_vec(),
        });
        MountResponse {
            files: files.collect(),
            ..MountResponse::default()
        }
    }

    #[test]
    fn an_update_replaces_adds_and_removes_and_leaves_the_rest() {
        let directory = tempfile::tempdir().expect("a directory");
        let target = directory.path().join("mount");
        write(
            &target,
            &response(&[("a", 0o644, "1"), ("d/e", 0o400, "2")]),
            "..2026_1",
        )
        .expect("first");
        fs::write(target.join("theirs"), "").expect("another file");
        let mode = fs::metadata(target.join("d/e"))
            .expect("d/e")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o400);
        assert_eq!(
            fs::read_link(target.join("a")).expect("a link"),
            Path::new("..data/a")
        );

        write(
            &target,
            &response(&[("a", 0o644, "3"), ("f", 0o600, "")]),
            "..2026_2",
        )
        .expect("second");
        assert_eq!(fs::read_to_string(target.join("a")).expect("a"), "3");
        let mut names: Vec<_> = fs::read_dir(&target)
            .expect("target")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        assert_eq!(names, ["..2026_2", "..data", "a", "f", "theirs"]);
    }

    #[test]
    fn what_stands_in_the_way_is_told_and_nothing_is_left() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("a"), "theirs").expect("a file");
        let error =
            write(directory.path(), &response(&[("a", 0o644, "1")]), "..2026_1").expect_err("in the way");
        assert_eq!(
            error.to_string(),
            "a exists already and is not from an earlier mount; remove it"
        );
        assert_eq!(fs::read_dir(directory.path()).expect("target").count(), 1);
    }

    #[test]
    fn paths_and_modes_that_the_driver_refuses() {
        let directory = tempfile::tempdir().expect("a directory");
        let long = "n".repeat(256);
        for path in [
            "", "/a", "..", "../a", "..a", "...", "a/../b", "a//b", "./a", "a/", ".", "a/./b", "a\0b", &long,
        ] {
            let result = write(
                directory.path(),
                &response(&[("ok", 0o644, ""), (path, 0o644, "")]),
                "..2026_1",
            );
            let error = result.expect_err("refused").to_string();
            assert!(
                error.starts_with("the driver refuses the path "),
                "{path:?}: {error}"
            );
        }
        let result = write(directory.path(), &response(&[("ok", 0o1000, "")]), "..2026_1");
        let error = result.expect_err("refused").to_string();
        assert_eq!(error, "the driver refuses the mode 512");
        assert_eq!(fs::read_dir(directory.path()).expect("directory").count(), 0);
    }
}

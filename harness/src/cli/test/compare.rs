//! Files that were mounted beside files that were expected.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::cli::{Error, UsageError};

/// Files by path, below the volume or the directory of expectations.
pub(super) type Files = BTreeMap<String, File>;

/// A file as a pod sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    mode: u32,
    contents: Vec<u8>,
}

/// What was mounted: without the links and directories of the atomic writer.
pub(super) fn read_mounted(target: &Path) -> Result<Files, Error> {
    let mut files = Files::new();
    walk(target, "", &|name| name.starts_with(".."), &mut files)
        .map_err(|error| Error::Io(format!("cannot read {}", target.display()), error))?;
    Ok(files)
}

/// What is expected. Version control keeps no modes but one bit, so they stand in a file of their own.
pub(super) fn read_expected(directory: &Path) -> Result<Files, Error> {
    let cannot = |error| Error::Io(format!("cannot read --expect {}", directory.display()), error);
    let mut files = Files::new();
    walk(directory, "", &|name| name == MODES, &mut files).map_err(cannot)?;
    for file in files.values_mut() {
        file.mode = USUAL_MODE;
    }
    let list = directory.join(MODES);
    let text = match fs::read_to_string(&list) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(cannot(error)),
    };
    for (number, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let wrong = |problem: &str| UsageError(format!("{}, line {}: {problem}", list.display(), number + 1));
        let (mode, path) = line.split_once(' ').unwrap_or((line, ""));
        let mode = u32::from_str_radix(mode, 8)
            .ok()
            .filter(|mode| *mode <= 0o777)
            .ok_or_else(|| wrong("expected an octal mode and a path, such as 0400 db/password"))?;
        let file = files
            .get_mut(path)
            .ok_or_else(|| wrong(&format!("there is no file {path:?} beside it")))?;
        file.mode = mode;
    }
    Ok(files)
}

/// Makes `directory` hold exactly these files.
pub(super) fn write_expected(directory: &Path, files: &Files) -> Result<(), Error> {
    let written = || -> io::Result<()> {
        if directory.exists() {
            let mut old = Files::new();
            walk(directory, "", &|name| name == MODES, &mut old)?;
            for path in old.keys().filter(|path| !files.contains_key(*path)) {
                fs::remove_file(directory.join(path))?;
            }
        }
        let mut modes = String::new();
        for (path, file) in files {
            let full = directory.join(path);
            if let Some(parent) = full.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(full, &file.contents)?;
            if file.mode != USUAL_MODE {
                modes.push_str(&format!("{:04o} {path}\n", file.mode));
            }
        }
        let list = directory.join(MODES);
        if !modes.is_empty() {
            fs::write(list, modes)
        } else if list.exists() {
            fs::remove_file(list)
        } else {
            Ok(())
        }
    };
    written().map_err(|error| Error::Io(format!("cannot write --expect {}", directory.display()), error))
}

/// One line for each thing that is not as expected.
pub(super) fn differences(expected: &Files, found: &Files) -> Vec<String> {
    let paths: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    paths
        .into_iter()
        .flat_map(|path| match (expected.get(path), found.get(path)) {
            (Some(expected), Some(found)) => between(path, expected, found),
            (Some(_), None) => vec![format!("{path}: expected, and not mounted")],
            (None, Some(found)) => vec![format!(
                "{path}: mounted with {} bytes, and not expected",
                found.contents.len()
            )],
            (None, None) => Vec::new(),
        })
        .collect()
}

fn between(path: &str, expected: &File, found: &File) -> Vec<String> {
    let mode = (expected.mode != found.mode).then(|| {
        format!(
            "{path}: expected mode {:04o}, found {:04o}",
            expected.mode, found.mode
        )
    });
    let contents = (expected.contents != found.contents).then(|| {
        format!(
            "{path}: {}",
            first_difference(&expected.contents, &found.contents)
        )
    });
    mode.into_iter().chain(contents).collect()
}

/// The first line that differs, escaped, so that blanks and line ends are seen.
fn first_difference(expected: &[u8], found: &[u8]) -> String {
    let (Ok(expected_text), Ok(found_text)) = (str::from_utf8(expected), str::from_utf8(found)) else {
        let at = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
        return format!(
            "expected {} bytes, found {}; the first difference is at byte {at}",
            expected.len(),
            found.len()
        );
    };
    let mut lines = (
        expected_text.split_inclusive('\n'),
        found_text.split_inclusive('\n'),
    );
    let mut number = 0;
    loop {
        number += 1;
        let pair = (lines.0.next(), lines.1.next());
        if pair.0 != pair.1 || pair.0.is_none() {
            let shown = |line: Option<&str>| match line {
                None => "the end".to_owned(),
                Some(line) => {
                    let short: String = line.chars().take(SHOWN).collect();
                    let more = if short.len() < line.len() { "…" } else { "" };
                    format!("{short:?}{more}")
                }
            };
            return format!(
                "line {number}: expected {}, found {}",
                shown(pair.0),
                shown(pair.1)
            );
        }
    }
}

fn walk(directory: &Path, below: &str, skipped: &dyn Fn(&str) -> bool, files: &mut Files) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if skipped(&name) {
            continue;
        }
        let path = format!("{below}{name}");
        let metadata = fs::metadata(entry.path())?;
        if metadata.is_dir() {
            walk(&entry.path(), &format!("{path}/"), skipped, files)?;
        } else {
            let mode = metadata.permissions().mode() & 0o7777;
            let contents = fs::read(entry.path())?;
            files.insert(path, File { mode, contents });
        }
    }
    Ok(())
}

const MODES: &str = ".modes";
/// Of a file that says nothing else, as the driver asks for it.
const USUAL_MODE: u32 = 0o644;
/// Characters of a line that are shown.
const SHOWN: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, u32, &str)]) -> Files {
        list.iter()
            .map(|(path, mode, text)| {
                let contents = text.as_bytes().to_vec();
                (
                    (*path).to_owned(),
                    File {
                        mode: *mode,
                        contents,
                    },
                )
            })
            .collect()
    }

    #[test]
    fn each_difference_is_a_line() {
        let expected = files(&[("a", 0o644, "x\ny\n"), ("b", 0o400, "1"), ("c", 0o644, "")]);
        let found = files(&[("a", 0o644, "x\nz\n"), ("b", 0o644, "1\n"), ("d/e", 0o644, "new")]);
        assert_eq!(
            differences(&expected, &found),
            [
                "a: line 2: expected \"y\\n\", found \"z\\n\"",
                "b: expected mode 0400, found 0644",
                "b: line 1: expected \"1\", found \"1\\n\"",
                "c: expected, and not mounted",
                "d/e: mounted with 3 bytes, and not expected",
            ]
        );
        assert_eq!(differences(&found, &found), [] as [String; 0]);
    }

    #[test]
    fn bytes_that_are_no_text_are_counted() {
        assert_eq!(
            first_difference(&[0xFF, 1, 2], &[0xFF, 1, 3, 4]),
            "expected 3 bytes, found 4; the first difference is at byte 2"
        );
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let directory = tempfile::tempdir().expect("a directory");
        let expect = directory.path().join("expected");
        let first = files(&[("a", 0o644, "1"), ("d/e", 0o400, "2"), ("gone", 0o644, "")]);
        write_expected(&expect, &first).expect("written");
        assert_eq!(read_expected(&expect).expect("read"), first);
        let second = files(&[("a", 0o644, "3"), ("d/e", 0o644, "2")]);
        write_expected(&expect, &second).expect("written");
        assert_eq!(read_expected(&expect).expect("read"), second);
        assert!(!expect.join(MODES).exists());
    }

    #[test]
    fn a_wrong_list_of_modes_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("a"), "1").expect("written");
        for (text, words) in [
            ("400\n", "line 1: there is no file \"\" beside it"),
            ("0644 a\n0999 a\n", "line 2: expected an octal mode and a path"),
            ("0400 b\n", "line 1: there is no file \"b\" beside it"),
        ] {
            fs::write(directory.path().join(MODES), text).expect("written");
            let error = read_expected(directory.path()).expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}

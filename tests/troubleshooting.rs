//! `docs/troubleshooting.md` against the messages in the code: whatever a person may be told has an entry.
//!
//! The messages are read from the sources: the texts in `Display` of every error and in every function of advice.
//! Messages about SecretProviderClasses are in `docs/parameters.md`; the golden cases say which there are.

use std::fs;
use std::path::{Path, PathBuf};

const TROUBLESHOOTING: &str = include_str!("../docs/troubleshooting.md");
const PARAMETERS: &str = include_str!("../docs/parameters.md");

/// Modules whose errors end with their caller, a mistyped command line, or a peer that breaks the protocol.
const SILENT: [&str; 9] = [
    "h2",
    "hpack",
    "grpc",
    "params",
    "config",
    "commands/validate",
    "sign",
    "metrics",
    "commands/prepare_dir.rs",
];

/// Texts shorter than this join others and say nothing alone.
const LEAST: usize = 12;

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("src") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The parts of a source file that hold messages.
fn parts(source: &str) -> Vec<&str> {
    let source = source.split("#[cfg(test)]").next().expect("source");
    let displays = source
        .match_indices("impl fmt::Display for ")
        .filter(|(at, start)| {
            let name = source[at + start.len()..]
                .split_whitespace()
                .next()
                .unwrap_or_default();
            name.contains("Error") || name.contains("Fetched")
        });
    let advice = source.match_indices("fn ").filter(|(at, start)| {
        let name = source[at + start.len()..].split('(').next().unwrap_or_default();
        name.contains("advice")
    });
    displays
        .chain(advice)
        .map(|(at, _)| source[at..].split("\n}\n").next().expect("a block"))
        .collect()
}

/// The statements of a source file of the server that hold what it answers without an error of its own.
fn statuses(source: &str) -> Vec<&str> {
    ["Status::new(", "let message ="]
        .into_iter()
        .flat_map(|begin| source.match_indices(begin))
        .map(|(at, _)| source[at..].split(";\n").next().expect("a statement"))
        .collect()
}

/// String literals of a piece of Rust, as they are when printed.
fn literals(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some((_, after)) = rest.split_once('"') {
        let mut text = String::new();
        let mut chars = after.char_indices();
        let mut end = after.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('\n') => {
                        let skip = chars.as_str().len() - chars.as_str().trim_start().len();
                        for _ in 0..skip {
                            chars.next();
                        }
                    }
                    Some(c) => text.push(c),
                    None => {}
                },
                c => text.push(c),
            }
        }
        found.push(text);
        rest = &after[end..];
    }
    found
}

/// The longest piece of a message that stays the same from case to case.
fn fixed(message: &str) -> String {
    let mut pieces = vec![String::new()];
    let mut chars = message.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                chars.next();
                pieces.last_mut().expect("a piece").push(c);
            }
            '{' => {
                for c in chars.by_ref() {
                    if c == '}' {
                        break;
                    }
                }
                pieces.push(String::new());
            }
            c => pieces.last_mut().expect("a piece").push(c),
        }
    }
    let ends = |c: char| c.is_whitespace() || ";:,.()\"".contains(c);
    let trimmed = pieces.iter().map(|piece| piece.trim_matches(ends).to_owned());
    trimmed.max_by_key(String::len).unwrap_or_default()
}

/// Messages of a document: the first cell of each row of its tables.
fn entries(document: &str) -> Vec<String> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split(" | ").next().expect("a cell").replace("\\|", "|"))
        .collect()
}

#[test]
fn every_message_has_an_entry() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let entries = entries(TROUBLESHOOTING);
    let (mut messages, mut missing) = (0, Vec::new());
    for file in files {
        let relative = file.strip_prefix(&root).expect("below src");
        let first = relative.components().next().expect("a name").as_os_str();
        if SILENT.iter().any(|silent| relative.starts_with(silent)) {
            continue;
        }
        let source = fs::read_to_string(&file).expect("source");
        let answers = match file.file_name() {
            Some(name) if first == "server" && name != "fuzz.rs" => statuses(&source),
            _ => Vec::new(),
        };
        for message in parts(&source).into_iter().chain(answers).flat_map(literals) {
            let fixed = fixed(&message);
            // An API's code has no blanks.
            if fixed.len() >= LEAST && fixed.contains(' ') {
                messages += 1;
                if !entries.iter().any(|entry| entry.contains(&fixed)) {
                    missing.push(format!("src/{}: {message}", relative.display()));
                }
            }
        }
    }
    assert!(
        missing.is_empty(),
        "docs/troubleshooting.md lacks\n{}",
        missing.join("\n")
    );
    assert!(messages >= 40, "{messages} messages found");
}

/// What an entry says beside what differs from case to case, and beside other entries in one cell.
fn pieces(entry: &str) -> Vec<&str> {
    let texts = entry.split('`').step_by(2);
    let pieces = texts.flat_map(|text| text.split('…'));
    let ends = |c: char| c.is_whitespace() || ";:,.()\"".contains(c);
    pieces
        .map(|piece| piece.trim_matches(ends))
        .filter(|piece| piece.len() >= LEAST)
        .collect()
}

#[test]
fn every_entry_is_a_message() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut said = String::new();
    for file in files {
        let source = fs::read_to_string(&file).expect("source");
        for literal in literals(&source) {
            said.push_str(&literal.replace("{{", "{").replace("}}", "}"));
            said.push('\n');
        }
    }
    let ours = TROUBLESHOOTING.split("\n## ").filter(|section| {
        !section.starts_with("Before the provider") && !section.starts_with("It mounts, but")
    });
    let (mut checked, mut stale) = (0, Vec::new());
    for entry in ours.flat_map(entries) {
        for piece in pieces(&entry) {
            checked += 1;
            if !said.contains(piece) {
                stale.push(piece.to_owned());
            }
        }
    }
    assert!(stale.is_empty(), "nobody says any more:\n{}", stale.join("\n"));
    assert!(checked >= 60, "{checked} pieces checked");
}

/// An entry is several pieces around `…`; each of them stands in the message.
fn describes(entry: &str, message: &str) -> bool {
    let entry = entry.trim_end_matches('`');
    entry
        .split('…')
        .map(str::trim)
        .all(|piece| message.contains(piece))
}

#[test]
fn every_problem_of_a_golden_case_has_an_entry() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/params");
    let mut files = Vec::new();
    let mut pending = vec![cases];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).expect("golden cases") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "snap") {
                files.push(path);
            }
        }
    }
    let entries = entries(PARAMETERS);
    let (mut problems, mut missing) = (0, Vec::new());
    for file in files {
        let text = fs::read_to_string(&file).expect("snapshot");
        for line in text.lines().filter_map(|line| line.strip_prefix("refused: ")) {
            problems += 1;
            if !entries.iter().any(|entry| describes(entry, line)) {
                missing.push(format!("{}: {line}", file.display()));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "docs/parameters.md lacks\n{}",
        missing.join("\n")
    );
    assert!(problems >= 20, "{problems} problems found");
}

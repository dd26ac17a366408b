//! `docs/flags.md` against `--help`: the same flags with the same values and defaults, in the same order.

use std::process::Command;

const DOCUMENT: &str = include_str!("../docs/flags.md");

/// A flag's spelling with its value, such as `--region REGION`, and its default.
type Row = (String, String);

/// The flags that a subcommand prints.
fn printed(subcommand: &str) -> Vec<Row> {
    let help = help(subcommand);
    let (_, flags) = help.split_once("\nFlags ").expect("flags");
    let mut rows = Vec::new();
    let mut lines = flags.lines();
    while let Some(line) = lines.next() {
        let Some(flag) = line.strip_prefix("  --") else {
            if line.starts_with("Environment") {
                break;
            }
            continue;
        };
        let meaning = lines.next().expect("its meaning");
        let default = match meaning.strip_suffix(']').and_then(|text| text.rsplit_once(" [")) {
            Some((_, default)) => default,
            None => "",
        };
        if !matches!(flag, "help" | "version") {
            rows.push((format!("--{flag}"), default.to_owned()));
        }
    }
    rows
}

fn help(subcommand: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud"))
        .args([subcommand, "--help"])
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{subcommand}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn section(heading: &str) -> &'static str {
    let (_, rest) = DOCUMENT
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("docs/flags.md has no section {heading}"));
    rest.split("\n## ").next().expect("section")
}

/// The flags in a section's table.
fn documented(subcommand: &str) -> Vec<Row> {
    let rows = section(subcommand)
        .lines()
        .filter(|line| line.starts_with("| `--"));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split(" | ").map(str::trim);
        let flag = cells.next().expect("a flag").trim_matches('`');
        let default = match cells.next().expect("a default") {
            "none" | "off" => "",
            default => default.trim_matches('`'),
        };
        (flag.to_owned(), default.to_owned())
    })
    .collect()
}

#[test]
fn every_flag_is_documented_with_its_default() {
    let common = printed("serve");
    assert!(common.len() >= 25, "{common:?}");
    assert_eq!(documented("serve"), common);
    let once = documented("Mounting once");
    for (subcommand, shared) in [("mount", &once[..]), ("exec", &once), ("whoami", &[])] {
        let mut own = printed(subcommand);
        assert!(common.iter().all(|flag| own.contains(flag)), "{subcommand}");
        own.retain(|flag| !common.contains(flag));
        assert_eq!([shared, &documented(subcommand)].concat(), own, "{subcommand}");
    }
    for subcommand in ["validate", "prepare-dir", "prepare-bin"] {
        assert_eq!(documented(subcommand), printed(subcommand), "{subcommand}");
    }
}

#[test]
fn every_variable_is_documented() {
    let help = help("serve");
    let (_, environment) = help.split_once("\nEnvironment:\n").expect("variables");
    let is_name =
        |word: &&str| word.len() > 3 && word.bytes().all(|byte| byte == b'_' || byte.is_ascii_uppercase());
    let names = environment.lines().filter(|line| !line.starts_with("   "));
    let names: Vec<&str> = names
        .flat_map(|line| line.split([' ', ',']))
        .filter(is_name)
        .collect();
    assert!(names.len() >= 12, "{names:?}");
    for name in names {
        assert!(section("Environment").contains(&format!("`{name}`")), "{name}");
    }
}

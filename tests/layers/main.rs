//! The layers of `src/`, as `src/lib.rs` lists them: imports point downward only, and ARCHITECTURE.md knows every module.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules that look at the whole library and that nothing which ships knows.
const APART: [&str; 2] = ["debug_texts", "fuzzing"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The layers from the top, each with its modules.
fn layers() -> Vec<(String, Vec<String>)> {
    let mut layers: Vec<(String, Vec<String>)> = Vec::new();
    let text = read(&root().join("src/lib.rs"));
    // Comments before the first layer end with a full stop.
    for line in text.lines() {
        if let Some(layer) = line.strip_prefix("// ").filter(|name| !name.ends_with('.')) {
            layers.push((layer.to_owned(), Vec::new()));
        } else if let Some(module) = line
            .strip_prefix("pub mod ")
            .or_else(|| line.strip_prefix("mod "))
        {
            let module = module.trim_end_matches(';');
            if !APART.contains(&module) {
                let (_, modules) = layers.last_mut().expect("a layer");
                modules.push(module.to_owned());
            }
        }
    }
    layers
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The modules of the library that a file names.
fn imports(text: &str) -> BTreeSet<&str> {
    assert!(!text.contains("crate::{"), "one import for each module");
    let end = |rest: &str| rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let after = text.split("crate::").skip(1);
    after
        .map(|rest| rest.get(..end(rest).unwrap_or(rest.len())).unwrap_or_default())
        .collect()
}

#[test]
fn imports_point_downward() {
    let layers = layers();
    let ranks: BTreeMap<&str, usize> = layers
        .iter()
        .enumerate()
        .flat_map(|(rank, (_, modules))| modules.iter().map(move |module| (module.as_str(), rank)))
        .collect();
    let source = root().join("src");
    let mut files = Vec::new();
    sources(&source, &mut files);
    let (mut upward, mut checked) = (Vec::new(), 0);
    for file in &files {
        let path = file.strip_prefix(&source).expect("below");
        let module = path
            .iter()
            .next()
            .and_then(|first| first.to_str())
            .expect("a name");
        let Some(rank) = ranks.get(module.trim_end_matches(".rs")) else {
            continue; // lib.rs, main.rs and what is apart
        };
        for other in imports(&read(file)) {
            if let Some(below) = ranks.get(other) {
                checked += 1;
                if below < rank {
                    upward.push(format!("{} uses {other}", path.display()));
                }
            }
        }
    }
    assert!(checked > 300 && ranks.len() > 25, "{checked} imports, {ranks:?}");
    assert_eq!(upward, [] as [String; 0]);
}

#[test]
fn the_map_has_every_module_in_its_layer() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let missing: Vec<String> = layers()
        .iter()
        .flat_map(|(layer, modules)| modules.iter().map(move |module| (layer, module)))
        .filter(|(layer, module)| {
            let row = format!("| {layer} | ");
            let names = [format!("`{module}/`"), format!("`{module}.rs`")];
            let mut rows = text.lines().filter_map(|line| line.strip_prefix(&row));
            !rows.any(|row| {
                let modules = row.split('|').next().unwrap_or_default();
                names.iter().any(|name| modules.contains(name))
            })
        })
        .map(|(layer, module)| format!("{module} in {layer}"))
        .collect();
    assert_eq!(missing, [] as [String; 0]);
}

//! Inside each module of `src/`: no circle between files, and no file that takes an item from a parent which uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{Attribute, Item, UseTree, Visibility};

/// Files that are built for tests or fuzzers only.
const TEST_ONLY: [&str; 8] = [
    "compliance",
    "debug_texts",
    "fuzzing",
    "oracle",
    "properties",
    "testing",
    "test",
    "tests",
];

/// A module's path below `src/`: `["fetch", "core", "send"]`.
type Module = Vec<String>;

/// What one file names and gives names to.
#[derive(Default)]
struct File {
    /// Paths from the crate's root, aliases left out, with the name that a `use` gives and whether it is exported.
    uses: Vec<(Vec<String>, String, bool)>,
    /// Other paths that begin with `crate`, `super`, `self` or a module of this file.
    paths: Vec<Vec<String>>,
    /// First segments of all other paths.
    names: BTreeSet<String>,
    /// Aliases: the last segment of the path and the name it gets.
    aliases: Vec<(String, String)>,
}

struct Reader<'a> {
    module: &'a Module,
    file: File,
}

fn for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else {
            return false;
        };
        let condition = list.tokens.to_string();
        list.path.is_ident("cfg")
            && (condition.starts_with("test")
                || condition.starts_with("fuzzing")
                || condition.starts_with("any (test")
                || condition.starts_with("any(test")
                || condition.starts_with("all (test")
                || condition.starts_with("all(test"))
    })
}

impl Reader<'_> {
    /// A path as it is written, from the crate's root.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let ups = path.iter().take_while(|part| *part == "super").count();
        match path.first()?.as_str() {
            "crate" => Some(path.get(1..)?.to_vec()),
            "self" => Some([self.module.as_slice(), path.get(1..)?].concat()),
            "super" => {
                let above = self.module.len().checked_sub(ups)?;
                Some([self.module.get(..above)?, path.get(ups..)?].concat())
            }
            _ => None,
        }
    }

    fn read_use(&mut self, before: &[String], tree: &UseTree, exported: bool) {
        let mut path = before.to_vec();
        match tree {
            UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.read_use(&path, &part.tree, exported);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.read_use(before, tree, exported);
                }
            }
            UseTree::Glob(_) => self.add_use(&path, "*".to_owned(), exported),
            UseTree::Name(name) => {
                path.push(name.ident.to_string());
                let given = path.last().cloned().unwrap_or_default();
                self.add_use(&path, given, exported);
            }
            UseTree::Rename(rename) => {
                path.push(rename.ident.to_string());
                let alias = rename.rename.to_string();
                if alias != "_" && self.absolute(&path).is_some() {
                    self.file.aliases.push((rename.ident.to_string(), alias.clone()));
                }
                self.add_use(&path, alias, exported);
            }
        }
    }

    fn add_use(&mut self, path: &[String], given: String, exported: bool) {
        if let Some(path) = self.absolute(path) {
            self.file.uses.push((path, given, exported));
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Const(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Enum(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if for_tests(attributes) {
            return;
        }
        if let Item::Use(item) = item {
            let exported = !matches!(item.vis, Visibility::Inherited);
            self.read_use(&[], &item.tree, exported);
            return;
        }
        syn::visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !for_tests(&function.attrs) {
            syn::visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        match self.absolute(&parts) {
            Some(path) => self.file.paths.push(path),
            None => self.file.names.extend(parts.first().cloned()),
        }
        if parts.len() > 1 {
            // `child::item` in the file that declares `child`.
            self.file.paths.push([self.module.as_slice(), &parts].concat());
        }
        syn::visit::visit_path(self, path);
    }
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        if TEST_ONLY.contains(&stem) {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Every file of `src/` that ships, read.
fn files() -> BTreeMap<Module, File> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&source, &mut found);
    let module = |path: &Path| -> Module {
        let below = path.strip_prefix(&source).expect("below").with_extension("");
        let mut parts: Module = below
            .iter()
            .map(|part| part.to_str().expect("a name").to_owned())
            .collect();
        if parts.last().is_some_and(|last| last == "mod") {
            parts.pop();
        }
        parts
    };
    found
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).expect("a file");
            let module = module(path);
            let mut reader = Reader {
                module: &module,
                file: File::default(),
            };
            reader.visit_file(&syn::parse_file(&text).expect("Rust"));
            let file = reader.file;
            (module, file)
        })
        .collect()
}

/// The file that defines what a path names, re-exports followed.
fn definer(files: &BTreeMap<Module, File>, path: &[String], depth: usize) -> Option<Module> {
    let (at, file) = (1..=path.len())
        .rev()
        .find_map(|end| Some((end, files.get(path.get(..end)?)?)))?;
    let module = path.get(..at)?.to_vec();
    let Some(name) = path.get(at).filter(|_| depth < 8) else {
        return Some(module);
    };
    let through = file.uses.iter().find_map(|(used, given, _)| {
        if given == name {
            return Some([used.as_slice(), path.get(at + 1..)?].concat());
        }
        None
    });
    match through {
        Some(used) => definer(files, &used, depth + 1),
        None => Some(module),
    }
}

/// Which file uses which, within the same top-level module.
fn edges(files: &BTreeMap<Module, File>) -> BTreeMap<&Module, BTreeSet<Module>> {
    files
        .iter()
        .map(|(module, file)| {
            let used = file.uses.iter().filter(|(_, given, exported)| {
                // What is only handed on is not used.
                !exported || file.names.contains(given)
            });
            let paths = used.map(|(path, _, _)| path).chain(&file.paths);
            let others = paths
                .filter_map(|path| definer(files, path, 0))
                .filter(|other| other != module && other.first() == module.first())
                .collect();
            (module, others)
        })
        .collect()
}

fn reaches(edges: &BTreeMap<&Module, BTreeSet<Module>>, from: &Module, to: &Module) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        for next in edges.get(module).into_iter().flatten() {
            if next == to {
                return true;
            }
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    false
}

#[test]
fn no_circle_between_the_files_of_a_module() {
    let files = files();
    let edges = edges(&files);
    let count: usize = edges.values().map(BTreeSet::len).sum();
    assert!(
        files.len() > 150 && count > 200,
        "{} files, {count} imports",
        files.len()
    );
    let circles: Vec<String> = edges
        .iter()
        .flat_map(|(module, others)| others.iter().map(move |other| (*module, other)))
        .filter(|(module, other)| reaches(&edges, other, module))
        .map(|(module, other)| format!("{} uses {}", module.join("/"), other.join("/")))
        .collect();
    assert!(
        circles.is_empty(),
        "each of these is part of a circle:\n{}",
        circles.join("\n")
    );
}

#[test]
fn no_alias_tells_two_types_of_our_own_apart() {
    let aliases: Vec<String> = files()
        .iter()
        .flat_map(|(module, file)| file.aliases.iter().map(move |alias| (module, alias)))
        .map(|(module, (name, alias))| format!("{}: {name} as {alias}", module.join("/")))
        .collect();
    assert!(
        aliases.is_empty(),
        "one of the two names is wrong:\n{}",
        aliases.join("\n")
    );
}

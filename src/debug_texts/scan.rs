//! Which types of this crate print something with `{:?}` that could be anything: read out of the source, so that a
//! new type cannot be forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{
    Attribute, Fields, GenericArgument, GenericParam, Generics, Item, PathArguments, ReturnType, Type,
};

/// A type that implements `Debug`, outside of tests.
pub(super) struct Found {
    /// Its path in the crate.
    pub(super) path: String,
    /// Why its text could hold anything: the first field of text, bytes or unknown type, or its own implementation.
    /// `None` if it is made of numbers, names of the source and other types of the crate.
    pub(super) free: Option<String>,
}

/// All of them, and the macros that derive `Debug` for types that are not seen here.
pub(super) fn types() -> (Vec<Found>, Vec<String>) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut scan = Scan::default();
    scan.file(&source.join("lib.rs"), &source, "");
    scan.file(&source.join("main.rs"), &source, "main");
    let own: BTreeSet<String> = scan.derived.iter().map(|one| one.name.clone()).collect();
    let own = own
        .into_iter()
        .chain(scan.written.iter().map(|(_, name)| name.clone()));
    let own: BTreeSet<String> = own.collect();
    let derived = scan.derived.iter().map(|one| Found {
        path: one.path.clone(),
        free: one
            .fields
            .iter()
            .find_map(|field| free(field, &own, &one.parameters)),
    });
    let written = scan.written.iter().map(|(module, name)| Found {
        path: join(module, name),
        free: Some("a Debug of its own".to_owned()),
    });
    (derived.chain(written).collect(), scan.in_macros)
}

#[derive(Default)]
struct Scan {
    module: String,
    derived: Vec<Derived>,
    written: Vec<(String, String)>,
    in_macros: Vec<String>,
}

struct Derived {
    path: String,
    name: String,
    parameters: BTreeSet<String>,
    fields: Vec<Type>,
}

impl Scan {
    /// A file, and the files of its modules, which are in `directory`.
    fn file(&mut self, file: &Path, directory: &Path, module: &str) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.module = module.to_owned();
        self.visit_file(&parsed);
        for item in &parsed.items {
            let Item::Mod(inner) = item else { continue };
            if is_for_tests(&inner.attrs) || inner.content.is_some() {
                continue;
            }
            let name = inner.ident.to_string();
            let below = directory.join(&name);
            let candidates: [PathBuf; 2] = [below.with_extension("rs"), below.join("mod.rs")];
            let file = candidates
                .iter()
                .find(|file| file.exists())
                .expect("a module has a file");
            self.file(file, &below, &join(module, &name));
        }
    }

    fn derive(&mut self, attributes: &[Attribute], name: &str, generics: &Generics, fields: Vec<Type>) {
        if !derives_debug(attributes) {
            return;
        }
        let parameters = generics.params.iter().filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(parameter.ident.to_string()),
            GenericParam::Lifetime(_) | GenericParam::Const(_) => None,
        });
        self.derived.push(Derived {
            path: join(&self.module, name),
            name: name.to_owned(),
            parameters: parameters.collect(),
            fields,
        });
    }
}

impl<'ast> Visit<'ast> for Scan {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Enum(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if is_for_tests(attributes) {
            return;
        }
        match item {
            Item::Struct(item) => {
                let fields = types_of(&item.fields);
                self.derive(&item.attrs, &item.ident.to_string(), &item.generics, fields);
            }
            Item::Enum(item) => {
                let fields = item.variants.iter().flat_map(|variant| types_of(&variant.fields));
                let fields = fields.collect();
                self.derive(&item.attrs, &item.ident.to_string(), &item.generics, fields);
            }
            Item::Impl(item) => {
                let of = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
                if of.is_some_and(|last| last.ident == "Debug")
                    && let Type::Path(path) = &*item.self_ty
                    && let Some(last) = path.path.segments.last()
                {
                    self.written.push((self.module.clone(), last.ident.to_string()));
                }
            }
            Item::Macro(item) => {
                let text = item.mac.tokens.to_string();
                if text.contains("derive") && text.contains("Debug") {
                    self.in_macros.push(self.module.clone());
                }
            }
            _ => {}
        }
        visit::visit_item(self, item);
    }
}

fn join(module: &str, name: &str) -> String {
    let separator = if module.is_empty() { "" } else { "::" };
    format!("{module}{separator}{name}")
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute
            .path()
            .is_ident("cfg")
            .then(|| attribute.meta.require_list());
        let text = list.and_then(Result::ok).map(|list| list.tokens.to_string());
        text.is_some_and(|text| is_test(text.split(')').next().unwrap_or_default()))
    })
}

/// Whether a condition of `cfg` holds in tests and for fuzzers alone.
fn is_test(condition: &str) -> bool {
    let condition: String = condition.chars().filter(|c| !c.is_whitespace()).collect();
    condition == "test" || condition.starts_with("test,") || condition.starts_with("any(test,fuzzing")
}

/// Prost's messages get a `Debug` unless they say `skip_debug`.
fn derives_debug(attributes: &[Attribute]) -> bool {
    let lists = attributes.iter().filter_map(|attribute| {
        let list = attribute.meta.require_list().ok()?;
        Some((attribute.path().get_ident()?.to_string(), list.tokens.to_string()))
    });
    let lists: Vec<(String, String)> = lists.collect();
    let says = |name: &str, word: &str| lists.iter().any(|(of, text)| of == name && text.contains(word));
    let shipped =
        |(of, text): &(String, String)| of == "cfg_attr" && text.contains("Debug") && !is_test(text);
    says("derive", "Debug")
        || lists.iter().any(shipped)
        || says("derive", "Message") && !says("prost", "skip_debug")
}

fn types_of(fields: &Fields) -> Vec<Type> {
    fields.iter().map(|field| field.ty.clone()).collect()
}

/// What prints nothing but numbers, names of files, and what is within.
const HARMLESS: &[&str] = &[
    "bool",
    "char",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "f64",
    "Arc",
    "AtomicBool",
    "AtomicI64",
    "AtomicU32",
    "AtomicU64",
    "AtomicUsize",
    "BTreeMap",
    "BTreeSet",
    "Box",
    "Condvar",
    "Duration",
    "HashMap",
    "Instant",
    "Mutex",
    "NonZeroU32",
    "Option",
    "Path",
    "PathBuf",
    "Result",
    "Timestamp",
    "Vec",
    "VecDeque",
    "SignedDuration",
    "SocketAddr",
    "IpAddr",
];

/// The first part of a type that could print anything.
fn free(kind: &Type, own: &BTreeSet<String>, parameters: &BTreeSet<String>) -> Option<String> {
    let inner = |kind: &Type| free(kind, own, parameters);
    match kind {
        Type::Reference(reference) => match (&reference.lifetime, &*reference.elem) {
            (Some(lifetime), Type::Path(path)) if lifetime.ident == "static" && path.path.is_ident("str") => {
                None
            }
            (_, elem) => inner(elem),
        },
        Type::Slice(slice) if is_byte(&slice.elem) => Some("bytes".to_owned()),
        Type::Array(array) if is_byte(&array.elem) => Some("bytes".to_owned()),
        Type::Slice(slice) => inner(&slice.elem),
        Type::Array(array) => inner(&array.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(inner),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let name = last.ident.to_string();
            if !HARMLESS.contains(&name.as_str()) && !own.contains(&name) && !parameters.contains(&name) {
                return Some(name);
            }
            let arguments = match &last.arguments {
                PathArguments::None => return None,
                PathArguments::AngleBracketed(list) => list.args.iter(),
                PathArguments::Parenthesized(list) => {
                    return match &list.output {
                        ReturnType::Type(_, output) => inner(output),
                        ReturnType::Default => None,
                    };
                }
            };
            let mut types = arguments.filter_map(|argument| match argument {
                GenericArgument::Type(kind) => Some(kind),
                _ => None,
            });
            types.find_map(|kind| {
                if is_byte(kind) {
                    Some("bytes".to_owned())
                } else {
                    inner(kind)
                }
            })
        }
        _ => Some("something else".to_owned()),
    }
}

fn is_byte(kind: &Type) -> bool {
    matches!(kind, Type::Path(path) if path.path.is_ident("u8"))
}

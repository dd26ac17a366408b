//! `validate`: SecretProviderClass manifests checked with the code that mounts them, without cluster or cloud.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use crate::limits;
use crate::params::yaml::{self, Kind, Node};
use crate::params::{Input, Options, UnknownKeys, parse};

/// What to check, and how to print what comes of it.
#[derive(Debug)]
pub struct Settings {
    /// Where the manifests are, in the order of the command line.
    pub sources: Vec<Source>,
    /// How to print.
    pub format: Format,
}

/// Where manifests are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// On standard input.
    StandardInput,
}

/// How to print the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one JSON document.
    Json,
}

impl Settings {
    /// Checks everything and prints to `output`. Whether all is well.
    ///
    /// # Errors
    /// A file cannot be read, or the output not be written.
    pub fn run(&self, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<bool> {
        let mut well = true;
        for source in &self.sources {
            let mut text = String::new();
            match source {
                Source::File(path) => std::fs::File::open(path)?.read_to_string(&mut text)?,
                Source::StandardInput => input.read_to_string(&mut text)?,
            };
            if text.len() > limits::OBJECTS_BYTES {
                return Err(io::Error::other("larger than the limit"));
            }
            let Ok(root) = yaml::parse(&text) else {
                well = false;
                continue;
            };
            well &= class(&root, output)?;
        }
        Ok(well)
    }
}

fn class(root: &Node, output: &mut dyn Write) -> io::Result<bool> {
    let Some(parameters) = root.get("spec").and_then(|spec| spec.get("parameters")) else {
        return Ok(true);
    };
    let Kind::Map(entries) = &parameters.kind else {
        return Ok(true);
    };
    let attributes: serde_json::Map<String, serde_json::Value> = entries
        .iter()
        .filter_map(|(key, value)| match (&key.kind, &value.kind) {
            (Kind::Text(key), Kind::Text(value)) => Some((key.clone(), value.clone().into())),
            _ => None,
        })
        .collect();
    let input = Input {
        attributes: &serde_json::Value::Object(attributes).to_string(),
        permission: "420",
    };
    let options = Options {
        unknown_keys: UnknownKeys::Error,
    };
    match parse(&input, &options) {
        Ok(plan) => {
            for object in &plan.objects {
                writeln!(output, "{}", object.describe())?;
            }
            Ok(true)
        }
        Err(problems) => {
            for problem in problems.iter() {
                writeln!(output, "{problem}")?;
            }
            Ok(false)
        }
    }
}

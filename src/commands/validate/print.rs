//! The outcome as text for people.

use std::fmt;
use std::io::{self, Write};

use super::report::{Access, Class, File, Finding, Report, Verdict};
use crate::diagnostic::quoted;
use crate::policy::Principal;

/// Prints what came of one source.
pub(super) fn source(report: &Report, output: &mut dyn Write) -> io::Result<()> {
    let name = &report.source;
    for finding in &report.errors {
        told(name, "error", finding, output)?;
    }
    for class in &report.classes {
        let files = Count(class.files.len(), "file");
        let (line, column, title) = (class.line, class.column, title(class));
        match class.errors.len() {
            0 => writeln!(output, "{name}:{line}:{column}: {title}: {files}")?,
            errors => writeln!(
                output,
                "{name}:{line}:{column}: {title}: {}",
                Count(errors, "error")
            )?,
        }
        for file in &class.files {
            writeln!(output, "  {}", described(file))?;
        }
        for line in class.access.iter().flat_map(access_lines) {
            writeln!(output, "  {line}")?;
        }
        for (kind, findings) in [
            ("error", &class.errors),
            ("warning", &class.warnings),
            ("note", &class.notes),
        ] {
            for finding in findings {
                told(name, kind, finding, output)?;
            }
        }
    }
    Ok(())
}

/// Prints the last line.
pub(super) fn total(reports: &[Report], output: &mut dyn Write) -> io::Result<()> {
    let classes = || reports.iter().flat_map(|report| &report.classes);
    let count = |of: fn(&Class) -> usize| classes().map(of).sum::<usize>();
    let errors =
        count(|class| class.errors.len()) + reports.iter().map(|report| report.errors.len()).sum::<usize>();
    writeln!(
        output,
        "{}, {}; {}, {}, {}",
        Count(classes().count(), "SecretProviderClass"),
        Count(count(|class| class.files.len()), "file"),
        Count(errors, "error"),
        Count(count(|class| class.warnings.len()), "warning"),
        Count(count(|class| class.notes.len()), "note"),
    )
}

fn title(class: &Class) -> String {
    let name = if class.name.is_empty() {
        "without a name"
    } else {
        &class.name
    };
    if class.namespace.is_empty() {
        format!("SecretProviderClass {}", printable(name))
    } else {
        format!(
            "SecretProviderClass {}/{}",
            printable(&class.namespace),
            printable(name)
        )
    }
}

/// One line about a file: mode, path, and where its content comes from.
fn described(file: &File) -> String {
    let mut text = if file.keys {
        format!("{}  {}<each key>", file.mode, printable(&file.path))
    } else {
        format!("{}  {}", file.mode, printable(&file.path))
    };
    text.push_str(&format!("  {} {}", file.service, quoted(&file.object)));
    if let Some(expression) = &file.expression {
        text.push_str(&format!(", jmesPath {}", quoted(expression)));
    }
    match (&file.version, &file.stage) {
        (Some(version), Some(stage)) => text.push_str(&format!(", version {version}, stage {stage}")),
        (Some(version), None) => text.push_str(&format!(", version {version}")),
        (None, Some(stage)) => text.push_str(&format!(", stage {stage}")),
        (None, None) => text.push_str(", newest version"),
    }
    if let Some(region) = &file.region {
        text.push_str(&format!(", region {region}"));
    }
    if let Some(endpoint) = &file.endpoint {
        text.push_str(&format!(", endpoint {endpoint}"));
    }
    if let Some(role) = &file.role {
        text.push_str(&format!(", as {role}"));
    }
    if let Some(encoding) = file.encoding {
        text.push_str(&format!(", {encoding} decoded"));
    }
    if file.optional {
        text.push_str(", optional");
    }
    text
}

fn told(name: &str, kind: &str, finding: &Finding, output: &mut dyn Write) -> io::Result<()> {
    write!(output, "{name}:{}:{}: {kind}: ", finding.line, finding.column)?;
    if !finding.subject.is_empty() {
        write!(output, "{}: ", finding.subject)?;
    }
    output.write_all(finding.text.as_bytes())?;
    if !finding.remedy.is_empty() {
        write!(output, "; {}", finding.remedy)?;
    }
    writeln!(output)
}

/// Text as it is when it prints well, else quoted: a terminal must not be told what to do by a manifest.
fn printable(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if plain { text.to_owned() } else { quoted(text) }
}

/// The lines for people, the first of them about the pods.
fn access_lines(access: &Access) -> Vec<String> {
    let identity = Principal::ALL
        .iter()
        .find(|identity| identity.name() == access.identity);
    let identity = identity.map(ToString::to_string).unwrap_or_default();
    let pods = match &*access.pods {
        "" => String::new(),
        name => format!("{}, ", quoted(name)),
    };
    let keys: Vec<String> = access.overrides.iter().map(|key| quoted(key)).collect();
    let own = match &*keys {
        [] => String::new(),
        keys => format!(" and volumeAttributes of its own ({})", keys.join(", ")),
    };
    let mut lines = vec![format!(
        "access for {pods}service account {} of namespace {}, with {identity}{own}: {}",
        quoted(&access.service_account),
        quoted(&access.namespace),
        access.decision
    )];
    lines.extend(access.objects.iter().map(|verdict| {
        let Verdict {
            object,
            rule,
            some_regions_only,
            missing,
        } = verdict;
        let limit = if *some_regions_only {
            ", in some regions only"
        } else {
            ""
        };
        match rule {
            Some(rule) => format!("  {object}: rule {}{limit}", quoted(rule)),
            None => format!("  {object}: {}", missing.as_deref().unwrap_or_default()),
        }
    }));
    lines
}

/// A number of things, as a person says it.
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, thing) = self;
        let plural = match (number, thing.ends_with('s')) {
            (1, _) => "",
            (_, true) => "es",
            (_, false) => "s",
        };
        write!(f, "{number} {thing}{plural}")
    }
}

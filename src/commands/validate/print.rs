//! Prints the result as text.

use std::fmt;
use std::io::{self, Write};
use std::iter;

use super::report::{Access, Class, File, Finding, Report};
use crate::commands::manifest::printable;
use crate::diagnostic::quoted;
use crate::policy::Principal;

/// Prints the reports of all sources.
pub(super) fn text(reports: &[Report], output: &mut dyn Write) -> io::Result<()> {
    for report in reports {
        source(report, output)?;
    }
    let classes: Vec<&Class> = reports.iter().flat_map(|report| &report.classes).collect();
    let count = |of: fn(&Class) -> usize| classes.iter().copied().map(of).sum::<usize>();
    let of_files: usize = reports.iter().map(|report| report.errors.len()).sum();
    writeln!(
        output,
        "{}, {}; {}, {}, {}",
        Count(classes.len(), "SecretProviderClass"),
        Count(count(|class| class.files.len()), "file"),
        Count(of_files + count(|class| class.errors.len()), "error"),
        Count(count(|class| class.warnings.len()), "warning"),
        Count(count(|class| class.notes.len()), "note"),
    )
}

fn source(report: &Report, output: &mut dyn Write) -> io::Result<()> {
    let name = &report.source;
    for error in &report.errors {
        finding(name, "error", error, output)?;
    }
    for class in &report.classes {
        let (line, column, title) = (class.line, class.column, title(class));
        let count = match class.errors.len() {
            0 => Count(class.files.len(), "file"),
            errors => Count(errors, "error"),
        };
        writeln!(output, "{name}:{line}:{column}: {title}: {count}")?;
        for file in &class.files {
            writeln!(output, "  {}", described(file))?;
        }
        for one in &class.access {
            access(one, output)?;
        }
        for (kind, list) in class.findings() {
            for one in list {
                finding(name, kind, one, output)?;
            }
        }
    }
    Ok(())
}

fn finding(source: &str, kind: &str, finding: &Finding, output: &mut dyn Write) -> io::Result<()> {
    write!(output, "{source}:{}:{}: {kind}: ", finding.line, finding.column)?;
    if !finding.subject.is_empty() {
        write!(output, "{}: ", finding.subject)?;
    }
    output.write_all(finding.text.as_bytes())?;
    if !finding.remedy.is_empty() {
        write!(output, "; {}", finding.remedy)?;
    }
    writeln!(output)
}

fn title(class: &Class) -> String {
    let name = match &*class.name {
        "" => "without a name",
        name => name,
    };
    let namespace = match &*class.namespace {
        "" => String::new(),
        namespace => format!("{}/", printable(namespace)),
    };
    format!("SecretProviderClass {namespace}{}", printable(name))
}

/// One line about a file: mode, path, and where its content comes from.
fn described(file: &File) -> String {
    let each = if file.keys { "<each key>" } else { "" };
    let newest = file.version.is_none() && file.stage.is_none();
    let part = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {value}"));
    let parts = [
        part("jmesPath", &file.expression.as_deref().map(quoted)),
        part("version", &file.version),
        part("stage", &file.stage),
        newest.then(|| "newest version".to_owned()),
        part("region", &file.region),
        part("endpoint", &file.endpoint),
        part("as", &file.role),
        file.encoding.map(|encoding| format!("{encoding} decoded")),
        file.optional.then(|| "optional".to_owned()),
    ];
    let (path, object) = (printable(&file.path), quoted(&file.object));
    let object = format!("{}  {path}{each}  {} {object}", file.mode, file.service);
    let parts = parts.into_iter().flatten();
    iter::once(object).chain(parts).collect::<Vec<_>>().join(", ")
}

/// Prints the policy's decision for some pods, and its verdict on each object.
fn access(access: &Access, output: &mut dyn Write) -> io::Result<()> {
    let mut identities = Principal::ALL.iter();
    let identity = identities.find(|identity| identity.name() == access.identity);
    let identity = identity.map(ToString::to_string).unwrap_or_default();
    let pods = match &*access.pods {
        "" => String::new(),
        name => format!("{}, ", quoted(name)),
    };
    let keys: Vec<String> = access.overrides.iter().map(|key| quoted(key)).collect();
    let own = match &*keys {
        [] => String::new(),
        keys => format!(" and its own volumeAttributes ({})", keys.join(", ")),
    };
    let (account, namespace) = (quoted(&access.service_account), quoted(&access.namespace));
    writeln!(
        output,
        "  access for {pods}service account {account} of namespace {namespace}, with {identity}{own}: {}",
        access.decision
    )?;
    for verdict in &access.objects {
        let limit = if verdict.some_regions_only {
            ", in some regions only"
        } else {
            ""
        };
        let says = match &verdict.rule {
            Some(rule) => format!("rule {}{limit}", quoted(rule)),
            None => verdict.missing.clone().unwrap_or_default(),
        };
        writeln!(output, "    {}: {says}", verdict.object)?;
    }
    Ok(())
}

/// A number and its noun.
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

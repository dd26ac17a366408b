//! Hostile parameters, and hostile manifests for `validate`, at and just below the largest admitted size: CPU and peak
//! memory of each, in a process of its own. Fails past 16 MiB for parameters, past 320 MiB for manifests.
//!
//! `just bench-hostile`; the gate runs it unoptimized, for the memory. That the counts of nodes, steps and bytes stay
//! within their bounds is tested in `src/params`.

#![expect(clippy::disallowed_macros, reason = "a benchmark prints")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "texts are made where they are passed"
)]

use std::fs;
use std::process::{Command, ExitCode};

use csi_provider::config;
use csi_provider::limits;
use csi_provider::params::{self, Input, Options};
use csi_provider::secret::Secret;

/// Peak memory that one Mount's parameters may take beyond the process and the texts that it is given.
const MOST_KIB: u64 = 16 * 1024;

/// Peak memory that `validate` may take for one file, its text included: it runs once, on a developer's machine or in CI.
const MOST_MANIFEST_KIB: u64 = 320 * 1024;

/// The parameters of a Mount, and the value that every object has.
struct Case {
    attributes: String,
    value: String,
}

/// A case by its name and what makes it, given the number of bytes to stay below.
type Maker = (&'static str, fn(usize) -> Case);

const CASES: &[Maker] = &[
    ("nothing", |_| of_objects("- objectName: a".to_owned())),
    ("brackets", |bytes| of_objects("[".repeat(bytes))),
    ("braces", |bytes| of_objects("[{".repeat(bytes / 2))),
    ("list of empty lists", |bytes| {
        of_objects(format!("[{}]", "[],".repeat(bytes / 3 - 1)))
    }),
    ("items of nothing", |bytes| of_objects("-\n".repeat(bytes / 2))),
    ("items of text", |bytes| of_objects("- a\n".repeat(bytes / 4))),
    ("one long text", |bytes| {
        of_objects(format!("- {}", "x".repeat(bytes - 2)))
    }),
    ("comments", |bytes| of_objects("#\n".repeat(bytes / 2))),
    ("deep indentation", |bytes| {
        of_objects(numbered(bytes, |i| format!("{}a:\n", " ".repeat(i))))
    }),
    ("keys", |bytes| {
        of_objects(numbered(bytes, |i| format!("k{i}: v\n")))
    }),
    ("unknown keys", |bytes| {
        of_objects(format!(
            "- objectName: a\n{}",
            numbered(bytes - 20, |i| format!("  k{i}: v\n"))
        ))
    }),
    ("anchors", |bytes| {
        of_objects(numbered(bytes, |i| format!("- &a{i} b\n")))
    }),
    ("anchor in anchor", |bytes| {
        of_objects(numbered(bytes, |i| match i {
            0 => "- &a0 [x]\n".to_owned(),
            _ => format!("- &a{i} [*a{}]\n", i - 1),
        }))
    }),
    ("alias of a long text", |bytes| {
        of_objects(format!(
            "- &a {}\n{}",
            "x".repeat(bytes / 2),
            "- *a\n".repeat(bytes / 10 - 2)
        ))
    }),
    ("alias bomb", |_| {
        of_objects(
            (0..9)
                .map(|i| match i {
                    0 => "- &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(),
                    _ => format!("- &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", ")),
                })
                .collect(),
        )
    }),
    ("merge bomb", |bytes| {
        of_objects(format!(
            "- &m {{{}}}\n{}",
            numbered(20_000, |i| format!("k{i}: v, ")),
            "- <<: [*m, *m, *m]\n".repeat((bytes - 20_100) / 20)
        ))
    }),
    ("a thousand items", |_| {
        of_objects(numbered_items(limits::OBJECTS))
    }),
    ("four thousand files", |_| {
        of_objects((0..limits::OBJECTS).map(|i| format!("- {{objectName: o{i}, jmesPath: [{{path: a, objectAlias: a{i}}}, {{path: b, objectAlias: b{i}}}, {{path: c, objectAlias: c{i}}}]}}\n")).collect()).with(r#"{"a":1,"b":2,"c":3}"#)
    }),
    ("a hundred thousand parameters", |_| Case {
        attributes: format!(
            "{{{}\"objects\":\"- objectName: a\"}}",
            numbered(limits::ATTRIBUTES_BYTES - 100, |i| format!("\"k{i:06}\":\"\","))
        ),
        value: String::new(),
    }),
    ("unknown keys, as many as are read", |_| {
        of_objects(format!(
            "- objectName: a\n{}",
            (0..16_300).map(|i| format!("  k{i}: v\n")).collect::<String>()
        ))
    }),
    ("anchors, as many as are read", |_| {
        of_objects((0..10_900).map(|i| format!("- &a{i} b\n")).collect())
    }),
    ("parameters that are lists", |_| Case {
        attributes: format!(
            "{{\"x\":[{}0],\"objects\":\"- objectName: a\"}}",
            "[],".repeat(limits::ATTRIBUTES_BYTES / 3 - 30)
        ),
        value: String::new(),
    }),
    ("JSON, as large as is read", |_| {
        part("length(@)", 1).with(format!("[{}0]", "[],".repeat(limits::JSON_NODES - 2)))
    }),
    ("JSON keys, as many as are read", |_| {
        part("keys(@)", 1).with(format!(
            "{{{}\"z\":0}}",
            (0..16_000).map(|i| format!("\"k{i}\":{i},")).collect::<String>()
        ))
    }),
    ("JSON of the largest size", |bytes| {
        part("length(@)", 1).with(format!("[{}0]", "0,".repeat(bytes / 2)))
    }),
    ("JSON keys", |_| {
        part("length(@)", 1).with(format!(
            "{{{}\"z\":0}}",
            numbered(limits::HTTP_RESPONSE_BODY_BYTES as usize, |i| format!(
                "\"k{i}\":{i},"
            ))
        ))
    }),
    ("JSON nesting", |bytes| {
        part("@", 1).with(format!("{}{}", "[".repeat(bytes / 2), "]".repeat(bytes / 2)))
    }),
    ("all keys", |_| {
        of_objects("- objectName: a\n  jmesPath: '*'\n".to_owned()).with(format!(
            "{{{}\"z\":0}}",
            (0..4_000).map(|i| format!("\"k{i}\":\"v\",")).collect::<String>()
        ))
    }),
    ("growth", |_| {
        part(&format!("{}to_string(@)", "[@,@]|".repeat(13)), 1).with(long_list())
    }),
    ("growth by objects", |_| {
        part(&format!("{}to_string(@)", "{a:@,b:@}|".repeat(13)), 1).with(long_list())
    }),
    ("growth by projections", |_| {
        part(&format!("{}length(@)", "[*].[@,@][]|".repeat(6)), 1).with(long_list())
    }),
    ("growth by join", |_| {
        part("join(to_string(@), map(&to_string(@), @))", 1).with(long_list())
    }),
    ("a thousand expressions", |_| {
        part("sort(@)", 1_000).with(long_list())
    }),
    ("comparisons", |_| {
        part("[?@ == @] | [?contains(to_string(@), '9')] | sort_by(@, &@)", 1).with(long_list())
    }),
    ("expression brackets", |_| {
        part(&"[".repeat(limits::EXPRESSION_BYTES), 1)
    }),
    ("expression nesting", |_| {
        part(&format!("{}a{}", "(".repeat(500), ")".repeat(500)), 1)
    }),
    ("expression chain", |_| {
        part(&format!("a{}", ".a".repeat(limits::EXPRESSION_BYTES / 2 - 1)), 1)
    }),
];

/// A manifest by its name and what makes it, given the number of bytes to stay below.
type Manifest = (&'static str, fn(usize) -> String);

const MANIFESTS: &[Manifest] = &[
    ("a thousand classes and more", |bytes| {
        numbered(bytes, |i| {
            class(
                i,
                "region: cn-hangzhou\n    objects: |\n      - objectName: a\n        objectType: oos\n",
            )
        })
    }),
    ("classes in one list", |bytes| {
        let item = |i| {
            format!(
                "- {{apiVersion: secrets-store.csi.x-k8s.io/v1, kind: SecretProviderClass, metadata: {{name: c{i}}}, spec: {{provider: alibabacloud, parameters: {{objects: '- objectName: a'}}}}}}\n"
            )
        };
        format!("kind: List\nitems:\n{}", numbered(bytes - 20, item))
    }),
    ("classes of a thousand objects", |bytes| {
        let objects: String = (0..limits::OBJECTS)
            .map(|i| format!("      - objectName: o{i}\n"))
            .collect();
        numbered(bytes, |i| class(i, &format!("objects: |\n{objects}")))
    }),
    ("a thousand objects, and many pods", |bytes| {
        let objects: String = (0..limits::OBJECTS)
            .map(|i| format!("      - objectName: o{i}\n"))
            .collect();
        let mut text = numbered(bytes / 2, |i| class(i, &format!("objects: |\n{objects}")));
        let pods = |i: usize| {
            format!(
                "---\n{{kind: Pod, spec: {{serviceAccount: s{}, volumes: [{{csi: {{driver: secrets-store.csi.k8s.io, volumeAttributes: {{secretProviderClass: c{}}}}}}}]}}}}\n",
                i / 400,
                i % 400
            )
        };
        text.push_str(&numbered(bytes / 2, pods));
        text
    }),
    ("classes with everything wrong", |bytes| {
        numbered(bytes, |i| {
            class(
                i,
                &format!("x: y\n    objects: |\n{}", "      - {a: b, c: d}\n".repeat(60)),
            )
        })
    }),
    ("documents of nothing", |bytes| {
        "---\nSecretProviderClass\n".repeat(bytes / 24)
    }),
    ("documents that do not parse", |bytes| {
        "---\n[SecretProviderClass\n".repeat(bytes / 25)
    }),
    ("brackets", |bytes| {
        format!("SecretProviderClass: {}", "[".repeat(bytes - 21))
    }),
    ("list of empty lists", |bytes| {
        format!("SecretProviderClass: [{}]", "[],".repeat(bytes / 3 - 9))
    }),
    ("items of text", |bytes| {
        format!("# SecretProviderClass\n{}", "- a\n".repeat(bytes / 4 - 6))
    }),
    ("keys", |bytes| {
        format!(
            "# SecretProviderClass\n{}",
            numbered(bytes - 22, |i| format!("k{i}: v\n"))
        )
    }),
    ("anchors", |bytes| {
        format!(
            "# SecretProviderClass\n{}",
            numbered(bytes - 22, |i| format!("- &a{i} b\n"))
        )
    }),
    ("alias bomb", |_| {
        let bomb: String = (0..9)
            .map(|i| match i {
                0 => "- &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(),
                _ => format!("- &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", ")),
            })
            .collect();
        format!("# SecretProviderClass\n{bomb}")
    }),
    ("one long text", |bytes| {
        format!("# SecretProviderClass\n- {}", "x".repeat(bytes - 24))
    }),
    ("secretObjects", |bytes| {
        let head = class(0, "objects: '- objectName: a'\n");
        let objects = numbered(bytes - head.len() - 30, |i| {
            format!("  - {{secretName: s{i}, type: t, data: [{{objectName: b{i}, key: k}}]}}\n")
        });
        format!("{head}  secretObjects:\n{objects}")
    }),
];

/// The start of a class, up to its parameters.
fn class(number: usize, parameters: &str) -> String {
    format!(
        "---\napiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {{name: c{number}}}\nspec:\n  provider: alibabacloud\n  parameters:\n    {parameters}"
    )
}

impl Case {
    fn with(self, value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            ..self
        }
    }
}

fn of_objects(objects: String) -> Case {
    Case {
        attributes: serde_json::json!({ "objects": objects }).to_string(),
        value: String::new(),
    }
}

/// One object with so many parts of that expression.
fn part(expression: &str, times: usize) -> Case {
    let parts: String = (0..times)
        .map(|i| format!("  - {{path: {expression:?}, objectAlias: f{i}}}\n"))
        .collect();
    of_objects(format!("- objectName: a\n  jmesPath:\n{parts}"))
}

fn long_list() -> String {
    format!("[{}0]", "1234567,".repeat(16_000))
}

fn numbered_items(count: usize) -> String {
    (0..count)
        .map(|i| format!("- {{objectName: \"o{i}\", objectType: oos, objectVersion: 1}}\n"))
        .collect()
}

/// `unit(0)`, `unit(1)` and so on, as long as they fit.
fn numbered(bytes: usize, unit: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(bytes);
    for piece in (0..).map(unit) {
        if text.len() + piece.len() > bytes {
            break;
        }
        text.push_str(&piece);
    }
    text
}

/// What comes of a Mount's parameters.
fn mount(case: &Case) -> String {
    let value = Secret::from(case.value.clone());
    let input = Input {
        attributes: &case.attributes,
        permission: "420",
    };
    measured(|| match params::parse(&input, &Options::default()) {
        Err(problems) => format!("refused: {problems}"),
        Ok(plan) => {
            let values: Vec<Option<&Secret>> = plan.objects.iter().map(|_| Some(&value)).collect();
            match plan.render(&values) {
                Err(problems) => format!("failed: {problems}"),
                Ok(files) => format!("{} files", files.len()),
            }
        }
    })
}

/// What `validate` makes of a file, with an access policy that is about everybody.
fn manifest(text: &str) -> String {
    let directory = tempfile::tempdir().expect("directory");
    let at = |name: &str| directory.path().join(name);
    fs::write(at("file"), text).expect("file");
    fs::write(
        at("policy"),
        "version: 1\nrules: [{name: r, subjects: [{namespace: '*'}], objects: []}]\n",
    )
    .expect("file");
    let settings = config::ValidateOptions {
        sources: vec![at("file")],
        format: config::OutputFormat::Json,
        access: Some(config::PolicyCheck {
            policy: at("policy"),
            namespace: "default".to_owned(),
            service_account: "default".to_owned(),
            region: None,
        }),
    };
    measured(|| {
        let well = settings
            .run(&mut std::io::empty(), &mut std::io::sink())
            .expect("it is taken");
        if well { "well" } else { "not well" }.to_owned()
    })
}

/// Runs something in this process: kibibytes, milliseconds and the outcome.
fn measured(run: impl FnOnce() -> String) -> String {
    // Peak memory counts from here on.
    fs::write("/proc/self/clear_refs", "5").expect("Linux resets the peak");
    let (before, begun) = (status("VmHWM:"), ticks());
    let outcome = run();
    let grown = status("VmHWM:").saturating_sub(before);
    let outcome: String = outcome.chars().take(90).collect();
    format!("{grown}\t{}\t{outcome}", (ticks() - begun) * 10)
}

/// A field of /proc/self/status, in KiB.
fn status(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .expect("field");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// CPU time of this process in hundredths of a second, user and system.
fn ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    [11, 12]
        .iter()
        .map(|at| fields[*at].parse::<u64>().expect("a number"))
        .sum()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    if let [index, less] = arguments.as_slice() {
        let index: usize = index.parse().expect("an index");
        let less: usize = less.parse().expect("a number");
        let line = match CASES.get(index) {
            Some((_, maker)) => mount(&maker(limits::OBJECTS_BYTES - less)),
            None => manifest(&MANIFESTS[index - CASES.len()].1(limits::MANIFEST_BYTES - less)),
        };
        println!("{line}");
        return ExitCode::SUCCESS;
    }
    println!("{:>9} {:>8}  case", "peak KiB", "CPU ms");
    let mut too_large = 0;
    for (index, (name, _)) in CASES.iter().enumerate() {
        for (less, below) in [("0", "at the limit"), ("1", "one below")] {
            too_large += usize::from(!holds(index, less, &format!("{name}, {below}"), MOST_KIB));
        }
    }
    println!("{} runs, {too_large} above {MOST_KIB} KiB", 2 * CASES.len());
    let mut manifests_too_large = 0;
    for (index, (name, _)) in (CASES.len()..).zip(MANIFESTS) {
        let name = format!("manifests: {name}");
        manifests_too_large += usize::from(!holds(index, "0", &name, MOST_MANIFEST_KIB));
    }
    println!(
        "{} manifests, {manifests_too_large} above {MOST_MANIFEST_KIB} KiB",
        MANIFESTS.len()
    );
    ExitCode::from(u8::from(too_large + manifests_too_large > 0))
}

/// Runs a case in a process of its own and prints what came of it; whether it stays within `most` KiB.
fn holds(index: usize, less: &str, name: &str, most: u64) -> bool {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args([&index.to_string(), less])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut fields = text.trim_end().split('\t');
    let kib = fields.next().and_then(|kib| kib.parse::<u64>().ok());
    let (ms, outcome) = (
        fields.next().unwrap_or("?"),
        fields.next().unwrap_or("no outcome"),
    );
    println!(
        "{:>9} {ms:>8}  {name}: {outcome}",
        kib.map_or_else(|| "died".to_owned(), |kib| kib.to_string())
    );
    kib.is_some_and(|kib| kib <= most)
}

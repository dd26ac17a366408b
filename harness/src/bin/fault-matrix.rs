//! Every fault of the cloud × every call on the way of a Mount × first mount and republish, as a table with counts.
//!
//! `fault-matrix BINARY [--sample N]`: with a sample, every so-many-th cell only, so that N are left. In each cell the
//! Mount must either give exactly the right files or fail whole, with a final code and a message that names the step,
//! before its deadline; and the next Mount after the fault is gone must succeed. Nothing panics, and threads and
//! descriptors stay few.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, io, thread};

use harness::driver::{Code, Driver, MountRequest, MountResponse, Volume};
use harness::process::{ProviderBuilder, ProviderProcess};
use harness::{CutPoint, FakeCloud, Fault, FaultRule, Service};
use serde_json::{Value, json};

/// Cells under way at once: they mostly wait.
const WORKERS: usize = 12;

/// The caller's deadline. The provider answers well before it.
const DEADLINE: Duration = Duration::from_secs(8);

/// Most threads and descriptors of a process that has nothing to do but one Mount after the other.
const MOST: usize = 64;

const OIDC_PROVIDER: &str = "acs:ram::1234567890120000:oidc-provider/ack-rrsa-c0fake0cloud0cluster0000000001";

/// A call on the way of a Mount, and the identity that makes the provider send it.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    service: Service,
    action: &'static str,
    identity: Identity,
    /// A field of its answer that it cannot do without.
    field: &'static str,
    /// The end of the credentials in its answer, if it gives any.
    expiration: Option<&'static str>,
    /// What a failure's message must say, one of these.
    says: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Identity {
    AccessKey,
    AssumedRole,
    Oidc,
    Worker,
}

const WAYS: [Way; 8] = [
    Way {
        name: "kms GetSecretValue",
        service: Service::Kms,
        action: "GetSecretValue",
        identity: Identity::AccessKey,
        field: "/SecretData",
        expiration: None,
        says: &["(kms)"],
    },
    Way {
        name: "oos GetSecretParameter",
        service: Service::Oos,
        action: "GetSecretParameter",
        identity: Identity::AccessKey,
        field: "/Parameter/Value",
        expiration: None,
        says: &["(oos)"],
    },
    Way {
        name: "sts AssumeRole",
        service: Service::Sts,
        action: "AssumeRole",
        identity: Identity::AssumedRole,
        field: "/Credentials/SecurityToken",
        expiration: Some("/Credentials/Expiration"),
        says: &["cannot be assumed", "role"],
    },
    Way {
        name: "sts AssumeRoleWithOIDC",
        service: Service::Sts,
        action: "AssumeRoleWithOIDC",
        identity: Identity::Oidc,
        field: "/Credentials/SecurityToken",
        expiration: Some("/Credentials/Expiration"),
        says: &["cannot be assumed", "role"],
    },
    Way {
        name: "metadata token",
        service: Service::Metadata,
        action: "*api/token",
        identity: Identity::Worker,
        field: "/none",
        expiration: None,
        says: &["metadata"],
    },
    Way {
        name: "metadata role name",
        service: Service::Metadata,
        action: "*security-credentials/",
        identity: Identity::Worker,
        field: "/none",
        expiration: None,
        says: &["metadata"],
    },
    Way {
        name: "metadata credentials",
        service: Service::Metadata,
        action: "*security-credentials/?*",
        identity: Identity::Worker,
        field: "/SecurityToken",
        expiration: Some("/Expiration"),
        says: &["metadata", "worker", "(kms)", "(oos)"],
    },
    Way {
        name: "metadata region",
        service: Service::Metadata,
        action: "*region-id",
        identity: Identity::Worker,
        field: "/none",
        expiration: None,
        says: &["region", "metadata", "kms", "oos"],
    },
];

/// The faults, by name.
fn faults(way: &Way) -> Vec<(&'static str, Fault)> {
    let error = |status, code: &str| Fault::Error {
        status,
        code: code.to_owned(),
        message: "as the matrix wants it".to_owned(),
        dialect: None,
    };
    let answer = |status, body: &str| Fault::Answer {
        status,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
    };
    let set = |value: Value| Fault::SetField {
        field: way.field.to_owned(),
        value,
    };
    vec![
        ("500", error(500, "InternalError")),
        ("503", error(503, "ServiceUnavailable")),
        ("504 html", Fault::Html { status: 504 }),
        ("200 html", Fault::Html { status: 200 }),
        ("403 denied", error(403, "Forbidden.RAM")),
        ("400 unknown code", error(400, "Something.New")),
        ("404 of a proxy", Fault::Html { status: 404 }),
        ("throttled", Fault::Throttle),
        ("throttled by the gateway", Fault::ThrottleByGateway),
        ("token ended", error(400, "InvalidSecurityToken.Expired")),
        (
            "redirect",
            Fault::Redirect {
                status: 302,
                location: Some("http://127.0.0.1:1/".to_owned()),
            },
        ),
        (
            "redirect to nowhere",
            Fault::Redirect {
                status: 301,
                location: None,
            },
        ),
        ("empty body", Fault::EmptyBody),
        ("truncated body", Fault::TruncatedBody),
        ("empty object", answer(200, "{}")),
        ("null", answer(200, "null")),
        ("nested", answer(200, &"[".repeat(50_000))),
        (
            "large",
            answer(200, &format!("{{\"x\":\"{}\"}}", "x".repeat(2_000_000))),
        ),
        ("not text", answer(200, "\u{0}\u{1}")),
        ("field of another type", set(json!(17))),
        ("field that is null", set(Value::Null)),
        (
            "field missing",
            Fault::RemoveField {
                field: way.field.to_owned(),
            },
        ),
        ("gzip", Fault::Gzip),
        (
            "delay",
            Fault::Delay {
                ms: 300,
                jitter_ms: 200,
            },
        ),
        ("never answers", Fault::Hold),
        ("cut before the head", Fault::Cut(CutPoint::BeforeHead)),
        ("cut before the body", Fault::Cut(CutPoint::BeforeBody)),
        ("cut inside the body", Fault::Cut(CutPoint::InsideBody)),
        ("cut after the body", Fault::Cut(CutPoint::AfterBody)),
        (
            "crumbs",
            Fault::Slow {
                bytes: 40,
                pause_ms: 5,
            },
        ),
        (
            "crumbs for ever",
            Fault::Slow {
                bytes: 1,
                pause_ms: 400,
            },
        ),
        ("clock an hour ahead", Fault::ClockOffset { seconds: 3600 }),
        ("clock an hour behind", Fault::ClockOffset { seconds: -3600 }),
    ]
}

#[derive(Clone)]
struct Cell {
    way: Way,
    fault: (&'static str, Fault),
    republish: bool,
}

#[derive(Default)]
struct Counts {
    succeeded: usize,
    failed: usize,
    not_struck: usize,
    codes: BTreeMap<String, usize>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: fault-matrix BINARY [--sample N]";
    let binary = PathBuf::from(arguments.next().ok_or(usage)?);
    let mut cells: Vec<Cell> = Vec::new();
    for way in WAYS {
        for fault in faults(&way) {
            for republish in [false, true] {
                let fault = fault.clone();
                cells.push(Cell {
                    way,
                    fault,
                    republish,
                });
            }
        }
    }
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => {}
        (Some("--sample"), Some(count)) => {
            // A step that shares no factor with the table's sides visits all of its rows and columns.
            let count: usize = count.parse()?;
            let step = (cells.len() / count.max(1)).max(1) | 1;
            cells = cells.into_iter().step_by(step).take(count).collect();
        }
        _ => return Err(usage.into()),
    }
    let (next, problems) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let rows: Mutex<BTreeMap<&str, Counts>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run(&binary, cell);
                    let mut rows = rows.lock().expect("rows");
                    let row = rows.entry(cell.way.name).or_default();
                    match outcome {
                        Ok(Seen { code: None, struck }) => {
                            row.succeeded += 1;
                            row.not_struck += usize::from(!struck);
                        }
                        Ok(Seen { code: Some(code), .. }) => {
                            row.failed += 1;
                            *row.codes.entry(format!("{code:?}")).or_default() += 1;
                        }
                        Err(problem) => {
                            let phase = if cell.republish {
                                "republish"
                            } else {
                                "first mount"
                            };
                            let text = format!("{}, {}, {phase}: {problem}", cell.way.name, cell.fault.0);
                            problems.lock().expect("problems").push(text);
                        }
                    }
                }
            });
        }
    });
    let out = &mut io::stdout();
    writeln!(
        out,
        "{:<24} {:>5} {:>9} {:>7}  {:<9} codes of failures",
        "call", "cells", "succeeded", "failed", "untouched"
    )?;
    let rows = rows.into_inner()?;
    for (name, row) in &rows {
        let codes: Vec<String> = row
            .codes
            .iter()
            .map(|(code, count)| format!("{code} {count}"))
            .collect();
        writeln!(
            out,
            "{name:<24} {:>5} {:>9} {:>7}  {:<9} {}",
            row.succeeded + row.failed,
            row.succeeded,
            row.failed,
            row.not_struck,
            codes.join(", ")
        )?;
    }
    let problems = problems.into_inner()?;
    writeln!(out, "{} cells, {} problems", cells.len(), problems.len())?;
    for problem in &problems {
        writeln!(out, "PROBLEM {problem}")?;
    }
    if cells.is_empty() || !problems.is_empty() {
        return Err("the matrix has problems".into());
    }
    Ok(())
}

/// How a cell's Mount ended, and whether the fault struck it.
struct Seen {
    code: Option<Code>,
    struck: bool,
}

fn run(binary: &Path, cell: &Cell) -> Result<Seen, String> {
    let cloud = FakeCloud::start().map_err(|error| error.to_string())?;
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let provider =
        start(binary, &cloud, cell.way.identity, directory.path()).map_err(|error| error.to_string())?;
    let driver = Driver::new(provider.socket());
    let mount = |generation: &str| -> Result<Option<Code>, String> {
        match driver.mount_within(request(), Some(DEADLINE)) {
            Ok(response) => exact(&response, generation).map(|()| None),
            Err(status) if is_final(status.code()) => {
                let says = cell.way.says.iter().any(|words| status.message().contains(words));
                says.then_some(Some(status.code()))
                    .ok_or_else(|| format!("the message names no step: {status}"))
            }
            Err(status) => Err(format!("not final, or late: {status}")),
        }
    };
    fill(&cloud, "one");
    let mut generation = "one";
    if cell.republish {
        // Credentials that are due for renewal, so that the calls that give them are made again.
        if let Some(field) = cell.way.expiration {
            let soon = jiff::Timestamp::from_second(now() + 100);
            let value = json!(soon.map_err(|error| error.to_string())?.to_string());
            cloud.inject(rule(
                cell,
                Fault::SetField {
                    field: field.to_owned(),
                    value,
                },
            ));
        }
        if let Some(code) = mount(generation)? {
            return Err(format!("the first Mount fails without a fault: {code:?}"));
        }
        cloud.clear_faults();
        generation = "two";
        fill(&cloud, generation);
    }
    cloud.clear_requests();
    cloud.inject(rule(cell, cell.fault.1.clone()));
    let code = mount(generation)?;
    let struck = cloud.requests().iter().any(|request| !request.faults.is_empty());
    cloud.clear_faults();
    if let Some(code) = mount(generation).map_err(|problem| format!("after the fault: {problem}"))? {
        return Err(format!("after the fault is gone the next Mount fails: {code:?}"));
    }
    let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", provider.id())).map(Iterator::count);
    for what in ["task", "fd"] {
        match count(what) {
            Ok(count) if count <= MOST => {}
            other => return Err(format!("{what}: {other:?}")),
        }
    }
    if provider.log().contains("panicked") {
        return Err(format!("a panic: {}", provider.log()));
    }
    Ok(Seen { code, struck })
}

/// Seconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "credentials end by the machine's time")]
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn rule(cell: &Cell, fault: Fault) -> FaultRule {
    FaultRule::new(fault)
        .service(cell.way.service)
        .action(cell.way.action)
}

fn start(
    binary: &Path,
    cloud: &FakeCloud,
    identity: Identity,
    directory: &Path,
) -> io::Result<ProviderProcess> {
    let url = cloud.http_url();
    let (id, secret) = cloud.access_key();
    let mut builder = ["kms", "oos", "sts", "metadata"]
        .iter()
        .fold(ProviderBuilder::new(binary), |builder, service| {
            builder.argument(format!("--{service}-endpoint={url}"))
        })
        // Every Mount asks the cloud, so that every fault is met.
        .argument("--refresh-interval=0");
    if matches!(identity, Identity::AccessKey | Identity::AssumedRole) {
        builder = builder
            .variable("ACCESS_KEY_ID", id)
            .variable("SECRET_ACCESS_KEY", secret);
    }
    match identity {
        Identity::AccessKey | Identity::Worker => {}
        Identity::AssumedRole => {
            builder = builder.variable("ALICLOUD_ROLE_ARN", "acs:ram::1234567890120000:role/adminrole");
        }
        Identity::Oidc => {
            let lifetime = jiff::SignedDuration::from_secs(3600);
            let account = "csi-secrets-store-provider-alibabacloud";
            let token = cloud.mint_token("kube-system", account, "sts.aliyuncs.com", lifetime);
            fs::write(directory.join("token"), token)?;
            builder = builder
                .variable(
                    "ALICLOUD_ROLE_ARN",
                    "acs:ram::1234567890120000:role/demo-role-for-rrsa",
                )
                .variable("ALICLOUD_OIDC_PROVIDER_ARN", OIDC_PROVIDER)
                .variable("ALICLOUD_OIDC_TOKEN_FILE", directory.join("token"));
        }
    }
    builder.start()
}

/// A secret of two parts, so that a mixture of two versions would show, and a parameter.
fn fill(cloud: &FakeCloud, generation: &str) {
    cloud.set_kms_text(
        "matrix/kms",
        &format!(r#"{{"a":"a of {generation}","b":"b of {generation}"}}"#),
    );
    cloud.set_oos("matrix/oos", &format!("oos of {generation}"));
}

fn request() -> MountRequest {
    let objects = "
- objectName: matrix/kms
  objectAlias: whole
  jmesPath:
  - {path: a, objectAlias: a}
  - {path: b, objectAlias: b}
- objectName: matrix/oos
  objectType: oos
  objectAlias: oos
";
    Volume::new([("objects", objects)]).request()
}

/// Exactly the four files, all of one generation.
fn exact(response: &MountResponse, generation: &str) -> Result<(), String> {
    let files: BTreeMap<&str, String> = response
        .files
        .iter()
        .map(|file| {
            (
                file.path.as_str(),
                String::from_utf8_lossy(&file.contents).into_owned(),
            )
        })
        .collect();
    let (a, b) = (format!("a of {generation}"), format!("b of {generation}"));
    let expected = BTreeMap::from([
        ("whole", format!(r#"{{"a":"{a}","b":"{b}"}}"#)),
        ("oos", format!("oos of {generation}")),
        ("a", a),
        ("b", b),
    ]);
    if files == expected && response.files.len() == expected.len() && response.object_version.len() >= 2 {
        Ok(())
    } else {
        Err(format!("wrong files: {files:?}"))
    }
}

/// Whether kubelet gives the directory back after this code.
fn is_final(code: Code) -> bool {
    !matches!(
        code,
        Code::Ok
            | Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Unavailable
    )
}

//! No `Debug` text shows a secret: neither a token, a key, a signature nor a value, in whatever form.
//!
//! Every type whose text could hold anything is here: filled with canaries and printed in `samples.rs`, or in
//! `REASONS` with why it holds no secret. `scan.rs` reads in the source which types those are, so that a new one
//! fails this test until it is in either. What holds octets and needs no `Debug` has none outside of tests.
//!
//! It stays in `src/` because most of these types are private, and nothing should become public for a test.

mod samples;
mod scan;

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::sign::percent_encode;

/// What is secret, and the texts of what was filled with it, by type.
#[derive(Default)]
struct Texts {
    canaries: Vec<String>,
    texts: BTreeMap<String, Vec<String>>,
}

impl Texts {
    /// A secret, made up or real.
    fn canary(&mut self, text: impl Into<String>) -> String {
        let text = text.into();
        self.canaries.push(text.clone());
        text
    }

    fn add<T: Debug>(&mut self, value: &T) {
        let name = type_name::<T>();
        let name = name.split('<').next().unwrap_or_default();
        let name = name
            .strip_prefix("csi_provider::")
            .unwrap_or_else(|| panic!("{name} is not ours"));
        self.named(name, format!("{value:?} {value:#?}"));
    }

    fn named(&mut self, name: &str, text: String) {
        self.texts.entry(name.to_owned()).or_default().push(text);
    }

    /// Each canary that stands in a text, with the type and the form.
    fn leaks(&self) -> Vec<String> {
        let mut leaks = Vec::new();
        for canary in &self.canaries {
            for (form, secret) in forms(canary) {
                for (name, texts) in &self.texts {
                    if texts.iter().any(|text| squeezed(text).contains(&secret)) {
                        leaks.push(format!("{name} shows {canary:.12}… as {form}"));
                    }
                }
            }
        }
        leaks
    }
}

/// Without blanks: a pretty text has a line for each byte.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// A secret in every form that it may stand in.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let joined =
        |write: fn(&u8) -> String, between: &str| bytes.iter().map(write).collect::<Vec<_>>().join(between);
    let mut forms = vec![
        ("itself", squeezed(secret)),
        ("an escaped text", squeezed(&secret.escape_debug().to_string())),
        ("percent-encoded", percent_encode(secret)),
        ("percent-encoded small", percent_encode(secret).to_lowercase()),
        ("hex", joined(|byte| format!("{byte:02x}"), "")),
        ("HEX", joined(|byte| format!("{byte:02X}"), "")),
        ("numbers", joined(u8::to_string, ",")),
    ];
    // Within a longer text that is encoded: whatever comes before and behind, these characters are the secret's.
    for (before, mixed) in [(0, 0), (1, 2), (2, 3)] {
        let padded = [&vec![0; before][..], bytes].concat();
        for encoded in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            let inner = encoded.get(mixed..encoded.len() - 1);
            forms.push(("base64", inner.unwrap_or_default().to_owned()));
        }
    }
    forms
}

/// The types whose text could hold anything by their fields, and holds no secret.
const REASONS: &[(&str, &[&str])] = &[
    (
        "names and numbers of Kubernetes, RAM, KMS and OOS, as they stand in classes, policies, flags and audit trails",
        &[
            "policy::model::Rule",
            "policy::decide::Decision",
            "policy::decide::Missing",
            "policy::decide::Permit",
            "policy::pattern::Pattern",
            "auth::found_names::FoundNames",
            "auth::role_session::Federated",
            "auth::role_session::RoleSession",
            "cloud::endpoint::AllowedHosts",
            "cloud::endpoint::Endpoint",
            "cloud::endpoint::EndpointTemplate",
            "cloud::kms::GetSecretValue",
            "cloud::oos::GetSecretParameter",
            "cloud::sts::AssumeRole",
            "cloud::sts::CallerIdentity",
            "health::answers::Settings",
            "grpc::proto::HealthCheckRequest",
            "grpc::proto::ObjectVersion",
            "grpc::proto::VersionRequest",
            "grpc::proto::VersionResponse",
            "http::proxy::Target",
            "commands::exec::start::CannotStart",
            "config::command::PodOptions",
            "config::command::WatchOptions",
            "params::file_name::FileName",
            "jmespath::expression::Expression",
            "params::names::Endpoint",
            "params::names::ExternalId",
            "params::names::Region",
            "params::names::RoleArn",
            "params::plan::Object",
            "params::plan::Part",
            "params::plan::Pod",
            "config::command::WhoAmIOptions",
        ],
    ),
    (
        "our own sentences about a file or a manifest that is no place for secrets, and is not quoted beyond names",
        &[
            "diagnostic::Diagnostic",
            "auth::source::Skipped",
            "cloud::endpoint::EndpointError",
            "grpc::proto::Error",
            "http::trust::RootError",
            "policy::file::Refusal",
            "params::problem::Place",
            "server::SocketTrouble",
            "server::path::Found",
            "commands::validate::report::Report",
            "commands::validate::report::Access",
            "config::command::PolicyCheck",
            "commands::validate::report::Verdict",
            "commands::validate::report::Class",
            "commands::validate::report::File",
            "commands::validate::report::Finding",
        ],
    ),
    (
        "the counts alone, or fixed words; what else it has cannot print, having no Debug",
        &[
            "sync::memory_budget::Budget",
            "sync::cancellation::Cancellation",
            "fetch::core::state::Core",
            "fetch::lane::Lane",
            "sync::context::Account",
            "h2::error::Reason",
            "health::readiness::Readiness",
            "http::dial::Dial",
            "http::interrupt::Interruptible",
            "http::tls::TlsConnector",
            "http::tls::TlsTransport",
            "metrics::Metrics",
            "metrics::text::Text",
            "server::Observer",
            "server::bind::BoundSocket",
        ],
    ),
    (
        "the C library's words for a failed lookup, without the name",
        &["http::lookup::LookupError"],
    ),
    ("a hash", &["fetch::volumes::Volume"]),
];

/// Types that no sample reaches, printed as a field of a sample.
const WITHIN: &[(&str, &str)] = &[("os::file::WatchedFile", "http::trust::CaFile")];

/// The modules with macros that derive `Debug`, where types are not seen, and why they hold no secret.
const MACROS: &[(&str, &str)] = &[
    ("grpc::status", "the status codes, without fields"),
    ("metrics::labels", "enumerations of labels, without fields"),
];

#[test]
fn no_debug_text_shows_a_secret() {
    let mut texts = Texts::default();
    samples::running(&mut texts);
    samples::made(&mut texts);
    samples::refused(&mut texts);
    for (inner, outer) in WITHIN {
        let name = inner.rsplit("::").next().unwrap_or_default();
        let shown = texts.texts[*outer].iter().find(|text| text.contains(name));
        let shown = shown
            .unwrap_or_else(|| panic!("{outer} does not print {inner}"))
            .clone();
        texts.named(inner, shown);
    }
    assert!(texts.canaries.len() > 20, "{} canaries", texts.canaries.len());
    assert_eq!(texts.leaks(), [] as [String; 0]);

    let (found, macros) = scan::types();
    let free: BTreeMap<&str, &str> = found
        .iter()
        .filter_map(|one| Some((one.path.as_str(), one.free.as_deref()?)))
        .collect();
    assert!(
        found.len() > 200 && free.len() > 90,
        "{} types, {} free",
        found.len(),
        free.len()
    );
    let reasoned: Vec<&str> = REASONS
        .iter()
        .flat_map(|(_, names)| names.iter().copied())
        .collect();
    let known: BTreeSet<&str> = reasoned
        .iter()
        .copied()
        .chain(texts.texts.keys().map(String::as_str))
        .collect();
    let forgotten: Vec<String> = free
        .iter()
        .filter(|(name, _)| !known.contains(*name))
        .map(|(name, why)| format!("{name}: {why}"))
        .collect();
    assert_eq!(
        forgotten,
        [] as [String; 0],
        "types whose Debug text could hold anything: print them in samples.rs, or say in REASONS why they hold no secret, or derive Debug for tests only"
    );
    let stale: Vec<&str> = reasoned
        .iter()
        .copied()
        .filter(|name| !free.contains_key(name) || texts.texts.contains_key(*name))
        .collect();
    assert_eq!(stale, [] as [&str; 0], "in REASONS without need");
    let known: Vec<&str> = MACROS.iter().map(|(module, _)| *module).collect();
    assert_eq!(macros, known, "macros that derive Debug");
}

/// The search finds a secret in each of its forms.
#[test]
fn a_leak_is_found() {
    #[derive(Debug)]
    struct Leaky<T>(T);
    let secret = "canary+/=é&%";
    let bytes = secret.as_bytes();
    let hex = |upper: bool| {
        let one = |byte: &u8| {
            if upper {
                format!("{byte:02X}")
            } else {
                format!("{byte:02x}")
            }
        };
        bytes.iter().map(one).collect::<String>()
    };
    let text = |text: String| format!("{:#?}", Leaky(text));
    for (shown, form) in [
        (text(secret.to_owned()), "itself"),
        (text(percent_encode(secret)), "percent-encoded"),
        (text(hex(false)), "hex"),
        (text(hex(true)), "HEX"),
        (format!("{:#?}", Leaky(bytes.to_vec())), "numbers"),
        (text(STANDARD_NO_PAD.encode(secret)), "base64"),
        (text(STANDARD_NO_PAD.encode(format!("a{secret}b"))), "base64"),
        (text(URL_SAFE_NO_PAD.encode(format!("ab{secret}"))), "base64"),
    ] {
        let mut texts = Texts::default();
        texts.canary(secret);
        texts.named("Leaky", shown);
        let leaks = texts.leaks();
        assert!(
            leaks.iter().any(|leak| leak.ends_with(&format!("as {form}"))),
            "{form}: {leaks:?}"
        );
    }
}

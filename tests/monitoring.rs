//! The chart's alerts and dashboard against `/metrics`: every metric that they name exists, with the labels and the
//! values that they ask for. So do the series on which the chart's checks try the alerts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use harness::FakeCloud;
use harness::driver::{Driver, Volume};
use harness::process::ProviderBuilder;

const ALERTS: &str = include_str!("../charts/csi-secrets-store-provider-alibabacloud/rules/alerts.yaml");
const DASHBOARD: &str =
    include_str!("../charts/csi-secrets-store-provider-alibabacloud/dashboards/provider.json");
const ALERT_TESTS: &str = include_str!("../harness/chart/alerts.yaml");
const OPERATIONS: &str = include_str!("../docs/operations.md");

/// Labels that Prometheus adds: by the target (`job`, `instance`, and what the monitors of the chart relabel), or the
/// histogram's own.
const FROM_OUTSIDE: [&str; 5] = ["job", "instance", "node", "pod", "namespace"];

/// Metrics of the provider with each label's values.
type Exposed = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// What a provider exposes that has mounted and has failed to mount.
fn exposed() -> Exposed {
    let free = TcpListener::bind("127.0.0.1:0").expect("port");
    let port = free.local_addr().expect("address").port();
    drop(free);
    let cloud = FakeCloud::start().expect("fake cloud");
    let (id, secret) = cloud.access_key();
    let url = cloud.http_url();
    let provider = ProviderBuilder::new(env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud"))
        .argument(format!("--healthz-port={port}"))
        .argument(format!("--kms-endpoint={url}"))
        .argument(format!("--oos-endpoint={url}"))
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret)
        .start()
        .expect("provider");
    let driver = Driver::new(provider.socket());
    for (objects, succeeds) in [
        ("- objectName: test\n  objectType: oos\n", true),
        ("- objectName: missing\n", false),
    ] {
        let answer = driver.mount(Volume::new([("objects", objects), ("region", "cn-hangzhou")]).request());
        assert_eq!(answer.is_ok(), succeeds, "{answer:?}");
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("health port");
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").expect("request");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("answer");
    let (_, body) = text.split_once("\r\n\r\n").expect("a head");
    let mut exposed = Exposed::new();
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let metric = exposed.entry(name.to_owned()).or_default();
        for pair in labels
            .trim_end_matches('}')
            .split(',')
            .filter(|pair| !pair.is_empty())
        {
            let (label, value) = pair.split_once('=').expect("a label");
            let values = metric.entry(label.to_owned()).or_default();
            values.insert(value.trim_matches('"').to_owned());
        }
    }
    exposed
}

/// The `expr` of every alert and of every panel, and the `series` of every test of an alert.
fn expressions() -> Vec<String> {
    let mut expressions = Vec::new();
    let rules: serde_json::Value = serde_saphyr::from_str(ALERTS).expect("YAML");
    let board: serde_json::Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let tests: serde_json::Value = serde_saphyr::from_str(ALERT_TESTS).expect("YAML");
    let series = tests["tests"]
        .as_array()
        .expect("tests")
        .iter()
        .map(|test| &test["input_series"]);
    let mut pending: Vec<_> = [&rules, &board].into_iter().chain(series).collect();
    while let Some(value) = pending.pop() {
        let expression = value.get("expr").or_else(|| value.get("series"));
        // Prometheus makes this one itself, for each target.
        if let Some(expression) = expression
            .and_then(serde_json::Value::as_str)
            .filter(|it| !it.starts_with("up{"))
        {
            expressions.push(expression.to_owned());
        }
        match value {
            serde_json::Value::Array(items) => pending.extend(items),
            serde_json::Value::Object(fields) => pending.extend(fields.values()),
            _ => {}
        }
    }
    expressions
}

/// A condition in the braces of an expression.
struct Condition {
    label: String,
    is_pattern: bool,
    value: String,
}

/// The metrics of an expression, each with the conditions in its braces.
fn metrics_of(expression: &str) -> Vec<(String, Vec<Condition>)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in expression
        .match_indices("alibabacloud_provider_")
        .chain(expression.match_indices("process_"))
    {
        if expression[..at].ends_with(is_word) {
            continue;
        }
        let name: String = expression[at..].chars().take_while(|c| is_word(*c)).collect();
        let rest = &expression[at + name.len()..];
        let conditions = match rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            Some((conditions, _)) => conditions.split(',').map(condition).collect(),
            None => Vec::new(),
        };
        found.push((name, conditions));
    }
    found
}

/// `label="value"` or `label=~"pattern"`.
fn condition(text: &str) -> Condition {
    let (label, value) = text.split_once('=').expect("a condition");
    let is_pattern = value.starts_with('~');
    let value = value.trim_start_matches('~').trim_matches('"');
    Condition {
        label: label.trim().to_owned(),
        is_pattern,
        value: value.to_owned(),
    }
}

#[test]
fn alerts_and_dashboard_use_only_metrics_that_exist() {
    let exposed = exposed();
    let mut used = BTreeSet::new();
    for expression in expressions() {
        let metrics = metrics_of(&expression);
        assert!(!metrics.is_empty(), "no metric of the provider in {expression}");
        for (name, conditions) in metrics {
            let labels = exposed
                .get(&name)
                .unwrap_or_else(|| panic!("/metrics has no {name}, which is used in {expression}"));
            for Condition {
                label,
                is_pattern,
                value,
            } in conditions
            {
                if FROM_OUTSIDE.contains(&label.as_str()) {
                    continue;
                }
                let values = labels
                    .get(&label)
                    .unwrap_or_else(|| panic!("{name} has no label {label}, which is used in {expression}"));
                let wanted: Vec<&str> = if is_pattern {
                    value.split('|').collect()
                } else {
                    vec![&value]
                };
                for value in wanted {
                    assert!(
                        values.contains(value),
                        "{name} never has {label}={value:?}: {values:?}"
                    );
                }
            }
            used.insert(name);
        }
        for clause in expression.split("by (").skip(1) {
            let (labels, rest) = clause.split_once(')').expect("labels");
            let after: Vec<String> = metrics_of(rest).into_iter().map(|(name, _)| name).collect();
            let first = after
                .first()
                .unwrap_or_else(|| panic!("nothing is summed in {expression}"));
            for label in labels.split(',').map(str::trim) {
                assert!(
                    FROM_OUTSIDE.contains(&label) || exposed[first].contains_key(label),
                    "{first} has no label {label}, by which {expression} sums"
                );
            }
        }
    }
    assert!(used.len() >= 20, "{used:?}");
}

#[test]
fn every_metric_is_in_the_documentation_and_every_documented_one_exists() {
    let exposed = exposed();
    let family = |name: &str| {
        let name = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| {
                name.strip_suffix(suffix)
                    .filter(|name| name.ends_with("_seconds"))
            })
            .unwrap_or(name);
        name.to_owned()
    };
    let families: BTreeSet<String> = exposed.keys().map(|name| family(name)).collect();
    let (_, section) = OPERATIONS
        .split_once("\n## Metrics\n")
        .expect("a section on metrics");
    let section = section.split("\n## ").next().expect("section");
    let documented: BTreeSet<String> = section
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| `")?
                .split_once('`')
                .map(|(name, _)| name.to_owned())
        })
        .map(|name| {
            if name.starts_with("process_") {
                name
            } else {
                format!("alibabacloud_provider_{name}")
            }
        })
        .collect();
    assert_eq!(families, documented);
}

#[test]
fn every_alert_is_in_the_documentation() {
    let rules: serde_json::Value = serde_saphyr::from_str(ALERTS).expect("YAML");
    let mut alerts = 0;
    for rule in rules["groups"][0]["rules"].as_array().expect("rules") {
        let name = rule["alert"].as_str().expect("a name");
        assert!(
            OPERATIONS.contains(&format!("| `{name}` |")),
            "docs/operations.md says nothing of {name}"
        );
        alerts += 1;
    }
    assert!(alerts >= 10, "{alerts} alerts");
}

//! Metrics of the provider's work, for `/metrics`.
//!
//! Every label has a fixed set of values, so that nothing a pod or the cloud says can make the exposition grow.
//! Counting takes no lock. [`Metrics`] is a handle: clones count into the same numbers.

mod family;
mod kind;
mod labels;
mod process;
mod text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use kind::{Counter, Gauge, Histogram, InFlight};
pub use labels::{Denial, Identity, Outcome, Resolution, Service, SharedCopy};
pub use text::Text;

use family::Family;
use labels::{CALLS, OF_VALUES};

/// The metrics of one provider. Clones share the same values.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Registry>);

struct Registry {
    mounts_running: Family<Gauge, 0>,
    mount_duration: Family<Histogram, 1>,
    calls: Family<Counter, 3>,
    call_duration: Family<Histogram, 2>,
    retries: Family<Counter, 1>,
    lookups: Family<Counter, 1>,
    last_success: Family<Gauge, 1>,
    shared_copies: Family<Counter, 2>,
    refresh_failures: Family<Counter, 2>,
    under_refresh: Family<Gauge, 0>,
    stale_served: Family<Counter, 1>,
    stale_kept: Family<Gauge, 0>,
    credential_refreshes: Family<Counter, 2>,
    credential_expiry: Family<Gauge, 1>,
    denied: Family<Counter, 1>,
    log_suppressed: Family<Counter, 0>,
    started: Gauge,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            mounts_running: Family::single("mounts_running", "Mounts being processed."),
            mount_duration: Family::by(
                "mount_duration_seconds",
                "Duration of mounts in seconds, by result.",
                "result",
                &RESULTS,
            ),
            calls: Family::new(
                "backend_calls_total",
                "Calls to the cloud, including retries, by service, action and outcome.",
                ["service", "action", "outcome"],
                actions().flat_map(|[service, action]| {
                    Outcome::NAMES
                        .iter()
                        .map(move |outcome| [service, action, outcome])
                }),
            ),
            call_duration: Family::new(
                "backend_call_duration_seconds",
                "Duration of call attempts in seconds, by service and action.",
                ["service", "action"],
                actions(),
            ),
            retries: Family::by(
                "backend_retries_total",
                "Retries of calls, by service.",
                "service",
                Service::NAMES,
            ),
            lookups: Family::by(
                "lookups_total",
                "DNS lookups for new connections, by outcome (ok, not_found, failed, stale).",
                "outcome",
                Resolution::NAMES,
            ),
            last_success: Family::by(
                "backend_last_success_timestamp_seconds",
                "Time of the last successful answer in seconds since the epoch, by service; 0 if none.",
                "service",
                Service::NAMES,
            ),
            shared_copies: Family::new(
                "shared_copies_total",
                "Values served without a separate call, by service and how (cached, coalesced).",
                ["service", "how"],
                pairs(OF_VALUES, SharedCopy::NAMES),
            ),
            refresh_failures: Family::new(
                "refresh_failures_total",
                "Failed refreshes of values of running pods, by service and outcome; no pod event reports them.",
                ["service", "outcome"],
                pairs(OF_VALUES, Outcome::NAMES).filter(|[_, outcome]| *outcome != Outcome::Ok.name()),
            ),
            under_refresh: Family::single("objects_under_refresh", "Refreshed objects of running pods."),
            stale_served: Family::by(
                "stale_values_served_total",
                "Old values served because the cloud was out of reach or throttled, by service.",
                "service",
                OF_VALUES,
            ),
            stale_kept: Family::single("stale_values_kept", "Values kept for an outage."),
            credential_refreshes: Family::new(
                "credential_refreshes_total",
                "Requests for temporary credentials, by source and result.",
                ["source", "result"],
                pairs(Identity::NAMES, &RESULTS),
            ),
            credential_expiry: Family::by(
                "credential_expiry_timestamp_seconds",
                "Expiry of the credentials renewed last in seconds since the epoch, by source; 0 if none.",
                "source",
                Identity::NAMES,
            ),
            denied: Family::by(
                "access_denied_total",
                "Mounts denied by the access policy, by reason.",
                "reason",
                Denial::NAMES,
            ),
            log_suppressed: Family::single(
                "log_lines_suppressed_total",
                "Log lines suppressed by the rate limit.",
            ),
            started: Gauge::default(),
        }
    }
}

/// Each action with its service, and one for what is not listed.
fn actions() -> impl Iterator<Item = [&'static str; 2]> {
    let known = CALLS.iter().map(|(service, action)| [service.name(), *action]);
    known.chain([OTHER])
}

const OTHER: [&str; 2] = ["other", "other"];

const RESULTS: [&str; 2] = ["success", "failure"];

fn result(succeeded: bool) -> &'static str {
    let [success, failure] = RESULTS;
    if succeeded { success } else { failure }
}

fn pairs(
    first: &'static [&'static str],
    second: &'static [&'static str],
) -> impl Iterator<Item = [&'static str; 2]> {
    first
        .iter()
        .flat_map(|first| second.iter().map(move |second| [*first, *second]))
}

impl Metrics {
    /// Metrics that are all zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the process's start time, in seconds since the epoch.
    pub fn started(&self, seconds: i64) {
        self.0.started.set(seconds);
    }

    /// Counts a mount as running until the guard is dropped.
    pub fn mount_begins(&self) -> InFlight<'_> {
        InFlight::new(self.0.mounts_running.of([]))
    }

    /// Records a finished mount and its duration.
    pub fn mount_took(&self, succeeded: bool, elapsed: Duration) {
        self.0.mount_duration.of([result(succeeded)]).observe(elapsed);
    }

    /// Records one attempt of a call. `action` is the API's name; one that is missing in the table of actions
    /// is counted as `other`. `now` is in seconds since the epoch.
    pub fn backend_call(&self, action: &str, outcome: Outcome, elapsed: Duration, now: i64) {
        let known = actions().find(|[_, known]| *known == action);
        let [service, action] = known.unwrap_or(OTHER);
        self.0.calls.of([service, action, outcome.name()]).increment();
        self.0.call_duration.of([service, action]).observe(elapsed);
        if outcome == Outcome::Ok {
            self.0.last_success.of([service]).set(now);
        }
    }

    /// Records a retry of a call to `service`.
    pub fn retry(&self, service: Service) {
        self.0.retries.of([service.name()]).increment();
    }

    /// Records a value of `service` that was served without a separate call.
    pub fn shared_copy(&self, service: Service, how: SharedCopy) {
        self.0.shared_copies.of([service.name(), how.name()]).increment();
    }

    /// Records how the name of a new connection's host was resolved.
    pub fn resolved(&self, how: Resolution) {
        self.0.lookups.of([how.name()]).increment();
    }

    /// Records a failed refresh of a running pod's value. The driver hides such failures from the pod's events.
    pub fn refresh_failed(&self, service: Service, outcome: Outcome) {
        self.0
            .refresh_failures
            .of([service.name(), outcome.name()])
            .increment();
    }

    /// Sets the number of objects of running pods that are refreshed.
    pub fn objects_under_refresh(&self, count: usize) {
        self.0
            .under_refresh
            .of([])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Records an old value of `service` that was served because the cloud is out of reach or throttles.
    pub fn stale_value_served(&self, service: Service) {
        self.0.stale_served.of([service.name()]).increment();
    }

    /// Sets the number of values kept for an outage.
    pub fn stale_values_kept(&self, count: usize) {
        self.0
            .stale_kept
            .of([])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Records renewed temporary credentials, which expire at `expires`, in seconds since the epoch.
    pub fn credentials_renewed(&self, identity: Identity, expires: i64) {
        self.0
            .credential_refreshes
            .of([identity.name(), result(true)])
            .increment();
        self.0.credential_expiry.of([identity.name()]).set(expires);
    }

    /// Records a failed renewal of temporary credentials.
    pub fn credentials_not_renewed(&self, identity: Identity) {
        self.0
            .credential_refreshes
            .of([identity.name(), result(false)])
            .increment();
    }

    /// Records a mount that the access policy denied.
    pub fn denied(&self, why: Denial) {
        self.0.denied.of([why.name()]).increment();
    }

    /// Records a log line that the rate limit suppressed.
    pub fn log_suppressed(&self) {
        self.0.log_suppressed.of([]).increment();
    }

    /// Writes everything except the server's metrics.
    pub fn write(&self, text: &mut Text) {
        let families = &*self.0;
        families.mounts_running.write(text);
        families.mount_duration.write(text);
        families.calls.write(text);
        families
            .call_duration
            .write_those(text, |histogram| histogram.count() > 0);
        families.retries.write(text);
        families.lookups.write(text);
        text.family(
            "counter",
            "backend_throttled_total",
            "Throttled calls, by service.",
        );
        for service in Service::NAMES {
            let throttled = actions().filter(|[of, _]| of == service).map(|[_, action]| {
                families
                    .calls
                    .of([service, action, Outcome::Throttled.name()])
                    .value()
            });
            text.value(&[("service", service)], throttled.sum::<u64>());
        }
        families.last_success.write(text);
        families.shared_copies.write(text);
        families.refresh_failures.write(text);
        families.under_refresh.write(text);
        families.stale_served.write(text);
        families.stale_kept.write(text);
        families.credential_refreshes.write(text);
        families.credential_expiry.write(text);
        families.denied.write(text);
        families.log_suppressed.write(text);
        text.family("gauge", "build_info", "Always 1; the version is a label.");
        text.value(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        process::write(text, families.started.value());
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(metrics: &Metrics) -> String {
        let mut text = Text::default();
        metrics.write(&mut text);
        text.into_string()
    }

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|it| it == line), "{line} is missing in:\n{text}");
    }

    #[test]
    fn a_call_is_counted_timed_and_remembered() {
        let metrics = Metrics::new();
        let second = Duration::from_secs(1);
        metrics
            .clone()
            .backend_call("GetSecretParameter", Outcome::Ok, second, 1_700_000_000);
        metrics.backend_call("GetSecretParameter", Outcome::Throttled, second, 1_700_000_009);
        let text = written(&metrics);
        has(
            &text,
            r#"alibabacloud_provider_backend_calls_total{service="oos",action="GetSecretParameter",outcome="ok"} 1"#,
        );
        has(
            &text,
            r#"alibabacloud_provider_backend_throttled_total{service="oos"} 1"#,
        );
        has(
            &text,
            r#"alibabacloud_provider_backend_throttled_total{service="kms"} 0"#,
        );
        has(
            &text,
            r#"alibabacloud_provider_backend_last_success_timestamp_seconds{service="oos"} 1700000000"#,
        );
        has(
            &text,
            r#"alibabacloud_provider_backend_call_duration_seconds_sum{service="oos",action="GetSecretParameter"} 2"#,
        );
        assert!(!text.contains(r#"duration_seconds_sum{service="kms""#), "{text}");
    }

    #[test]
    fn an_action_that_nobody_listed_is_other() {
        let metrics = Metrics::new();
        let before = written(&metrics).lines().count();
        metrics.backend_call("Evil\"} 1\n", Outcome::Broken, Duration::ZERO, 0);
        let text = written(&metrics);
        has(
            &text,
            r#"alibabacloud_provider_backend_calls_total{service="other",action="other",outcome="broken"} 1"#,
        );
        assert!(!text.contains("Evil"), "{text}");
        let histogram = 3 + Histogram::BOUNDS.len();
        assert_eq!(text.lines().count(), before + histogram);
    }

    #[test]
    fn running_mounts_are_those_whose_guard_lives() {
        let metrics = Metrics::new();
        let one = metrics.mount_begins();
        let two = metrics.mount_begins();
        has(&written(&metrics), "alibabacloud_provider_mounts_running 2");
        drop(one);
        drop(two);
        has(&written(&metrics), "alibabacloud_provider_mounts_running 0");
    }

    /// Each metric is written once, with its help and type before its samples.
    #[test]
    fn the_whole_text_is_well_formed() {
        let metrics = Metrics::new();
        metrics.mount_took(true, Duration::from_millis(3));
        metrics.mount_took(false, Duration::from_secs(3600));
        metrics.retry(Service::Kms);
        metrics.shared_copy(Service::Oos, SharedCopy::Coalesced);
        metrics.refresh_failed(Service::Kms, Outcome::Denied);
        metrics.objects_under_refresh(7);
        metrics.stale_value_served(Service::Kms);
        metrics.stale_values_kept(9);
        metrics.credentials_renewed(Identity::WorkerRole, 1_800_000_000);
        metrics.credentials_not_renewed(Identity::OidcRole);
        metrics.denied(Denial::Rules);
        metrics.log_suppressed();
        let text = written(&metrics);
        let mut seen = std::collections::BTreeSet::new();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                family = rest.split(' ').next().expect("name").to_owned();
                assert!(seen.insert(family.clone()), "{family} twice");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                assert!(rest.starts_with(&format!("{family} ")), "{line}");
            } else {
                assert!(line.starts_with(&family), "{line} below {family}");
                let value = line.rsplit(' ').next().expect("value");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        has(
            &text,
            r#"alibabacloud_provider_mount_duration_seconds_bucket{result="success",le="0.005"} 1"#,
        );
        has(
            &text,
            r#"alibabacloud_provider_mount_duration_seconds_bucket{result="failure",le="120"} 0"#,
        );
        has(
            &text,
            r#"alibabacloud_provider_mount_duration_seconds_bucket{result="failure",le="+Inf"} 1"#,
        );
        has(
            &text,
            r#"alibabacloud_provider_credential_refreshes_total{source="worker_role",result="success"} 1"#,
        );
        has(
            &text,
            r#"alibabacloud_provider_credential_refreshes_total{source="oidc_role",result="failure"} 1"#,
        );
        has(
            &text,
            r#"alibabacloud_provider_refresh_failures_total{service="kms",outcome="denied"} 1"#,
        );
        has(
            &text,
            r#"alibabacloud_provider_shared_copies_total{service="oos",how="coalesced"} 1"#,
        );
        has(&text, "alibabacloud_provider_objects_under_refresh 7");
        has(
            &text,
            r#"alibabacloud_provider_stale_values_served_total{service="kms"} 1"#,
        );
        has(&text, "alibabacloud_provider_stale_values_kept 9");
        has(
            &text,
            r#"alibabacloud_provider_access_denied_total{reason="rules"} 1"#,
        );
        has(
            &text,
            r#"alibabacloud_provider_access_denied_total{reason="no_policy"} 0"#,
        );
    }
}

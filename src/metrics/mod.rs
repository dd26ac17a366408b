//! What the provider counts about its work, for `/metrics`.
//!
//! Every label has a fixed set of values, so that nothing a pod or the cloud says can make the exposition grow.
//! Counting takes no lock. [`Metrics`] is a handle: clones count into the same numbers.

mod kind;
mod process;
mod table;
mod text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use kind::{Counter, Gauge, Histogram, InFlight};
pub use table::{Denial, Identity, Outcome, Service, SharedCopy};
pub use text::Text;

use table::{CALLS, Table};

/// The numbers of one provider. Clones are handles on the same ones.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Registry>);

struct Registry {
    mounts_running: Gauge,
    mount_succeeded: Histogram,
    mount_failed: Histogram,
    calls: Vec<Calls>,
    retries: Table<Service, Counter>,
    last_success: Table<Service, Gauge>,
    shared: Table<Service, Table<SharedCopy, Counter>>,
    refresh_failures: Table<Service, Table<Outcome, Counter>>,
    under_refresh: Gauge,
    stale_served: Table<Service, Counter>,
    stale_kept: Gauge,
    renewed: Table<Identity, Counter>,
    renewal_failed: Table<Identity, Counter>,
    expiry: Table<Identity, Gauge>,
    denied: Table<Denial, Counter>,
    log_suppressed: Counter,
    started: Gauge,
}

/// What is known of one action of one service.
#[derive(Default)]
struct Calls {
    outcomes: Table<Outcome, Counter>,
    durations: Histogram,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            mounts_running: Gauge::default(),
            mount_succeeded: Histogram::default(),
            mount_failed: Histogram::default(),
            // One entry more than the table, for an action that it does not hold.
            calls: CALLS
                .iter()
                .map(|_| Calls::default())
                .chain([Calls::default()])
                .collect(),
            retries: Table::default(),
            last_success: Table::default(),
            shared: Table::default(),
            refresh_failures: Table::default(),
            under_refresh: Gauge::default(),
            stale_served: Table::default(),
            stale_kept: Gauge::default(),
            renewed: Table::default(),
            renewal_failed: Table::default(),
            expiry: Table::default(),
            denied: Table::default(),
            log_suppressed: Counter::default(),
            started: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Numbers that are all zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// The process began at `seconds` since the epoch.
    pub fn started(&self, seconds: i64) {
        self.0.started.set(seconds);
    }

    /// A Mount is being worked on until the guard is dropped.
    pub fn mount_begins(&self) -> InFlight<'_> {
        InFlight::new(&self.0.mounts_running)
    }

    /// A Mount's handler is done after so much time.
    pub fn mount_took(&self, succeeded: bool, elapsed: Duration) {
        let histogram = if succeeded {
            &self.0.mount_succeeded
        } else {
            &self.0.mount_failed
        };
        histogram.observe(elapsed);
    }

    /// One try of one call to the cloud. `action` as the API names it; one that is missing in the table of actions
    /// is counted as `other`. `now` is in seconds since the epoch.
    pub fn backend_call(&self, action: &str, outcome: Outcome, elapsed: Duration, now: i64) {
        let at = CALLS.iter().position(|(_, known)| *known == action);
        let Some(calls) = self.0.calls.get(at.unwrap_or(CALLS.len())) else {
            return;
        };
        calls.outcomes.of(outcome).increment();
        calls.durations.observe(elapsed);
        if let (Outcome::Ok, Some((service, _))) = (outcome, at.and_then(|at| CALLS.get(at))) {
            self.0.last_success.of(*service).set(now);
        }
    }

    /// A call to `service` is tried again.
    pub fn retry(&self, service: Service) {
        self.0.retries.of(service).increment();
    }

    /// A value of `service` was given from a copy instead of asking for it.
    pub fn shared_copy(&self, service: Service, how: SharedCopy) {
        self.0.shared.of(service).of(how).increment();
    }

    /// A value that a pod has already could not be refreshed. The driver hides such failures from the pod's events.
    pub fn refresh_failed(&self, service: Service, outcome: Outcome) {
        self.0.refresh_failures.of(service).of(outcome).increment();
    }

    /// How many objects are kept up to date at present.
    pub fn objects_under_refresh(&self, count: usize) {
        self.0.under_refresh.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A value of `service` that was read a while ago was given to a pod, as the cloud is out of reach or throttles.
    pub fn stale_value_served(&self, service: Service) {
        self.0.stale_served.of(service).increment();
    }

    /// How many values are kept for outages at present.
    pub fn stale_values_kept(&self, count: usize) {
        self.0.stale_kept.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Temporary credentials were renewed, and end at `expires`, in seconds since the epoch.
    pub fn credentials_renewed(&self, identity: Identity, expires: i64) {
        self.0.renewed.of(identity).increment();
        self.0.expiry.of(identity).set(expires);
    }

    /// Temporary credentials could not be renewed.
    pub fn credentials_not_renewed(&self, identity: Identity) {
        self.0.renewal_failed.of(identity).increment();
    }

    /// The access policy denied a Mount.
    pub fn denied(&self, why: Denial) {
        self.0.denied.of(why).increment();
    }

    /// A log line was swallowed, for there were too many of its kind.
    pub fn log_suppressed(&self) {
        self.0.log_suppressed.increment();
    }

    /// Writes everything but what the edge knows.
    pub fn write(&self, text: &mut Text) {
        let Registry {
            mounts_running,
            mount_succeeded,
            mount_failed,
            calls,
            retries,
            last_success,
            shared,
            refresh_failures,
            under_refresh,
            stale_served,
            stale_kept,
            renewed,
            renewal_failed,
            expiry,
            denied,
            log_suppressed,
            started,
        } = &*self.0;
        text.gauge("mounts_running", "Mounts that a worker is busy with.");
        text.value(&[], mounts_running.value());
        text.histogram(
            "mount_duration_seconds",
            "Time that the handler of a Mount took, by result.",
        );
        text.buckets(&[("result", "success")], mount_succeeded);
        text.buckets(&[("result", "failure")], mount_failed);

        let named = || {
            let other = [("other", "other")];
            let known = CALLS.iter().map(|(service, action)| (service.name(), *action));
            calls.iter().zip(known.chain(other))
        };
        text.counter(
            "backend_calls_total",
            "Calls to the cloud, each try for itself, by outcome.",
        );
        for (calls, (service, action)) in named() {
            for (outcome, count) in calls.outcomes.entries() {
                let labels = [
                    ("service", service),
                    ("action", action),
                    ("outcome", outcome.name()),
                ];
                text.value(&labels, count.value());
            }
        }
        text.histogram(
            "backend_call_duration_seconds",
            "Time that a try of a call took; actions that were never called are left out.",
        );
        for (calls, (service, action)) in named().filter(|(calls, _)| calls.durations.count() > 0) {
            text.buckets(&[("service", service), ("action", action)], &calls.durations);
        }
        text.counter("backend_retries_total", "Calls that were tried again.");
        by_service(text, retries, Counter::value);
        text.counter(
            "backend_throttled_total",
            "Calls that the cloud refused for their number.",
        );
        for (service, _) in retries.entries() {
            let of_service = CALLS.iter().zip(calls).filter(|((of, _), _)| *of == service);
            let throttled = of_service.map(|(_, calls)| calls.outcomes.of(Outcome::Throttled).value());
            text.value(&[("service", service.name())], throttled.sum::<u64>());
        }
        text.gauge(
            "backend_last_success_timestamp_seconds",
            "When a service last answered well, in seconds since the epoch; 0 if it has not.",
        );
        by_service(text, last_success, Gauge::value);

        text.counter(
            "shared_copies_total",
            "Values given without asking the cloud for them once more: cached, or coalesced with a call under way.",
        );
        for (service, table) in shared.entries().filter(|(service, _)| service.holds_values()) {
            for (how, count) in table.entries() {
                text.value(&[("service", service.name()), ("how", how.name())], count.value());
            }
        }
        text.counter(
            "refresh_failures_total",
            "Values of running pods that could not be refreshed; the driver does not report these to the pod.",
        );
        for (service, table) in refresh_failures
            .entries()
            .filter(|(service, _)| service.holds_values())
        {
            for (outcome, count) in table.entries().filter(|(outcome, _)| *outcome != Outcome::Ok) {
                text.value(
                    &[("service", service.name()), ("outcome", outcome.name())],
                    count.value(),
                );
            }
        }
        text.gauge("objects_under_refresh", "Objects that are kept up to date.");
        text.value(&[], under_refresh.value());
        text.counter(
            "stale_values_served_total",
            "Values given as they were read a while ago, as the cloud was out of reach or throttled.",
        );
        let of_values = stale_served
            .entries()
            .filter(|(service, _)| service.holds_values());
        for (service, count) in of_values {
            text.value(&[("service", service.name())], count.value());
        }
        text.gauge(
            "stale_values_kept",
            "Values that are kept to be served in an outage.",
        );
        text.value(&[], stale_kept.value());

        text.counter("credential_refreshes_total", "Temporary credentials asked for.");
        for ((identity, renewed), (_, failed)) in renewed.entries().zip(renewal_failed.entries()) {
            let source = ("source", identity.name());
            text.value(&[source, ("result", "success")], renewed.value());
            text.value(&[source, ("result", "failure")], failed.value());
        }
        text.gauge(
            "credential_expiry_timestamp_seconds",
            "When the credentials that were renewed last end, in seconds since the epoch; 0 if there are none.",
        );
        for (identity, expiry) in expiry.entries() {
            text.value(&[("source", identity.name())], expiry.value());
        }

        text.counter(
            "access_denied_total",
            "Mounts that the access policy denied: by its rules, or because none could be read so far.",
        );
        for (why, count) in denied.entries() {
            text.value(&[("reason", why.name())], count.value());
        }
        text.counter(
            "log_lines_suppressed_total",
            "Log lines swallowed for there were too many of their kind.",
        );
        text.value(&[], log_suppressed.value());
        text.gauge("build_info", "Always 1; the version is a label.");
        text.value(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        process::write(text, started.value());
    }
}

fn by_service<M: Default, V: fmt::Display>(
    text: &mut Text,
    table: &Table<Service, M>,
    value: impl Fn(&M) -> V,
) {
    for (service, metric) in table.entries() {
        text.value(&[("service", service.name())], value(metric));
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

    /// Everything that can be counted shows, each family once, with its help and type before its samples.
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

//! Faults by rule: which requests, how often, and what goes wrong with them.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};

use serde::Deserialize;

use crate::error::Dialect;
use crate::service::Service;
use crate::state::policy::matches;

/// A rule. It applies to a request if all its filters do; an absent filter lets everything through.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Only this service.
    #[serde(default)]
    pub service: Option<Service>,
    /// Only this operation, or for path-like services this path. `*` and `?` are wildcards here and below.
    #[serde(default)]
    pub action: Option<String>,
    /// Only this secret, parameter or role.
    #[serde(default)]
    pub name: Option<String>,
    /// Only callers with this ARN.
    #[serde(default)]
    pub identity: Option<String>,
    /// Lets that many matching requests pass first.
    #[serde(default)]
    pub skip: u64,
    /// Applies to that many requests, then no more.
    #[serde(default)]
    pub times: Option<u64>,
    /// Applies to each request with this probability, 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// Chooses the sequence of chances and jitters.
    #[serde(default)]
    pub seed: u64,
    /// What happens.
    pub then: Fault,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// An API error; the operation is not performed.
    Error {
        /// The HTTP status.
        status: u16,
        /// The API's code.
        code: String,
        /// The text.
        #[serde(default)]
        message: String,
        /// The body's shape; the service's own if absent.
        #[serde(default)]
        dialect: Option<Dialect>,
    },
    /// A given answer instead of the real one; the operation is not performed.
    Answer {
        /// The HTTP status.
        #[serde(default = "ok")]
        status: u16,
        /// The content type.
        #[serde(default = "json")]
        content_type: String,
        /// The body.
        body: String,
    },
    /// A wait before the answer.
    Delay {
        /// Milliseconds.
        ms: u64,
        /// Up to so many milliseconds more.
        #[serde(default)]
        jitter_ms: u64,
    },
    /// A wait until the rule is released or cleared.
    Hold,
    /// The connection is closed.
    Cut(CutPoint),
}

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutPoint {
    /// Nothing is sent.
    BeforeHead,
    /// The head is sent.
    BeforeBody,
    /// The head and half the body are sent.
    InsideBody,
    /// Everything is sent, with a promise to keep the connection.
    AfterBody,
}

impl FaultRule {
    /// A rule for every request, for good.
    pub fn new(then: Fault) -> Self {
        Self {
            service: None,
            action: None,
            name: None,
            identity: None,
            skip: 0,
            times: None,
            probability: 1.0,
            seed: 0,
            then,
        }
    }

    /// Only this service.
    pub fn service(mut self, service: Service) -> Self {
        self.service = Some(service);
        self
    }

    /// Only this operation or path; may hold wildcards.
    pub fn action(mut self, action: &str) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Only this secret, parameter or role; may hold wildcards.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only callers with this ARN; may hold wildcards.
    pub fn identity(mut self, arn: &str) -> Self {
        self.identity = Some(arn.into());
        self
    }

    /// Only after that many matching requests.
    pub fn skip(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Only that many times.
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }

    /// Only with this probability, 0 to 1; the seed makes it repeatable.
    pub fn probability(mut self, probability: f64, seed: u64) -> Self {
        (self.probability, self.seed) = (probability, seed);
        self
    }

    fn applies_to(&self, subject: &Subject<'_>) -> bool {
        let fits = |filter: &Option<String>, value: Option<&str>| {
            filter
                .as_deref()
                .is_none_or(|pattern| value.is_some_and(|value| matches(pattern, value)))
        };
        self.service.is_none_or(|service| service == subject.service)
            && fits(&self.action, subject.action)
            && fits(&self.name, subject.name)
            && fits(&self.identity, subject.identity)
    }
}

impl Fault {
    /// An API error in the service's own dialect.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Error {
            status,
            code: code.into(),
            message: message.into(),
            dialect: None,
        }
    }
}

/// What a rule's filters look at.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The service.
    pub service: Service,
    /// The operation, or the path of path-like services.
    pub action: Option<&'a str>,
    /// The secret, parameter or role.
    pub name: Option<&'a str>,
    /// The caller's ARN, if the request was authenticated.
    pub identity: Option<&'a str>,
}

/// Names an active rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FaultId(pub u64);

/// The active rules, and the requests they hold.
#[derive(Debug, Default)]
pub struct Faults {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    next_id: u64,
    active: Vec<Active>,
    /// Requests held, by rule.
    held: BTreeMap<FaultId, usize>,
    stopping: bool,
}

#[derive(Debug)]
struct Active {
    id: FaultId,
    rule: FaultRule,
    matched: u64,
    fired: u64,
}

impl Active {
    /// Counts a matching request and decides whether the rule strikes.
    fn strikes(&mut self) -> bool {
        self.matched += 1;
        let due = self.matched > self.rule.skip && self.rule.times.is_none_or(|times| self.fired < times);
        let chance = unit_interval(self.rule.seed, self.matched);
        let strikes = due && chance < self.rule.probability;
        self.fired += u64::from(strikes);
        strikes
    }
}

impl Faults {
    /// Adds a rule behind the others.
    pub fn inject(&self, rule: FaultRule) -> FaultId {
        let mut inner = self.lock();
        inner.next_id += 1;
        let id = FaultId(inner.next_id);
        inner.active.push(Active {
            id,
            rule,
            matched: 0,
            fired: 0,
        });
        id
    }

    /// The faults that strike this request, each with a number in 0..1 for its jitter, in the order of the rules.
    pub fn strike(&self, subject: &Subject<'_>) -> Vec<(FaultId, Fault, f64)> {
        let mut inner = self.lock();
        let matching = inner
            .active
            .iter_mut()
            .filter(|active| active.rule.applies_to(subject));
        matching
            .filter_map(|active| {
                active.strikes().then(|| {
                    let jitter = unit_interval(!active.rule.seed, active.matched);
                    (active.id, active.rule.then.clone(), jitter)
                })
            })
            .collect()
    }

    /// Blocks until the rule is gone.
    pub fn hold(&self, id: FaultId) {
        let mut inner = self.lock();
        *inner.held.entry(id).or_default() += 1;
        self.changed.notify_all();
        let waiting =
            |inner: &mut Inner| !inner.stopping && inner.active.iter().any(|active| active.id == id);
        let mut inner = self
            .changed
            .wait_while(inner, waiting)
            .expect("no code panics while it holds the rules");
        *inner.held.entry(id).or_insert(1) -= 1;
        self.changed.notify_all();
    }

    /// Blocks until so many requests are held.
    pub fn wait_for_held(&self, count: usize) {
        let few = |inner: &mut Inner| !inner.stopping && inner.held.values().sum::<usize>() < count;
        drop(
            self.changed
                .wait_while(self.lock(), few)
                .expect("no code panics while it holds the rules"),
        );
    }

    /// Removes a rule and lets go what it holds.
    pub fn release(&self, id: FaultId) {
        self.lock().active.retain(|active| active.id != id);
        self.changed.notify_all();
    }

    /// Removes all rules and lets go what they hold.
    pub fn clear(&self) {
        self.lock().active.clear();
        self.changed.notify_all();
    }

    /// Lets everything go for good.
    pub fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .expect("no code panics while it holds the rules")
    }
}

/// A number in 0..1 that looks random and depends on nothing but its arguments.
fn unit_interval(seed: u64, count: u64) -> f64 {
    let mut bits = seed.wrapping_add(count.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    f64::from((bits >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}

fn always() -> f64 {
    1.0
}

fn ok() -> u16 {
    200
}

fn json() -> String {
    "application/json;charset=utf-8".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject<'_> = Subject {
        service: Service::Kms,
        action: Some("GetSecretValue"),
        name: Some("a/b"),
        identity: None,
    };

    fn strikes(rule: FaultRule, requests: usize) -> Vec<bool> {
        let faults = Faults::default();
        faults.inject(rule);
        (0..requests)
            .map(|_| !faults.strike(&SUBJECT).is_empty())
            .collect()
    }

    #[test]
    fn filters_must_all_fit() {
        let rule = || FaultRule::new(Fault::Hold);
        for (rule, expected) in [
            (rule(), true),
            (rule().service(Service::Kms).action("Get*").name("a/*"), true),
            (rule().service(Service::Oos), false),
            (rule().action("PutSecretValue"), false),
            (rule().name("b"), false),
            (rule().identity("*"), false),
        ] {
            assert_eq!(strikes(rule.clone(), 1), [expected], "{rule:?}");
        }
    }

    #[test]
    fn skip_and_times_count_matching_requests() {
        let rule = FaultRule::new(Fault::Hold).skip(1).times(2);
        assert_eq!(strikes(rule, 5), [false, true, true, false, false]);
    }

    #[test]
    fn a_probability_is_repeatable_and_about_right() {
        let rule = || FaultRule::new(Fault::Hold).probability(0.25, 7);
        let first = strikes(rule(), 1000);
        assert_eq!(first, strikes(rule(), 1000));
        let count = first.iter().filter(|struck| **struck).count();
        assert!((200..300).contains(&count), "{count}");
    }
}

//! Faults by rule: which requests, how often, and what goes wrong with them.

pub mod effect;
mod gzip;
mod rule;

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::service::Service;

pub use rule::{CutPoint, Fault, FaultRule, Phase};

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

    /// The faults that strike this request in this phase, each with a number in 0..1 for its jitter, in the order of the rules.
    pub fn strike(&self, phase: Phase, subject: &Subject<'_>) -> Vec<(FaultId, Fault, f64)> {
        let mut inner = self.lock();
        let matching = inner
            .active
            .iter_mut()
            .filter(|active| active.rule.then.phase() == phase && active.rule.applies_to(subject));
        matching
            .filter_map(|active| {
                active.strikes().then(|| {
                    let jitter = unit_interval(!active.rule.seed, active.matched);
                    (active.id, active.rule.then.clone(), jitter)
                })
            })
            .collect()
    }

    /// The active rules: id, rule, how many requests matched, and how many it struck.
    pub fn active(&self) -> Vec<(FaultId, FaultRule, u64, u64)> {
        let inner = self.lock();
        inner
            .active
            .iter()
            .map(|active| (active.id, active.rule.clone(), active.matched, active.fired))
            .collect()
    }

    /// How many requests or handshakes a rule has struck; nothing once it is gone.
    pub fn struck(&self, id: FaultId) -> u64 {
        let inner = self.lock();
        let rule = inner.active.iter().find(|active| active.id == id);
        rule.map_or(0, |active| active.fired)
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

    /// Removes a rule and lets go what it holds; false if there is no such rule.
    pub fn release(&self, id: FaultId) -> bool {
        let mut inner = self.lock();
        let before = inner.active.len();
        inner.active.retain(|active| active.id != id);
        self.changed.notify_all();
        inner.active.len() < before
    }

    /// Removes all rules and lets go what they hold.
    pub fn clear(&self) {
        self.lock().active.clear();
        self.changed.notify_all();
    }

    /// Waits so long, or until the cloud stops.
    pub fn pause(&self, time: Duration) {
        let running = |inner: &mut Inner| !inner.stopping;
        let outcome = self.changed.wait_timeout_while(self.lock(), time, running);
        drop(outcome.expect("no code panics while it holds the rules"));
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
            .map(|_| !faults.strike(Phase::Answer, &SUBJECT).is_empty())
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

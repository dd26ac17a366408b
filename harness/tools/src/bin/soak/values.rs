//! The secrets and parameters of both accounts, and what each of them was when.

use std::sync::Mutex;
use std::time::Instant;

use harness::FakeCloud;
use harness::state::parameter::Parameter;
use harness::state::secret::{Secret, SecretValue};

use crate::now;

/// KMS secrets that never change, as many OOS parameters, and as many KMS secrets in the other account.
pub(crate) const STEADY: u64 = 60;

/// KMS secrets, and as many OOS parameters, that are rotated again and again.
pub(crate) const ROTATED: usize = 12;

/// A KMS secret that the access policy lets nobody read, so that the cloud must never be asked for it.
pub(crate) const NOBODYS: &str = "of-nobody";

const OTHER_ACCOUNT: &str = "9999999999990000";

/// For each rotated name, when each of its values was replaced: the value of generation `n` no later than entry `n`.
pub(crate) struct Values {
    replaced: Vec<Mutex<Vec<Instant>>>,
}

pub(crate) fn steady_name(number: u64) -> String {
    format!("soak-{number}")
}

pub(crate) fn rotated_name(at: usize) -> String {
    format!("turn-{at}")
}

/// Mostly short, some of the largest size there is.
pub(crate) fn steady_kms(number: u64) -> String {
    let size = if number.is_multiple_of(10) {
        30_000
    } else {
        20 + number * 7
    };
    format!("kms {number} ")
        .repeat(8)
        .chars()
        .cycle()
        .take(usize::try_from(size).unwrap_or(20))
        .collect()
}

pub(crate) fn steady_oos(number: u64) -> String {
    format!("oos {number}")
}

pub(crate) fn other_account(number: u64) -> String {
    format!("the other account's {number}")
}

/// Two parts, so that a mixture of two generations would show.
pub(crate) fn rotated_json(at: usize, generation: usize) -> String {
    format!(r#"{{"a":"{at} {generation}","b":"{at} {generation}"}}"#)
}

/// The version that the cloud gives to a generation.
pub(crate) fn version(oos: bool, generation: usize) -> String {
    let number = generation + 1;
    if oos {
        number.to_string()
    } else {
        format!("v{number}")
    }
}

impl Values {
    /// Fills the cloud.
    pub(crate) fn fill(cloud: &FakeCloud) -> Self {
        let values = Self {
            replaced: (0..ROTATED).map(|_| Mutex::default()).collect(),
        };
        for number in 0..STEADY {
            cloud.set_kms_text(&steady_name(number), &steady_kms(number));
            cloud.set_oos(&steady_name(number), &steady_oos(number));
        }
        for at in 0..ROTATED {
            values.set(cloud, at, 0);
        }
        cloud.set_kms_text(NOBODYS, "nobody reads this");
        cloud.with_state(|state| {
            let created = jiff::Timestamp::UNIX_EPOCH;
            let region = state
                .accounts
                .get_mut(OTHER_ACCOUNT)
                .and_then(|account| account.regions.get_mut("cn-hangzhou"))
                .expect("the small world has it");
            for number in 0..STEADY {
                let text = other_account(number);
                region.secrets.insert(
                    steady_name(number),
                    Secret::new("v1", SecretValue::Text(text.clone()), created),
                );
                region
                    .parameters
                    .insert(steady_name(number), Parameter::new(text, created));
            }
        });
        values
    }

    /// Gives one name its next value, as secret and as parameter.
    pub(crate) fn rotate(&self, cloud: &FakeCloud, at: usize) {
        let Some(replaced) = self.replaced.get(at) else {
            return;
        };
        let generation = 1 + replaced.lock().expect("no code panics while it notes").len();
        self.set(cloud, at, generation);
        replaced
            .lock()
            .expect("no code panics while it notes")
            .push(now());
    }

    fn set(&self, cloud: &FakeCloud, at: usize, generation: usize) {
        let text = rotated_json(at, generation);
        cloud.set_kms_text(&rotated_name(at), &text);
        cloud.set_oos(&rotated_name(at), &text);
    }

    /// Whether this generation was the value at that moment or after.
    pub(crate) fn was_current_after(&self, at: usize, generation: usize, moment: Instant) -> bool {
        let replaced = self
            .replaced
            .get(at)
            .map(|it| it.lock().expect("no code panics while it notes"));
        replaced.is_some_and(|replaced| replaced.get(generation).is_none_or(|end| *end >= moment))
    }
}

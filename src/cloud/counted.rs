//! Calls, counted by how they ended.

use crate::clock::Clock;
use crate::metrics::{Metrics, Outcome};

/// Makes a call and counts it, unless its outcome is that it was not made at all.
pub fn counted<T, E>(
    metrics: &Metrics,
    clock: &dyn Clock,
    action: &str,
    outcome: impl FnOnce(&Result<T, E>) -> Option<Outcome>,
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let began = clock.now();
    let result = call();
    if let Some(outcome) = outcome(&result) {
        let elapsed = clock.now().saturating_duration_since(began);
        metrics.backend_call(action, outcome, elapsed, clock.wall().as_second());
    }
    result
}

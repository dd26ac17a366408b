//! What failures have shown, kept apart by what they are about, so that one class's endpoint or key is no reason to
//! treat the calls of others differently. Bounded in number; what was not used for the longest time is forgotten,
//! which gives a full retry budget and no outage.

use std::time::Instant;

use super::exchange::Domain;
use crate::fetch::retry::RetryBudget;
use crate::limits;
use crate::params::Service;
use crate::sync::BoundedMap;

/// Outages by service and endpoint; retry budgets also by identity.
pub(super) struct Feedback<D: Domain> {
    /// When an endpoint was last unavailable.
    outages: BoundedMap<(Service, D::Endpoint), Instant>,
    budgets: BoundedMap<(Service, D::Endpoint, D::Identity), RetryBudget>,
}

impl<D: Domain> Feedback<D> {
    pub(super) fn new() -> Self {
        Self {
            outages: BoundedMap::new(limits::FEEDBACK_RECORDS),
            budgets: BoundedMap::new(limits::FEEDBACK_RECORDS),
        }
    }

    /// The endpoint of this key was found unavailable.
    pub(super) fn unavailable(&mut self, service: Service, key: &D::Key, now: Instant) {
        self.outages.insert((service, D::endpoint(key)), now);
    }

    /// Whether the endpoint of this key was unavailable a short while ago.
    pub(super) fn is_recovering(&self, service: Service, key: &D::Key, now: Instant) -> bool {
        let seen = self.outages.peek(&(service, D::endpoint(key)));
        seen.is_some_and(|seen| now < *seen + limits::OUTAGE_REMEMBERED)
    }

    /// The budget that retries of this key are taken from.
    pub(super) fn change_budget<T>(
        &mut self,
        service: Service,
        key: &D::Key,
        now: Instant,
        change: impl FnOnce(&mut RetryBudget) -> T,
    ) -> T {
        let scope = (service, D::endpoint(key), D::identity(key));
        if let Some(budget) = self.budgets.get(&scope) {
            return change(budget);
        }
        let mut budget = RetryBudget::new(now);
        let result = change(&mut budget);
        self.budgets.insert(scope, budget);
        result
    }
}

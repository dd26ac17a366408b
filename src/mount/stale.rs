//! What a Mount tells of values that were read a while ago and serve in an outage: how many, how old, and why.

use std::fmt;
use std::time::Duration;

use super::advice::Asked;
use super::error::Failed;
use crate::auth::ResolvedIdentity;
use crate::fetch::Fetched;
use crate::params::{Plan, Service};

/// The old values of one Mount, of which there is at least one.
pub(super) struct OldValues {
    /// The service of each.
    pub(super) services: Vec<Service>,
    /// How long ago the oldest was read.
    pub(super) age: Duration,
    objects: usize,
    /// The first one that a call has failed for.
    failed: Option<Failed>,
}

impl OldValues {
    /// Those among the values of a plan's objects, if there are any.
    pub(super) fn among(
        plan: &Plan,
        values: &[Option<Fetched>],
        identities: &[ResolvedIdentity],
    ) -> Option<Self> {
        let objects = plan.objects.iter().zip(identities).zip(values);
        let old = objects.filter_map(|(object, value)| Some((object, value.as_ref()?.stale.as_ref()?)));
        let failed = old.clone().find_map(|((object, identity), stale)| {
            Some(Failed {
                object: object.describe(),
                asked: Asked::new(object, identity),
                error: stale.error.clone()?,
            })
        });
        Some(Self {
            services: old.clone().map(|((object, _), _)| object.service).collect(),
            age: old.map(|(_, stale)| stale.age).max()?,
            objects: plan.objects.len(),
            failed,
        })
    }
}

impl fmt::Display for OldValues {
    /// Without the age, so that the same outage is the same text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, objects) = (self.services.len(), self.objects);
        write!(
            f,
            "{count} of {objects} values are served as they were read before the outage, as --serve-stale-for allows"
        )?;
        match &self.failed {
            Some(failed) => write!(f, ": {failed}"),
            None => f.write_str(": the cloud has not answered in time"),
        }
    }
}

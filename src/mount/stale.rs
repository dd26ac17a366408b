//! The warning about cached values served in an outage: how many, how old, and why.

use std::fmt;
use std::time::Duration;

use super::advice::Asked;
use super::error::Failed;
use crate::auth::ResolvedIdentity;
use crate::fetch::Fetched;
use crate::params::{Plan, Service};

/// The cached values that one mount serves, at least one.
pub(super) struct OldValues {
    /// The service of each value.
    pub(super) services: Vec<Service>,
    /// Time since the oldest was read.
    pub(super) age: Duration,
    objects: usize,
    /// The first object whose call failed.
    failed: Option<Failed>,
}

impl OldValues {
    /// The cached values among a plan's values, if there are any.
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
    /// Leaves out the age, so that repeats of one outage have the same text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, objects) = (self.services.len(), self.objects);
        write!(
            f,
            "{count} of {objects} values were read before the outage and are served from the cache (--serve-stale-for)"
        )?;
        match &self.failed {
            Some(failed) => write!(f, ": {failed}"),
            None => f.write_str(": the cloud has not answered in time"),
        }
    }
}

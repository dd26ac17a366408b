//! The worker RAM role of the node, from the instance metadata service.

use std::sync::Arc;
use std::time::Duration;

use super::kept::{Kept, Lent};
use super::key::{Identity, IdentityKey};
use super::{Error, Lender};
use crate::clock::Clock;
use crate::cloud::metadata::Metadata;
use crate::metrics;

/// The node's role.
#[derive(Debug)]
pub struct WorkerRole {
    metadata: Arc<Metadata>,
    name: Option<String>,
    kept: Kept,
}

impl WorkerRole {
    /// The role `name`, or whichever role the node has.
    pub fn new(metadata: Arc<Metadata>, name: Option<String>, clock: Arc<dyn Clock>) -> Self {
        Self {
            metadata,
            name,
            kept: Kept::new(clock),
        }
    }
}

impl Lender for WorkerRole {
    fn kept(&self) -> &Kept {
        &self.kept
    }

    fn lend(&self, remaining: Duration) -> Result<Lent, Error> {
        let (counted, identity) = (self.metadata.metrics(), metrics::Identity::WorkerRole);
        // The service is asked with time limits of its own.
        self.kept.get_counted(counted, identity, remaining, |_| {
            let role = match &self.name {
                Some(name) => name.clone(),
                None => self.metadata.role().map_err(Error::Metadata)?,
            };
            let temporary = self.metadata.credentials(&role).map_err(Error::Metadata)?;
            Ok(Lent::new(temporary, Identity::Worker { role }.into()))
        })
    }

    fn identity(&self) -> Option<IdentityKey> {
        let role = self.name.clone()?;
        Some(Identity::Worker { role }.into())
    }
}

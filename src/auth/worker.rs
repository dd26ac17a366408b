//! The worker RAM role of the node, from the instance metadata service.

use std::sync::Arc;

use super::Error;
use super::kept::Kept;
use crate::clock::Clock;
use crate::cloud::Credentials;
use crate::cloud::metadata::Metadata;

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

    pub(super) fn credentials(&self) -> Result<Arc<Credentials>, Error> {
        self.kept.get(|| {
            let role = match &self.name {
                Some(name) => name.clone(),
                None => self.metadata.role().map_err(Error::Metadata)?,
            };
            self.metadata.credentials(&role).map_err(Error::Metadata)
        })
    }
}

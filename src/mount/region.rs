//! The region of objects and classes that name none: the flag's, else the node's own.

use std::sync::{Mutex, PoisonError};

use crate::cloud::{Endpoint, metadata};
use crate::http::Client;
use crate::params::Region;

/// The default region.
pub struct NodeRegion {
    configured: Option<Region>,
    metadata: MetadataRegion,
}

/// Asks the instance metadata service, once it has an answer never again.
pub struct MetadataRegion {
    client: Client,
    endpoint: Endpoint,
    known: Mutex<Option<Region>>,
}

impl NodeRegion {
    /// `configured` is the flag's region; without it the node is asked when a Mount first needs to know.
    pub fn new(configured: Option<Region>, metadata: MetadataRegion) -> Self {
        Self { configured, metadata }
    }

    /// The default region.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn resolve(&self) -> Result<Region, String> {
        match &self.configured {
            Some(region) => Ok(region.clone()),
            None => self.metadata.resolve(),
        }
    }
}

impl MetadataRegion {
    /// Asks `endpoint` through `client`.
    pub fn new(client: Client, endpoint: Endpoint) -> Self {
        Self {
            client,
            endpoint,
            known: Mutex::new(None),
        }
    }

    /// Failures are not remembered: a node's metadata service may come up late. Those who ask at the same time
    /// wait for one answer.
    fn resolve(&self) -> Result<Region, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(region) = &*known {
            return Ok(region.clone());
        }
        let text = metadata::region(&self.client, &self.endpoint)
            .map_err(|error| format!("the instance metadata service gives none: {error}"))?;
        let region = Region::new(&text).ok_or_else(|| {
            format!(
                "the instance metadata service at {} gives no region name",
                self.endpoint
            )
        })?;
        log::info!("region of the node: {}", region.as_str());
        *known = Some(region.clone());
        Ok(region)
    }
}

//! The region of objects and classes that name none: the flag's, else the node's own.

use std::sync::{Arc, Mutex, PoisonError};

use crate::cloud::metadata::Metadata;
use crate::params::Region;

/// The default region.
pub struct NodeRegion {
    configured: Option<Region>,
    metadata: Arc<Metadata>,
    known: Mutex<Option<Region>>,
}

impl NodeRegion {
    /// `configured` is the flag's region; without it the node is asked when a Mount first needs to know.
    pub fn new(configured: Option<Region>, metadata: Arc<Metadata>) -> Self {
        Self {
            configured,
            metadata,
            known: Mutex::new(None),
        }
    }

    /// The default region. The node is asked until it has answered once: its metadata service may come up late.
    /// Those who ask at the same time wait for one answer.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn resolve(&self) -> Result<Region, String> {
        if let Some(region) = &self.configured {
            return Ok(region.clone());
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(region) = &*known {
            return Ok(region.clone());
        }
        let text = self.metadata.region().map_err(|error| error.to_string())?;
        let region = Region::new(&text).ok_or("instance metadata: the region it gives is no region name")?;
        log::info!("region of the node: {region}");
        *known = Some(region.clone());
        Ok(region)
    }
}

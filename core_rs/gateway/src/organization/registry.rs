//! The organizations that a gateway serves.

use std::collections::BTreeMap;
use std::sync::Arc;

use haversack_staging::Staging;
use parking_lot::RwLock;

use super::Organization;
use crate::clock::Clock;
use crate::errors::SyncError;
use crate::statistics::OrganizationStatistics;
use crate::upload::Bounds;

/// Organizations by name.
pub(crate) struct Organizations {
    clock: Arc<dyn Clock>,
    bounds: Bounds,
    known: RwLock<BTreeMap<String, Known>>,
}

/// What is known of a name.
enum Known {
    /// It is served.
    Served(Arc<Organization>),
    /// It exists, and is not provisioned.
    Removed,
}

impl Organizations {
    /// None yet.
    pub(crate) fn new(clock: Arc<dyn Clock>, bounds: Bounds) -> Self {
        Self { clock, bounds, known: RwLock::default() }
    }

    /// Serves one more, which may have been removed before. Fails if one of its name is served already.
    pub(crate) fn add(&self, name: &str, staging: Arc<dyn Staging>, queues_writes: bool) -> Result<(), SyncError> {
        let mut known = self.known.write();
        if matches!(known.get(name), Some(Known::Served(_))) {
            return Err(SyncError::OrganizationExists(name.to_owned()));
        }
        let queue = queues_writes.then_some(self.bounds);
        let organization = Organization::new(name, staging, queue, Arc::clone(&self.clock));
        known.insert(name.to_owned(), Known::Served(organization));
        Ok(())
    }

    /// Serves an organization no longer, if it was: whoever asks for it hears that it is not provisioned.
    pub(crate) fn remove(&self, name: &str) {
        let before = self.known.write().insert(name.to_owned(), Known::Removed);
        if let Some(Known::Served(organization)) = before {
            organization.withdraw();
        }
    }

    /// The organization of this name.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Organization>, SyncError> {
        match self.known.read().get(name) {
            Some(Known::Served(organization)) => Ok(Arc::clone(organization)),
            Some(Known::Removed) => Err(SyncError::NotProvisioned(name.to_owned())),
            None => Err(SyncError::OrganizationUnknown(name.to_owned())),
        }
    }

    /// What is going on in each.
    pub(crate) fn statistics(&self) -> Vec<OrganizationStatistics> {
        self.all().iter().map(|organization| organization.statistics()).collect()
    }

    /// Names of those whose devices may have written since this was asked last.
    pub(crate) fn take_written(&self) -> Vec<String> {
        let written = self.all().into_iter().filter(|organization| organization.uploads().take_note());
        written.map(|organization| organization.name().to_owned()).collect()
    }

    /// Ends every stream, because the server stops.
    pub(crate) fn end_streams(&self) {
        self.all().iter().for_each(|organization| organization.stop());
    }

    /// Stops following, and waits until every follower has ended.
    pub(crate) fn close(&self) {
        let all = self.all();
        self.known.write().clear();
        for organization in all {
            organization.close();
        }
    }

    fn all(&self) -> Vec<Arc<Organization>> {
        let served = |known: &Known| match known {
            Known::Served(organization) => Some(Arc::clone(organization)),
            Known::Removed => None,
        };
        self.known.read().values().filter_map(served).collect()
    }
}

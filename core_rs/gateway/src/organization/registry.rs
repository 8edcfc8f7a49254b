//! The organizations that a gateway serves.

use std::collections::BTreeMap;
use std::sync::Arc;

use haversack_staging::Staging;
use parking_lot::RwLock;

use super::Organization;
use crate::clock::Clock;
use crate::errors::SyncError;
use crate::statistics::OrganizationStatistics;

/// Organizations by name.
pub(crate) struct Organizations {
    clock: Arc<dyn Clock>,
    served: RwLock<BTreeMap<String, Arc<Organization>>>,
}

impl Organizations {
    /// None yet.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, served: RwLock::default() }
    }

    /// Serves one more. Fails if one of its name is served already.
    pub(crate) fn add(&self, name: &str, staging: Arc<dyn Staging>) -> Result<(), SyncError> {
        let mut served = self.served.write();
        if served.contains_key(name) {
            return Err(SyncError::OrganizationExists(name.to_owned()));
        }
        served.insert(name.to_owned(), Organization::new(name, staging, Arc::clone(&self.clock)));
        Ok(())
    }

    /// The organization of this name.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Organization>, SyncError> {
        let found = self.served.read().get(name).cloned();
        found.ok_or_else(|| SyncError::OrganizationUnknown(name.to_owned()))
    }

    /// What is going on in each.
    pub(crate) fn statistics(&self) -> Vec<OrganizationStatistics> {
        self.all().iter().map(|organization| organization.statistics()).collect()
    }

    /// Ends every stream, because the server stops.
    pub(crate) fn end_streams(&self) {
        self.all().iter().for_each(|organization| organization.streams().stop());
    }

    /// Stops following, and waits until every follower has ended.
    pub(crate) fn close(&self) {
        let all = std::mem::take(&mut *self.served.write());
        for organization in all.values() {
            organization.close();
        }
    }

    fn all(&self) -> Vec<Arc<Organization>> {
        self.served.read().values().cloned().collect()
    }
}

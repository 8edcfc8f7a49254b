//! What operators are shown of a running gateway.

use serde::Serialize;

/// The gateway as a whole.
#[derive(Clone, Debug, Serialize)]
pub struct Statistics {
    /// Open streams over all organizations.
    pub streams: usize,
    /// Organizations by name.
    pub organizations: Vec<OrganizationStatistics>,
}

/// One organization.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OrganizationStatistics {
    /// Its name.
    pub name: String,
    /// Open streams.
    pub streams: usize,
    /// Whether its index is in memory; all below is zero if not.
    pub loaded: bool,
    /// Position in the commit order that its views are exact at.
    pub lsn: u64,
    /// Moment that its views are judged at, microseconds since the Unix epoch: now, or any since which time alone has
    /// changed none of them.
    pub instant_us: i64,
    /// Revision that its views follow.
    pub revision: u64,
    /// Rows in the index that are not deleted.
    pub rows: u64,
    /// Memory of the index, in bytes.
    pub index_bytes: u64,
    /// Views that are kept exact for open streams.
    pub live_views: usize,
}

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
    /// Whether its index is in memory; all up to `live_views` is zero if not.
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
    /// Devices in the registry, whether the index is in memory or not, like all below.
    pub devices: u64,
    /// Those that called within the last hour.
    pub devices_seen_hour: u64,
    /// Those that called within the last day.
    pub devices_seen_day: u64,
    /// Those whose last sync or upload failed, as they say.
    pub devices_failing: u64,
    /// Those that are blocked.
    pub devices_blocked: u64,
    /// Those that are to be wiped.
    pub devices_wipe_pending: u64,
    /// Those that were.
    pub devices_wiped: u64,
}

//! The numbers that the engine counts in, each a type of its own.

use std::fmt;

/// Persisted number of an entity within its organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityNumber(pub u32);

/// Protobuf field number of an attribute within its entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeNumber(pub u32);

/// Dense number of a row within its entity, given once and never reused. Roaring bitmaps hold these.
pub type Ordinal = u32;

/// Position in an organization's commit order. A row's LSN is that of its last change; 0 is before everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

/// A stretch of an organization's commits that one opening of its database began, by a random number; 0 is the first.
///
/// LSNs are drawn again in a database that was put back from a copy, but never in the same history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct History(pub u64);

/// An LSN of one past: databases that have the same history at the same LSN have the same commits up to there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    /// The LSN.
    pub lsn: Lsn,
    /// The history that was going on there.
    pub history: History,
}

/// Position in an organization's sequence of publishes; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// A moment: microseconds since the Unix epoch, UTC. Always an argument; the engine owns no clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

/// A row's id as the engine holds it: the 16 bytes of a UUID, or a 128-bit hash of any other text.
///
/// Staging keeps ids whole; the engine only ever compares them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey(pub [u8; 16]);

impl fmt::Debug for RowKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

//! Digests: 64-bit sums of mixed hashes that prove two sets equal, cheap to keep as rows come and go.
//!
//! Sums commute, so both sides keep them incrementally. They guard against faults, not against forgers.

use crate::ids::{EntityNumber, Lsn, Ordinal};

/// The finalizer of SplitMix64: a bijection that spreads every input bit over the whole word.
const fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Keeps row 0 of entity 0 from hashing to zero: 2^64 divided by the golden ratio.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hash of "this row is held", whatever its version.
pub const fn membership_hash(entity: EntityNumber, ordinal: Ordinal) -> u64 {
    mix((((entity.0 as u64) << 32) | ordinal as u64).wrapping_add(SEED))
}

/// Hash of "this row is held in the version of this LSN".
pub const fn version_hash(entity: EntityNumber, ordinal: Ordinal, lsn: Lsn) -> u64 {
    mix(membership_hash(entity, ordinal).wrapping_add(lsn.0.wrapping_mul(SEED)))
}

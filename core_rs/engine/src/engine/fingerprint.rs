//! Hashes that the protocol rests on. When that of an entity's carried columns changes, rows have to be sent again.

use crate::row::ColumnSelection;
use crate::schema::Entity;

/// FNV-1a, 64 bits: its offset basis and prime.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// Hash of the number and type of each carried attribute, ascending. Part of the protocol: it must not change.
pub(super) fn fingerprint(entity: &Entity, columns: Option<&ColumnSelection>) -> u64 {
    let mut carried: Vec<(u32, i32)> = entity
        .attributes
        .iter()
        .filter(|attribute| columns.is_none_or(|columns| columns.contains(attribute.number)))
        .map(|attribute| (attribute.number.0, attribute.kind as i32))
        .collect();
    carried.sort_unstable();
    let bytes = carried.into_iter().flat_map(|(number, kind)| [number.to_le_bytes(), kind.to_le_bytes()].concat());
    hash(bytes)
}

/// Hash of bytes.
pub(super) fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

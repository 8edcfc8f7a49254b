//! Which rows a device holds, worked out from the block digests that it states.
//!
//! A server that remembers nothing guesses: the device probably holds exactly what it should, or that without
//! what changed since its floors. A guess whose row count and membership sum are those of the device's block is
//! taken for true; a wrong one of equal sum would be found out by the next checkpoint's digest. Where no guess
//! fits, the device is asked for the block's exact ordinals.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, RangeInclusive};

use haversack_proto::sync;
use roaring::RoaringBitmap;

use super::{BLOCKS_MAX, INVENTORY_BYTES_MAX, KnownEntity, Marker, ReconcileError};
use crate::digest::membership_hash;
use crate::ids::{EntityNumber, Ordinal};
use crate::view::RowFacts;

/// How many rows one block can hold.
const BLOCK_ROWS: u32 = 1 << 16;

/// What a device says that it holds. Foreign input, checked for shape.
#[derive(Debug, Default)]
pub(super) struct Holdings<'a> {
    entities: BTreeMap<EntityNumber, &'a [sync::BlockDigest]>,
    inventories: HashMap<(EntityNumber, u32), &'a [u8]>,
}

/// A device's rows of one entity, as their difference to what it should hold.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Wanted, not held.
    pub(super) lacking: RoaringBitmap,
    /// Held, not wanted.
    pub(super) surplus: RoaringBitmap,
    /// Blocks that no guess fits, whether an inventory tells of them or not.
    pub(super) unguessed: Vec<sync::BlockRef>,
    /// Whether one of them has no inventory.
    pub(super) is_incomplete: bool,
}

impl<'a> Holdings<'a> {
    /// Checks the shape of what a request states.
    pub(super) fn read(
        holdings: &'a [sync::EntityBlocks],
        inventories: &'a [sync::Inventory],
    ) -> Result<Self, ReconcileError> {
        let blocks: usize = holdings.iter().map(|entity| entity.blocks.len()).sum();
        if blocks.max(inventories.len()).max(holdings.len()) > BLOCKS_MAX {
            return Err(ReconcileError::LimitReached { what: "blocks in holdings or inventories", limit: BLOCKS_MAX });
        }
        let mut read = Self::default();
        for entity in holdings {
            check_blocks(entity)?;
            if read.entities.insert(EntityNumber(entity.entity), &entity.blocks).is_some() {
                return Err(invalid(format!("entity {} is stated twice in holdings", entity.entity)));
            }
        }
        for it in inventories {
            if it.ordinals.len() > INVENTORY_BYTES_MAX {
                return Err(ReconcileError::LimitReached { what: "bytes of an inventory", limit: INVENTORY_BYTES_MAX });
            }
            if read.inventories.insert((EntityNumber(it.entity), it.block), &it.ordinals).is_some() {
                return Err(invalid(format!("block {} of entity {} has two inventories", it.block, it.entity)));
            }
        }
        Ok(read)
    }

    /// Every entity of which the device holds rows, and how many, ascending.
    pub(super) fn counts(&self) -> impl Iterator<Item = (EntityNumber, u64)> {
        self.entities.iter().map(|(&entity, blocks)| (entity, count(blocks))).filter(|&(_, rows)| rows > 0)
    }

    /// How many rows of the entity the device holds.
    pub(super) fn count(&self, entity: EntityNumber) -> u64 {
        self.entities.get(&entity).map_or(0, |blocks| count(blocks))
    }

    /// How the device's rows of an entity differ from `want`.
    pub(super) fn difference(
        &self,
        entity: EntityNumber,
        want: &RoaringBitmap,
        known: &KnownEntity,
        marker: Option<&Marker>,
        facts: &dyn RowFacts,
    ) -> Result<Difference, ReconcileError> {
        let mut found = Difference { lacking: want.clone(), ..Difference::default() };
        let mut guesses = Guesses { want, known, marker, facts, absent: vec![RoaringBitmap::new()] };
        for block in self.entities.get(&entity).copied().unwrap_or_default() {
            let range = ordinals(block.block);
            if let Some(absent) = guesses.find(block) {
                found.lacking.remove_range(range.clone());
                found.lacking.extend(absent.range(range));
                continue;
            }
            found.unguessed.push(sync::BlockRef { entity: entity.0, block: block.block });
            if let Some(bytes) = self.inventories.get(&(entity, block.block)) {
                let held = inventory(bytes, range.clone(), facts.allocated(entity))?;
                found.lacking.remove_range(range.clone());
                found.lacking.extend(want.range(range).filter(|&ordinal| !held.contains(ordinal)));
                found.surplus |= held - want;
            } else {
                found.is_incomplete = true;
            }
        }
        Ok(found)
    }
}

/// Sets that a device may hold, each as what it would lack of `want`. Worked out only when the first one fails.
struct Guesses<'a> {
    want: &'a RoaringBitmap,
    known: &'a KnownEntity,
    marker: Option<&'a Marker>,
    facts: &'a dyn RowFacts,
    absent: Vec<RoaringBitmap>,
}

impl Guesses<'_> {
    /// The first guess that fits the device's digest of a block.
    fn find(&mut self, block: &sync::BlockDigest) -> Option<&RoaringBitmap> {
        let range = ordinals(block.block);
        let wanted = self.want.range_cardinality(range.clone());
        if wanted < u64::from(block.count) {
            return None;
        }
        let sum = self.membership(self.want, range.clone());
        let fits = |absent: &RoaringBitmap| {
            wanted - absent.range_cardinality(range.clone()) == u64::from(block.count)
                && sum.wrapping_sub(self.membership(absent, range.clone())) == block.membership
        };
        let mut found = self.absent.iter().position(fits);
        if found.is_none() && self.absent.len() == 1 {
            let later = self.unchanged_since_floors();
            found = later.iter().position(fits).map(|index| index + 1);
            self.absent.extend(later);
        }
        found.map(|index| &self.absent[index])
    }

    /// The device lacks all that changed since its floors: rows that were created while it was away. In a pass,
    /// rows behind the marker may have come in their newer version, so both readings of those are tried.
    fn unchanged_since_floors(&self) -> Vec<RoaringBitmap> {
        let entity = self.known.entity;
        let mut ahead = self.facts.changed_since(entity, self.want, self.known.floor);
        let Some(marker) = self.marker else { return vec![ahead] };
        ahead.remove_range(..=marker.last);
        let mut behind = self.facts.changed_since(entity, self.want, marker.floor);
        behind.remove_range((Bound::Excluded(marker.last), Bound::Unbounded));
        let both = &ahead | &behind;
        vec![ahead, both]
    }

    fn membership(&self, rows: &RoaringBitmap, range: RangeInclusive<Ordinal>) -> u64 {
        let hashes = rows.range(range).map(|ordinal| membership_hash(self.known.entity, ordinal));
        hashes.fold(0, u64::wrapping_add)
    }
}

fn check_blocks(entity: &sync::EntityBlocks) -> Result<(), ReconcileError> {
    let ascending = entity.blocks.windows(2).all(|pair| pair[0].block < pair[1].block);
    let in_range = |it: &sync::BlockDigest| it.block < BLOCK_ROWS && (1..=BLOCK_ROWS).contains(&it.count);
    if ascending && entity.blocks.iter().all(in_range) {
        return Ok(());
    }
    Err(invalid(format!("the blocks of entity {} are out of order or out of range", entity.entity)))
}

/// Reads an inventory, clipped to its block and to ordinals that were given out.
fn inventory(
    bytes: &[u8],
    range: RangeInclusive<Ordinal>,
    allocated: Ordinal,
) -> Result<RoaringBitmap, ReconcileError> {
    if bytes.is_empty() {
        return Ok(RoaringBitmap::new());
    }
    let stated = RoaringBitmap::deserialize_from(bytes)
        .map_err(|_| invalid("an inventory is no Roaring bitmap in the portable format".to_owned()))?;
    Ok(stated.range(range).take_while(|&ordinal| ordinal < allocated).collect())
}

fn ordinals(block: u32) -> RangeInclusive<Ordinal> {
    let first = block << 16;
    first..=first | (BLOCK_ROWS - 1)
}

fn count(blocks: &[sync::BlockDigest]) -> u64 {
    blocks.iter().map(|block| u64::from(block.count)).sum()
}

fn invalid(reason: String) -> ReconcileError {
    ReconcileError::RequestInvalid(reason)
}

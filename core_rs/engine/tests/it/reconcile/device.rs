//! A device in the plainest Rust: what docs/sync-protocol.md asks of one, without a database.

use std::collections::BTreeMap;

use haversack_engine::digest::{membership_hash, version_hash};
use haversack_engine::ids::{EntityNumber, Lsn, Ordinal};
use haversack_proto::sync::{self, sync_event::Event};
use roaring::RoaringBitmap;

/// A row as the device has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) lsn: Lsn,
    /// Columns that it came with.
    pub(super) fingerprint: u64,
}

/// A device's database.
#[derive(Clone, Debug, Default)]
pub(super) struct Device {
    pub(super) cookie: Vec<u8>,
    pub(super) epoch: Vec<u8>,
    pub(super) rows: BTreeMap<EntityNumber, BTreeMap<Ordinal, Copy>>,
    /// Blocks to answer for in the next request.
    asked: Vec<sync::BlockRef>,
    /// How often in a row an entity's digest disagreed.
    attempts: BTreeMap<EntityNumber, u32>,
    /// Whether the next request names the disagreements.
    complains: bool,
}

/// What the device asks with, beside its cookie.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Request {
    pub(super) holdings: Vec<sync::EntityBlocks>,
    pub(super) inventories: Vec<sync::Inventory>,
    pub(super) mismatches: Vec<sync::DigestMismatch>,
}

impl Device {
    /// Applies one event and its cookie, in one transaction. `fingerprint` stands for the columns of a batch's rows.
    pub(super) fn apply(&mut self, event: &Event, cookie: &[u8], fingerprint: u64) {
        match event {
            Event::Plan(plan) if plan.epoch != self.epoch => {
                self.rows.clear();
                self.epoch = plan.epoch.to_vec();
            }
            Event::Removals(removals) => self.remove(removals),
            Event::Rows(batch) => {
                let rows = self.rows.entry(EntityNumber(batch.entity)).or_default();
                rows.extend(unpack(batch).into_iter().map(|(ordinal, lsn)| (ordinal, Copy { lsn, fingerprint })));
            }
            Event::Checkpoint(checkpoint) => self.verify(checkpoint),
            Event::InventoryRequired(required) => self.asked.clone_from(&required.blocks),
            _ => {}
        }
        if !cookie.is_empty() {
            self.cookie = cookie.to_vec();
            self.asked.clear();
            self.complains = matches!(event, Event::Checkpoint(_)) && !self.attempts.is_empty();
        }
    }

    /// What the device asks with.
    pub(super) fn request(&self) -> Request {
        let mismatch = |(entity, &attempt): (&EntityNumber, &u32)| sync::DigestMismatch { entity: entity.0, attempt };
        Request {
            holdings: self.rows.iter().filter(|(_, rows)| !rows.is_empty()).map(blocks).collect(),
            inventories: self.asked.iter().map(|&block| self.inventory(block)).collect(),
            mismatches: self.attempts.iter().filter(|_| self.complains).map(mismatch).collect(),
        }
    }

    /// Whether the last checkpoint was found untrue.
    pub(super) fn disagrees(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// Count and digest of the rows of an entity.
    pub(super) fn digest(&self, entity: EntityNumber) -> (u64, u64) {
        let rows = self.rows.get(&entity).into_iter().flatten();
        rows.fold((0, 0), |(count, digest), (&ordinal, copy)| {
            (count + 1, digest.wrapping_add(version_hash(entity, ordinal, copy.lsn)))
        })
    }

    fn remove(&mut self, removals: &sync::Removals) {
        let Some(rows) = self.rows.get_mut(&EntityNumber(removals.entity)) else { return };
        if removals.all {
            rows.clear();
        } else {
            let gone = RoaringBitmap::deserialize_from(&removals.ordinals[..]).expect("removals are a bitmap");
            rows.retain(|&ordinal, _| !gone.contains(ordinal));
        }
    }

    /// Counts how often an entity disagreed; at the second time it is reset.
    fn verify(&mut self, checkpoint: &sync::Checkpoint) {
        let mut stated: BTreeMap<_, _> =
            checkpoint.digests.iter().map(|it| (EntityNumber(it.entity), (it.count, it.digest))).collect();
        for &entity in self.rows.keys() {
            stated.entry(entity).or_default();
        }
        stated.retain(|&entity, digest| self.digest(entity) != *digest);
        self.attempts.retain(|entity, _| stated.contains_key(entity));
        for &entity in stated.keys() {
            *self.attempts.entry(entity).or_default() += 1;
        }
        self.rows.retain(|entity, _| self.attempts.get(entity) != Some(&2));
    }

    fn inventory(&self, block: sync::BlockRef) -> sync::Inventory {
        let rows = self.rows.get(&EntityNumber(block.entity)).into_iter().flatten();
        let ordinals: RoaringBitmap = rows.map(|(&ordinal, _)| ordinal).filter(|it| it >> 16 == block.block).collect();
        let mut bytes = Vec::new();
        ordinals.serialize_into(&mut bytes).expect("writing to memory cannot fail");
        sync::Inventory { entity: block.entity, block: block.block, ordinals: bytes.into() }
    }
}

/// The rows that a batch carries.
pub(super) fn unpack(batch: &sync::RowBatch) -> Vec<(Ordinal, Lsn)> {
    assert_eq!(batch.ordinal_deltas.len(), batch.lsn_deltas.len());
    let (mut ordinal, mut lsn) = (0, 0_u64);
    let mut rows = Vec::new();
    for (&step, &change) in batch.ordinal_deltas.iter().zip(&batch.lsn_deltas) {
        ordinal += step;
        lsn = lsn.wrapping_add_signed(change);
        rows.push((ordinal, Lsn(lsn)));
    }
    rows
}

fn blocks((&entity, rows): (&EntityNumber, &BTreeMap<Ordinal, Copy>)) -> sync::EntityBlocks {
    let mut blocks: BTreeMap<u32, sync::BlockDigest> = BTreeMap::new();
    for &ordinal in rows.keys() {
        let block = blocks.entry(ordinal >> 16).or_default();
        block.block = ordinal >> 16;
        block.count += 1;
        block.membership = block.membership.wrapping_add(membership_hash(entity, ordinal));
    }
    sync::EntityBlocks { entity: entity.0, blocks: blocks.into_values().collect() }
}

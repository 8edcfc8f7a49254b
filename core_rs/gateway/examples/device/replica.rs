//! What a device holds, as far as the protocol is concerned: an LSN for every ordinal, and the proof of it.
//!
//! The rows' contents are handed to whoever asks for them and are not kept. Tests and benchmarks share this file.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};
use haversack_engine::digest::{membership_hash, version_hash};
use haversack_engine::ids::{EntityNumber, Lsn};
use haversack_proto::sync::sync_event::Event;
use haversack_proto::sync::{
    BlockDigest, BlockRef, Checkpoint, Compression, DigestMismatch, EntityBlocks, Inventory, Model, Position, Removals,
    RowBatch, SyncEvent, SyncMode, SyncRequest,
};
use prost::encoding::{WireType, decode_key, decode_varint};
use roaring::RoaringBitmap;

/// Bits of an ordinal within its block.
const BLOCK_BITS: u32 = 16;

/// LSN of an ordinal that is not held; no row has it.
const ABSENT: u64 = 0;

/// A device database without its rows.
#[derive(Clone, Default)]
pub(crate) struct Replica {
    install: Bytes,
    /// What the server gave with the last applied event.
    pub(crate) cookie: Bytes,
    /// Where it has come.
    pub(crate) position: Position,
    /// Identity of the staging database that the rows are from.
    pub(crate) epoch: Bytes,
    /// The accepted model.
    pub(crate) model: Option<Model>,
    /// Per entity number, the LSN of every ordinal.
    held: BTreeMap<u32, Vec<u64>>,
    /// Blocks that the server asked for; answered by the next request.
    asked: Vec<BlockRef>,
    /// What disagreed at the last checkpoint; empty if the replica is what the server says.
    pub(crate) mismatches: Vec<DigestMismatch>,
    /// What has been received so far.
    pub(crate) received: Received,
}

/// Counts of what came over the wire.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    /// Events.
    pub(crate) events: u64,
    /// Rows, counted each time they came.
    pub(crate) rows: u64,
    /// Ordinals to remove, counted whether they were held or not.
    pub(crate) removals: u64,
    /// Bytes of row batches' bodies as they came.
    pub(crate) bytes: u64,
    /// The same before compression.
    pub(crate) bytes_raw: u64,
}

impl Replica {
    /// An empty device database.
    pub(crate) fn new(install: [u8; 16]) -> Self {
        Self { install: Bytes::copy_from_slice(&install), ..Self::default() }
    }

    /// What to ask the server next.
    pub(crate) fn request(&self, mode: SyncMode, accept: &[Compression]) -> SyncRequest {
        SyncRequest {
            install_id: self.install.clone(),
            cookie: self.cookie.clone(),
            mode: mode.into(),
            accept: accept.iter().map(|&it| it.into()).collect(),
            holdings: self.held.iter().map(|(&entity, lsns)| blocks(entity, lsns)).collect(),
            inventories: self.asked.iter().map(|block| self.inventory(*block)).collect(),
            mismatches: self.mismatches.clone(),
            client: concat!("haversack-native-harness/", env!("CARGO_PKG_VERSION")).into(),
            ..SyncRequest::default()
        }
    }

    /// Applies one event, and hands entity, ordinal and contents of each of its rows to `take`.
    ///
    /// Fails, with a sentence, on anything that a server must not send.
    pub(crate) fn apply(&mut self, event: &SyncEvent, take: impl FnMut(u32, u32, Bytes)) -> Result<(), String> {
        self.received.events += 1;
        match event.event.as_ref().ok_or("an event without content")? {
            Event::Model(model) => self.accept(model),
            Event::Plan(plan) => self.follow_epoch(&plan.epoch),
            Event::Removals(removals) => self.remove(removals)?,
            Event::Rows(batch) => self.insert(batch, take)?,
            Event::Checkpoint(checkpoint) => self.verify(checkpoint),
            Event::InventoryRequired(required) => self.asked.clone_from(&required.blocks),
            // Nobody orders a harness to check itself, and it asks for no answers.
            Event::PassComplete(_) | Event::Heartbeat(_) | Event::FullCheckRequired(_) | Event::Answers(_) => {}
        }
        if !event.cookie.is_empty() {
            self.cookie = event.cookie.clone();
            self.position = event.position.unwrap_or_default();
        }
        Ok(())
    }

    /// Ordinals held of an entity with their LSNs, ascending.
    pub(crate) fn rows(&self, entity: u32) -> impl Iterator<Item = (u32, u64)> + '_ {
        present(self.held.get(&entity).map_or(&[][..], Vec::as_slice))
    }

    /// How many rows are held in all.
    pub(crate) fn len(&self) -> usize {
        self.held.keys().map(|entity| self.rows(*entity).count()).sum()
    }

    fn accept(&mut self, model: &Model) {
        self.held.retain(|entity, _| model.entities.iter().any(|carried| carried.entity == *entity));
        self.model = Some(model.clone());
    }

    fn follow_epoch(&mut self, epoch: &Bytes) {
        if self.epoch != *epoch {
            self.held.clear();
            self.epoch = epoch.clone();
        }
    }

    fn remove(&mut self, removals: &Removals) -> Result<(), String> {
        if removals.all {
            self.held.remove(&removals.entity);
            return Ok(());
        }
        let ordinals = RoaringBitmap::deserialize_from(&removals.ordinals[..]).map_err(|error| error.to_string())?;
        self.received.removals += ordinals.len();
        let lsns = self.held.entry(removals.entity).or_default();
        for ordinal in ordinals {
            if let Some(lsn) = lsns.get_mut(ordinal as usize) {
                *lsn = ABSENT;
            }
        }
        Ok(())
    }

    fn insert(&mut self, batch: &RowBatch, mut take: impl FnMut(u32, u32, Bytes)) -> Result<(), String> {
        self.received.bytes += batch.rows.len() as u64;
        self.received.bytes_raw += u64::from(batch.rows_size);
        let versions = versions(batch)?;
        let bodies = bodies(batch)?;
        if versions.len() != bodies.len() {
            return Err(format!("a batch has {} ordinals and {} rows", versions.len(), bodies.len()));
        }
        let lsns = self.held.entry(batch.entity).or_default();
        for ((ordinal, lsn), body) in versions.into_iter().zip(bodies) {
            take(batch.entity, ordinal, body);
            let index = ordinal as usize;
            if lsns.len() <= index {
                lsns.resize(index + 1, ABSENT);
            }
            lsns[index] = lsn;
            self.received.rows += 1;
        }
        Ok(())
    }

    /// Compares digests; what disagrees is reported with the next request, the second time after a reset.
    fn verify(&mut self, checkpoint: &Checkpoint) {
        self.asked.clear();
        let before = std::mem::take(&mut self.mismatches);
        for theirs in &checkpoint.digests {
            let ours = digest(theirs.entity, self.rows(theirs.entity));
            if ours != (theirs.count, theirs.digest) {
                let attempt = before.iter().find(|it| it.entity == theirs.entity).map_or(1, |it| it.attempt + 1);
                if attempt == 2 {
                    self.held.remove(&theirs.entity);
                }
                self.mismatches.push(DigestMismatch { entity: theirs.entity, attempt });
            }
        }
    }

    fn inventory(&self, block: BlockRef) -> Inventory {
        let first = block.block << BLOCK_BITS;
        let last = first | ((1 << BLOCK_BITS) - 1);
        let held = self.rows(block.entity).map(|(ordinal, _)| ordinal);
        let ordinals: RoaringBitmap = held.filter(|ordinal| (first..=last).contains(ordinal)).collect();
        let mut bytes = Vec::with_capacity(ordinals.serialized_size());
        ordinals.serialize_into(&mut bytes).expect("memory takes every write");
        Inventory { entity: block.entity, block: block.block, ordinals: bytes.into() }
    }
}

fn present(lsns: &[u64]) -> impl Iterator<Item = (u32, u64)> + '_ {
    (0_u32..).zip(lsns.iter().copied()).filter(|(_, lsn)| *lsn != ABSENT)
}

fn digest(entity: u32, rows: impl Iterator<Item = (u32, u64)>) -> (u64, u64) {
    rows.fold((0, 0), |(count, sum), (ordinal, lsn)| {
        (count + 1, sum.wrapping_add(version_hash(EntityNumber(entity), ordinal, Lsn(lsn))))
    })
}

fn blocks(entity: u32, lsns: &[u64]) -> EntityBlocks {
    let mut blocks: Vec<BlockDigest> = Vec::new();
    for (ordinal, _) in present(lsns) {
        let block = ordinal >> BLOCK_BITS;
        if blocks.last().is_none_or(|last| last.block != block) {
            blocks.push(BlockDigest { block, count: 0, membership: 0 });
        }
        let last = blocks.last_mut().expect("one was just pushed");
        last.count += 1;
        last.membership = last.membership.wrapping_add(membership_hash(EntityNumber(entity), ordinal));
    }
    EntityBlocks { entity, blocks }
}

fn versions(batch: &RowBatch) -> Result<Vec<(u32, u64)>, String> {
    if batch.ordinal_deltas.len() != batch.lsn_deltas.len() {
        return Err("a batch has not as many LSNs as ordinals".into());
    }
    let (mut ordinal, mut lsn) = (0_u32, 0_i64);
    let deltas = batch.ordinal_deltas.iter().zip(&batch.lsn_deltas);
    Ok(deltas
        .map(|(ordinal_delta, lsn_delta)| {
            ordinal += ordinal_delta;
            lsn += lsn_delta;
            (ordinal, lsn as u64)
        })
        .collect())
}

/// Cuts the body of a batch into rows: each is a length-delimited field 1.
fn bodies(batch: &RowBatch) -> Result<Vec<Bytes>, String> {
    let mut body = match batch.compression() {
        Compression::Zstd => Bytes::from(
            zstd::bulk::decompress(&batch.rows, batch.rows_size as usize).map_err(|error| error.to_string())?,
        ),
        _ => batch.rows.clone(),
    };
    if body.len() != batch.rows_size as usize {
        return Err(format!("a body of {} bytes says that it has {}", body.len(), batch.rows_size));
    }
    let mut bodies = Vec::with_capacity(batch.ordinal_deltas.len());
    while body.has_remaining() {
        let key = decode_key(&mut body).map_err(|error| error.to_string())?;
        let length = decode_varint(&mut body).map_err(|error| error.to_string())? as usize;
        if key != (1, WireType::LengthDelimited) || length > body.len() {
            return Err("a body is not a list of rows".into());
        }
        bodies.push(body.split_to(length));
    }
    Ok(bodies)
}

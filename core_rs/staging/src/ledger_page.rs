//! The ledger on its way from one database to the next, in pages.

use haversack_engine::ids::{EntityNumber, Lsn};
use prost::Message;

use crate::devices::{About, DeviceKey, KnownDevice};
use crate::queue::{Queued, Repeat, WAITING_BYTES_MAX};
use crate::{
    Effect, Entry, LEDGER_PAGE_ENTRIES_MAX, LedgerPlace, Origin, Resolution, RowId, Snapshot, Staging, StagingError,
};

/// A page of the ledger as bytes that [`import_ledger`] reads, and the place that it ends at; empty behind the last one.
///
/// What waits for a source outside travels. Effects for a record database do not: write everything back before a database is
/// given up.
///
/// # Errors
/// If the database cannot be read.
pub fn export_ledger(
    snapshot: &dyn Snapshot,
    after: LedgerPlace,
    at_most: usize,
) -> Result<(Vec<u8>, LedgerPlace), StagingError> {
    let entries = snapshot.ledger().page(after, at_most.clamp(1, LEDGER_PAGE_ENTRIES_MAX))?;
    let (mut page, mut last, mut waiting_bytes) = (Page::default(), after, 0);
    for (place, entry) in entries {
        if waiting_bytes >= WAITING_BYTES_MAX {
            break;
        }
        let queued = snapshot.ledger().queued_at(place)?.map(|it| it.queued);
        waiting_bytes += queued.as_ref().map_or(0, Queued::bytes);
        page.entries.push(Travelling { queued: queued.map(Into::into), ..entry.into() });
        last = place;
    }
    Ok((page.encode_to_vec(), last))
}

/// Enters the entries of a page, in one commit, and its devices in another; those that are there stay. Returns how many
/// are new.
///
/// # Errors
/// [`StagingError::LedgerPageInvalid`] if neither [`export_ledger`] nor [`crate::export_devices`] wrote it; others as
/// [`Staging::begin`].
pub fn import_ledger(staging: &dyn Staging, page: &[u8]) -> Result<u64, StagingError> {
    let page = Page::decode(page).map_err(|_| StagingError::LedgerPageInvalid)?;
    let devices: Vec<_> = page.devices.into_iter().map(KnownDevice::try_from).collect::<Result<_, _>>()?;
    let mut commit = staging.begin()?;
    let mut entered = 0;
    for mut travelling in page.entries {
        let queued = travelling.queued.take();
        let entry = Entry::try_from(travelling)?;
        let is_new = commit.ledger().record(&entry)?;
        entered += u64::from(is_new);
        if let Some(queued) = queued.filter(|_| is_new) {
            commit.queue().enqueue(&entry.origin, &queued.try_into()?)?;
        }
    }
    commit.finish()?;
    let adopted = if devices.is_empty() { 0 } else { staging.devices().adopt(&devices)? };
    Ok(entered + adopted)
}

/// What travels of the ledger. Field numbers stay as they are: pages are kept for as long as an organization is away.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Page {
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<Travelling>,
    #[prost(message, repeated, tag = "2")]
    pub devices: Vec<TravellingDevice>,
}

/// A device, on the same way as the ledger.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TravellingDevice {
    #[prost(bytes = "vec", tag = "1")]
    install: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    user: Vec<u8>,
    #[prost(message, required, tag = "3")]
    about: About,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Travelling {
    #[prost(bytes = "vec", tag = "1")]
    install: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    user: Vec<u8>,
    #[prost(uint64, tag = "3")]
    number: u64,
    #[prost(bytes = "vec", tag = "4")]
    hash: Vec<u8>,
    #[prost(uint32, tag = "5")]
    entity: u32,
    #[prost(oneof = "TravellingId", tags = "6, 7")]
    id: Option<TravellingId>,
    #[prost(int32, tag = "8")]
    kind: i32,
    #[prost(int32, tag = "9")]
    outcome: i32,
    #[prost(bytes = "vec", tag = "10")]
    answer: Vec<u8>,
    #[prost(int64, tag = "11")]
    written_at_us: i64,
    #[prost(int64, tag = "12")]
    received_at_us: i64,
    #[prost(int32, tag = "13")]
    resolution: i32,
    #[prost(bytes = "vec", optional, tag = "14")]
    mutation: Option<Vec<u8>>,
    #[prost(message, optional, tag = "15")]
    queued: Option<TravellingQueued>,
}

/// What waits for a source outside.
#[derive(Clone, PartialEq, Message)]
struct TravellingQueued {
    #[prost(bytes = "vec", tag = "1")]
    mutation: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    effect: Option<Effect>,
    #[prost(bytes = "vec", tag = "3")]
    old: Vec<u8>,
    #[prost(string, optional, tag = "4")]
    etag: Option<String>,
    #[prost(int32, tag = "5")]
    policy: i32,
    #[prost(int32, tag = "6")]
    repeat: i32,
    #[prost(bytes = "vec", optional, tag = "7")]
    otherwise: Option<Vec<u8>>,
    #[prost(bytes = "vec", tag = "8")]
    source: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum TravellingId {
    #[prost(bytes, tag = "6")]
    Uuid(Vec<u8>),
    #[prost(string, tag = "7")]
    Text(String),
}

impl From<KnownDevice> for TravellingDevice {
    fn from(KnownDevice { key, about }: KnownDevice) -> Self {
        Self { install: key.install.to_vec(), user: key.user.to_vec(), about }
    }
}

impl TryFrom<TravellingDevice> for KnownDevice {
    type Error = StagingError;

    fn try_from(TravellingDevice { install, user, about }: TravellingDevice) -> Result<Self, StagingError> {
        Ok(Self { key: DeviceKey { install: sixteen(&install)?, user: sixteen(&user)? }, about })
    }
}

fn sixteen(bytes: &[u8]) -> Result<[u8; 16], StagingError> {
    bytes.try_into().map_err(|_| StagingError::LedgerPageInvalid)
}

impl From<Entry> for Travelling {
    fn from(entry: Entry) -> Self {
        Self {
            install: entry.origin.install.to_vec(),
            user: entry.origin.user.to_vec(),
            number: entry.origin.number,
            hash: entry.hash.to_vec(),
            entity: entry.entity.0,
            id: Some(match entry.id {
                RowId::Uuid(uuid) => TravellingId::Uuid(uuid.to_vec()),
                RowId::Text(text) => TravellingId::Text(text.into()),
            }),
            kind: entry.kind,
            outcome: entry.outcome,
            answer: entry.answer,
            written_at_us: entry.written_at_us,
            received_at_us: entry.received_at_us,
            resolution: entry.resolution.number(),
            mutation: entry.mutation,
            queued: None,
        }
    }
}

impl From<Queued> for TravellingQueued {
    fn from(queued: Queued) -> Self {
        let Queued { mutation, effect, old, etag, policy, repeat, otherwise, source } = queued;
        let (effect, repeat) = (Some(effect), repeat.number());
        Self { mutation, effect, old, etag, policy, repeat, otherwise, source }
    }
}

impl TryFrom<TravellingQueued> for Queued {
    type Error = StagingError;

    fn try_from(queued: TravellingQueued) -> Result<Self, StagingError> {
        let TravellingQueued { mutation, effect, old, etag, policy, repeat, otherwise, source } = queued;
        let (effect, repeat) = (effect.unwrap_or_default(), Repeat::of(repeat)?);
        Ok(Self { mutation, effect, old, etag, policy, repeat, otherwise, source })
    }
}

impl TryFrom<Travelling> for Entry {
    type Error = StagingError;

    fn try_from(entry: Travelling) -> Result<Self, StagingError> {
        let id = match entry.id.ok_or(StagingError::LedgerPageInvalid)? {
            TravellingId::Uuid(uuid) => RowId::Uuid(sixteen(&uuid)?),
            TravellingId::Text(text) => RowId::Text(text.into()),
        };
        Ok(Self {
            origin: Origin { install: sixteen(&entry.install)?, user: sixteen(&entry.user)?, number: entry.number },
            hash: sixteen(&entry.hash)?,
            entity: EntityNumber(entry.entity),
            id,
            kind: entry.kind,
            outcome: entry.outcome,
            before: Lsn(0),
            lsn: Lsn(0),
            answer: entry.answer,
            written_at_us: entry.written_at_us,
            received_at_us: entry.received_at_us,
            resolution: Resolution::of(entry.resolution)?,
            mutation: entry.mutation,
            effect: None,
        })
    }
}

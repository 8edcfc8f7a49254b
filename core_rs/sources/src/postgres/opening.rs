//! How following begins: behind the position that staging has, with a copy of what has to be copied, or anew.

use std::collections::BTreeMap;
use std::mem;

use tokio_postgres::Client;

use super::copying::estimate;
use super::dial::connect;
use super::layout::Layout;
use super::look::Look;
use super::position::{Before, Position, Wal};
use super::publication::publish;
use super::session::Stream;
use super::settings::Settings;
use super::slot::{self, Commander, Snapshot};
use crate::SourceError;

/// What opening has found out and made.
pub(super) struct Opened {
    pub(super) position: Position,
    /// Why all rows have to be copied, if they have.
    pub(super) reason: &'static str,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) stream: Option<Stream>,
    /// The tables, as they were before the snapshot.
    pub(super) look: Look,
    /// Rows that the source expects of the entities to copy, by logical name.
    pub(super) expected: BTreeMap<String, u64>,
}

/// Connects, and decides by what the source has kept whether changes can be followed on, or rows have to be copied.
pub(super) async fn open(settings: &Settings, layout: &Layout, before: Before) -> Result<Opened, SourceError> {
    let client = connect(&settings.connection).await?;
    let look = Look::take(&client, settings, layout).await?;
    let look = publish(&client, settings, layout, look).await?;
    let Before { position: before, copied } = before;
    slot::release(&client, &settings.slot, before.as_ref().is_some_and(|before| before.slot == settings.slot)).await?;
    let commander = Commander::connect(settings).await?;
    let found = slot::find(&client, &settings.slot).await?;
    let reason = why_anew(before.as_ref(), found.as_ref(), &commander.system, &settings.slot);
    let mut opened = if let Some(position) = before.filter(|_| reason.is_empty()) {
        resume(settings, layout, look, (position, &copied), commander, &client).await?
    } else {
        begin(settings, layout, look, commander, &client, reason).await?
    };
    for place in opened.look.to_copy(layout, &opened.position) {
        let layout = &layout.entities[place];
        opened.expected.insert(layout.name.clone(), estimate(&client, layout).await?);
    }
    Ok(opened)
}

/// Makes a slot, and has everything copied from where it begins.
async fn begin(
    settings: &Settings,
    layout: &Layout,
    look: Look,
    commander: Commander,
    client: &Client,
    reason: &'static str,
) -> Result<Opened, SourceError> {
    slot::drop(client, &settings.slot).await?;
    let system = commander.system.clone();
    let snapshot = commander.create(&settings.slot, false).await?;
    let followed: Vec<_> = layout.entities.iter().map(|layout| layout.entity.0).collect();
    let (slot, wal, copying) = (settings.slot.clone(), snapshot.wal, followed.clone());
    let (sweeping, ahead) = (Vec::new(), Wal::default());
    let position = Position { system, slot, wal, part: None, copying, sweeping, ahead, followed };
    Ok(Opened { position, reason, snapshot: Some(snapshot), stream: None, look, expected: BTreeMap::new() })
}

/// Goes on behind a position; copies what was not copied to its end, and what is mapped otherwise now or is another table.
async fn resume(
    settings: &Settings,
    layout: &Layout,
    look: Look,
    (mut position, copied): (Position, &[Option<Vec<u8>>]),
    commander: Commander,
    client: &Client,
) -> Result<Opened, SourceError> {
    let mapped: Vec<_> = layout.entities.iter().map(|layout| layout.entity.0).collect();
    let followed = mem::replace(&mut position.followed, mapped.clone());
    position.copy(mapped.iter().copied().filter(|entity| !followed.contains(entity)));
    position.copy(look.stale(layout, copied));
    position.copying.retain(|entity| mapped.contains(entity));
    let snapshot = if look.to_copy(layout, &position).is_empty() {
        None
    } else {
        let snapshot = commander.create(&format!("{}_copy", settings.slot), true).await?;
        slot::mark(client).await;
        Some(snapshot)
    };
    let stream = Some(Stream::open(settings, &position).await?);
    Ok(Opened { position, reason: "", snapshot, stream, look, expected: BTreeMap::new() })
}

/// Why the changes since a position cannot be had any more; empty if they can.
fn why_anew(before: Option<&Position>, slot: Option<&slot::Slot>, system: &str, name: &str) -> &'static str {
    let Some(before) = before else { return "the organization had not been copied" };
    match slot {
        _ if before.system != system => "the source is another database cluster",
        _ if before.slot != name => "another slot is configured",
        None => "the source has lost the slot",
        Some(slot) if slot.is_lost => "the source has removed log that the slot needed",
        Some(slot) if slot.confirmed > before.wal => "the slot is ahead of staging, which was restored",
        Some(_) => "",
    }
}

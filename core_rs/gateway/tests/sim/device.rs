//! A device: its database, and what it does with what it is sent. Every method that changes the database is one
//! transaction; a crash between any two of them loses what is in memory, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use haversack_engine::engine::Asker;
use haversack_engine::ids::{Ordinal, RowKey};
use haversack_proto::sync::sync_event::Event;
use haversack_proto::sync::{MutationKind, SyncEvent, SyncMode, SyncRequest, UploadResponse};

use crate::outbox::Outbox;
use crate::replica::Replica;
use crate::rows::{OWNER_ENTITY, Row, companion_of, decoded, is_companion, row_of};
use crate::stream::Stream;
use crate::truth::Truth;
use crate::views::draw::{Cell, Cells, Draw, key};
use crate::views::organization::{ID, OWNER, OWNING_UNIT, USER};

/// A device in its user's hand.
pub(crate) struct Device {
    /// The number of its user.
    pub(crate) user: u32,
    pub(crate) app: &'static str,
    pub(crate) token: Arc<str>,
    pub(crate) file: File,
    /// A copy of an earlier state of the database, of the same install.
    pub(crate) backup: Option<File>,
    pub(crate) stream: Option<Stream>,
    /// A number of writes that were made in all.
    pub(crate) written: u64,
}

/// A device database.
#[derive(Clone, Default)]
pub(crate) struct File {
    pub(crate) install: [u8; 16],
    pub(crate) replica: Replica,
    /// What the rows say, by entity and ordinal; rows that the replica has no more are left over.
    contents: BTreeMap<(u32, Ordinal), Arc<Cells>>,
    columns: Columns,
    /// LSN of the last checkpoint in this epoch.
    pub(crate) position: Option<u64>,
    pub(crate) outbox: Outbox,
    /// The check that was ordered last.
    check: u64,
}

/// Under which columns each row came: numbers that change with an entity's columns.
#[derive(Clone, Default)]
struct Columns {
    entities: BTreeMap<u32, (u64, u32)>,
    rows: BTreeMap<(u32, Ordinal), u32>,
}

impl File {
    /// An empty database.
    pub(crate) fn new(install: [u8; 16]) -> Self {
        Self { install, replica: Replica::new(install), ..Self::default() }
    }

    /// Applies an event, with its cookie.
    pub(crate) fn apply(&mut self, event: &SyncEvent) {
        let (contents, columns) = (&mut self.contents, &mut self.columns);
        let epoch = self.replica.epoch.clone();
        let take = |entity, ordinal, body: Bytes| {
            contents.insert((entity, ordinal), Arc::new(decoded(entity, &body)));
            columns.rows.insert((entity, ordinal), columns.entities.get(&entity).map_or(0, |it| it.1));
        };
        self.replica.apply(event, take).unwrap();
        if self.replica.epoch != epoch {
            self.position = None;
            self.outbox.begin_epoch();
        }
        match event.event.as_ref() {
            Some(Event::Model(model)) => {
                for carried in &model.entities {
                    let known = self.columns.entities.entry(carried.entity).or_default();
                    if known.0 != carried.fingerprint {
                        *known = (carried.fingerprint, known.1 + 1);
                    }
                }
            }
            Some(Event::Answers(told)) => self.outbox.take(told, self.position),
            Some(Event::FullCheckRequired(check)) => self.check = check.number,
            Some(Event::Checkpoint(checkpoint)) => {
                self.position = Some(checkpoint.lsn);
                self.outbox.come_to(self.position);
            }
            _ => {}
        }
    }

    /// Enters the answers to an upload; LSNs of another epoch mean nothing here.
    pub(crate) fn answer(&mut self, response: &UploadResponse) {
        self.outbox.answer(&response.answers, self.position, response.epoch == self.replica.epoch);
    }

    /// Every row that is held, with its LSN.
    pub(crate) fn held(&self, entity: u32) -> impl Iterator<Item = (Ordinal, u64)> + '_ {
        self.replica.rows(entity)
    }

    /// Entities that rows may be held of.
    pub(crate) fn entities(&self) -> Vec<u32> {
        let model = self.replica.model.as_ref();
        model.map_or(Vec::new(), |model| model.entities.iter().map(|carried| carried.entity).collect())
    }

    /// Fields that a device carries of an entity, companions among them.
    pub(crate) fn fields(&self, entity: u32) -> Vec<u32> {
        let model = self.replica.model.as_ref();
        let carried = model.and_then(|model| model.entities.iter().find(|carried| carried.entity == entity));
        let attributes = carried.into_iter().flat_map(|carried| &carried.attributes);
        attributes.flat_map(|it| [it.number, it.entity_field_number]).filter(|field| *field > 0).collect()
    }

    /// What a held row says.
    pub(crate) fn contents(&self, entity: u32, ordinal: Ordinal) -> &Cells {
        &self.contents[&(entity, ordinal)]
    }

    /// Which row a held one is.
    fn row(&self, entity: u32, ordinal: Ordinal) -> Row {
        match &self.contents(entity, ordinal)[&ID] {
            Cell::Id(id) => row_of(id),
            other => unreachable!("{other:?} is no id"),
        }
    }

    /// The version that is held of a row, if that came under the columns that are carried now.
    pub(crate) fn version(&self, entity: u32, ordinal: Ordinal) -> Option<u64> {
        let lsn = self.held(entity).find(|(held, _)| *held == ordinal)?.1;
        let now = self.columns.entities.get(&entity).map(|it| it.1);
        (self.columns.rows.get(&(entity, ordinal)).copied() == now).then_some(lsn)
    }
}

impl Device {
    /// Who its user is, in which application.
    pub(crate) fn asker(&self) -> Asker {
        Asker { user: RowKey(key(USER, self.user)), app: self.app.into() }
    }

    /// What to ask a server for.
    pub(crate) fn request(&self, mode: SyncMode) -> SyncRequest {
        SyncRequest {
            app: self.app.to_owned(),
            unanswered: self.file.outbox.unanswered(),
            full_check: self.file.check,
            ..self.file.replica.request(mode, &[])
        }
    }

    /// The process dies: what was in memory is gone.
    pub(crate) fn crash(&mut self) {
        self.stream = None;
    }

    /// Its user writes something; returns whether there was anything to write.
    pub(crate) fn write(&mut self, draw: &mut Draw, truth: &mut Truth) -> bool {
        let entities = self.file.entities();
        if entities.is_empty() {
            return false;
        }
        let entity = draw.of(&entities);
        self.written += 1;
        let at = truth.world.instant + self.written as i64;
        if draw.chance(30) {
            return self.create(entity, draw, truth, at);
        }
        let Some((row, base_lsn, shown)) = self.some_row(entity, draw) else { return false };
        if draw.chance(12) {
            let nothing = (Cells::new(), Vec::new(), Cells::new());
            self.file.outbox.write(MutationKind::Delete, row, nothing, (base_lsn, at));
            return true;
        }
        self.update(row, &shown, draw, truth, (base_lsn, at))
    }

    fn create(&mut self, entity: u32, draw: &mut Draw, truth: &mut Truth, at: i64) -> bool {
        let number = truth.reserve(entity);
        let fields = self.file.fields(entity);
        let mut new = draw.cells(entity, &truth.world.counts());
        let is_owned_by_writer = draw.chance(70);
        new.retain(|field, _| {
            fields.contains(field)
                && *field != OWNING_UNIT
                && (!is_owned_by_writer || ![OWNER, OWNER_ENTITY].contains(field))
        });
        let changed = new.keys().copied().collect();
        self.file.outbox.write(MutationKind::Create, (entity, number), (new, changed, Cells::new()), (0, at));
        true
    }

    fn update(&mut self, row: Row, shown: &Cells, draw: &mut Draw, truth: &Truth, at: (u64, i64)) -> bool {
        let fresh = draw.cells(row.0, &truth.world.counts());
        let fields = self.file.fields(row.0);
        let plain =
            |field: &u32| fields.contains(field) && ![ID, OWNING_UNIT].contains(field) && !is_companion(row.0, *field);
        let candidates: Vec<u32> = fresh.keys().chain(shown.keys()).copied().filter(plain).collect();
        if candidates.is_empty() {
            return false;
        }
        let mut changed: Vec<u32> = (0..=draw.below(2)).map(|_| draw.of(&candidates)).collect();
        let companions: Vec<u32> = changed.iter().filter_map(|field| companion_of(row.0, *field)).collect();
        changed.extend(companions);
        changed.sort_unstable();
        changed.dedup();
        let of =
            |cells: &Cells| -> Cells { changed.iter().filter_map(|it| Some((*it, cells.get(it)?.clone()))).collect() };
        let (new, old) = (of(&fresh), of(shown));
        if new == old {
            return false;
        }
        self.file.outbox.write(MutationKind::Update, row, (new, changed, old), at);
        true
    }

    /// Some row that the user sees: its base LSN, and what it looks like.
    fn some_row(&self, entity: u32, draw: &mut Draw) -> Option<(Row, u64, Cells)> {
        let file = &self.file;
        let held: Vec<(Ordinal, u64)> = file.held(entity).collect();
        let own: Vec<Row> = file.outbox.visible().map(|it| it.row).filter(|row| row.0 == entity).collect();
        let base = |row: Row| held.iter().find(|(ordinal, _)| file.row(entity, *ordinal) == row);
        let row = if !own.is_empty() && (held.is_empty() || draw.chance(30)) {
            draw.of(&own)
        } else if held.is_empty() {
            return None;
        } else {
            file.row(entity, draw.of(&held).0)
        };
        let base = base(row);
        let shown = file.outbox.shown(row, base.map(|(ordinal, _)| file.contents(entity, *ordinal)))?;
        Some((row, base.map_or(0, |(_, lsn)| *lsn), shown))
    }
}

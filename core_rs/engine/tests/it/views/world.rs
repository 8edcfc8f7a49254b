//! An organization's staging database as a test keeps it, and the engine that follows it.

use std::collections::{BTreeMap, BTreeSet};

use haversack_engine::engine::{Admission, Applied, Engine, PreparedModel, RowChange};
use haversack_engine::ids::{AttributeNumber, EntityNumber, Instant, Lsn, RowKey};
use haversack_engine::row::{Integers, RowWriter, Value};
use haversack_proto::model;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::draw::{Cell, Cells, DAY_MICROS, Draw, MINUTE, START, STARTS, ZONES, key};
use super::organization::*;

/// Entities that may have so many rows that they are judged as a set.
const MANY: [u32; 4] = [ACCOUNT, CONTACT, NOTE, SITE];
/// Attributes that are neither ids nor lookups.
const PLAIN: [u32; 14] = [NAME, SCORE, STATE, FLAG, AMOUNT, DUE, DAY, WALL, RATE, LABEL, RANK, FEE, UNTIL, CHOICES];

/// A row as staging has it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) lsn: u64,
    /// `None` if it is deleted.
    pub(crate) cells: Option<Cells>,
}

/// Everything that has been committed.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) draw: Draw,
    pub(crate) rows: BTreeMap<u32, Vec<Row>>,
    pub(crate) head: u64,
    pub(crate) instant: i64,
    pub(crate) model: model::Model,
    /// Whether profiles are filters and nothing else, and everybody may read everything.
    plain: bool,
    /// Whether users need a privilege to sync.
    pub(crate) admission: Admission,
    /// Rows changed since the engine was last fed.
    pub(crate) changed: BTreeSet<(u32, u32)>,
    pub(crate) published: bool,
}

impl World {
    /// An organization that has published a model and has no rows yet.
    pub(crate) fn empty(seed: u64, model: model::Model) -> Self {
        Self {
            draw: Draw::new(seed),
            rows: BTreeMap::new(),
            head: 0,
            instant: START,
            model,
            plain: false,
            admission: Admission::Members,
            changed: BTreeSet::new(),
            published: true,
        }
    }

    /// An organization with some of everything. In half of them nothing but filters decides what is in a view, so that
    /// whatever they miss is seen.
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self::empty(seed, model::Model::default());
        world.plain = world.draw.chance(50);
        world.admission = world.draw.of(&[Admission::Members, Admission::ProfileReaders]);
        world.instant = world.draw.of(&STARTS);
        world.draw.now = world.instant;
        for (entity, count) in [
            (UNIT, 4),
            (POSITION, 3),
            (USER, 5),
            (TEAM, 3),
            (ROLE, 3),
            (MEMBERSHIP, 6),
            (USER_ROLE, 8),
            (TEAM_ROLE, 3),
            (SETTINGS, 4),
        ] {
            (0..count).for_each(|_| world.insert(entity));
        }
        world.grant();
        if world.plain {
            world.open();
        }
        let many = world.draw.of(&MANY);
        for entity in BUSINESS_ENTITIES {
            let count = if entity == many { if world.plain { 75 } else { 45 } } else { 4 + world.draw.below(10) };
            (0..count).for_each(|_| world.insert(entity));
        }
        (0..world.draw.below(30)).for_each(|_| world.insert(SHARE));
        let model = world.other_model();
        world.publish(model);
        world
    }

    /// An engine for this organization that has seen nothing of it.
    pub(crate) fn engine(&self) -> Engine {
        Engine::admitting(self.admission)
    }

    /// Whether a user needs a privilege to sync.
    pub(crate) fn asks_for_privilege(&self) -> bool {
        self.admission == Admission::ProfileReaders
    }

    /// Gives roles something to read, so that views are not all empty, and something else to do.
    fn grant(&mut self) {
        for (entity, role) in ITEM_ENTITIES.into_iter().flat_map(|entity| (0..3).map(move |role| (entity, role))) {
            if self.draw.chance(75) {
                let cells = self.draw.privilege_of(role, entity);
                self.append(PRIVILEGE, cells);
            }
            if self.draw.chance(75) {
                let mut cells = self.draw.privilege_of(role, entity);
                cells.insert(4, self.draw.privilege_number());
                self.append(PRIVILEGE, cells);
            }
        }
        for role in (0..3).filter(|_| self.draw.chance(60)).collect::<Vec<_>>() {
            let cells = self.draw.privilege_of(role, OFFLINE_PROFILE);
            self.append(PRIVILEGE, cells);
        }
    }

    /// Lets everybody read everything.
    fn open(&mut self) {
        for user in 0..self.counts()[&USER] {
            self.append(USER_ROLE, Cells::from([(2, Cell::Id(key(USER, user))), (3, Cell::Id(key(ROLE, 0)))]));
        }
        for entity in ITEM_ENTITIES.into_iter().chain([OFFLINE_PROFILE]) {
            let mut cells = self.draw.privilege_of(0, entity);
            cells.insert(5, Cell::Integer(8));
            self.append(PRIVILEGE, cells);
        }
    }

    pub(crate) fn append(&mut self, entity: u32, mut cells: Cells) {
        let ordinal = self.rows.get(&entity).map_or(0, Vec::len) as u32;
        cells.insert(ID, Cell::Id(key(entity, ordinal)));
        self.write(entity, ordinal, Some(cells));
    }

    pub(crate) fn counts(&self) -> BTreeMap<u32, u32> {
        self.rows.iter().map(|(&entity, rows)| (entity, rows.len() as u32)).collect()
    }

    fn insert(&mut self, entity: u32) {
        let ordinal = self.rows.get(&entity).map_or(0, Vec::len) as u32;
        self.rewrite(entity, ordinal);
    }

    /// Gives a row new values; a deleted row comes back.
    fn rewrite(&mut self, entity: u32, ordinal: u32) {
        let mut cells = self.draw.cells(entity, &self.counts());
        cells.insert(ID, Cell::Id(key(entity, ordinal)));
        self.write(entity, ordinal, Some(cells));
    }

    pub(crate) fn write(&mut self, entity: u32, ordinal: u32, cells: Option<Cells>) {
        self.head += 1;
        let rows = self.rows.entry(entity).or_default();
        rows.resize(rows.len().max(ordinal as usize + 1), Row { lsn: 0, cells: None });
        rows[ordinal as usize] = Row { lsn: self.head, cells };
        self.changed.insert((entity, ordinal));
    }

    fn some_row(&mut self, entity: u32) -> Option<u32> {
        let count = self.rows.get(&entity).map_or(0, Vec::len) as u64;
        (count > 0).then(|| self.draw.below(count) as u32)
    }

    /// Publishes a model that differs from the last one by `change`.
    pub(crate) fn republish(&mut self, change: impl FnOnce(&mut model::Model)) {
        change(&mut self.model);
        self.model.revision += 1;
        self.head += 1;
        self.published = true;
    }

    /// A model with other profiles, organization filters and settings.
    pub(crate) fn other_model(&mut self) -> model::Model {
        let counts = self.counts();
        let mut entities = entities();
        for entity in entities.iter_mut().filter(|entity| BUSINESS_ENTITIES.contains(&entity.number)) {
            let filter = (!self.plain && self.draw.chance(10)).then(|| self.draw.filter(entity.number, 3, &counts));
            entity.organization_filter = filter;
        }
        model::Model {
            revision: self.model.revision + 1,
            settings: Some(self.draw.settings()),
            entities,
            relationships: relationships(),
            profiles: if self.plain {
                (0..2).map(|number| self.draw.profile_of_filters(number, &counts)).collect()
            } else {
                (0..2).map(|number| self.draw.profile(number, &counts)).collect()
            },
            apps: self.draw.apps(),
            ..model::Model::default()
        }
    }

    /// The model that is published, changed in one place or two.
    pub(crate) fn changed_model(&mut self) -> model::Model {
        let counts = self.counts();
        let mut model = self.model.clone();
        model.revision += 1;
        // What asks for no more of rows than before can be rehearsed.
        let asks_more = self.draw.chance(60);
        if self.draw.chance(40) {
            let old = model.settings.take().unwrap_or_default();
            let new = self.draw.settings();
            model.settings = Some(if asks_more {
                new
            } else {
                model::Settings { collation: old.collation, user_attribute: old.user_attribute, ..new }
            });
        }
        if asks_more && self.draw.chance(40) {
            let number = self.draw.of(&BUSINESS_ENTITIES);
            let limit = self.draw.chance(60).then(|| self.draw.filter(number, 3, &counts));
            let entity = model.entities.iter_mut().find(|entity| entity.number == number);
            entity.expect("is in the model").organization_filter = limit;
        }
        for item in model.profiles.iter_mut().flat_map(|profile| &mut profile.items) {
            let associations = &mut item.associations;
            match self.draw.below(8) {
                0..=2 if asks_more && item.filter.is_some() => {
                    let entity = ITEM_ENTITIES.into_iter().find(|entity| name(*entity) == item.entity);
                    item.filter = Some(self.draw.filter(entity.expect("has items"), 2, &counts));
                }
                3 => associations.retain(|_| self.draw.chance(50)),
                4 => associations.iter_mut().for_each(|association| association.filter = None),
                _ => {}
            }
        }
        for profile in &mut model.profiles {
            if self.draw.chance(40) {
                profile.users = self.draw.members(USER, 50, &counts);
                profile.teams = self.draw.members(TEAM, 40, &counts);
            }
        }
        if self.draw.chance(50) {
            model.apps = self.draw.apps();
        }
        model
    }

    pub(crate) fn publish(&mut self, model: model::Model) {
        self.model = model;
        self.head += 1;
        self.published = true;
    }

    fn go_on_to(&mut self, instant: i64) {
        self.instant = self.instant.max(instant);
        self.draw.now = self.instant;
    }

    /// One random change.
    pub(crate) fn step(&mut self, kind: u8, next_boundary: Option<Instant>) {
        match kind {
            0..=5 => self.change_rows(BUSINESS_ENTITIES.as_slice(), 4),
            6 => {
                let entity = self.draw.of(&MANY);
                if self.draw.chance(50) { self.revalue(entity) } else { self.change_rows(&[entity], 100) }
            }
            7 => self.delete(&BUSINESS_ENTITIES),
            8 | 9 => self.change_rows(&DIRECTORY_ENTITIES, 1),
            10 => self.delete(&DIRECTORY_ENTITIES),
            11 => self.touch(),
            12 => {
                let model = if self.draw.chance(40) { self.other_model() } else { self.changed_model() };
                self.publish(model);
            }
            13 => self.change_rows(&[SHARE], 3),
            14 => self.change_rows(&[USER, TEAM, UNIT, POSITION, MEMBERSHIP], 2),
            15 => self.choose_again(),
            _ => self.let_time_pass(kind, next_boundary.map_or(self.instant, |boundary| boundary.0)),
        }
    }

    /// Lets time go on: a while, to a boundary or just around it, or around the setting of some clocks.
    fn let_time_pass(&mut self, kind: u8, boundary: i64) {
        let instant = match kind {
            16 => self.instant + self.draw.below(36 * 60) as i64 * MINUTE,
            17 => self.instant + self.draw.below(3) as i64 * DAY_MICROS,
            18 => boundary - 1,
            19 | 20 => boundary,
            21 => boundary + self.draw.of(&[1, 1_000_000, 30 * MINUTE, 60 * MINUTE, 61 * MINUTE]),
            22 => self.instant + self.draw.of(&[5, 31, 40, 400]) * DAY_MICROS,
            _ => self.around_a_jump(),
        };
        self.go_on_to(instant);
    }

    /// A moment just before the next setting of the clocks of a zone that somebody has chosen, or just behind it if it is
    /// at hand.
    fn around_a_jump(&mut self) -> i64 {
        let chosen = self.rows[&SETTINGS].iter().filter_map(|row| row.cells.as_ref()?.get(&4));
        let known = chosen.filter_map(|cell| if let Cell::Text(name) = cell { TimeZone::get(name).ok() } else { None });
        let known: Vec<TimeZone> = known.collect();
        let zone = if known.is_empty() {
            self.of_zones()
        } else {
            known[self.draw.below(known.len() as u64) as usize].clone()
        };
        let now = Timestamp::from_microsecond(self.instant).expect("is in range");
        let Some(jump) = zone.following(now).next() else { return self.instant + 60 * MINUTE };
        let jump = jump.timestamp().as_microsecond();
        if jump - self.instant < 120 * MINUTE {
            return jump + self.draw.of(&[0, 1, 10 * MINUTE, 30 * MINUTE, 59 * MINUTE]);
        }
        jump - self.draw.of(&[1, 10 * MINUTE, 30 * MINUTE, 61 * MINUTE])
    }

    fn of_zones(&mut self) -> TimeZone {
        let name = self.draw.of(&ZONES[1..]);
        TimeZone::get(name).expect("is a zone")
    }

    /// Lets a user choose another zone and language, or somebody else's row of settings become the user's.
    fn choose_again(&mut self) {
        let Some(ordinal) = self.some_row(SETTINGS) else { return };
        let user = self.rows[&SETTINGS][ordinal as usize].cells.as_ref().and_then(|cells| cells.get(&2)).cloned();
        let mut cells = self.draw.cells(SETTINGS, &self.counts());
        cells.insert(ID, Cell::Id(key(SETTINGS, ordinal)));
        cells.extend(user.filter(|_| self.draw.chance(80)).map(|user| (2, user)));
        self.write(SETTINGS, ordinal, Some(cells));
    }

    fn change_rows(&mut self, entities: &[u32], count_max: u64) {
        for _ in 0..=self.draw.below(count_max) {
            let entity = self.draw.of(entities);
            match self.some_row(entity) {
                Some(ordinal) if self.draw.chance(70) => self.rewrite(entity, ordinal),
                _ => self.insert(entity),
            }
        }
    }

    /// Gives every live row of an entity other plain values, and leaves its lookups.
    fn revalue(&mut self, entity: u32) {
        for ordinal in 0..self.rows[&entity].len() as u32 {
            let Some(mut cells) = self.rows[&entity][ordinal as usize].cells.clone() else { continue };
            let fresh = self.draw.cells(entity, &self.counts());
            cells.retain(|attribute, _| !PLAIN.contains(attribute));
            cells.extend(fresh.into_iter().filter(|(attribute, _)| PLAIN.contains(attribute)));
            self.write(entity, ordinal, Some(cells));
        }
    }

    fn delete(&mut self, entities: &[u32]) {
        let entity = self.draw.of(entities);
        if let Some(ordinal) = self.some_row(entity) {
            self.write(entity, ordinal, None);
        }
    }

    /// Gives a row a new version with the values that it had.
    fn touch(&mut self) {
        let entity = self.draw.of(&BUSINESS_ENTITIES);
        if let Some(ordinal) = self.some_row(entity) {
            let cells = self.rows[&entity][ordinal as usize].cells.clone();
            self.write(entity, ordinal, cells);
        }
    }

    /// The same rows under another model, of which no engine has seen anything.
    pub(crate) fn published_as(&self, model: model::Model) -> Self {
        let (rows, head, admission) = (self.rows.clone(), self.head, self.admission);
        let mut world = Self { rows, head, admission, ..Self::empty(0, model) };
        world.instant = self.instant;
        world
    }

    /// Lets the next engine that is fed see everything.
    pub(crate) fn forget_what_was_fed(&mut self) {
        self.published = true;
        self.changed.clear();
    }

    /// Feeds an engine what it has not seen.
    pub(crate) fn feed(&mut self, engine: &mut Engine) -> Applied {
        let model = std::mem::take(&mut self.published).then(|| PreparedModel::compile(&self.model));
        let model = model.map(|model| model.expect("random models are right"));
        let mut commit = engine.begin(Lsn(self.head));
        let reload = model.map_or(Vec::new(), |model| commit.model(model));
        let mut payload = Vec::new();
        let mut feed = |entity: u32, ordinal: u32, row: &Row| {
            payload.clear();
            let alive = row.cells.as_ref().map(|cells| encode(cells, &mut payload));
            let change = RowChange {
                entity: EntityNumber(entity),
                ordinal,
                key: RowKey(key(entity, ordinal)),
                lsn: Lsn(row.lsn),
                payload: alive.map(|()| payload.as_slice()),
            };
            commit.row(&change).expect("the row is sound");
        };
        for entity in &reload {
            let rows = self.rows.get(&entity.0).into_iter().flatten();
            rows.zip(0..).for_each(|(row, ordinal)| feed(entity.0, ordinal, row));
        }
        for (entity, ordinal) in std::mem::take(&mut self.changed) {
            if !reload.contains(&EntityNumber(entity)) || self.draw.chance(30) {
                feed(entity, ordinal, &self.rows[&entity][ordinal as usize]);
            }
        }
        commit.finish(Instant(self.instant))
    }
}

pub(crate) fn encode(cells: &Cells, payload: &mut Vec<u8>) {
    let mut writer = RowWriter::new(payload);
    let mut packed = Vec::new();
    for (&number, cell) in cells {
        let value = match cell {
            Cell::Set(numbers) => {
                packed.clear();
                Integers::pack(numbers, &mut packed);
                Value::Integers(Integers::from_packed(&packed).expect("was just packed"))
            }
            Cell::Integer(number) => Value::Integer(*number),
            Cell::Real(number) => Value::Real(*number),
            Cell::Text(text) => Value::Text(text),
            Cell::Truth(truth) => Value::Truth(*truth),
            Cell::Id(id) => Value::Id(*id),
            Cell::Entity(entity) => Value::Entity(EntityNumber(*entity)),
        };
        writer.push(AttributeNumber(number), &value);
    }
    writer.finish();
}

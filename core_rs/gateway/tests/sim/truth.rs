//! What is true: the data as of every commit, and who may see what of it.
//!
//! The source of the organization's rows is simulated; the staging database is real, and what it says after a commit
//! is what is true. The naive judge of the engine's tests answers from that, and from nothing of the gateway's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;

use haversack_engine::engine::{Admission, Asker};
use haversack_engine::ids::{EntityNumber, Instant, Lsn, Ordinal, Revision};
use haversack_proto::model::{ConflictPolicy, Model};
use haversack_staging::{RowId, SqliteStaging, Staging};
use prost::Message;

use crate::counters::Counters;
use crate::outside::Outside;
use crate::rows::{Row, decoded, encoded};
use crate::views::draw::{Cell, Cells, DAY_MICROS, key, uuid_text};
use crate::views::oracle::{Answer, Oracle};
use crate::views::organization::{
    BUSINESS_ENTITIES, ID, ITEM_ENTITIES, OFFLINE_PROFILE, PRIVILEGE, ROLE, UNIT, USER, USER_ROLE, name,
};
use crate::views::world::{self, World};

/// What a user's device should hold, or why there is no such thing.
pub(crate) type Visible = Result<BTreeMap<u32, BTreeSet<u32>>, Answer>;

/// Answers that are kept to be given again.
const ANSWERS_MAX: usize = 4_096;

/// Users that administrators let in again and again.
pub(crate) const KNOWN_USERS: u32 = 5;

/// Rows of an entity of the directory that administrators make.
const DIRECTORY_ROWS_MAX: u64 = 250;

/// Rights that some roles have beside those that random organizations give: create, write, delete, assign, append,
/// append to.
const WRITING: [i64; 6] = [1, 3, 4, 5, 7, 8];

/// Where the organization is, and was.
pub(crate) struct Truth {
    /// As of the last commit.
    pub(crate) world: World,
    /// Where the rows come from, if staging only follows them, and devices' writes go.
    pub(crate) outside: Option<Outside>,
    staging: SqliteStaging,
    path: PathBuf,
    ordinals: BTreeMap<(u32, Ordinal), u32>,
    /// LSN of every row that staging has or had.
    lsns: BTreeMap<Row, u64>,
    pasts: BTreeMap<(u64, i64), Rc<World>>,
    answers: BTreeMap<(u64, i64, Asker), Rc<Visible>>,
}

/// What a commit did to a row.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) row: Row,
    pub(crate) lsn: u64,
    pub(crate) before: Option<Cells>,
    pub(crate) after: Option<Cells>,
}

impl Truth {
    /// An organization of this seed, published, in a new staging database.
    pub(crate) fn new(seed: u64, path: PathBuf) -> Self {
        let mut world = World::new(seed);
        // Gateways ask everybody for the privilege.
        world.admission = Admission::ProfileReaders;
        for (role, entity) in (0..3).flat_map(|role| ITEM_ENTITIES.map(|entity| (role, entity))) {
            for right in WRITING {
                if world.draw.chance(60) {
                    let depth = world.draw.of(&[1, 2, 8, 8, 8]);
                    let entity = Cell::Text(name(entity).to_owned());
                    let right = [(3, entity), (4, Cell::Integer(right)), (5, Cell::Integer(depth))];
                    world.append(PRIVILEGE, Cells::from(right).into_iter().chain([(2, role_id(role))]).collect());
                }
            }
        }
        (0..KNOWN_USERS).for_each(|user| admit(&mut world, user));
        let staging = SqliteStaging::create(&path).unwrap();
        let (pasts, answers) = (BTreeMap::new(), BTreeMap::new());
        let (ordinals, lsns) = (BTreeMap::new(), BTreeMap::new());
        let mut outside = world.draw.chance(50).then(|| Outside::new(world.draw.chance(60)));
        if let Some(outside) = &mut outside {
            world.changed.iter().for_each(|row| outside.put(*row, world.rows[&row.0][row.1 as usize].cells.as_ref()));
        }
        let mut truth = Self { world, outside, staging, path, ordinals, lsns, pasts, answers };
        truth.ship(&mut Counters::default());
        truth
    }

    /// Another handle on the staging database, as another process has it.
    pub(crate) fn handle(&self) -> SqliteStaging {
        SqliteStaging::open(&self.path).unwrap()
    }

    /// The source's own handle.
    pub(crate) fn staging(&self) -> &SqliteStaging {
        &self.staging
    }

    /// LSN of the last commit.
    pub(crate) fn head(&self) -> u64 {
        self.staging.head().unwrap().0
    }

    /// Replicates what has yet to be.
    pub(crate) fn catch_up(&mut self, counters: &mut Counters) {
        let Some(outside) = &mut self.outside else { return };
        for row in std::mem::take(&mut outside.late) {
            self.world.write(row.0, row.1, outside.rows.get(&row).cloned());
        }
        self.ship(counters);
    }

    /// Rows of the source change, and are replicated at once, or some time.
    fn tell_outside(&mut self) {
        let Some(outside) = &mut self.outside else { return };
        let staged = self.pasts.values().next_back();
        for row in self.world.changed.clone() {
            let now = &mut self.world.rows.get_mut(&row.0).expect("it changed")[row.1 as usize];
            outside.put(row, now.cells.as_ref());
            let is_late = BUSINESS_ENTITIES.contains(&row.0) && self.world.draw.chance(40);
            if is_late && let Some(staged) = staged {
                let staged = staged.rows.get(&row.0).and_then(|rows| rows.get(row.1 as usize));
                *now = staged.cloned().unwrap_or(world::Row { lsn: 0, cells: None });
                self.world.changed.remove(&row);
                outside.late.insert(row);
            } else {
                outside.late.remove(&row);
            }
        }
    }

    /// Lets the source, an administrator or the clock do something.
    pub(crate) fn step(&mut self, kind: u8, counters: &mut Counters) {
        // Most windows begin and end with a day.
        let midnight = (self.world.instant / DAY_MICROS + 1) * DAY_MICROS;
        self.world.step(kind, Some(Instant(midnight)));
        self.tell_outside();
        self.ship(counters);
    }

    /// An administrator lets a user back in, whatever has become of it.
    pub(crate) fn admit(&mut self, user: u32, counters: &mut Counters) {
        admit(&mut self.world, user);
        self.tell_outside();
        self.ship(counters);
    }

    /// Brings to staging what has changed at the source, and what was published.
    pub(crate) fn ship(&mut self, counters: &mut Counters) {
        if std::mem::take(&mut self.world.published) {
            self.publish(counters);
        }
        let changed = self.world.changed.clone();
        let mut meant = BTreeMap::new();
        let mut commit = self.staging.begin().unwrap();
        for row in changed {
            let (entity, id) = (EntityNumber(row.0), RowId::Uuid(key(row.0, row.1)));
            let cells = self.world.rows[&row.0][row.1 as usize].cells.clone();
            match &cells {
                Some(cells) => commit.upsert(entity, &id, &encoded(cells)).unwrap(),
                None => commit.delete(entity, &id).unwrap(),
            };
            meant.insert(row, cells);
        }
        commit.finish().unwrap();
        counters.add("rows changed at the source", meant.len() as u64);
        for changed in self.read_back() {
            assert_eq!(meant.get(&changed.row), Some(&changed.after), "staging has what the source says");
        }
    }

    fn publish(&mut self, counters: &mut Counters) {
        let policies = [ConflictPolicy::ClientWins, ConflictPolicy::ServerWins, ConflictPolicy::Merge];
        let policy = self.world.draw.of(&policies);
        counters.count(&format!("published: {}", policy.as_str_name().to_lowercase()));
        let settings = self.world.model.settings.get_or_insert_default();
        settings.conflict_policy = policy.into();
        // Tokens name users by their ids.
        settings.user_attribute.clear();
        let Self { world: World { draw, model, .. }, .. } = self;
        for profile in &mut model.profiles {
            let known = (0..KNOWN_USERS).filter(|_| draw.chance(60)).map(|user| uuid_text(key(USER, user)));
            profile.users.extend(known.collect::<Vec<_>>());
            profile.users.sort_unstable();
            profile.users.dedup();
        }
        let model = self.world.model.encode_to_vec();
        self.staging.publish(Revision(self.world.model.revision), &model).unwrap();
    }

    /// Takes over what was committed, by whomever; returns it in the order of LSNs.
    pub(crate) fn read_back(&mut self) -> Vec<Changed> {
        let snapshot = self.staging.snapshot().unwrap();
        let floor = self.pasts.keys().next_back().map_or(0, |(lsn, _)| *lsn);
        let Self { world, ordinals, lsns, .. } = self;
        // A row that was written as it was keeps its LSN.
        for &(entity, number) in &std::mem::take(&mut world.changed) {
            let lsn = lsns.get(&(entity, number)).copied().unwrap_or(0);
            world.rows.get_mut(&entity).expect("the row is there")[number as usize].lsn = lsn;
        }
        let mut found = Vec::new();
        let take = &mut |stored: haversack_staging::StoredRow<'_>| {
            let row = crate::rows::row_of(&stored.key.0);
            ordinals.insert((stored.entity.0, stored.ordinal), row.1);
            lsns.insert(row, stored.lsn.0);
            let rows = world.rows.entry(row.0).or_default();
            rows.resize(rows.len().max(row.1 as usize + 1), world::Row { lsn: 0, cells: None });
            let after = stored.payload.map(|payload| decoded(row.0, payload));
            let now = world::Row { lsn: stored.lsn.0, cells: after.clone() };
            let before = std::mem::replace(&mut rows[row.1 as usize], now).cells;
            found.push(Changed { row, lsn: stored.lsn.0, before, after });
        };
        snapshot.changes_after(Lsn(floor), take).unwrap();
        let head = snapshot.head().0;
        drop(snapshot);
        self.world.head = head;
        let past = Rc::new(self.world.published_as(self.world.model.clone()));
        self.pasts.insert((head, self.world.instant), past);
        found.sort_by_key(|changed| changed.lsn);
        found
    }

    /// A number that no row of the entity has, for a device that makes one.
    pub(crate) fn reserve(&mut self, entity: u32) -> u32 {
        let rows = self.world.rows.entry(entity).or_default();
        rows.push(world::Row { lsn: 0, cells: None });
        rows.len() as u32 - 1
    }

    /// The row that an ordinal stands for.
    pub(crate) fn row(&self, entity: u32, ordinal: Ordinal) -> Row {
        let number = self.ordinals.get(&(entity, ordinal));
        (entity, *number.expect("an ordinal that was never given"))
    }

    /// The organization as of a commit.
    pub(crate) fn past(&self, lsn: u64) -> Rc<World> {
        let (_, world) = self.pasts.range(..=(lsn, i64::MAX)).next_back().expect("no server stands before the first");
        Rc::clone(world)
    }

    /// What the device of somebody should hold, as of a commit and a moment.
    pub(crate) fn visible(&mut self, asker: &Asker, lsn: u64, instant: i64) -> Rc<Visible> {
        let question = (lsn, instant, asker.clone());
        if let Some(answer) = self.answers.get(&question) {
            return Rc::clone(answer);
        }
        let world = self.at(lsn, instant);
        let rows = Oracle::new(&world, asker).map(|oracle| oracle.view().into_iter().collect());
        let answer = Rc::new(rows);
        if self.answers.len() >= ANSWERS_MAX {
            self.answers.clear();
        }
        self.answers.insert(question, Rc::clone(&answer));
        answer
    }

    /// Forgets what was before a commit: no server stands there any more.
    pub(crate) fn forget(&mut self, before: u64) {
        let oldest = self.pasts.range(..=(before, i64::MAX)).next_back().map(|(at, _)| *at);
        if let Some(oldest) = oldest {
            self.pasts.retain(|at, _| at.0 >= oldest.0);
        }
    }

    /// Gives the staging database up: all that is in the ledger, and every row, goes to a new one.
    pub(crate) fn provision_again(&mut self, path: PathBuf) {
        haversack_staging::close_ledger(&self.staging).unwrap();
        let staging = SqliteStaging::create(&path).unwrap();
        let snapshot = self.staging.snapshot().unwrap();
        let mut place = haversack_staging::LedgerPlace(0);
        loop {
            let (page, last) = haversack_staging::export_ledger(snapshot.as_ref(), place, 100).unwrap();
            haversack_staging::import_ledger(&staging, &page).unwrap();
            if last == place {
                break;
            }
            place = last;
        }
        drop(snapshot);
        (self.staging, self.path) = (staging, path);
        (self.ordinals, self.lsns, self.pasts, self.answers) = Default::default();
        if let Some(outside) = &mut self.outside {
            outside.late.clear();
            for (entity, rows) in &mut self.world.rows {
                for (number, row) in (0..).zip(rows) {
                    row.cells = outside.rows.get(&(*entity, number)).cloned();
                }
            }
        }
        // The new database has never had what was deleted before.
        self.world.rows.values_mut().flatten().for_each(|row| row.lsn = 0);
        let rows = |(&entity, rows): (&u32, &Vec<world::Row>)| {
            let alive = rows.iter().zip(0..).filter(|(row, _)| row.cells.is_some());
            alive.map(|(_, number)| (entity, number)).collect::<Vec<_>>()
        };
        self.world.changed = self.world.rows.iter().flat_map(rows).collect();
        self.world.published = true;
        self.ship(&mut Counters::default());
    }

    /// The staging database is an earlier one of itself, and so is all that was in it.
    pub(crate) fn restore(&mut self, path: PathBuf) {
        self.staging = SqliteStaging::open(&path).unwrap();
        self.path = path;
        (self.ordinals, self.lsns, self.pasts, self.answers) = Default::default();
        for row in self.world.rows.values_mut().flatten() {
            *row = world::Row { lsn: 0, cells: None };
        }
        self.world.changed.clear();
        let published = self.staging.snapshot().unwrap().model_after(Revision(0)).unwrap().expect("it was published");
        self.world.model = Model::decode(&published.model[..]).unwrap();
        self.read_back();
        let Some(outside) = &mut self.outside else { return };
        outside.late.clear();
        for (entity, rows) in &self.world.rows {
            for (number, row) in (0..).zip(rows) {
                if row.cells.as_ref() != outside.rows.get(&(*entity, number)) {
                    outside.late.insert((*entity, number));
                }
            }
        }
    }

    fn at(&self, lsn: u64, instant: i64) -> Rc<World> {
        let past = self.past(lsn);
        if past.instant == instant {
            return past;
        }
        let mut world = past.published_as(past.model.clone());
        world.instant = instant;
        Rc::new(world)
    }
}

/// Makes a user one that works, with a role that may read profiles and something to read and write.
fn admit(world: &mut World, user: u32) {
    let (unit, role) = (world.draw.below(4) as u32, world.draw.below(3) as u32);
    let mut cells = Cells::from([(2, Cell::Id(key(UNIT, unit))), (3, Cell::Truth(false))]);
    cells.insert(ID, Cell::Id(key(USER, user)));
    world.write(USER, user, Some(cells));
    world.write(ROLE, role, Some(Cells::from([(ID, role_id(role)), (2, Cell::Integer(1))])));
    replace(world, USER_ROLE, Cells::from([(2, Cell::Id(key(USER, user))), (3, role_id(role))]));
    let mut rights = vec![(OFFLINE_PROFILE, 2)];
    let entity = world.draw.of(&ITEM_ENTITIES);
    rights.extend([1, 2, 3, 4, 7, 8].map(|right| (entity, right)));
    for (entity, right) in rights {
        let entity = Cell::Text(name(entity).to_owned());
        let cells = [(2, role_id(role)), (3, entity), (4, Cell::Integer(right)), (5, Cell::Integer(8))];
        replace(world, PRIVILEGE, Cells::from(cells));
    }
}

/// Adds a row of the directory, or puts it in the place of another once there are many.
fn replace(world: &mut World, entity: u32, mut cells: Cells) {
    let count = world.rows.get(&entity).map_or(0, Vec::len) as u64;
    if count < DIRECTORY_ROWS_MAX {
        return world.append(entity, cells);
    }
    let number = world.draw.below(count) as u32;
    cells.insert(ID, Cell::Id(key(entity, number)));
    world.write(entity, number, Some(cells));
}

fn role_id(role: u32) -> Cell {
    Cell::Id(key(ROLE, role))
}

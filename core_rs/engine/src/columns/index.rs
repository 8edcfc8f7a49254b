//! Everything that is kept of one organization's rows: tables, edges and predicates.

use hashbrown::HashMap;
use std::mem::take;

use roaring::RoaringBitmap;

use super::edges::Edges;
use super::keys::Keys;
use super::kin::kin;
use super::needs::{EdgesNumber, LinkNeeds, Needs, PredicateNumber, TableNumber, WindowNumber};
use super::predicate::{Predicate, PredicateKey, SharedTest};
use super::table::Table;
use super::window::{WindowKey, WindowRows};
use crate::ids::{EntityNumber, Instant, Lsn, Ordinal, RowKey};
use crate::row::RowError;
use crate::schema::Lookup;
use crate::zone::Zone;

/// A row as it is after a commit.
#[derive(Clone, Copy, Debug)]
pub struct RowChange<'a> {
    /// Its entity.
    pub entity: EntityNumber,
    /// Its number within the entity.
    pub ordinal: Ordinal,
    /// Its id; always the same for an ordinal.
    pub key: RowKey,
    /// LSN of its last change; above 0.
    pub lsn: Lsn,
    /// The encoded row; `None` if it is deleted.
    pub payload: Option<&'a [u8]>,
}

/// An organization's rows in memory.
#[derive(Debug, Default)]
pub struct Index {
    tables: Vec<Table>,
    by_entity: HashMap<EntityNumber, TableNumber>,
    edges: Vec<Edges>,
    /// By table: the lookups of its rows.
    outgoing: Vec<Vec<Outgoing>>,
    /// By table: the lookups that refer to its rows.
    incoming: Vec<Vec<EdgesNumber>>,
    /// Each with its table.
    predicates: Vec<(TableNumber, Predicate)>,
    windows: Vec<Window>,
    /// Zones in which windows are followed.
    zones: Vec<Zone>,
    links: Vec<LinkNeeds>,
}

/// A window in every zone that is followed, in the order of the zones.
#[derive(Debug)]
struct Window {
    table: TableNumber,
    key: WindowKey,
    rows: Vec<WindowRows>,
}

/// A lookup seen from the table that has it.
#[derive(Clone, Copy, Debug)]
struct Outgoing {
    edges: EdgesNumber,
    /// Which of the lookups that the table reads.
    place: usize,
    referenced: TableNumber,
}

/// What an index holds in bytes, by part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexBytes {
    /// Ids, LSNs, sizes, life.
    pub rows: usize,
    /// Attributes that filters test.
    pub columns: usize,
    /// Rows by owner, unit and user.
    pub postings: usize,
    /// Relationships.
    pub edges: usize,
    /// Rows by test.
    pub predicates: usize,
    /// Latest changes.
    pub logs: usize,
}

impl IndexBytes {
    /// All of it.
    pub fn total(&self) -> usize {
        self.rows + self.columns + self.postings + self.edges + self.predicates + self.logs
    }
}

impl Index {
    /// Entities of which `needs` asks more than is here: every row of theirs has to be fed after
    /// [`Self::install`], in the same commit.
    pub fn missing(&self, needs: &Needs) -> Vec<EntityNumber> {
        let known = |entity: EntityNumber| self.by_entity.get(&entity).map(|table| &self.tables[table.0]);
        let has_edges = |lookup: &Lookup| self.edges.iter().any(|edges| edges.lookup() == *lookup);
        let has_lookups =
            |entity: EntityNumber| needs.lookups.iter().filter(|lookup| lookup.referencing == entity).all(has_edges);
        let missing = needs.tables.iter().filter(|(entity, shape)| {
            known(*entity).is_none_or(|table| !table.needs().covers(shape)) || !has_lookups(*entity)
        });
        missing.map(|&(entity, _)| entity).collect()
    }

    /// Takes the shape that a model needs. What it no longer needs is given up.
    pub fn install(&mut self, needs: &Needs) {
        let missing = self.missing(needs);
        self.install_tables(needs);
        self.install_edges(needs, &missing);
        self.install_predicates(needs, &missing);
        self.install_windows(needs, &missing);
        self.links.clone_from(&needs.links);
    }

    fn install_tables(&mut self, needs: &Needs) {
        let mut old: HashMap<EntityNumber, Table> =
            take(&mut self.tables).into_iter().map(|table| (table.entity(), table)).collect();
        self.by_entity.clear();
        for (entity, shape) in &needs.tables {
            let mut table = old.remove(entity).unwrap_or_else(|| Table::new(*entity));
            table.shape(shape);
            self.by_entity.insert(*entity, TableNumber(self.tables.len()));
            self.tables.push(table);
        }
    }

    fn install_edges(&mut self, needs: &Needs, missing: &[EntityNumber]) {
        let mut old: HashMap<Lookup, Edges> =
            take(&mut self.edges).into_iter().map(|edges| (edges.lookup(), edges)).collect();
        self.outgoing = vec![Vec::new(); self.tables.len()];
        self.incoming = vec![Vec::new(); self.tables.len()];
        for &lookup in &needs.lookups {
            let kept = old.remove(&lookup).filter(|_| !missing.contains(&lookup.referencing));
            let edges = EdgesNumber(self.edges.len());
            self.edges.push(kept.unwrap_or_else(|| Edges::new(lookup)));
            let (referencing, referenced) = (self.by_entity[&lookup.referencing], self.by_entity[&lookup.referenced]);
            let place =
                self.tables[referencing.0].lookup_of(lookup.attribute).expect("a lookup is read if it is needed");
            self.outgoing[referencing.0].push(Outgoing { edges, place, referenced });
            self.incoming[referenced.0].push(edges);
        }
    }

    fn install_predicates(&mut self, needs: &Needs, missing: &[EntityNumber]) {
        let mut old: HashMap<PredicateKey, Predicate> =
            take(&mut self.predicates).into_iter().map(|(_, predicate)| (predicate.key().clone(), predicate)).collect();
        for key in &needs.predicates {
            let kept = old.remove(key).filter(|_| !missing.contains(&key.entity));
            let predicate = kept.unwrap_or_else(|| Predicate::new(key.clone()));
            self.predicates.push((self.by_entity[&key.entity], predicate));
        }
    }

    fn install_windows(&mut self, needs: &Needs, missing: &[EntityNumber]) {
        let mut old: HashMap<WindowKey, Vec<WindowRows>> =
            take(&mut self.windows).into_iter().map(|window| (window.key, window.rows)).collect();
        for key in &needs.windows {
            let mut rows = old.remove(key).filter(|_| !missing.contains(&key.entity)).unwrap_or_default();
            rows.resize_with(self.zones.len(), WindowRows::default);
            self.windows.push(Window { table: self.by_entity[&key.entity], key: key.clone(), rows });
        }
    }

    /// Follows windows in a zone from now on.
    pub fn follow(&mut self, zone: &Zone, instant: Instant) {
        if self.windows.is_empty() || self.zones.contains(zone) {
            return;
        }
        self.zones.push(zone.clone());
        for window in &mut self.windows {
            let mut rows = WindowRows::default();
            rows.update(&window.key, &self.tables[window.table.0], instant, zone);
            window.rows.push(rows);
        }
    }

    /// Gives up following windows in zones that are not wanted.
    pub fn follow_only(&mut self, wanted: impl Fn(&Zone) -> bool) {
        for place in (0..self.zones.len()).rev().filter(|&place| !wanted(&self.zones[place])).collect::<Vec<_>>() {
            self.zones.remove(place);
            self.windows.iter_mut().for_each(|window| drop(window.rows.remove(place)));
        }
    }

    /// Takes a row; rows of entities without a table are passed over.
    ///
    /// # Errors
    /// The payload is damaged. The index is then of no more use.
    pub fn feed(&mut self, row: &RowChange<'_>) -> Result<(), RowError> {
        let Some(&table) = self.by_entity.get(&row.entity) else { return Ok(()) };
        if self.tables[table.0].changes().fed.contains(row.ordinal) {
            self.settle_edges();
        }
        if self.tables[table.0].enter(row) {
            for edges in &self.incoming[table.0] {
                self.edges[edges.0].arrived(row.key, row.ordinal);
            }
        }
        self.tables[table.0].read(row.ordinal, row.payload.unwrap_or_default())?;
        for out in &self.outgoing[table.0] {
            let (child, parents) = (&self.tables[table.0], &self.tables[out.referenced.0]);
            let target = child.lookup(out.place, parents.entity());
            self.edges[out.edges.0].point(row.ordinal, target, parents.ids());
        }
        Ok(())
    }

    /// Ends the feeding of a commit: resolves lookups, judges what was fed, moves windows to `instant`, and tells what moved
    /// because of it.
    pub fn settle(&mut self, instant: Instant) {
        self.settle_edges();
        self.settle_predicates();
        self.settle_windows(instant);
        for place in 0..self.links.len() {
            self.follow_link(self.links[place]);
        }
        self.tables.iter_mut().for_each(Table::settle);
    }

    fn settle_predicates(&mut self) {
        for (number, mut predicate) in take(&mut self.predicates) {
            let flips = match &predicate.key().test {
                SharedTest::Kin(..) if !self.kin_moved(&predicate) => RoaringBitmap::new(),
                SharedTest::Kin(..) => self.judge(&mut predicate),
                _ if predicate.is_complete() && self.table(number).changes().fed.is_empty() => RoaringBitmap::new(),
                _ => predicate.update(self.table(number), &self.table(number).changes().fed),
            };
            self.tables[number.0].add_moved(&flips);
            self.predicates.push((number, predicate));
        }
    }

    fn settle_windows(&mut self, instant: Instant) {
        for window in &mut self.windows {
            for (rows, zone) in window.rows.iter_mut().zip(&self.zones) {
                let flips = rows.update(&window.key, &self.tables[window.table.0], instant, zone);
                self.tables[window.table.0].add_moved(&flips);
            }
        }
    }

    /// Judges every row by a test. Returns the rows that came or went.
    pub(super) fn judge(&self, predicate: &mut Predicate) -> RoaringBitmap {
        let table = self.table_of(predicate.key().entity).expect("a predicate is needed with its table");
        let SharedTest::Kin(via, test) = predicate.key().test.clone() else {
            return predicate.update(table, table.alive());
        };
        let hierarchy = self.table_of(test.lookup.referenced).expect("a test of kin is needed with its hierarchy");
        let found = kin(&test, self.edges_of(&test.lookup), hierarchy.ids());
        let mut passing = match via {
            None => found,
            Some(via) => {
                let edges = self.edges_of(&via);
                found.iter().flat_map(|row| edges.children(row)).collect()
            }
        };
        passing &= table.alive();
        predicate.replace(if test.negated { table.alive() - passing } else { passing })
    }

    /// Whether a test of kin may have another outcome for some row.
    fn kin_moved(&self, predicate: &Predicate) -> bool {
        let SharedTest::Kin(via, test) = &predicate.key().test else { return false };
        let lives = |entity| self.table_of(entity).is_some_and(|table| table.changes().lives);
        let has_moves = |lookup| !self.edges_of(lookup).moves().is_empty();
        !predicate.is_complete()
            || lives(predicate.key().entity)
            || lives(test.lookup.referenced)
            || has_moves(&test.lookup)
            || via.as_ref().is_some_and(has_moves)
    }

    /// Rows whose filter looks at rows that moved may move.
    fn follow_link(&mut self, link: LinkNeeds) {
        let (table, linked) = (self.table(link.table), self.table(link.linked));
        let changes = linked.changes();
        let now = changes.moved.iter().filter_map(|row| link.from.of(linked, row));
        let before = changes.rekeyed.iter().filter(|(number, _)| link.from == Keys::Postings(*number));
        let mut moved = RoaringBitmap::new();
        for key in now.chain(before.map(|(_, key)| *key)) {
            link.to.each(table, key, |row| {
                moved.insert(row);
            });
        }
        self.tables[link.table.0].add_moved(&moved);
    }

    fn settle_edges(&mut self) {
        for edges in &mut self.edges {
            edges.settle(self.tables[self.by_entity[&edges.lookup().referenced].0].ids());
        }
    }

    /// Adds rows to those that a view can depend on and that the commit changed, for a reason from elsewhere.
    pub fn move_rows(&mut self, entity: EntityNumber, rows: &RoaringBitmap) {
        if let Some(table) = self.by_entity.get(&entity) {
            self.tables[table.0].add_moved(rows);
        }
    }

    /// Forgets what the last commit changed.
    pub fn forget_changes(&mut self) {
        self.tables.iter_mut().for_each(Table::forget_changes);
        self.edges.iter_mut().for_each(Edges::forget_moves);
    }

    /// The next instant at which a test has another outcome for some row, if nothing but time changes.
    pub fn next_change(&self, instant: Instant) -> Option<Instant> {
        let changes = self.windows.iter().flat_map(|window| {
            let table = self.table(window.table);
            window.rows.iter().filter_map(move |rows| rows.next_change(&window.key, table, instant))
        });
        changes.min()
    }

    /// A table.
    pub fn table(&self, number: TableNumber) -> &Table {
        &self.tables[number.0]
    }

    /// The table of an entity.
    pub fn table_of(&self, entity: EntityNumber) -> Option<&Table> {
        self.by_entity.get(&entity).map(|&number| self.table(number))
    }

    /// The edges of a lookup.
    pub fn edges(&self, number: EdgesNumber) -> &Edges {
        &self.edges[number.0]
    }

    /// The rows of a predicate.
    pub fn passing(&self, number: PredicateNumber) -> &RoaringBitmap {
        self.predicates[number.0].1.rows()
    }

    /// The rows that lie within a window in a zone; `None` if it is not followed there.
    pub(super) fn within(&self, number: WindowNumber, zone: &Zone) -> Option<&RoaringBitmap> {
        let place = self.zones.iter().position(|followed| followed == zone)?;
        Some(self.windows.get(number.0)?.rows[place].rows())
    }

    pub(super) fn window(&self, number: WindowNumber) -> &WindowKey {
        &self.windows[number.0].key
    }

    /// How many windows are kept.
    pub fn windows(&self) -> usize {
        self.windows.len()
    }

    fn edges_of(&self, lookup: &Lookup) -> &Edges {
        self.edges.iter().find(|edges| edges.lookup() == *lookup).expect("a test of kin is needed with its lookups")
    }

    /// Rows that are not deleted, of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.alive().len()).sum()
    }

    /// How many predicates are kept.
    pub fn predicates(&self) -> usize {
        self.predicates.len()
    }

    /// Bytes held, by part.
    pub fn bytes(&self) -> IndexBytes {
        let mut bytes = IndexBytes {
            edges: self.edges.iter().map(Edges::bytes).sum(),
            predicates: self.predicates.iter().map(|(_, predicate)| predicate.bytes()).sum::<usize>()
                + self.windows.iter().flat_map(|window| &window.rows).map(WindowRows::bytes).sum::<usize>(),
            ..IndexBytes::default()
        };
        for table in &self.tables {
            let [rows, columns, postings, logs] = table.bytes();
            bytes.rows += rows;
            bytes.columns += columns;
            bytes.postings += postings;
            bytes.logs += logs;
        }
        bytes
    }
}

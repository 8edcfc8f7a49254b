//! Everything that is kept of one organization's rows: tables, edges and predicates.

use hashbrown::HashMap;
use std::mem::take;

use jiff::tz::TimeZone;
use roaring::RoaringBitmap;

use super::edges::Edges;
use super::needs::{EdgesNumber, Needs, PredicateNumber, TableNumber};
use super::predicate::{Predicate, PredicateKey};
use super::table::Table;
use crate::ids::{EntityNumber, Instant, Lsn, Ordinal, RowKey};
use crate::row::RowError;
use crate::schema::Lookup;

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

    /// Ends the feeding of a commit: resolves lookups, judges what was fed, and moves windows to `instant`.
    pub fn settle(&mut self, instant: Instant, zone: &TimeZone) {
        self.settle_edges();
        for (number, predicate) in &mut self.predicates {
            let table = &mut self.tables[number.0];
            let attribute = predicate.key().attribute;
            let (kind, column) = table.column(attribute).expect("a predicate is needed with its column");
            let mut flips = predicate.advance(column, table.alive(), kind, instant, zone);
            if !predicate.is_complete() || !table.changes().fed.is_empty() {
                flips |= predicate.update(column, &table.changes().fed, table.alive());
            }
            table.add_moved(&flips);
        }
        self.tables.iter_mut().for_each(Table::settle);
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
    pub fn next_change(&self, instant: Instant, zone: &TimeZone) -> Option<Instant> {
        let changes = self.predicates.iter().filter_map(|(table, predicate)| {
            let (kind, _) = self.tables[table.0].column(predicate.key().attribute)?;
            predicate.next_change(kind, instant, zone)
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
            predicates: self.predicates.iter().map(|(_, predicate)| predicate.bytes()).sum(),
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

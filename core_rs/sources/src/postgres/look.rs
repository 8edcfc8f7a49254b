//! What the source says of the mapped tables: which ones they are, where their rows lie, and whether changes of all of
//! them will come.
//!
//! The stream tells of rows that change, one by one. That a table was replaced by another of its name, that all its rows
//! were rewritten, that a partition came with rows or that a publication left it out for a while, no message tells. So the
//! tables are looked at before following, and again from time to time: an entity whose table is another one than when it
//! was copied is copied again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::Client;

use super::dial::{connect, query_failed};
use super::layout::{EntityLayout, Layout, Origin};
use super::position::Position;
use super::row::Notes;
use super::settings::Settings;
use crate::SourceError;

/// What is asked of a table: `$1` is its oid, `$2` the publication, `$3` the columns of the mapped key.
///
/// Of a partitioned table the partitions tell what rows were; indexes that are DEFERRABLE, and columns that an index only
/// includes, identify nothing (PostgreSQL, `RelationGetIndexList` and `RelationGetIndexAttrBitmap`).
const TABLE: &str = "
    WITH parts AS (
        SELECT leaf.oid, leaf.relreplident, leaf.relkind FROM pg_class AS leaf
        WHERE leaf.oid = $1::oid AND leaf.relkind = 'r'
            OR leaf.oid IN (SELECT relid FROM pg_partition_tree($1::oid) WHERE isleaf)
    ), entries AS (
        SELECT 'p' AS kind, oid, xmin::text FROM pg_publication WHERE pubname = $2
        UNION ALL SELECT 'r', r.oid, r.xmin::text FROM pg_publication_rel AS r
            JOIN pg_publication AS p ON p.oid = r.prpubid WHERE p.pubname = $2 AND r.prrelid = $1::oid
        UNION ALL SELECT 'n', n.oid, n.xmin::text FROM pg_publication_namespace AS n
            JOIN pg_publication AS p ON p.oid = n.pnpubid JOIN pg_class AS c ON c.oid = $1::oid
            WHERE p.pubname = $2 AND n.pnnspid = c.relnamespace
    )
    SELECT
        (SELECT string_agg(format('%s:%s', oid, pg_relation_filenode(oid)), ' ' ORDER BY oid) FROM parts),
        (SELECT string_agg(format('%s%s:%s', kind, oid, xmin), ' ' ORDER BY kind, oid) FROM entries),
        EXISTS (SELECT FROM parts WHERE relkind = 'r' AND relreplident <> 'f' AND NOT EXISTS (
            SELECT FROM pg_index AS i WHERE i.indrelid = parts.oid AND i.indimmediate AND i.indisvalid
                AND CASE parts.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END
                AND $3::text[] <@ ARRAY(SELECT a.attname::text FROM pg_attribute AS a
                    WHERE a.attrelid = parts.oid AND a.attnum = ANY ((i.indkey::int2[])[:i.indnkeyatts - 1])))),
        EXISTS (SELECT FROM pg_inherits JOIN pg_class AS c ON c.oid = inhparent WHERE c.oid = $1::oid AND c.relkind = 'r'),
        EXISTS (SELECT FROM parts WHERE relkind = 'r' AND relreplident <> 'f')
";

/// The mapped tables at one time.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// By place among the entities; `None` for entities of no table, and for tables that cannot be read now.
    pub(super) tables: Vec<Option<Table>>,
    /// What operators should know of them.
    pub(super) notes: Notes,
}

/// A mapped table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) oid: u32,
    pub(super) is_partitioned: bool,
    /// Type of each of the layout's columns; `None` for those that it does not have.
    pub(super) types: Vec<Option<u32>>,
    /// Whether PostgreSQL tells which row was changed or deleted, by the columns of the mapped key.
    pub(super) is_identified: bool,
    /// Whether PostgreSQL tells all that a changed or deleted row was. The stream says so of a partitioned table by the
    /// table's own identity, which its partitions need not have.
    pub(super) is_full: bool,
    /// The files that its rows are in: others when all rows were rewritten, and when partitions came or went.
    files: Option<String>,
    /// What of the publication includes it: something else when it was taken out and put back, or published otherwise.
    entries: Option<String>,
}

impl Look {
    /// Looks at all tables of the layout.
    pub(super) async fn take(client: &Client, settings: &Settings, layout: &Layout) -> Result<Self, SourceError> {
        let mut look = Self::default();
        for entity in &layout.entities {
            let table = look.table(client, settings, entity).await.map_err(|error| query_failed(&error))?;
            look.tables.push(table);
        }
        Ok(look)
    }

    async fn table(
        &mut self,
        client: &Client,
        settings: &Settings,
        layout: &EntityLayout,
    ) -> Result<Option<Table>, tokio_postgres::Error> {
        let Origin::Table { schema, table } = &layout.origin else { return Ok(None) };
        let (name, relation) = (&layout.name, layout.relation());
        let sql = "SELECT c.oid, c.relkind = 'p' FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')";
        let stays = "its rows stay as they were last; put it back, or map the entity anew";
        let Some(found) = client.query_opt(sql, &[schema, table]).await? else {
            self.notes.add(format!("{name}: the table {relation} is gone; {stays}"));
            return Ok(None);
        };
        let (oid, is_partitioned): (u32, bool) = (found.get(0), found.get(1));
        let types = types(client, oid, &layout.columns).await?;
        let gone = |place: &usize| types[*place].is_none();
        if let Some(place) = layout.key.iter().copied().chain(layout.deleted).find(gone) {
            let column = &layout.columns[place];
            self.notes.add(format!("{name}: column {column} is gone from {relation}, and rows need it; {stays}"));
            return Ok(None);
        }
        for (column, _) in layout.columns.iter().zip(&types).filter(|(_, found)| found.is_none()) {
            let hint = "it is NULL from now on; map the table anew";
            self.notes.add(format!("{name}: column {column} is gone from {relation}; {hint}"));
        }
        let key: Vec<_> = layout.key.iter().map(|&place| &layout.columns[place]).collect();
        let row = client.query_one(TABLE, &[&oid, &settings.publication, &key]).await?;
        if row.get(3) {
            let hint = "map them as entities of their own, or make them partitions";
            self.notes.add(format!("{name}: tables that inherit from {relation} are left out; {hint}"));
        }
        let (files, entries) = (row.get(0), row.get(1));
        let (is_identified, is_full) = (!row.get::<_, bool>(2), !row.get::<_, bool>(4));
        Ok(Some(Table { oid, is_partitioned, types, is_identified, is_full, files, entries }))
    }
}

impl Look {
    /// Entities whose tables are mapped otherwise, or are others, than when they were copied last. What cannot be read now
    /// is none of them.
    pub(super) fn stale(&self, layout: &Layout, copied: &[Option<Vec<u8>>]) -> Vec<u32> {
        let places = (0..layout.entities.len()).filter(|&place| self.has(layout, place));
        let is_stale = |place: &usize| copied[*place].as_deref() != Some(&self.fingerprint(layout, *place)[..]);
        places.filter(is_stale).map(|place| layout.entities[place].entity.0).collect()
    }

    /// Entities whose tables are others than an earlier look has found.
    pub(super) fn changed(&self, layout: &Layout, before: &Self) -> Vec<u32> {
        let differs = |place: &usize| self.tables[*place] != before.tables[*place];
        let places = (0..layout.entities.len()).filter(differs);
        places.map(|place| layout.entities[place].entity.0).collect()
    }

    /// Places of the entities that are to be copied and can be.
    pub(super) fn to_copy(&self, layout: &Layout, position: &Position) -> Vec<usize> {
        let places = (0..layout.entities.len()).filter(|&place| self.has(layout, place));
        places.filter(|&place| position.is_copying(layout.entities[place].entity)).collect()
    }

    /// What changes exactly when the rows of the entity at this place have to be copied again.
    pub(super) fn fingerprint(&self, layout: &Layout, place: usize) -> Vec<u8> {
        let table = self.tables[place].as_ref().map(|it| (it.oid, &it.types, &it.files, &it.entries));
        layout.entities[place].fingerprint(&table)
    }

    /// Whether there are rows to read: of a table that is there, or in the mapping.
    fn has(&self, layout: &Layout, place: usize) -> bool {
        self.tables[place].is_some() || matches!(layout.entities[place].origin, Origin::Mapping(_))
    }
}

async fn types(client: &Client, oid: u32, columns: &[String]) -> Result<Vec<Option<u32>>, tokio_postgres::Error> {
    let sql =
        "SELECT attname::text, atttypid FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped";
    let found = client.query(sql, &[&oid]).await?;
    let type_of = |name: &String| Some(found.iter().find(|row| row.get::<_, &str>(0) == name)?.get(1));
    Ok(columns.iter().map(type_of).collect())
}

/// Looks again and again, beside the following.
pub(super) struct Lookout {
    pause: Duration,
    due: Instant,
    looking: Option<JoinHandle<Result<Look, SourceError>>>,
}

impl Lookout {
    /// The first look is due after the settings' pause.
    pub(super) fn new(settings: &Settings) -> Self {
        let pause = Duration::from_millis(settings.look_ms);
        Self { pause, due: Instant::now() + pause, looking: None }
    }

    /// What a look has found that has ended since the last call; begins the next one when it is due. What could not be
    /// looked at is looked at the next time: if the source is away, the stream says so.
    pub(super) fn seen(&mut self, runtime: &Handle, settings: &Settings, layout: &Arc<Layout>) -> Option<Look> {
        let now = Instant::now();
        if self.looking.as_ref().is_some_and(JoinHandle::is_finished) {
            self.due = now + self.pause;
            return match self.looking.take()?.now_or_never()? {
                Ok(Ok(look)) => Some(look),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the tables of the source could not be looked at");
                    None
                }
                Err(_) => None,
            };
        }
        if self.looking.is_none() && now >= self.due {
            let (settings, layout) = (settings.clone(), Arc::clone(layout));
            self.looking = Some(runtime.spawn(async move {
                let client = connect(&settings.connection).await?;
                Look::take(&client, &settings, &layout).await
            }));
        }
        None
    }
}

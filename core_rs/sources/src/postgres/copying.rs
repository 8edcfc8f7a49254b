//! Copies tables by binary COPY within one exported snapshot, a batch of rows at a time.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use haversack_staging::RowId;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_postgres::{Client, CopyOutStream};

use super::apply::Missing;
use super::batch::{Batch, Known};
use super::dial::{connect, query_failed};
use super::layout::{EntityLayout, From, Layout, Origin};
use super::position::Wal;
use super::row::{Encoded, Notes, encode, row_id, version};
use super::settings::{Connection, quoted};
use super::value::{Cell, Form};
use crate::SourceError;

/// Batches that wait for staging before reading stops: one is written while the next one is read.
const BATCHES_MAX: usize = 2;

/// What a binary COPY begins with: its signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Types whose cast to text is not what they are written as, and so not what replication sends: bool, "char", inet, char.
const UNLIKE_THEIR_TEXT: [u32; 4] = [16, 18, 869, 1042];

/// What the copying of some entities tells, in the order of the entities.
pub(super) enum Copied {
    /// Rows of the entity with this place.
    Rows(usize, Batch),
    /// The entity's rows have all been told.
    End(usize, Notes),
}

/// Begins to copy entities as a snapshot shows them.
pub(super) fn copy(
    connection: Connection,
    layout: Arc<Layout>,
    snapshot: String,
    places: Vec<usize>,
    rows_max: usize,
) -> Receiver<Result<Copied, SourceError>> {
    let (sender, receiver) = channel(BATCHES_MAX);
    tokio::spawn(async move {
        let copying = Copying { layout, rows_max, sender };
        if let Err(error) = copying.run(&connection, &snapshot, &places).await {
            // Nobody to tell means that the feed was closed.
            let _ = copying.sender.send(Err(error)).await;
        }
    });
    receiver
}

/// Rows that PostgreSQL's statistics expect a table to have.
pub(super) async fn estimate(client: &Client, layout: &EntityLayout) -> Result<u64, SourceError> {
    let Origin::Table { schema, table } = &layout.origin else { return Ok(0) };
    let sql = "SELECT coalesce(sum(greatest(part.reltuples, 0)), 0)::int8 FROM pg_class AS part
        WHERE part.oid IN (SELECT relid FROM pg_partition_tree(to_regclass($1)))
        OR part.oid = to_regclass($1)";
    let name = format!("{}.{}", quoted(schema), quoted(table));
    let row = client.query_one(sql, &[&name]).await.map_err(|error| query_failed(&error))?;
    Ok(row.get::<_, i64>(0) as u64)
}

/// A place in the log behind everything that earlier queries of the connection have shown.
const PLACE: &str = "
    SELECT (CASE WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
        ELSE pg_current_wal_insert_lsn() END)::text
";

/// Rows as they were read, in the order of what was missing.
pub(super) struct Fetched {
    /// `None` if there is no row that a device can have.
    pub(super) rows: Vec<Option<Vec<u8>>>,
    /// Transactions that they show are before this place in the log.
    pub(super) until: Wal,
}

/// Reads rows as they are now, by the texts of their keys. Notes why some cannot be carried.
pub(super) async fn fetch(
    connection: &Connection,
    layout: &Layout,
    missing: &[Missing],
    notes: &mut Notes,
) -> Result<Fetched, SourceError> {
    let client = connect(connection).await?;
    client.batch_execute("SET row_security = off").await.map_err(|error| query_failed(&error))?;
    let mut rows = Vec::new();
    for it in missing {
        let entity = &layout.entities[it.place];
        let table = TableCopy::prepare(&client, entity).await?;
        let mut batch = Batch::of_changes();
        let equal = |(&part, text): (&usize, &String)| {
            format!("{} = '{}'", quoted(&entity.columns[part]), text.replace('\'', "''"))
        };
        let condition: Vec<_> = entity.key.iter().zip(&it.key).map(equal).collect();
        let mut told = Notes::default();
        let sql = format!("{} WHERE {}", table.select(), condition.join(" AND "));
        let mut tuples = Tuples::query(&client, &sql).await?;
        while let Some(tuple) = tuples.next().await? {
            table.put(&tuple, &mut batch, &mut told)?;
        }
        rows.push(match batch.get(entity.entity, &it.id) {
            Known::Row(row) => Some(row.to_vec()),
            Known::Gone | Known::Nothing => {
                notes.append(told);
                None
            }
        });
    }
    let place = client.query_one(PLACE, &[]).await.map_err(|error| query_failed(&error))?;
    let until = place
        .get::<_, Option<&str>>(0)
        .and_then(Wal::parse)
        .ok_or_else(|| SourceError::Unavailable("the source did not say how far its log is".into()))?;
    Ok(Fetched { rows, until })
}

struct Copying {
    layout: Arc<Layout>,
    rows_max: usize,
    sender: Sender<Result<Copied, SourceError>>,
}

impl Copying {
    async fn run(&self, connection: &Connection, snapshot: &str, places: &[usize]) -> Result<(), SourceError> {
        let client = connect(connection).await?;
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{snapshot}';
            SET LOCAL row_security = off; SET LOCAL statement_timeout = 0"
        );
        client.batch_execute(&begin).await.map_err(|error| query_failed(&error))?;
        for &place in places {
            let notes = match &self.layout.entities[place].origin {
                Origin::Table { .. } => self.table(&client, place).await?,
                Origin::Mapping(rows) => self.mapping(place, rows).await,
            };
            self.tell(Copied::End(place, notes)).await?;
        }
        client.batch_execute("COMMIT").await.map_err(|error| query_failed(&error))
    }

    async fn table(&self, client: &Client, place: usize) -> Result<Notes, SourceError> {
        let table = TableCopy::prepare(client, &self.layout.entities[place]).await?;
        let (mut batch, mut notes) = (Batch::of_copy(), Notes::default());
        let mut tuples = Tuples::query(client, &table.select()).await?;
        while let Some(tuple) = tuples.next().await? {
            table.put(&tuple, &mut batch, &mut notes)?;
            if batch.is_full(self.rows_max) {
                self.hand_over(place, std::mem::replace(&mut batch, Batch::of_copy())).await?;
            }
        }
        if batch.len() > 0 {
            self.hand_over(place, batch).await?;
        }
        Ok(notes)
    }

    /// The rows that the mapping itself has; they are few.
    async fn mapping(&self, place: usize, rows: &[Vec<Option<String>>]) -> Notes {
        let layout = &self.layout.entities[place];
        let (mut batch, mut notes) = (Batch::of_copy(), Notes::default());
        for row in rows {
            let cells = row.iter().map(|text| text.as_ref().map_or(Cell::Null, |text| Cell::Text(text.as_bytes())));
            put(layout, &cells.collect::<Vec<_>>(), &mut batch, &mut notes);
        }
        // If there is nobody to hand it to, telling of the end fails too.
        let _ = self.hand_over(place, batch).await;
        notes
    }

    async fn hand_over(&self, place: usize, mut batch: Batch) -> Result<(), SourceError> {
        batch.sort();
        self.tell(Copied::Rows(place, batch)).await
    }

    async fn tell(&self, copied: Copied) -> Result<(), SourceError> {
        let closed = |_| SourceError::Unavailable("the feed was closed".into());
        self.sender.send(Ok(copied)).await.map_err(closed)
    }
}

/// How a table is read.
struct TableCopy<'l> {
    layout: &'l EntityLayout,
    /// The binary form of each column; texts without.
    forms: Vec<Option<Form>>,
    /// The type of each column; `None` for those that are gone.
    types: Vec<Option<u32>>,
    /// Keeps out the rows of tables that inherit from it, whose changes are not told as its own; those of partitions are.
    only: &'static str,
}

impl<'l> TableCopy<'l> {
    async fn prepare(client: &Client, layout: &'l EntityLayout) -> Result<Self, SourceError> {
        // A domain is sent as the type that it is made of.
        let sql = "SELECT attname::text, coalesce(nullif(typbasetype, 0), atttypid), relkind = 'p' FROM pg_attribute
            JOIN pg_type ON pg_type.oid = atttypid JOIN pg_class ON pg_class.oid = attrelid
            WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
        let rows = client.query(sql, &[&layout.relation()]).await.map_err(|error| query_failed(&error))?;
        let only = if rows.first().is_some_and(|row| row.get(2)) { "" } else { "ONLY " };
        let types: HashMap<String, u32> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let types: Vec<_> = layout.columns.iter().map(|column| types.get(column).copied()).collect();
        if layout.key.iter().chain(&layout.deleted).any(|&place| types[place].is_none()) {
            let what = format!("{}: {} has just lost a column that rows need", layout.name, layout.relation());
            return Err(SourceError::Unavailable(what));
        }
        let form = |(place, type_oid): (usize, &Option<u32>)| form_of(layout, place, (*type_oid)?);
        let forms = types.iter().enumerate().map(form).collect();
        Ok(Self { layout, forms, types, only })
    }

    fn select(&self) -> String {
        let columns = self.layout.columns.iter().zip(self.forms.iter().zip(&self.types));
        let columns = columns.map(|(column, (form, type_oid))| match (quoted(column), form) {
            (column, Some(_)) => column,
            (column, None) => match type_oid {
                None => "NULL::text".to_owned(),
                Some(type_oid) if UNLIKE_THEIR_TEXT.contains(type_oid) => {
                    format!("CASE WHEN {column} IS NOT NULL THEN format('%s', {column}) END")
                }
                Some(_) => format!("{column}::text"),
            },
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        format!("SELECT {columns} FROM {}{}", self.only, self.layout.relation())
    }

    fn put(&self, tuple: &Bytes, batch: &mut Batch, notes: &mut Notes) -> Result<(), SourceError> {
        let cells = self.cells(tuple).ok_or_else(broken)?;
        put(self.layout, &cells, batch, notes);
        Ok(())
    }

    fn cells<'t>(&self, tuple: &'t [u8]) -> Option<Vec<Cell<'t>>> {
        let (count, mut rest) = tuple.split_first_chunk()?;
        if usize::from(u16::from_be_bytes(*count)) != self.forms.len() {
            return None;
        }
        let mut cells = Vec::with_capacity(self.forms.len());
        for form in &self.forms {
            let (length, behind) = rest.split_first_chunk()?;
            let length = i32::from_be_bytes(*length);
            let (bytes, behind) = behind.split_at_checked(usize::try_from(length).unwrap_or(0))?;
            rest = behind;
            cells.push(match form {
                _ if length < 0 => Cell::Null,
                Some(form) => Cell::Binary(*form, bytes),
                None => Cell::Text(bytes),
            });
        }
        rest.is_empty().then_some(cells)
    }
}

/// The rows of a query; PostgreSQL sends each in a piece of its own.
struct Tuples {
    pieces: Pin<Box<CopyOutStream>>,
    is_first: bool,
}

impl Tuples {
    async fn query(client: &Client, sql: &str) -> Result<Self, SourceError> {
        let sql = format!("COPY ({sql}) TO STDOUT (FORMAT binary)");
        let pieces = client.copy_out(&sql).await.map_err(|error| query_failed(&error))?;
        Ok(Self { pieces: Box::pin(pieces), is_first: true })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        while let Some(piece) = self.pieces.next().await {
            let mut piece = piece.map_err(|error| query_failed(&error))?;
            if std::mem::take(&mut self.is_first) {
                piece = piece.slice_ref(piece.strip_prefix(HEADER).ok_or_else(broken)?);
            }
            // The end is told by a count of -1.
            if !piece.is_empty() && piece[..] != [0xff, 0xff] {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}

fn broken() -> SourceError {
    SourceError::Unavailable("the source sent a COPY that is no binary COPY".into())
}

fn put(layout: &EntityLayout, cells: &[Cell<'_>], batch: &mut Batch, notes: &mut Notes) {
    let Some(id): Option<RowId> = row_id(layout, cells) else {
        return notes.add(format!("{}: rows without a key that can be an id are left out", layout.name));
    };
    let start = batch.payloads.len();
    if encode(layout, &id, cells, None, &mut batch.payloads, notes) == Encoded::Row {
        batch.put(layout.entity, id, start, version(layout, cells));
    }
}

/// The form that suits everything that a column is used for.
fn form_of(layout: &EntityLayout, place: usize, type_oid: u32) -> Option<Form> {
    let is_it = |from: &From| matches!(from, From::Column(column) if *column == place);
    let mut form = None;
    for field in layout.fields.iter().filter(|field| is_it(&field.from)) {
        let wanted = Form::of(type_oid, field.kind).filter(|_| field.choices.is_empty())?;
        if form.is_some_and(|form| form != wanted) {
            return None;
        }
        form = Some(wanted);
    }
    let makes_id = layout.key.contains(&place);
    let must_be_text = layout.version == Some(place) || (makes_id && form != Some(Form::Uuid));
    form.filter(|_| !must_be_text)
}

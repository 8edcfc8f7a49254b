//! The publication: what of the mapped tables the source sends.

use tokio_postgres::Client;

use super::dial::query_failed;
use super::layout::{EntityLayout, Layout, Origin};
use super::look::{Look, Table};
use super::settings::{Settings, quoted};
use crate::SourceError;

/// The comment of a publication that we have made, by which it is dropped when nothing is followed any more
/// (`haversack_server.connectors.postgres._forget`).
const MADE_BY_US: &str = "made by Haversack";

/// A publication as it stands.
struct Publication {
    /// Whether changes of partitions are told as changes of the table that they are of.
    is_via_root: bool,
    /// Schema, name and published columns of each table.
    tables: Vec<(String, String, Vec<String>)>,
}

/// Sees to it that the publication has every mapped table with every mapped column, and looks again if something had to be
/// done for that: a publication of all tables has them, one of ours is made and extended, and of another's the owner is
/// told what to run.
///
/// # Errors
/// [`SourceError::Refused`] if a table cannot be followed, or would let nobody update it any more if it were published.
pub(super) async fn publish(
    client: &Client,
    settings: &Settings,
    layout: &Layout,
    look: Look,
) -> Result<Look, SourceError> {
    let there =
        || layout.entities.iter().zip(&look.tables).filter_map(|(entity, table)| Some((entity, table.as_ref()?)));
    there().try_for_each(|(entity, table)| identified(entity, table))?;
    let found = Publication::find(client, settings).await?;
    if let Some(found) = &found {
        there().try_for_each(|(entity, table)| found.tells_whole(settings, entity, table))?;
    }
    let mut missing: Vec<_> = there()
        .map(|(entity, _)| entity)
        .filter(|entity| found.as_ref().is_none_or(|found| found.columns(entity).is_none()))
        .map(|entity| format!("ONLY {}", entity.relation()))
        .collect();
    missing.sort_unstable();
    missing.dedup();
    if found.is_some() && missing.is_empty() {
        return Ok(look);
    }
    add(client, settings, &missing.join(", "), found.is_some()).await?;
    Look::take(client, settings, layout).await
}

/// Makes the publication of these tables, or adds them to it.
async fn add(client: &Client, settings: &Settings, tables: &str, is_there: bool) -> Result<(), SourceError> {
    let name = quoted(&settings.publication);
    let tables = if tables.is_empty() { String::new() } else { format!("TABLE {tables}") };
    let command = if is_there {
        format!("ALTER PUBLICATION {name} ADD {tables}")
    } else {
        let published = if tables.is_empty() { String::new() } else { format!("FOR {tables} ") };
        format!(
            "CREATE PUBLICATION {name} {published}WITH (publish_via_partition_root = true);
            COMMENT ON PUBLICATION {name} IS '{MADE_BY_US}'"
        )
    };
    client.batch_execute(&command).await.map_err(|error| match query_failed(&error) {
        SourceError::Refused(why) => SourceError::Refused(format!("{why}; have its owner run: {command}")),
        other => other,
    })
}

/// Refuses a table of which PostgreSQL would not tell which rows were changed. Published, it would take no update and no
/// deletion of anybody.
fn identified(entity: &EntityLayout, table: &Table) -> Result<(), SourceError> {
    if table.is_identified {
        return Ok(());
    }
    let (name, relation) = (&entity.name, entity.relation());
    let key: Vec<_> = entity.key.iter().map(|&place| entity.columns[place].as_str()).collect();
    let partitions = if table.is_partitioned { ", and the same for each of its partitions" } else { "" };
    Err(SourceError::Refused(format!(
        "{name}: REPLICA IDENTITY of {relation} does not tell {}, so rows that change could not be told apart, and \
         PostgreSQL might refuse updates of a table that is published so; give it a primary key of these columns that is \
         not DEFERRABLE, or run: ALTER TABLE {relation} REPLICA IDENTITY FULL{partitions}",
        key.join(", ")
    )))
}

impl Publication {
    async fn find(client: &Client, settings: &Settings) -> Result<Option<Self>, SourceError> {
        let failed = |error: tokio_postgres::Error| query_failed(&error);
        let sql = "SELECT pubviaroot FROM pg_publication WHERE pubname = $1";
        let found = client.query_opt(sql, &[&settings.publication]).await.map_err(failed)?;
        let Some(found) = found else { return Ok(None) };
        let sql =
            "SELECT schemaname::text, tablename::text, coalesce(attnames::text[], '{}') FROM pg_publication_tables
            WHERE pubname = $1";
        let rows = client.query(sql, &[&settings.publication]).await.map_err(failed)?;
        let tables = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        Ok(Some(Self { is_via_root: found.get(0), tables }))
    }

    /// The columns of an entity's table that are published; `None` if the table is not.
    fn columns(&self, entity: &EntityLayout) -> Option<&[String]> {
        let Origin::Table { schema, table } = &entity.origin else { return None };
        let is_it = |(s, t, _): &&(String, String, Vec<String>)| s == schema && t == table;
        self.tables.iter().find(is_it).map(|(_, _, columns)| &columns[..])
    }

    /// Refuses a publication that would tell of a table's changes without some of its mapped columns, or under the names
    /// of partitions.
    fn tells_whole(&self, settings: &Settings, entity: &EntityLayout, table: &Table) -> Result<(), SourceError> {
        let (publication, name, relation) = (&settings.publication, &entity.name, entity.relation());
        if table.is_partitioned && !self.is_via_root {
            return Err(SourceError::Refused(format!(
                "{name}: the publication {publication} tells changes of {relation} as those of its partitions; have its \
                 owner run: ALTER PUBLICATION {publication} SET (publish_via_partition_root = true)"
            )));
        }
        let Some(published) = self.columns(entity) else { return Ok(()) };
        let mapped = entity.columns.iter().zip(&table.types).filter(|(_, found)| found.is_some());
        let lacking: Vec<_> = mapped.map(|(column, _)| column.as_str()).filter(|it| !has(published, it)).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        Err(SourceError::Refused(format!(
            "{name}: the publication {publication} leaves out columns of {relation} that are mapped: {}; have its owner \
             publish the table without a list of columns (ALTER PUBLICATION {publication} DROP TABLE {relation}; ALTER \
             PUBLICATION {publication} ADD TABLE {relation}), or take these columns out of the mapping",
            lacking.join(", ")
        )))
    }
}

fn has(columns: &[String], name: &str) -> bool {
    columns.iter().any(|column| column == name)
}

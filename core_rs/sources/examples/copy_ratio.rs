//! Measures the copy of a PostgreSQL table against a raw insert of the same blobs, in the same run.
//!
//! ```text
//! cargo run --release -p haversack-sources --example copy_ratio -- SETTINGS MODEL ROUNDS
//! ```
//!
//! SETTINGS is a file of the JSON that [`Settings::read`] takes, with one entity whose ids are UUIDs; MODEL is a file
//! with the serialized model. `benches/postgres.py` writes both, and fills the table. Each round makes two new databases:
//! one that a feed copies the table into, timed from when it begins to read to its last commit, and one that is filled by
//! inserting the encoded rows with a prepared statement in commits of the same size. Both have the tables, indexes and
//! durability of staging. Prints one line of JSON: medians over the rounds, by the clock and by this process's CPU time.

#[path = "../../staging/examples/ingest_ratio/floor.rs"]
mod floor;

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haversack_engine::ids::EntityNumber;
use haversack_engine::schema::Schema;
use haversack_proto::model::Model;
use haversack_sources::postgres::{Feed, Settings, Stage};
use haversack_staging::Staging;
use prost::Message;
use serde_json::json;

use crate::floor::{Blob, COMMIT_ROWS, Outcome, Rates, create};

/// How long a feed waits for rows before it says that it has none yet.
const WAIT: Duration = Duration::from_millis(200);

fn main() -> Outcome<()> {
    let [settings, model, rounds] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("name a file with settings, a file with a model, and the number of rounds".into());
    };
    let settings = Settings::read(&std::fs::read_to_string(settings)?)?;
    let schema = Schema::from_model(&Model::decode(&std::fs::read(model)?[..])?)?;
    let entity = schema.entities()[0].number;
    let folder = tempfile::tempdir()?;
    let blobs = blobs(&folder.path().join("blobs.db"), &settings, &schema, entity)?;

    let (mut copies, mut raws) = (Rates::default(), Rates::default());
    for round in 0..rounds.parse::<usize>()? {
        let path = |name: &str| folder.path().join(format!("{name}-{round}.db"));
        let raw = path("raw");
        create(&raw)?;
        raws.measure(blobs.len(), || floor::insert(&raw, entity, &blobs, COMMIT_ROWS))?;
        let (mut feed, _) = begin(&path("copy"), &settings, &schema)?;
        copies.measure(blobs.len(), || copy(&mut feed))?;
    }
    report(&blobs, &copies, &raws)
}

/// A feed that is about to read its first row.
fn begin(path: &Path, settings: &Settings, schema: &Schema) -> Outcome<(Feed, Arc<dyn Staging>)> {
    let staging = create(path)?;
    let mut feed = Feed::new(settings.clone(), schema, Arc::clone(&staging))?;
    while feed.take(COMMIT_ROWS, WAIT)?.stage != Stage::Copying {}
    Ok((feed, staging))
}

/// Takes until the table is copied.
fn copy(feed: &mut Feed) -> Outcome<()> {
    while feed.take(COMMIT_ROWS, WAIT)?.stage == Stage::Copying {}
    Ok(())
}

/// The table's rows as a copy encodes them.
fn blobs(path: &Path, settings: &Settings, schema: &Schema, entity: EntityNumber) -> Outcome<Vec<Blob>> {
    let (mut feed, staging) = begin(path, settings, schema)?;
    copy(&mut feed)?;
    floor::blobs(&*staging, entity)
}

fn report(blobs: &[Blob], copies: &Rates, raws: &Rates) -> Outcome<()> {
    let bytes: usize = blobs.iter().map(|blob| blob.payload.len()).sum();
    let line = json!({
        "rows": blobs.len(),
        "row_bytes": bytes / blobs.len().max(1),
        "ratio": copies.of(raws),
        "copy_rows_per_second": copies.rows_per_second(),
        "raw_rows_per_second": raws.rows_per_second(),
        "copy_cpu_micros_a_row": copies.cpu_micros_a_row(),
        "raw_cpu_micros_a_row": raws.cpu_micros_a_row(),
    });
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

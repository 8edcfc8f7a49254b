//! Measures filter scans: from a test that nobody has asked before to the bitmap of the rows that pass it.
//!
//! ```text
//! cargo run --release -p haversack-engine --example bench_scan -- --rows N --folder PATH
//! ```
//!
//! Makes a table, measures how it is kept as rows change, writes it into the folder for other systems to read, and prints one JSON object that tells the
//! cases. Then answers each line of standard input, the name of a case, with one of how long that took.

mod cases;
mod orders;

use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, Write, stdin, stdout};
use std::path::PathBuf;
use std::time::Instant as Stopwatch;

use haversack_engine::columns::{Index, Needs};
use haversack_engine::ids::{Instant, Lsn};
use serde_json::json;

use crate::cases::{CASES, Case};

/// Rows that change in one commit.
const CHANGED: [u32; 3] = [1, 100, 10_000];
/// Commits of each size.
const COMMITS: u64 = 9;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let (rows, folder) = read_arguments()?;
    let schema = orders::schema()?;
    let mut needs = Needs::default();
    let cases = CASES.iter().map(|case| Case::compile(*case, &schema, &mut needs)).collect::<Outcome<Vec<_>>>()?;
    let mut index = orders::index(rows, &needs)?;
    let upkeep = CHANGED.iter().map(|&changed| upkeep(&mut index, rows, changed)).collect::<Outcome<Vec<_>>>()?;
    let index = orders::index(rows, &needs)?;
    orders::write_columns(&folder, rows)?;
    let table = index.table_of(schema.entities()[0].number).ok_or("no case needs the table")?;
    let told: Vec<_> = cases.iter().map(|case| case.tell(table)).collect();
    let bytes = index.bytes();
    say(&json!({
        "cases": told,
        "cities": orders::cities(),
        "upkeep": upkeep,
        "column_bytes_per_row": bytes.columns as f64 / f64::from(rows),
    }))?;
    for name in stdin().lock().lines() {
        let name = name?;
        let case = cases.iter().find(|case| case.name == name).ok_or("there is no such case")?;
        let started = Stopwatch::now();
        let rows = black_box(case.scan(table));
        let seconds = started.elapsed().as_secs_f64();
        say(&json!({"seconds": seconds, "rows": rows.len()}))?;
    }
    Ok(())
}

/// Seconds to keep every test's rows while orders change, spread over the table: the least of several commits.
fn upkeep(index: &mut Index, rows: u32, changed: u32) -> Outcome<serde_json::Value> {
    let mut least = f64::INFINITY;
    for commit in 0..COMMITS {
        let lsn = Lsn(u64::from(rows) + u64::from(changed) * COMMITS + commit);
        let ordinals = (0..rows).step_by((rows / changed) as usize).take(changed as usize);
        orders::change(index, rows, ordinals, lsn)?;
        let started = Stopwatch::now();
        index.settle(Instant(orders::NOW));
        least = least.min(started.elapsed().as_secs_f64());
        index.forget_changes();
    }
    Ok(json!({"changed": changed, "tests": index.predicates(), "seconds": least}))
}

fn say(answer: &serde_json::Value) -> Outcome<()> {
    let mut out = stdout().lock();
    writeln!(out, "{answer}")?;
    Ok(out.flush()?)
}

fn read_arguments() -> Outcome<(u32, PathBuf)> {
    let (mut rows, mut folder) = (10_000_000, None);
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().ok_or("a value is missing")?;
        match name.as_str() {
            "--rows" => rows = value.parse()?,
            "--folder" => folder = Some(PathBuf::from(value)),
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok((rows, folder.ok_or("--folder is missing")?))
}

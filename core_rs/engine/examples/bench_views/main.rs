//! Measures the engine alone, on rows in memory: no file, no socket.
//!
//! ```text
//! cargo run --release -p haversack-engine --example bench_views -- [--rows N] [--views N] [--rounds N] [--users N]
//! ```
//!
//! Prints one JSON object. Rates are of CPU time, so that a busy machine does not matter; all figures are medians.
//! `views` sellers follow their own rows, one manager those of a business unit, and a director follows everything. Beside
//! it, `users` sellers of another CRM of as many rows all begin to follow at once.

mod crm;
mod model;
mod questions;

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::time::Instant as Stopwatch;

use haversack_engine::columns::RowChange;
use haversack_engine::engine::{Engine, PreparedModel};
use haversack_engine::ids::{EntityNumber, Instant, Lsn, Ordinal, Revision};
use serde_json::{Value, json};

use crate::crm::{Crm, DAY, Edit, NOW, Sizes, UNITS, entity, key, modified_on, privilege_of_sellers};
use crate::model::{DIRECTOR, MANAGER, Publish, model};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Users who are not sellers.
const OTHERS: u32 = 2;
/// Days back that sellers carry opportunities of.
const OPPORTUNITY_DAYS: i64 = 400;
/// Sellers whose views are computed from scratch, one after the other.
const SAMPLE: u32 = 200;
/// How often each kind of change is made.
const CHANGES: u32 = 200;
/// `roleprivileges.depth` of one's own rows, and of none.
const DEPTH_OWN: i64 = 1;
/// See [`DEPTH_OWN`].
const DEPTH_NONE: i64 = 0;

struct Arguments {
    rows: u32,
    views: u32,
    rounds: u32,
    users: u32,
}

fn main() -> Outcome<()> {
    let arguments = read_arguments()?;
    let mut bench = Bench::new(arguments.rows, arguments.views, arguments.rounds);
    let before = resident_bytes()?;
    let (mut engine, seconds) = bench.load()?;
    let resident = resident_bytes()?.saturating_sub(before);
    let (mut loads, mut entries) = (vec![seconds], vec![bench.enter_ids()?]);
    for _ in 1..bench.rounds {
        loads.push(bench.load()?.1);
        entries.push(bench.enter_ids()?);
    }
    let rows = bench.crm.len() as f64;
    let report = json!({
        "rows": bench.crm.len(),
        "payload_bytes_per_row": bench.crm.bytes() as f64 / rows,
        "rebuild_rows_per_second": rows / median(loads),
        "enter_ids_rows_per_second": rows / median(entries),
        "index_bytes_per_row": engine.statistics().index_bytes_per_row(),
        "resident_bytes_per_row": resident as f64 / rows,
        "index": bytes(&engine),
        "questions": questions::questions(&engine, &bench.crm, bench.rounds),
        "views": bench.views(&mut engine)?,
        "live": bench.live(&mut engine, arguments.views)?,
        "cold": Bench::new(arguments.rows, arguments.users, 1).everybody(arguments.users)?,
    });
    Ok(writeln!(std::io::stdout(), "{report}")?)
}

fn read_arguments() -> Outcome<Arguments> {
    let mut arguments = Arguments { rows: 1_000_000, views: 1_000, rounds: 5, users: 10_000 };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let number = given.next().ok_or("a number is missing")?.parse()?;
        match name.as_str() {
            "--rows" => arguments.rows = number,
            "--views" => arguments.views = number,
            "--rounds" => arguments.rounds = number,
            "--users" => arguments.users = number,
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(arguments)
}

/// The CRM, and how far its organization has come.
struct Bench {
    crm: Crm,
    head: Lsn,
    revision: Revision,
    rounds: u32,
}

impl Bench {
    fn new(rows: u32, sellers: u32, rounds: u32) -> Self {
        let crm = Crm::new(Sizes::of(rows, sellers + OTHERS));
        Self { head: Lsn(crm.len() as u64), revision: Revision(1), crm, rounds }
    }

    /// Every seller's view, none of which was asked for before: CPU seconds, and what the views hold.
    fn everybody(&self, sellers: u32) -> Outcome<Value> {
        let (mut engine, _) = self.load()?;
        let started = cpu_seconds()?;
        let mut rows = 0;
        for user in OTHERS..OTHERS + sellers {
            let subscriber = engine.subscribe(key(entity::USER, user));
            let view = engine.view(subscriber).ok_or("a subscriber has no view")?;
            rows += view.entities.iter().map(|entity| entity.rows.len()).sum::<u64>();
        }
        let seconds = cpu_seconds()? - started;
        let bytes = engine.statistics().view_bytes;
        Ok(json!({"views": sellers, "seconds": seconds, "rows": rows, "bytes": bytes}))
    }

    /// The least that any index of rows by id has to do: CPU seconds to enter every id into a hash map.
    fn enter_ids(&self) -> Outcome<f64> {
        let started = cpu_seconds()?;
        let mut ids: HashMap<[u8; 16], (u32, Ordinal)> = HashMap::new();
        ids.extend(self.crm.rows().map(|row| (row.key.0, (row.entity.0, row.ordinal))));
        black_box(&ids);
        Ok(cpu_seconds()? - started)
    }

    /// An engine fed with every row, and how many CPU seconds that took.
    fn load(&self) -> Outcome<(Engine, f64)> {
        let started = cpu_seconds()?;
        let mut engine = Engine::new();
        let mut commit = engine.begin(self.head);
        commit.model(self.model(OPPORTUNITY_DAYS)?);
        for row in self.crm.rows() {
            commit.row(&row)?;
        }
        commit.finish(Instant(NOW));
        Ok((engine, cpu_seconds()? - started))
    }

    fn model(&self, opportunity_days: i64) -> Outcome<PreparedModel> {
        let users = self.crm.sizes.users;
        Ok(PreparedModel::compile(&model(Publish { revision: self.revision, users, opportunity_days }))?)
    }

    /// Views from scratch: on warm indexes, and when a publish has just asked for a test that nobody had asked before.
    fn views(&mut self, engine: &mut Engine) -> Outcome<Value> {
        let sellers = OTHERS..(OTHERS + SAMPLE).min(self.crm.sizes.users);
        let times: Vec<f64> = sellers.map(|user| compute(engine, user).1).collect();
        let (seller_rows, _) = compute(engine, OTHERS);
        let (manager_rows, _) = compute(engine, MANAGER);
        let (director_rows, _) = compute(engine, DIRECTOR);
        let manager = self.median(|_| compute(engine, MANAGER).1);
        let director = self.median(|_| compute(engine, DIRECTOR).1);
        let mut cold = Vec::new();
        for round in 0..self.rounds {
            self.revision.0 += 1;
            self.head.0 += 1;
            let model = self.model(OPPORTUNITY_DAYS + 1 + i64::from(round))?;
            let started = Stopwatch::now();
            let mut commit = engine.begin(self.head);
            commit.model(model);
            commit.finish(Instant(NOW));
            black_box(engine.from_scratch(key(entity::USER, OTHERS)));
            cold.push(started.elapsed().as_secs_f64());
        }
        Ok(json!({
            "seller": {"rows": seller_rows, "seconds": median(times), "cold_seconds": median(cold)},
            "manager": {"rows": manager_rows, "seconds": manager},
            "director": {"rows": director_rows, "seconds": director},
        }))
    }

    /// Commits of one row each, while every seller's view is followed: seconds a commit.
    fn live(&mut self, engine: &mut Engine, views: u32) -> Outcome<Value> {
        let started = Stopwatch::now();
        for user in OTHERS..OTHERS + views {
            engine.subscribe(key(entity::USER, user));
        }
        let subscribe = started.elapsed().as_secs_f64() / f64::from(views);
        let (accounts, contacts) = (self.crm.sizes.accounts, self.crm.sizes.contacts);
        let opportunities = self.crm.sizes.opportunities;
        let next_owner = |bench: &Self, row| OTHERS + (bench.crm.owner(entity::ACCOUNT, row) + 1) % views;
        let in_nobodys = (0..opportunities)
            .find(|&row| modified_on(entity::OPPORTUNITY, row) < NOW - 2 * OPPORTUNITY_DAYS * DAY)
            .ok_or("every opportunity is new")?;
        let report = json!({
            "views": views,
            "statistics_view_bytes": engine.statistics().view_bytes,
            "subscribe_seconds": subscribe,
            "in_no_view": self.changes(engine, |_, _| (entity::OPPORTUNITY, in_nobodys, Edit::default()))?,
            "in_one_view": self.changes(engine, |_, at| (entity::CONTACT, at * 97 % contacts, Edit::default()))?,
            "in_every_view": self.changes(engine, |_, at| (entity::PRODUCT, at % 500, Edit::default()))?,
            "enters_or_leaves": self.changes(engine, |_, at| {
                let modified_on = if at % 2 == 0 { NOW - DAY } else { NOW - 2 * OPPORTUNITY_DAYS * DAY };
                let edit = Edit { modified_on: Some(modified_on), ..Edit::default() };
                (entity::OPPORTUNITY, at / 2 * 89 % opportunities, edit)
            })?,
            "changes_owner": self.changes(engine, |bench, at| {
                let row = at * 83 % accounts;
                (entity::ACCOUNT, row, Edit { owner: Some(next_owner(bench, row)), ..Edit::default() })
            })?,
        });
        let manager = engine.subscribe(key(entity::USER, MANAGER));
        let moved = self.changes(engine, |_, at| {
            (entity::USER, MANAGER, Edit { unit: Some((at + 1) % UNITS), ..Edit::default() })
        })?;
        engine.unsubscribe(manager);
        let seller_moves = self.changes(engine, |_, at| {
            (entity::USER, OTHERS + at % 10, Edit { unit: Some((at / 10 + 1) % UNITS), ..Edit::default() })
        })?;
        let privilege = privilege_of_sellers(entity::OPPORTUNITY);
        let role_changes = self.some_changes(engine, 2 * self.rounds, |_, at| {
            let depth = if at % 2 == 0 { DEPTH_NONE } else { DEPTH_OWN };
            (entity::PRIVILEGE, privilege, Edit { depth: Some(depth), ..Edit::default() })
        })?;
        Ok(json!({
            "changes": report,
            "manager_moves": moved,
            "seller_moves": seller_moves,
            "role_changes": role_changes,
        }))
    }

    /// Median seconds of a commit of one row, over changes that are made one after the other.
    fn changes(&mut self, engine: &mut Engine, change: impl Fn(&Self, u32) -> (u32, Ordinal, Edit)) -> Outcome<Value> {
        self.some_changes(engine, CHANGES, change)
    }

    fn some_changes(
        &mut self,
        engine: &mut Engine,
        count: u32,
        change: impl Fn(&Self, u32) -> (u32, Ordinal, Edit),
    ) -> Outcome<Value> {
        let mut seconds = Vec::new();
        let mut touched = 0;
        let mut payload = Vec::new();
        for at in 0..count {
            let (entity, ordinal, edit) = change(self, at);
            payload.clear();
            self.crm.write(entity, ordinal, edit, &mut payload);
            self.head.0 += 1;
            let row = RowChange {
                entity: EntityNumber(entity),
                ordinal,
                key: key(entity, ordinal),
                lsn: self.head,
                payload: Some(&payload),
            };
            let started = Stopwatch::now();
            let mut commit = engine.begin(self.head);
            commit.row(&row)?;
            let applied = commit.finish(Instant(NOW));
            seconds.push(started.elapsed().as_secs_f64());
            touched += applied.touched.len();
        }
        Ok(json!({"seconds": median(seconds), "touched": touched as f64 / f64::from(count)}))
    }

    fn median(&self, measure: impl Fn(&Self) -> f64) -> f64 {
        median((0..self.rounds).map(|_| measure(self)).collect())
    }
}

/// Computes the view of a user from nothing; how many rows it has, and the seconds it took.
fn compute(engine: &Engine, user: u32) -> (u64, f64) {
    let started = Stopwatch::now();
    let view = black_box(engine.from_scratch(key(entity::USER, user)));
    let seconds = started.elapsed().as_secs_f64();
    (view.entities.iter().map(|entity| entity.rows.len()).sum(), seconds)
}

fn bytes(engine: &Engine) -> Value {
    let parts = engine.statistics().index;
    json!({
        "rows": parts.rows,
        "columns": parts.columns,
        "postings": parts.postings,
        "edges": parts.edges,
        "predicates": parts.predicates,
        "logs": parts.logs,
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// CPU time of this thread, which does all the work; good to a few milliseconds.
fn cpu_seconds() -> Outcome<f64> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: u64 = statistics.split(' ').next().ok_or("schedstat is empty")?.parse()?;
    Ok(nanoseconds as f64 / 1e9)
}

/// Memory that this process has resident.
fn resident_bytes() -> Outcome<u64> {
    /// What Linux counts memory in here.
    const PAGE_BYTES: u64 = 4096;
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    Ok(pages.split(' ').nth(1).ok_or("statm has no second field")?.parse::<u64>()? * PAGE_BYTES)
}

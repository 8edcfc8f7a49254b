//! What administrators ask, on the same rows.

use std::hint::black_box;
use std::time::Instant as Stopwatch;

use haversack_engine::engine::Engine;
use haversack_engine::engine::ask::{Estimator, HolderSearch, summarize};
use haversack_engine::ids::EntityNumber;
use serde_json::{Value, json};

use crate::crm::{Crm, entity, key};
use crate::median;
use crate::model::{DIRECTOR, MANAGER};

/// Rows that are explained to each user.
const ROWS: u32 = 100;

/// Seconds to estimate every user at once, to explain a row, and to find a row's holders.
pub(crate) fn questions(engine: &Engine, crm: &Crm, rounds: u32) -> Value {
    json!({
        "users": crm.sizes.users,
        "estimate": median((0..rounds).map(|_| estimate(engine)).collect()),
        "explain": {
            "seller": explain(engine, crm, DIRECTOR + 1),
            "manager": explain(engine, crm, MANAGER),
            "director": explain(engine, crm, DIRECTOR),
        },
        "holders": median((0..rounds).map(|round| holders(engine, round)).collect()),
    })
}

fn estimate(engine: &Engine) -> f64 {
    let (inquiry, mut estimator, started) = (engine.inquire(), Estimator::default(), Stopwatch::now());
    let users = inquiry.users().into_iter();
    let estimates: Vec<_> = users.map(|user| estimator.estimate(&inquiry, user)).collect();
    black_box(summarize(&estimates, Some(1_000), None));
    started.elapsed().as_secs_f64()
}

/// Median seconds over rows of every entity that is pulled by others: for those the view has to be worked out.
fn explain(engine: &Engine, crm: &Crm, user: u32) -> f64 {
    let counts = [(entity::CONTACT, crm.sizes.contacts), (entity::LINE, crm.sizes.lines)];
    let rows = counts.into_iter().flat_map(|(entity, count)| (0..ROWS).map(move |at| (entity, at * 97 % count)));
    let seconds = rows.map(|(entity, row)| {
        let started = Stopwatch::now();
        black_box(engine.inquire().explain(key(entity::USER, user), EntityNumber(entity), key(entity, row)));
        started.elapsed().as_secs_f64()
    });
    median(seconds.collect())
}

fn holders(engine: &Engine, round: u32) -> f64 {
    let (inquiry, started) = (engine.inquire(), Stopwatch::now());
    let mut search = HolderSearch::new(EntityNumber(entity::LINE), key(entity::LINE, round * 97));
    let held = inquiry.users().into_iter().filter(|&user| search.has(&inquiry, user)).count();
    black_box(held);
    started.elapsed().as_secs_f64()
}

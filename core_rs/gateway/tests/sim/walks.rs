//! Walks through worlds: a few in every run of the tests, for hours under `make sim`.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::counters::Counters;
use crate::simulation::Simulation;

/// How long to go on, in seconds. Not set: the worlds of every run.
const SECONDS: &str = "HAVERSACK_SIMULATION_SECONDS";
/// The seed to begin with; alone, the one world to walk through.
const SEED: &str = "HAVERSACK_SIMULATION_SEED";
/// How many devices a world has.
const DEVICES: &str = "HAVERSACK_SIMULATION_DEVICES";
/// After how many steps a world comes to rest.
const STEPS: &str = "HAVERSACK_SIMULATION_STEPS";

/// The worlds of every run: seeds, devices, steps.
const RUN: [(u64, Size); 6] = [
    (7, Size { devices: 24, steps: 2_000 }),
    (10, Size { devices: 24, steps: 2_000 }),
    (3, Size { devices: 60, steps: 2_000 }),
    (4, Size { devices: 200, steps: 2_000 }),
    (9, Size { devices: 24, steps: 2_000 }),
    (5, Size { devices: 24, steps: 2_000 }),
];

/// The size of worlds under `make sim`.
const LARGE: Size = Size { devices: 300, steps: 4_000 };

/// How often progress is told.
const TELL_INTERVAL: Duration = Duration::from_secs(30);

/// After how many steps the world of a walk comes to rest, each time.
const STRETCH: u64 = 500;

/// How large a world is, and how long it is walked through.
#[derive(Clone, Copy, Debug)]
struct Size {
    devices: usize,
    steps: u64,
}

#[test]
fn worlds_are_walked_through() {
    let size = |size: Size| Size {
        devices: number(DEVICES).map_or(size.devices, |devices| devices as usize),
        steps: number(STEPS).unwrap_or(size.steps),
    };
    let Some(seconds) = number(SECONDS) else {
        let mut counters = Counters::default();
        match number(SEED) {
            Some(seed) => counters.extend(&walk(seed, size(LARGE))),
            None => RUN.iter().for_each(|&(seed, one)| counters.extend(&walk(seed, size(one)))),
        }
        eprintln!("{counters}");
        check_eventful(&counters, number(SEED).is_none());
        return;
    };
    walk_for(Duration::from_secs(seconds), size(LARGE));
}

/// Walks through ever new worlds.
fn walk_for(budget: Duration, size: Size) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let first = number(SEED).unwrap_or(now << 20);
    let (start, mut told, mut counters) = (Instant::now(), Instant::now(), Counters::default());
    let mut walked = 0;
    while start.elapsed() < budget {
        counters.extend(&walk(first + walked, size));
        walked += 1;
        if told.elapsed() >= TELL_INTERVAL {
            told = Instant::now();
            tell(first, walked, start, &counters);
        }
    }
    tell(first, walked, start, &counters);
    eprintln!("{counters}");
}

fn tell(first: u64, walked: u64, start: Instant, counters: &Counters) {
    let (seconds, last) = (start.elapsed().as_secs_f64(), first + walked.saturating_sub(1));
    let rate = walked as f64 / seconds;
    let [rows, written, rests] =
        ["rows sent", "judged: mutation_outcome_applied", "devices at rest"].map(|it| counters.of(it));
    eprintln!(
        "worlds {first} to {last} in {seconds:.0} s ({rate:.2}/s): {rows} rows sent, {written} writes applied, {rests} devices exact"
    );
}

/// Walks through the world of a seed; if that fails, says how to walk this way again, and looks for a smaller world
/// that fails as well.
fn walk(seed: u64, size: Size) -> Counters {
    let at = Rc::new(Cell::new(0));
    let walked = catch_unwind(AssertUnwindSafe(|| walk_once(seed, size, &at)));
    walked.unwrap_or_else(|panic| {
        let mut small = Size { steps: at.get(), ..size };
        say(seed, small);
        while small.devices > 1 {
            let at = Rc::new(Cell::new(0));
            let smaller = Size { devices: small.devices / 2, ..small };
            if catch_unwind(AssertUnwindSafe(|| walk_once(seed, smaller, &at))).is_ok() {
                break;
            }
            small = Size { steps: at.get(), ..smaller };
            say(seed, small);
        }
        resume_unwind(panic)
    })
}

fn say(seed: u64, size: Size) {
    let Size { devices, steps } = size;
    eprintln!("{SEED}={seed} {DEVICES}={devices} {STEPS}={steps} walks this way again");
}

fn walk_once(seed: u64, size: Size, at: &Rc<Cell<u64>>) -> Counters {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut simulation = Simulation::new(seed, size.devices).await;
        while at.get() < size.steps {
            simulation.walk(STRETCH.min(size.steps - at.get()), at).await;
        }
        simulation.counters
    })
}

/// What a run must have seen, to be worth anything.
fn check_eventful(counters: &Counters, whole: bool) {
    let must = [
        "rows sent",
        "removals sent",
        "inventories asked for",
        "judged: mutation_outcome_applied",
        "judged: mutation_outcome_conflict",
        "judged: mutation_outcome_forbidden",
        "judged: mutation_outcome_invalid",
        "judged: mutation_outcome_not_found",
        "judged: mutation_outcome_blocked",
        "fields overruled",
        "repeats answered",
        "acknowledged after an unclear call",
        "upload calls lost before",
        "servers killed",
        "devices killed",
        "device files restored",
        "epochs begun",
        "provisioned again",
        "backups restored",
        "judged, and lost with a backup",
        "devices ordered: block",
        "devices ordered: unblock",
        "devices wiped",
        "full checks asked for",
        "refusals discarded by administrators",
        "refusals withdrawn",
        "given up, and settled",
        "refusals judged again: mutation_outcome_applied",
        "refusals judged again: mutation_outcome_queued",
        "settled: mutation_outcome_applied",
        "settled: mutation_outcome_conflict",
        "source asked for: sent",
        "workers killed in the middle of a write",
        "calls refused: COOKIE_INVALID",
        "streams ended: STREAM_SUPERSEDED",
        "streams ended: STAGING_FAILED",
        "devices at rest that get nothing",
    ];
    if whole {
        for what in must {
            assert!(counters.of(what) > 0, "nothing was seen of: {what}");
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

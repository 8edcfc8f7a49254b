//! Long walks through random organizations, one for each seed.
//!
//! With `HAVERSACK_SIMULATION_SECONDS` set, ever new organizations are walked through for so many seconds, from the seed
//! of the clock or of `HAVERSACK_SIMULATION_SEED`. Alone, that variable names one organization to walk through again. The
//! panic of a walk that fails names its seed.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::draw::Draw;
use super::{Followed, STEPS};

/// How long to go on, in seconds. Not set: as many organizations as any other run has.
const BUDGET: &str = "HAVERSACK_SIMULATION_SECONDS";
/// The seed to begin with.
const SEED: &str = "HAVERSACK_SIMULATION_SEED";
/// Organizations of a run without a budget.
const WALKS: u64 = 24;
/// Steps of a walk.
const LENGTH: u64 = 30;

/// Tells the seed of a walk that does not come to its end.
struct Walk(u64);

impl Drop for Walk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{SEED}={} walks this way again", self.0);
        }
    }
}

/// Walks through the organization of a seed. Returns how many views were rehearsed, and how many rows the views had.
fn walk(seed: u64) -> (usize, u64) {
    let _walk = Walk(seed);
    let mut followed = Followed::new(seed);
    followed.check_views();
    let mut draw = Draw::new(!seed);
    let mut rows = 0;
    for _ in 0..LENGTH {
        followed.step(draw.below(u64::from(STEPS)) as u8);
        rows += followed.seen.iter().flat_map(|view| &view.entities).map(|part| part.rows.len()).sum::<u64>();
    }
    (followed.rehearsed, rows)
}

#[test]
fn organizations_are_walked_through() {
    let (budget, seed) = (number(BUDGET), number(SEED));
    let Some(budget) = budget.map(Duration::from_secs) else {
        let walks = seed.map_or(0..WALKS, |seed| seed..seed + 1);
        let (rehearsed, rows) = walks.clone().map(walk).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        assert!(seed.is_some() || rehearsed > 0, "some model was rehearsed before it was published");
        assert!(seed.is_some() || rows > 10_000, "views have rows");
        return;
    };
    let start = Instant::now();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let first = seed.unwrap_or(now << 20);
    let mut next = first;
    while start.elapsed() < budget {
        walk(next);
        next += 1;
    }
    eprintln!("organizations: seeds {first} to {} in {:?}", next - 1, start.elapsed());
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

//! Tests that go on for as long as somebody wants, for tests.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

/// How long to go on, in seconds. Not set: as many cases as any other property has.
const BUDGET: &str = "HAVERSACK_FUZZ_SECONDS";

/// The seed to begin with, as an earlier run printed it. Not set: that of the clock.
const SEED: &str = "HAVERSACK_FUZZ_SEED";

/// Tries a property on generated values. With a budget, batch after batch, each of the next seed, until the time is
/// over. The seed of a batch that fails is in the panic's message.
pub(crate) fn run<S: Strategy>(name: &str, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S::Value: Debug,
{
    let budget = number(BUDGET).map(Duration::from_secs);
    let start = Instant::now();
    let first = number(SEED).unwrap_or_else(|| {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since_epoch.expect("after 1970").as_secs() << 20
    });
    let mut seed = first;
    loop {
        let config = Config { rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
        if let Err(error) = TestRunner::new(config).run(&strategy, &test) {
            panic!("{name}: {SEED}={seed} reproduces this: {error}");
        }
        seed += 1;
        if budget.is_none_or(|budget| start.elapsed() >= budget) {
            break;
        }
    }
    eprintln!("{name}: seeds {first} to {} in {:?}", seed - 1, start.elapsed());
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

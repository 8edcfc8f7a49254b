//! Time alone changes a view, and never goes back for a device.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use haversack_gateway::{Clock, Config};
use haversack_proto::sync::SyncMode;

use crate::device::Stage;
use crate::world::{ACCOUNT, ADA, World, accounts_visited, put_visited};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// From noon to shortly before midnight.
const HALF_A_DAY_BUT_A_MINUTE: Duration = Duration::from_secs(12 * 3_600 - 60);

/// A clock that stands until it is moved. It begins at the noon of today, so that tokens are good.
struct StandingClock {
    seconds: AtomicU64,
}

impl StandingClock {
    fn at_noon() -> Arc<Self> {
        let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / DAY.as_secs();
        Arc::new(Self { seconds: AtomicU64::new(today * DAY.as_secs() + DAY.as_secs() / 2) })
    }

    fn go_on(&self, by: Duration) {
        self.seconds.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for StandingClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.seconds.load(Ordering::SeqCst))
    }
}

/// A token whose lifetime is longer than the test's days.
fn patient_token() -> String {
    crate::tokens::token_for(ADA, "contoso", DAY * 30)
}

#[test]
fn a_row_leaves_when_its_day_is_over() {
    let mut world = World::new();
    world.publish(accounts_visited(1));
    let clock = StandingClock::at_noon();
    let noon = clock.instant().0;
    let hours = |hours: i64| hours * 3_600 * 1_000_000;
    world.commit(|commit| {
        put_visited(commit, 1, noon - hours(1));
        put_visited(commit, 2, noon - hours(20));
        put_visited(commit, 3, noon - hours(60));
    });
    let mut stage = Stage::with_clock(world, &Config::default(), Arc::clone(&clock) as _);
    stage.run(async |_, door| {
        let mut device = door.device_with(patient_token()).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        assert_eq!(device.count(ACCOUNT), 2);
        clock.go_on(DAY);
        device.reach(&mut events).await.unwrap();
        assert_eq!(device.count(ACCOUNT), 1, "what was visited the day before yesterday has left");
    });
}

#[test]
fn a_server_whose_clock_is_behind_follows_the_device() {
    let mut world = World::new();
    world.publish(accounts_visited(1));
    let clock = StandingClock::at_noon();
    // Shortly before the midnight at which the row leaves.
    clock.go_on(HALF_A_DAY_BUT_A_MINUTE);
    let visited = clock.instant().0 - 24 * 3_600 * 1_000_000;
    world.commit(|commit| put_visited(commit, 1, visited));
    let behind = StandingClock::at_noon();
    behind.go_on(HALF_A_DAY_BUT_A_MINUTE);
    let other = Stage::with_clock(world, &Config::default(), behind as _);
    let mut ahead = Stage::beside(&other, Arc::clone(&clock) as _);
    clock.go_on(Duration::from_secs(120));
    let mut device = ahead.run(async |_, door| {
        let mut device = door.device_with(patient_token()).await;
        device.sync().await.unwrap();
        device
    });
    assert_eq!(device.count(ACCOUNT), 0, "past midnight the row has left");
    other.clients_block_on(async {
        device.move_to(&other.door()).await;
        device.sync().await.unwrap();
    });
    assert_eq!(device.count(ACCOUNT), 0, "it does not come back where it is not midnight yet");
}

#[test]
fn a_device_that_calls_when_nobody_is_live_gets_its_view_of_now() {
    let mut world = World::new();
    world.publish(accounts_visited(1));
    let clock = StandingClock::at_noon();
    let visited = clock.instant().0 - 3_600 * 1_000_000;
    world.commit(|commit| put_visited(commit, 1, visited));
    let mut stage = Stage::with_clock(world, &Config::default(), Arc::clone(&clock) as _);
    stage.run(async |_, door| {
        let mut device = door.device_with(patient_token()).await;
        device.sync().await.unwrap();
        assert_eq!(device.count(ACCOUNT), 1);
        clock.go_on(3 * DAY);
        device.sync().await.unwrap();
        assert_eq!(device.count(ACCOUNT), 0, "days have gone by while no stream was open");
    });
}

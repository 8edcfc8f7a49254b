//! The registry of devices: noted within bounds, ordered durably, and carried from one database to the next.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use haversack_engine::ids::Lsn;
use haversack_staging::{
    Contact, DEVICES_PER_USER_MAX, DeviceFilter, DeviceKey, KnownDevice, Order, Orders, Said, Staging, StagingError,
    Standing, close_ledger, export_devices, import_ledger,
};
use proptest::prelude::*;

use crate::world::{SqliteWorld, World};

fn key(user: u8, install: u16) -> DeviceKey {
    let mut bytes = [7; 16];
    bytes[..2].copy_from_slice(&install.to_be_bytes());
    DeviceKey { install: bytes, user: [user; 16] }
}

fn contact(key: DeviceKey, seen_us: i64) -> Contact {
    Contact {
        key,
        name: "ada".into(),
        app: "visits".into(),
        client: "test/1".into(),
        said: None,
        first_us: seen_us,
        seen_us,
        checkpoint: None,
        full_syncs: 0,
    }
}

fn all(staging: &dyn Staging) -> Vec<KnownDevice> {
    staging.devices().list(&DeviceFilter::default(), None, 1_000).unwrap()
}

fn order(staging: &dyn Staging, key: DeviceKey, order: &Order) -> Result<Orders, StagingError> {
    let ordered = staging.devices().order(key.install, Some(key.user), order, 1_000)?;
    Ok(ordered.into_iter().next().unwrap().about.orders)
}

fn block(reason: &str) -> Order {
    Order::Block { reason: reason.into() }
}

fn wipe() -> Order {
    Order::Wipe { reason: "stolen".into(), offers_outbox: true }
}

#[test]
fn a_call_adds_to_what_is_known() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let said = Said { report: vec![1, 2], stage: 7, failed: true };
    let first = Contact { said: Some(said), full_syncs: 1, ..contact(key(1, 1), 5) };
    staging.devices().note(&[first]).unwrap();
    let later = Contact { checkpoint: Some((Lsn(9), 8)), full_syncs: 2, ..contact(key(1, 1), 8) };
    staging.devices().note(&[later, contact(key(2, 1), 3)]).unwrap();
    let [one, other] = &all(&*world.open())[..] else { panic!("two devices") };
    let about = &one.about;
    assert_eq!((about.first_seen_us, about.last_seen_us, about.full_syncs), (5, 8, 3));
    assert_eq!((&about.report[..], about.stage, about.failed), (&[1, 2][..], 7, true), "what was said stays");
    assert_eq!((about.checkpoint_lsn, about.checkpoint_at_us), (9, 8));
    assert_eq!((other.key, other.about.stage), (key(2, 1), 0));
    assert_eq!(staging.head().unwrap(), Lsn(0), "it draws no LSN");
    let counts = staging.devices().counts(10).unwrap();
    assert_eq!((counts.known, counts.seen_hour, counts.failed, counts.blocked), (2, 2, 1, 0));
    assert_eq!(staging.devices().counts(3_600_000_007).unwrap().seen_hour, 1);
}

#[test]
fn a_user_has_room_for_so_many_and_orders_keep_their_place() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let most = DEVICES_PER_USER_MAX as u16;
    for install in 0..most {
        staging.devices().note(&[contact(key(1, install), i64::from(install))]).unwrap();
    }
    order(&*staging, key(1, 0), &block("")).unwrap();
    staging.devices().note(&[contact(key(2, 5_000), 0), contact(key(1, most), 900)]).unwrap();
    let known: BTreeSet<_> = all(&*staging).iter().map(|it| it.key).collect();
    assert_eq!(known.len(), DEVICES_PER_USER_MAX + 1, "another's devices count for themselves");
    assert!(known.contains(&key(1, 0)) && !known.contains(&key(1, 1)) && known.contains(&key(1, most)));
    for install in 2..=most {
        order(&*staging, key(1, install), &block("")).unwrap();
    }
    staging.devices().note(&[contact(key(1, most + 1), 901)]).unwrap();
    assert!(!all(&*staging).iter().any(|it| it.key == key(1, most + 1)), "there is no room for it");
}

#[test]
fn who_does_not_call_is_forgotten_unless_there_is_an_order() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let calls: Vec<_> = (0..4).map(|install| contact(key(1, install), i64::from(install))).collect();
    staging.devices().note(&calls).unwrap();
    order(&*staging, key(1, 0), &wipe()).unwrap();
    assert_eq!(staging.devices().forget_unseen(3).unwrap(), 2);
    assert_eq!(all(&*staging).iter().map(|it| it.key).collect::<Vec<_>>(), [key(1, 3), key(1, 0)]);
}

#[test]
fn an_order_is_heard_here_and_seen_elsewhere() {
    let world = SqliteWorld::new();
    let (staging, elsewhere) = (world.open(), world.open());
    let told = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&told);
    staging.on_commit(Box::new(move |_| drop(counter.fetch_add(1, Ordering::Relaxed))));
    staging.devices().note(&[contact(key(1, 1), 5), contact(key(2, 1), 6)]).unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 0, "calls are nobody's news");
    let (version, none) = elsewhere.devices().ordered_since(u64::MAX).unwrap().unwrap();
    assert!(none.is_empty());
    assert_eq!(elsewhere.devices().ordered_since(version).unwrap(), None);
    let unknown = order(&*staging, key(3, 1), &block(""));
    assert!(matches!(unknown, Err(StagingError::DeviceUnknown(_))));
    let impossible = order(&*staging, key(1, 1), &Order::Unblock);
    assert!(matches!(impossible, Err(StagingError::OrderImpossible(_))));
    assert_eq!(elsewhere.devices().ordered_since(version).unwrap(), None);
    let both = staging.devices().order(key(1, 1).install, None, &block("why"), 7).unwrap();
    assert_eq!(both.len(), 2);
    assert_eq!(told.load(Ordering::Relaxed), 1);
    let (_, keys) = elsewhere.devices().ordered_since(version).unwrap().unwrap();
    assert_eq!(BTreeSet::from_iter(keys), BTreeSet::from([key(1, 1), key(2, 1)]));
    let seen = elsewhere.devices().orders(&key(2, 1)).unwrap();
    assert_eq!((seen.standing(), seen.block_reason.as_deref()), (Standing::Blocked, Some("why")));
    assert_eq!(elsewhere.devices().orders(&key(9, 9)).unwrap(), Orders::default());
}

#[test]
fn devices_travel_with_their_orders() {
    let worlds = (SqliteWorld::new(), SqliteWorld::new());
    let (old, new) = (worlds.0.open(), worlds.1.open());
    let calls: Vec<_> = (0..50)
        .map(|at| Contact { checkpoint: Some((Lsn(4), 4)), ..contact(key(at as u8 % 3, at), i64::from(at % 7)) })
        .collect();
    old.devices().note(&calls).unwrap();
    order(&*old, key(1, 1), &wipe()).unwrap();
    order(&*old, key(2, 2), &block("words")).unwrap();
    close_ledger(&*old).unwrap();
    assert!(matches!(order(&*old, key(0, 0), &block("")), Err(StagingError::Closed)), "it would be lost");
    let (page, last) = export_devices(&*old, None).unwrap().unwrap();
    assert_eq!(export_devices(&*old, Some(last)).unwrap(), None);
    assert_eq!(import_ledger(&*new, &page).unwrap(), 50);
    assert_eq!(import_ledger(&*new, &page).unwrap(), 0);
    let without_lsn = |mut device: KnownDevice| {
        device.about.checkpoint_lsn = 0;
        device
    };
    assert_eq!(all(&*new), all(&*old).into_iter().map(without_lsn).collect::<Vec<_>>());
    assert!(new.devices().ordered_since(0).unwrap().is_some());
    assert!(import_ledger(&*new, b"\x12\x02\x0a\x00").is_err(), "a device without ids");
}

fn any_order() -> impl Strategy<Value = Order> {
    prop_oneof![
        Just(Order::Check),
        Just(block("b")),
        Just(Order::Unblock),
        Just(wipe()),
        Just(Order::CancelWipe),
        (0..30_i64).prop_map(|number| Order::Checked { number }),
        Just(Order::Wiped),
    ]
}

/// What holds after an order, whatever came before.
fn holds(before: &Orders, order: &Order, after: &Orders, blocked: bool) -> bool {
    let told = match order {
        Order::Checked { .. } => before.pending_check().is_some() && after.pending_check().is_none(),
        Order::Check => after.pending_check() > before.pending_check(),
        _ => after.pending_check() == before.pending_check(),
    };
    let stays = before.standing() != Standing::Wiped || after.standing() == Standing::Wiped;
    let standing = match after.standing() {
        Standing::Admitted => !blocked,
        Standing::Blocked => blocked,
        Standing::WipePending | Standing::Wiped => true,
    };
    told && stays && standing && blocked == after.block_reason.is_some()
}

proptest! {
    /// Whatever is ordered: a wiped device stays wiped, a block stands until it is lifted, a check until it was made.
    #[test]
    fn orders_stand_until_they_are_taken_back(orders in proptest::collection::vec(any_order(), 0..30)) {
        let (mut now, mut blocked) = (Orders::default(), false);
        for (at, order) in orders.iter().enumerate() {
            let Some(next) = now.after(order, at as i64) else { continue };
            blocked = matches!(order, Order::Block { .. }) || (blocked && *order != Order::Unblock);
            let right = holds(&now, order, &next, blocked);
            prop_assert!(right, "{order:?} made {next:?} of {now:?}");
            now = next;
        }
    }
}

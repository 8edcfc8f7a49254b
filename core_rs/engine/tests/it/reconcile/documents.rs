//! The protocol's page tells the truth: its test vectors and its limits are those of the code.

use std::path::Path;

use haversack_engine::digest::{membership_hash, version_hash};
use haversack_engine::ids::{EntityNumber, Lsn};
use haversack_engine::reconcile::{BLOCKS_MAX, ENTITIES_MAX, INVENTORY_BYTES_MAX, Limits};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sync-protocol.md");
    std::fs::read_to_string(path).expect("the page is part of the repository")
}

/// The cells of every table row that has this many.
fn rows(page: &str, cells: usize) -> Vec<Vec<&str>> {
    let split = |line: &'_ str| line.trim_matches('|').split('|').map(str::len).count();
    let rows = page.lines().filter(|line| line.starts_with('|') && split(line) == cells);
    rows.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()).collect()
}

#[test]
fn the_test_vectors_are_true() {
    let page = page();
    let vectors: Vec<_> = rows(&page, 5).into_iter().filter(|row| row[0].parse::<u32>().is_ok()).collect();
    assert!(vectors.len() >= 6);
    for row in vectors {
        let (entity, ordinal) = (EntityNumber(row[0].parse().unwrap()), row[1].parse().unwrap());
        assert_eq!(format!("{:016x}", membership_hash(entity, ordinal)), row[3]);
        assert_eq!(format!("{:016x}", version_hash(entity, ordinal, Lsn(row[2].parse().unwrap()))), row[4]);
    }
    let one = EntityNumber(1);
    let members = (0..3).map(|ordinal| membership_hash(one, ordinal)).fold(0, u64::wrapping_add);
    let versions = (0..3).map(|ordinal| version_hash(one, ordinal, Lsn(u64::from(ordinal) + 1)));
    let digest = versions.fold(0, u64::wrapping_add);
    assert!(page.contains(&format!("membership sum `{members:016x}`, digest `{digest:016x}`")));
}

#[test]
fn the_limits_are_true() {
    let page = page();
    let limits = rows(&page, 2);
    let stated =
        |what: &str| limits.iter().find(|row| row[0].contains(what)).expect("the limit is stated")[1].replace(',', "");
    let defaults = Limits::default();
    assert!(stated("batch").contains(&format!("{} KiB", defaults.batch_bytes >> 10)));
    assert!(stated("batch").contains(&format!("{} rows", defaults.batch_rows)));
    assert!(stated("blocks in").contains(&BLOCKS_MAX.to_string()));
    assert!(stated("one inventory").contains(&format!("{} KiB", INVENTORY_BYTES_MAX >> 10)));
    assert_eq!(stated("entities of a view"), ENTITIES_MAX.to_string());
    assert!(stated("passes").starts_with(&defaults.passes.to_string()));
}

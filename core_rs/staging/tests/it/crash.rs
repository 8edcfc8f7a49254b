//! A process that is killed in the middle of its commits, and what is found afterwards.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use haversack_engine::ids::Lsn;
use haversack_staging::{RowId, SqliteStaging, Staging};

use crate::world::{ACCOUNT, SqliteWorld, World, changes};

/// Tells the child which file to write to.
const PATH_VARIABLE: &str = "HAVERSACK_TEST_STAGING";

const KILLS: u64 = 12;
const ROWS_A_COMMIT: u64 = 5;

#[test]
fn killed_process_keeps_its_word() {
    let world = SqliteWorld::new();
    for kill in 0..KILLS {
        let mut child = start_child(&world.path());
        let acknowledged = read_acknowledgements(&mut child, 1 + kill * 7 % 30);
        child.kill().unwrap();
        child.wait().unwrap();
        check(&world, acknowledged);
    }
}

/// Reads heads until so many have come; returns the last one.
fn read_acknowledgements(child: &mut Child, count: u64) -> u64 {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let heads = lines.filter_map(|line| line.strip_prefix("head ").map(|head| head.parse::<u64>().unwrap()));
    heads.take(count as usize).last().unwrap()
}

/// Commits are there whole or not at all, and those that were acknowledged are there.
fn check(world: &SqliteWorld, acknowledged: u64) {
    let staging = world.open();
    let head = staging.head().unwrap().0;
    assert!(head >= acknowledged, "head {head} is behind {acknowledged}, which was acknowledged");
    assert_eq!(head % ROWS_A_COMMIT, 0, "a part of a commit is there");
    let snapshot = staging.snapshot().unwrap();
    let lsns: Vec<u64> = changes(&*snapshot, 0).iter().map(|row| row.3).collect();
    assert_eq!(lsns, (1..=head).collect::<Vec<_>>());
    let statistics = snapshot.statistics().unwrap()[0];
    assert_eq!((statistics.rows, u64::from(statistics.allocated)), (head, head));
}

fn start_child(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::commit_until_killed", "--nocapture"])
        .env(PATH_VARIABLE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The child of `killed_process_keeps_its_word`. Without a parent it has nothing to do; with one it never ends by itself.
#[test]
fn commit_until_killed() {
    let Some(path) = std::env::var_os(PATH_VARIABLE) else { return };
    let staging = SqliteStaging::open(path).unwrap();
    let mut next = staging.head().unwrap().0;
    loop {
        let mut commit = staging.begin().unwrap();
        for _ in 0..ROWS_A_COMMIT {
            next += 1;
            commit.upsert(ACCOUNT, &RowId::Text(format!("row {next}").into()), b"payload").unwrap();
        }
        let head = commit.finish().unwrap();
        assert_eq!(head, Lsn(next));
        writeln!(std::io::stdout(), "head {}", head.0).unwrap();
    }
}

//! The threads: commits of bounded size, aborts, failures.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use haversack_proto::error::ErrorReason;
use haversack_staging::StagingError;
use haversack_staging::ingest::{Ingest, Options};

use super::organization::{Organization, csv};

fn rows(count: usize) -> String {
    let mut file = "accountid,name\n".to_owned();
    for row in 0..count {
        writeln!(file, "00000000-0000-0000-0000-{row:012},account {row}").unwrap();
    }
    file
}

fn count_commits(organization: &Organization) -> Arc<AtomicUsize> {
    let commits = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&commits);
    organization.staging.on_commit(Box::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    commits
}

#[test]
fn long_ingest_makes_many_commits() {
    let organization = Organization::new();
    let commits = count_commits(&organization);
    let report = organization.ingest(csv(), rows(40_000));
    assert_eq!((report.inserted, organization.head()), (40_000, 40_000));
    assert!(commits.load(Ordering::Relaxed) >= 3, "uploads get in between");
}

#[test]
fn atomic_ingest_makes_one_commit() {
    let organization = Organization::new();
    let commits = count_commits(&organization);
    let report = organization.ingest(Options { atomic: true, ..csv() }, rows(40_000));
    assert_eq!((report.inserted, organization.head()), (40_000, 40_000));
    assert_eq!(commits.load(Ordering::Relaxed), 1);
}

#[test]
fn aborted_atomic_ingest_leaves_nothing() {
    let organization = Organization::new();
    let mut ingest = organization.start("account", Options { atomic: true, ..csv() });
    ingest.feed(rows(40_000).as_bytes()).unwrap();
    ingest.abort();
    assert_eq!(organization.head(), 0);
}

#[test]
fn dropped_ingest_leaves_whole_commits() {
    let organization = Organization::new();
    let mut ingest = organization.start("account", csv());
    ingest.feed(rows(40_000).as_bytes()).unwrap();
    drop(ingest);
    let statistics = organization.staging.snapshot().unwrap().statistics().unwrap();
    let rows = statistics.first().map_or(0, |entity| entity.rows);
    assert_eq!(rows, organization.head());
    assert!(rows < 40_000, "what was gathered for the next commit is gone");
}

#[test]
fn ingests_run_side_by_side() {
    let organization = Organization::new();
    let mut first = organization.start("account", csv());
    let mut second = organization.start("currency", csv());
    first.feed(b"accountid\n").unwrap();
    second.feed(b"code\nEUR\n").unwrap();
    for row in 0..2_000 {
        first.feed(format!("00000000-0000-0000-0000-{row:012}\n").as_bytes()).unwrap();
        second.feed(format!("C{row}\n").as_bytes()).unwrap();
    }
    assert_eq!(second.finish().unwrap().inserted, 2_001);
    assert_eq!(first.finish().unwrap().inserted, 2_000);
    assert_eq!(organization.head(), 4_001);
}

#[test]
fn unknown_entity_is_refused_at_the_start() {
    let organization = Organization::new();
    let error = Ingest::start(Arc::clone(&organization.staging), &organization.schema, "acount", csv()).err().unwrap();
    assert_eq!(error.reason(), ErrorReason::EntityUnknown);
}

#[test]
fn failure_of_a_commit_ends_the_ingest() {
    let organization = Organization::new();
    let mut ingest = organization.start("unnumbered", csv());
    ingest.feed(b"id\n").unwrap();
    let mut row = 0u64;
    let stopped = loop {
        row += 1;
        if let Err(error) = ingest.feed(format!("{row}\n").as_bytes()) {
            break error;
        }
    };
    assert!(matches!(stopped, StagingError::IngestStopped), "{stopped}");
    let error = ingest.finish().unwrap_err();
    assert!(matches!(error, StagingError::EntityNumberInvalid(_)), "{error}");
}

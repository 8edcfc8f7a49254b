//! Tests of staging databases on real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod contract;
mod crash;
mod devices;
mod histories;
mod ingest;
mod intake;
mod ledger;
mod model;
mod queue;
mod replication;
mod sqlite;
mod world;
mod write_back;

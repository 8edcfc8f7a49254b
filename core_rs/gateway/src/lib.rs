//! The sync endpoint: streams to each device what makes it equal to its user's view.
//!
//! The decisions are made elsewhere: which rows, by [`haversack_engine::engine`]; what to send next, by
//! [`haversack_engine::reconcile`]. This crate is the shell around them. It owns sockets, tokens, time, seals and
//! payloads:
//!
//! - [`Gateway`] owns a runtime, listens, and knows the organizations that it serves.
//! - `service` admits a call: token, organization, cookie, limits; `wire` is its gRPC.
//! - `stream` is one device's stream: it is asked for its next event only when the connection has room for one, so a
//!   slow device holds back nobody and needs no queue.
//! - `contacts` gathers what calls tell of devices, for the registry; `report` takes what devices say beside them.
//! - `upload` takes what devices have written, and is the only part that writes.
//! - `organization` keeps an engine and its one writer, a follower that reads commits from staging.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on panics"))]

mod answers;
mod auth;
mod calls;
mod clock;
mod config;
mod connections;
mod contacts;
mod cookie;
mod devices;
mod errors;
mod gateway;
#[cfg(test)]
#[path = "../tests/it/keys.rs"]
mod keys;
pub mod limits;
mod organization;
mod payloads;
mod questions;
mod recent;
mod report;
mod service;
mod signal;
mod statistics;
mod stream;
mod tls;
mod upload;
mod wire;

pub use auth::{Claims, Verifier};
pub use clock::{Clock, SystemClock};
pub use config::{Config, IssuerConfig, TlsConfig};
pub use errors::{SyncError, reason_name};
pub use gateway::Gateway;
pub use organization::ROWS_PACKAGE;
pub use statistics::{OrganizationStatistics, Statistics};

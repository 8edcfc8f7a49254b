//! The gateway over real sockets, on a real staging database, seen by a real client.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod device;
mod faults;
mod following;
mod keys;
mod limits;
mod membership;
mod questions;
#[path = "../../examples/device/replica.rs"]
mod replica;
mod server;
mod time;
mod tokens;
mod upload;
mod world;

//! The gateway over real sockets, on a real staging database, seen by a real client.

mod device;
mod faults;
mod following;
mod limits;
#[path = "../../examples/device/replica.rs"]
mod replica;
mod server;
mod tokens;
mod world;

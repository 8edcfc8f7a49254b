//! The great simulation: an organization with hundreds of devices, in which everything happens that can, and in the
//! end everything is right.
//!
//! What is simulated is the world: devices, users, administrators, a source, the network, clocks, and when which
//! thread runs. What is tested is real: the gateway's services with their engine, sessions and writer of uploads, over
//! SQLite staging databases that several gateways share. There are no sockets, and time is virtual, so a seed is
//! walked the same way again.
//!
//! - `simulation` draws what happens next, and knows when the world is quiet;
//! - `server` is a gateway that lives and dies, `gate` holds its follower on a string and lets its disk fail;
//! - `device` is a device database with its outbox, `stream` what is under way to it;
//! - `truth` is the data as of every commit, and who may see what of it by the naive judge of the engine's tests;
//! - `outside` is a source outside, for half of the worlds: writes are queued for it, and it is away now and then;
//! - `ledger` knows every mutation that was ever judged, and that it was judged once; `withdrawn` knows those that their
//!   users have given up, and that none of them is ever made.
//!
//! With `HAVERSACK_SIMULATION_SECONDS` set, ever new worlds are walked through for so many seconds, each with
//! `HAVERSACK_SIMULATION_DEVICES` devices. `HAVERSACK_SIMULATION_SEED` names one world to walk through again, with
//! `HAVERSACK_SIMULATION_STEPS` to end it earlier; what fails prints both.

#![expect(clippy::unwrap_used, reason = "a simulation that cannot go on panics")]

mod counters;
mod device;
mod gate;
#[path = "../it/keys.rs"]
mod keys;
mod ledger;
mod outbox;
mod outside;
#[path = "../../examples/device/replica.rs"]
mod replica;
mod rows;
mod server;
mod simulation;
mod stream;
mod truth;
mod walks;
mod withdrawn;

/// The naive judge, and random organizations, of the engine's tests.
#[path = "../../../engine/tests/it/views"]
#[expect(dead_code, reason = "the engine's tests ask it for more")]
mod views {
    pub(crate) mod access;
    pub(crate) mod calendar;
    pub(crate) mod draw;
    pub(crate) mod filters;
    pub(crate) mod judge;
    pub(crate) mod oracle;
    pub(crate) mod organization;
    pub(crate) mod world;
}

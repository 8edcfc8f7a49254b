//! A native device without rows on disk: the proof that any gRPC client can sync, and the harness of benchmarks.
//!
//! ```text
//! device sync --endpoint http://127.0.0.1:7421 --token TOKEN [--zstd] [--repeat N]
//! device live --endpoint http://127.0.0.1:7421 --token TOKEN [--zstd] [--streams N] [--streams-per-connection N]
//! ```
//!
//! `sync` does first syncs one after the other and prints a JSON line for each.
//!
//! `live` opens N streams, each a device of its own, and prints a JSON line when all have reached a checkpoint. Then it
//! reads standard input: at a line `mark`, which its caller writes just before a commit, it takes the time, waits until
//! every stream has reached its next checkpoint, and prints a JSON line with the distribution. At `cut` every stream and
//! connection breaks, and a line says so; at `reconnect` all come back at once, each on a connection of its own, with what
//! they hold and their cookies, and a line has the distribution of their checkpoints. It ends with its input.

mod arguments;
mod fleet;
mod replica;

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use haversack_proto::sync::SyncMode;
use serde_json::json;

use crate::arguments::{Arguments, Command};
use crate::fleet::{Connector, follow};
use crate::replica::Replica;

/// What went wrong, for people.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    match arguments.command {
        Command::Sync => sync(&arguments).await,
        Command::Live => fleet::live(&arguments).await,
    }
}

async fn sync(arguments: &Arguments) -> Result<(), Failure> {
    let connector = Connector::new(arguments);
    for run in 0..arguments.repeat {
        let mut client = connector.connect().await?;
        let mut replica = Replica::new(install_id(run));
        let started = Instant::now();
        follow(&mut client, &mut replica, SyncMode::Once, &arguments.accept).await?;
        let seconds = started.elapsed().as_secs_f64();
        report(&json!({
            "rows": replica.received.rows,
            "held": replica.len(),
            "bytes": replica.received.bytes,
            "bytes_raw": replica.received.bytes_raw,
            "events": replica.received.events,
            "seconds": seconds,
            "verified": replica.mismatches.is_empty(),
        }))?;
    }
    Ok(())
}

/// Writes one line to standard output.
fn report(line: &serde_json::Value) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Each run of the harness is a set of new devices.
fn install_id(index: usize) -> [u8; 16] {
    let mut id = *uuid::Uuid::new_v4().as_bytes();
    id[..4].copy_from_slice(&(index as u32).to_be_bytes());
    id
}

//! A PostgreSQL database as a system of record: a snapshot by binary COPY, then logical replication from exactly there.
//!
//! ```text
//! replication slot --exports--> snapshot --COPY BINARY--> batches of rows ----> commits of staging
//!        `--pgoutput, from the snapshot's point on--> transactions, grouped --^  each with the position it reaches
//! ```
//!
//! [`Feed::take`] makes one commit. The [`position`] in the source lies in staging, in the commit of the rows that it
//! tells of, and the source is told of nothing that staging does not have: so a change is applied exactly once, whatever
//! crashes. A slot that is lost, or has gone further than staging, leads to a new one and a **reconciliation**: all rows
//! are copied again, those that are the same draw no LSN, and those that were not met are deleted.

mod apply;
mod batch;
mod copying;
mod crowd;

mod dial;
mod feed;
mod gate;
mod layout;
mod look;
mod opening;
mod pgoutput;
mod position;
mod publication;
mod row;
mod session;
mod settings;
mod slot;
mod tls;
mod value;

pub use feed::{Feed, Stage, Taken};
pub use settings::Settings;

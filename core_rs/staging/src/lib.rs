//! An organization's staging database: its rows in commit order, the models published over them, and the ingest
//! that fills it.
//!
//! [`Staging`] is the interface, and everything above this crate speaks to it alone; [`SqliteStaging`] keeps it in
//! one file. [`ingest`] turns CSV and JSON Lines into rows; [`replicate`] brings those of another database, and
//! [`write_back`] takes there what devices have changed; an [`Intake`] takes what a source outside of Haversack gives.
//! What became of every mutation is in the [`Ledger`], and what is known of the devices in the [`DeviceRegistry`]. All
//! calls block: an async caller makes them on a thread that may.

mod devices;
mod error;
pub mod ingest;
mod intake;
mod ledger;
mod ledger_page;
pub mod queue;
mod replication;
mod sqlite;
mod store;
mod write_back;

pub use devices::{
    About, Contact, DEVICES_KEPT_MAX, DEVICES_PAGE_MAX, DEVICES_PER_USER_MAX, DeviceCounts, DeviceFilter, DeviceKey,
    DevicePlace, DeviceRegistry, KnownDevice, Order, Orders, Said, Standing, export_devices,
};
pub use error::StagingError;
pub use intake::{Arrival, INTAKE_ROWS_MAX, Intake, Pass, Passes, Swept, Taken, WHOLE_ORGANIZATION};
pub use ledger::{
    Earlier, Effect, Entry, INSTALL_ID_BYTES, LEDGER_PAGE_ENTRIES_MAX, Ledger, LedgerPlace, LedgerView, MutationHash,
    Origin, Recorded, Resolution, Settlements, Unwritten, close_ledger, discard_refusal, open_refusal,
};
pub use ledger_page::{export_ledger, import_ledger};
pub use replication::{COMMIT_BYTES_MAX, Mark, Replicated, Stage, replicate, replicate_anew, replicate_no_more};
pub use sqlite::{Copying, SqliteStaging};
pub use store::{
    Change, Commit, CommitListener, EntityStatistics, Identity, Place, PublishedModel, ROW_BYTES_MAX, RowId, Snapshot,
    Staging, StoredRow,
};
pub use write_back::{WRITE_BACK_ENTRIES_MAX, WrittenBack, write_back};

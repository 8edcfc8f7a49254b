//! The reconcile machine: walks one device towards its user's [`View`].
//!
//! One [`Session`] serves one stream. It does no IO: the shell around it hands it the newest view at every call,
//! reads the payloads that it asks for, and sends what it says. It is level-triggered: it never asks *why* a view
//! moved (data, permission, profile, clock, a device that was away for a year), it only compares what the device
//! has with what it should hold.
//!
//! ```text
//! open ──> step ──> Send(Plan | Removals | Checkpoint | PassComplete)   with cookie()
//!           ^  ├──> Fetch ── shell reads payloads ── admit ──> RowBatch  with cookie()
//!           |  ├──> Sleep: call again when the view has changed
//!           |  └──> Denied | End
//!           └── the current view and facts, every time
//! ```
//!
//! # A pass
//! A pass begins with a `Plan`: for every entity the rows *to do*, that is, those that the device lacks and those
//! that it holds in an older version. Removals go before any row, and again before every batch. Then the pass
//! takes the entities in the view's order and each one's rows by ascending ordinal. What changes meanwhile is left
//! to the next pass, except that rows which left the view are skipped. When a pass finds nothing to do, the device
//! equals its view: `Checkpoint`.
//!
//! # What is known of a device
//! Nothing is remembered between streams. The device's [`Cookie`] says *in which versions* it holds rows: a floor
//! for each entity, and a marker for the entity that a pass was in. Its block digests, or inventories where they
//! don't tell, say *which* rows it holds (`holdings.rs`). Within a stream, that set is kept as its difference to
//! the view (`held.rs`), so a device that equals its view costs no bitmap of its own.
//!
//! # Invariants
//! The **floor of a row** is the marker's floor if the row lies in the marker's entity at or below the marker's
//! ordinal; else it is its entity's floor.
//!
//! - **Versions.** A row that a device holds is there in its newest version, or it has changed in staging since
//!   its floor. So a held row whose LSN is at or below its floor need not be sent again, by whichever server: had its
//!   version been replaced at or before the floor, the pass that raised the floor would have sent it. The rows to
//!   do are those that are lacking and those whose LSN is above their floor; of the latter some are sent in vain
//!   when a cookie cannot tell that they came already, which costs bytes and nothing else.
//! - **Floors follow removals.** A floor or marker rises only while no removal is owed. Else a device could be cut
//!   off between the two, keep a row that no pass looked at because it had left the view, and have it taken for
//!   new when it comes back into the view unchanged.
//! - **A removal that is owed stays owed.** A row that leaves the view and comes back before its removal was sent
//!   is removed and sent anew: nobody looked at its version while it was away.
//! - **Why a marker may pass over a row without sending it.** It was held and unchanged since its old floor. Or it
//!   is no longer in the view: if it comes back, the device lacks it and the next pass has it. Or staging holds a
//!   version that the engine has not published, or the engine published one after the payload was read: either
//!   LSN is above the pass's floor, so the next pass has it. Until the engine has caught up with the newest
//!   payload seen, no pass begins and no checkpoint is made, neither here nor in what is opened with its cookie.
//! - **Need to know.** Rows are admitted only if they are in the view of that moment and the payload is the
//!   version that this view was judged on.
//! - **A cookie tells what its event makes true.** It is taken right after the event that it travels with, and the
//!   device stores both in one transaction. Whatever was in flight when a stream broke was never told.

use haversack_proto::sync;

use crate::ids::{EntityNumber, Lsn, Ordinal};
use crate::view::Denial;

mod cookie;
mod error;
mod held;
mod holdings;
mod opening;
mod sent_ahead;
mod session;

pub use cookie::{Cookie, KnownEntity, Marker};
pub use error::ReconcileError;
pub use session::Session;

#[cfg(doc)]
use crate::view::View;

/// How long a stream lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It ends at the first checkpoint, or after [`Limits::passes`] passes.
    Once,
    /// It stays and follows the view.
    Live,
}

/// Bounds of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size that a batch aims at, in bytes. A row larger than that travels alone.
    pub batch_bytes: u64,
    /// How many rows a batch holds at most, however small they are.
    pub batch_rows: usize,
    /// How many passes a [`Mode::Once`] stream makes before it gives up on a view that keeps moving.
    pub passes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { batch_bytes: 256 * 1024, batch_rows: 8_192, passes: 4 }
    }
}

/// Most entities that a view may carry, so that a cookie stays below [`COOKIE_BYTES_MAX`]. A session for more is refused.
pub const ENTITIES_MAX: usize = 512;

/// Largest encoded cookie, in bytes, without its MAC.
pub const COOKIE_BYTES_MAX: usize = 16 * 1024 - 64;

/// Most blocks that a device may state or be asked for.
pub const BLOCKS_MAX: usize = 65_536;

/// Largest inventory of one block, in bytes.
pub const INVENTORY_BYTES_MAX: usize = 16 * 1024;

/// Most blocks that one `Removals` names: 8 MiB of bitmap, half of the message limit.
pub const REMOVAL_BLOCKS_MAX: u32 = 1_024;

/// How many rows a session remembers to have sent in a version newer than the pass's floor, so that the next pass
/// need not send them again. Beyond it they are sent again.
pub const SENT_AHEAD_MAX: usize = 16_384;

/// A device's request, as far as the machine needs it. Token, seal and organization are the shell's matter.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Identity of the staging database.
    pub epoch: &'a [u8],
    /// The device's cookie, its seal checked; none on a first sync.
    pub cookie: Option<&'a Cookie>,
    /// Block digests of everything that the device holds.
    pub holdings: &'a [sync::EntityBlocks],
    /// Exact ordinals of blocks that were asked for.
    pub inventories: &'a [sync::Inventory],
    /// Entities whose digest disagreed at the device's last checkpoint.
    pub mismatches: &'a [sync::DigestMismatch],
    /// How long the stream lasts.
    pub mode: Mode,
    /// Bounds.
    pub limits: Limits,
}

/// What came of an opening.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "moved once a stream, then unpacked")]
pub enum Opened {
    /// The device's holdings are known.
    Session(Session),
    /// Some blocks must be stated exactly; the stream ends with this event.
    InventoryRequired(sync::InventoryRequired),
}

/// What the shell does next.
#[expect(clippy::large_enum_variant, reason = "a step is acted on at once, and never kept")]
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Send this with the cookie of the moment.
    Send(sync::sync_event::Event),
    /// Read these rows and [`Session::admit`] them.
    Fetch(Fetch),
    /// Nothing can be done for this view; call again when it has changed.
    Sleep,
    /// Everything was removed from the device, which now is told why. The stream ends.
    Denied(Denial),
    /// The stream ends well.
    End,
}

/// Rows to read from staging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The entity.
    pub entity: EntityNumber,
    /// Ascending, never empty. About [`Limits::batch_bytes`] together.
    pub ordinals: Vec<Ordinal>,
}

/// A row as it was read from staging, payload left aside. Deleted rows have an LSN too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The row.
    pub ordinal: Ordinal,
    /// The LSN that staging has for it.
    pub lsn: Lsn,
}

/// The rows of a fetch that may be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// The batch, complete but for its body: the shell fills in `compression`, `rows` and `rows_size`.
    pub batch: sync::RowBatch,
    /// Positions in the fetch of the rows that the body is made of, ascending.
    pub positions: Vec<usize>,
}

//! Uploads: what devices have written, taken in order and exactly once.
//!
//! A call waits in its organization's queue. One writer takes what has gathered there, judges it under the staging
//! database's write lock on an engine that has followed to the head, and makes it true in one transaction, the ledger's
//! entries among it: so many devices share one wait for the disk, and whoever asks again gets the recorded answer.
//!
//! - `endpoint` admits a call, `call` reads it;
//! - `queue` holds what waits, within bounds;
//! - `writer` is the thread, `batch` one transaction of it, `rows` what the engine sees of that transaction;
//! - `queueing` puts what is taken into the queue for a source outside, where there is one, within `bounds`.

mod batch;
mod bounds;
mod call;
mod endpoint;
mod queue;
mod queueing;
mod rows;
mod writer;

pub(crate) use batch::Batch;
pub(crate) use bounds::Bounds;
pub(crate) use endpoint::UploadEndpoint;
pub(crate) use queue::Uploads;

//! The stream of changes: events of the replication library, gathered into what one commit takes.
//!
//! A commit is made as soon as nothing more is there to be read, so that a change of a quiet source is not kept waiting;
//! while staging is behind, transactions are put together up to the bounds of a commit.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::FutureExt;
use haversack_staging::COMMIT_BYTES_MAX;
use pgwire_replication::{Lsn, ReplicationClient, ReplicationEvent};
use tokio::time::{Instant, timeout_at};

use super::dial::{Tunnel, replication, replication_failed};
use super::pgoutput::is_change;
use super::position::{Part, Position, Wal};
use super::settings::Settings;
use crate::SourceError;

/// PostgreSQL's clock counts from 2000-01-01: this many microseconds after 1970-01-01.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Bytes of a message of the stream before what it carries (PostgreSQL, "Streaming Replication Protocol").
const FRAME_BYTES: usize = 30;

/// How long the end of a connection may take.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

/// The source's changes from a place in its log on.
pub(super) struct Stream {
    client: ReplicationClient,
    tunnel: Tunnel,
    /// An event that belongs into the next commit.
    held: Option<ReplicationEvent>,
    /// The transaction that is being read.
    inside: Option<Inside>,
    /// What of the first transaction is in staging already.
    skip: Option<Part>,
    /// When the last transaction that was read was committed, in microseconds since 1970; `None` if nothing is behind.
    behind: Option<i64>,
}

/// A transaction that is being read.
#[derive(Clone, Copy)]
struct Inside {
    commit: Wal,
    /// Changes of it that were read.
    seen: u64,
}

/// What one commit takes.
#[derive(Default)]
pub(super) struct Gathered {
    /// Changes and descriptions of tables, in order.
    pub(super) messages: Vec<Bytes>,
    changes: usize,
    bytes: usize,
    /// How far the source's log has been read.
    pub(super) wal: Wal,
    /// How far into a transaction.
    pub(super) part: Option<Part>,
    /// Whether everything before the given place has been read.
    pub(super) is_there: bool,
    /// Whether the source may have more at once.
    pub(super) has_more: bool,
}

impl Stream {
    /// Starts to read behind a position.
    pub(super) async fn open(settings: &Settings, position: &Position) -> Result<Self, SourceError> {
        let (config, tunnel) = replication(&settings.connection, &settings.slot, &settings.publication).await?;
        let connected = ReplicationClient::connect(config.with_start_lsn(Lsn::from_u64(position.wal.0))).await;
        let mut client = connected.map_err(|error| replication_failed(&error))?;
        client.wait_started().await.map_err(|error| replication_failed(&error))?;
        let skip = position.part;
        Ok(Self { client, tunnel, held: None, inside: None, skip, behind: None })
    }

    /// Reads what one commit takes: at most `rows_max` changes. Waits until `deadline` for the first, and for the rest
    /// of a transaction that has begun. Stops before transactions that a snapshot at `until` does not show.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] if the connection fails; what was read of this commit will be read again.
    pub(super) async fn gather(
        &mut self,
        from: Wal,
        rows_max: usize,
        deadline: Instant,
        until: Option<Wal>,
    ) -> Result<Gathered, SourceError> {
        let mut gathered = Gathered { wal: from, ..Gathered::default() };
        while !gathered.is_full(rows_max) {
            let waits = gathered.changes == 0 || self.inside.is_some();
            let Some(event) = self.next(waits.then_some(deadline)).await? else { break };
            if let Some(until) = until
                && self.inside.is_none()
                && place(&event) >= until
            {
                gathered.is_there = true;
                self.held = Some(event);
                break;
            }
            self.take(event, &mut gathered)?;
        }
        gathered.has_more = gathered.is_full(rows_max);
        gathered.part = self.inside.filter(|inside| inside.seen > 0).map(Inside::part);
        Ok(gathered)
    }

    /// Says goodbye, so that the source frees the slot at once.
    pub(super) async fn end(mut self) {
        // If the connection is gone already, so is the need for it.
        let _ = tokio::time::timeout(FAREWELL_MAX, self.client.shutdown()).await;
    }

    /// Tells the source that it need not keep its log up to here.
    pub(super) fn confirm(&self, wal: Wal) {
        self.client.update_applied_lsn(Lsn::from_u64(wal.0));
    }

    /// Seconds that staging is behind the source, by the source's clock against ours.
    pub(super) fn lag_seconds(&self) -> f64 {
        let Some(behind) = self.behind else { return 0.0 };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Duration::from_micros((now.as_micros() as i64 - behind).max(0) as u64).as_secs_f64()
    }

    /// Whether everything that the source has told was gathered.
    pub(super) fn caught_up(&mut self) {
        if self.held.is_none() && self.inside.is_none() {
            self.behind = None;
        }
    }

    /// The next event; without a deadline only if it is there already.
    async fn next(&mut self, deadline: Option<Instant>) -> Result<Option<ReplicationEvent>, SourceError> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        // Unconstrained: what is there must not look absent because this task has had its share of turns.
        let mut received = tokio::task::unconstrained(self.client.recv()).now_or_never();
        if received.is_none() {
            self.tunnel.gate.emptied(deadline.is_some());
            if let Some(deadline) = deadline {
                received = timeout_at(deadline, self.client.recv()).await.ok();
            }
        }
        match received {
            None => Ok(None),
            Some(Ok(Some(event))) => {
                self.tunnel.gate.taken(weight(&event));
                Ok(Some(event))
            }
            Some(Ok(None)) => Err(SourceError::Unavailable("the source has ended the replication".into())),
            Some(Err(error)) => Err(replication_failed(&error)),
        }
    }

    fn take(&mut self, event: ReplicationEvent, gathered: &mut Gathered) -> Result<(), SourceError> {
        match event {
            ReplicationEvent::Begin { final_lsn, commit_time_micros, .. } => {
                self.inside = Some(Inside { commit: Wal(final_lsn.as_u64()), seen: 0 });
                self.behind = Some(commit_time_micros + EPOCH_MICROS);
            }
            ReplicationEvent::XLogData { data, .. } => self.take_message(data, gathered),
            ReplicationEvent::Commit { end_lsn, .. } => {
                self.inside = None;
                self.skip = None;
                gathered.wal = gathered.wal.max(Wal(end_lsn.as_u64()));
            }
            ReplicationEvent::KeepAlive { wal_end, .. } => {
                // Within a transaction it may tell of places behind that transaction's end.
                if self.inside.is_none() {
                    gathered.wal = gathered.wal.max(Wal(wal_end.as_u64()));
                }
            }
            ReplicationEvent::Message { lsn, .. } => {
                // Not within a transaction it comes at its own place, behind all that was committed before.
                if self.inside.is_none() {
                    gathered.wal = gathered.wal.max(Wal(lsn.as_u64()));
                }
            }
            ReplicationEvent::StoppedAt { .. } => {
                return Err(SourceError::Unavailable("the replication has stopped".into()));
            }
        }
        Ok(())
    }

    fn take_message(&mut self, data: Bytes, gathered: &mut Gathered) {
        if let Some(inside) = self.inside.as_mut().filter(|_| is_change(&data)) {
            inside.seen += 1;
            if self.skip.is_some_and(|skip| skip.commit == inside.commit && inside.seen <= skip.done) {
                return;
            }
            gathered.changes += 1;
        }
        gathered.bytes += data.len();
        gathered.messages.push(data);
    }
}

impl Inside {
    const fn part(self) -> Part {
        Part { commit: self.commit, done: self.seen }
    }
}

impl Gathered {
    /// Whether it has anything that is worth a commit by itself.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn is_full(&self, rows_max: usize) -> bool {
        self.changes >= rows_max || self.bytes >= COMMIT_BYTES_MAX
    }
}

/// Bytes that an event took on its way: its own, and those of the frames that it came in.
const fn weight(event: &ReplicationEvent) -> usize {
    match event {
        ReplicationEvent::XLogData { data, .. } => FRAME_BYTES + data.len(),
        ReplicationEvent::KeepAlive { .. } | ReplicationEvent::StoppedAt { .. } => FRAME_BYTES,
        _ => 2 * FRAME_BYTES,
    }
}

/// The place in the log that an event between transactions tells of.
fn place(event: &ReplicationEvent) -> Wal {
    Wal(match event {
        ReplicationEvent::Begin { final_lsn, .. } => final_lsn.as_u64(),
        ReplicationEvent::Commit { end_lsn, .. } => end_lsn.as_u64(),
        ReplicationEvent::KeepAlive { wal_end, .. } => wal_end.as_u64(),
        ReplicationEvent::Message { lsn, .. } => lsn.as_u64(),
        ReplicationEvent::XLogData { .. } | ReplicationEvent::StoppedAt { .. } => 0,
    })
}

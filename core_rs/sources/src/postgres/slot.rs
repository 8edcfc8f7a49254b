//! Slots and snapshots: what the source keeps for an organization.

use std::time::Duration;

use pgwire_replication::ReplicationClient;
use tokio_postgres::Client;

use super::dial::{Tunnel, query_failed, replication, replication_failed};
use super::position::Wal;
use super::settings::Settings;
use crate::SourceError;

/// How often, and after which pauses, it is looked whether a slot is free.
const RELEASE_TRIES_MAX: u32 = 50;
const RELEASE_PAUSE: Duration = Duration::from_millis(100);

/// A view of the source that no later transaction changes. It goes with the connection that exports it.
pub(super) struct Snapshot {
    /// By which other connections find it.
    pub(super) name: String,
    /// It shows the transactions whose commits are before this place in the log, and no others.
    pub(super) wal: Wal,
    _exporter: ReplicationClient,
    _tunnel: Tunnel,
}

/// A slot as the source describes it.
#[derive(Debug)]
pub(super) struct Slot {
    /// Up to where the source need not keep its log.
    pub(super) confirmed: Wal,
    /// Whether the source still has what follows.
    pub(super) is_lost: bool,
    /// Process that uses it.
    user: Option<i32>,
}

/// A connection for replication commands, and the identifier of the cluster.
pub(super) struct Commander {
    client: ReplicationClient,
    tunnel: Tunnel,
    pub(super) system: String,
}

impl Commander {
    pub(super) async fn connect(settings: &Settings) -> Result<Self, SourceError> {
        let (config, tunnel) = replication(&settings.connection, &settings.slot, &settings.publication).await?;
        let connected = ReplicationClient::connect_gated(config).await;
        let mut client = connected.map_err(|error| replication_failed(&error))?;
        let identity = client.identify_system().await.map_err(|error| replication_failed(&error))?;
        Ok(Self { client, tunnel, system: identity.system_id })
    }

    /// Makes a slot whose first change is the first that the snapshot does not show. Waits for the transactions that
    /// are under way in the source.
    pub(super) async fn create(mut self, slot: &str, is_temporary: bool) -> Result<Snapshot, SourceError> {
        let temporary = if is_temporary { "TEMPORARY " } else { "" };
        let command = format!("CREATE_REPLICATION_SLOT {slot} {temporary}LOGICAL pgoutput (SNAPSHOT 'export')");
        let rows = self.client.simple_query(&command).await.map_err(|error| {
            if !error.is_server() {
                return replication_failed(&error);
            }
            let hint = "`haversack source check` says what the source needs";
            SourceError::Refused(format!("the slot {slot} cannot be made: {error}; {hint}"))
        })?;
        let text = |at: usize| Some(String::from_utf8_lossy(rows.first()?.get(at)?.as_ref()?).into_owned());
        let (wal, name) = (text(1).and_then(|text| Wal::parse(&text)), text(2));
        let (Some(wal), Some(name)) = (wal, name) else {
            return Err(SourceError::Unavailable(format!("the source did not say where the slot {slot} begins")));
        };
        Ok(Snapshot { name, wal, _exporter: self.client, _tunnel: self.tunnel })
    }
}

/// Looks at a slot; `None` if there is none.
pub(super) async fn find(client: &Client, slot: &str) -> Result<Option<Slot>, SourceError> {
    let sql = "SELECT confirmed_flush_lsn::text, wal_status, active_pid FROM pg_replication_slots
        WHERE slot_name = $1 AND plugin = 'pgoutput' AND database = current_database()";
    let found = client.query_opt(sql, &[&slot]).await.map_err(|error| query_failed(&error))?;
    Ok(found.map(|row| Slot {
        confirmed: row.get::<_, Option<&str>>(0).and_then(Wal::parse).unwrap_or_default(),
        is_lost: row.get::<_, Option<&str>>(1) == Some("lost"),
        user: row.get(2),
    }))
}

/// Sees to it that nobody uses a slot: what a killed worker has left behind, or one that lost its lease. If the slot is not
/// known to be ours, whoever uses it is left alone.
pub(super) async fn release(client: &Client, slot: &str, is_ours: bool) -> Result<(), SourceError> {
    for _ in 0..RELEASE_TRIES_MAX {
        let Some(Slot { user: Some(user), .. }) = find(client, slot).await? else { return Ok(()) };
        if !is_ours {
            return Err(SourceError::SlotTaken(format!(
                "the slot {slot} is in use by process {user} of the source, and not known to be this organization's; give \
                 each organization a slot of its own (`haversack source add ... --set slot=NAME`)"
            )));
        }
        let sql = "SELECT pg_terminate_backend($1)";
        client.query_one(sql, &[&user]).await.map_err(|error| query_failed(&error))?;
        tokio::time::sleep(RELEASE_PAUSE).await;
    }
    Err(SourceError::Unavailable(format!("the slot {slot} stays in use by another connection")))
}

/// Drops a slot that nobody uses.
pub(super) async fn drop(client: &Client, slot: &str) -> Result<(), SourceError> {
    let sql = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1";
    client.query(sql, &[&slot]).await.map_err(|error| query_failed(&error))?;
    Ok(())
}

/// Leaves a mark in the source's log, so that its stream has something to tell even if nobody writes. A source that is a
/// standby refuses, and tells how far it is by itself.
pub(super) async fn mark(client: &Client) {
    if let Err(error) = client.execute("SELECT pg_logical_emit_message(false, 'haversack', '')", &[]).await {
        tracing::debug!(%error, "no mark left in the source's log");
    }
}

//! The floor under a first sync: the same batches of the same rows, served from memory by plain tonic.
//!
//! ```text
//! bench_raw_stream STAGING_FILE ENTITY_NUMBER
//! ```
//!
//! Reads all rows of an entity once, makes the events of their first sync, and prints where it listens as a JSON line.
//! It asks for no token and ends with its standard input. Any device can sync with it, and finds the digest right.

use std::error::Error;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use haversack_engine::digest::version_hash;
use haversack_engine::ids::EntityNumber;
use haversack_gateway::limits::{BATCH_BYTES_TARGET, MESSAGE_BYTES_MAX};
use haversack_proto::sync::sync_event::Event;
use haversack_proto::sync::sync_service_server::{SyncService, SyncServiceServer};
use haversack_proto::sync::{Checkpoint, EntityDigest, RowBatch, SyncEvent, SyncRequest};
use haversack_staging::{SqliteStaging, Staging, StoredRow};
use prost::encoding::encode_varint;
use tokio::net::TcpListener;
use tokio_stream::Stream;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let (Some(file), Some(entity)) = (words.next(), words.next()) else {
        return Err("say which staging file and which entity number".into());
    };
    let events = events(&file, EntityNumber(entity.parse()?))?;
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    report(listener.local_addr()?)?;
    let service = SyncServiceServer::new(Raw { events: events.into() }).max_encoding_message_size(MESSAGE_BYTES_MAX);
    let served = tonic::transport::Server::builder().add_service(service).serve_with_incoming_shutdown(
        TcpListenerStream::new(listener),
        async {
            tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.ok();
        },
    );
    Ok(served.await?)
}

/// Serves the same events to everybody.
struct Raw {
    events: Arc<[SyncEvent]>,
}

#[tonic::async_trait]
impl SyncService for Raw {
    type SyncStream = Pin<Box<dyn Stream<Item = Result<SyncEvent, Status>> + Send>>;

    async fn sync(&self, _request: Request<SyncRequest>) -> Result<Response<Self::SyncStream>, Status> {
        let events = Arc::clone(&self.events);
        let each = (0..events.len()).map(move |index| Ok(events[index].clone()));
        Ok(Response::new(Box::pin(tokio_stream::iter(each))))
    }
}

/// Every row of the entity in batches as the gateway would cut them, and the checkpoint that proves them.
fn events(file: &str, entity: EntityNumber) -> Result<Vec<SyncEvent>, Failure> {
    let staging = SqliteStaging::open(file)?;
    let snapshot = staging.snapshot()?;
    let mut batches = vec![Batch::default()];
    let mut digest = EntityDigest { entity: entity.0, ..EntityDigest::default() };
    snapshot.rows(entity, &mut |row| {
        let Some(payload) = row.payload else { return };
        if batches.last().is_some_and(|last| last.body.len() >= BATCH_BYTES_TARGET) {
            batches.push(Batch::default());
        }
        if let Some(last) = batches.last_mut() {
            last.push(&row, payload);
        }
        digest.count += 1;
        digest.digest = digest.digest.wrapping_add(version_hash(entity, row.ordinal, row.lsn));
    })?;
    let checkpoint = Checkpoint { lsn: snapshot.head().0, digests: vec![digest], ..Checkpoint::default() };
    let rows = batches.into_iter().map(|batch| Event::Rows(batch.finish(entity)));
    let events = rows.chain([Event::Checkpoint(checkpoint)]);
    Ok(events.map(|event| SyncEvent { event: Some(event), ..SyncEvent::default() }).collect())
}

/// A batch under construction.
#[derive(Default)]
struct Batch {
    ordinal_deltas: Vec<u32>,
    lsn_deltas: Vec<i64>,
    last: (u32, i64),
    body: Vec<u8>,
}

impl Batch {
    fn push(&mut self, row: &StoredRow<'_>, payload: &[u8]) {
        let lsn = row.lsn.0 as i64;
        self.ordinal_deltas.push(row.ordinal - self.last.0);
        self.lsn_deltas.push(lsn - self.last.1);
        self.last = (row.ordinal, lsn);
        self.body.push(0x0a);
        encode_varint(payload.len() as u64, &mut self.body);
        self.body.extend_from_slice(payload);
    }

    fn finish(self, entity: EntityNumber) -> RowBatch {
        RowBatch {
            entity: entity.0,
            ordinal_deltas: self.ordinal_deltas,
            lsn_deltas: self.lsn_deltas,
            rows_size: self.body.len() as u32,
            rows: self.body.into(),
            ..RowBatch::default()
        }
    }
}

/// Tells the caller where to connect.
fn report(address: SocketAddr) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::json!({ "listen": address.to_string() }))?;
    out.flush()
}

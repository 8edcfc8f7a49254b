//! Streams: one that is followed to its end, and many that are followed for ever.

use std::io::BufRead;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haversack_proto::sync::sync_event::Event;
use haversack_proto::sync::sync_service_client::SyncServiceClient;
use haversack_proto::sync::{Compression, SyncMode};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::arguments::Arguments;
use crate::replica::Replica;
use crate::{Failure, install_id, report};

/// Largest message that is taken, in bytes.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a stream may send before it is read, in bytes.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// What a connection may send before it is read, in bytes.
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// How often a call is made again because the server asked for inventories or found a mismatch.
const CALLS_MAX: usize = 5;
/// How long a round of all streams may take.
const ROUND_WAIT_MAX: Duration = Duration::from_secs(120);
/// How many receipts may wait to be counted.
const RECEIPTS_MAX: usize = 65_536;

/// A client that presents its token.
pub(crate) type Client = SyncServiceClient<InterceptedService<Channel, Bearer>>;

/// Puts the token into every call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Opens connections to one endpoint with one token.
pub(crate) struct Connector {
    endpoint: String,
    token: String,
}

impl Connector {
    /// Connects to nothing yet.
    pub(crate) fn new(arguments: &Arguments) -> Self {
        Self { endpoint: arguments.endpoint.clone(), token: arguments.token.clone() }
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        let endpoint = Endpoint::from_shared(self.endpoint.clone())?
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        let bearer = Bearer(format!("Bearer {}", self.token).parse()?);
        let client = SyncServiceClient::with_interceptor(endpoint.connect().await?, bearer);
        Ok(client.max_decoding_message_size(MESSAGE_BYTES_MAX).max_encoding_message_size(MESSAGE_BYTES_MAX))
    }
}

/// Brings a replica to a verified checkpoint with ONCE calls, answering what the server asks.
pub(crate) async fn follow(
    client: &mut Client,
    replica: &mut Replica,
    mode: SyncMode,
    accept: &[Compression],
) -> Result<(), Failure> {
    for _ in 0..CALLS_MAX {
        let mut events = client.sync(replica.request(mode, accept)).await?.into_inner();
        let mut reached = false;
        while let Some(event) = events.message().await? {
            replica.apply(&event, |_, _, _| ())?;
            reached |= matches!(event.event, Some(Event::Checkpoint(_)));
        }
        if reached && replica.mismatches.is_empty() {
            return Ok(());
        }
    }
    Err(format!("no verified checkpoint after {CALLS_MAX} calls").into())
}

/// Runs many live streams; see the program's description.
pub(crate) async fn live(arguments: &Arguments) -> Result<(), Failure> {
    let connector = Arc::new(Connector::new(arguments));
    let (receipts, mut received) = mpsc::channel(RECEIPTS_MAX);
    let (cuts, network) = watch::channel(true);
    let started = Instant::now();
    let mut client = connector.connect().await?;
    for index in 0..arguments.streams {
        if index > 0 && index % arguments.streams_per_connection == 0 {
            client = connector.connect().await?;
        }
        let stream = Stream {
            index,
            replica: Replica::new(install_id(index)),
            accept: arguments.accept.clone(),
            connector: Arc::clone(&connector),
            network: network.clone(),
            receipts: receipts.clone(),
        };
        tokio::spawn(Box::pin(stream.run(client.clone())));
    }
    drop((client, receipts, network));
    round("ready", arguments.streams, started, &mut received).await?;
    let mut words = words();
    while let Some((word, at)) = words.recv().await {
        match word {
            Word::Mark => round("round", arguments.streams, at, &mut received).await?,
            Word::Cut => {
                cuts.send_replace(false);
                report(&json!({"cut": {"streams": arguments.streams}}))?;
            }
            Word::Reconnect => {
                cuts.send_replace(true);
                round("reconnected", arguments.streams, at, &mut received).await?;
            }
        }
    }
    Ok(())
}

/// What standard input may say.
#[derive(Clone, Copy, Debug)]
enum Word {
    /// A commit follows.
    Mark,
    /// Every connection breaks.
    Cut,
    /// All come back.
    Reconnect,
}

/// A stream's index and the moment at which it reached a checkpoint, or how it failed.
type Receipt = Result<(usize, Instant), Failure>;

/// A device with a live stream, as long as there is a network.
struct Stream {
    index: usize,
    replica: Replica,
    accept: Vec<Compression>,
    connector: Arc<Connector>,
    network: watch::Receiver<bool>,
    receipts: mpsc::Sender<Receipt>,
}

impl Stream {
    async fn run(mut self, client: Client) {
        if let Err(failure) = self.stay(client).await {
            // Nobody listens any more if the harness is ending.
            self.receipts.send(Err(failure)).await.ok();
        }
    }

    /// Follows on one connection after the other.
    async fn stay(&mut self, mut client: Client) -> Result<(), Failure> {
        loop {
            let mut network = self.network.clone();
            tokio::select! {
                failure = self.follow(client) => return failure,
                cut = network.wait_for(|is_there| !is_there) => drop(cut?),
            }
            network.wait_for(|is_there| *is_there).await?;
            client = self.connector.connect().await?;
        }
    }

    /// Follows until something fails: a live stream does not end well.
    async fn follow(&mut self, mut client: Client) -> Result<(), Failure> {
        let index = self.index;
        let mut events = client.sync(self.replica.request(SyncMode::Live, &self.accept)).await?.into_inner();
        while let Some(event) = events.message().await? {
            self.replica.apply(&event, |_, _, _| ())?;
            if !self.replica.mismatches.is_empty() {
                return Err(format!("stream {index}: digests disagree").into());
            }
            if matches!(event.event, Some(Event::Checkpoint(_))) {
                self.receipts.send(Ok((index, Instant::now()))).await?;
            }
        }
        Err(format!("stream {index} ended").into())
    }
}

/// Waits until every stream has reached a checkpoint, and reports when they did.
async fn round(
    name: &str,
    streams: usize,
    since: Instant,
    received: &mut mpsc::Receiver<Receipt>,
) -> Result<(), Failure> {
    let mut times = vec![None; streams];
    let mut waiting = streams;
    let deadline = Instant::now() + ROUND_WAIT_MAX;
    while waiting > 0 {
        let receipt = tokio::time::timeout_at(deadline.into(), received.recv())
            .await
            .map_err(|_| format!("{waiting} of {streams} streams reached no checkpoint"))?;
        let (index, at) = receipt.ok_or("every stream ended")??;
        if times[index].replace(at.saturating_duration_since(since)).is_none() {
            waiting -= 1;
        }
    }
    let mut times: Vec<_> = times.into_iter().flatten().map(|time| time.as_secs_f64() * 1e3).collect();
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    report(&json!({
        name: {"streams": streams, "first_ms": at(0.0), "p50_ms": at(0.5), "p99_ms": at(0.99), "last_ms": at(1.0)}
    }))
}

/// What standard input says, and when.
fn words() -> mpsc::Receiver<(Word, Instant)> {
    let (sender, words) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let at = Instant::now();
            let word = match line.as_deref().map(str::trim) {
                Ok("mark") => Word::Mark,
                Ok("cut") => Word::Cut,
                Ok("reconnect") => Word::Reconnect,
                _ => continue,
            };
            if sender.blocking_send((word, at)).is_err() {
                return;
            }
        }
    });
    words
}

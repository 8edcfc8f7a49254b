//! Connections to the source: for queries and COPY, and for replication.
//!
//! Both are made over streams of ours, so that one piece of code decides whom to trust. The replication library opens
//! its own socket, and its own TLS would bring a second provider of cryptography into the process; so it is given a Unix
//! socket in a folder that only this user can enter, and a task carries its bytes, through TLS where that is wanted, and
//! through a [`Gate`], so that no more of them are read than there is room for. The price is a copy of each byte within
//! the machine.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join;
use pgwire_replication::{PgWireError, ReplicationConfig};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls};

use super::gate::Gate;
use super::settings::{Connection, SslMode};
use super::tls;
use crate::SourceError;

/// How long a connection may take to be made.
pub(super) const CONNECT_SECONDS_MAX: u64 = 10;

/// Texts of values as [`super::value`] reads them, whatever the role's settings are.
const OPTIONS: &str = "-c datestyle=ISO -c timezone=UTC -c intervalstyle=iso_8601 -c extra_float_digits=1 \
    -c bytea_output=hex -c client_encoding=UTF8";

const APPLICATION: &str = "haversack";

/// Events of the replication stream that wait for the feed: at 200 bytes each some 2 MiB, so that reading goes on while
/// a commit is written. Where they are larger, the gate bounds them.
const EVENTS_MAX: usize = 8_192;

/// Bytes that are carried at once.
const PIECE_BYTES: usize = 64 << 10;

/// How often the source is told how far staging has come.
const FEEDBACK_INTERVAL: Duration = Duration::from_secs(1);

/// Largest message of the stream: PostgreSQL's own bound on a value.
const MESSAGE_BYTES_MAX: usize = 1 << 30;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Opens a stream to the server, secret as the settings say.
async fn dial(connection: &Connection) -> Result<Box<dyn Stream>, SourceError> {
    let broken = |error: io::Error| SourceError::Unavailable(format!("connecting to {connection:?}: {error}"));
    let dialled = async {
        if connection.is_local() {
            let path = format!("{}/.s.PGSQL.{}", connection.host, connection.port);
            return Ok(Box::new(UnixStream::connect(path).await.map_err(broken)?) as Box<dyn Stream>);
        }
        let socket = TcpStream::connect((connection.host.as_str(), connection.port)).await.map_err(broken)?;
        socket.set_nodelay(true).map_err(broken)?;
        match connection.sslmode {
            SslMode::Disable => Ok(Box::new(socket) as Box<dyn Stream>),
            _ => Ok(Box::new(tls::wrap(socket, connection).await?) as Box<dyn Stream>),
        }
    };
    let limit = Duration::from_secs(CONNECT_SECONDS_MAX);
    let late = |_| SourceError::Unavailable(format!("{connection:?} did not answer in {CONNECT_SECONDS_MAX} s"));
    tokio::time::timeout(limit, dialled).await.map_err(late)?
}

/// Connects for queries and COPY. The connection ends with the client.
pub(super) async fn connect(connection: &Connection) -> Result<Client, SourceError> {
    let stream = dial(connection).await?;
    let mut config = Config::new();
    config.user(&connection.user).dbname(&connection.database);
    config.password(&connection.password).options(OPTIONS).application_name(APPLICATION);
    let (client, carrier) = config.connect_raw(stream, NoTls).await.map_err(|error| query_failed(&error))?;
    tokio::spawn(async move {
        if let Err(error) = carrier.await {
            tracing::debug!(%error, "connection to the source ended");
        }
    });
    Ok(client)
}

/// How the replication library reaches the server, and the tunnel that must live as long as its connection.
pub(super) async fn replication(
    connection: &Connection,
    slot: &str,
    publication: &str,
) -> Result<(ReplicationConfig, Tunnel), SourceError> {
    let tunnel = Tunnel::open(connection).await?;
    let host = tunnel.folder.path().to_string_lossy().into_owned();
    let Connection { port, user, password, database, .. } = connection;
    let config = ReplicationConfig::new(host, user, password, database, slot, publication)
        .with_port(*port)
        .with_options(OPTIONS)
        .with_application_name(APPLICATION)
        .with_buffer_size(EVENTS_MAX)
        .with_max_message_size(MESSAGE_BYTES_MAX)
        .with_status_interval(FEEDBACK_INTERVAL);
    Ok((config, tunnel))
}

/// One connection from a Unix socket to the source.
pub(super) struct Tunnel {
    folder: TempDir,
    /// Stops what comes from the source when the feed does not take it.
    pub(super) gate: Arc<Gate>,
    carrier: JoinHandle<()>,
}

impl Tunnel {
    async fn open(connection: &Connection) -> Result<Self, SourceError> {
        let failed = |error: io::Error| SourceError::Unavailable(format!("making a tunnel to the source: {error}"));
        let outer = dial(connection).await?;
        let folder = tempfile::Builder::new().prefix("haversack-source-").tempdir().map_err(failed)?;
        let listener = UnixListener::bind(folder.path().join(format!(".s.PGSQL.{}", connection.port)));
        let listener = listener.map_err(failed)?;
        let gate = Arc::new(Gate::default());
        let opened = Arc::clone(&gate);
        let carrier = tokio::spawn(async move {
            if let Ok((inner, _)) = listener.accept().await
                && let Err(error) = carry(inner, outer, &opened).await
            {
                tracing::debug!(%error, "replication's tunnel ended");
            }
        });
        Ok(Self { folder, gate, carrier })
    }
}

/// Carries bytes both ways until both have ended; those from the source as the gate lets them.
async fn carry(inner: UnixStream, outer: Box<dyn Stream>, gate: &Gate) -> io::Result<()> {
    let (mut from_library, mut to_library) = inner.into_split();
    let (mut from_source, mut to_source) = split(outer);
    let up = async {
        copy(&mut from_library, &mut to_source).await?;
        to_source.shutdown().await
    };
    let down = async {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            gate.open().await;
            let read = from_source.read(&mut piece).await?;
            if read == 0 {
                return to_library.shutdown().await;
            }
            gate.carried(read);
            to_library.write_all(&piece[..read]).await?;
        }
    };
    try_join(up, down).await.map(drop)
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

impl Connection {
    fn is_local(&self) -> bool {
        self.host.starts_with('/')
    }
}

/// What a failed query means: PostgreSQL's own words, or that the connection is gone.
pub(super) fn query_failed(error: &tokio_postgres::Error) -> SourceError {
    let Some(refusal) = error.as_db_error() else {
        return SourceError::Unavailable(format!("the connection to the source failed: {error}"));
    };
    let detail = refusal.detail().map_or_else(String::new, |detail| format!(" ({detail})"));
    let message = format!("the source refuses: {}{detail} [{}]", refusal.message(), refusal.code().code());
    if is_passing(refusal.code().code()) { SourceError::Unavailable(message) } else { SourceError::Refused(message) }
}

/// Whether waiting may help: the connection, resources, other transactions, an operator or the system are the cause.
fn is_passing(state: &str) -> bool {
    match state {
        // No free slot by the configuration, and no such database any more.
        "53400" | "57P04" => false,
        // Somebody else has the slot, or a lock.
        "55006" | "55P03" => true,
        _ => ["08", "40", "53", "57", "58", "XX"].iter().any(|class| state.starts_with(class)),
    }
}

/// What a failure of the replication library means.
pub(super) fn replication_failed(error: &PgWireError) -> SourceError {
    let message = format!("replication from the source: {error}");
    match error {
        PgWireError::Auth(_) | PgWireError::Tls(_) | PgWireError::MessageTooLarge { .. } => {
            SourceError::Refused(message)
        }
        _ => SourceError::Unavailable(message),
    }
}

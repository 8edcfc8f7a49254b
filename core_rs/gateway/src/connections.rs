//! Connections: accepted, served over HTTP/2, and closed in good order.
//!
//! hyper is driven directly, because what a slow device can make the server hold is decided by its send buffer.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::service::Routes;

use crate::limits::{
    ACCEPT_BACKLOG, ACCEPT_RETRY_DELAY, CONNECTION_STREAMS_MAX, CONNECTIONS_MAX, HANDSHAKE_WAIT_MAX, HEADER_BYTES_MAX,
    KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, SEND_BUFFER_BYTES,
};
use crate::tls::Tls;

/// Opens a listening socket. Needs a runtime.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(ACCEPT_BACKLOG)
}

/// Serves connections, encrypted if there is a way to, until `stopping` is true, and then until every connection has
/// closed.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    routes: Routes,
    mut stopping: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = requested(&mut stopping) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(connection(socket, tls.clone(), routes.clone(), stopping.clone()));
                }
                // Out of file descriptors, most likely: it passes when connections close.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(socket: TcpStream, tls: Option<Arc<Tls>>, routes: Routes, stopping: watch::Receiver<bool>) {
    if !speaks_soon(&socket).await {
        return;
    }
    match tls {
        None => converse(socket, routes, stopping).await,
        Some(tls) => match tls.accept(socket).await {
            Ok(encrypted) => converse(encrypted, routes, stopping).await,
            Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
        },
    }
}

async fn converse(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    routes: Routes,
    mut stopping: watch::Receiver<bool>,
) {
    let served = settings().serve_connection(TokioIo::new(socket), TowerToHyperService::new(routes));
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = requested(&mut stopping) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Waits until it is true, or until nobody can say so any more.
async fn requested(stopping: &mut watch::Receiver<bool>) {
    drop(stopping.wait_for(|stopping| *stopping).await);
}

/// Sends small events at once, and waits no longer than [`HANDSHAKE_WAIT_MAX`] for a client's first bytes.
async fn speaks_soon(socket: &TcpStream) -> bool {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "a connection broke before it was served");
        return false;
    }
    matches!(tokio::time::timeout(HANDSHAKE_WAIT_MAX, socket.readable()).await, Ok(Ok(())))
}

fn settings() -> http2::Builder<TokioExecutor> {
    let mut settings = http2::Builder::new(TokioExecutor::new());
    settings
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_concurrent_streams(CONNECTION_STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES);
    settings
}

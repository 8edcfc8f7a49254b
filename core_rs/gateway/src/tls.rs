//! TLS: which certificate connections are shown, and which ones of theirs they need.

use std::io;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsConfig;
use crate::errors::SyncError;
use crate::limits::{HANDSHAKE_WAIT_MAX, HANDSHAKES_MAX};

/// The one protocol that is spoken above TLS.
const PROTOCOL: &[u8] = b"h2";

/// Encrypts connections. The certificate can be replaced; connections that are open keep what they were shown.
pub(crate) struct Tls {
    shown: RwLock<Arc<ServerConfig>>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    handshakes: Semaphore,
}

impl Tls {
    /// Reads certificates and key.
    ///
    /// # Errors
    /// [`SyncError::ConfigurationInvalid`]: they cannot be read, or do not belong together.
    pub(crate) fn new(config: &TlsConfig) -> Result<Self, SyncError> {
        let clients = config.client_ca_pem.as_deref().map(client_verifier).transpose()?;
        let shown = server_config(&config.certificate_chain_pem, &config.private_key_pem, clients.clone())?;
        Ok(Self { shown: RwLock::new(Arc::new(shown)), clients, handshakes: Semaphore::new(HANDSHAKES_MAX) })
    }

    /// Shows another certificate to new connections.
    ///
    /// # Errors
    /// As [`Self::new`]; the one that was shown is shown still.
    pub(crate) fn replace(&self, certificate_chain_pem: &str, private_key_pem: &str) -> Result<(), SyncError> {
        let config = server_config(certificate_chain_pem, private_key_pem, self.clients.clone())?;
        *self.shown.write() = Arc::new(config);
        Ok(())
    }

    /// Shakes hands with a client. Waits its turn for that, but no longer than [`HANDSHAKE_WAIT_MAX`] in all.
    pub(crate) async fn accept(&self, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let shaken = async {
            let _turn = self.handshakes.acquire().await.map_err(io::Error::other)?;
            let acceptor = TlsAcceptor::from(Arc::clone(&self.shown.read()));
            acceptor.accept(socket).await
        };
        tokio::time::timeout(HANDSHAKE_WAIT_MAX, shaken).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn invalid(what: &str, cause: &dyn std::fmt::Display) -> SyncError {
    SyncError::ConfigurationInvalid(format!("tls: {what}: {cause}"))
}

fn server_config(
    certificate_chain_pem: &str,
    private_key_pem: &str,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<ServerConfig, SyncError> {
    let chain = certificates(certificate_chain_pem, "certificate_chain_pem")?;
    let key = PrivateKeyDer::from_pem_slice(private_key_pem.as_bytes()).map_err(|error| {
        let hint = format!("{error}; give an unencrypted key as PEM (PKCS#8, SEC1 or PKCS#1)");
        invalid("private_key_pem holds no private key", &hint)
    })?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| SyncError::Internal(format!("TLS: {error}")))?;
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        invalid("certificate_chain_pem (the server's own certificate first) and private_key_pem do not fit", &error)
    })?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

/// Lets in whoever shows a certificate of these authorities.
fn client_verifier(ca_pem: &str) -> Result<Arc<dyn ClientCertVerifier>, SyncError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca_pem, "client_ca_pem")? {
        roots.add(certificate).map_err(|error| invalid("client_ca_pem holds no authority", &error))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    verifier.map_err(|error| invalid("client_ca_pem", &error))
}

fn certificates(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, SyncError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(|error| invalid(what, &error))?;
    if found.is_empty() { Err(invalid(what, &"it holds no certificate as PEM")) } else { Ok(found) }
}

//! TLS to a PostgreSQL server, as libpq's `sslmode` says it.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::settings::{Connection, SslMode};
use crate::SourceError;

/// PostgreSQL's request to speak TLS: its length, and a version number that is none.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Asks the server for TLS and shakes hands.
///
/// # Errors
/// [`SourceError::Unavailable`] if the connection breaks, [`SourceError::Refused`] if the server speaks no TLS or shows a
/// certificate that is not trusted, [`SourceError::Invalid`] if the authorities cannot be read.
pub(super) async fn wrap(mut plain: TcpStream, connection: &Connection) -> Result<TlsStream<TcpStream>, SourceError> {
    let broken = |error: std::io::Error| SourceError::Unavailable(format!("asking {connection:?} for TLS: {error}"));
    let config = client_config(connection)?;
    plain.write_all(&SSL_REQUEST).await.map_err(broken)?;
    if plain.read_u8().await.map_err(broken)? != b'S' {
        return Err(SourceError::Refused(format!(
            "{connection:?} speaks no TLS; set ssl = on there, or sslmode=disable here if the network is trusted"
        )));
    }
    let name = ServerName::try_from(connection.host.clone())
        .map_err(|_| SourceError::Invalid(format!("{:?} is no name of a host; give its name", connection.host)))?;
    let refused = |error| SourceError::Refused(format!("TLS with {connection:?}: {error}; look at sslrootcert"));
    TlsConnector::from(Arc::new(config)).connect(name, plain).await.map_err(refused)
}

fn client_config(connection: &Connection) -> Result<ClientConfig, SourceError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| SourceError::Invalid(format!("tls: {error}")))?;
    let verifier: Arc<dyn ServerCertVerifier> = match connection.sslmode {
        SslMode::Disable | SslMode::Require => Arc::new(Anyone(provider)),
        SslMode::VerifyFull => trusting(connection, provider)?,
        SslMode::VerifyCa => Arc::new(AnyName(trusting(connection, provider)?)),
    };
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn trusting(connection: &Connection, provider: Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, SourceError> {
    let invalid = |cause: String| SourceError::Invalid(format!("sslrootcert: {cause}; name a PEM file of authorities"));
    let path = connection.ca_file.as_ref().ok_or_else(|| invalid("no file is named".into()))?;
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(path).map_err(|error| invalid(format!("{}: {error}", path.display())))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| invalid(format!("{}: {error}", path.display())))?;
        roots.add(certificate).map_err(|error| invalid(format!("{}: {error}", path.display())))?;
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    builder.build().map_err(|error| invalid(format!("{}: {error}", path.display())))
}

/// Trusts a certificate of a trusted authority whomever it names: `verify-ca`.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(certificate, between, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Trusts whoever holds the key of the certificate that is shown: `require`.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

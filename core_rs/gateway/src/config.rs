//! What the gateway is told when it starts.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use serde::Deserialize;

use crate::errors::SyncError;
use crate::limits::{QUEUED_BYTES_MAX, QUEUED_WRITES_MAX};
use crate::upload::Bounds;

/// Settings of one sync endpoint. Read from JSON; unknown keys are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen, as "host:port"; port 0 picks a free one.
    pub listen: String,
    /// How connections are encrypted.
    pub tls: Option<TlsConfig>,
    /// Nothing is encrypted. Only for loopback addresses, and only without `tls`.
    pub plain_text: bool,
    /// Whose tokens are believed.
    pub issuers: Vec<IssuerConfig>,
    /// After how many seconds of silence a live stream gets a `Heartbeat`; at least 1.
    pub heartbeat_seconds: u64,
    /// How many streams are open at once, over all organizations.
    pub streams_max: usize,
    /// How many mutations wait for the source of one organization; devices keep what comes beyond.
    pub queued_writes_max: u64,
    /// How many bytes they may have together.
    pub queued_bytes_max: u64,
    /// Threads of the runtime; 0 means one per core.
    pub workers: usize,
}

/// How connections are encrypted.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The server's certificate and those between it and an authority, as PEM.
    pub certificate_chain_pem: String,
    /// The certificate's private key, as PEM, unencrypted.
    pub private_key_pem: String,
    /// Authorities of which devices must show a certificate, as PEM. Without them, devices show none.
    pub client_ca_pem: Option<String>,
}

impl std::fmt::Debug for TlsConfig {
    /// The key stays out of every log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TlsConfig").finish_non_exhaustive()
    }
}

/// An issuer of tokens.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// The `iss` claim of its tokens.
    pub issuer: String,
    /// What its tokens may be for: their `aud` claim.
    pub audience: Option<String>,
    /// The same, if it is several.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Its public keys, as a JWKS or as the text of one.
    pub keys: Option<serde_json::Value>,
    /// Its one public key: PEM, SubjectPublicKeyInfo.
    pub public_key_pem: Option<String>,
    /// What its tokens may be signed with. Empty: what each key states, or else what is usual for its kind.
    #[serde(default)]
    pub algorithms: Vec<String>,
    /// The claim that names the user; "sub" if it is not given.
    pub user_claim: Option<String>,
    /// The claim that names the organization; "org" if neither this nor `organization` is given.
    pub organization_claim: Option<String>,
    /// The organization that all of its tokens are for.
    pub organization: Option<String>,
    /// By how many seconds its clock and ours may differ.
    #[serde(default)]
    pub leeway_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7421".into(),
            tls: None,
            plain_text: false,
            issuers: Vec::new(),
            heartbeat_seconds: 15,
            streams_max: 20_000,
            queued_writes_max: QUEUED_WRITES_MAX,
            queued_bytes_max: QUEUED_BYTES_MAX,
            workers: 0,
        }
    }
}

impl Config {
    /// Reads a JSON object.
    pub fn from_json(text: &str) -> Result<Self, SyncError> {
        let config: Self = serde_json::from_str(text)
            .map_err(|error| SyncError::ConfigurationInvalid(format!("configuration: {error}")))?;
        if config.heartbeat_seconds == 0 || config.streams_max == 0 {
            let message = "configuration: heartbeat_seconds and streams_max must be at least 1";
            return Err(SyncError::ConfigurationInvalid(message.into()));
        }
        Ok(config)
    }

    /// How much may wait for one organization's source.
    pub(crate) fn queue_bounds(&self) -> Bounds {
        Bounds { writes_max: self.queued_writes_max, bytes_max: self.queued_bytes_max }
    }

    /// Silence after which a heartbeat is sent.
    pub fn heartbeat(&self) -> Duration {
        Duration::from_secs(self.heartbeat_seconds)
    }

    /// The address to listen on. Refuses to offer plain text unless that was asked for, and to others at all.
    pub fn address(&self) -> Result<SocketAddr, SyncError> {
        let invalid =
            |cause: &str| SyncError::ConfigurationInvalid(format!("cannot listen on {:?}: {cause}", self.listen));
        let address = self
            .listen
            .to_socket_addrs()
            .map_err(|error| invalid(&error.to_string()))?
            .next()
            .ok_or_else(|| invalid("it names no address; write it as \"127.0.0.1:7421\""))?;
        match (&self.tls, self.plain_text) {
            (Some(_), false) => Ok(address),
            (Some(_), true) => Err(invalid("`tls` and `plain_text` are both set; choose one")),
            (None, true) if address.ip().is_loopback() => Ok(address),
            (None, true) => Err(invalid(
                "plain text is for loopback alone; give `tls` a certificate, or listen on 127.0.0.1 behind a proxy that \
                 ends TLS",
            )),
            (None, false) => Err(invalid(
                "nothing says whether connections are encrypted; give `tls` a certificate, or set `plain_text` on a \
                 loopback address",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_refused() {
        let error = Config::from_json(r#"{"lisen": "127.0.0.1:0"}"#).unwrap_err();
        assert!(error.to_string().contains("lisen"), "{error}");
    }

    #[test]
    fn plain_text_is_asked_for_and_stays_on_the_machine() {
        let told = |config: &Config| config.address().unwrap_err().to_string();
        let mut config = Config { listen: "0.0.0.0:0".into(), ..Config::default() };
        assert!(told(&config).contains("`tls`") && told(&config).contains("`plain_text`"));
        config.plain_text = true;
        assert!(told(&config).contains("loopback"));
        config.listen = "127.0.0.1:0".into();
        assert!(config.address().is_ok());
        let (certificate_chain_pem, private_key_pem) = (String::new(), String::new());
        config.tls = Some(TlsConfig { certificate_chain_pem, private_key_pem, client_ca_pem: None });
        assert!(told(&config).contains("choose one"));
        config.plain_text = false;
        assert!(config.address().is_ok());
    }
}

//! What the gateway is told when it starts.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use serde::Deserialize;

use crate::errors::SyncError;

/// Settings of one sync endpoint. Read from JSON; unknown keys are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen, as "host:port"; port 0 picks a free one.
    pub listen: String,
    /// Allows plain text on an address that others can reach. Without it only loopback addresses are taken.
    pub plain_text_anywhere: bool,
    /// Whose tokens are believed.
    pub issuers: Vec<IssuerConfig>,
    /// After how many seconds of silence a live stream gets a `Heartbeat`; at least 1.
    pub heartbeat_seconds: u64,
    /// How many streams are open at once, over all organizations.
    pub streams_max: usize,
    /// Threads of the runtime; 0 means one per core.
    pub workers: usize,
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
            plain_text_anywhere: false,
            issuers: Vec::new(),
            heartbeat_seconds: 15,
            streams_max: 20_000,
            workers: 0,
        }
    }
}

impl Config {
    /// Reads a JSON object.
    pub fn from_json(text: &str) -> Result<Self, SyncError> {
        let config: Self =
            serde_json::from_str(text).map_err(|error| SyncError::RequestInvalid(format!("configuration: {error}")))?;
        if config.heartbeat_seconds == 0 || config.streams_max == 0 {
            let message = "configuration: heartbeat_seconds and streams_max must be at least 1";
            return Err(SyncError::RequestInvalid(message.into()));
        }
        Ok(config)
    }

    /// Silence after which a heartbeat is sent.
    pub fn heartbeat(&self) -> Duration {
        Duration::from_secs(self.heartbeat_seconds)
    }

    /// The address to listen on. Refuses to offer plain text to others unless that was asked for.
    pub fn address(&self) -> Result<SocketAddr, SyncError> {
        let invalid = |cause: &str| SyncError::RequestInvalid(format!("cannot listen on {:?}: {cause}", self.listen));
        let address = self
            .listen
            .to_socket_addrs()
            .map_err(|error| invalid(&error.to_string()))?
            .next()
            .ok_or_else(|| invalid("it names no address; write it as \"127.0.0.1:7421\""))?;
        if !address.ip().is_loopback() && !self.plain_text_anywhere {
            return Err(invalid(
                "tokens and rows would travel in plain text; listen on 127.0.0.1 behind a proxy that ends TLS, \
                 or set plain_text_anywhere",
            ));
        }
        Ok(address)
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
    fn plain_text_leaves_the_machine_only_when_asked_to() {
        let mut config = Config { listen: "0.0.0.0:0".into(), ..Config::default() };
        assert!(config.address().unwrap_err().to_string().contains("plain_text_anywhere"));
        config.plain_text_anywhere = true;
        assert!(config.address().is_ok());
    }
}

//! Who is calling: bearer tokens, checked in one place.
//!
//! A token is believed if a key of its issuer has signed it with an algorithm that the key is for, if it is for one of the
//! issuer's audiences, and if its time has come and is not over. What it says of user and organization is read as the
//! issuer's entry says.

mod issuer;
mod verified;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::Header;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Map, Value};
use tonic::metadata::MetadataMap;

use self::issuer::{Issuer, ORGANIZATION_CLAIM, USER_CLAIM};
use self::verified::{Verified, hash};
use crate::config::IssuerConfig;
use crate::errors::SyncError;
use crate::limits::{ISSUERS_MAX, TOKEN_BYTES_MAX};

/// What a verified token says.
#[derive(Clone, Debug)]
pub struct Claims {
    /// Every claim, with the mapped user as `sub` and the mapped organization as `org`.
    all: Map<String, Value>,
    /// What names the user.
    user: Arc<str>,
    /// Name of the organization that it is for.
    organization: Arc<str>,
    /// What it is for, as far as the issuer's entry lists it.
    audiences: Vec<String>,
    /// From when on it is good, seconds since the Unix epoch; clocks' differences are allowed for.
    begins: u64,
    /// When it ends, likewise.
    ends: u64,
}

impl Claims {
    /// Every claim as JSON, with the mapped user as `sub` and the mapped organization as `org`.
    pub fn to_json(&self) -> String {
        Value::Object(self.all.clone()).to_string()
    }
}

/// A device's user, as its token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Name of the organization that the token is for.
    pub organization: Arc<str>,
    /// What the token names the user by; which attribute that is, the organization has settled.
    pub user: Arc<str>,
    /// When the token ends.
    pub expires: SystemTime,
}

/// Checks tokens against a list of issuers, which stays as it is.
pub struct Verifier {
    issuers: Vec<Issuer>,
    verified: Mutex<Verified>,
}

impl Verifier {
    /// Reads the issuers' keys.
    ///
    /// # Errors
    /// [`SyncError::ConfigurationInvalid`]: an entry contradicts itself, or its keys cannot be used.
    pub fn new(issuers: &[IssuerConfig]) -> Result<Self, SyncError> {
        if issuers.len() > ISSUERS_MAX {
            let message = format!("there are {} issuers; {ISSUERS_MAX} are the limit", issuers.len());
            return Err(SyncError::ConfigurationInvalid(message));
        }
        let issuers = issuers.iter().map(Issuer::new).collect::<Result<_, _>>()?;
        Ok(Self { issuers, verified: Mutex::default() })
    }

    /// The same, from a JSON list of entries.
    pub fn from_json(issuers: &str) -> Result<Self, SyncError> {
        let issuers: Vec<IssuerConfig> = serde_json::from_str(issuers)
            .map_err(|error| SyncError::ConfigurationInvalid(format!("issuers: {error}")))?;
        Self::new(&issuers)
    }

    /// Checks a token's signature, its issuer and, at `now_seconds` since the Unix epoch, its lifetime. It must be for
    /// `audience`; for any audience that the issuer's entry lists, if that is `None`.
    pub fn verify(&self, token: &str, audience: Option<&str>, now_seconds: u64) -> Result<Arc<Claims>, SyncError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(SyncError::TokenInvalid(format!("it is longer than {TOKEN_BYTES_MAX} bytes")));
        }
        let hash = hash(token);
        let known = self.verified.lock().get(&hash);
        let claims = known.clone().map_or_else(|| self.read(token).map(Arc::new), Ok)?;
        if claims.ends <= now_seconds {
            self.verified.lock().forget(&hash);
            return Err(SyncError::TokenExpired);
        }
        if claims.begins > now_seconds {
            return Err(SyncError::TokenInvalid("its time has not come, or this server's clock is behind".into()));
        }
        if known.is_none() {
            self.verified.lock().put(hash, Arc::clone(&claims));
        }
        if audience.is_some_and(|audience| claims.audiences.iter().all(|it| it != audience)) {
            return Err(SyncError::TokenInvalid("its audience is another endpoint".into()));
        }
        Ok(claims)
    }

    /// Reads and checks the token of a call.
    pub(crate) fn caller(&self, metadata: &MetadataMap, now: SystemTime) -> Result<Caller, SyncError> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let claims = self.verify(bearer(metadata)?, None, now.as_secs())?;
        let expires = UNIX_EPOCH
            .checked_add(Duration::from_secs(claims.ends))
            .ok_or_else(|| SyncError::TokenInvalid("its `exp` claim is beyond all time".into()))?;
        Ok(Caller { organization: Arc::clone(&claims.organization), user: Arc::clone(&claims.user), expires })
    }

    /// Reads a token that is not known. Several entries may name one issuer: the first that fits decides.
    fn read(&self, token: &str) -> Result<Claims, SyncError> {
        let (header, claimed) = begin(token)?;
        let mut refused = SyncError::TokenInvalid("its issuer is not known here".into());
        for issuer in self.issuers.iter().filter(|issuer| issuer.name == claimed.iss) {
            match issuer.check_signature(token, &header).and_then(|claims| believe(issuer, claims)) {
                Ok(claims) => return Ok(claims),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }
}

/// The only claim that is read before the signature is checked: it names the keys to check with.
#[derive(Deserialize)]
struct ClaimedIssuer {
    iss: String,
}

/// What a token says of its keys, which nobody has vouched for yet.
fn begin(token: &str) -> Result<(Header, ClaimedIssuer), SyncError> {
    let malformed = |_| SyncError::TokenInvalid("it is malformed".into());
    let begun = jsonwebtoken::dangerous::insecure_decode::<ClaimedIssuer>(token).map_err(malformed)?;
    if begun.header.crit.is_some() {
        return Err(SyncError::TokenInvalid("it asks for extensions that are not known here".into()));
    }
    Ok((begun.header, begun.claims))
}

/// Claims that an issuer has signed, as its entry has them read.
fn believe(issuer: &Issuer, mut all: Map<String, Value>) -> Result<Claims, SyncError> {
    let audiences: Vec<String> = issuer.audiences.iter().filter(|audience| is_for(&all, audience)).cloned().collect();
    if audiences.is_empty() {
        return Err(SyncError::TokenInvalid("its audience is another endpoint".into()));
    }
    let ends = seconds(&all, "exp")?.ok_or_else(|| SyncError::TokenInvalid("it has no `exp` claim".into()))?;
    let begins = seconds(&all, "nbf")?.unwrap_or(0);
    let (user, organization) = (issuer.user(&all)?, issuer.organization(&all)?);
    all.insert(USER_CLAIM.into(), user.clone().into());
    all.insert(ORGANIZATION_CLAIM.into(), organization.clone().into());
    Ok(Claims {
        all,
        user: user.into(),
        organization: organization.into(),
        audiences,
        begins: begins.saturating_sub(issuer.leeway_seconds),
        ends: ends.saturating_add(issuer.leeway_seconds),
    })
}

/// Whether a token is for an audience; it may be for several.
fn is_for(claims: &Map<String, Value>, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(only)) => only == audience,
        Some(Value::Array(several)) => several.iter().any(|it| it.as_str() == Some(audience)),
        _ => false,
    }
}

/// A moment that a claim states, in whole seconds since the Unix epoch.
fn seconds(claims: &Map<String, Value>, claim: &str) -> Result<Option<u64>, SyncError> {
    let Some(stated) = claims.get(claim) else { return Ok(None) };
    let whole = stated.as_u64().or_else(|| stated.as_f64().filter(|it| *it >= 0.0).map(|seconds| seconds as u64));
    whole.map(Some).ok_or_else(|| SyncError::TokenInvalid(format!("its `{claim}` claim is no moment")))
}

fn bearer(metadata: &MetadataMap) -> Result<&str, SyncError> {
    let value = metadata.get("authorization").ok_or(SyncError::TokenMissing)?;
    let value = value.to_str().map_err(|_| SyncError::TokenInvalid("it is not ASCII".into()))?;
    let (scheme, token) = value.split_once(' ').ok_or(SyncError::TokenMissing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(SyncError::TokenMissing) }
}

#[cfg(test)]
mod tests;

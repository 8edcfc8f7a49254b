//! An issuer of tokens: its keys, what they may sign with, and what its claims mean here.

use std::str::FromStr;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde_json::{Map, Value};

use crate::config::IssuerConfig;
use crate::errors::SyncError;
use crate::limits::{ISSUER_KEYS_MAX, RSA_KEY_BYTES_MIN, TOKEN_LEEWAY_SECONDS_MAX};

/// Algorithms by which some key is believed. None that needs a secret is among them, and never will be: whoever can
/// check such a token can make one.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::EdDSA,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// The claims that name the user and the organization, unless an issuer has others.
pub(super) const USER_CLAIM: &str = "sub";
pub(super) const ORGANIZATION_CLAIM: &str = "org";

/// An issuer whose tokens are believed.
pub(super) struct Issuer {
    pub(super) name: String,
    pub(super) audiences: Vec<String>,
    pub(super) leeway_seconds: u64,
    keys: Vec<Key>,
    user_claim: String,
    organization: Organization,
}

/// How an issuer's tokens name the organization.
enum Organization {
    Claim(String),
    Fixed(String),
}

/// A public key.
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

impl Issuer {
    /// Reads keys and rules. Fails if they leave no token that could be believed.
    pub(super) fn new(config: &IssuerConfig) -> Result<Self, SyncError> {
        let wrong = |cause: String| SyncError::ConfigurationInvalid(format!("issuer {:?}: {cause}", config.issuer));
        let audiences: Vec<String> = config.audience.iter().chain(&config.audiences).cloned().collect();
        if config.issuer.is_empty() || audiences.is_empty() || audiences.iter().any(String::is_empty) {
            return Err(wrong("`issuer` and `audience` (or `audiences`) must be given".into()));
        }
        if config.leeway_seconds > TOKEN_LEEWAY_SECONDS_MAX {
            return Err(wrong(format!("`leeway_seconds` can be 0 to {TOKEN_LEEWAY_SECONDS_MAX}")));
        }
        let organization = match (&config.organization, &config.organization_claim) {
            (Some(_), Some(_)) => return Err(wrong("give `organization` or `organization_claim`, not both".into())),
            (Some(fixed), None) => Organization::Fixed(fixed.clone()),
            (None, claim) => Organization::Claim(claim.clone().unwrap_or_else(|| ORGANIZATION_CLAIM.into())),
        };
        Ok(Self {
            name: config.issuer.clone(),
            audiences,
            leeway_seconds: config.leeway_seconds,
            keys: keys(config).map_err(wrong)?,
            user_claim: config.user_claim.clone().unwrap_or_else(|| USER_CLAIM.into()),
            organization,
        })
    }

    /// The claims of a token that one of the keys has signed.
    pub(super) fn check_signature(&self, token: &str, header: &Header) -> Result<Map<String, Value>, SyncError> {
        let named = header.kid.as_ref().map_or_else(String::new, |id| format!(" called {id:?}"));
        let mut refusal = format!("no key of its issuer{named} is for {:?}", header.alg);
        for key in self.keys.iter().filter(|key| key.fits(header)) {
            match jsonwebtoken::decode(token, &key.decoding, &validation(header.alg)) {
                Ok(token) => return Ok(token.claims),
                Err(_) => refusal = "its signature does not match".into(),
            }
        }
        Err(SyncError::TokenInvalid(refusal))
    }

    /// Whom a token is of, as its claims say.
    pub(super) fn user(&self, claims: &Map<String, Value>) -> Result<String, SyncError> {
        name(claims, &self.user_claim)
    }

    /// The organization that a token is for, as its claims say or as is settled.
    pub(super) fn organization(&self, claims: &Map<String, Value>) -> Result<String, SyncError> {
        match &self.organization {
            Organization::Fixed(fixed) => Ok(fixed.clone()),
            Organization::Claim(claim) => name(claims, claim),
        }
    }
}

impl Key {
    /// Whether a token that begins like this can be of this key. The token chooses among what the key is for, no more.
    fn fits(&self, header: &Header) -> bool {
        let is_named = match (&header.kid, &self.id) {
            (Some(named), Some(id)) => named == id,
            _ => true,
        };
        is_named && self.algorithms.contains(&header.alg)
    }
}

/// The signature alone: what claims must say is checked by [`super::Verifier`], against the caller's clock.
fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

/// A claim that names somebody or something.
fn name(claims: &Map<String, Value>, claim: &str) -> Result<String, SyncError> {
    match claims.get(claim) {
        Some(Value::String(name)) if !name.is_empty() => Ok(name.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => Err(SyncError::TokenInvalid(format!("it has no `{claim}` claim"))),
    }
}

fn keys(config: &IssuerConfig) -> Result<Vec<Key>, String> {
    let allowed = config.algorithms.iter().map(|name| algorithm(name)).collect::<Result<Vec<_>, _>>()?;
    match (&config.keys, &config.public_key_pem) {
        (Some(set), None) => keys_of_set(set, &allowed),
        (None, Some(pem)) => {
            let key = read_key(&jwk_of_pem(pem)?, &allowed)?;
            Ok(vec![key.ok_or("`algorithms` has none that `public_key_pem` is for")?])
        }
        _ => Err("give `keys` (a JWKS) or `public_key_pem`, one of the two".into()),
    }
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    let known = Algorithm::from_str(name).ok().filter(|algorithm| ALGORITHMS.contains(algorithm));
    let names = || ALGORITHMS.map(|algorithm| format!("{algorithm:?}")).join(", ");
    known.ok_or_else(|| format!("tokens signed with {name:?} are not believed here; `algorithms` can be {}", names()))
}

/// The keys of a set, as JSON or as its text, that are for signatures and for an allowed algorithm.
fn keys_of_set(set: &Value, allowed: &[Algorithm]) -> Result<Vec<Key>, String> {
    let no_set = || "`keys` is no JWKS: an object with a list `keys`".to_owned();
    let parsed: Value = match set {
        Value::String(text) => serde_json::from_str(text).map_err(|_| no_set())?,
        other => other.clone(),
    };
    let listed = parsed.get("keys").and_then(Value::as_array).ok_or_else(no_set)?;
    if listed.len() > ISSUER_KEYS_MAX {
        return Err(format!("`keys` has {} keys; {ISSUER_KEYS_MAX} are the limit", listed.len()));
    }
    // Providers publish keys of kinds to come beside those in use: what cannot be read is passed over.
    let readable = listed.iter().filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
    let keys: Vec<Key> = readable.filter_map(|jwk| read_key(&jwk, allowed).ok().flatten()).collect();
    if keys.is_empty() {
        return Err("`keys` has no public key for signatures that fits `algorithms`".into());
    }
    Ok(keys)
}

fn jwk_of_pem(pem: &str) -> Result<Jwk, String> {
    let bytes = pem.as_bytes();
    let key = DecodingKey::from_ed_pem(bytes)
        .or_else(|_| DecodingKey::from_ec_pem(bytes))
        .or_else(|_| DecodingKey::from_rsa_pem(bytes));
    let jwk = key.and_then(|key| Jwk::from_decoding_key(&key, None));
    jwk.map_err(|error| format!("`public_key_pem` is no public key for EdDSA, ES256, ES384 or RSA: {error}"))
}

/// A key and what it is for; none if that is nothing that is allowed. Fails if it is weak or broken.
fn read_key(jwk: &Jwk, allowed: &[Algorithm]) -> Result<Option<Key>, String> {
    let common = &jwk.common;
    let is_for_signatures = common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|them| them.contains(&KeyOperations::Verify));
    let able = able(jwk)?;
    let stated = match common.key_algorithm {
        None => None,
        // Any other algorithm than ours is one that the key is not for.
        Some(stated) => match Algorithm::from_str(&stated.to_string()) {
            Ok(algorithm) => Some(algorithm),
            Err(_) => return Ok(None),
        },
    };
    let usual = stated.or(able.first().copied());
    let is_meant = |algorithm: &Algorithm| {
        let is_allowed = if allowed.is_empty() { usual == Some(*algorithm) } else { allowed.contains(algorithm) };
        is_allowed && stated.is_none_or(|stated| stated == *algorithm)
    };
    let algorithms: Vec<Algorithm> = able.iter().copied().filter(is_meant).collect();
    if !is_for_signatures || algorithms.is_empty() {
        return Ok(None);
    }
    let decoding = DecodingKey::from_jwk(jwk).map_err(|error| format!("a key cannot be read: {error}"))?;
    Ok(Some(Key { id: common.key_id.clone(), algorithms, decoding }))
}

/// What a key could sign with, the usual one first. Nothing for kinds that are not believed.
fn able(jwk: &Jwk) -> Result<&'static [Algorithm], String> {
    Ok(match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &ALGORITHMS[..1],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &ALGORITHMS[1..2],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => &ALGORITHMS[2..3],
        // Base64 takes four characters for three bytes.
        AlgorithmParameters::RSA(key) if key.n.len() * 3 / 4 < RSA_KEY_BYTES_MIN => {
            return Err(format!("an RSA key has fewer than {} bits", RSA_KEY_BYTES_MIN * 8));
        }
        AlgorithmParameters::RSA(_) => &ALGORITHMS[3..],
        _ => &[],
    })
}

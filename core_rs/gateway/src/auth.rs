//! Who is calling: bearer tokens, checked in one place.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use tonic::metadata::MetadataMap;

use crate::config::IssuerConfig;
use crate::errors::SyncError;
use crate::limits::TOKEN_BYTES_MAX;

/// Claims of a token that was verified.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// What it is for.
    pub aud: String,
    /// Whose it is: for devices the `systemuserid`, as UUID text.
    pub sub: String,
    /// Name of the organization that it is for.
    pub org: String,
    /// When it ends, seconds since the Unix epoch.
    pub exp: u64,
    /// When it was issued, seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
}

/// A device's user, as its token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Name of the organization that the token is for.
    pub organization: String,
    /// What the token names the user by; which attribute that is, the organization has settled.
    pub user: Arc<str>,
    /// When the token ends.
    pub expires: SystemTime,
}

/// Checks tokens against a list of issuers. EdDSA only; immutable and shared.
pub struct Verifier {
    issuers: Vec<Issuer>,
}

struct Issuer {
    name: String,
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    /// Reads the issuers' keys. Fails if one is not an Ed25519 public key.
    pub fn new(issuers: &[IssuerConfig]) -> Result<Self, SyncError> {
        Ok(Self { issuers: issuers.iter().map(Issuer::new).collect::<Result<_, _>>()? })
    }

    /// Checks signature, issuer, audience and, at `now_seconds` since the Unix epoch, the lifetime.
    pub fn verify(&self, token: &str, now_seconds: u64) -> Result<Claims, SyncError> {
        let claims = self.verify_signature(token)?;
        if claims.exp <= now_seconds {
            return Err(SyncError::TokenExpired);
        }
        Ok(claims)
    }

    /// Reads and checks the token of a call.
    pub fn caller(&self, metadata: &MetadataMap, now: SystemTime) -> Result<Caller, SyncError> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let claims = self.verify(bearer(metadata)?, now.as_secs())?;
        let expires = UNIX_EPOCH
            .checked_add(Duration::from_secs(claims.exp))
            .ok_or_else(|| SyncError::TokenInvalid("its `exp` claim is beyond all time".into()))?;
        Ok(Caller { organization: claims.org, user: claims.sub.into(), expires })
    }

    /// Several entries may name one issuer (keys overlap while they are replaced): the first that fits decides.
    fn verify_signature(&self, token: &str) -> Result<Claims, SyncError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(SyncError::TokenInvalid(format!("it is longer than {TOKEN_BYTES_MAX} bytes")));
        }
        let claimed: ClaimedIssuer =
            jsonwebtoken::dangerous::insecure_decode(token).map_err(|error| refusal(&error))?.claims;
        let mut refused = SyncError::TokenInvalid("its issuer is not known here".into());
        for issuer in self.issuers.iter().filter(|issuer| issuer.name == claimed.iss) {
            match jsonwebtoken::decode(token, &issuer.key, &issuer.validation) {
                Ok(token) => return Ok(token.claims),
                Err(error) => refused = refusal(&error),
            }
        }
        Err(refused)
    }
}

impl Issuer {
    fn new(config: &IssuerConfig) -> Result<Self, SyncError> {
        let key = DecodingKey::from_ed_pem(config.public_key_pem.as_bytes()).map_err(|error| {
            let issuer = &config.issuer;
            SyncError::RequestInvalid(format!(
                "issuer {issuer:?}: public_key_pem is not an Ed25519 public key: {error}"
            ))
        })?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&config.issuer]);
        validation.set_audience(&[&config.audience]);
        // The lifetime is checked by `Verifier::verify`, against the caller's clock and without leeway.
        validation.validate_exp = false;
        Ok(Self { name: config.issuer.clone(), key, validation })
    }
}

/// The only claim that is read before the signature is checked: it names the key to check with.
#[derive(Deserialize)]
struct ClaimedIssuer {
    iss: String,
}

fn bearer(metadata: &MetadataMap) -> Result<&str, SyncError> {
    let value = metadata.get("authorization").ok_or(SyncError::TokenMissing)?;
    let value = value.to_str().map_err(|_| SyncError::TokenInvalid("it is not ASCII".into()))?;
    let (scheme, token) = value.split_once(' ').ok_or(SyncError::TokenMissing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(SyncError::TokenMissing) }
}

fn refusal(error: &jsonwebtoken::errors::Error) -> SyncError {
    SyncError::TokenInvalid(match error.kind() {
        ErrorKind::InvalidSignature => "its signature does not match".into(),
        ErrorKind::InvalidAudience => "its audience is another endpoint".into(),
        ErrorKind::InvalidIssuer => "its issuer is not known here".into(),
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => "it is not signed with EdDSA".into(),
        ErrorKind::MissingRequiredClaim(claim) => format!("it has no `{claim}` claim"),
        _ => "it is malformed".into(),
    })
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use tonic::metadata::MetadataValue;

    use super::*;
    use crate::keys::{ISSUER, KeyPair};

    const NOW: u64 = 1_700_000_000;
    const USER: &str = "6f1b8c1e-0000-4000-8000-00000000002a";

    fn verifier() -> Verifier {
        let issuer = IssuerConfig {
            issuer: "dev".into(),
            audience: "haversack-sync".into(),
            public_key_pem: ISSUER.public.clone(),
        };
        Verifier::new(&[issuer]).unwrap()
    }

    fn claims() -> Claims {
        Claims {
            iss: "dev".into(),
            aud: "haversack-sync".into(),
            sub: USER.into(),
            org: "contoso".into(),
            exp: NOW + 60,
            iat: Some(NOW),
        }
    }

    fn sign(claims: &Claims, key: &str) -> String {
        let key = EncodingKey::from_ed_pem(key.as_bytes()).unwrap();
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &key).unwrap()
    }

    fn signed(claims: &Claims) -> String {
        sign(claims, &ISSUER.private)
    }

    fn refusal_of(token: &str) -> String {
        verifier().verify(token, NOW).unwrap_err().to_string()
    }

    #[test]
    fn a_good_token_names_its_user_and_organization() {
        let mut metadata = MetadataMap::new();
        let header: MetadataValue<_> = format!("Bearer {}", signed(&claims())).parse().unwrap();
        metadata.insert("authorization", header);
        let caller = verifier().caller(&metadata, UNIX_EPOCH + Duration::from_secs(NOW)).unwrap();
        assert_eq!(caller.organization, "contoso");
        assert_eq!(&*caller.user, USER);
        assert_eq!(caller.expires, UNIX_EPOCH + Duration::from_secs(NOW + 60));
    }

    #[test]
    fn a_token_ends_at_its_second() {
        let token = signed(&claims());
        assert!(verifier().verify(&token, NOW + 59).is_ok());
        assert!(matches!(verifier().verify(&token, NOW + 60), Err(SyncError::TokenExpired)));
    }

    #[test]
    fn a_token_of_another_key_issuer_or_audience_is_refused() {
        let forged = sign(&claims(), &KeyPair::generate().private);
        assert!(refusal_of(&forged).contains("signature"));
        assert!(refusal_of(&signed(&Claims { iss: "else".into(), ..claims() })).contains("issuer"));
        assert!(refusal_of(&signed(&Claims { aud: "haversack-admin".into(), ..claims() })).contains("audience"));
    }

    #[test]
    fn only_eddsa_is_believed() {
        let secret = ISSUER.public.as_bytes();
        let token = jsonwebtoken::encode(&Header::default(), &claims(), &EncodingKey::from_secret(secret)).unwrap();
        assert!(refusal_of(&token).contains("EdDSA"));
        assert!(refusal_of("not.a.token").contains("malformed"));
        assert!(refusal_of(&"x".repeat(TOKEN_BYTES_MAX + 1)).contains("longer"));
    }

    #[test]
    fn a_call_without_a_token_says_so() {
        let error = verifier().caller(&MetadataMap::new(), UNIX_EPOCH).unwrap_err();
        assert!(matches!(error, SyncError::TokenMissing));
    }
}

//! Tokens as the development issuer makes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use haversack_gateway::IssuerConfig;
use jsonwebtoken::{Algorithm, EncodingKey, Header};

use crate::keys::ISSUER;
use crate::world::{user_id, uuid_text};

/// The issuer that the server under test believes.
pub(crate) fn issuer() -> IssuerConfig {
    IssuerConfig {
        issuer: "dev".into(),
        audience: Some("haversack-sync".into()),
        public_key_pem: Some(ISSUER.public.clone()),
        ..IssuerConfig::default()
    }
}

/// A good token of a user of "contoso".
pub(crate) fn token(user: u32) -> String {
    token_for(user, "contoso", Duration::from_secs(3_600))
}

/// A token of a user of some organization for some time, in whole seconds.
pub(crate) fn token_for(user: u32, organization: &str, lifetime: Duration) -> String {
    token_named(&uuid_text(user_id(user)), organization, lifetime)
}

/// The same of a user by whatever name.
pub(crate) fn token_named(user: &str, organization: &str, lifetime: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let claims = serde_json::json!({
        "iss": "dev",
        "aud": "haversack-sync",
        "sub": user,
        "org": organization,
        "exp": (now + lifetime).as_secs(),
        "iat": now.as_secs(),
    });
    let key = EncodingKey::from_ed_pem(ISSUER.private.as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key).unwrap()
}

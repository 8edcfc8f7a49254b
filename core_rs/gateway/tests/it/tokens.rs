//! Tokens as the development issuer makes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use haversack_gateway::{Claims, IssuerConfig};
use jsonwebtoken::{Algorithm, EncodingKey, Header};

use crate::keys::ISSUER;
use crate::world::{user_id, uuid_text};

/// The issuer that the server under test believes.
pub(crate) fn issuer() -> IssuerConfig {
    IssuerConfig { issuer: "dev".into(), audience: "haversack-sync".into(), public_key_pem: ISSUER.public.clone() }
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
    let claims = Claims {
        iss: "dev".into(),
        aud: "haversack-sync".into(),
        sub: user.into(),
        org: organization.into(),
        exp: (now + lifetime).as_secs(),
        iat: Some(now.as_secs()),
    };
    let key = EncodingKey::from_ed_pem(ISSUER.private.as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key).unwrap()
}

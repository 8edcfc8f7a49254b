//! Key pairs for tests, made when they run: no key is in the repository.

use std::sync::LazyLock;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{EncodePrivateKey, EncodePublicKey};
use uuid::Uuid;

/// A key pair as PEM.
pub(crate) struct KeyPair {
    pub(crate) private: String,
    pub(crate) public: String,
}

impl KeyPair {
    /// A fresh one.
    pub(crate) fn generate() -> Self {
        let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(first.as_bytes());
        seed[16..].copy_from_slice(second.as_bytes());
        let key = SigningKey::from_bytes(&seed);
        Self {
            private: key.to_pkcs8_pem(LineEnding::LF).expect("a signing key has a PEM form").to_string(),
            public: key.verifying_key().to_public_key_pem(LineEnding::LF).expect("a public key has a PEM form"),
        }
    }
}

/// The issuer's, the same for a whole test process.
pub(crate) static ISSUER: LazyLock<KeyPair> = LazyLock::new(KeyPair::generate);

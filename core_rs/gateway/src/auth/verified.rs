//! Tokens that were verified: kept, within a bound, so that a device that calls again costs a hash and no signature.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Claims;
use crate::limits::VERIFIED_TOKENS_MAX;

/// A token's hash: its signature is covered, so equal hashes mean that equal words were signed equally.
pub(super) type TokenHash = [u8; 32];

/// What stands for a token.
pub(super) fn hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

/// Tokens in two generations: when the newer one is full, the older one is forgotten. What is used again becomes new.
#[derive(Default)]
pub(super) struct Verified {
    newer: HashMap<TokenHash, Arc<Claims>>,
    older: HashMap<TokenHash, Arc<Claims>>,
}

impl Verified {
    /// The claims of a token, if it is known.
    pub(super) fn get(&mut self, token: &TokenHash) -> Option<Arc<Claims>> {
        if let Some(claims) = self.newer.get(token) {
            return Some(Arc::clone(claims));
        }
        let claims = self.older.remove(token)?;
        self.put(*token, Arc::clone(&claims));
        Some(claims)
    }

    /// Keeps a token.
    pub(super) fn put(&mut self, token: TokenHash, claims: Arc<Claims>) {
        if self.newer.len() >= VERIFIED_TOKENS_MAX / 2 {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(token, claims);
    }

    /// Forgets a token that is over.
    pub(super) fn forget(&mut self, token: &TokenHash) {
        self.newer.remove(token);
        self.older.remove(token);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.newer.len() + self.older.len()
    }
}

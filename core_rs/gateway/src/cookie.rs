//! The seal on cookies: a device brings back only what this organization gave it.
//!
//! A sealed cookie is a MAC followed by the reconcile machine's bytes. The MAC covers organization, user and
//! install id, so a cookie is worth nothing on another device or in another hand.

use bytes::{BufMut, Bytes, BytesMut};
use haversack_engine::ids::RowKey;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::errors::SyncError;
use crate::limits::{COOKIE_BYTES_MAX, INSTALL_ID_BYTES};

/// Bytes of the MAC that are kept: forging one takes 2^128 tries, and each try is a call.
const MAC_BYTES: usize = 16;

/// Seals and opens the cookies of one device.
pub(crate) struct Seal {
    /// Has taken in the key and the scope; cloned for every cookie.
    scoped: Hmac<Sha256>,
}

impl Seal {
    /// Makes the seal of one device of one user, whatever the token names the user by. `secret` is that of the staging database.
    pub(crate) fn new(secret: &[u8; 32], organization: &str, user: RowKey, install: &[u8; INSTALL_ID_BYTES]) -> Self {
        let mut scoped = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
        scoped.update(&(organization.len() as u64).to_be_bytes());
        scoped.update(organization.as_bytes());
        scoped.update(&user.0);
        scoped.update(install);
        Self { scoped }
    }

    /// Puts the MAC before the bytes.
    pub(crate) fn close(&self, body: &[u8]) -> Bytes {
        let mac = self.scoped.clone().chain_update(body).finalize().into_bytes();
        let mut sealed = BytesMut::with_capacity(MAC_BYTES + body.len());
        sealed.put_slice(&mac[..MAC_BYTES]);
        sealed.put_slice(body);
        sealed.freeze()
    }

    /// Checks the MAC, in constant time, and returns the bytes behind it.
    pub(crate) fn open<'a>(&self, sealed: &'a [u8]) -> Result<&'a [u8], SyncError> {
        if sealed.len() > COOKIE_BYTES_MAX {
            return Err(SyncError::CookieInvalid);
        }
        let (mac, body) = sealed.split_at_checked(MAC_BYTES).ok_or(SyncError::CookieInvalid)?;
        let expected = self.scoped.clone().chain_update(body);
        expected.verify_truncated_left(mac).map_err(|_| SyncError::CookieInvalid)?;
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = [7; 32];
    const USER: RowKey = RowKey([1; 16]);
    const INSTALL: [u8; 16] = [2; 16];

    fn seal(organization: &str, user: RowKey, install: [u8; 16]) -> Seal {
        Seal::new(&SECRET, organization, user, &install)
    }

    #[test]
    fn what_was_closed_opens() {
        let sealed = seal("contoso", USER, INSTALL).close(b"body");
        assert_eq!(seal("contoso", USER, INSTALL).open(&sealed).unwrap(), b"body");
    }

    #[test]
    fn a_cookie_is_bound_to_its_device_and_to_every_bit() {
        let ours = seal("contoso", USER, INSTALL);
        let sealed = ours.close(b"body");
        for other in [
            seal("fabrikam", USER, INSTALL),
            seal("contoso", RowKey([9; 16]), INSTALL),
            seal("contoso", USER, [9; 16]),
            Seal::new(&[8; 32], "contoso", USER, &INSTALL),
        ] {
            assert!(other.open(&sealed).is_err());
        }
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(ours.open(&damaged).is_err(), "bit {bit}");
        }
        assert!(ours.open(&sealed[..MAC_BYTES - 1]).is_err());
    }
}

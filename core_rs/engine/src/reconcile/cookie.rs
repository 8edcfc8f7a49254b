//! What a device brings back to say how far it is.
//!
//! The encoding is a private protobuf message, no part of the contract: devices keep the bytes and never look.
//! The gateway seals them; this module only refuses bytes that no session can have written.

use prost::Message;
use prost::bytes::Bytes;

use super::{COOKIE_BYTES_MAX, ENTITIES_MAX, ReconcileError};
use crate::ids::{EntityNumber, History, Instant, Lsn, Ordinal, Revision};

/// How far a device is: in which versions it holds its rows. Which rows, its holdings tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookie {
    /// Identity of the staging database that all else here refers to.
    pub epoch: Bytes,
    /// Highest LSN seen, in a view or on a row. No server that has read less may serve this device.
    pub lsn: Lsn,
    /// The history that was going on at that LSN. Known to whoever reads staging: [`super::Session`] leaves it at 0.
    pub history: History,
    /// Highest revision seen.
    pub revision: Revision,
    /// Latest instant seen. Views for this device must not be judged at an earlier one.
    pub instant: Instant,
    /// Version of the model that the device was told of; 0 before the first.
    pub model_version: u64,
    /// One for each entity of the view that the device followed last, in its order.
    pub entities: Vec<KnownEntity>,
    /// Where a pass stands, if it is in the middle of an entity.
    pub marker: Option<Marker>,
}

/// What is known of a device's rows of one entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownEntity {
    /// The entity.
    pub entity: EntityNumber,
    /// Every row held is in its newest version, or has changed since this LSN.
    pub floor: Lsn,
    /// Hash of the columns that the rows were sent with.
    pub fingerprint: u64,
}

/// How far a pass has come in the entity that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The entity.
    pub entity: EntityNumber,
    /// The floor of rows up to `last`: the LSN at which the pass began. At or above the entity's own.
    pub floor: Lsn,
    /// The ordinal up to which the pass has come.
    pub last: Ordinal,
}

impl Cookie {
    /// The cookie of a device that has nothing, at an epoch.
    pub fn fresh(epoch: &[u8]) -> Self {
        Self { epoch: Bytes::copy_from_slice(epoch), ..Self::default() }
    }

    /// What is known of this entity.
    pub fn entity(&self, entity: EntityNumber) -> Option<&KnownEntity> {
        self.entities.iter().find(|known| known.entity == entity)
    }

    /// The bytes to seal and send.
    pub fn encode(&self) -> Vec<u8> {
        Wire::from(self).encode_to_vec()
    }

    /// Reads bytes that [`Cookie::encode`] made.
    ///
    /// # Errors
    /// [`ReconcileError::CookieDamaged`] if they cannot be such.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReconcileError> {
        if bytes.len() > COOKIE_BYTES_MAX {
            return Err(ReconcileError::CookieDamaged("it is too long"));
        }
        let wire = Wire::decode(bytes).map_err(|_| ReconcileError::CookieDamaged("it cannot be decoded"))?;
        let cookie = Self::from(wire);
        cookie.validate()?;
        Ok(cookie)
    }

    fn validate(&self) -> Result<(), ReconcileError> {
        let mut numbers: Vec<_> = self.entities.iter().map(|known| known.entity).collect();
        numbers.sort_unstable();
        if numbers.len() > ENTITIES_MAX || numbers.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(ReconcileError::CookieDamaged("its entities are too many or not distinct"));
        }
        if self.entities.iter().any(|known| known.floor > self.lsn) {
            return Err(ReconcileError::CookieDamaged("a floor is above everything seen"));
        }
        let Some(marker) = &self.marker else { return Ok(()) };
        match self.entity(marker.entity) {
            Some(known) if known.floor <= marker.floor && marker.floor <= self.lsn => Ok(()),
            _ => Err(ReconcileError::CookieDamaged("its marker is out of place")),
        }
    }
}

/// A cookie's encoding. Field numbers are never reused: devices keep cookies over upgrades of the server.
#[derive(Clone, PartialEq, Message)]
struct Wire {
    #[prost(bytes = "bytes", tag = "1")]
    epoch: Bytes,
    #[prost(uint64, tag = "2")]
    lsn: u64,
    #[prost(uint64, tag = "3")]
    revision: u64,
    #[prost(sint64, tag = "4")]
    instant_us: i64,
    #[prost(fixed64, tag = "5")]
    model_version: u64,
    #[prost(message, repeated, tag = "6")]
    entities: Vec<WireEntity>,
    #[prost(message, optional, tag = "7")]
    marker: Option<WireMarker>,
    #[prost(fixed64, tag = "8")]
    history: u64,
}

/// See [`KnownEntity`].
#[derive(Clone, Copy, PartialEq, Message)]
struct WireEntity {
    #[prost(uint32, tag = "1")]
    entity: u32,
    #[prost(uint64, tag = "2")]
    floor: u64,
    #[prost(fixed64, tag = "3")]
    fingerprint: u64,
}

/// See [`Marker`].
#[derive(Clone, Copy, PartialEq, Message)]
struct WireMarker {
    #[prost(uint32, tag = "1")]
    entity: u32,
    #[prost(uint64, tag = "2")]
    floor: u64,
    #[prost(uint32, tag = "3")]
    last: u32,
}

impl From<&Cookie> for Wire {
    fn from(cookie: &Cookie) -> Self {
        let entity = |known: &KnownEntity| WireEntity {
            entity: known.entity.0,
            floor: known.floor.0,
            fingerprint: known.fingerprint,
        };
        Self {
            epoch: cookie.epoch.clone(),
            lsn: cookie.lsn.0,
            history: cookie.history.0,
            revision: cookie.revision.0,
            instant_us: cookie.instant.0,
            model_version: cookie.model_version,
            entities: cookie.entities.iter().map(entity).collect(),
            marker: cookie.marker.map(|it| WireMarker { entity: it.entity.0, floor: it.floor.0, last: it.last }),
        }
    }
}

impl From<Wire> for Cookie {
    fn from(wire: Wire) -> Self {
        let entity = |it: &WireEntity| KnownEntity {
            entity: EntityNumber(it.entity),
            floor: Lsn(it.floor),
            fingerprint: it.fingerprint,
        };
        let marker = |it: WireMarker| Marker { entity: EntityNumber(it.entity), floor: Lsn(it.floor), last: it.last };
        Self {
            epoch: wire.epoch,
            lsn: Lsn(wire.lsn),
            history: History(wire.history),
            revision: Revision(wire.revision),
            instant: Instant(wire.instant_us),
            model_version: wire.model_version,
            entities: wire.entities.iter().map(entity).collect(),
            marker: wire.marker.map(marker),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Cookie {
        Cookie {
            epoch: Bytes::from_static(b"epoch"),
            lsn: Lsn(90),
            history: History(17),
            revision: Revision(4),
            instant: Instant(-5),
            model_version: u64::MAX,
            entities: vec![
                KnownEntity { entity: EntityNumber(7), floor: Lsn(80), fingerprint: 1 },
                KnownEntity { entity: EntityNumber(2), floor: Lsn(0), fingerprint: u64::MAX },
            ],
            marker: Some(Marker { entity: EntityNumber(2), floor: Lsn(90), last: 0 }),
        }
    }

    #[test]
    fn comes_back_as_it_went() {
        for cookie in [full(), Cookie::fresh(b"epoch"), Cookie { marker: None, ..full() }] {
            assert_eq!(Cookie::decode(&cookie.encode()), Ok(cookie));
        }
    }

    #[test]
    fn refuses_what_no_session_wrote() {
        let twice = full().entities.iter().chain(&full().entities).copied().collect();
        let known = KnownEntity { entity: EntityNumber(7), floor: Lsn(91), fingerprint: 1 };
        let marker = |entity, floor| Some(Marker { entity: EntityNumber(entity), floor: Lsn(floor), last: 0 });
        for damaged in [
            Cookie { entities: twice, ..full() },
            Cookie { entities: vec![known], marker: None, ..full() },
            Cookie { marker: marker(3, 90), ..full() },
            Cookie { marker: marker(7, 79), ..full() },
            Cookie { marker: marker(2, 91), ..full() },
        ] {
            assert!(matches!(Cookie::decode(&damaged.encode()), Err(ReconcileError::CookieDamaged(_))), "{damaged:?}");
        }
        assert!(Cookie::decode(&[0xff; 9]).is_err());
        assert!(Cookie::decode(&vec![0; COOKIE_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn the_largest_cookie_fits() {
        let entity =
            |number| KnownEntity { entity: EntityNumber(u32::MAX - number), floor: Lsn(u64::MAX), fingerprint: 9 };
        let largest = Cookie {
            epoch: vec![0; 64].into(),
            lsn: Lsn(u64::MAX),
            history: History(u64::MAX),
            revision: Revision(u64::MAX),
            instant: Instant(i64::MIN),
            entities: (0..ENTITIES_MAX as u32).map(entity).collect(),
            marker: Some(Marker { entity: EntityNumber(u32::MAX), floor: Lsn(u64::MAX), last: u32::MAX }),
            ..full()
        };
        assert_eq!(Cookie::decode(&largest.encode()), Ok(largest));
    }
}

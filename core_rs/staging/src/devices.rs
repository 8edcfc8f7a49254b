//! The registry of devices: what each said of itself when it last called, and what administrators have ordered it.
//!
//! What devices say is a cache for people: it is noted in batches, and may be some seconds old or lost. Orders are not: one
//! is durable when [`DeviceRegistry::order`] returns, and travels with the ledger from a database that is given up
//! ([`export_devices`], [`crate::import_ledger`]) to the next. A device is an install *of a user*, as in the ledger: who
//! calls under another's install id is another device, and reads and changes nothing of the other's.

use haversack_engine::ids::Lsn;
use prost::Message;

use crate::ledger_page::{Page, TravellingDevice};
use crate::{INSTALL_ID_BYTES, Staging, StagingError};

/// Devices that are kept of a user. A new one takes the place of the one that has not called for longest.
pub const DEVICES_PER_USER_MAX: usize = 100;

/// Devices that are kept of an organization, likewise.
pub const DEVICES_KEPT_MAX: usize = 100_000;

/// Most devices of one page of a list or an export.
pub const DEVICES_PAGE_MAX: usize = 1_000;

/// Which device it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey {
    /// The device database.
    pub install: [u8; INSTALL_ID_BYTES],
    /// The `systemuserid` of its user.
    pub user: [u8; 16],
}

/// A device and all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// Which it is.
    pub key: DeviceKey,
    /// What is known.
    pub about: About,
}

/// What is known of a device. Times are microseconds since the Unix epoch, 0 for never. Field numbers stay as they are:
/// it travels as the ledger does.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct About {
    /// What its user's token names the user by.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The application that it named last; empty for none.
    #[prost(string, tag = "2")]
    pub app: String,
    /// Name and version of its client library.
    #[prost(string, tag = "3")]
    pub client: String,
    /// The `DeviceReport` that it sent last, serialized.
    #[prost(bytes = "vec", tag = "4")]
    pub report: Vec<u8>,
    /// The stage that it reported, 1 to 7; 0 for none.
    #[prost(uint32, tag = "5")]
    pub stage: u32,
    /// Whether it reported a failure.
    #[prost(bool, tag = "6")]
    pub failed: bool,
    /// When it called first.
    #[prost(int64, tag = "7")]
    pub first_seen_us: i64,
    /// When it called last.
    #[prost(int64, tag = "8")]
    pub last_seen_us: i64,
    /// Position of the last checkpoint that it was sent from this database; 0 for none.
    #[prost(uint64, tag = "9")]
    pub checkpoint_lsn: u64,
    /// When that was.
    #[prost(int64, tag = "10")]
    pub checkpoint_at_us: i64,
    /// How often it has begun from nothing.
    #[prost(uint32, tag = "11")]
    pub full_syncs: u32,
    /// What it was ordered.
    #[prost(message, required, tag = "12")]
    pub orders: Orders,
}

/// What a device was ordered. Times as in [`About`].
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Orders {
    /// Words for the user of a device that is blocked; `None` if it is not.
    #[prost(string, optional, tag = "1")]
    pub block_reason: Option<String>,
    /// When it was blocked.
    #[prost(int64, tag = "2")]
    pub blocked_at_us: i64,
    /// Words for the user of a device that is to be wiped, or was; `None` if it is not.
    #[prost(string, optional, tag = "3")]
    pub wipe_reason: Option<String>,
    /// When that was ordered.
    #[prost(int64, tag = "4")]
    pub wipe_ordered_us: i64,
    /// Whether its outbox goes to the log of refusals first.
    #[prost(bool, tag = "5")]
    pub offers_outbox: bool,
    /// When it said that it had wiped itself.
    #[prost(int64, tag = "6")]
    pub wiped_at_us: i64,
    /// When a full check was ordered last; this is the check's number, too.
    #[prost(int64, tag = "7")]
    pub check_ordered_us: i64,
    /// When it last said that it had carried one out.
    #[prost(int64, tag = "8")]
    pub checked_at_us: i64,
}

/// How a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It is served.
    Admitted,
    /// Its calls are refused.
    Blocked,
    /// It is to wipe itself.
    WipePending,
    /// It has said that it did. Its calls are refused.
    Wiped,
}

/// An order, or what a device has made of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Count every row anew.
    Check,
    /// Be refused, until [`Self::Unblock`].
    Block {
        /// Words for the user.
        reason: String,
    },
    /// Be served again.
    Unblock,
    /// Delete everything at the next call.
    Wipe {
        /// Words for the user.
        reason: String,
        /// Whether the outbox goes to the log of refusals first.
        offers_outbox: bool,
    },
    /// Do not delete everything.
    CancelWipe,
    /// Be on the list no longer.
    Forget,
    /// The device: it has carried out the check of this number.
    Checked {
        /// The check's number.
        number: i64,
    },
    /// The device: it has deleted everything.
    Wiped,
}

/// What a call of a device tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Which device it is.
    pub key: DeviceKey,
    /// What its user's token names the user by.
    pub name: String,
    /// The application that it names.
    pub app: String,
    /// Name and version of its client library.
    pub client: String,
    /// What it said of itself, if it did.
    pub said: Option<Said>,
    /// When it called first, of the calls that this tells of, microseconds since the Unix epoch.
    pub first_us: i64,
    /// When it called last, likewise.
    pub seen_us: i64,
    /// The checkpoint that it was sent, and when.
    pub checkpoint: Option<(Lsn, i64)>,
    /// How often it has begun from nothing.
    pub full_syncs: u32,
}

/// A `DeviceReport`, with what lists are narrowed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The report, serialized.
    pub report: Vec<u8>,
    /// Its stage.
    pub stage: u32,
    /// Whether it tells of a failure.
    pub failed: bool,
}

/// Which devices are asked for. All that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceFilter {
    /// This install.
    pub install: Option<[u8; INSTALL_ID_BYTES]>,
    /// This user.
    pub user: Option<[u8; 16]>,
    /// This application.
    pub app: Option<String>,
    /// This stage.
    pub stage: Option<u32>,
    /// Only those that told of a failure.
    pub failed: bool,
    /// Those that stand so.
    pub standing: Option<Standing>,
    /// Those that have not called since, microseconds since the Unix epoch.
    pub unseen_since_us: Option<i64>,
}

/// A place in a list of devices: behind the one that called then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevicePlace {
    /// When it called last.
    pub seen_us: i64,
    /// Which it is.
    pub key: DeviceKey,
}

/// How many devices there are of each sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceCounts {
    /// All of them.
    pub known: u64,
    /// Those that called within the last hour.
    pub seen_hour: u64,
    /// Those that called within the last day.
    pub seen_day: u64,
    /// Those that told of a failure.
    pub failed: u64,
    /// Those that are blocked.
    pub blocked: u64,
    /// Those that are to be wiped.
    pub wipe_pending: u64,
    /// Those that were.
    pub wiped: u64,
}

/// The registry of an organization's devices.
pub trait DeviceRegistry {
    /// What a device was ordered; nothing, if it is not known. One look at an index.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn orders(&self, key: &DeviceKey) -> Result<Orders, StagingError>;

    /// If any order was given after `version`: the version of now, and every device that has something to hear, whether it
    /// has heard it or not. Commit listeners are told of orders too, and other processes have to ask.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn ordered_since(&self, version: u64) -> Result<Option<(u64, Vec<DeviceKey>)>, StagingError>;

    /// Notes calls, in one commit that draws no LSN. A device that is new may take the place of one without an order that
    /// has not called for longer: [`DEVICES_PER_USER_MAX`], [`DEVICES_KEPT_MAX`]; if there is none, it is not noted.
    ///
    /// # Errors
    /// As [`Staging::begin`].
    fn note(&self, contacts: &[Contact]) -> Result<(), StagingError>;

    /// Gives an order to an install of one user or, without one, of all users, durably. Returns those that it was possible
    /// for, as they are now (or were, if they are forgotten).
    ///
    /// # Errors
    /// [`StagingError::DeviceUnknown`]; [`StagingError::Closed`] once the ledger is, for whatever is ordered then would be
    /// lost; [`StagingError::OrderImpossible`] if it was possible for none; others as
    /// [`Staging::begin`].
    fn order(
        &self,
        install: [u8; INSTALL_ID_BYTES],
        user: Option<[u8; 16]>,
        order: &Order,
        now_us: i64,
    ) -> Result<Vec<KnownDevice>, StagingError>;

    /// Devices behind a place, those that called last first; at most [`DEVICES_PAGE_MAX`].
    ///
    /// # Errors
    /// If the database cannot be read.
    fn list(
        &self,
        filter: &DeviceFilter,
        behind: Option<DevicePlace>,
        at_most: usize,
    ) -> Result<Vec<KnownDevice>, StagingError>;

    /// Devices behind one, in the order of their keys, which no call changes; at most [`DEVICES_PAGE_MAX`].
    ///
    /// # Errors
    /// If the database cannot be read.
    fn page(&self, behind: Option<DeviceKey>) -> Result<Vec<KnownDevice>, StagingError>;

    /// Counts them.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn counts(&self, now_us: i64) -> Result<DeviceCounts, StagingError>;

    /// Forgets devices without an order that have not called since; returns how many.
    ///
    /// # Errors
    /// As [`Staging::begin`].
    fn forget_unseen(&self, since_us: i64) -> Result<u64, StagingError>;

    /// Enters devices of another database; those that are known stay. Returns how many are new.
    ///
    /// # Errors
    /// As [`Staging::begin`].
    fn adopt(&self, devices: &[KnownDevice]) -> Result<u64, StagingError>;
}

/// A page of the registry as bytes that [`crate::import_ledger`] reads, and where it ends; `None` behind the last one.
///
/// # Errors
/// If the database cannot be read.
pub fn export_devices(
    staging: &dyn Staging,
    behind: Option<DeviceKey>,
) -> Result<Option<(Vec<u8>, DeviceKey)>, StagingError> {
    let devices = staging.devices().page(behind)?;
    let Some(last) = devices.last().map(|device| device.key) else { return Ok(None) };
    let devices = devices.into_iter().map(|device| TravellingDevice::from(device.elsewhere())).collect();
    Ok(Some((Page { entries: Vec::new(), devices }.encode_to_vec(), last)))
}

impl KnownDevice {
    /// Its place in a list.
    pub fn place(&self) -> DevicePlace {
        DevicePlace { seen_us: self.about.last_seen_us, key: self.key }
    }

    /// The device as another database knows it, where LSNs of this one mean nothing.
    fn elsewhere(self) -> Self {
        Self { about: About { checkpoint_lsn: 0, ..self.about }, ..self }
    }
}

impl Contact {
    /// Adds what a later call of the same device tells.
    pub fn then(&mut self, later: Self) {
        let checkpoint = later.checkpoint.or(self.checkpoint);
        let said = later.said.or(self.said.take());
        let full_syncs = self.full_syncs.saturating_add(later.full_syncs);
        let (first_us, seen_us) = (later.first_us.min(self.first_us), later.seen_us.max(self.seen_us));
        *self = Self { said, first_us, seen_us, checkpoint, full_syncs, ..later };
    }
}

impl Orders {
    /// How the device stands.
    pub fn standing(&self) -> Standing {
        match self {
            Self { wiped_at_us: 1.., .. } => Standing::Wiped,
            Self { wipe_reason: Some(_), .. } => Standing::WipePending,
            Self { block_reason: Some(_), .. } => Standing::Blocked,
            _ => Standing::Admitted,
        }
    }

    /// The number of the check that the device has yet to carry out.
    pub fn pending_check(&self) -> Option<i64> {
        (self.checked_at_us < self.check_ordered_us).then_some(self.check_ordered_us)
    }

    /// What the orders are after one more; `None` if that is not possible.
    pub fn after(&self, order: &Order, now_us: i64) -> Option<Self> {
        let mut next = self.clone();
        let possible = match (order, self.standing()) {
            (Order::Check, Standing::Admitted | Standing::Blocked) => {
                next.check_ordered_us = now_us.max(self.check_ordered_us.max(self.checked_at_us) + 1);
                true
            }
            (Order::Block { reason }, Standing::Admitted | Standing::Blocked) => {
                (next.block_reason, next.blocked_at_us) = (Some(reason.clone()), now_us);
                true
            }
            (Order::Unblock, Standing::Blocked) => {
                (next.block_reason, next.blocked_at_us) = (None, 0);
                true
            }
            (Order::Wipe { reason, offers_outbox }, standing) if standing < Standing::Wiped => {
                (next.wipe_reason, next.wipe_ordered_us) = (Some(reason.clone()), now_us);
                next.offers_outbox = *offers_outbox;
                true
            }
            (Order::CancelWipe, Standing::WipePending) => {
                (next.wipe_reason, next.wipe_ordered_us, next.offers_outbox) = (None, 0, false);
                true
            }
            (Order::Checked { number }, _) if self.pending_check() == Some(*number) => {
                next.checked_at_us = now_us.max(*number);
                true
            }
            // Also if the order was taken back when the device had heard of it: its data are gone.
            (Order::Wiped, standing) if standing < Standing::Wiped => {
                next.wipe_reason.get_or_insert_default();
                next.wiped_at_us = now_us.max(1);
                true
            }
            (Order::Forget, Standing::Admitted | Standing::Wiped) => true,
            _ => false,
        };
        possible.then_some(next)
    }
}

impl Standing {
    /// Its number in the database, and in the contract.
    pub const fn number(self) -> i32 {
        match self {
            Self::Admitted => 1,
            Self::Blocked => 2,
            Self::WipePending => 3,
            Self::Wiped => 4,
        }
    }
}

impl Order {
    /// What a device must be for this to be possible, for people.
    pub(crate) const fn needs(&self) -> &'static str {
        match self {
            Self::Check | Self::Block { .. } => {
                "a device that is to be wiped, or was, takes no other order; cancel the wipe"
            }
            Self::Unblock => "the device is not blocked",
            Self::Wipe { .. } | Self::Wiped => "the device has been wiped already",
            Self::CancelWipe => "no wipe is pending; one that was carried out cannot be taken back",
            Self::Forget => "the device is blocked or about to be wiped; unblock it or cancel the wipe first",
            Self::Checked { .. } => "no such check is pending",
        }
    }
}

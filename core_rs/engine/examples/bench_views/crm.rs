//! A CRM of any size, made up: every row is a function of its number.

use haversack_engine::columns::RowChange;
use haversack_engine::ids::{AttributeNumber, EntityNumber, Lsn, Ordinal, RowKey};
use haversack_engine::row::{RowWriter, Value};

/// Numbers of entities in the model, see [`crate::model`].
pub(crate) mod entity {
    pub(crate) const USER: u32 = 1;
    pub(crate) const UNIT: u32 = 2;
    pub(crate) const ROLE: u32 = 3;
    pub(crate) const USER_ROLE: u32 = 4;
    pub(crate) const PRIVILEGE: u32 = 5;
    pub(crate) const PRODUCT: u32 = 6;
    pub(crate) const ACCOUNT: u32 = 7;
    pub(crate) const CONTACT: u32 = 8;
    pub(crate) const OPPORTUNITY: u32 = 9;
    pub(crate) const LINE: u32 = 10;
}

/// Roles, and the depth of their read privilege on everything that users own.
pub(crate) const ROLE_DEPTHS: [(&str, i64); 3] = [("seller", 1), ("manager", 2), ("director", 8)];
/// `roleprivileges.accessright` of reading.
const READ: i64 = 2;
/// `roleprivileges.depth` of the whole organization.
const GLOBAL: i64 = 8;
/// Business units; users are spread over them.
pub(crate) const UNITS: u32 = 50;
/// The moment before which everything was last changed, in microseconds.
pub(crate) const NOW: i64 = 1_767_225_600_000_000;
/// A day in microseconds.
pub(crate) const DAY: i64 = 86_400_000_000;
/// How far back changes go.
const DAYS: u64 = 1_600;

/// How many rows there are of each kind.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub users: u32,
    pub products: u32,
    pub accounts: u32,
    pub contacts: u32,
    pub opportunities: u32,
    pub lines: u32,
}

impl Sizes {
    /// About this many rows in all: five accounts to 25 contacts, 20 opportunities and 50 lines.
    pub(crate) fn of(rows: u32, users: u32) -> Self {
        let part = |percent: u32| rows / 100 * percent;
        Self { users, products: 500, accounts: part(5), contacts: part(25), opportunities: part(20), lines: part(50) }
    }
}

/// How a row differs from what it was at first.
#[derive(Clone, Copy, Default)]
pub(crate) struct Edit {
    /// Number of the user who owns it now.
    pub owner: Option<u32>,
    /// When it was last modified.
    pub(crate) modified_on: Option<i64>,
    /// The business unit that a user is in now.
    pub unit: Option<u32>,
    /// The depth of a privilege now.
    pub(crate) depth: Option<i64>,
}

/// All rows, encoded as staging has them.
pub(crate) struct Crm {
    pub sizes: Sizes,
    bytes: Vec<u8>,
    rows: Vec<Stored>,
}

struct Stored {
    entity: u32,
    ordinal: Ordinal,
    end: usize,
}

impl Crm {
    /// Makes every row.
    pub(crate) fn new(sizes: Sizes) -> Self {
        let mut crm = Self { sizes, bytes: Vec::new(), rows: Vec::new() };
        let roles = ROLE_DEPTHS.len() as u32;
        let counts = [
            (entity::USER, sizes.users),
            (entity::UNIT, UNITS),
            (entity::ROLE, roles),
            (entity::USER_ROLE, sizes.users),
            (entity::PRIVILEGE, roles * (entity::LINE - entity::PRODUCT + 1)),
            (entity::PRODUCT, sizes.products),
            (entity::ACCOUNT, sizes.accounts),
            (entity::CONTACT, sizes.contacts),
            (entity::OPPORTUNITY, sizes.opportunities),
            (entity::LINE, sizes.lines),
        ];
        for (entity, count) in counts {
            for ordinal in 0..count {
                let mut bytes = std::mem::take(&mut crm.bytes);
                crm.write(entity, ordinal, Edit::default(), &mut bytes);
                crm.rows.push(Stored { entity, ordinal, end: bytes.len() });
                crm.bytes = bytes;
            }
        }
        crm
    }

    /// How many rows there are, the directory's included.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes of all payloads.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Every row, with ascending LSNs from 1.
    pub(crate) fn rows(&self) -> impl Iterator<Item = RowChange<'_>> {
        let starts = std::iter::once(0).chain(self.rows.iter().map(|row| row.end));
        self.rows.iter().zip(starts).zip(1..).map(|((row, start), lsn)| RowChange {
            entity: EntityNumber(row.entity),
            ordinal: row.ordinal,
            key: key(row.entity, row.ordinal),
            lsn: Lsn(lsn),
            payload: Some(&self.bytes[start..row.end]),
        })
    }

    /// Encodes a row.
    pub(crate) fn write(&self, entity: u32, ordinal: Ordinal, edit: Edit, out: &mut Vec<u8>) {
        let mut row = Row::new(out);
        row.id(entity, ordinal);
        match entity {
            entity::USER => row
                .id(entity::UNIT, edit.unit.unwrap_or(ordinal % UNITS))
                .truth(false)
                .text("A user of this organization"),
            entity::UNIT if ordinal == 0 => row.null(),
            entity::UNIT => row.id(entity::UNIT, 0),
            entity::ROLE => row.text(ROLE_DEPTHS[ordinal as usize].0),
            entity::USER_ROLE => row.id(entity::USER, ordinal).id(entity::ROLE, role_of(ordinal)),
            entity::PRIVILEGE => privilege(&mut row, ordinal, edit.depth),
            entity::PRODUCT => row.text("A product with a name of some length").integer(i64::from(ordinal)),
            _ => {
                let owner = edit.owner.unwrap_or_else(|| self.owner(entity, ordinal));
                row.id(entity::USER, owner).entity(entity::USER).id(entity::UNIT, owner % UNITS);
                row.integer(edit.modified_on.unwrap_or_else(|| modified_on(entity, ordinal)));
                self.business(&mut row, entity, ordinal)
            }
        };
        row.finish();
    }

    /// The row that a row belongs to: a contact's account, an opportunity's contact, a line's opportunity.
    pub(crate) fn parent(&self, entity: u32, ordinal: Ordinal) -> Ordinal {
        let (parents, per_parent) = match entity {
            entity::CONTACT => (self.sizes.accounts, 2),
            entity::OPPORTUNITY => (self.sizes.contacts, 3),
            _ => (self.sizes.opportunities, 4),
        };
        (draw(entity, ordinal, per_parent) % u64::from(parents)) as Ordinal
    }

    /// The number of the user who owns a row: whoever owns the row that it belongs to.
    pub(crate) fn owner(&self, entity: u32, ordinal: Ordinal) -> u32 {
        match entity {
            entity::ACCOUNT => (draw(entity, ordinal, 0) % u64::from(self.sizes.users)) as u32,
            _ => self.owner(entity - 1, self.parent(entity, ordinal)),
        }
    }

    fn business<'r, 'o>(&self, row: &'r mut Row<'o>, entity: u32, ordinal: Ordinal) -> &'r mut Row<'o> {
        let number = draw(entity, ordinal, 5);
        match entity {
            entity::ACCOUNT => {
                row.text("Some Company of Bikes and Parts").text("Aarhus").integer((number % 9) as i64);
                row.text("Head office on the second floor, deliveries at the back, closed on Mondays")
            }
            entity::CONTACT => {
                row.id(entity::ACCOUNT, self.parent(entity, ordinal)).entity(entity::ACCOUNT);
                row.text("Somebody Long-Name").text("somebody.long-name@example.org").text("+45 12345678");
                row.text("Chief Mechanic").text("Leipzig").integer((number % 3) as i64)
            }
            entity::OPPORTUNITY => {
                row.id(entity::CONTACT, self.parent(entity, ordinal)).entity(entity::CONTACT);
                row.text("Bikes for a season, all sizes").text("12345.67").text("Prefers a visit in the morning");
                row.integer((number % 3) as i64)
            }
            _ => {
                row.id(entity::OPPORTUNITY, self.parent(entity, ordinal));
                row.id(entity::PRODUCT, (number % u64::from(self.sizes.products)) as Ordinal);
                row.text("A line with words about the goods").integer(3).text("199.95").text("599.85")
            }
        }
    }
}

/// When a row was last modified at first.
pub(crate) fn modified_on(entity: u32, ordinal: Ordinal) -> i64 {
    NOW - (draw(entity, ordinal, 1) % DAYS) as i64 * DAY
}

fn role_of(user: u32) -> u32 {
    match user {
        crate::model::MANAGER => 1,
        crate::model::DIRECTOR => 2,
        _ => 0,
    }
}

/// Each role may read products, and what users own to the role's depth.
fn privilege<'r, 'o>(row: &'r mut Row<'o>, ordinal: Ordinal, depth: Option<i64>) -> &'r mut Row<'o> {
    let roles = ROLE_DEPTHS.len() as u32;
    let entity = entity::PRODUCT + ordinal / roles;
    let role = ordinal % roles;
    let first = if entity == entity::PRODUCT { GLOBAL } else { ROLE_DEPTHS[role as usize].1 };
    row.id(entity::ROLE, role).text(crate::model::name(entity)).integer(READ).integer(depth.unwrap_or(first))
}

/// The row that tells how deep sellers may read an entity.
pub(crate) fn privilege_of_sellers(entity: u32) -> Ordinal {
    (entity - entity::PRODUCT) * ROLE_DEPTHS.len() as u32
}

/// The id of a row.
pub(crate) fn key(entity: u32, ordinal: Ordinal) -> RowKey {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&draw(entity, ordinal, 10).to_be_bytes());
    id[8..].copy_from_slice(&draw(entity, ordinal, 11).to_be_bytes());
    RowKey(id)
}

/// A random number that is always the same: SplitMix64's finalizer over what it is for.
fn draw(entity: u32, ordinal: Ordinal, purpose: u64) -> u64 {
    let mut word = ((u64::from(entity) << 32) | u64::from(ordinal)).wrapping_add(purpose << 48);
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Writes one field after the other, numbered from 1.
struct Row<'o> {
    writer: RowWriter<'o>,
    next: u32,
}

impl<'o> Row<'o> {
    fn new(out: &'o mut Vec<u8>) -> Self {
        Self { writer: RowWriter::new(out), next: 1 }
    }

    fn push(&mut self, value: &Value<'_>) -> &mut Self {
        self.writer.push(AttributeNumber(self.next), value);
        self.null()
    }

    fn null(&mut self) -> &mut Self {
        self.next += 1;
        self
    }

    fn id(&mut self, entity: u32, ordinal: Ordinal) -> &mut Self {
        self.push(&Value::Id(key(entity, ordinal).0))
    }

    fn entity(&mut self, entity: u32) -> &mut Self {
        self.push(&Value::Entity(EntityNumber(entity)))
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.push(&Value::Text(text))
    }

    fn integer(&mut self, integer: i64) -> &mut Self {
        self.push(&Value::Integer(integer))
    }

    fn truth(&mut self, truth: bool) -> &mut Self {
        self.push(&Value::Truth(truth))
    }

    fn finish(self) {
        self.writer.finish();
    }
}

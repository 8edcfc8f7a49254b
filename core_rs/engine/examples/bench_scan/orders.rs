//! A table of orders of any size, made up: every row is a function of its number.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use haversack_engine::columns::{Index, Needs, RowChange};
use haversack_engine::ids::{AttributeNumber, EntityNumber, Instant, Lsn, Ordinal, RowKey};
use haversack_engine::row::{RowWriter, Value};
use haversack_engine::schema::Schema;
use haversack_proto::model::{Attribute, AttributeType, Entity, Model, Ownership};

/// The entity of orders.
pub(crate) const ORDER: &str = "order";
/// The moment of every question, in microseconds.
pub(crate) const NOW: i64 = 1_767_225_600_000_000 + 40_000_000_000;
/// What stands for NULL in the files that other systems read.
const NULL: i32 = -1;
/// One row in as many has no quantity.
const NULL_EVERY: u64 = 20;

const SECOND: i64 = 1_000_000;
/// How far back orders go, in seconds.
const AGE_SECONDS: u64 = 1_600 * 86_400;
/// Rows that lie next to each other were not created quite in their order, but within so many seconds.
const JITTER_SECONDS: u64 = 3_600;

const STARTS: [&str; 40] = [
    "Aar", "Ham", "Frei", "Salz", "Regens", "Augs", "Würz", "Kold", "Oden", "Ros", "Viborg", "Lund", "Malm", "Upps",
    "Trond", "Berg", "Stav", "Dram", "Turk", "Tamp", "Oul", "Vaas", "Gran", "Tol", "Sev", "Val", "Mur", "Bil", "Tor",
    "Mil", "Ver", "Pad", "Bol", "Gen", "Nap", "Pal", "Cat", "Lec", "Bar", "Tri",
];
const ENDS: [&str; 50] = [
    "hus", "burg", "ing", "stad", "by", "heim", "au", "ford", "berg", "dorf", "lev", "um", "rup", "holm", "vik",
    "sund", "nes", "dal", "fors", "borg", "köping", "ö", "ås", "eda", "edo", "illa", "encia", "cia", "bao", "ino",
    "ano", "ona", "ova", "ogna", "oa", "oli", "ermo", "ania", "ce", "i", "este", "ento", "iso", "ara", "enna", "ini",
    "aro", "onda", "ora", "ia",
];

/// Attributes after the id, in the order of their numbers.
const ATTRIBUTES: [(&str, AttributeType); 7] = [
    ("statuscode", AttributeType::Picklist),
    ("rating", AttributeType::Integer),
    ("quantity", AttributeType::Integer),
    ("city", AttributeType::String),
    ("createdon", AttributeType::Datetime),
    ("modifiedon", AttributeType::Datetime),
    ("measuredon", AttributeType::Datetime),
];
/// Number of the first of them.
const FIRST: u32 = 2;

/// One order.
struct Order {
    status: u8,
    rating: u8,
    quantity: Option<i32>,
    city: u16,
    /// In whole seconds; all but ascending.
    created: i64,
    /// In whole seconds.
    modified: i64,
    /// To the microsecond.
    measured: i64,
}

impl Order {
    fn new(ordinal: Ordinal, rows: u32) -> Self {
        let draw = |purpose| draw(ordinal, purpose);
        let age = AGE_SECONDS - u64::from(ordinal) * AGE_SECONDS / u64::from(rows);
        let created = NOW / SECOND - (age + draw(0) % JITTER_SECONDS) as i64;
        Self {
            status: (draw(1) % 9) as u8,
            rating: (draw(2) % 100) as u8,
            quantity: (draw(3) % NULL_EVERY != 0).then(|| (draw(4) % 100_000) as i32),
            city: (draw(5) % (STARTS.len() * ENDS.len()) as u64) as u16,
            created: created * SECOND,
            modified: (NOW / SECOND - (draw(6) % AGE_SECONDS) as i64) * SECOND,
            measured: NOW - (draw(7) % (AGE_SECONDS * SECOND as u64)) as i64,
        }
    }

    fn write(&self, cities: &[String], out: &mut Vec<u8>) {
        let values = [
            Some(Value::Integer(self.status.into())),
            Some(Value::Integer(self.rating.into())),
            self.quantity.map(|quantity| Value::Integer(quantity.into())),
            Some(Value::Text(&cities[usize::from(self.city)])),
            Some(Value::Integer(self.created)),
            Some(Value::Integer(self.modified)),
            Some(Value::Integer(self.measured)),
        ];
        let mut writer = RowWriter::new(out);
        for (value, number) in values.iter().zip(FIRST..) {
            if let Some(value) = value {
                writer.push(AttributeNumber(number), value);
            }
        }
        writer.finish();
    }
}

/// The names of all cities, by number.
pub(crate) fn cities() -> Vec<String> {
    STARTS.iter().flat_map(|start| ENDS.map(|end| format!("{start}{end}"))).collect()
}

/// The metadata.
pub(crate) fn schema() -> Result<Schema, Box<dyn Error>> {
    let id = ("orderid", AttributeType::Uniqueidentifier);
    let attribute = |((name, kind), number): (&(&str, AttributeType), u32)| Attribute {
        number,
        logical_name: (*name).to_owned(),
        r#type: (*kind).into(),
        ..Attribute::default()
    };
    let entity = Entity {
        number: 1,
        logical_name: ORDER.to_owned(),
        primary_id_attribute: id.0.to_owned(),
        ownership: Ownership::Organization.into(),
        attributes: [id].iter().chain(&ATTRIBUTES).zip(1..).map(attribute).collect(),
        ..Entity::default()
    };
    Ok(Schema::from_model(&Model { entities: vec![entity], ..Model::default() })?)
}

/// An index of so many orders, with what is needed.
pub(crate) fn index(rows: u32, needs: &Needs) -> Result<Index, Box<dyn Error>> {
    let mut index = Index::default();
    index.install(needs);
    feed(&mut index, (0..rows).map(|ordinal| (ordinal, Order::new(ordinal, rows))), Lsn(1))?;
    index.settle(Instant(NOW));
    index.forget_changes();
    Ok(index)
}

/// Gives each of these orders the attributes of another.
pub(crate) fn change(
    index: &mut Index,
    rows: u32,
    changed: impl Iterator<Item = Ordinal>,
    lsn: Lsn,
) -> Result<(), Box<dyn Error>> {
    feed(index, changed.map(|ordinal| (ordinal, Order::new((ordinal + lsn.0 as u32) % rows, rows))), lsn)
}

fn feed(index: &mut Index, orders: impl Iterator<Item = (Ordinal, Order)>, lsn: Lsn) -> Result<(), Box<dyn Error>> {
    let cities = cities();
    let mut payload = Vec::new();
    for (ordinal, order) in orders {
        payload.clear();
        order.write(&cities, &mut payload);
        let key = RowKey((u128::from(draw(ordinal, 8)) << 64 | u128::from(ordinal)).to_be_bytes());
        index.feed(&RowChange { entity: EntityNumber(1), ordinal, key, lsn, payload: Some(&payload) })?;
    }
    Ok(())
}

/// Writes the orders for others to read: a file of little-endian numbers for each attribute, in the narrowest type that
/// holds them.
pub(crate) fn write_columns(folder: &Path, rows: u32) -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    for (name, _) in ATTRIBUTES {
        files.push(BufWriter::new(File::create(folder.join(name))?));
    }
    for ordinal in 0..rows {
        let order = Order::new(ordinal, rows);
        files[0].write_all(&order.status.to_le_bytes())?;
        files[1].write_all(&order.rating.to_le_bytes())?;
        files[2].write_all(&order.quantity.unwrap_or(NULL).to_le_bytes())?;
        files[3].write_all(&order.city.to_le_bytes())?;
        files[4].write_all(&order.created.to_le_bytes())?;
        files[5].write_all(&order.modified.to_le_bytes())?;
        files[6].write_all(&order.measured.to_le_bytes())?;
    }
    for mut file in files {
        file.flush()?;
    }
    Ok(())
}

/// A random number that is always the same: SplitMix64's finalizer over what it is for.
fn draw(ordinal: Ordinal, purpose: u64) -> u64 {
    let mut word = u64::from(ordinal).wrapping_add(purpose << 48);
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

//! Measures ingest against a raw insert of the same blobs, in the same run.
//!
//! ```text
//! cargo run --release -p haversack-staging --example ingest_ratio -- [--rows N] [--rounds N] [--json]
//! ```
//!
//! Each round makes three new databases and fills one by ingest of a generated CSV file of contacts (ids are random
//! UUIDs, a row is some 200 bytes), one by inserting the encoded rows with a prepared statement in commits of the same
//! size, and one by the same insert in a single commit. All have the tables, indexes and durability of staging.
//! Reported are medians over the rounds: by the clock, and by the CPU time of all threads (on Linux), which other
//! work on the machine disturbs less.

mod floor;

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use haversack_engine::ids::EntityNumber;
use haversack_engine::schema::Schema;
use haversack_proto::model::{self, AttributeType, Ownership};
use haversack_staging::Staging;
use haversack_staging::ingest::{Action, Format, Ingest, Options};

use crate::floor::{COMMIT_ROWS, Outcome, Rates, create};

const CONTACT: EntityNumber = EntityNumber(1);

/// Bytes fed at once, as a client would.
const CHUNK_BYTES: usize = 256 << 10;

struct Arguments {
    rows: usize,
    rounds: usize,
    json: bool,
}

fn main() -> Outcome<()> {
    let arguments = read_arguments()?;
    let file = contacts(arguments.rows);
    let schema = schema()?;
    let folder = tempfile::tempdir()?;
    let staging = create(&folder.path().join("blobs.db"))?;
    ingest(&staging, &schema, &file)?;
    let blobs = floor::blobs(&*staging, CONTACT)?;

    let (mut ingests, mut raws, mut singles) = (Rates::default(), Rates::default(), Rates::default());
    for round in 0..arguments.rounds {
        let path = |name: &str| folder.path().join(format!("{name}-{round}.db"));
        let (raw, staging, single) = (path("raw"), create(&path("ingest"))?, path("single"));
        create(&raw)?;
        create(&single)?;
        raws.measure(blobs.len(), || floor::insert(&raw, CONTACT, &blobs, COMMIT_ROWS))?;
        ingests.measure(blobs.len(), || ingest(&staging, &schema, &file))?;
        singles.measure(blobs.len(), || floor::insert(&single, CONTACT, &blobs, usize::MAX))?;
    }
    let bytes: usize = blobs.iter().map(|blob| blob.payload.len()).sum();
    report(&arguments, bytes / blobs.len().max(1), &ingests, &raws, &singles)
}

fn read_arguments() -> Outcome<Arguments> {
    let mut arguments = Arguments { rows: 200_000, rounds: 5, json: false };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut number = || given.next().ok_or("a number is missing")?.parse().map_err(Box::<dyn Error>::from);
        match name.as_str() {
            "--rows" => arguments.rows = number()?,
            "--rounds" => arguments.rounds = number()?,
            "--json" => arguments.json = true,
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(arguments)
}

fn report(arguments: &Arguments, row_bytes: usize, ingest: &Rates, raw: &Rates, single: &Rates) -> Outcome<()> {
    let (rows, rounds) = (arguments.rows, arguments.rounds);
    let ratio = |of: &Rates| (ingest.of(of), of.cpu_micros_a_row());
    let ((same, raw_cpu), (one, single_cpu), cpu) = (ratio(raw), ratio(single), ingest.cpu_micros_a_row());
    let [ingest, raw, single] = [ingest, raw, single].map(Rates::rows_per_second);
    let mut out = std::io::stdout();
    if arguments.json {
        writeln!(
            out,
            r#"{{"rows":{rows},"rounds":{rounds},"row_bytes":{row_bytes},"ingest_rows_per_second":{ingest:.0},"raw_rows_per_second":{raw:.0},"raw_single_commit_rows_per_second":{single:.0},"ratio":{same:.3},"ratio_to_single_commit":{one:.3},"ingest_cpu_micros_a_row":{cpu:.2},"raw_cpu_micros_a_row":{raw_cpu:.2}}}"#
        )?;
    } else {
        writeln!(out, "{rows} rows of {row_bytes} bytes, median of {rounds} rounds")?;
        writeln!(out, "ingest of CSV              {ingest:>9.0} rows/s   {cpu:.2} us of CPU a row")?;
        writeln!(out, "raw insert, same commits   {raw:>9.0} rows/s   {raw_cpu:.2} us   ratio {same:.2}")?;
        writeln!(out, "raw insert, one commit     {single:>9.0} rows/s   {single_cpu:.2} us   ratio {one:.2}")?;
    }
    Ok(())
}

fn ingest(staging: &Arc<dyn Staging>, schema: &Schema, file: &str) -> Outcome<()> {
    let options =
        Options { format: Format::Csv, action: Action::Upsert, atomic: false, file_name: "contacts.csv".into() };
    let mut ingest = Ingest::start(Arc::clone(staging), schema, "contact", options)?;
    for chunk in file.as_bytes().chunks(CHUNK_BYTES) {
        ingest.feed(chunk)?;
    }
    let report = ingest.finish()?;
    match report.errors.first() {
        Some(error) => Err(format!("line {}: {}", error.line, error.message).into()),
        None => Ok(()),
    }
}

fn schema() -> Outcome<Schema> {
    use AttributeType as Kind;
    let kinds = [
        ("contactid", Kind::Uniqueidentifier),
        ("fullname", Kind::String),
        ("emailaddress1", Kind::String),
        ("telephone1", Kind::String),
        ("parentcustomerid", Kind::Customer),
        ("ownerid", Kind::Owner),
        ("owningbusinessunit", Kind::Lookup),
        ("statecode", Kind::State),
        ("statuscode", Kind::Status),
        ("createdon", Kind::Datetime),
        ("modifiedon", Kind::Datetime),
        ("versionnumber", Kind::Bigint),
        ("address1_line1", Kind::String),
        ("address1_city", Kind::String),
        ("address1_postalcode", Kind::String),
        ("creditlimit", Kind::Money),
        ("address1_latitude", Kind::Double),
    ];
    let attributes = kinds.into_iter().zip((1..).step_by(2)).map(|((name, kind), number)| model::Attribute {
        number,
        logical_name: name.into(),
        r#type: kind.into(),
        targets: targets(kind),
        entity_field_number: if targets(kind).len() > 1 { number + 1 } else { 0 },
        ..model::Attribute::default()
    });
    let contact = model::Entity { attributes: attributes.collect(), ..entity(CONTACT.0, "contact") };
    let others = ["account", "systemuser", "team", "businessunit"].into_iter().zip(2..).map(|(name, number)| {
        let id = model::Attribute {
            number: 1,
            logical_name: format!("{name}id"),
            r#type: Kind::Uniqueidentifier.into(),
            ..model::Attribute::default()
        };
        model::Entity { attributes: vec![id], ..entity(number, name) }
    });
    let entities = std::iter::once(contact).chain(others).collect();
    Ok(Schema::from_model(&model::Model { entities, ..model::Model::default() })?)
}

fn entity(number: u32, name: &str) -> model::Entity {
    model::Entity {
        number,
        logical_name: name.into(),
        primary_id_attribute: format!("{name}id"),
        ownership: Ownership::User.into(),
        ..model::Entity::default()
    }
}

fn targets(kind: AttributeType) -> Vec<String> {
    let names: &[&str] = match kind {
        AttributeType::Customer => &["account", "contact"],
        AttributeType::Owner => &["systemuser", "team"],
        AttributeType::Lookup => &["businessunit"],
        _ => &[],
    };
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A file of contacts; the same number of rows always gives the same file.
fn contacts(rows: usize) -> String {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut file = "contactid,fullname,emailaddress1,telephone1,parentcustomerid,parentcustomerid_type,ownerid,\
                    ownerid_type,owningbusinessunit,statecode,statuscode,createdon,modifiedon,versionnumber,\
                    address1_line1,address1_city,address1_postalcode,creditlimit,address1_latitude\n"
        .to_owned();
    for row in 0..rows {
        let (name, street, city) = (numbers.word(), numbers.word(), numbers.word());
        let (id, parent, owner, unit) = (numbers.uuid(), numbers.uuid(), numbers.below(100), numbers.below(20));
        let (month, day, second) = (1 + numbers.below(12), 1 + numbers.below(28), numbers.below(60));
        let (phone, postal, limit) = (numbers.below(10_000), numbers.below(100_000), numbers.below(1_000_000));
        writeln!(
            file,
            "{id},{name} {city},{name}.{city}@example.com,555-010-{phone:04},{parent},account,\
             00000000-0000-4000-8000-{owner:012},systemuser,00000000-0000-4000-9000-{unit:012},0,1,\
             2021-{month:02}-{day:02}T08:15:{second:02}Z,2024-{month:02}-{day:02}T17:45:{second:02}Z,{row},\
             \"{street} Street {phone}, Floor {unit}\",{city},{postal:05},{limit}.50,{}.{phone:04}",
            numbers.below(90),
        )
        .expect("a string takes everything");
    }
    file
}

/// Numbers that look random (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0xfff,
            low & 0xffff_ffff_ffff
        )
    }

    fn word(&mut self) -> String {
        let length = 4 + self.below(8);
        (0..length).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }
}

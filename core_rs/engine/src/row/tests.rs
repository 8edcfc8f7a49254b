//! The codec as a whole: what is written is read, in any order, and no bytes make it panic.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::*;
use crate::ids::{AttributeNumber, EntityNumber, RowKey};
use crate::schema::AttributeType;

/// A value with its memory.
#[derive(Clone, Debug)]
enum Sample {
    Plain(Value<'static>),
    Text(String),
    IdText(String),
    Set(Vec<u8>),
}

impl Sample {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Plain(value) => *value,
            Self::Text(text) => Value::Text(text),
            Self::IdText(text) => Value::IdText(text),
            Self::Set(packed) => Value::Integers(Integers::from_packed(packed).expect("packed")),
        }
    }

    fn field_type(&self) -> FieldType {
        match self.value() {
            Value::Integer(_) => FieldType::Integer,
            Value::Real(_) => FieldType::Real,
            Value::Text(_) => FieldType::Text,
            Value::Truth(_) => FieldType::Truth,
            Value::Id(_) | Value::IdText(_) => FieldType::Id,
            Value::Integers(_) => FieldType::Integers,
            Value::Entity(_) => FieldType::Entity,
        }
    }
}

fn sample() -> impl Strategy<Value = Sample> {
    let packed = |numbers: std::collections::BTreeSet<i64>| {
        let mut packed = vec![];
        Integers::pack(&numbers.into_iter().collect::<Vec<_>>(), &mut packed);
        packed
    };
    prop_oneof![
        any::<i64>().prop_map(|it| Sample::Plain(Value::Integer(it))),
        (-100i64..100).prop_map(|it| Sample::Plain(Value::Integer(it))),
        any::<f64>().prop_map(|it| Sample::Plain(Value::Real(it + 0.0))),
        any::<bool>().prop_map(|it| Sample::Plain(Value::Truth(it))),
        any::<[u8; 16]>().prop_map(|it| Sample::Plain(Value::Id(it))),
        any::<u32>().prop_map(|it| Sample::Plain(Value::Entity(EntityNumber(it)))),
        any::<String>().prop_map(Sample::Text),
        "[a-zé]{1,20}|[a-z]{16}|[a-z]{17}".prop_map(Sample::IdText),
        btree_set(any::<i64>(), 1..9).prop_map(packed).prop_map(Sample::Set),
    ]
}

/// A row: fields by number.
fn row() -> impl Strategy<Value = Vec<(AttributeNumber, Sample)>> {
    btree_map(1u32..19_000, sample(), 0..30)
        .prop_map(|fields| fields.into_iter().map(|(number, sample)| (AttributeNumber(number), sample)).collect())
}

fn write(fields: &[(AttributeNumber, Sample)]) -> Vec<u8> {
    let mut out = vec![];
    let mut writer = RowWriter::new(&mut out);
    for (number, sample) in fields {
        writer.push(*number, &sample.value());
    }
    let size = writer.finish();
    assert_eq!(size, out.len());
    out
}

/// Equal as bytes are: NaN equals itself.
fn same(left: Option<Value<'_>>, right: Option<Value<'_>>) -> bool {
    match (left, right) {
        (Some(Value::Real(left)), Some(Value::Real(right))) => left.to_bits() == right.to_bits(),
        _ => left == right,
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(fields_of_row in row()) {
        let payload = write(&fields_of_row);
        for (number, sample) in &fields_of_row {
            let found = read(&payload, *number, sample.field_type()).expect("sound");
            prop_assert!(same(found, Some(sample.value())), "{:?}", found);
        }
        let numbers: Vec<_> = fields(&payload).map(|field| field.expect("sound").0).collect();
        prop_assert_eq!(numbers, fields_of_row.iter().map(|field| field.0).collect::<Vec<_>>());
    }

    #[test]
    fn the_order_of_pushes_does_not_count(fields_of_row in row(), order in any::<prop::sample::Index>()) {
        let payload = write(&fields_of_row);
        let mut shuffled = fields_of_row.clone();
        shuffled.reverse();
        if !shuffled.is_empty() {
            let middle = order.index(shuffled.len());
            shuffled.rotate_left(middle);
            // A number that is pushed twice has its last value.
            shuffled.insert(0, (fields_of_row[middle].0, Sample::Text("overwritten".to_owned())));
        }
        prop_assert_eq!(write(&shuffled), payload);
    }

    #[test]
    fn one_pass_reads_what_single_reads_read(fields_of_row in row(), others in btree_set(1u32..19_000, 0..9)) {
        let payload = write(&fields_of_row);
        let mut wanted: Vec<_> =
            fields_of_row.iter().step_by(2).map(|(number, sample)| (*number, sample.field_type())).collect();
        wanted.extend(others.into_iter().map(|number| (AttributeNumber(number), FieldType::Integer)));
        wanted.sort_by_key(|it| it.0);
        wanted.dedup_by_key(|it| it.0);
        wanted.retain(|&(number, field_type)| read(&payload, number, field_type).is_ok());
        let mut found = vec![];
        extract(&payload, &wanted, |index, value| found.push((index, value))).expect("sound");
        prop_assert_eq!(found.len(), wanted.len());
        for (index, (at, value)) in found.into_iter().enumerate() {
            prop_assert_eq!(index, at);
            prop_assert!(same(value, read(&payload, wanted[at].0, wanted[at].1).expect("sound")));
        }
    }

    #[test]
    fn selecting_keeps_exactly_the_chosen(fields_of_row in row(), chosen in vec(any::<bool>(), 30), others in vec(1u32..19_000, 9)) {
        let kept: Vec<_> =
            fields_of_row.iter().zip(&chosen).filter(|(_, chosen)| **chosen).map(|(field, _)| field.clone()).collect();
        let absent = others.into_iter().map(AttributeNumber).filter(|it| fields_of_row.iter().all(|field| field.0 != *it));
        let selection: ColumnSelection = kept.iter().map(|field| field.0).chain(absent).collect();
        let mut out = b"before".to_vec();
        select(&write(&fields_of_row), &selection, &mut out).expect("sound");
        prop_assert_eq!(&out[..6], b"before");
        prop_assert_eq!(&out[6..], write(&kept));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        survive(&bytes)?;
    }

    #[test]
    fn damaged_rows_are_read_or_refused(fields_of_row in row(), at in any::<prop::sample::Index>(), byte: u8, cut: bool) {
        let mut payload = write(&fields_of_row);
        if !payload.is_empty() {
            let at = at.index(payload.len());
            payload[at] = byte;
            if cut {
                payload.truncate(at);
            }
        }
        survive(&payload)?;
    }
}

/// With a budget, ever new rows and bytes: what is written is read in one pass, alone and chosen, and damage is
/// refused.
#[test]
fn rows_for_a_while() {
    let damage = vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    crate::fuzzing::run("rows", (row(), damage, any::<Vec<u8>>()), |(fields_of_row, damage, bytes)| {
        let mut payload = write(&fields_of_row);
        let wanted: Vec<_> = fields_of_row.iter().map(|(number, sample)| (*number, sample.field_type())).collect();
        let mut found = vec![];
        extract(&payload, &wanted, |index, value| found.push((index, value))).expect("sound");
        prop_assert_eq!(found.len(), fields_of_row.len());
        for (index, value) in found {
            prop_assert!(same(value, Some(fields_of_row[index].1.value())), "{:?}", value);
        }
        let all: ColumnSelection = fields_of_row.iter().map(|field| field.0).collect();
        let mut chosen = vec![];
        select(&payload, &all, &mut chosen).expect("sound");
        prop_assert_eq!(&chosen, &payload);
        if !payload.is_empty() {
            for (at, byte) in damage {
                let at = at.index(payload.len());
                payload[at] = byte;
            }
        }
        survive(&payload)?;
        survive(&bytes)
    });
}

/// Reads bytes of unknown origin in every way.
fn survive(bytes: &[u8]) -> Result<(), TestCaseError> {
    let sound = fields(bytes).all(|field| field.is_ok());
    let all: ColumnSelection = (1..1_000).map(AttributeNumber).collect();
    let mut out = vec![];
    prop_assert_eq!(select(bytes, &all, &mut out).is_ok(), sound);
    prop_assert!(sound || out.is_empty());
    for field_type in TYPES {
        let _ = extract(bytes, &[(AttributeNumber(1), field_type), (AttributeNumber(2), field_type)], |_, _| {});
        let _ = read(bytes, AttributeNumber(18_999), field_type);
    }
    Ok(())
}

const TYPES: [FieldType; 7] = [
    FieldType::Integer,
    FieldType::Real,
    FieldType::Text,
    FieldType::Truth,
    FieldType::Id,
    FieldType::Integers,
    FieldType::Entity,
];

#[test]
fn the_encoding_is_protobuf_s() {
    let id = [7; 16];
    let mut out = vec![];
    let mut writer = RowWriter::new(&mut out);
    writer.push(AttributeNumber(1), &Value::Integer(-1));
    writer.push(AttributeNumber(2), &Value::Truth(true));
    writer.push(AttributeNumber(3), &Value::Real(-0.0));
    writer.push(AttributeNumber(4), &Value::Text("é"));
    writer.push(AttributeNumber(5), &Value::Integers(Integers(&[2, 4])));
    writer.push(AttributeNumber(6), &Value::Integers(Integers(&[])));
    writer.push(AttributeNumber(16), &Value::Entity(EntityNumber(300)));
    writer.push(AttributeNumber(17), &Value::Id(id));
    writer.finish();
    let expected = [
        &[0x08, 0x01, 0x10, 0x01, 0x19][..],
        &[0; 8],
        &[0x22, 2, 0xc3, 0xa9, 0x2a, 2, 2, 4, 0x80, 0x01, 0xac, 0x02, 0x8a, 0x01, 16],
        &id,
    ];
    assert_eq!(out, expected.concat());
}

#[test]
fn damage_is_located_and_wrong_types_are_named() {
    let errors = |bytes: &[u8]| fields(bytes).filter_map(Result::err).collect::<Vec<_>>();
    assert_eq!(errors(&[0x08, 0x01, 0x12, 0x05, 0x00]), [RowError::Malformed { offset: 2 }], "breaks off");
    assert_eq!(errors(&[0x10, 0x01, 0x08, 0x01]), [RowError::Malformed { offset: 2 }], "descends");
    assert_eq!(errors(&[0x08, 0x01, 0x08, 0x01]), [RowError::Malformed { offset: 2 }], "repeats");
    assert_eq!(errors(&[0x00, 0x01]), [RowError::Malformed { offset: 0 }], "field 0");
    assert_eq!(errors(&[0x0b, 0x0c]), [RowError::Malformed { offset: 0 }], "a group");
    let mismatch = read(&[0x08, 0x01], AttributeNumber(1), AttributeType::String);
    assert_eq!(mismatch, Err(RowError::TypeMismatch { number: 1 }));
    assert_eq!(read(&[0x0a, 0x01, 0xff], AttributeNumber(1), FieldType::Text), mismatch, "no UTF-8");
    assert_eq!(read(&[0x0a, 0x02, 4, 2], AttributeNumber(1), FieldType::Integers), mismatch, "descends");
    assert_eq!(
        read(&[0x0a, 0x02, 0x82, 0], AttributeNumber(1), FieldType::Integers),
        mismatch,
        "not the shortest form"
    );
    assert_eq!(read(&[0x0a, 0x00], AttributeNumber(1), FieldType::Integers), Ok(None), "an empty set is NULL");
    assert_eq!(read(&[], AttributeNumber(1), FieldType::Text), Ok(None));
}

fn parsed(kind: AttributeType, text: &str) -> Option<ParsedValue<'_>> {
    parse_text(kind, text).ok()
}

#[test]
fn text_becomes_values() {
    use AttributeType as Kind;
    let day = MICROS_PER_DAY;
    let id = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
    for (kind, text, value) in [
        (Kind::String, "", Value::Text("")),
        (Kind::Memo, " a\n", Value::Text(" a\n")),
        (Kind::Integer, "-2147483648", Value::Integer(-2_147_483_648)),
        (Kind::Picklist, "100000001", Value::Integer(100_000_001)),
        (Kind::Bigint, "9223372036854775807", Value::Integer(i64::MAX)),
        (Kind::Money, "2181.5600", Value::Text("2181.56")),
        (Kind::Decimal, "-.50", Value::Text("-0.5")),
        (Kind::Double, "-0.0", Value::Real(0.0)),
        (Kind::Double, "1e-3", Value::Real(0.001)),
        (Kind::Boolean, "1", Value::Truth(true)),
        (Kind::Boolean, "False", Value::Truth(false)),
        (Kind::MultiSelectPicklist, "3, 1,2,3,-1", Value::Integers(Integers(&[1, 2, 4, 6]))),
        (Kind::MultiSelectPicklist, "", Value::Integers(Integers(&[]))),
        (Kind::Datetime, "1970-01-02T01:00:00+01:00", Value::Integer(day)),
        (Kind::Datetime, "1970-01-02", Value::Integer(day)),
        (Kind::Datetime, "1753-01-01", Value::Integer(DATETIME_MICROS_MIN)),
        (Kind::Datetime, "9999-12-31T23:59:59.9999999Z", Value::Integer(DATETIME_MICROS_MAX)),
        (Kind::DatetimeIndependent, "1970-01-02T00:00:00Z", Value::Integer(day)),
        (Kind::DateOnly, "1970-01-02", Value::Integer(1)),
        (Kind::DateOnly, "1969-12-30T00:00:00Z", Value::Integer(-2)),
        (Kind::Lookup, "{01234567-89AB-CDEF-0123-456789abcdef}", Value::Id(id)),
        (Kind::EntityName, "account", Value::Text("account")),
    ] {
        assert_eq!(parsed(kind, text).map(|it| format!("{:?}", it.as_value())), Some(format!("{value:?}")), "{text}");
    }
}

#[test]
fn text_of_the_wrong_type_is_refused_and_the_right_one_named() {
    use AttributeType as Kind;
    for (kind, texts, hint) in [
        (Kind::Integer, &["", "2147483648", "1.0", "1e3", " 1", "x", "１"][..], "2147483647"),
        (Kind::Status, &["Open", ""], "whole number"),
        (Kind::Bigint, &["9223372036854775808"], "9223372036854775807"),
        (Kind::Decimal, &["", "1,5", "ten"], "-12.50"),
        (Kind::Double, &["", "NaN", "inf", "infinity", "1e999", "1,5"], "finite"),
        (Kind::Boolean, &["", "2", "yes"], "true, false"),
        (Kind::MultiSelectPicklist, &["1,", ",", "a", "1;2"], "1,2,3"),
        (Kind::Datetime, &["", "1752-12-31T23:59:59Z", "1753-01-01T00:00:00+01:00", "31.5.2024"], "1753"),
        (Kind::DatetimeIndependent, &["2024-05-31T10:00:00+01:00"], "no offset"),
        (Kind::DateOnly, &["2024-05-31T00:00:01Z", "2024-05-31T12:00:00", "1752-12-31"], "day"),
        (
            Kind::Owner,
            &["", "x", "01234567-89ab-cdef-0123-456789abcdeg", "{01234567-89ab-cdef-0123-456789abcdef"],
            "UUID",
        ),
    ] {
        for text in texts {
            let error = parse_text(kind, text).expect_err(text);
            assert!(error.to_string().contains(hint), "{kind:?} {text}: {error}");
        }
    }
    let many = vec!["1"; CHOICES_MAX + 1].join(",");
    assert!(
        parsed(Kind::MultiSelectPicklist, &many).is_none() && parsed(Kind::MultiSelectPicklist, &many[2..]).is_some()
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text: String, near in "[-+0-9TZ:.,{}a-f ]{0,40}", kind in 0..=20) {
        let kind = AttributeType::try_from(kind).expect("in the contract");
        for text in [&text, &near] {
            if let Ok(parsed) = parse_text(kind, text) {
                let mut payload = vec![];
                let mut writer = RowWriter::new(&mut payload);
                writer.push(AttributeNumber(1), &parsed.as_value());
                writer.finish();
                let found = read(&payload, AttributeNumber(1), kind).expect("sound");
                let is_null = matches!(parsed.as_value(), Value::Integers(set) if set.is_empty());
                prop_assert_eq!(found, Some(parsed.as_value()).filter(|_| !is_null));
            }
        }
    }
}

#[test]
fn ids_that_are_no_uuids() {
    let spelled = ["01234567-89AB-cdef-0123-456789abcdef", "{01234567-89ab-cdef-0123-456789abcdef}"];
    for text in ["7", "CUSTOMER-0000001", "CUSTOMER-00000012", "é"].into_iter().chain(spelled) {
        let value = parse_id(text).expect("an id");
        assert_eq!(value, Value::IdText(text));
        let payload = write(&[(AttributeNumber(1), Sample::IdText(text.to_owned()))]);
        assert_eq!(read(&payload, AttributeNumber(1), FieldType::Id), Ok(Some(value)), "{text}");
    }
    assert_eq!(parse_id("00000000-0000-0000-0000-000000000001").map(|it| matches!(it, Value::Id(_))), Some(true));
    for text in ["", "a\0", &"x".repeat(ID_TEXT_BYTES_MAX + 1)] {
        assert_eq!(parse_id(text), None);
    }
}

#[test]
fn a_row_has_one_key_however_its_id_is_typed() {
    let id = parse_uuid("01234567-89ab-cdef-0123-456789abcdef").expect("a UUID");
    assert_eq!(row_key(&Value::Id(id)), Some(RowKey(id)));
    assert_eq!(row_key(&Value::Text("{01234567-89AB-CDEF-0123-456789ABCDEF}")), Some(RowKey(id)));
    let key = row_key_of_text("4711");
    assert_eq!(row_key(&Value::Integer(4711)), Some(key));
    assert_eq!(row_key(&Value::IdText("4711")), Some(key));
    assert_eq!(row_key(&Value::Truth(true)), None);
    // Persisted nowhere, but two servers must agree on it: SHA-256 of "4711", cut to 16 bytes.
    assert_eq!(format!("{key:?}"), SHA_256_OF_4711);
}

const SHA_256_OF_4711: &str = "de650d61f5bd166a91f8ccec3158297d";

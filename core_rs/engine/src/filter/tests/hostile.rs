//! Documents that somebody wrote to do harm: each is refused with a name, at once, and with a short message.

use std::time::{Duration, Instant};

use haversack_proto::error::ErrorReason;
use haversack_proto::model::AttributeType;

use super::{SCHEMA, compiled, condition, listing, thing};
use crate::filter::*;
use crate::row::sample::kinds;

/// Longer than any of these takes in an unoptimized build, and far shorter than work that grows with the square of a
/// document.
const TIME_MAX: Duration = Duration::from_secs(5);

fn refused(what: &str, fetch_xml: &[u8]) -> FilterError {
    let start = Instant::now();
    let error = match compile_bytes(&SCHEMA, thing(), fetch_xml) {
        Err(error) => error,
        Ok(node) => panic!("{what} was compiled: {:.300}", format!("{node:?}")),
    };
    assert!(start.elapsed() < TIME_MAX, "{what} took {:?}", start.elapsed());
    let message = error.to_string();
    assert!(message.len() < 1_000, "{what}: {message:.300}");
    assert!(error.place().is_some() && error.reason() != ErrorReason::Internal, "{what}: {message}");
    error
}

fn within(inner: &str) -> String {
    format!("<filter>{inner}</filter>")
}

#[test]
fn entities_and_declarations() {
    let bomb = "<!DOCTYPE lolz [<!ENTITY a 'lol'><!ENTITY b '&a;&a;&a;'><!ENTITY c '&b;&b;&b;'>]>";
    for xml in [
        format!("{bomb}<filter><condition attribute='string' operator='eq' value='&c;'/></filter>"),
        "<!DOCTYPE f SYSTEM 'file:///etc/passwd'><filter/>".to_owned(),
        "<!DOCTYPE f [<!ENTITY % p SYSTEM 'http://localhost/x'>%p;]><filter/>".to_owned(),
        condition(AttributeType::String, "eq", "&xxe;"),
        listing(AttributeType::String, "eq", &["&xxe;"]),
        "<?xml version='1.0' encoding='utf-7'?><filter/>".to_owned(),
        "<?xml version='1.1'?><filter/>".to_owned(),
        "<?xml version='2.0'?><filter/>".to_owned(),
        "<?xml encoding='utf-8'?><filter/>".to_owned(),
        " <?xml version='1.0'?><filter/>".to_owned(),
        "<?xml-stylesheet href='x'?><filter/>".to_owned(),
        "<filter xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='/etc/passwd'/></filter>".to_owned(),
    ] {
        let error = refused(&xml, xml.as_bytes());
        assert_eq!(error.reason(), ErrorReason::FilterMalformed, "{xml}: {error}");
    }
    assert!(compiled("<?xml version='1.0' encoding='UTF-16'?><filter/>").is_ok(), "the text has been decoded");
}

#[test]
fn bytes_that_are_no_text() {
    let overlong = b"<filter><condition attribute='string' operator='eq' value='\xc0\xbc'/></filter>";
    let surrogate = b"<filter>\n\xed\xa0\x80</filter>";
    let utf_16: Vec<u8> = "<filter/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked: Vec<u8> = [vec![0xff, 0xfe], utf_16.clone()].concat();
    for (what, bytes) in
        [("overlong", &overlong[..]), ("surrogate", surrogate), ("UTF-16", &utf_16), ("marked UTF-16", &marked)]
    {
        refused(what, bytes);
    }
    let place = refused("surrogate", surrogate).place().cloned().expect("a place");
    assert_eq!((place.offset, place.line, place.column), (9, 2, 1));
    for letter in
        ["&#0;", "&#1;", "&#x1F;", "&#xFFFE;", "&#xD800;", "&#x110000;", "&#-1;", "&#;", "\u{1}", "\u{7f}", "\u{ffff}"]
    {
        refused(letter, condition(AttributeType::String, "eq", letter).as_bytes());
        refused(letter, listing(AttributeType::String, "eq", &[letter]).as_bytes());
    }
}

#[test]
fn broken_tags() {
    for inner in [
        "<condition attribute='string' operator='eq' value='a' value='b'/>",
        "<condition attribute='string' attribute='memo' operator='null'/>",
        "<condition attribute='string'operator='null'/>",
        "<condition attribute=string operator=null/>",
        "<condition attribute='string' operator/>",
        "<condition attribute='string' operator='eq' value='a<b'/>",
        "<condition attribute='string' operator='null'>",
        "</condition>",
        "<condition attribute='string' operator='null'></filter></condition>",
        "<Condition attribute='string' operator='null'/>",
        "<fetch:condition attribute='string' operator='null'/>",
        "<![CDATA[<condition/>]]>",
        "<condition attribute='string' operator='in'><value>a]]>b</value></condition>",
        "<!-- never closed",
        "<!-- two -- dashes -->",
        "<condition attribute='string' operator='null' xmlns='x'/>",
        "<condition attribute=\"string' operator='null'/>",
        "<entity name='thing'/>",
        "<fetch/>",
        "x",
    ] {
        refused(inner, within(inner).as_bytes());
    }
    for xml in
        ["<", "<>", "</>", "<filter/", "<filter//>", "< filter/>", "\u{feff}", "  ", "<!---->", "filter", "&amp;"]
    {
        refused(xml, xml.as_bytes());
    }
}

#[test]
fn size_and_depth() {
    let repeated = |open: &str, count: usize, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(count), close.repeat(count))
    };
    let many = 40_000;
    let attributes: Vec<String> = (0..100_000).map(|number| format!("a{number}=''")).collect();
    let attributes = attributes.join(" ");
    let eq = "<condition attribute='integer' operator='eq' value='1'/>";
    let link = "<link-entity name='note' from='parentid' to='uniqueidentifier' link-type='any'>";
    for (what, xml) in [
        ("deep filters", repeated("<filter>", many, eq, "</filter>")),
        ("deep links", within(&repeated(link, 100, "", "</link-entity>"))),
        ("deep values", within(&repeated("<value>", many, "", "</value>"))),
        ("open filters", "<filter>".repeat(100_000)),
        ("501 conditions", within(&eq.repeat(CONDITIONS_MAX + 1))),
        ("a long operand", condition(AttributeType::String, "eq", &"x".repeat(10 << 20))),
        ("a long pattern", condition(AttributeType::String, "begins-with", &"x".repeat(PATTERN_BYTES_MAX + 1))),
        ("a long pattern", condition(AttributeType::String, "not-end-with", &"%".repeat(PATTERN_BYTES_MAX + 1))),
        ("a long number", condition(AttributeType::Decimal, "eq", &"9".repeat(1_000_000))),
        ("a long name", within(&format!("<{}/>", "x".repeat(1_000_000)))),
        ("a long end tag", format!("<filter></{}>", "x".repeat(1_000_000))),
        ("a long entity", within(&format!("&{};", "x".repeat(1_000_000)))),
        ("a long operator", condition(AttributeType::String, &"x".repeat(1_000_000), "")),
        ("a long attribute", format!("<filter {}='x'/>", "x".repeat(1_000_000))),
        ("many attributes", format!("<filter {attributes}/>")),
        ("many unknown values", listing(AttributeType::Integer, "between", &vec!["1"; 50_000])),
        ("a comment", format!("<!--{}--><filter/>", "x".repeat(DOCUMENT_BYTES_MAX))),
        ("many choices", condition(AttributeType::MultiSelectPicklist, "eq", &"1,".repeat(100_000))),
    ] {
        refused(what, xml.as_bytes());
    }
    assert_eq!(refused("bytes", &vec![0xff; 10 << 20]).reason(), ErrorReason::FilterTooLarge, "not even decoded");
}

#[test]
fn large_documents_that_are_sound_are_quick() {
    let start = Instant::now();
    let values: Vec<String> = (0..50_000).map(|number| number.to_string()).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    assert!(compiled(&listing(AttributeType::Integer, "not-in", &values)).is_ok());
    let ignored = format!("<fetch><entity name='thing'>{}</entity></fetch>", "<attribute name='a'/>".repeat(40_000));
    assert!(compiled(&ignored).is_ok());
    assert!(start.elapsed() < TIME_MAX, "{:?}", start.elapsed());
}

#[test]
fn operands_of_the_wrong_type() {
    use AttributeType as Kind;
    for kind in kinds() {
        let texts: &[&str] = match kind {
            Kind::String | Kind::Memo | Kind::EntityName | Kind::Unspecified => &[],
            Kind::Integer | Kind::Picklist | Kind::State | Kind::Status => &[
                "",
                " 1",
                "1 ",
                "0x10",
                "2147483648",
                "-2147483649",
                "1.5",
                "NaN",
                "Active",
                "１",
                "1e400",
                "--1",
                "null",
            ],
            Kind::Bigint => &["", "9223372036854775808", "1.5", "inf", "1,000", "١"],
            Kind::Decimal | Kind::Money => &["", "NaN", "Infinity", "1,5", "$5", "1e1000", "1..2", "."],
            Kind::Double => &["", "NaN", "-inf", "1e999", "1,5", "0x1p3"],
            Kind::Boolean => &["", "2", "yes", "TRUE ", "-1"],
            Kind::MultiSelectPicklist => &["", ",", "1,,2", "a", "1;2", "2147483648"],
            Kind::Datetime => &[
                "",
                "now()",
                "2024-13-01",
                "2024-02-30T00:00:00Z",
                "1752-12-31",
                "10000-01-01",
                "2024-01-01T25:00",
                "2024-01-01+99:99",
            ],
            Kind::DatetimeIndependent => &["", "2024-01-01T00:00:00+01:00", "0001-01-01", "2024-01-01T00:00:60"],
            Kind::DateOnly => &["", "2024-01-01T10:00", "9999-99-99", "-2024-01-01"],
            Kind::Uniqueidentifier | Kind::Lookup | Kind::Owner | Kind::Customer => &[
                "",
                "me",
                "{}",
                "0000000a-0000-0000-0000-00000000000",
                "0000000g-0000-0000-0000-000000000001",
                "' or 1=1",
            ],
        };
        for text in texts {
            let quoted = text.replace('\'', "&apos;");
            for operator in ["eq", "ne"] {
                let error = refused(text, condition(kind, operator, &quoted).as_bytes());
                assert_eq!(error.reason(), ErrorReason::FilterOperandInvalid, "{kind:?} {text}: {error}");
            }
        }
    }
}

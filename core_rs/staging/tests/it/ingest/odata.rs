//! Pages of OData services: what they do to rows, and what they leave alone.

use haversack_proto::error::ErrorReason;
use haversack_staging::ingest::odata::{Page, Place, Reading, Told, sweep, take};
use haversack_staging::{ROW_BYTES_MAX, StagingError};

use super::organization::{Organization, uuid};

const BEFORE: Option<&[u8]> = None;
const AFTER: Option<&[u8]> = Some(b"after");

fn page(organization: &Organization, body: &str, reading: &Reading) -> Page {
    Page::read(&organization.schema, "account", body.as_bytes(), reading).unwrap()
}

fn whole(organization: &Organization, rows: &[String]) -> Page {
    page(organization, &format!(r#"{{"value":[{}]}}"#, rows.join(",")), &Reading::default())
}

fn put(organization: &Organization, page: &Page, before: Option<&[u8]>, after: Option<&[u8]>) -> Told {
    take(
        &*organization.staging,
        page,
        &Place { before, after, begins_pass: false, keeps_newer: true, keys_only: false },
    )
    .unwrap()
}

fn account(digit: char, version: u32, name: &str) -> String {
    format!(r#"{{"@odata.etag":"W/\"{version}\"","accountid":"{}","name":"{name}"}}"#, uuid(digit))
}

#[test]
fn rows_and_position_land_together_or_not_at_all() {
    let organization = Organization::new();
    let page = whole(&organization, &[account('1', 5, "one"), account('2', 6, "two")]);
    let told = put(&organization, &page, BEFORE, AFTER);
    assert_eq!((told.is_stale, told.taken.inserted, told.lsn.0), (false, 2, 2));
    let number = organization.schema.entity("account").unwrap().number;
    assert_eq!(organization.staging.snapshot().unwrap().position(number).unwrap().as_deref(), AFTER);
    // Somebody else has gone on: the page is from another time.
    let told = put(&organization, &page, BEFORE, Some(b"other"));
    assert_eq!((told.is_stale, told.taken.read), (true, 0));
    // The same rows again draw no LSN.
    let told = put(&organization, &page, AFTER, Some(b"later"));
    assert_eq!((told.taken.unchanged, told.lsn.0), (2, 2));
}

#[test]
fn names_are_those_of_the_wire() {
    let organization = Organization::new();
    let row = format!(
        r#"{{"@odata.etag":"W/\"1\"","AccountId":"{a}","Name":"x","_ownerid_value":"{b}",
            "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname":"team","_regarding_value":"{b}",
            "stranger":{{"a":[1]}},"name@OData.Community.Display.V1.FormattedValue":"X","_currency_value":5,"Revenue":1e2}}"#,
        a = uuid('a'),
        b = uuid('b'),
    );
    let told = put(&organization, &whole(&organization, &[row]), BEFORE, AFTER);
    assert_eq!(told.taken.inserted, 1);
    let fields =
        "accountid=aa..aa name=\"x\" revenue=\"100\" ownerid=bb..bb currency=id \"5\" regarding=bb..bb #20=entity 3";
    assert_eq!(organization.table("account"), format!("0 1 {fields}\n"));
}

#[test]
fn deletions_come_in_every_form() {
    let organization = Organization::new();
    let rows: Vec<_> = ('1'..='6').map(|digit| account(digit, 1, "x")).collect();
    put(&organization, &whole(&organization, &rows), BEFORE, AFTER);
    let body = format!(
        r##"{{"@odata.context":"https://host/$metadata#accounts/$delta","value":[
            {{"@odata.context":"https://host/$metadata#accounts/$deletedEntity","id":"{one}","reason":"deleted"}},
            {{"@odata.context":"#accounts/$deletedEntity","id":"https://host/v4/accounts({two})","reason":"changed"}},
            {{"@removed":{{"reason":"deleted"}},"@id":"accounts({three})"}},
            {{"@odata.removed":{{"reason":"deleted"}},"@odata.id":"https://host/v4/accounts(accountid={four})"}},
            {{"@odata.context":"#accounts/$deletedEntity","id":"no-uuid-is-fine","reason":"deleted"}},
            {{"@odata.context":"#accounts/$deletedEntity","reason":"deleted"}},
            {{"@odata.context":"#accounts/$link","source":"a","relationship":"b","target":"c"}}
        ],"@odata.deltaLink":"https://host/v4/accounts?$deltatoken=7","@odata.nextLink":null}}"##,
        one = uuid('1'),
        two = uuid('2'),
        three = uuid('3'),
        four = uuid('4'),
    );
    let page = page(&organization, &body, &Reading { partial_below: Some(2), ..Reading::default() });
    assert_eq!(page.delta_link.as_deref(), Some("https://host/v4/accounts?$deltatoken=7"));
    assert_eq!(page.next_link, None);
    // Of these accounts ids are UUIDs, so the two others name nothing.
    assert_eq!(page.errors().0, 2);
    let told = put(&organization, &page, AFTER, Some(b"later"));
    assert_eq!(told.taken.deleted, 4);
    assert_eq!(organization.table("account").matches("deleted").count(), 4);
}

#[test]
fn a_partial_row_leaves_the_rest() {
    let organization = Organization::new();
    let row = format!(r#"{{"accountid":"{}","name":"old","revenue":1,"numberofemployees":5}}"#, uuid('1'));
    put(&organization, &whole(&organization, &[row]), BEFORE, AFTER);
    let body = format!(
        r#"{{"value":[{{"accountid":"{one}","name":null}},{{"accountid":"{two}","name":"new"}},
            {{"accountid":"{one}","revenue":2}}]}}"#,
        one = uuid('1'),
        two = uuid('2')
    );
    let page = page(&organization, &body, &Reading { partial_below: Some(4), ..Reading::default() });
    put(&organization, &page, AFTER, Some(b"later"));
    let table = organization.table("account");
    assert!(table.contains("accountid=11..11 revenue=\"2\" numberofemployees=5\n"), "{table}");
    assert!(table.contains("accountid=22..22 name=\"new\"\n"), "{table}");
}

#[test]
fn bad_rows_are_told_and_stay() {
    let organization = Organization::new();
    put(&organization, &whole(&organization, &[account('1', 1, "one"), account('2', 1, "two")]), BEFORE, AFTER);
    let bad = format!(r#"{{"accountid":"{}","name":"{}"}}"#, uuid('1'), "x".repeat(ROW_BYTES_MAX));
    let page = whole(&organization, &[bad, r#"{"name":"nobody"}"#.into(), account('3', 1, "three")]);
    let (rejected, errors) = page.errors();
    assert_eq!((rejected, errors[0].line, errors[0].reason), (2, 1, ErrorReason::RowTooLarge));
    let place = Place { before: AFTER, after: Some(b"read"), begins_pass: true, keeps_newer: false, keys_only: false };
    take(&*organization.staging, &page, &place).unwrap();
    let number = organization.schema.entity("account").unwrap().number;
    let place = Place {
        before: Some(b"read"),
        after: Some(b"swept"),
        begins_pass: false,
        keeps_newer: false,
        keys_only: false,
    };
    let swept = sweep(&*organization.staging, number, &place, 100).unwrap();
    // The row that cannot be read is there at the source, so it stays as it was; the one that was not met is gone.
    assert_eq!((swept.deleted, swept.left), (1, 0));
    let table = organization.table("account");
    assert!(table.contains("name=\"one\"") && table.contains("1 4 deleted") && table.contains("three"), "{table}");
}

#[test]
fn values_that_no_device_can_hold_are_left_out_of_their_rows() {
    let organization = Organization::new();
    put(&organization, &whole(&organization, &[account('1', 1, "one")]), BEFORE, AFTER);
    let bad = |name: &str, value: &str| {
        format!(r#"{{"accountid":"{}","name":"two","numberofemployees":7,"{name}":{value}}}"#, uuid('1'))
    };
    for (name, value) in [
        ("createdon", r#""0001-01-01T00:00:00Z""#),
        ("revenue", r#""INF""#),
        ("ownerid", r#""nobody""#),
        ("numberofemployees", r#"{"a":1}"#),
        ("numberofemployees", "99999999999999999999"),
    ] {
        let page = whole(&organization, &[bad(name, value)]);
        let (count, errors) = page.errors();
        assert_eq!((count, errors[0].attribute.as_str()), (1, name), "{value}");
        assert!(errors[0].message.ends_with("the value is left out"), "{}", errors[0].message);
        put(&organization, &page, AFTER, AFTER);
        let table = organization.table("account");
        let kept = if name == "numberofemployees" { "name=\"two\"\n" } else { "name=\"two\" numberofemployees=7\n" };
        assert!(table.contains(kept), "{table}");
    }
}

#[test]
fn keys_meet_rows_and_tell_what_differs() {
    let organization = Organization::new();
    let rows: Vec<_> = ('1'..='3').map(|digit| account(digit, 1, "x")).collect();
    put(&organization, &whole(&organization, &rows), BEFORE, AFTER);
    let key = |digit, version| format!(r#"{{"@odata.etag":"W/\"{version}\"","accountid":"{}"}}"#, uuid(digit));
    let page = whole(&organization, &[key('1', 1), key('2', 2), key('4', 1)]);
    let place = Place { before: AFTER, after: Some(b"keys"), begins_pass: true, keeps_newer: false, keys_only: true };
    let told = take(&*organization.staging, &page, &place).unwrap();
    assert_eq!(told.differing.len(), 2);
    assert_eq!(organization.head(), 3);
    let number = organization.schema.entity("account").unwrap().number;
    let place = Place { before: Some(b"keys"), after: AFTER, begins_pass: false, keeps_newer: false, keys_only: false };
    assert_eq!(sweep(&*organization.staging, number, &place, 100).unwrap().deleted, 1);
    assert!(organization.table("account").contains("2 4 deleted"));
}

#[test]
fn an_older_version_replaces_none_unless_all_is_read_again() {
    let organization = Organization::new();
    put(&organization, &whole(&organization, &[account('1', 10, "new")]), BEFORE, AFTER);
    let older = whole(&organization, &[account('1', 9, "old")]);
    put(&organization, &older, AFTER, Some(b"b"));
    assert!(organization.table("account").contains("new"));
    let place = Place { before: Some(b"b"), after: AFTER, begins_pass: true, keeps_newer: false, keys_only: false };
    take(&*organization.staging, &older, &place).unwrap();
    assert!(organization.table("account").contains("old"));
}

#[test]
fn a_page_that_was_cut_off_is_none() {
    let organization = Organization::new();
    let body = format!(r#"{{"value":[{}],"@odata.nextLink":"x"}}"#, account('1', 1, "x"));
    for cut in 0..body.len() {
        let read = Page::read(&organization.schema, "account", &body.as_bytes()[..cut], &Reading::default());
        assert!(matches!(read, Err(StagingError::AnswerInvalid(_))), "cut at {cut}");
    }
    for other in ["{}", "[]", "null", r#"{"error":{"message":"no"}}"#, r#"{"value":{}}"#, r#"{"value":[1]}"#] {
        assert!(Page::read(&organization.schema, "account", other.as_bytes(), &Reading::default()).is_err(), "{other}");
    }
}

#[test]
fn the_latest_instant_is_told() {
    let organization = Organization::new();
    let row = |digit, time: &str| format!(r#"{{"accountid":"{}","createdon":{time}}}"#, uuid(digit));
    let rows = [row('1', r#""1970-01-01T00:00:02Z""#), row('2', "null"), row('3', r#""1970-01-01T00:00:01.5Z""#)];
    let body = format!(r#"{{"value":[{}]}}"#, rows.join(","));
    let reading = Reading { watermark: Some("createdon".into()), ..Reading::default() };
    assert_eq!(page(&organization, &body, &reading).watermark, Some(2_000_000));
}

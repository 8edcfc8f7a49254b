//! CSV files, good and bad.

use std::fmt::Write;

use haversack_engine::ids::Lsn;
use haversack_proto::error::ErrorReason;
use haversack_staging::ROW_BYTES_MAX;
use haversack_staging::ingest::{ERRORS_MAX, Options, Report};

use super::organization::{Organization, csv, errors, uuid};

#[test]
fn every_type_of_value_lands() {
    let organization = Organization::new();
    let file = format!(
        "accountid,name,revenue,numberofemployees,creditonhold,interests,createdon,ownerid,ownerid_type,\
         parentaccountid,foundedon,latitude,description,currency,versionnumber\n\
         {a},Contoso,1200.50,31,1,\"3,1,3\",2020-01-01T00:00:01Z,{b},team,{a},1970-01-03,52.5,\"one, \"\"two\"\"\nthree\",\
         EUR,9007199254740993\n",
        a = uuid('a'),
        b = uuid('b'),
    );
    let report = organization.ingest(csv(), file);
    let bytes = report.bytes;
    assert_eq!(report, Report { read: 1, inserted: 1, lsn: Lsn(1), bytes, ..Report::default() });
    let row = "accountid=aa..aa name=\"Contoso\" revenue=\"1200.5\" numberofemployees=31 creditonhold=true \
               interests=[1, 3] createdon=1577836801000000 ownerid=bb..bb parentaccountid=aa..aa foundedon=2 \
               latitude=52.5 description=\"one, \\\"two\\\"\\nthree\" currency=id \"EUR\" \
               versionnumber=9007199254740993 #20=entity 3";
    assert_eq!(organization.table("account"), format!("0 1 {row}\n"));
    assert_eq!(organization.staging.snapshot().unwrap().statistics().unwrap()[0].bytes, bytes);
}

#[test]
fn order_of_columns_does_not_matter() {
    let organization = Organization::new();
    let (a, b) = (uuid('a'), uuid('b'));
    organization.ingest(csv(), format!("accountid,name,ownerid,ownerid_type\n{a},Contoso,{b},systemuser\n"));
    let report =
        organization.ingest(csv(), format!("ownerid_type,ownerid,name,accountid\nsystemuser,{b},Contoso,{a}\n"));
    assert_eq!(report, Report { read: 1, unchanged: 1, lsn: Lsn(1), ..Report::default() });
}

#[test]
fn empty_cells_are_null() {
    let organization = Organization::new();
    let header = "accountid,name,revenue,ownerid,ownerid_type";
    organization.ingest(csv(), format!("{header}\n{},Contoso,1,{},team\n", uuid('a'), uuid('b')));
    organization.ingest(csv(), format!("{header}\n{},\"\",,,\n", uuid('a')));
    assert_eq!(organization.table("account"), "0 2 accountid=aa..aa\n");
}

#[test]
fn line_ends_and_marks_are_as_programs_write_them() {
    let organization = Organization::new();
    let file =
        format!("\u{feff}accountid,name\r\n\r\n{},one\r\n\n\n{},two\r\n{},three", uuid('1'), uuid('2'), uuid('3'));
    assert_eq!(organization.ingest(csv(), file).inserted, 3);
    let rows =
        "0 1 accountid=11..11 name=\"one\"\n1 2 accountid=22..22 name=\"two\"\n2 3 accountid=33..33 name=\"three\"\n";
    assert_eq!(organization.table("account"), rows);
}

#[test]
fn text_keys_are_ids_too() {
    let organization = Organization::new();
    let mut ingest = organization.start("currency", csv());
    ingest.feed(b"code,rate\nEUR,1\nUSD,1.10\nEUR,1.0\n").unwrap();
    ingest.feed(format!("{}\0,1\n{},1\n", "K", "L".repeat(600)).as_bytes()).unwrap();
    let report = ingest.finish().unwrap();
    assert_eq!((report.inserted, report.unchanged, report.rejected), (2, 1, 2));
    assert_eq!(organization.table("currency"), "0 1 code=\"EUR\" rate=\"1\"\n1 2 code=\"USD\" rate=\"1.1\"\n");
}

#[test]
fn unknown_column_refuses_the_file() {
    let organization = Organization::new();
    let report = organization.ingest(csv(), format!("accountid,nmae,foo\n{},x,y\n{},x,y\n", uuid('a'), uuid('b')));
    assert_eq!((report.read, report.rejected, report.inserted, report.lsn), (2, 2, 0, Lsn(0)));
    assert_eq!(errors(&report.errors), "1 nmae: account has no attribute \"nmae\"; did you mean name?\n");
    assert_eq!(report.errors[0].reason, ErrorReason::AttributeUnknown);

    let report = organization.ingest(csv(), "accountid,name_type\n");
    assert_eq!(
        errors(&report.errors),
        "1 name_type: account has no attribute \"name_type\"; import its metadata or leave it out\n"
    );
}

#[test]
fn header_must_make_sense() {
    let organization = Organization::new();
    let complaint = |file: &str| errors(&organization.ingest(csv(), file).errors);
    assert_eq!(complaint(""), "1 : the file is empty; the first line must name the columns\n");
    assert_eq!(complaint("\r\n\n"), "1 : the file is empty; the first line must name the columns\n");
    assert_eq!(complaint("name\nx\n"), "1 accountid: the header lacks accountid; every row needs its primary id\n");
    assert_eq!(complaint("accountid,name,name"), "1 name: column \"name\" appears twice\n");
    assert_eq!(complaint("accountid,_ownerid_value,ownerid"), "1 ownerid: column \"ownerid\" appears twice\n");
}

#[test]
fn bad_rows_are_told_and_good_ones_land() {
    let organization = Organization::new();
    let header = "accountid,name,revenue,numberofemployees,ownerid,ownerid_type,createdon\n";
    let mut file = header.as_bytes().to_vec();
    let mut add = |row: &str| file.extend_from_slice(row.as_bytes());
    add(&format!("{},\"two\nlines\",1,,,,\n", uuid('1')));
    add(&format!("{},x,much,,,,\n", uuid('2')));
    add(",x,1,,,,\n");
    add("no-uuid,x,1,,,,\n");
    add(&format!("{},x,1\n", uuid('3')));
    add(&format!("{},x,1,3000000000,,,\n", uuid('4')));
    add(&format!("{},x,1,,{},,\n", uuid('5'), uuid('b')));
    add(&format!("{},x,1,,{},account,\n", uuid('6'), uuid('b')));
    add(&format!("{},x,1,,,,yesterday\n", uuid('7')));
    file.extend_from_slice(format!("{},", uuid('8')).as_bytes());
    file.extend_from_slice(b"caf\xe9,1,,,,\n");
    file.extend_from_slice(format!("{},\"a \"\"good\"\" one\",1,,,,", uuid('9')).as_bytes());

    let report = organization.ingest(csv(), file);
    assert_eq!((report.read, report.inserted, report.rejected), (11, 2, 9));
    let told = errors(&report.errors);
    assert_eq!(
        told,
        "4 revenue: \"much\" is not a decimal of at most 100 digits, as in -12.50\n\
         5 accountid: the row has no id; give every row its primary id\n\
         6 accountid: \"no-uuid\" is not a UUID, as in 01234567-89ab-cdef-0123-456789abcdef\n\
         7 : the row has 3 cells, and the header names 7; quote values with commas, quotes or line ends\n\
         8 numberofemployees: \"3000000000\" is not a whole number from -2147483648 to 2147483647\n\
         9 ownerid: the lookup can point at several entities; say which in ownerid_type or \
         _ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname, as systemuser, team\n\
         10 ownerid: it cannot point at \"account\", only at systemuser, team\n\
         11 createdon: \"yesterday\" is not a date from 1753-01-01 to 9999-12-31, as in 2024-05-31T10:00:00Z or \
         2024-05-31\n\
         12 name: the value is not UTF-8; save the file in that encoding\n"
    );
    assert!(report.errors.iter().all(|error| error.reason == ErrorReason::RowsInvalid));
    assert_eq!(organization.table("account").lines().count(), 2);
}

#[test]
fn character_must_not_lie_across_cells() {
    let organization = Organization::new();
    let mut file = format!("accountid,name,description\n{},", uuid('1')).into_bytes();
    file.extend_from_slice(b"caf\xc3,\xa9\n");
    let report = organization.ingest(csv(), file);
    assert_eq!(errors(&report.errors), "2 name: the value is not UTF-8; save the file in that encoding\n");
}

#[test]
fn lookups_may_point_out_of_the_metadata() {
    let organization = Organization::new();
    let rows = [("1", "team"), ("2", "currency"), ("3", "knowledgearticle")];
    let rows = rows.map(|(digit, target)| format!("{},{},{target}\n", digit.repeat(8) + &uuid('1')[8..], uuid('a')));
    let report = organization.ingest(csv(), "accountid,regarding,regarding_type\n".to_owned() + &rows.concat());
    assert_eq!(report.inserted, 3);
    let targets = |row: &str| row.split_once("regarding=").map(|row| row.1.to_owned());
    let targets: Vec<_> = organization.table("account").lines().filter_map(targets).collect();
    assert_eq!(targets, ["aa..aa #21=entity 3", "aa..aa #21=entity 4", "aa..aa"]);
}

#[test]
fn many_bad_rows_are_counted_and_the_first_kept() {
    let organization = Organization::new();
    let mut file = "accountid\n".to_owned();
    (0..250).for_each(|row| writeln!(file, "bad {row}").unwrap());
    let report = organization.ingest(csv(), file);
    assert_eq!((report.read, report.rejected, report.errors.len()), (250, 250, ERRORS_MAX));
    let lines: Vec<_> = report.errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, (2..102).collect::<Vec<_>>());
}

#[test]
fn last_of_equal_ids_wins() {
    let organization = Organization::new();
    let file = format!("accountid,name\n{a},one\n{b},other\n{a},two\n{a},two\n", a = uuid('a'), b = uuid('b'));
    let report = organization.ingest(csv(), file);
    assert_eq!((report.inserted, report.updated, report.unchanged, report.lsn), (2, 1, 1, Lsn(3)));
    let rows = "0 2 accountid=aa..aa name=\"two\"\n1 3 accountid=bb..bb name=\"other\"\n";
    assert_eq!(organization.table("account"), rows);
}

#[test]
fn atomic_ingest_lands_whole_or_not_at_all() {
    let organization = Organization::new();
    let atomic = || Options { atomic: true, ..csv() };
    let good = format!("accountid,name\n{},one\n{},two\n", uuid('1'), uuid('2'));
    let report = organization.ingest(atomic(), good.clone() + "bad,three\n");
    assert_eq!((report.read, report.inserted, report.rejected, report.lsn), (3, 0, 1, Lsn(0)));
    assert_eq!(organization.table("account"), "");
    let report = organization.ingest(atomic(), good);
    assert_eq!((report.inserted, report.lsn, organization.head()), (2, Lsn(2), 2));
}

#[test]
fn rows_above_the_limits_are_refused() {
    let organization = Organization::new();
    let text = |bytes: usize| "x".repeat(bytes);
    let rows = [
        format!("{},{}", uuid('1'), text(ROW_BYTES_MAX)),
        format!("{},{}", uuid('2'), text(4 * ROW_BYTES_MAX + 1)),
        format!("{},{}", uuid('3'), ",".repeat(50_000)),
        format!("{},fits", uuid('4')),
        format!("{},{}", uuid('5'), text(ROW_BYTES_MAX - 100)),
    ];
    let report = organization.ingest(csv(), format!("accountid,description\n{}\n", rows.join("\n")));
    assert_eq!((report.read, report.inserted, report.rejected), (5, 2, 3));
    let reasons: Vec<_> = report.errors.iter().map(|error| (error.line, error.reason)).collect();
    assert_eq!(reasons, [2, 3, 4].map(|line| (line, ErrorReason::RowTooLarge)));
}

//! Patches and deletions.

use haversack_engine::ids::Lsn;
use haversack_staging::ingest::{Action, Format, Options, Report};

use super::organization::{Organization, csv, errors, options, uuid};

/// Two accounts, with all that a patch may leave alone.
fn filled() -> Organization {
    let organization = Organization::new();
    let header = "accountid,name,revenue,ownerid,ownerid_type,interests,latitude,creditonhold";
    let file = format!("{header}\n{},one,1,{},team,\"1,2\",0.5,0\n{},two,2,,,,,\n", uuid('1'), uuid('a'), uuid('2'));
    assert_eq!(organization.ingest(csv(), file).inserted, 2);
    organization
}

const FIRST: &str = "0 1 accountid=11..11 name=\"one\" revenue=\"1\" creditonhold=false interests=[1, 2] ownerid=aa..aa \
                     latitude=0.5 #20=entity 3\n";

#[test]
fn patch_changes_what_is_named() {
    let organization = filled();
    let patch = options(Format::Csv, Action::Patch);
    let report = organization.ingest(patch.clone(), format!("accountid,revenue,latitude\n{},7.50,\n", uuid('1')));
    assert_eq!(report, Report { read: 1, updated: 1, lsn: Lsn(3), bytes: report.bytes, ..Report::default() });
    let first = "0 3 accountid=11..11 name=\"one\" revenue=\"7.5\" creditonhold=false interests=[1, 2] ownerid=aa..aa \
                 #20=entity 3\n1 2 accountid=22..22 name=\"two\" revenue=\"2\"\n";
    assert_eq!(organization.table("account"), first);

    let owner = format!("accountid,ownerid,ownerid_type\n{},{},systemuser\n{},,\n", uuid('2'), uuid('b'), uuid('1'));
    assert_eq!(organization.ingest(patch, owner).updated, 2);
    let both = "0 5 accountid=11..11 name=\"one\" revenue=\"7.5\" creditonhold=false interests=[1, 2]\n\
                1 4 accountid=22..22 name=\"two\" revenue=\"2\" ownerid=bb..bb #20=entity 2\n";
    assert_eq!(organization.table("account"), both);
}

#[test]
fn json_patch_names_other_attributes_in_every_row() {
    let organization = filled();
    let rows = [
        format!(r#"{{"accountid":"{}","name":"ONE"}}"#, uuid('1')),
        format!(r#"{{"accountid":"{}","name":null,"revenue":3}}"#, uuid('2')),
        format!(r#"{{"accountid":"{}","ownerid_type":"team"}}"#, uuid('2')),
    ];
    let report = organization.ingest(options(Format::JsonLines, Action::Patch), rows.join("\n"));
    assert_eq!((report.updated, report.unchanged), (2, 1));
    let rows = FIRST.replace("0 1", "0 3").replace("one", "ONE") + "1 4 accountid=22..22 revenue=\"3\"\n";
    assert_eq!(organization.table("account"), rows);
}

#[test]
fn patch_without_change_draws_nothing() {
    let organization = filled();
    let file = format!("accountid,name,revenue,interests\n{},one,1.00,\"2,1\"\n", uuid('1'));
    let report = organization.ingest(options(Format::Csv, Action::Patch), file);
    assert_eq!(report, Report { read: 1, unchanged: 1, lsn: Lsn(2), ..Report::default() });
}

#[test]
fn patch_of_a_missing_row_is_a_bad_row() {
    let organization = filled();
    let file = format!("accountid,name\n{},x\n{},y\nbad,z\n", uuid('9'), uuid('1'));
    let told = "2 : there is no row with this id to change; upsert it instead\n\
                4 accountid: \"bad\" is not a UUID, as in 01234567-89ab-cdef-0123-456789abcdef\n";
    let atomic = Options { atomic: true, ..options(Format::Csv, Action::Patch) };
    let missing_only = file.replace("bad,z\n", "");
    let report = organization.ingest(atomic, missing_only);
    assert_eq!((report.updated, report.rejected, report.lsn, organization.head()), (0, 1, Lsn(2), 2));

    let report = organization.ingest(options(Format::Csv, Action::Patch), file);
    assert_eq!((report.read, report.updated, report.rejected), (3, 1, 2));
    assert_eq!(errors(&report.errors), told);
}

#[test]
fn deletion_reads_ids_alone() {
    let organization = filled();
    let delete = options(Format::Csv, Action::Delete);
    let file = format!("accountid,reason,revenue\n{},left,much\n{},left,\n", uuid('2'), uuid('9'));
    let report = organization.ingest(delete.clone(), &file);
    assert_eq!(report, Report { read: 2, deleted: 1, unchanged: 1, lsn: Lsn(3), ..Report::default() });
    assert_eq!(organization.table("account"), FIRST.to_owned() + "1 3 deleted\n");

    let rows = format!("{{\"accountid\":\"{}\",\"what\":[1]}}\n{{\"accountid\":7}}\n{{}}\n", uuid('1'));
    let report = organization.ingest(options(Format::JsonLines, Action::Delete), rows);
    assert_eq!((report.deleted, report.rejected), (1, 2));
    assert_eq!(organization.staging.snapshot().unwrap().statistics().unwrap()[0].rows, 0);
}

#[test]
fn deleted_row_is_missing_to_a_patch_and_new_to_an_upsert() {
    let organization = filled();
    organization.ingest(options(Format::Csv, Action::Delete), format!("accountid\n{}\n", uuid('2')));
    let file = format!("accountid,name\n{},back\n", uuid('2'));
    assert_eq!(organization.ingest(options(Format::Csv, Action::Patch), &file).rejected, 1);
    let report = organization.ingest(csv(), file);
    assert_eq!((report.inserted, report.updated), (1, 0));
    assert_eq!(organization.table("account"), FIRST.to_owned() + "1 4 accountid=22..22 name=\"back\"\n");
}

//! Changes of several entities in one commit.

use haversack_engine::ids::{EntityNumber, Lsn};
use haversack_staging::ingest::{Action, Basis, Outcome, Part, write_together};

use super::organization::{Organization, csv, uuid};

fn part(entity: &str, action: Action, line: String) -> Part {
    Part { entity: entity.into(), action, json_lines: line.into_bytes() }
}

fn basis(organization: &Organization, seen: u64, entities: &[&str]) -> Basis {
    let number = |name: &&str| organization.schema.entity(name).unwrap().number;
    Basis { seen: Lsn(seen), entities: entities.iter().map(number).collect() }
}

fn write(organization: &Organization, parts: &[Part], basis: &Basis) -> Outcome {
    write_together(&organization.staging, &organization.schema, parts, basis).unwrap()
}

/// An account, and a user who is to own it.
fn account_and_owner() -> [Part; 2] {
    let [account, user] = [uuid('1'), uuid('b')];
    let owned = format!(r#"{{"accountid":"{account}","ownerid":"{user}","ownerid_type":"systemuser"}}"#);
    [
        part("systemuser", Action::Upsert, format!(r#"{{"systemuserid":"{user}"}}"#)),
        part("account", Action::Patch, owned),
    ]
}

fn with_account() -> Organization {
    let organization = Organization::new();
    assert_eq!(organization.ingest(csv(), format!("accountid,name\n{},one\n", uuid('1'))).inserted, 1);
    organization
}

#[test]
fn all_parts_are_written_in_order() {
    let organization = with_account();
    let mut parts = account_and_owner().to_vec();
    parts.push(part("account", Action::Patch, format!(r#"{{"accountid":"{}","name":null}}"#, uuid('1'))));
    assert_eq!(write(&organization, &parts, &basis(&organization, 1, &["account"])), Outcome::Written(Lsn(4)));
    assert_eq!(organization.table("account"), "0 4 accountid=11..11 ownerid=bb..bb #20=entity 2\n");
    assert_eq!(organization.table("systemuser"), "0 2 systemuserid=bb..bb\n");
    parts.truncate(2);
    assert_eq!(write(&organization, &parts, &basis(&organization, 4, &[])), Outcome::Written(Lsn(4)));
}

#[test]
fn a_bad_row_of_any_part_keeps_all_from_being_written() {
    let organization = with_account();
    let [user, _] = account_and_owner();
    for (bad, said) in [
        (r#"{"accountid":"7","nmae":"x"}"#.to_owned(), "account has no attribute \"nmae\"; did you mean name?"),
        (format!(r#"{{"accountid":"{}"}}"#, uuid('9')), "there is no row with this id to change; upsert it instead"),
    ] {
        let parts = [user.clone(), part("account", Action::Patch, bad)];
        let Outcome::Refused(errors) = write(&organization, &parts, &basis(&organization, 1, &[])) else {
            panic!("it was written");
        };
        let told: Vec<_> = errors.iter().map(|error| (error.file_name.as_str(), error.message.as_str())).collect();
        assert_eq!(told, [("account", said)]);
        assert_eq!((organization.head(), organization.table("systemuser")), (1, String::new()));
    }
}

#[test]
fn what_was_read_must_still_be_so() {
    let organization = with_account();
    let parts = account_and_owner();
    assert_eq!(write(&organization, &parts, &basis(&organization, 0, &["team", "account"])), Outcome::Stale);
    assert_eq!(organization.head(), 1);
    assert_eq!(write(&organization, &parts, &basis(&organization, 0, &["team"])), Outcome::Written(Lsn(3)));
    let nobody = Basis { seen: Lsn(0), entities: vec![EntityNumber(99)] };
    assert_eq!(write(&organization, &parts, &nobody), Outcome::Written(Lsn(3)));
    let unknown = [part("letter", Action::Delete, String::new())];
    assert!(write_together(&organization.staging, &organization.schema, &unknown, &nobody).is_err());
}

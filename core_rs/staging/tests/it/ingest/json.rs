//! JSON Lines files, good and bad.

use haversack_proto::error::ErrorReason;

use super::organization::{Organization, errors, json, uuid};

#[test]
fn rows_of_the_web_api_land() {
    let organization = Organization::new();
    let file = format!(
        r#"{{"@odata.etag":"W/\"915244\"","accountid":"{a}","name":"Caf\u00e9 \"x\"\n","revenue":12000000.10,"revenue@OData.Community.Display.V1.FormattedValue":"$12,000,000.10","numberofemployees":31,"creditonhold":false,"interests":"2,1","createdon":"2020-01-01T00:00:01Z","_ownerid_value":"{b}","_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname":"systemuser","_parentaccountid_value":"{a}","foundedon":"1970-01-03T00:00:00Z","latitude":-0.5e1,"description":null,"_currency_value":"EUR","versionnumber":915244}}"#,
        a = uuid('a'),
        b = uuid('b'),
    );
    let report = organization.ingest(json(), file + "\n");
    assert_eq!(errors(&report.errors), "");
    let row = "accountid=aa..aa name=\"Café \\\"x\\\"\\n\" revenue=\"12000000.1\" numberofemployees=31 creditonhold=false \
               interests=[1, 2] createdon=1577836801000000 ownerid=bb..bb parentaccountid=aa..aa foundedon=2 \
               latitude=-5.0 currency=id \"EUR\" versionnumber=915244 #20=entity 2";
    assert_eq!(organization.table("account"), format!("0 1 {row}\n"));
}

#[test]
fn plain_names_mean_the_same() {
    let organization = Organization::new();
    let (a, b) = (uuid('a'), uuid('b'));
    let annotation = "Microsoft.Dynamics.CRM.lookuplogicalname";
    let forms = [
        format!(r#"{{"accountid":"{a}","_ownerid_value":"{b}","_ownerid_value@{annotation}":"team"}}"#),
        format!(r#"{{"ownerid@{annotation}":"team","ownerid":"{b}","accountid":"{a}"}}"#),
        format!(r#" {{ "accountid" : "{a}" , "ownerid" : "{b}" , "ownerid_type" : "team" }} "#),
    ];
    let report = organization.ingest(json(), forms.join("\r\n"));
    assert_eq!((report.inserted, report.unchanged, report.rejected), (1, 2, 0));
    assert_eq!(organization.table("account"), "0 1 accountid=aa..aa ownerid=bb..bb #20=entity 3\n");
}

#[test]
fn decimals_are_exact() {
    let organization = Organization::new();
    let revenue = "12345678901234567890.12345678901234567890";
    let file = format!(r#"{{"accountid":"{}","revenue":{revenue}}}"#, uuid('a'));
    assert_eq!(organization.ingest(json(), file).inserted, 1);
    assert_eq!(
        organization.table("account"),
        format!("0 1 accountid=aa..aa revenue=\"{}\"\n", revenue.trim_end_matches('0'))
    );
}

#[test]
fn bad_rows_are_told_and_good_ones_land() {
    let organization = Organization::new();
    let row = |rest: &str| format!(r#"{{"accountid":"{}"{rest}}}"#, uuid('1'));
    let rows = [
        row(""),
        row(r#","nmae":"x""#),
        row(r#","name":5"#),
        row(r#","name":true"#),
        row(r#","numberofemployees":"many""#),
        row(r#","numberofemployees":1.5"#),
        row(r#","creditonhold":"maybe""#),
        row(r#","description":{"a":1}"#),
        row(r#","interests":[1,2]"#),
        String::new(),
        r#"{"name":"x"}"#.into(),
        r#"{"accountid":null}"#.into(),
        "[1]".into(),
        row(","),
        row("") + "x",
        row(r#","name":"\ud800""#),
        row(r#","name":"ok","revenue":"5""#),
    ];
    let report = organization.ingest(json(), rows.join("\n"));
    assert_eq!((report.read, report.inserted, report.updated, report.rejected), (16, 1, 1, 14));
    let told: Vec<_> = report.errors.iter().map(|error| (error.line, error.attribute.as_str())).collect();
    let expected = [
        (2, "nmae"),
        (3, "name"),
        (4, "name"),
        (5, "numberofemployees"),
        (6, "numberofemployees"),
        (7, "creditonhold"),
        (8, "description"),
        (9, "interests"),
        (11, "accountid"),
        (12, "accountid"),
        (13, ""),
        (14, ""),
        (15, ""),
        (16, "name"),
    ];
    assert_eq!(told, expected);
    assert_eq!(report.errors[0].reason, ErrorReason::AttributeUnknown);
    assert_eq!(report.errors[0].message, "account has no attribute \"nmae\"; did you mean name?");
    assert_eq!(report.errors[1].message, "\"5\" is not text; put it in quotes");
}

#[test]
fn lines_above_the_limit_are_refused() {
    let organization = Organization::new();
    let long = format!(r#"{{"accountid":"{}","description":"{}"}}"#, uuid('1'), "x".repeat(33 << 20));
    let report = organization.ingest(json(), format!("{long}\n{{\"accountid\":\"{}\"}}\n", uuid('2')));
    assert_eq!((report.read, report.inserted), (2, 1));
    assert_eq!((report.errors[0].line, report.errors[0].reason), (1, ErrorReason::RowTooLarge));
}

#[test]
fn empty_file_is_no_rows() {
    let organization = Organization::new();
    for file in ["", "\n", "\u{feff}", "\u{feff}\n \n", "\u{ef}"] {
        let report = organization.ingest(json(), file);
        assert_eq!((report.read, report.rejected), if file == "\u{ef}" { (1, 1) } else { (0, 0) }, "{file:?}");
    }
}

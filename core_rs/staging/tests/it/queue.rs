//! What waits for a source outside: sent in order, settled once, and composed for those who write meanwhile.

use std::collections::BTreeSet;

use haversack_engine::engine::mutation::Refusal;
use haversack_engine::ids::{AttributeNumber, Lsn};
use haversack_engine::row::{FieldType, RowWriter, Value, read};
use haversack_engine::schema::Schema;
use haversack_proto::error::ErrorReason;
use haversack_proto::model::{Attribute, AttributeType, ConflictPolicy, Entity, Model};
use haversack_proto::sync::{Mutation, MutationAnswer, MutationKind, MutationOutcome};
use haversack_staging::queue::{
    self, Queued, Ready, Repeat, Settled, Settlement, WAITING_BYTES_MAX, bind, composed, ready, refuse_replaced,
};
use haversack_staging::{
    Effect, Entry, LedgerPlace, Origin, Resolution, RowId, Staging, StagingError, discard_refusal, export_ledger,
    import_ledger,
};
use prost::Message;

use crate::ledger::entry;
use crate::world::{ACCOUNT, SqliteWorld, World, id};

mod histories;

const NAME: u32 = 2;
const CITY: u32 = 3;
const QUEUED: i32 = MutationOutcome::Queued as i32;
const SERVER_WINS: i32 = ConflictPolicy::ServerWins as i32;

fn schema() -> Schema {
    let attribute = |number, name: &str, kind: AttributeType| Attribute {
        number,
        logical_name: name.into(),
        r#type: kind.into(),
        ..Attribute::default()
    };
    let entity = Entity {
        number: ACCOUNT.0,
        logical_name: "account".into(),
        primary_id_attribute: "accountid".into(),
        ownership: haversack_proto::model::Ownership::Organization.into(),
        attributes: vec![
            attribute(1, "accountid", AttributeType::Uniqueidentifier),
            attribute(NAME, "name", AttributeType::String),
            attribute(CITY, "city", AttributeType::String),
        ],
        ..Entity::default()
    };
    Schema::from_model(&Model { entities: vec![entity], ..Model::default() }).unwrap()
}

/// The source has had its say about one mutation.
fn settle(
    staging: &dyn Staging,
    place: LedgerPlace,
    settlement: &Settlement<'_>,
) -> Result<Option<Settled>, StagingError> {
    queue::settle(staging, &schema(), &[(place, settlement.clone())]).map(|mut settled| settled.remove(0))
}

/// Texts by field.
type Fields<'a> = [(u32, &'a str)];

fn payload(row: Option<u8>, fields: &Fields<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = RowWriter::new(&mut out);
    if let Some(row) = row {
        writer.push(AttributeNumber(1), &Value::Id([row; 16]));
    }
    for (number, text) in fields {
        writer.push(AttributeNumber(*number), &Value::Text(text));
    }
    writer.finish();
    out
}

fn text(payload: &[u8], field: u32) -> String {
    match read(payload, AttributeNumber(field), FieldType::Text).unwrap() {
        Some(Value::Text(text)) => text.to_owned(),
        _ => String::new(),
    }
}

/// A row as the source states it after a write.
fn json(row: u8, fields: &Fields<'_>) -> Vec<u8> {
    let name = |number| if number == NAME { "name" } else { "city" };
    let id = uuid(row);
    let members: Vec<String> =
        fields.iter().map(|(number, text)| format!(r#","{}":"{text}""#, name(*number))).collect();
    format!(r#"{{"accountid":"{id}"{}}}"#, members.concat()).into_bytes()
}

fn uuid(row: u8) -> String {
    haversack_engine::row::uuid_text([row; 16])
}

/// What a device does.
#[derive(Clone, Debug)]
struct Wish<'a> {
    number: u64,
    row: u8,
    kind: MutationKind,
    fields: &'a Fields<'a>,
    depends_on: Vec<u64>,
    install: u8,
}

impl<'a> Wish<'a> {
    fn new(number: u64, row: u8, kind: MutationKind, fields: &'a Fields<'a>) -> Self {
        Self { number, row, kind, fields, depends_on: Vec::new(), install: 1 }
    }

    fn after(self, number: u64) -> Self {
        Self { depends_on: vec![number], ..self }
    }
}

/// Does to staging what the gateway does when it has let a mutation through.
fn queue(staging: &dyn Staging, wish: &Wish<'_>) -> Origin {
    let mut commit = staging.begin().unwrap();
    let stored = commit.row(ACCOUNT, &id(wish.row)).unwrap();
    let before = stored.as_ref().map_or(Lsn(0), |(lsn, _)| *lsn);
    let waiting = commit.queue().queued_of(ACCOUNT, &id(wish.row)).unwrap();
    let row = composed(stored.map(|(_, payload)| payload), &waiting).unwrap().unwrap_or_default();
    let changed: Vec<u32> = wish.fields.iter().map(|(number, _)| *number).collect();
    let old: Vec<(u32, String)> = changed.iter().map(|&number| (number, text(&row, number))).collect();
    let old: Vec<(u32, &str)> = old.iter().filter(|(_, text)| !text.is_empty()).map(|(n, t)| (*n, &**t)).collect();
    let values = payload(None, wish.fields);
    let mutation = Mutation {
        number: wish.number,
        entity: ACCOUNT.0,
        kind: wish.kind.into(),
        values: values.clone().into(),
        changed: changed.clone(),
        depends_on: wish.depends_on.clone(),
        ..Mutation::default()
    };
    let created = wish.kind == MutationKind::Create;
    let values = if created { payload(Some(wish.row), wish.fields) } else { values };
    let effect = Effect { deleted: wish.kind == MutationKind::Delete, created, changed, values };
    let origin = Origin { install: [wish.install; 16], user: [2; 16], number: wish.number };
    let answer = MutationAnswer { number: wish.number, outcome: QUEUED, ..MutationAnswer::default() };
    let (kind, answer) = (wish.kind.into(), answer.encode_to_vec());
    let entry = Entry { origin, kind, outcome: QUEUED, before, answer, ..entry(wish.number, wish.row) };
    assert!(commit.ledger().record(&entry).unwrap());
    let etag = commit.etag(ACCOUNT, &id(wish.row)).unwrap();
    let queued = Queued {
        mutation: mutation.encode_to_vec(),
        effect,
        old: payload(None, &old),
        etag,
        policy: SERVER_WINS,
        ..Queued::default()
    };
    commit.queue().enqueue(&origin, &queued).unwrap();
    commit.finish().unwrap();
    origin
}

fn ready_now(staging: &dyn Staging, at_most: usize) -> Vec<Ready> {
    ready(staging, &schema(), &BTreeSet::new(), at_most).unwrap()
}

fn numbers(staging: &dyn Staging) -> Vec<u64> {
    ready_now(staging, 99).iter().map(|it| it.entry.origin.number).collect()
}

fn written<'a>(row: &'a [u8], etag: &'a str) -> Settlement<'a> {
    Settlement::Written { row, etag: Some(etag), overruled: &[] }
}

fn refused() -> Settlement<'static> {
    Settlement::Refused(Refusal::new(MutationOutcome::Forbidden, ErrorReason::WriteForbidden, "not you"))
}

fn put(staging: &dyn Staging, row: u8, fields: &Fields<'_>) {
    let mut commit = staging.begin().unwrap();
    commit.upsert(ACCOUNT, &id(row), &payload(Some(row), fields)).unwrap();
    commit.finish().unwrap();
}

fn answer(staging: &dyn Staging, origin: &Origin) -> MutationAnswer {
    let found = staging.snapshot().unwrap().ledger().find(origin).unwrap().unwrap();
    MutationAnswer::decode(&found.answer[..]).unwrap()
}

fn place(staging: &dyn Staging, origin: &Origin) -> LedgerPlace {
    staging.snapshot().unwrap().ledger().find(origin).unwrap().unwrap().place
}

fn row(staging: &dyn Staging, row: u8) -> Option<(String, String)> {
    let payload = staging.begin().unwrap().payload(ACCOUNT, &id(row)).unwrap()?;
    Some((text(&payload, NAME), text(&payload, CITY)))
}

#[test]
fn a_row_changes_when_the_source_has_the_write_and_to_what_the_source_has() {
    let world = SqliteWorld::new();
    let staging = world.open();
    put(&*staging, 1, &[(NAME, "A"), (CITY, "Ribe")]);
    let origin = queue(&*staging, &Wish::new(1, 1, MutationKind::Update, &[(NAME, "b ")]));
    assert_eq!(row(&*staging, 1), Some(("A".into(), "Ribe".into())));
    let found = ready_now(&*staging, 9);
    assert_eq!(found.len(), 1);
    assert_eq!(text(&found[0].queued.old, NAME), "A");
    let settled = settle(&*staging, found[0].place, &written(&json(1, &[(NAME, "B"), (CITY, "Fanø")]), "7"));
    let settled = settled.unwrap().unwrap();
    assert_eq!((settled.outcome, settled.lsn), (MutationOutcome::Applied, Lsn(2)));
    assert_eq!(row(&*staging, 1), Some(("B".into(), "Fanø".into())));
    assert_eq!(staging.begin().unwrap().etag(ACCOUNT, &id(1)).unwrap().as_deref(), Some("7"));
    assert_eq!((answer(&*staging, &origin).outcome(), answer(&*staging, &origin).lsn), (MutationOutcome::Applied, 2));
    assert_eq!(settle(&*staging, found[0].place, &refused()).unwrap(), None, "it is settled once");
    assert!(numbers(&*staging).is_empty());
    assert_eq!(staging.begin().unwrap().ledger().own_change(&origin, Lsn(2)).unwrap(), Some(Lsn(1)));
}

#[test]
fn a_row_that_replication_brought_first_settles_without_an_lsn_of_its_own() {
    let world = SqliteWorld::new();
    let staging = world.open();
    put(&*staging, 1, &[(NAME, "A")]);
    let origin = queue(&*staging, &Wish::new(1, 1, MutationKind::Update, &[(NAME, "B")]));
    put(&*staging, 1, &[(NAME, "B")]);
    let settled = settle(&*staging, place(&*staging, &origin), &written(&json(1, &[(NAME, "B")]), "2"));
    assert_eq!(settled.unwrap().unwrap().lsn, Lsn(2));
    assert_eq!(staging.head().unwrap(), Lsn(2));
    assert_eq!(staging.begin().unwrap().ledger().own_change(&origin, Lsn(2)).unwrap(), Some(Lsn(1)));
}

#[test]
fn writes_go_in_order_where_one_needs_the_other() {
    let world = SqliteWorld::new();
    let staging = world.open();
    put(&*staging, 3, &[(NAME, "C")]);
    let made = queue(&*staging, &Wish::new(1, 1, MutationKind::Create, &[(NAME, "A")]));
    queue(&*staging, &Wish::new(2, 1, MutationKind::Update, &[(NAME, "B")]).after(1));
    queue(&*staging, &Wish::new(3, 2, MutationKind::Create, &[(NAME, "child")]).after(1));
    queue(&*staging, &Wish::new(4, 3, MutationKind::Update, &[(CITY, "x")]));
    queue(&*staging, &Wish::new(5, 4, MutationKind::Delete, &[]));
    let other = Wish { install: 9, ..Wish::new(1, 5, MutationKind::Delete, &[]) };
    queue(&*staging, &other);
    assert_eq!(numbers(&*staging), [1, 4, 1]);
    assert_eq!(ready(&*staging, &schema(), &BTreeSet::from([place(&*staging, &made)]), 9).unwrap().len(), 2);
    settle(&*staging, place(&*staging, &made), &written(&json(1, &[(NAME, "A")]), "1")).unwrap();
    assert_eq!(numbers(&*staging), [2, 3, 4, 1]);
    for _ in 0..3 {
        let first = &ready_now(&*staging, 1)[0];
        let RowId::Uuid([row, ..]) = first.entry.id else { panic!() };
        settle(&*staging, first.place, &written(&json(row, &[(NAME, "A")]), "1")).unwrap().unwrap();
    }
    assert_eq!(numbers(&*staging), [5, 1], "the deletion has waited for what its device wrote before");
}

#[test]
fn a_refused_creation_takes_along_what_cannot_be_without_it() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let made = queue(&*staging, &Wish::new(1, 1, MutationKind::Create, &[(NAME, "A")]));
    let over = queue(&*staging, &Wish { install: 9, ..Wish::new(1, 1, MutationKind::Update, &[(NAME, "B")]) });
    let child = queue(&*staging, &Wish::new(2, 2, MutationKind::Create, &[(NAME, "child")]).after(1));
    let grandchild = queue(&*staging, &Wish::new(3, 3, MutationKind::Create, &[(NAME, "grandchild")]).after(2));
    let free = queue(&*staging, &Wish::new(4, 4, MutationKind::Create, &[(NAME, "free")]));
    let settled = settle(&*staging, place(&*staging, &made), &refused()).unwrap().unwrap();
    assert_eq!((settled.outcome, settled.blocked), (MutationOutcome::Forbidden, 3));
    assert_eq!(
        (answer(&*staging, &made).message.as_str(), answer(&*staging, &made).reason()),
        ("not you", ErrorReason::WriteForbidden)
    );
    for blocked in [over, child, grandchild] {
        assert_eq!(answer(&*staging, &blocked).outcome(), MutationOutcome::Blocked);
    }
    assert_eq!(answer(&*staging, &free).outcome(), MutationOutcome::Queued);
    let log = staging.snapshot().unwrap().ledger().refused(LedgerPlace(0), 9).unwrap();
    assert_eq!(log.len(), 4, "they are in the log of refusals");
    discard_refusal(&*staging, log[0].0).unwrap();
    let settlements = staging.snapshot().unwrap().ledger().settlements(&made, 0, 9).unwrap();
    assert_eq!((settlements.recorded.len(), settlements.last), (3, 4));
    assert_eq!(staging.snapshot().unwrap().ledger().settled_after(2, 9).unwrap().1, 4);
}

#[test]
fn what_others_have_changed_since_is_in_conflict_and_what_one_wrote_oneself_is_not() {
    let world = SqliteWorld::new();
    let staging = world.open();
    put(&*staging, 1, &[(NAME, "A"), (CITY, "x")]);
    let first = queue(&*staging, &Wish::new(1, 1, MutationKind::Update, &[(NAME, "B")]));
    queue(&*staging, &Wish::new(2, 1, MutationKind::Update, &[(NAME, "C")]));
    queue(&*staging, &Wish::new(3, 1, MutationKind::Delete, &[]));
    put(&*staging, 1, &[(NAME, "A"), (CITY, "y")]);
    assert!(ready_now(&*staging, 1)[0].conflicts.is_empty(), "another field is no conflict");
    settle(&*staging, place(&*staging, &first), &written(&json(1, &[(NAME, "b."), (CITY, "y")]), "1")).unwrap();
    assert!(ready_now(&*staging, 1)[0].conflicts.is_empty(), "the source's form of an own value is no conflict");
    put(&*staging, 1, &[(NAME, "Z")]);
    let second = &ready_now(&*staging, 1)[0];
    assert_eq!(second.conflicts, [AttributeNumber(NAME)]);
    settle(&*staging, second.place, &refused()).unwrap();
    assert!(ready_now(&*staging, 1)[0].is_overtaken);
}

#[test]
fn an_own_refused_value_is_taken_back_from_what_stands_on_it() {
    let world = SqliteWorld::new();
    let staging = world.open();
    put(&*staging, 1, &[(NAME, "A")]);
    let first = queue(&*staging, &Wish::new(1, 1, MutationKind::Update, &[(NAME, "B")]));
    queue(&*staging, &Wish::new(2, 1, MutationKind::Update, &[(NAME, "C")]));
    settle(&*staging, place(&*staging, &first), &refused()).unwrap();
    let second = &ready_now(&*staging, 1)[0];
    assert_eq!((text(&second.queued.old, NAME), second.conflicts.len()), ("A".into(), 0));
}

#[test]
fn what_is_withdrawn_while_it_waits_goes_on_and_is_withdrawn_if_it_is_refused() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let waiting = [1, 2, 3, 4].map(|number| {
        let origin = queue(&*staging, &Wish::new(number, number as u8, MutationKind::Create, &[(NAME, "A")]));
        let mut commit = staging.begin().unwrap();
        assert!(commit.ledger().withdraw(&origin).unwrap());
        commit.finish().unwrap();
        place(&*staging, &origin)
    });
    let row = json(1, &[(NAME, "A")]);
    let settled = |at: usize, settlement| settle(&*staging, waiting[at], &settlement).unwrap().unwrap().outcome;
    assert_eq!(settled(0, written(&row, "1")), MutationOutcome::Applied);
    assert_eq!(settled(1, refused()), MutationOutcome::Forbidden);
    assert_eq!(settled(2, Settlement::Unknown), MutationOutcome::Invalid, "nobody has it, and nobody wants it");
    assert_eq!(numbers(&*staging), [4]);
    let snapshot = staging.snapshot().unwrap();
    let log = snapshot.ledger().refused(LedgerPlace(0), 9).unwrap();
    let made: Vec<_> = log.iter().map(|(_, it)| (it.origin.number, it.resolution)).collect();
    assert_eq!(made, [(2, Resolution::Withdrawn), (3, Resolution::Withdrawn)]);
    let told = snapshot.ledger().settlements(&log[0].1.origin, 0, 9).unwrap();
    let told: Vec<_> = told.recorded.iter().map(|it| it.place).collect();
    assert_eq!(told, waiting[..1], "what is withdrawn and refused is no news");
}

#[test]
fn what_waits_travels_with_the_ledger() {
    let worlds = [SqliteWorld::new(), SqliteWorld::new()];
    let (staging, next) = (worlds[0].open(), worlds[1].open());
    let made = queue(&*staging, &Wish::new(1, 1, MutationKind::Create, &[(NAME, "A")]));
    queue(&*staging, &Wish::new(2, 1, MutationKind::Update, &[(NAME, "B")]).after(1));
    let (page, _) = export_ledger(&*staging.snapshot().unwrap(), LedgerPlace(0), 9).unwrap();
    assert_eq!((import_ledger(&*next, &page).unwrap(), import_ledger(&*next, &page).unwrap()), (2, 0));
    assert_eq!(next.snapshot().unwrap().ledger().queue_standing().unwrap().waiting, 2);
    assert_eq!(numbers(&*next), [1]);
    settle(&*next, place(&*next, &made), &written(&json(1, &[(NAME, "A")]), "1")).unwrap().unwrap();
    assert_eq!(numbers(&*next), [2]);
}

#[test]
fn the_standing_counts_what_waits_and_what_it_weighs() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let standing = || staging.snapshot().unwrap().ledger().queue_standing().unwrap();
    put(&*staging, 1, &[(NAME, "A")]);
    let first = queue(&*staging, &Wish::new(1, 1, MutationKind::Update, &[(NAME, "B")]));
    let alone = standing();
    queue(&*staging, &Wish::new(2, 1, MutationKind::Update, &[(NAME, "C")]));
    assert_eq!((alone.waiting, standing().waiting), (1, 2));
    assert!(alone.bytes > 0 && standing().bytes > alone.bytes);
    settle(&*staging, place(&*staging, &first), &written(&json(1, &[(NAME, "longer")]), "1")).unwrap();
    let left = ready_now(&*staging, 1).remove(0);
    let weight = left.queued.bytes() as u64 + left.queued.effect.encoded_len() as u64;
    assert_eq!((standing().waiting, standing().bytes), (1, weight - left.queued.effect.values.len() as u64));
    settle(&*staging, left.place, &refused()).unwrap();
    assert_eq!((standing().waiting, standing().bytes, standing().oldest_at_us), (0, 0, 0));
}

#[test]
fn what_waits_keeps_the_source_that_it_was_accepted_for() {
    let worlds = [SqliteWorld::new(), SqliteWorld::new()];
    let (staging, next) = (worlds[0].open(), worlds[1].open());
    bind(&*staging, b"old").unwrap();
    queue(&*staging, &Wish::new(1, 1, MutationKind::Create, &[(NAME, "A")]));
    bind(&*staging, b"new").unwrap();
    queue(&*staging, &Wish::new(2, 2, MutationKind::Create, &[(NAME, "B")]));
    bind(&*next, b"other").unwrap();
    let (page, _) = export_ledger(&*staging.snapshot().unwrap(), LedgerPlace(0), 9).unwrap();
    import_ledger(&*next, &page).unwrap();
    queue(&*next, &Wish::new(3, 3, MutationKind::Create, &[(NAME, "C")]));
    let sources: Vec<_> = ready_now(&*next, 9).into_iter().map(|it| it.queued.source).collect();
    assert_eq!(sources, [&b"old"[..], b"new", b"other"]);
    assert_eq!((refuse_replaced(&*next, false).unwrap(), refuse_replaced(&*next, false).unwrap()), (2, 0));
    assert_eq!(numbers(&*next), [3]);
    let origin = |number| Origin { install: [1; 16], user: [2; 16], number };
    let answer = answer(&*next, &origin(1));
    assert_eq!((answer.outcome(), answer.reason()), (MutationOutcome::Invalid, ErrorReason::SourceReplaced));
    assert_eq!((refuse_replaced(&*next, true).unwrap(), numbers(&*next)), (1, vec![]));
}

#[test]
fn a_long_chain_of_dependants_is_blocked_with_its_beginning() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let first = queue(&*staging, &Wish::new(1, 1, MutationKind::Create, &[(NAME, "A")]));
    for number in 2..=100 {
        queue(&*staging, &Wish::new(number, number as u8, MutationKind::Create, &[(NAME, "B")]).after(number - 1));
    }
    queue(&*staging, &Wish { install: 2, ..Wish::new(1, 100, MutationKind::Update, &[(NAME, "C")]) });
    queue(&*staging, &Wish { install: 2, ..Wish::new(2, 200, MutationKind::Create, &[(NAME, "C")]) }.after(1));
    queue(&*staging, &Wish::new(101, 201, MutationKind::Create, &[(NAME, "D")]));
    let settled = settle(&*staging, place(&*staging, &first), &refused()).unwrap().unwrap();
    assert_eq!((settled.blocked, numbers(&*staging)), (101, vec![101]));
}

#[test]
fn a_repeat_is_asked_for_before_it_is_blocked() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let made = queue(&*staging, &Wish::new(1, 1, MutationKind::Create, &[(NAME, "A")]));
    let over = queue(&*staging, &Wish::new(2, 1, MutationKind::Update, &[(NAME, "B")]).after(1));
    queue(&*staging, &Wish::new(3, 2, MutationKind::Create, &[(NAME, "C")]).after(2));
    let place = |origin| place(&*staging, origin);
    let mut commit = staging.begin().unwrap();
    let turn = commit.queue().queued_at(place(&over)).unwrap().unwrap().turn;
    commit.queue().is_repeat(turn, Repeat::Taken).unwrap();
    commit.finish().unwrap();
    let weight = || staging.begin().unwrap().queue().standing().unwrap().bytes;
    let before = weight();
    let settled = settle(&*staging, place(&made), &refused()).unwrap().unwrap();
    assert_eq!((settled.blocked, numbers(&*staging)), (0, vec![2]), "what depends on it waits for it");
    assert!(weight() < before, "it will change nothing any more");
    let waiting = staging.begin().unwrap().queue().queued_of(ACCOUNT, &id(1)).unwrap();
    assert_eq!(composed(None, &waiting).unwrap(), None, "nobody sees it meanwhile");
    let settled = settle(&*staging, place(&over), &Settlement::Unknown).unwrap().unwrap();
    assert_eq!((settled.outcome, settled.blocked, weight()), (MutationOutcome::Blocked, 1, 0));
}

#[test]
fn no_more_than_some_megabytes_of_what_waits_are_held_at_once() {
    let worlds = [SqliteWorld::new(), SqliteWorld::new()];
    let (staging, next) = (worlds[0].open(), worlds[1].open());
    let picture = "p".repeat(WAITING_BYTES_MAX / 2);
    for number in 1..=3 {
        queue(&*staging, &Wish::new(number, number as u8, MutationKind::Create, &[(NAME, &picture)]));
    }
    assert!(ready_now(&*staging, 9).len() < 3);
    let (mut after, mut pages, mut entered) = (LedgerPlace(0), 0, 0);
    loop {
        let (page, last) = export_ledger(&*staging.snapshot().unwrap(), after, 9).unwrap();
        if page.is_empty() {
            break;
        }
        (after, pages, entered) = (last, pages + 1, entered + import_ledger(&*next, &page).unwrap());
    }
    assert_eq!((pages > 1, entered), (true, 3));
}

#[test]
fn a_row_that_is_none_of_the_mutations_leaves_it_queued() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let made = queue(&*staging, &Wish::new(1, 1, MutationKind::Create, &[(NAME, "A")]));
    for row in [json(2, &[]), b"[]".to_vec(), br#"{"accountid":"x y","nme":"A"}"#.to_vec()] {
        let error = settle(&*staging, place(&*staging, &made), &written(&row, "1")).unwrap_err();
        assert!(matches!(error, StagingError::SourceRowInvalid(_)), "{error}");
    }
    assert_eq!(numbers(&*staging), [1]);
}

#[test]
fn a_value_that_no_device_can_hold_is_left_out_of_the_sources_row() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let made = queue(&*staging, &Wish::new(1, 1, MutationKind::Create, &[(NAME, "A")]));
    let mut told: serde_json::Value = serde_json::from_slice(&json(1, &[(NAME, "A")])).unwrap();
    told["city"] = serde_json::json!({"lat": 1});
    settle(&*staging, place(&*staging, &made), &written(told.to_string().as_bytes(), "1")).unwrap().unwrap();
    assert!(numbers(&*staging).is_empty());
    assert_eq!(row(&*staging, 1), Some(("A".into(), String::new())));
}

#[test]
fn what_is_settled_together_is_settled_whole_or_not_at_all() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let made =
        [1, 2].map(|row| queue(&*staging, &Wish::new(u64::from(row), row, MutationKind::Create, &[(NAME, "A")])));
    let [first, second] = made.each_ref().map(|made| place(&*staging, made));
    let (good, bad) = ([1, 2].map(|row| json(row, &[(NAME, "A")])), json(3, &[]));
    let settle_with =
        |row| queue::settle(&*staging, &schema(), &[(first, written(&good[0], "1")), (second, written(row, "1"))]);
    assert!(matches!(settle_with(&bad), Err(StagingError::SourceRowInvalid(_))));
    assert_eq!((numbers(&*staging), row(&*staging, 1)), (vec![1, 2], None));
    let settled: Vec<_> = settle_with(&good[1]).unwrap().into_iter().map(Option::unwrap).collect();
    assert!(settled.iter().all(|it| it.outcome == MutationOutcome::Applied) && numbers(&*staging).is_empty());
    assert!(settled[0].lsn < settled[1].lsn, "each row draws its own");
    assert_eq!(settle_with(&good[1]).unwrap(), [None, None]);
}

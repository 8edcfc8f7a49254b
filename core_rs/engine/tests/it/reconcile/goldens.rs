//! Plays the golden session scripts (tests/golden/sessions, whose README tells the format) on the machine.
//!
//! The Python device plays the same files from the other end. A plain device runs along here, so that what a script
//! says of the device is true as well.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use haversack_engine::ids::{EntityNumber, Instant, Lsn, Ordinal, Revision};
use haversack_engine::reconcile::{Cookie, Fetched, Limits, Mode, Opened, Opening, ReconcileError, Session, Step};
use haversack_engine::view::{Denial, View};
use haversack_proto::sync::{self, sync_event::Event};
use roaring::RoaringBitmap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::device::{Device, Request, unpack};
use super::world::{Row, World};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    name: String,
    #[serde(rename = "story")]
    _story: String,
    limits: ScriptLimits,
    #[serde(rename = "script")]
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptLimits {
    batch_bytes: u64,
    batch_rows: usize,
    passes: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Item {
    World(Patch),
    Connect(Connect),
    Events(Vec<Value>),
    Device(Contents),
    Damage {
        entity: u32,
        ordinal: Ordinal,
        lsn: u64,
    },
    Denied {
        reason: String,
    },
    Hopeless {
        entity: u32,
    },
    LoseCookie {},
    /// What a device writes, what it is told of that and what it shows are no matter of the machine.
    #[serde(alias = "answered", alias = "outbox", alias = "shown")]
    Write(#[expect(dead_code, reason = "it is passed over")] Value),
    Idle {},
    End {},
    Cut {},
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    epoch: Option<String>,
    lsn: u64,
    revision: Option<u64>,
    instant_us: Option<i64>,
    model: Option<ScriptModel>,
    #[serde(default)]
    rows: Vec<ScriptRow>,
    views: Option<Vec<Wanted>>,
    denial: Option<String>,
    #[serde(default)]
    false_digests: Vec<FalseDigest>,
}

#[derive(Deserialize)]
struct ScriptModel {
    version: String,
    entities: Vec<ScriptEntity>,
}

#[derive(Deserialize)]
struct ScriptEntity {
    entity: u32,
    fingerprint: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptRow {
    entity: u32,
    ordinal: Ordinal,
    lsn: u64,
    size: u32,
    values: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    entity: u32,
    ordinals: Vec<Ordinal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FalseDigest {
    entity: u32,
    digest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Connect {
    mode: String,
    cookie: usize,
    holdings: Value,
    inventories: Value,
    mismatches: Value,
    #[serde(default, rename = "unanswered")]
    _unanswered: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    entities: Vec<Value>,
}

/// One script under way.
struct Play {
    limits: Limits,
    epoch: Vec<u8>,
    world: World,
    values: BTreeMap<(u32, Ordinal), Value>,
    false_digests: BTreeMap<u32, u64>,
    model_version: u64,
    /// Entities of that model.
    model: BTreeSet<EntityNumber>,
    session: Option<Session>,
    device: Device,
    /// How many events there were.
    events: usize,
    /// Number of the event whose cookie the device has.
    cookie: usize,
}

#[test]
fn the_machine_plays_every_script() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/sessions");
    let entries = std::fs::read_dir(&directory).expect("the scripts are part of the repository");
    let mut scripts: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    assert!(scripts.len() >= 9, "scripts are missing from {}", directory.display());
    for path in scripts {
        let script: Script = serde_json::from_slice(&std::fs::read(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(path.file_stem(), Some(script.name.as_ref()));
        play(script);
    }
}

fn play(script: Script) {
    let ScriptLimits { batch_bytes, batch_rows, passes } = script.limits;
    let mut play = Play::new(Limits { batch_bytes, batch_rows, passes });
    for (index, item) in script.items.into_iter().enumerate() {
        play.item(item, &format!("{}, item {index}", script.name));
    }
}

impl Play {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            epoch: Vec::new(),
            world: World::default(),
            values: BTreeMap::new(),
            false_digests: BTreeMap::new(),
            model_version: 0,
            model: BTreeSet::new(),
            session: None,
            device: Device::default(),
            events: 0,
            cookie: 0,
        }
    }

    fn item(&mut self, item: Item, place: &str) {
        match item {
            Item::World(patch) => self.patch(patch),
            Item::Connect(connect) => self.connect(&connect, place),
            Item::Events(events) => {
                for expected in events {
                    if expected.get("answers").is_some() {
                        // The gateway sends them between the machine's events.
                        self.events += 1;
                        continue;
                    }
                    let event = self.next(place);
                    assert_eq!(event, expected, "{place}: got\n{event:#}\ninstead of\n{expected:#}");
                }
            }
            Item::Device(contents) => assert_eq!(self.contents(), contents.entities, "{place}"),
            Item::Damage { entity, ordinal, lsn } => {
                let rows = self.device.rows.get_mut(&EntityNumber(entity)).unwrap();
                rows.get_mut(&ordinal).unwrap().lsn = Lsn(lsn);
            }
            Item::Denied { reason } => assert_eq!(self.step(place), Step::Denied(denial(&reason).unwrap()), "{place}"),
            Item::Hopeless { entity } => {
                let error = self.open(Mode::Once).unwrap_err();
                assert_eq!(error, ReconcileError::DigestMismatch { entity: EntityNumber(entity) }, "{place}");
            }
            Item::LoseCookie {} => (self.device.cookie, self.cookie) = (Vec::new(), 0),
            Item::Write(_) => {}
            Item::Idle {} => assert_eq!(self.step(place), Step::Sleep, "{place}"),
            Item::End {} => assert_eq!(self.step(place), Step::End, "{place}"),
            Item::Cut {} => self.session = None,
        }
    }

    fn patch(&mut self, patch: Patch) {
        let world = &mut self.world;
        self.epoch = patch.epoch.map_or(std::mem::take(&mut self.epoch), |epoch| unhex(&epoch));
        world.lsn = Lsn(patch.lsn);
        world.revision = patch.revision.map_or(world.revision, Revision);
        world.instant = patch.instant_us.map_or(world.instant, Instant);
        world.denial = patch.denial.map_or(world.denial, |reason| denial(&reason));
        self.false_digests.extend(patch.false_digests.iter().map(|it| (it.entity, number(&it.digest))));
        if let Some(model) = patch.model {
            self.model_version = number(&model.version);
            self.model = model.entities.iter().map(|it| EntityNumber(it.entity)).collect();
            for entity in model.entities {
                let table = world.tables.entry(EntityNumber(entity.entity)).or_default();
                table.fingerprint = number(&entity.fingerprint);
            }
        }
        for row in patch.rows {
            self.values.insert((row.entity, row.ordinal), row.values);
            let rows = &mut world.tables.get_mut(&EntityNumber(row.entity)).expect("the model has it").rows;
            let wanted = rows.get(&row.ordinal).is_some_and(|row| row.wanted);
            rows.insert(row.ordinal, Row { lsn: Lsn(row.lsn), size: row.size, wanted });
        }
        if let Some(views) = patch.views {
            world.carried = views.iter().map(|it| EntityNumber(it.entity)).collect();
            for wanted in views {
                let table = world.tables.get_mut(&EntityNumber(wanted.entity)).expect("the model has it");
                table.rows.iter_mut().for_each(|(ordinal, row)| row.wanted = wanted.ordinals.contains(ordinal));
            }
        }
    }

    fn view(&self) -> View {
        let mut view = self.world.view(None);
        for part in &mut view.entities {
            part.digest = self.false_digests.get(&part.entity.0).copied().unwrap_or(part.digest);
        }
        view
    }

    fn connect(&mut self, connect: &Connect, place: &str) {
        assert_eq!(self.cookie, connect.cookie, "{place}: the cookie of another event");
        let request = self.device.request();
        let expected = json!([connect.holdings, connect.inventories, connect.mismatches]);
        assert_eq!(request_json(&request), expected, "{place}: another request");
        let mode = if connect.mode == "LIVE" { Mode::Live } else { Mode::Once };
        self.session = match self.open(mode).unwrap_or_else(|error| panic!("{place}: {error}")) {
            Opened::Session(session) => Some(session),
            Opened::InventoryRequired(required) => {
                self.device.apply(&Event::InventoryRequired(required), &[], 0);
                None
            }
        };
    }

    fn open(&mut self, mode: Mode) -> Result<Opened, ReconcileError> {
        let request = self.device.request();
        let cookie = (self.cookie > 0).then(|| Cookie::decode(&self.device.cookie).unwrap());
        let opening = Opening {
            epoch: &self.epoch,
            cookie: cookie.as_ref(),
            holdings: &request.holdings,
            inventories: &request.inventories,
            mismatches: &request.mismatches,
            mode,
            limits: self.limits,
        };
        Session::open(&opening, &self.view(), &self.world)
    }

    fn step(&mut self, place: &str) -> Step {
        let view = self.view();
        self.session.as_mut().unwrap_or_else(|| panic!("{place}: no stream")).step(&view, &self.world)
    }

    /// The next event, as the script writes it. The device applies it.
    fn next(&mut self, place: &str) -> Value {
        self.events += 1;
        if self.session.is_none() {
            let asked = self.device.request().inventories;
            let blocks: Vec<_> = asked.iter().map(|it| json!({"entity": it.entity, "block": it.block})).collect();
            return json!({"inventory_required": {"blocks": blocks}});
        }
        let version = self.model_version;
        let session = self.session.as_mut().expect("a stream is open");
        if session.model_version() != version && self.world.denial.is_none() {
            session.model_sent(version);
            self.apply(&Event::Model(sync::Model { version, ..sync::Model::default() }));
            return json!({"model": {"version": version.to_string()}});
        }
        let event = self.event(place);
        self.apply(&event);
        self.json(&event)
    }

    fn event(&mut self, place: &str) -> Event {
        loop {
            let fetch = match self.step(place) {
                Step::Send(event) => return event,
                Step::Fetch(fetch) => fetch,
                step => panic!("{place}: {step:?} instead of an event"),
            };
            let read = |&ordinal: &Ordinal| Fetched { ordinal, lsn: self.world.row(fetch.entity, ordinal).lsn };
            let fetched: Vec<_> = fetch.ordinals.iter().map(read).collect();
            let (view, session) = (self.view(), self.session.as_mut().expect("a stream is open"));
            if let Some(admitted) = session.admit(fetch.entity, &fetched, &view, &self.world).unwrap() {
                return Event::Rows(admitted.batch);
            }
        }
    }

    fn apply(&mut self, event: &Event) {
        let cookie = self.session.as_ref().expect("a stream is open").cookie().encode();
        self.device.apply(event, &cookie, 0);
        self.cookie = self.events;
    }

    fn contents(&self) -> Vec<Value> {
        let rows = |entity: EntityNumber| {
            let rows = self.device.rows.get(&entity).into_iter().flatten();
            let rows = rows.map(|(&it, copy)| self.row(entity.0, it, copy.lsn)).collect::<Vec<_>>();
            json!({"entity": entity.0, "digest": self.device.digest(entity).1.to_string(), "rows": rows})
        };
        self.model.iter().map(|&entity| rows(entity)).collect()
    }

    fn row(&self, entity: u32, ordinal: Ordinal, lsn: Lsn) -> Value {
        json!({"ordinal": ordinal, "lsn": lsn.0, "values": self.values[&(entity, ordinal)]})
    }

    fn json(&self, event: &Event) -> Value {
        match event {
            Event::Plan(plan) => {
                let entity = |it: &sync::EntityPlan| json!({"entity": it.entity, "rows": it.rows, "bytes": it.bytes, "removals": it.removals});
                let entities: Vec<_> = plan.entities.iter().map(entity).collect();
                json!({"plan": {"epoch": hex(&plan.epoch), "entities": entities}})
            }
            Event::Removals(it) => {
                json!({"removals": {"entity": it.entity, "ordinals": ordinals(&it.ordinals), "all": it.all}})
            }
            Event::Rows(it) => {
                let rows: Vec<_> = unpack(it).into_iter().map(|(at, lsn)| self.row(it.entity, at, lsn)).collect();
                json!({"rows": {"entity": it.entity, "planned_bytes": it.planned_bytes, "rows": rows}})
            }
            Event::Checkpoint(it) => {
                let digest = |it: &sync::EntityDigest| json!({"entity": it.entity, "count": it.count, "digest": it.digest.to_string()});
                let digests: Vec<_> = it.digests.iter().map(digest).collect();
                json!({"checkpoint": {
                    "lsn": it.lsn, "revision": it.revision, "instant_us": it.instant_us, "digests": digests,
                }})
            }
            Event::PassComplete(it) => json!({"pass_complete": {"floor": it.floor}}),
            event => panic!("the machine does not send {event:?}"),
        }
    }
}

fn request_json(request: &Request) -> Value {
    let block =
        |it: &sync::BlockDigest| json!({"block": it.block, "count": it.count, "membership": it.membership.to_string()});
    let blocks = |it: &sync::EntityBlocks| json!({"entity": it.entity, "blocks": it.blocks.iter().map(block).collect::<Vec<_>>()});
    let inventory =
        |it: &sync::Inventory| json!({"entity": it.entity, "block": it.block, "ordinals": ordinals(&it.ordinals)});
    let mismatch = |it: &sync::DigestMismatch| json!({"entity": it.entity, "attempt": it.attempt});
    json!([
        request.holdings.iter().map(blocks).collect::<Vec<_>>(),
        request.inventories.iter().map(inventory).collect::<Vec<_>>(),
        request.mismatches.iter().map(mismatch).collect::<Vec<_>>(),
    ])
}

fn ordinals(bitmap: &[u8]) -> Vec<Ordinal> {
    if bitmap.is_empty() {
        return Vec::new();
    }
    RoaringBitmap::deserialize_from(bitmap).expect("a bitmap in the portable format").into_iter().collect()
}

fn denial(reason: &str) -> Option<Denial> {
    match reason {
        "" => None,
        "USER_DISABLED" => Some(Denial::UserDisabled),
        other => panic!("no script knows {other}"),
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a decimal number")
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from_digit(digit.into(), 16).expect("four bits are a digit")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("two hexadecimal digits");
    (0..text.len()).step_by(2).map(digit).collect()
}

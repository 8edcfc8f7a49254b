//! Random choices from a seed, and the random parts of an organization: rows, filters, profiles.

use std::collections::BTreeMap;

use haversack_engine::ids::RowKey;
use haversack_proto::model::RecordCriteria as Criteria;
use haversack_proto::model::{
    self, AssociationDirection as Direction, Collation, FiscalPeriod, HierarchyModel as Hierarchy, Ownership,
};

use super::organization::*;

/// What a field of a row holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Integer(i64),
    Real(f64),
    Text(String),
    Truth(bool),
    Id([u8; 16]),
    Entity(u32),
    /// Ascending, without repeats.
    Set(Vec<i64>),
}

pub(crate) type Cells = BTreeMap<u32, Cell>;

/// The base of all instants: 2026-03-28T12:00:00Z, the day before clocks change in Europe.
pub(crate) const START: i64 = 1_774_699_200_000_000;
pub(crate) const MINUTE: i64 = 60_000_000;
pub(crate) const DAY_MICROS: i64 = 1_440 * MINUTE;

/// Where worlds begin: the day before clocks are set in many zones, forward or back; the end of a leap year's February;
/// the last day of a year.
pub(crate) const STARTS: [i64; 9] = [
    START,
    1_772_884_800_000_000, // 2026-03-07T12:00:00Z: America/New_York, America/Havana
    1_775_304_000_000_000, // 2026-04-04T12:00:00Z: Australia/Lord_Howe, America/Santiago, Pacific/Chatham
    1_788_609_600_000_000, // 2026-09-05T12:00:00Z: America/Santiago
    1_790_942_400_000_000, // 2026-10-02T12:00:00Z: Australia/Lord_Howe
    1_792_843_200_000_000, // 2026-10-24T12:00:00Z: Europe/Berlin, Asia/Beirut
    1_793_448_000_000_000, // 2026-10-31T12:00:00Z: America/New_York, America/Havana
    1_709_121_600_000_000, // 2024-02-28T12:00:00Z
    1_798_718_400_000_000, // 2026-12-31T12:00:00Z
];
pub(crate) const ZONES: [&str; 9] = [
    "",
    "Asia/Kolkata",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "America/Havana",
    "America/Santiago",
    "Pacific/Chatham",
];

pub(crate) const WORDS: [&str; 6] = ["alpha", "Alpha", "beta ", "gamma", "Café", "cafe"];
pub(crate) const AMOUNTS: [&str; 4] = ["-3", "1", "2.5", "10"];
pub(crate) const RATES: [f64; 4] = [-1.5, 0.0, 0.25, 1e9];
const DEPTHS: [i64; 5] = [1, 2, 4, 8, 8];
/// Where users own rows, most see little but what is theirs, shared with them or of those below them.
const OWNED_DEPTHS: [i64; 6] = [1, 1, 1, 1, 2, 8];
/// Entities whose rows are shared, the owned ones more often.
const SHARED_ENTITIES: [u32; 6] = [ACCOUNT, ACCOUNT, CONTACT, CONTACT, SITE, USER];
/// What rows are shared for, by the bits of privileges.
const MASKS: [i64; 6] = [0x1, 0x1, 0x3, 0x1_0007, 0xc_0034, 0x2];

/// The id of a row: entity and ordinal, so that tests read it at a glance.
pub(crate) fn key(entity: u32, ordinal: u32) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&entity.to_be_bytes());
    key[12..].copy_from_slice(&ordinal.to_be_bytes());
    key
}

/// A stream of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    state: u64,
    /// The instant around which times lie.
    pub(crate) now: i64,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, now: START }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// The values of a row; lookups point at rows that may not be there yet.
    pub(crate) fn cells(&mut self, entity: u32, counts: &BTreeMap<u32, u32>) -> Cells {
        let mut cells = match entity {
            USER => self.user(counts),
            TEAM => Cells::from([(2, self.id(UNIT, counts)), (3, Cell::Integer(self.of(&[0, 0, 1, 2])))]),
            UNIT => Cells::from([(2, self.id(UNIT, counts))]),
            ROLE => Cells::from([(2, Cell::Integer(self.of(&[0, 1])))]),
            POSITION => Cells::from([(2, self.id(POSITION, counts))]),
            SHARE => self.share(counts),
            SETTINGS => self.settings_of_user(counts),
            MEMBERSHIP => Cells::from([(2, self.id(TEAM, counts)), (3, self.id(USER, counts))]),
            USER_ROLE => Cells::from([(2, self.id(USER, counts)), (3, self.id(ROLE, counts))]),
            TEAM_ROLE => Cells::from([(2, self.id(TEAM, counts)), (3, self.id(ROLE, counts))]),
            PRIVILEGE => self.privilege(counts),
            _ => return self.business_cells(entity, counts),
        };
        if entity != PRIVILEGE && self.chance(5) {
            cells.pop_first();
        }
        cells
    }

    fn user(&mut self, counts: &BTreeMap<u32, u32>) -> Cells {
        let mut cells = Cells::from([
            (2, self.id(UNIT, counts)),
            (3, Cell::Truth(self.chance(5))),
            (4, self.id(USER, counts)),
            (5, self.id(POSITION, counts)),
            (USER_NAME, Cell::Text(self.of(&WORDS).to_owned())),
            (USER_OBJECT, self.id(UNIT, counts)),
        ]);
        cells.retain(|attribute, _| *attribute < 4 || !self.chance(25));
        cells
    }

    /// What a user has chosen, now and then nonsense or nothing.
    fn settings_of_user(&mut self, counts: &BTreeMap<u32, u32>) -> Cells {
        let zone = if self.chance(5) { "Mars/Olympus" } else { self.of(&ZONES) };
        let mut cells = Cells::from([
            (2, self.id(USER, counts)),
            (3, Cell::Integer(self.below(3) as i64)),
            (4, Cell::Text(zone.to_owned())),
        ]);
        cells.retain(|attribute, _| *attribute == 2 || !self.chance(15));
        cells
    }

    /// Rules that hold for all of the organization.
    pub(crate) fn settings(&mut self) -> model::Settings {
        let periods = [FiscalPeriod::Annual, FiscalPeriod::Semester, FiscalPeriod::Quarter, FiscalPeriod::Month];
        let period = if self.chance(25) { FiscalPeriod::FourWeek } else { self.of(&periods) };
        let fiscal = model::FiscalCalendar {
            start_month: self.of(&[0, 1, 2, 4, 10]),
            start_day: self.of(&[0, 1, 6, 31]),
            period: period as i32,
        };
        model::Settings {
            time_zone: self.of(&ZONES).to_owned(),
            collation: self.of(&[Collation::Unspecified, Collation::CiAi, Collation::CiAs]) as i32,
            null_never_matches: self.chance(30),
            week_start: self.of(&[0, 0, 1, 6]),
            fiscal: self.chance(60).then_some(fiscal),
            hierarchy_security: self.chance(80).then(|| self.hierarchy_security()),
            user_attribute: self.of(&["", "systemuserid", "domainname", "azureactivedirectoryobjectid"]).to_owned(),
            ..model::Settings::default()
        }
    }

    /// A row shared with a user, a team or everyone.
    fn share(&mut self, counts: &BTreeMap<u32, u32>) -> Cells {
        let (kind, entity) = (self.of(&[USER, USER, USER, TEAM, TEAM, ORGANIZATION]), self.of(&SHARED_ENTITIES));
        let mut cells = Cells::from([
            (2, self.id(kind, counts)),
            (3, Cell::Entity(kind)),
            (4, self.id(entity, counts)),
            (5, Cell::Entity(entity)),
            (6, Cell::Integer(self.of(&MASKS))),
        ]);
        if self.chance(20) {
            cells.insert(7, Cell::Integer(self.of(&MASKS)));
        }
        cells
    }

    /// What managers see of their reports' rows.
    pub(crate) fn hierarchy_security(&mut self) -> model::HierarchySecurity {
        let models = [Hierarchy::Unspecified, Hierarchy::Manager, Hierarchy::Manager, Hierarchy::Position];
        model::HierarchySecurity {
            model: self.of(&models) as i32,
            depth: self.below(4) as u32,
            excluded_entities: ITEM_ENTITIES
                .map(|entity| name(entity).to_owned())
                .into_iter()
                .filter(|_| self.chance(8))
                .collect(),
        }
    }

    fn privilege(&mut self, counts: &BTreeMap<u32, u32>) -> Cells {
        let (role, entity) = (self.id(ROLE, counts), self.of(&ITEM_ENTITIES));
        let entity = if self.chance(15) { OFFLINE_PROFILE } else { entity };
        let mut cells = self.privilege_of(0, entity);
        cells.insert(2, role);
        if self.chance(30) {
            cells.insert(4, self.privilege_number());
        }
        cells
    }

    /// The number of some privilege, now and then of none.
    pub(crate) fn privilege_number(&mut self) -> Cell {
        Cell::Integer(1 + self.below(9) as i64)
    }

    /// Reading of an entity for a role, to some depth.
    pub(crate) fn privilege_of(&mut self, role: u32, entity: u32) -> Cells {
        Cells::from([
            (2, Cell::Id(key(ROLE, role))),
            (3, Cell::Text(name(entity).to_owned())),
            (4, Cell::Integer(2)),
            (
                5,
                Cell::Integer(if ownership(entity) == Ownership::User {
                    self.of(&OWNED_DEPTHS)
                } else {
                    self.of(&DEPTHS)
                }),
            ),
        ])
    }

    fn business_cells(&mut self, entity: u32, counts: &BTreeMap<u32, u32>) -> Cells {
        let mut cells = Cells::from([
            (NAME, Cell::Text(self.of(&WORDS).to_owned())),
            (SCORE, Cell::Integer(self.below(4) as i64 - 1)),
            (STATE, Cell::Integer(self.below(3) as i64)),
            (FLAG, Cell::Truth(self.chance(50))),
            (AMOUNT, Cell::Text(self.of(&AMOUNTS).to_owned())),
            (DUE, Cell::Integer(self.time())),
            (WALL, Cell::Integer(self.time())),
            (RATE, Cell::Real(self.of(&RATES))),
            (DAY, Cell::Integer(self.time().div_euclid(DAY_MICROS))),
            (LABEL, Cell::Text(self.of(&WORDS).to_owned())),
            (RANK, Cell::Integer(self.below(4) as i64 - 1)),
            (FEE, Cell::Text(self.of(&AMOUNTS).to_owned())),
            (UNTIL, Cell::Integer(self.time())),
            (CHOICES, Cell::Set(self.set())),
        ]);
        cells.retain(|_, _| !self.chance(15));
        if ownership(entity) == Ownership::User {
            self.insert_lookup(&mut cells, (entity, OWNER, 11, &[USER, TEAM]), counts);
        }
        if matches!(ownership(entity), Ownership::User | Ownership::Business) {
            cells.insert(OWNING_UNIT, self.id(UNIT, counts));
        }
        for lookup in LOOKUPS.iter().filter(|lookup| lookup.0 == entity && lookup.1 != OWNER) {
            if self.chance(80) {
                self.insert_lookup(&mut cells, *lookup, counts);
            }
        }
        cells
    }

    /// Some half hour within a week or so, or just beside it; now and then of another year.
    pub(crate) fn time(&mut self) -> i64 {
        let near = (self.below(14 * 48) as i64 - 6 * 48) * 30 * MINUTE;
        let far = if self.chance(15) { (self.below(900) as i64 - 450) * DAY_MICROS } else { 0 };
        let beside = if self.chance(20) { self.of(&[-1, 1, 7 * MINUTE, 37_500_000]) } else { 0 };
        self.now.div_euclid(30 * MINUTE) * 30 * MINUTE + near + far + beside
    }

    /// Some choices, at least one.
    pub(crate) fn set(&mut self) -> Vec<i64> {
        let chosen: Vec<i64> = (1..=3).filter(|_| self.chance(50)).collect();
        if chosen.is_empty() { vec![2] } else { chosen }
    }

    fn insert_lookup(&mut self, cells: &mut Cells, lookup: LookupSpec, counts: &BTreeMap<u32, u32>) {
        let (_, attribute, companion, targets) = lookup;
        let target = self.of(targets);
        cells.insert(attribute, self.id(target, counts));
        if companion != 0 {
            cells.insert(companion, Cell::Entity(target));
        }
    }

    /// The id of some row, now and then of one that is yet to come.
    pub(crate) fn id(&mut self, entity: u32, counts: &BTreeMap<u32, u32>) -> Cell {
        let count = counts.get(&entity).copied().unwrap_or(0);
        Cell::Id(key(entity, self.below(u64::from(count) + 2) as u32))
    }

    /// A profile over a random choice of entities.
    pub(crate) fn profile(&mut self, number: u32, counts: &BTreeMap<u32, u32>) -> model::Profile {
        let mut chosen: Vec<u32> = ITEM_ENTITIES.into_iter().filter(|_| self.chance(70)).collect();
        if chosen.is_empty() {
            chosen.push(ACCOUNT);
        }
        model::Profile {
            name: format!("profile {number}"),
            revision: 1,
            users: self.members(USER, 50, counts),
            teams: self.members(TEAM, 40, counts),
            items: chosen.iter().map(|&entity| self.item(entity, &chosen, counts)).collect(),
            priority: self.below(2) as u32,
            ..model::Profile::default()
        }
    }

    /// Ids of some of the users or teams, now and then of one that is yet to come.
    pub(crate) fn members(&mut self, entity: u32, percent: u64, counts: &BTreeMap<u32, u32>) -> Vec<String> {
        let count = counts.get(&entity).copied().unwrap_or(0);
        (0..=count).filter(|_| self.chance(percent)).map(|row| uuid_text(key(entity, row))).collect()
    }

    /// Two applications; now and then one of them, or none.
    pub(crate) fn apps(&mut self) -> Vec<model::App> {
        let names = APPS[..2].iter().copied().filter(|_| self.chance(85)).collect::<Vec<_>>();
        let app = |name: &str| model::App {
            name: name.to_owned(),
            offline: self.chance(85),
            profiles: ["profile 0", "profile 1", "filters 0", "filters 1", "unpublished"]
                .into_iter()
                .filter(|_| self.chance(60))
                .map(str::to_owned)
                .collect(),
            ..model::App::default()
        };
        names.into_iter().map(app).collect()
    }

    /// A profile in which a filter decides on every entity.
    pub(crate) fn profile_of_filters(&mut self, number: u32, counts: &BTreeMap<u32, u32>) -> model::Profile {
        let users = self.members(USER, if number > 0 { 70 } else { 50 }, counts);
        let teams = self.members(TEAM, if number > 0 { 80 } else { 40 }, counts);
        let item = |entity| {
            let size = self.of(&[1, 1, 2, 3]);
            model::ProfileItem {
                entity: name(entity).to_owned(),
                criteria: Criteria::Custom as i32,
                filter: Some(self.filter(entity, size, counts)),
                ..model::ProfileItem::default()
            }
        };
        let items = [ACCOUNT, CONTACT, SITE, PRODUCT, USER, UNIT].map(item).to_vec();
        model::Profile {
            name: format!("filters {number}"),
            revision: 1,
            users,
            teams,
            items,
            priority: number,
            ..model::Profile::default()
        }
    }

    fn item(&mut self, entity: u32, chosen: &[u32], counts: &BTreeMap<u32, u32>) -> model::ProfileItem {
        let criteria = match ownership(entity) {
            Ownership::None => Criteria::RelatedOnly,
            Ownership::Organization => self.of(&[Criteria::RelatedOnly, Criteria::All, Criteria::Custom]),
            _ => self.of(&[Criteria::RelatedOnly, Criteria::All, Criteria::Other, Criteria::Custom]),
        };
        let other = criteria == Criteria::Other;
        let owned = other && ownership(entity) == Ownership::User;
        let (by_me, by_teams) = (owned && self.chance(60), owned && self.chance(40));
        let may_filter = ownership(entity) != Ownership::None && criteria != Criteria::All;
        let filtered = criteria == Criteria::Custom || (may_filter && self.chance(30));
        model::ProfileItem {
            entity: name(entity).to_owned(),
            criteria: criteria as i32,
            owned_by_me: by_me,
            owned_by_my_teams: by_teams,
            owned_by_my_business_unit: other && (!(by_me || by_teams) || self.chance(30)),
            filter: filtered.then(|| self.filter(entity, 6, counts)),
            associations: self.associations(entity, chosen, counts),
            columns: if self.chance(20) { vec![format!("{}id", name(entity))] } else { vec![] },
            mandatory: self.chance(30),
            priority: self.below(3) as u32,
            sync_interval_minutes: 0,
        }
    }

    fn associations(&mut self, entity: u32, chosen: &[u32], counts: &BTreeMap<u32, u32>) -> Vec<model::Association> {
        let mut found = Vec::new();
        for (referencing, attribute, _, targets) in LOOKUPS {
            for &target in targets.iter().filter(|target| chosen.contains(target) && chosen.contains(&referencing)) {
                let name = relationship_name(referencing, attribute, target);
                if entity == target {
                    found.push((name.clone(), Direction::ToMany, referencing));
                }
                if entity == referencing {
                    found.push((name, Direction::ToOne, target));
                }
            }
        }
        for (link, _, first, _, second) in LINKS {
            if (entity == first || entity == second) && chosen.contains(&first) && chosen.contains(&second) {
                let other = if entity == first { second } else { first };
                let ways = [Direction::Unspecified, Direction::ToMany, Direction::ToOne];
                let way = if first == second { self.of(&ways) } else { Direction::Unspecified };
                found.push((link_name(link), way, other));
            }
        }
        found.retain(|_| self.chance(60));
        let association = |(relationship, way, pulled): (String, Direction, u32)| model::Association {
            relationship,
            direction: way as i32,
            filter: self.chance(25).then(|| self.filter(pulled, 3, counts)),
        };
        found.into_iter().map(association).collect()
    }
}

pub(crate) fn uuid_text(id: [u8; 16]) -> String {
    let hex = format!("{:?}", RowKey(id));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

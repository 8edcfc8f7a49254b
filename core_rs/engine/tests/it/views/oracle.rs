//! The definition of a view, read literally: loops over rows until nothing more comes.

use std::collections::{BTreeMap, BTreeSet};

use haversack_engine::engine::Asker;
use haversack_engine::view::{Denial, Refusal};
use haversack_proto::model::{self, AssociationDirection as Direction, RecordCriteria as Criteria};

use super::access::{Access, READ};
use super::draw::{Cell, Cells, key, uuid_text};
use super::judge::Judge;
use super::organization::*;
use super::world::World;

pub(crate) type Id = [u8; 16];
/// Rows by entity.
type Sets = BTreeMap<u32, BTreeSet<u32>>;

/// Answers for one user.
pub(crate) struct Oracle<'w> {
    world: &'w World,
    user: Id,
    unit: Option<Id>,
    teams: Vec<Id>,
    access: Access<'w>,
    judge: Judge<'w>,
    profile: &'w model::Profile,
    pulls: Vec<Pull<'w>>,
    /// Live rows that pass the organization filter and that the user may read.
    bounds: Sets,
}

/// A lookup towards one of its targets: referencing entity, attribute, target.
pub(crate) type Edge = (u32, u32, u32);

/// An association followed in one direction.
struct Pull<'w> {
    source: u32,
    target: u32,
    way: Way,
    filter: Option<&'w model::Filter>,
}

/// How a pull gets from a row to others.
#[derive(Clone, Copy)]
enum Way {
    ToMany(Edge),
    ToOne(Edge),
    /// By link rows: to the source, and to the target.
    Through(Edge, Edge),
}

/// Why there is no view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Denied(Denial),
    Refused(Refusal),
}

/// The profiles that count for an application, or without one.
fn profiles_of_app<'w>(world: &'w World, app: &str) -> Result<Vec<&'w model::Profile>, Refusal> {
    let all = world.model.profiles.iter();
    if app.is_empty() {
        return Ok(all.collect());
    }
    let app = world.model.apps.iter().find(|it| it.name == app).ok_or(Refusal::AppUnknown)?;
    if !app.offline {
        return Err(Refusal::AppNotEnabled);
    }
    Ok(all.filter(|profile| app.profiles.contains(&profile.name)).collect())
}

/// Which of these profiles a user follows.
fn followed<'w>(profiles: &[&'w model::Profile], access: &Access<'_>) -> Option<&'w model::Profile> {
    let names_user = |it: &model::Profile| it.users.contains(&uuid_text(access.user));
    let names_team = |it: &model::Profile| access.teams.iter().any(|team| it.teams.contains(&uuid_text(*team)));
    let has_user = profiles.iter().filter(|it| names_user(it) || names_team(it));
    has_user.min_by_key(|it| (!names_user(it), it.priority, it.name.as_str())).copied()
}

impl<'w> Oracle<'w> {
    /// Fails with what whoever asks should be told.
    pub(crate) fn new(world: &'w World, asker: &Asker) -> Result<Self, Answer> {
        let user = asker.user.0;
        let profiles = profiles_of_app(world, &asker.app).map_err(Answer::Refused)?;
        let access = Access::new(world, user).map_err(Answer::Denied)?;
        let profile = followed(&profiles, &access).ok_or(Answer::Denied(Denial::ProfileMissing))?;
        if world.asks_for_privilege() && !access.has(OFFLINE_PROFILE, READ) {
            return Err(Answer::Denied(Denial::ProfileNotReadable));
        }
        let (unit, teams) = (access.unit, access.teams.clone());
        let judge = Judge::new(world, &access);
        let (pulls, bounds) = (pulls(profile), Sets::new());
        let mut oracle = Self { world, user, unit, teams, access, judge, profile, pulls, bounds };
        oracle.bounds = oracle.entities().into_iter().map(|entity| (entity, oracle.admitted(entity))).collect();
        Ok(oracle)
    }

    /// Name of the profile that is followed.
    pub(crate) fn profile_name(&self) -> &'w str {
        &self.profile.name
    }

    /// The rows that the user's device should hold, in download order of entities.
    pub(crate) fn view(&self) -> Vec<(u32, BTreeSet<u32>)> {
        let entities = self.entities();
        let mut sets: Sets = entities.iter().map(|&entity| (entity, BTreeSet::new())).collect();
        loop {
            let mut grown = sets.clone();
            for (&entity, set) in &mut grown {
                let joins = |row: &u32| self.owns(entity, *row) || self.is_pulled(entity, *row, &sets);
                set.extend(self.bounds[&entity].iter().filter(|row| joins(row)));
            }
            if grown == sets {
                break;
            }
            sets = grown;
        }
        entities.into_iter().map(|entity| (entity, sets.remove(&entity).expect("is an entity"))).collect()
    }

    fn entities(&self) -> Vec<u32> {
        let mut items: Vec<(bool, u32, u32)> =
            self.profile.items.iter().map(|item| (!item.mandatory, item.priority, number(&item.entity))).collect();
        items.sort_unstable();
        let mut entities: Vec<u32> = items.iter().map(|item| item.2).collect();
        for (link, _, first, _, second) in LINKS {
            let has = |entity| items.iter().any(|item| item.2 == entity);
            if has(first) && has(second) && !has(link) {
                entities.push(link);
            }
        }
        entities
    }

    /// Live rows that pass the organization filter and that the user may read.
    fn admitted(&self, entity: u32) -> BTreeSet<u32> {
        let metadata = self.world.model.entities.iter().find(|other| other.number == entity).expect("is in the model");
        let limit = metadata.organization_filter.as_ref();
        let readable = self.access.rows(entity, READ);
        let passes = |cells: &Cells| limit.is_none_or(|limit| self.judge.matches(limit, cells));
        alive(self.world, entity)
            .filter(|(ordinal, cells)| passes(cells) && readable.contains(ordinal))
            .map(|(ordinal, _)| ordinal)
            .collect()
    }

    fn owns(&self, entity: u32, row: u32) -> bool {
        let Some(item) = self.profile.items.iter().find(|item| item.entity == name(entity)) else { return false };
        let cells = cells(self.world, entity, row);
        let owner = id(cells, OWNER);
        let unit = unit_of(entity, row, cells);
        let held = item.criteria() == Criteria::Other
            && ((item.owned_by_me && owner == Some(self.user))
                || (item.owned_by_my_teams && self.teams.iter().any(|team| owner == Some(*team)))
                || (item.owned_by_my_business_unit && unit.is_some() && unit == self.unit));
        held || item.criteria() == Criteria::All
            || item.filter.as_ref().is_some_and(|filter| self.judge.matches(filter, cells))
    }

    fn is_pulled(&self, entity: u32, row: u32, sets: &Sets) -> bool {
        let world = self.world;
        let pulls = |pull: &&Pull<'_>| {
            let sources = &sets[&pull.source];
            let has_source =
                |edge: Edge, child: u32| parent(world, edge, child).is_some_and(|row| sources.contains(&row));
            match pull.way {
                Way::ToMany(edge) => has_source(edge, row),
                Way::ToOne(edge) => sources.iter().any(|&child| parent(world, edge, child) == Some(row)),
                Way::Through(near, far) => self.bounds[&near.0]
                    .iter()
                    .any(|&link| parent(world, far, link) == Some(row) && has_source(near, link)),
            }
        };
        let narrows =
            |pull: &Pull<'_>| pull.filter.is_none_or(|filter| self.judge.matches(filter, cells(world, entity, row)));
        let is_in = |edge: Edge| {
            let rows = sets.get(&edge.2);
            rows.is_some_and(|rows| parent(world, edge, row).is_some_and(|parent| rows.contains(&parent)))
        };
        self.pulls.iter().filter(|pull| pull.target == entity).filter(pulls).any(narrows)
            || LINKS.iter().any(|&(link, first, first_entity, second, second_entity)| {
                link == entity && is_in((link, first, first_entity)) && is_in((link, second, second_entity))
            })
    }
}

fn pulls(profile: &model::Profile) -> Vec<Pull<'_>> {
    let mut pulls = Vec::new();
    for (item, association) in profile.items.iter().flat_map(|item| item.associations.iter().map(move |it| (item, it)))
    {
        let (source, filter) = (number(&item.entity), association.filter.as_ref());
        for (way, target) in ways(source, association) {
            pulls.push(Pull { source, target, way, filter });
        }
    }
    pulls
}

/// The ways of an association from rows of `source`, each with the entity that it leads to.
fn ways(source: u32, association: &model::Association) -> Vec<(Way, u32)> {
    let direction = association.direction();
    let mut ways = Vec::new();
    for (referencing, attribute, _, targets) in LOOKUPS {
        let is_meant = |target: &&u32| association.relationship == relationship_name(referencing, attribute, **target);
        for &target in targets.iter().filter(is_meant) {
            let edge = (referencing, attribute, target);
            if source == target && direction != Direction::ToOne {
                ways.push((Way::ToMany(edge), referencing));
            }
            if source == referencing && direction != Direction::ToMany {
                ways.push((Way::ToOne(edge), target));
            }
        }
    }
    for (link, first, first_entity, second, second_entity) in LINKS {
        let ends = [(link, first, first_entity), (link, second, second_entity)];
        for (near, far, way) in [(ends[0], ends[1], Direction::ToMany), (ends[1], ends[0], Direction::ToOne)] {
            let is_meant =
                association.relationship == link_name(link) && [Direction::Unspecified, way].contains(&direction);
            if is_meant && source == near.2 {
                ways.push((Way::Through(near, far), far.2));
            }
        }
    }
    ways
}

pub(crate) fn alive(world: &World, entity: u32) -> impl Iterator<Item = (u32, &Cells)> {
    let rows = world.rows.get(&entity).into_iter().flatten().zip(0..);
    rows.filter_map(|(row, ordinal)| Some((ordinal, row.cells.as_ref()?)))
}

fn cells(world: &World, entity: u32, row: u32) -> &Cells {
    world.rows[&entity][row as usize].cells.as_ref().expect("is alive")
}

pub(crate) fn id(cells: &Cells, attribute: u32) -> Option<Id> {
    match cells.get(&attribute) {
        Some(Cell::Id(id)) => Some(*id),
        _ => None,
    }
}

pub(crate) fn unit_of(entity: u32, ordinal: u32, cells: &Cells) -> Option<Id> {
    match entity {
        UNIT => Some(key(UNIT, ordinal)),
        USER => id(cells, 2),
        _ => id(cells, OWNING_UNIT),
    }
}

/// The row that a live row's lookup refers to, if it refers to one of the target entity that has ever been.
pub(crate) fn parent(world: &World, (referencing, attribute, target): Edge, row: u32) -> Option<u32> {
    let cells = world.rows.get(&referencing)?[row as usize].cells.as_ref()?;
    let wanted = id(cells, attribute)?;
    let count = world.rows.get(&target).map_or(0, Vec::len) as u32;
    let ordinal = u32::from_be_bytes(wanted[12..].try_into().expect("four bytes"));
    (ordinal < count && key(target, ordinal) == wanted).then_some(ordinal)
}

fn number(entity: &str) -> u32 {
    ITEM_ENTITIES.into_iter().find(|&number| name(number) == entity).expect("is an entity of items")
}

/// What explanations are compared with, one part at a time.
impl Oracle<'_> {
    /// The item of an entity that the user's profile has.
    pub(crate) fn item(&self, entity: u32) -> Option<&model::ProfileItem> {
        self.profile.items.iter().find(|item| item.entity == name(entity))
    }

    /// Whether the item takes a live row for its own sake.
    pub(crate) fn takes(&self, entity: u32, row: u32) -> bool {
        self.owns(entity, row)
    }

    /// Whether rows of a view pull a live row.
    pub(crate) fn pulls(&self, entity: u32, row: u32, view: &[(u32, BTreeSet<u32>)]) -> bool {
        let sets: Sets = view.iter().cloned().collect();
        self.is_pulled(entity, row, &sets)
    }

    /// Whether a live row may be on the device, were it chosen.
    pub(crate) fn admits(&self, entity: u32, row: u32) -> bool {
        self.bounds[&entity].contains(&row)
    }

    /// Whether a filter, or a part of one, takes a live row.
    pub(crate) fn passes(&self, node: &model::FilterNode, entity: u32, row: u32) -> bool {
        self.judge.node(node, cells(self.world, entity, row))
    }
}

//! From a published profile to its graph, with every rule about profiles checked on the way.

use haversack_proto::model;
use haversack_proto::model::{AssociationDirection as Direction, RecordCriteria as Criteria};

use super::access::AccessKeys;
use super::components::components;
use super::fingerprint::fingerprint;
use super::model::{Filters, Limits, plan};
use super::profile::{Bond, Carried, End, Node, Path, Profile, Pull};
use super::rule::Rule;
use crate::columns::{Keys, Needs};
use crate::directory::Holding;
use crate::filter::{Holder, Plan};
use crate::ids::EntityNumber;
use crate::reconcile::ENTITIES_MAX;
use crate::row::{ColumnSelection, FieldType};
use crate::schema::{Entity, Lookup, Ownership, Relationship};

/// Sync interval of an item that states none, in minutes.
const SYNC_INTERVAL_MINUTES_DEFAULT: u32 = 10;
/// What a sync interval may be, in minutes.
const SYNC_INTERVAL_MINUTES: std::ops::RangeInclusive<u32> = 5..=1_440;

/// Compiles the profiles of one model, one after the other.
pub(super) struct ProfileCompiler<'a> {
    pub(super) model: &'a model::Model,
    pub(super) filters: &'a Filters<'a>,
    pub(super) limits: &'a Limits,
    pub(super) needs: &'a mut Needs,
    pub(super) breaches: &'a mut Vec<String>,
}

/// An entity that the profile carries, before it is a node.
struct Draft<'a> {
    entity: &'a Entity,
    /// None for link rows that travel although no item asks for them.
    item: Option<&'a model::ProfileItem>,
    /// Whose it is, for breaches.
    place: String,
}

impl<'a> ProfileCompiler<'a> {
    /// Compiles a profile; what breaches a rule is left out of it.
    pub(super) fn compile(mut self, profile: &'a model::Profile) -> Profile {
        let drafts = self.drafts(profile);
        let bonds = self.bonds(&drafts);
        let pulls: Vec<Pull> = (0..drafts.len()).flat_map(|source| self.pulls(&drafts, source, &bonds)).collect();
        let mut nodes: Vec<Node> = drafts.iter().map(|draft| self.node(draft)).collect();
        connect(&mut nodes, &pulls, &bonds);
        let bond_edges = bonds.iter().flat_map(|bond| bond.ends.map(|end| (end.node, bond.link)));
        let edges: Vec<(usize, usize)> =
            pulls.iter().map(|pull| (pull.source, pull.target)).chain(bond_edges).collect();
        let components = components(nodes.len(), &edges);
        for (number, component) in components.iter().enumerate() {
            component.nodes.iter().for_each(|&node| nodes[node].component = number);
        }
        let mentions_time = rules(&nodes, &pulls).any(Rule::mentions_time);
        Profile {
            name: profile.name.clone(),
            priority: profile.priority,
            items: profile.items.clone(),
            carried: drafts.iter().map(|draft| self.carried(draft)).collect(),
            mentions: mentions(&nodes, &pulls),
            mentions_time,
            nodes,
            pulls,
            bonds,
            components,
        }
    }

    /// The profile's entities in download order; after the items, the links between them that are no items.
    fn drafts(&mut self, profile: &'a model::Profile) -> Vec<Draft<'a>> {
        let mut drafts: Vec<Draft<'a>> = Vec::new();
        for item in &profile.items {
            let place = format!("profile \"{}\", {}", profile.name, item.entity);
            let Some(entity) = self.filters.schema.entity(&item.entity) else {
                self.breach(&place, "is not in the metadata");
                continue;
            };
            if drafts.iter().any(|other| other.entity.number == entity.number) {
                self.breach(&place, "has two items; there can be one for each entity");
                continue;
            }
            if !self.model.entities.iter().any(|other| other.logical_name == item.entity && other.offline) {
                self.breach(&place, "is not enabled for offline use");
            }
            drafts.push(Draft { entity, item: Some(item), place });
        }
        drafts.sort_by_key(|draft| {
            let item = draft.item.expect("links come later");
            (!item.mandatory, item.priority, draft.entity.number)
        });
        self.append_links(&mut drafts, &profile.name);
        if drafts.len() > ENTITIES_MAX {
            let problem = format!("carries {} entities; a device can hold {ENTITIES_MAX}", drafts.len());
            self.breach(&format!("profile \"{}\"", profile.name), &problem);
        }
        drafts
    }

    fn append_links(&self, drafts: &mut Vec<Draft<'a>>, profile: &str) {
        let has = |drafts: &[Draft<'_>], entity| drafts.iter().any(|draft| draft.entity.number == entity);
        let mut links: Vec<EntityNumber> = self.links(drafts).into_iter().map(|(first, _)| first.referencing).collect();
        links.sort_unstable();
        for link in links {
            if let Some(entity) = self.filters.schema.entity_by_number(link).filter(|_| !has(drafts, link)) {
                drafts.push(Draft { entity, item: None, place: format!("profile \"{profile}\", {}", entity.name) });
            }
        }
    }

    /// The many-to-many relationships between entities of the profile, as lookups of their link rows.
    fn links(&self, drafts: &[Draft<'_>]) -> Vec<(Lookup, Lookup)> {
        let has_item = |entity| drafts.iter().any(|draft| draft.item.is_some() && draft.entity.number == entity);
        let between = self.filters.schema.relationships().filter_map(|(_, relationship)| match relationship {
            Relationship::ManyToMany { first, second } => Some((*first, *second)),
            Relationship::OneToMany(_) => None,
        });
        let mut links: Vec<(Lookup, Lookup)> =
            between.filter(|(first, second)| has_item(first.referenced) && has_item(second.referenced)).collect();
        links.sort_unstable();
        links.dedup();
        links
    }

    fn bonds(&mut self, drafts: &[Draft<'_>]) -> Vec<Bond> {
        let links = self.links(drafts);
        let node = |entity| place_of(drafts, entity).expect("links are between nodes, and are nodes");
        links
            .into_iter()
            .map(|(first, second)| {
                let ends = [first, second].map(|lookup| (lookup, node(lookup.referenced)));
                Bond {
                    link: node(first.referencing),
                    ends: ends.map(|(lookup, node)| End { edges: self.edges(lookup), node }),
                }
            })
            .collect()
    }

    fn edges(&mut self, lookup: Lookup) -> crate::columns::EdgesNumber {
        let referencing =
            self.filters.schema.entity_by_number(lookup.referencing).expect("the schema resolved the lookup");
        self.needs.lookup(referencing, lookup)
    }

    fn pulls(&mut self, drafts: &[Draft<'a>], source: usize, bonds: &[Bond]) -> Vec<Pull> {
        let draft = &drafts[source];
        let associations = draft.item.map_or(&[][..], |item| &item.associations);
        let mut pulls = Vec::new();
        for (number, association) in associations.iter().enumerate() {
            let place = format!("{}, association {}", draft.place, association.relationship);
            for (pulled, path) in self.paths(draft.entity.number, association, bonds, &place) {
                let target = place_of(drafts, pulled).filter(|&target| drafts[target].item.is_some());
                let Some(target) = target else {
                    let name = self.filters.schema.entity_by_number(pulled).map_or("", |entity| &entity.name);
                    self.breach(&place, &format!("pulls {name}, which has no item in the profile"));
                    continue;
                };
                let entity = drafts[target].entity;
                let filter = self.rule(association.filter.as_ref(), entity, &place).unwrap_or(Rule::Everything);
                pulls.push(Pull { source, target, association: number, path, filter });
            }
        }
        pulls
    }

    /// Where an association leads from rows of `entity`, and how.
    fn paths(
        &mut self,
        entity: EntityNumber,
        association: &model::Association,
        bonds: &[Bond],
        place: &str,
    ) -> Vec<(EntityNumber, Path)> {
        match self.filters.schema.relationship(&association.relationship) {
            Some(Relationship::OneToMany(lookup)) => {
                let lookup = *lookup;
                self.lookup_path(entity, lookup, association.direction(), place).into_iter().collect()
            }
            Some(Relationship::ManyToMany { first, second }) => {
                let (first, second) = (*first, *second);
                self.link_paths(entity, (first, second), association.direction(), bonds, place)
            }
            None => {
                self.breach(place, "is no relationship between two entities of the metadata");
                Vec::new()
            }
        }
    }

    fn lookup_path(
        &mut self,
        entity: EntityNumber,
        lookup: Lookup,
        direction: Direction,
        place: &str,
    ) -> Option<(EntityNumber, Path)> {
        let (to_many, to_one) = (lookup.referenced == entity, lookup.referencing == entity);
        let direction = match (direction, to_many, to_one) {
            (Direction::Unspecified, true, false) => Direction::ToMany,
            (Direction::Unspecified, false, true) => Direction::ToOne,
            (stated, _, _) => stated,
        };
        let problem = match (direction, to_many, to_one) {
            (_, false, false) => "is not a relationship of this entity",
            (Direction::Unspecified, _, _) => "links the entity with itself; its direction has to be stated",
            (Direction::ToMany, true, _) => return Some((lookup.referencing, Path::ToMany(self.edges(lookup)))),
            (Direction::ToOne, _, true) => return Some((lookup.referenced, Path::ToOne(self.edges(lookup)))),
            _ => "cannot be followed in the stated direction from this entity",
        };
        self.breach(place, problem);
        None
    }

    /// A link of an entity with itself is followed both ways, or in the stated direction: `TO_MANY` from the first
    /// end to the second.
    fn link_paths(
        &mut self,
        entity: EntityNumber,
        (first, second): (Lookup, Lookup),
        direction: Direction,
        bonds: &[Bond],
        place: &str,
    ) -> Vec<(EntityNumber, Path)> {
        let is_loop = first.referenced == second.referenced;
        let (first_edges, second_edges) = (self.edges(first), self.edges(second));
        let ends = [(first, first_edges), (second, second_edges)];
        let mut paths = Vec::new();
        for (near, far, way) in [(ends[0], ends[1], Direction::ToMany), (ends[1], ends[0], Direction::ToOne)] {
            let excluded = is_loop && direction != Direction::Unspecified && direction != way;
            if near.0.referenced != entity || excluded {
                continue;
            }
            let bond = bonds.iter().find(|bond| bond.ends.map(|end| end.edges) == [first_edges, second_edges]);
            // Without a bond the other end has no item, and the caller refuses the path.
            let link = bond.map_or(0, |bond| bond.link);
            paths.push((far.0.referenced, Path::Through { link, near: near.1, far: far.1 }));
        }
        if paths.is_empty() {
            self.breach(place, "is not a relationship of this entity");
        }
        paths
    }

    fn node(&mut self, draft: &Draft<'_>) -> Node {
        let entity = draft.entity;
        let holding = Holding::of(&entity.name, entity.ownership);
        let access_keys = self.access_keys(entity, holding, &draft.place);
        let own = draft.item.map_or(Rule::Nothing, |item| self.own(item, entity, access_keys, &draft.place));
        let limit = self.limits.get(&entity.number).unwrap_or(&Plan::All);
        Node {
            name: entity.name.clone(),
            table: self.needs.table(entity.number),
            holding,
            own,
            limit: Rule::from_plan(limit, entity, self.filters, self.needs),
            access_keys,
            component: 0,
            pulls_in: Vec::new(),
            bonds_in: Vec::new(),
            pulls_out: Vec::new(),
            bonds_out: Vec::new(),
        }
    }

    fn access_keys(&mut self, entity: &Entity, holding: Holding, place: &str) -> AccessKeys {
        let none = AccessKeys { owner: None, unit: None };
        match holding {
            Holding::Owned => AccessKeys {
                owner: self.keys(entity, &["ownerid"], place),
                unit: self.keys(entity, &["owningbusinessunit"], place),
            },
            Holding::OfUnits if entity.name == "businessunit" => AccessKeys { unit: Some(Keys::Own), ..none },
            Holding::OfUnits | Holding::Users => AccessKeys {
                owner: (holding == Holding::Users).then_some(Keys::Own),
                unit: self.keys(entity, &["businessunitid", "owningbusinessunit"], place),
            },
            Holding::OfOrganization | Holding::OfRows => none,
        }
    }

    /// The first of these attributes that the entity has.
    fn keys(&mut self, entity: &Entity, names: &[&str], place: &str) -> Option<Keys> {
        let attribute = names.iter().find_map(|name| entity.attribute(name));
        let Some(attribute) = attribute.filter(|attribute| FieldType::from(attribute.kind) == FieldType::Id) else {
            self.breach(place, &format!("has no lookup {}, which its ownership asks for", names.join(" or ")));
            return None;
        };
        Some(Keys::Postings(self.needs.postings(entity, attribute.number)))
    }

    fn own(&mut self, item: &model::ProfileItem, entity: &Entity, keys: AccessKeys, place: &str) -> Rule {
        let filter = self.rule(item.filter.as_ref(), entity, place);
        for problem in criteria_problems(item, entity.ownership, filter.is_some()) {
            self.breach(place, problem);
        }
        let held = [
            (item.owned_by_me, keys.owner, Holder::User),
            (item.owned_by_my_teams, keys.owner, Holder::Teams),
            (item.owned_by_my_business_unit, keys.unit, Holder::Unit),
        ];
        let mut parts: Vec<Rule> = filter.into_iter().collect();
        match item.criteria() {
            Criteria::All => return Rule::Everything,
            Criteria::Other => parts.extend(
                held.into_iter()
                    .filter_map(|(wanted, keys, holder)| keys.filter(|_| wanted).map(|keys| Rule::Held(keys, holder))),
            ),
            Criteria::Custom | Criteria::RelatedOnly | Criteria::Unspecified => {}
        }
        match parts.len() {
            0 => Rule::Nothing,
            1 => parts.remove(0),
            _ => Rule::Either(parts),
        }
    }

    /// The rule of a filter; `None` if there is no filter.
    fn rule(&mut self, filter: Option<&model::Filter>, entity: &Entity, place: &str) -> Option<Rule> {
        let plan = plan(filter?, entity, self.filters, place, self.breaches)?;
        Some(Rule::from_plan(&plan, entity, self.filters, self.needs))
    }

    fn carried(&mut self, draft: &Draft<'_>) -> Carried {
        let item = draft.item.cloned().unwrap_or_default();
        let columns =
            if item.columns.is_empty() { None } else { self.columns(draft.entity, &item.columns, &draft.place) };
        let minutes = item.sync_interval_minutes;
        if minutes != 0 && !SYNC_INTERVAL_MINUTES.contains(&minutes) {
            self.breach(&draft.place, &format!("syncs every {minutes} minutes; it can be 5 to 1,440"));
        }
        Carried {
            entity: draft.entity.number,
            fingerprint: fingerprint(draft.entity, columns.as_ref()),
            columns,
            mandatory: item.mandatory,
            sync_interval_minutes: if minutes == 0 { SYNC_INTERVAL_MINUTES_DEFAULT } else { minutes },
        }
    }

    fn columns(&mut self, entity: &Entity, names: &[String], place: &str) -> Option<ColumnSelection> {
        ColumnSelection::of_names(entity, names).map_err(|error| self.breach(place, &error.to_string())).ok()
    }

    fn breach(&mut self, place: &str, problem: &str) {
        self.breaches.push(format!("{place}: {problem}"));
    }
}

/// What is wrong with an item's criteria, given who owns the entity's rows.
fn criteria_problems(item: &model::ProfileItem, ownership: Ownership, has_filter: bool) -> Vec<&'static str> {
    let by_owner = item.owned_by_me || item.owned_by_my_teams;
    let any_held = by_owner || item.owned_by_my_business_unit;
    let criteria = item.criteria();
    let problems = [
        (criteria == Criteria::Unspecified, "states no criteria"),
        (
            ownership == Ownership::None && criteria != Criteria::RelatedOnly,
            "has rows without an owner; its criteria can only be RELATED_ONLY",
        ),
        (ownership == Ownership::None && has_filter, "has rows without an owner; it cannot have a filter of its own"),
        (criteria == Criteria::Custom && !has_filter, "has the criteria CUSTOM, which needs a filter"),
        (criteria == Criteria::All && has_filter, "takes ALL rows; use CUSTOM to take those of a filter"),
        (criteria == Criteria::Other && !any_held, "has the criteria OTHER, which needs one of its owned_by choices"),
        (
            criteria == Criteria::Other && ownership == Ownership::Organization,
            "belongs to the organization; its criteria cannot be OTHER",
        ),
        (
            criteria == Criteria::Other && ownership == Ownership::Business && by_owner,
            "belongs to business units; of the OTHER choices only owned_by_my_business_unit applies",
        ),
    ];
    problems.into_iter().filter(|(breached, _)| *breached).map(|(_, problem)| problem).collect()
}

fn place_of(drafts: &[Draft<'_>], entity: EntityNumber) -> Option<usize> {
    drafts.iter().position(|draft| draft.entity.number == entity)
}

fn connect(nodes: &mut [Node], pulls: &[Pull], bonds: &[Bond]) {
    for (number, pull) in pulls.iter().enumerate() {
        nodes[pull.source].pulls_out.push(number);
        nodes[pull.target].pulls_in.push(number);
    }
    for (number, bond) in bonds.iter().enumerate() {
        nodes[bond.link].bonds_in.push(number);
        nodes[bond.ends[0].node].bonds_out.push(number);
        if bond.ends[1].node != bond.ends[0].node {
            nodes[bond.ends[1].node].bonds_out.push(number);
        }
    }
}

/// Every rule of a profile.
fn rules<'a>(nodes: &'a [Node], pulls: &'a [Pull]) -> impl Iterator<Item = &'a Rule> {
    nodes.iter().flat_map(|node| [&node.own, &node.limit]).chain(pulls.iter().map(|pull| &pull.filter))
}

fn mentions(nodes: &[Node], pulls: &[Pull]) -> Vec<Holder> {
    let holders = [
        Holder::User,
        Holder::Teams,
        Holder::UserOrTeams,
        Holder::Hierarchy,
        Holder::HierarchyAndTeams,
        Holder::Unit,
        Holder::Language,
    ];
    holders.into_iter().filter(|&holder| rules(nodes, pulls).any(|rule| rule.mentions(holder))).collect()
}

//! Who is who: users, teams, business units, roles, positions, shares, and what follows from them.
//!
//! The directory is rows of system entities like any others, and they are fed like any others. It keeps the facts
//! alone, and says on which rows a user has a privilege. There are four ways, and they add up:
//! - *ownership*: the user's rows and those of the user's teams, if the privilege is held to any depth. A role of a team
//!   that hands nothing on to members opens the team's rows alone;
//! - *depth*: rows of business units, seen from the unit of whoever holds the role, or all rows;
//! - *shares*, with the user, a team of the user's, or everyone;
//! - *hierarchy*, where the organization has it: rows that are owned by or shared with those who report to the user.
//!
//! The last two need the privilege to some depth as well.

mod changes;
mod facts;
mod grounds;
mod hierarchy;
mod layout;
mod links;
mod naming;
mod reach;
mod rights;
mod shares;
#[cfg(test)]
mod tests;
mod tree;
mod what_if;

use std::collections::{BTreeSet, HashMap};

use roaring::RoaringBitmap;

use self::changes::Changes;
use self::facts::Facts;
use self::layout::Source;
use self::reach::Reach;
use self::shares::Share;
use crate::columns::RowChange;
use crate::ids::{EntityNumber, Ordinal, RowKey};
use crate::row::{RowError, Value, read, row_key};
use crate::view::Denial;

pub use changes::Affected;
pub use grounds::{Ground, GroundKind};
pub use hierarchy::HierarchyRules;
pub use layout::{Kind, Layout};
pub use rights::{Access, Depth, Holding, Person, Principal, Privilege, Rights, Shared};
pub use shares::Shares;
pub use what_if::{DirectoryChange, DirectoryChangeError};

/// Logical name of the entity whose row is everyone, as a principal of shares.
const ORGANIZATION: &str = "organization";

/// The users, teams, business units, roles, positions and shares of an organization.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    layout: Layout,
    facts: Facts,
    shares: Shares,
    changes: Changes,
    /// Whether somebody has another name than when that was last asked.
    renamed: bool,
}

impl Directory {
    /// Directory entities of a layout whose rows have not been read as it says: all of them have to be fed after
    /// [`Self::install`].
    pub fn missing(&self, layout: &Layout) -> Vec<EntityNumber> {
        let has_objects = layout.carried.is_subset(&self.layout.carried);
        let known = |(entity, source): &(&EntityNumber, &Source)| {
            self.layout.entities.get(entity) == Some(source) && (source.kind != Kind::Share || has_objects)
        };
        layout.entities.iter().filter(|entry| !known(entry)).map(|(&entity, _)| entity).collect()
    }

    /// Takes a model's layout. Facts that were read otherwise are forgotten.
    pub fn install(&mut self, layout: &Layout) {
        let old = std::mem::replace(&mut self.layout, layout.clone());
        self.changes.everyone = true;
        self.renamed = true;
        for (entity, source) in old.entities {
            if self.layout.entities.get(&entity) == Some(&source) {
                continue;
            }
            match source.kind {
                Kind::Share => self.shares = Shares::default(),
                kind => self.facts.forget(kind),
            }
        }
        self.shares.retain(&self.layout.carried);
    }

    /// Takes a row; rows of other entities are passed over. `find` tells the ordinals of rows that have arrived.
    ///
    /// # Errors
    /// The payload is damaged.
    pub fn feed(
        &mut self,
        row: &RowChange<'_>,
        find: impl FnOnce(EntityNumber, RowKey) -> Option<Ordinal>,
    ) -> Result<(), RowError> {
        let Some(source) = self.layout.entities.get(&row.entity) else { return Ok(()) };
        let mut values: Vec<Option<Value<'_>>> = Vec::new();
        if let Some(payload) = row.payload {
            for attribute in &source.attributes {
                values.push(attribute.map(|(number, kind)| read(payload, number, kind)).transpose()?.flatten());
            }
        }
        if source.kind == Kind::Share {
            let share = share(&self.layout, source, &values);
            self.shares.set(row.ordinal, share, find, &mut self.changes);
        } else {
            self.facts.set(source.kind, row.key, row.payload.is_some(), &values, &mut self.changes);
        }
        if let Some(naming) = &source.naming {
            let (number, field) = naming.field();
            let name = row.payload.map(|payload| read(payload, number, field)).transpose()?.flatten();
            self.renamed |= self.facts.name_user(row.key, name.and_then(|name| naming.key(&name)));
        }
        Ok(())
    }

    /// A row has an ordinal now: shares of it count from here on.
    pub fn arrived(&mut self, entity: EntityNumber, key: RowKey, ordinal: Ordinal) {
        self.shares.arrived(entity, key, ordinal, &mut self.changes);
    }

    /// Whom changes since the last call concern.
    pub fn take_affected(&mut self) -> Affected {
        std::mem::take(&mut self.changes).affected(&self.facts, &self.layout.hierarchy)
    }

    /// Rows that are shared.
    pub fn shares(&self) -> &Shares {
        &self.shares
    }

    /// By entity, rows that are shared with others for reading than before. Tells them once.
    pub fn take_moved(&mut self) -> HashMap<EntityNumber, RoaringBitmap> {
        self.shares.take_moved()
    }

    /// Who a user is, under a model's rules of hierarchy.
    ///
    /// # Errors
    /// The user is unknown, or the account is disabled.
    pub fn person(&self, user: RowKey, rules: &HierarchyRules) -> Result<Person, Denial> {
        let facts = self.facts.users.get(&user).ok_or(Denial::UserUnknown)?;
        if facts.disabled {
            return Err(Denial::UserDisabled);
        }
        let below = rules.below(user, &self.facts);
        let hierarchy: BTreeSet<RowKey> = below.iter().map(|(report, _)| *report).chain([user]).collect();
        let hierarchy_teams: BTreeSet<RowKey> = hierarchy.iter().flat_map(|it| self.facts.teams_of(*it)).collect();
        let settings = self.facts.settings_of(user).cloned().unwrap_or_default();
        Ok(Person {
            user,
            unit: facts.unit,
            teams: self.facts.teams_of(user).collect(),
            reports: rules.reports(&below, facts.unit, &self.facts),
            hierarchy: hierarchy.into_iter().collect(),
            hierarchy_teams: hierarchy_teams.into_iter().collect(),
            language: settings.language,
            zone: settings.zone,
        })
    }

    /// The teams of a user, of every type, ascending; none for who is unknown.
    pub fn teams_of(&self, user: RowKey) -> Vec<RowKey> {
        self.facts.teams_of(user).collect()
    }

    /// The users who are members of a team, ascending.
    pub fn members_of(&self, team: RowKey) -> impl Iterator<Item = RowKey> {
        let team = self.facts.teams.contains_key(&team).then_some(team);
        let members = team.into_iter().flat_map(|team| self.facts.members_of(team));
        members.filter(|user| self.facts.users.contains_key(user))
    }

    /// Whether some role of a person's, or of a team of the person's, has a privilege on an entity, however deep.
    pub fn has(&self, person: &Person, entity: &str, privilege: Privilege) -> bool {
        Reach::of(person, entity, privilege, &self.facts).any
    }

    /// On which rows of an entity a person has a privilege.
    pub fn access(&self, person: &Person, entity: &str, holding: Holding, privilege: Privilege) -> Access {
        if holding == Holding::OfRows {
            return Access::All;
        }
        let reach = Reach::of(person, entity, privilege, &self.facts);
        if reach.everything {
            return Access::All;
        }
        if !reach.any || holding == Holding::OfOrganization {
            return Access::None;
        }
        let reports = person.reports.open_to(entity, privilege);
        let owners = match holding {
            Holding::Owned => &reach.owners(person, &self.facts) | &self.facts.owners(reports),
            Holding::Users if reach.direct => BTreeSet::from([person.user]),
            _ => BTreeSet::new(),
        };
        let shared = self.shared(person, entity, reports, privilege);
        if owners.is_empty() && reach.units.is_empty() && shared.is_empty() {
            return Access::None;
        }
        Access::Some { owners: owners.into_iter().collect(), units: reach.units.into_iter().collect(), shared }
    }

    /// The privileges that a person has on rows of an entity, on whichever. Those of rows that belong to other rows are the
    /// rights to those, and all are told.
    pub fn rights(&self, person: &Person, entity: &str, holding: Holding) -> Rights {
        Rights::of(|privilege| {
            holding == Holding::OfRows || {
                let reach = Reach::of(person, entity, privilege, &self.facts);
                reach.everything || (reach.any && holding != Holding::OfOrganization)
            }
        })
    }

    /// Whether a person may make a row of an entity that belongs to `owner` (a user or team). It lies in `unit`, or
    /// else in the owner's business unit. Rows that belong to other rows may be made if those allow it.
    pub fn may_create(
        &self,
        person: &Person,
        entity: &str,
        holding: Holding,
        owner: RowKey,
        unit: Option<RowKey>,
    ) -> bool {
        let reach = Reach::of(person, entity, Privilege::Create, &self.facts);
        let unit = unit.or_else(|| self.facts.unit_of(owner));
        let in_unit = unit.is_some_and(|unit| reach.units.contains(&unit));
        match holding {
            Holding::OfRows => true,
            Holding::OfOrganization => reach.everything,
            Holding::OfUnits | Holding::Users => reach.everything || in_unit,
            Holding::Owned => {
                let reaches = || reach.everything || in_unit || reach.owners(person, &self.facts).contains(&owner);
                self.facts.can_own(owner) && reaches()
            }
        }
    }

    /// Whether rows can belong to this user or team.
    pub fn can_own(&self, owner: RowKey) -> bool {
        (self.facts.users.contains_key(&owner) || self.facts.teams.contains_key(&owner)) && self.facts.can_own(owner)
    }

    /// Whether it is a team.
    pub fn is_team(&self, owner: RowKey) -> bool {
        self.facts.teams.contains_key(&owner)
    }

    /// The business unit of a user or team.
    pub fn unit_of(&self, owner: RowKey) -> Option<RowKey> {
        self.facts.unit_of(owner)
    }

    /// Whether rows of this entity tell something of the directory.
    pub fn contains(&self, entity: EntityNumber) -> bool {
        self.layout.contains(entity)
    }

    /// With whom of the person's and the reports' rows are shared.
    fn shared(&self, person: &Person, entity: &str, reports: &[RowKey], privilege: Privilege) -> Vec<Shared> {
        let number = self.layout.number(entity).filter(|_| !self.shares.is_empty());
        let Some(number) = number else { return Vec::new() };
        let own = person.teams.iter().chain([&person.user]).chain(reports).map(|&key| Principal::One(key));
        let shared = own.chain([Principal::Everyone]).map(|principal| Shared { principal, privilege });
        let found: BTreeSet<Shared> = shared.filter(|shared| self.shares.rows(number, *shared).is_some()).collect();
        found.into_iter().collect()
    }
}

/// What a row of shares says, in the order of [`Kind::Share`]'s words.
fn share(layout: &Layout, source: &Source, values: &[Option<Value<'_>>]) -> Option<Share> {
    let [principal, object, mask, inherited, principal_entity, object_entity, principal_name, object_name] = values
    else {
        return None;
    };
    let entity = |number: &Option<Value<'_>>, name: &Option<Value<'_>>| match (number, name) {
        (Some(Value::Entity(number)), _) => Some(*number),
        (_, Some(Value::Text(name))) => layout.number(name),
        _ => None,
    };
    let bits = |value: &Option<Value<'_>>| if let Some(Value::Integer(bits)) = value { *bits } else { 0 };
    let rights = Rights::from_mask(bits(mask) | bits(inherited));
    let is_everyone =
        entity(principal_entity, principal_name).is_some_and(|it| layout.number(ORGANIZATION) == Some(it));
    let principal = row_key(principal.as_ref()?)?;
    let entity = entity(object_entity, object_name).or(source.sole_object)?;
    let share = Share {
        principal: if is_everyone { Principal::Everyone } else { Principal::One(principal) },
        entity,
        object: row_key(object.as_ref()?)?,
        rights,
    };
    (layout.carried.contains(&entity) && !rights.is_empty()).then_some(share)
}

//! Who writes, and on which rows they have which privilege.

use std::collections::HashMap;

use super::super::inputs::Standing;
use super::super::profile::Carried;
use super::super::{Asker, Engine};
use crate::directory::{Access, Holding, Person, Privilege};
use crate::ids::{EntityNumber, RowKey};
use crate::row::{FieldType, RowError, read, row_key};
use crate::schema::Entity;
use crate::view::{Denial, Refusal};

/// A user who writes, for as long as model and directory stay as they are.
#[derive(Debug)]
pub struct Author {
    pub(super) person: Person,
    /// Which of the model's profiles the user follows.
    profile: usize,
    /// What was worked out so far.
    access: HashMap<(EntityNumber, Privilege), Access>,
}

/// Why somebody may write nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// The user's view is empty.
    Denied(Denial),
    /// The application is not served.
    Refused(Refusal),
}

impl Engine {
    /// Somebody as one who writes.
    ///
    /// # Errors
    /// Why there is no view for the asker, who so may write nothing either.
    pub fn author(&self, asker: &Asker) -> Result<Author, Barred> {
        match self.standing(asker) {
            Standing::Denied(denial) => Err(Barred::Denied(denial)),
            Standing::Refused(refusal) => Err(Barred::Refused(refusal)),
            Standing::Follows(inputs) => {
                let person = self.person(asker.user).map_err(Barred::Denied)?;
                Ok(Author { person, profile: inputs.profile, access: HashMap::new() })
            }
        }
    }

    /// What the author's devices carry of an entity; `None` if nothing.
    pub(super) fn carried_by(&self, author: &Author, entity: EntityNumber) -> Option<&Carried> {
        let profile = self.model.as_ref()?.profiles().get(author.profile)?;
        profile.carried.iter().find(|carried| carried.entity == entity)
    }

    /// Whether the author has a privilege on a row with this payload, by ownership, depth, share or hierarchy. Rows that
    /// belong to other rows are told as allowed: those decide.
    pub(super) fn allows(
        &self,
        author: &mut Author,
        privilege: Privilege,
        entity: &Entity,
        row: RowKey,
        payload: &[u8],
    ) -> Result<bool, RowError> {
        let holding = Holding::of(&entity.name, entity.ownership);
        let Author { person, access, .. } = author;
        let access = access
            .entry((entity.number, privilege))
            .or_insert_with(|| self.directory.access(person, &entity.name, holding, privilege));
        let Access::Some { owners, units, shared } = access else { return Ok(*access == Access::All) };
        let (owner, unit) = holders(entity, holding, row, payload)?;
        let holds = |list: &[RowKey], key: Option<RowKey>| key.is_some_and(|key| list.binary_search(&key).is_ok());
        if holds(owners, owner) || holds(units, unit) {
            return Ok(true);
        }
        let ordinal = self.index.table_of(entity.number).and_then(|table| table.ids().find(row));
        let Some(ordinal) = ordinal else { return Ok(false) };
        let rows = |shared| self.directory.shares().rows(entity.number, shared);
        Ok(shared.iter().any(|shared| rows(*shared).is_some_and(|rows| rows.contains(ordinal))))
    }
}

/// The owner and business unit of a row, as views find them.
fn holders(
    entity: &Entity,
    holding: Holding,
    row: RowKey,
    payload: &[u8],
) -> Result<(Option<RowKey>, Option<RowKey>), RowError> {
    let first = |names: &[&str]| names.iter().find_map(|name| entity.attribute(name));
    let key = |names: &[&str]| -> Result<Option<RowKey>, RowError> {
        let Some(attribute) = first(names) else { return Ok(None) };
        Ok(read(payload, attribute.number, FieldType::Id)?.as_ref().and_then(row_key))
    };
    Ok(match holding {
        Holding::Owned => (key(&["ownerid"])?, key(&["owningbusinessunit"])?),
        Holding::OfUnits if entity.name == "businessunit" => (None, Some(row)),
        Holding::OfUnits => (None, key(&["businessunitid", "owningbusinessunit"])?),
        Holding::Users => (Some(row), key(&["businessunitid", "owningbusinessunit"])?),
        Holding::OfOrganization | Holding::OfRows => (None, None),
    })
}

//! One mutation judged.

use haversack_proto::error::ErrorReason;
use haversack_proto::model::ConflictPolicy;
use haversack_proto::sync::{Mutation, MutationKind, MutationOutcome};

use super::conflict::{changed_by_others, conflicting};
use super::refusal::{Refusal, Stopped};
use super::stamps::{Stamps, forget_unchanged};
use super::values::{Changes, Reader, Reference, Values, is_lookup};
use super::{Author, Rows, Verdict, Written, row_id};
use crate::directory::{Holding, Privilege};
use crate::engine::Engine;
use crate::engine::profile::Carried;
use crate::ids::{AttributeNumber, History, Instant, Lsn, Position, RowKey};
use crate::row::{FieldType, RowError, Value, parse_uuid, read, row_key, splice};
use crate::schema::{Entity, Relationship, Schema};

/// Rows that belong to rows that belong to rows: so many steps are taken.
const PARENTS_DEPTH_MAX: usize = 4;

/// Everything that a judgement depends on.
pub(super) struct Judge<'a, R> {
    engine: &'a Engine,
    schema: &'a Schema,
    entity: &'a Entity,
    carried: &'a Carried,
    author: &'a mut Author,
    mutation: &'a Mutation,
    id: Value<'a>,
    policy: ConflictPolicy,
    now: Instant,
    rows: &'a mut R,
}

type Judged<T, R> = Result<T, Stopped<<R as Rows>::Error>>;

impl<'a, R: Rows> Judge<'a, R> {
    /// Finds the entity; an unknown one, or one that the user's profile does not carry, is refused.
    pub(super) fn new(
        engine: &'a Engine,
        author: &'a mut Author,
        mutation: &'a Mutation,
        policy: ConflictPolicy,
        now: Instant,
        rows: &'a mut R,
    ) -> Judged<Self, R> {
        let number = crate::ids::EntityNumber(mutation.entity);
        let schema: Option<&'a Schema> = engine.schema().map(AsRef::as_ref);
        let entity = schema.and_then(|schema| schema.entity_by_number(number));
        let carried = engine.carried_by(author, number);
        let (Some(schema), Some(entity), Some(carried)) = (schema, entity, carried) else {
            let message = format!(
                "entity {} is not in the user's profile; an administrator adds it, or the device discards the write",
                number.0
            );
            return Err(Refusal::new(MutationOutcome::Invalid, ErrorReason::EntityUnknown, message).into());
        };
        let id = row_id(&mutation.id).ok_or_else(|| {
            Refusal::new(MutationOutcome::Invalid, ErrorReason::RequestInvalid, "the id is none; choose a UUID")
        })?;
        if let Value::IdText(text) = id
            && entity.has_uuids()
            && parse_uuid(text).is_some()
        {
            let message = "the id is the text of a UUID; send its 16 bytes";
            return Err(Refusal::new(MutationOutcome::Invalid, ErrorReason::RequestInvalid, message).into());
        }
        Ok(Self { engine, schema, entity, carried, author, mutation, id, policy, now, rows })
    }

    pub(super) fn decide(mut self) -> Judged<Verdict, R> {
        match self.mutation.kind() {
            MutationKind::Create => self.create(),
            MutationKind::Update => self.update(),
            MutationKind::Delete => self.delete(),
            MutationKind::Unspecified => {
                let message = "the mutation does not say what it does; write it anew";
                Err(Refusal::new(MutationOutcome::Invalid, ErrorReason::RequestInvalid, message).into())
            }
        }
    }

    fn create(&mut self) -> Judged<Verdict, R> {
        if self.row(self.entity, self.id)?.is_some() {
            let message = format!("a row of {} has this id; choose another id and write again", self.entity.name);
            let refusal = Refusal::new(MutationOutcome::Conflict, ErrorReason::RowExists, message);
            return Err(refusal.of_fields(vec![self.entity.primary_id]).into());
        }
        self.check_key()?;
        let Values { mut changes, references } = self.reader().read(self.mutation, &self.id)?;
        let owner = self.owner(&references)?.unwrap_or(self.author.person.user);
        self.stamps().create(&self.id, owner, &mut changes);
        self.check_required(&changes)?;
        let written = Self::written(Lsn(0), &[], changes, Vec::new())?;
        self.check_create(owner, &written.payload)?;
        self.check_references(&references, &written.payload)?;
        Ok(Verdict::Write(written))
    }

    fn update(&mut self) -> Judged<Verdict, R> {
        let (before, payload) = self.visible_row()?;
        let owner_field = self.entity.attribute("ownerid").map(|attribute| attribute.number);
        if !self.changes_only(owner_field) {
            self.check_privilege(Privilege::Write, "change", &payload)?;
        }
        let Values { mut changes, mut references } = self.reader().read(self.mutation, &self.id)?;
        let overruled = self.settle_conflicts(&mut changes, &payload)?;
        references.retain(|reference| !overruled.contains(&reference.attribute));
        if !self.rows.is_pending().map_err(Stopped::Failed)? {
            forget_unchanged(&mut changes, &payload);
        }
        references.retain(|reference| self.is_changed(&changes, reference.attribute));
        if owner_field.is_some_and(|field| self.is_changed(&changes, field)) {
            self.check_privilege(Privilege::Assign, "assign", &payload)?;
            let owner = self.owner(&references)?.ok_or_else(|| self.no_owner())?;
            self.stamps().own(owner, &mut changes);
        }
        if !changes.is_empty() {
            self.stamps().update(&mut changes);
        }
        let written = Self::written(before, &payload, changes, overruled)?;
        self.check_references(&references, &written.payload)?;
        Ok(Verdict::Write(written))
    }

    fn delete(&mut self) -> Judged<Verdict, R> {
        let (before, payload) = self.visible_row()?;
        self.check_privilege(Privilege::Delete, "delete", &payload)?;
        if self.policy != ConflictPolicy::ClientWins && self.changed_since_seen(before, &payload)? {
            let message =
                format!("this row of {} has changed since; look at it, and delete it again", self.entity.name);
            return Err(Refusal::new(MutationOutcome::Conflict, ErrorReason::WriteConflict, message).into());
        }
        Ok(Verdict::Delete(before))
    }

    /// Whether others have changed a row that the device wants to delete: by LSN, or, where the device's LSNs are of
    /// another past, by the values that it saw of what devices can change.
    fn changed_since_seen(&mut self, last: Lsn, payload: &[u8]) -> Judged<bool, R> {
        let is_of_this_past = self.base_counts()?;
        let base = Lsn(if is_of_this_past { self.mutation.base_lsn } else { 0 });
        if !changed_by_others(last, base, self.rows).map_err(Stopped::Failed)? {
            return Ok(false);
        }
        if is_of_this_past || self.mutation.old_values.is_empty() {
            return Ok(true);
        }
        let (schema, entity, carried) = (self.schema, self.entity, self.carried);
        let reader = || Reader::new(schema, entity, carried);
        let seen = reader().read_old(&self.mutation.old_values);
        let is_carried = |number| carried.columns.as_ref().is_none_or(|columns| columns.contains(number));
        let compared = entity.attributes.iter().filter(|it| !it.rules.update_forbidden && is_carried(it.number));
        Ok(!conflicting(compared, &seen, &seen, payload, self.rows, reader)?.is_empty())
    }

    /// Whether the LSN that the mutation was based on is one of this database's past.
    fn base_counts(&mut self) -> Judged<bool, R> {
        let Some(seen) = &self.mutation.seen else { return Ok(self.mutation.base_lsn == 0) };
        let position = Position { lsn: Lsn(seen.lsn), history: History(seen.history) };
        Ok(self.mutation.base_lsn <= seen.lsn && self.rows.has_been(position).map_err(Stopped::Failed)?)
    }

    /// Devices can choose a key only if it is an id or text.
    fn check_key(&self) -> Judged<(), R> {
        let primary = self.entity.attribute_by_number(self.entity.primary_id);
        if let Some(FieldType::Id | FieldType::Text) = primary.map(|attribute| attribute.kind.into()) {
            return Ok(());
        }
        let text = format!("rows of {} get their keys from their source, not from devices", self.entity.name);
        Err(Refusal::invalid(vec![(self.entity.primary_id, text)]).into())
    }

    /// Takes out of `changes` what gives way to the server's values, and tells it; or refuses.
    fn settle_conflicts(&mut self, changes: &mut Changes, payload: &[u8]) -> Judged<Vec<AttributeNumber>, R> {
        if self.policy == ConflictPolicy::ClientWins {
            return Ok(Vec::new());
        }
        let (schema, entity, carried) = (self.schema, self.entity, self.carried);
        let reader = || Reader::new(schema, entity, carried);
        let old = reader().read_old(&self.mutation.old_values);
        let wanted = entity.attributes.iter().filter(|attribute| changes.contains_key(&attribute.number));
        let found = conflicting(wanted, changes, &old, payload, self.rows, reader)?;
        if found.is_empty() || self.policy == ConflictPolicy::Merge {
            for attribute in entity.attributes.iter().filter(|attribute| found.contains(&attribute.number)) {
                attribute.fields().for_each(|field| drop(changes.remove(&field)));
            }
            return Ok(found);
        }
        let names: Vec<&str> = found.iter().filter_map(|number| name(entity, *number)).collect();
        let message = format!(
            "{} of this row of {} changed since the device saw it; look at the row as it is now, and write again",
            names.join(", "),
            entity.name
        );
        Err(Refusal::new(MutationOutcome::Conflict, ErrorReason::WriteConflict, message).of_fields(found).into())
    }

    /// The row, if the user may know of it.
    fn visible_row(&mut self) -> Judged<(Lsn, Vec<u8>), R> {
        let unknown = || Refusal::row_unknown(&self.entity.name);
        let (lsn, payload) = self.row(self.entity, self.id)?.ok_or_else(unknown)?;
        if !self.may(self.entity, Privilege::Read, self.id, &payload, 0)? {
            return Err(Refusal::row_unknown(&self.entity.name).into());
        }
        Ok((lsn, payload))
    }

    fn check_privilege(&mut self, privilege: Privilege, what: &str, payload: &[u8]) -> Judged<(), R> {
        if self.may(self.entity, privilege, self.id, payload, 0)? {
            return Ok(());
        }
        Err(Refusal::forbidden(what, &self.entity.name).into())
    }

    fn check_create(&mut self, owner: RowKey, payload: &[u8]) -> Judged<(), R> {
        let holding = Holding::of(&self.entity.name, self.entity.ownership);
        let may = if holding == Holding::OfRows {
            self.may(self.entity, Privilege::Create, self.id, payload, 0)?
        } else {
            self.engine.directory.may_create(&self.author.person, &self.entity.name, holding, owner, None)
        };
        if may { Ok(()) } else { Err(Refusal::forbidden("create", &self.entity.name).into()) }
    }

    /// Whether the author has a privilege on a row. One that belongs to others may be seen if a row that it points at may
    /// be (a link row: if all may be), and written if such a row may be written.
    fn may(
        &mut self,
        entity: &'a Entity,
        privilege: Privilege,
        id: Value<'_>,
        payload: &[u8],
        depth: usize,
    ) -> Judged<bool, R> {
        if Holding::of(&entity.name, entity.ownership) != Holding::OfRows {
            let key = row_key(&id).expect("an id has a key");
            return self.engine.allows(self.author, privilege, entity, key, payload).map_err(failed::<R>);
        }
        if depth == PARENTS_DEPTH_MAX {
            return Ok(false);
        }
        let asked = if privilege == Privilege::Read { Privilege::Read } else { Privilege::Write };
        let (mut some, mut all) = (false, true);
        for parent in self.parents(entity, payload).map_err(failed::<R>)? {
            let target = self.schema.entity_by_number(parent.target).expect("it was found in the schema");
            let may = match self.row(target, parent.row())? {
                Some((_, payload)) => self.may(target, asked, parent.row(), &payload, depth + 1)?,
                None => false,
            };
            (some, all) = (some || may, all && may);
        }
        Ok(some && (all || privilege != Privilege::Read || !self.is_link(entity)))
    }

    /// What a row points at, of entities that the author's devices carry.
    fn parents(&self, entity: &Entity, payload: &[u8]) -> Result<Vec<Reference>, RowError> {
        let mut parents = Vec::new();
        for attribute in entity.attributes.iter().filter(|attribute| is_lookup(attribute.kind)) {
            let Some(id) = read(payload, attribute.number, FieldType::Id)? else { continue };
            let target = match attribute.entity_field {
                Some(field) => match read(payload, field, FieldType::Entity)? {
                    Some(Value::Entity(number)) => self.schema.entity_by_number(number),
                    _ => None,
                },
                None => attribute.targets.first().and_then(|name| self.schema.entity(name)),
            };
            let carried = target.filter(|target| self.engine.carried_by(self.author, target.number).is_some());
            let (Some(target), Value::Id(_) | Value::IdText(_)) = (carried, id) else { continue };
            parents.push(Reference::new(attribute.number, target.number, &id));
        }
        Ok(parents)
    }

    fn is_link(&self, entity: &Entity) -> bool {
        let links = |relationship: &Relationship| match relationship {
            Relationship::ManyToMany { first, .. } => first.referencing == entity.number,
            Relationship::OneToMany(_) => false,
        };
        self.schema.relationships().any(|(_, relationship)| links(relationship))
    }

    /// Every row that is pointed at must be there for the user, and may have this one attached.
    fn check_references(&mut self, references: &[Reference], payload: &[u8]) -> Judged<(), R> {
        let attached = |reference: &&Reference| name(self.entity, reference.attribute) != Some("ownerid");
        for reference in references.iter().filter(attached) {
            let target = self.schema.entity_by_number(reference.target).expect("it was found in the schema");
            let row = self.row(target, reference.row())?;
            let name = name(self.entity, reference.attribute).unwrap_or_default();
            let missing = || {
                let text = format!("{name} points at a row of {} that is not there for this user", target.name);
                Refusal::invalid(vec![(reference.attribute, text)])
            };
            let (_, target_payload) = row.ok_or_else(missing)?;
            if !self.may(target, Privilege::Read, reference.row(), &target_payload, 0)? {
                return Err(missing().into());
            }
            let what = format!("let {name} point from");
            self.check_privilege(Privilege::Append, &what, payload)?;
            if !self.may(target, Privilege::AppendTo, reference.row(), &target_payload, 0)? {
                let what = format!("let {} of a row of {} point at", name, self.entity.name);
                return Err(Refusal::forbidden(&what, &target.name).of_fields(vec![reference.attribute]).into());
            }
        }
        Ok(())
    }

    /// The owner that is set, if one is; refused if rows cannot belong to it.
    fn owner(&self, references: &[Reference]) -> Judged<Option<RowKey>, R> {
        let is_owner = |reference: &&Reference| name(self.entity, reference.attribute) == Some("ownerid");
        let Some(reference) = references.iter().find(is_owner) else { return Ok(None) };
        let key = row_key(&reference.row()).expect("an id has a key");
        if self.engine.directory.can_own(key) {
            return Ok(Some(key));
        }
        let text = "ownerid names no user or team that rows can belong to".into();
        Err(Refusal::invalid(vec![(reference.attribute, text)]).into())
    }

    fn no_owner(&self) -> Refusal {
        let number = self.entity.attribute("ownerid").map_or(self.entity.primary_id, |attribute| attribute.number);
        Refusal::invalid(vec![(number, "ownerid needs a value".into())])
    }

    /// Required attributes that devices carry and may set have values.
    fn check_required(&self, changes: &Changes) -> Judged<(), R> {
        let is_carried = |number| self.carried.columns.as_ref().is_none_or(|columns| columns.contains(number));
        let lacks = |number: AttributeNumber| !matches!(changes.get(&number), Some(Some(_)));
        let missing = self.entity.attributes.iter().filter(|attribute| {
            let rules = &attribute.rules;
            rules.required && !rules.create_forbidden && is_carried(attribute.number) && lacks(attribute.number)
        });
        let breaches: Vec<_> =
            missing.map(|attribute| (attribute.number, format!("{} needs a value", attribute.name))).collect();
        if breaches.is_empty() { Ok(()) } else { Err(Refusal::invalid(breaches).into()) }
    }

    fn written(before: Lsn, payload: &[u8], changes: Changes, overruled: Vec<AttributeNumber>) -> Judged<Written, R> {
        let fields: Vec<AttributeNumber> = changes.keys().copied().collect();
        let values: Vec<u8> = changes.into_values().flatten().flatten().collect();
        let payload = splice(payload, &fields, &values).map_err(failed::<R>)?;
        Ok(Written { before, payload, changed: fields, values, overruled })
    }

    /// Whether the mutation changes this attribute and nothing else.
    fn changes_only(&self, number: Option<AttributeNumber>) -> bool {
        let attribute = number.and_then(|number| self.entity.attribute_by_number(number));
        let is_of = |field: &u32| attribute.is_some_and(|it| it.fields().any(|own| own.0 == *field));
        !self.mutation.changed.is_empty() && self.mutation.changed.iter().all(is_of)
    }

    /// Whether a field of an attribute is among the changes.
    fn is_changed(&self, changes: &Changes, attribute: AttributeNumber) -> bool {
        let attribute = self.entity.attribute_by_number(attribute);
        attribute.is_some_and(|attribute| attribute.fields().any(|field| changes.contains_key(&field)))
    }

    fn row(&mut self, entity: &Entity, id: Value<'_>) -> Judged<Option<(Lsn, Vec<u8>)>, R> {
        self.rows.row(entity.number, id).map_err(Stopped::Failed)
    }

    fn reader(&self) -> Reader<'a> {
        Reader::new(self.schema, self.entity, self.carried)
    }

    fn stamps(&self) -> Stamps<'_> {
        Stamps {
            schema: self.schema,
            entity: self.entity,
            directory: &self.engine.directory,
            author: self.author,
            now: self.now,
        }
    }
}

fn name(entity: &Entity, number: AttributeNumber) -> Option<&str> {
    entity.attribute_by_number(number).map(|attribute| attribute.name.as_str())
}

fn failed<R: Rows>(error: RowError) -> Stopped<R::Error> {
    Stopped::Failed(error.into())
}

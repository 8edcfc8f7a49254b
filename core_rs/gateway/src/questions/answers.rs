//! The engine's answers as the contract has them.

use haversack_engine::engine::ask::{Amount, EntityAmount, Join, Percentiles, Reason, ReasonKind, Smell, UserEstimate};
use haversack_engine::ids::{EntityNumber, RowKey};
use haversack_engine::row::uuid_text;
use haversack_engine::schema::Schema;
use haversack_engine::view::Denial;
use haversack_proto::admin;

/// What an id reads like.
pub(super) fn id(key: RowKey) -> String {
    uuid_text(key.0)
}

/// Logical names by number.
pub(super) struct Names(Vec<(EntityNumber, String)>);

impl Names {
    /// The names of a schema.
    pub(super) fn of(schema: Option<&Schema>) -> Self {
        let entities = schema.map_or(&[][..], Schema::entities);
        Self(entities.iter().map(|entity| (entity.number, entity.name.clone())).collect())
    }

    /// These, and those of another schema that are not among them.
    pub(super) fn and(mut self, other: Self) -> Self {
        let is_new = |names: &Self, number| names.0.iter().all(|(known, _)| *known != number);
        for (number, name) in other.0 {
            if is_new(&self, number) {
                self.0.push((number, name));
            }
        }
        self
    }

    /// The name of an entity.
    pub(super) fn name(&self, entity: EntityNumber) -> String {
        self.0.iter().find(|(number, _)| *number == entity).map_or_else(String::new, |(_, name)| name.clone())
    }
}

pub(super) fn amount(amount: Amount) -> admin::Amount {
    admin::Amount { rows: amount.rows, bytes: amount.bytes }
}

pub(super) fn percentiles(it: Percentiles) -> admin::Percentiles {
    admin::Percentiles { p50: it.p50, p90: it.p90, p99: it.p99, max: it.max }
}

pub(super) fn denial(denial: Option<Denial>) -> i32 {
    let denial = match denial {
        None => admin::ViewDenial::Unspecified,
        Some(Denial::UserUnknown) => admin::ViewDenial::UserUnknown,
        Some(Denial::UserDisabled) => admin::ViewDenial::UserDisabled,
        Some(Denial::ProfileMissing) => admin::ViewDenial::ProfileMissing,
        Some(Denial::ProfileNotReadable) => admin::ViewDenial::ProfileNotReadable,
    };
    denial as i32
}

pub(super) fn user_estimate(estimate: &UserEstimate, names: &Names) -> admin::UserEstimate {
    let entity =
        |it: &EntityAmount| admin::EntityAmount { entity: names.name(it.entity), amount: Some(amount(it.amount)) };
    admin::UserEstimate {
        user: id(estimate.user),
        denial: denial(estimate.denial),
        total: Some(amount(estimate.total())),
        entities: estimate.entities.iter().map(entity).collect(),
    }
}

pub(super) fn reason(told: Reason) -> admin::Reason {
    let join = match told.join {
        Join::Itself => admin::ReasonJoin::Unspecified,
        Join::All => admin::ReasonJoin::All,
        Join::Any => admin::ReasonJoin::Any,
    };
    admin::Reason {
        kind: kind(told.kind) as i32,
        sentence: told.sentence,
        holds: told.holds,
        join: join as i32,
        children: told.children.into_iter().map(reason).collect(),
    }
}

fn kind(kind: ReasonKind) -> admin::ReasonKind {
    match kind {
        ReasonKind::Row => admin::ReasonKind::Row,
        ReasonKind::User => admin::ReasonKind::User,
        ReasonKind::Life => admin::ReasonKind::Life,
        ReasonKind::Item => admin::ReasonKind::Item,
        ReasonKind::OrganizationFilter => admin::ReasonKind::OrganizationFilter,
        ReasonKind::Access => admin::ReasonKind::Access,
        ReasonKind::Role => admin::ReasonKind::Role,
        ReasonKind::Share => admin::ReasonKind::Share,
        ReasonKind::Hierarchy => admin::ReasonKind::Hierarchy,
        ReasonKind::Choice => admin::ReasonKind::Choice,
        ReasonKind::Criteria => admin::ReasonKind::Criteria,
        ReasonKind::Criterion => admin::ReasonKind::Criterion,
        ReasonKind::Association => admin::ReasonKind::Association,
        ReasonKind::Tie => admin::ReasonKind::Tie,
        ReasonKind::Filter => admin::ReasonKind::Filter,
        ReasonKind::Group => admin::ReasonKind::Group,
        ReasonKind::Condition => admin::ReasonKind::Condition,
        ReasonKind::Link => admin::ReasonKind::Link,
        ReasonKind::LinkedRow => admin::ReasonKind::LinkedRow,
    }
}

pub(super) fn smell(smell: Smell) -> admin::Smell {
    match smell {
        Smell::NotEnabled => admin::Smell::NotEnabled,
        Smell::RelatedOnlyUnreached => admin::Smell::RelatedOnlyUnreached,
        Smell::Cycle => admin::Smell::Cycle,
        Smell::ClauseTakesAll => admin::Smell::ClauseTakesAll,
        Smell::ClauseTakesNothing => admin::Smell::ClauseTakesNothing,
        Smell::AssociationAddsNothing => admin::Smell::AssociationAddsNothing,
        Smell::FanOut => admin::Smell::FanOut,
        Smell::ItemTooLarge => admin::Smell::ItemTooLarge,
        Smell::MemberWithoutPrivilege => admin::Smell::MemberWithoutPrivilege,
        Smell::MemberOfSeveral => admin::Smell::MemberOfSeveral,
    }
}

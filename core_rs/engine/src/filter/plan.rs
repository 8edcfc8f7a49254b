//! The loaded form of a compiled filter: what the engine evaluates.

use super::{ComparisonTest, Test, WindowTest};
use crate::ids::{AttributeNumber, EntityNumber, RowKey};
use crate::schema::Lookup;

/// Which rows of an entity a filter takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Plan {
    /// Every row.
    All,
    /// Rows that every part takes; at least two parts.
    And(Vec<Plan>),
    /// Rows that some part takes; at least two parts.
    Or(Vec<Plan>),
    /// Rows whose attribute passes a test.
    Leaf(Leaf),
    /// Rows of which two attributes compare as stated.
    Comparison(Comparison),
    /// Rows to which other rows are linked, or are not.
    Link(Box<Link>),
}

/// A test of one attribute against another of the same row (`valueof`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Comparison {
    /// The attribute on the left.
    pub left: AttributeNumber,
    /// The attribute on the right, of the same family.
    pub right: AttributeNumber,
    /// What has to hold between them.
    pub test: ComparisonTest,
}

/// A test of the rows of another entity that are equal to a row in one attribute (`any`, `not any`). Every row of that
/// entity counts, whoever may read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The linked entity.
    pub entity: EntityNumber,
    /// Its attribute.
    pub from: AttributeNumber,
    /// The attribute of the row itself. NULL equals nothing.
    pub to: AttributeNumber,
    /// Whether a row matches when no linked row does.
    pub negated: bool,
    /// What a linked row must match.
    pub plan: Plan,
}

/// A test of one attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leaf {
    /// The attribute.
    pub attribute: AttributeNumber,
    /// The test.
    pub test: LeafTest,
}

/// Tests by what their answer depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LeafTest {
    /// The row alone.
    Shared(Test),
    /// The row and the user.
    User(UserTest),
    /// The row, the user's time zone and, most of them, the instant.
    Window(WindowTest),
    /// The row and other rows of a hierarchy.
    Hierarchy(HierarchyTest),
}

/// A test of an id (for [`Holder::Language`]: a whole number) against the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserTest {
    /// Whose ids the attribute is compared with.
    pub holder: Holder,
    /// Whether an attribute passes that is none of them.
    pub negated: bool,
    /// Whether NULL passes.
    pub matches_null: bool,
}

/// Whose ids are meant, seen from the asking user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// The user's.
    User,
    /// One of the user's teams'.
    Teams,
    /// The user's or one of the user's teams'.
    UserOrTeams,
    /// The user's or that of somebody below, to the depth of the organization's hierarchy.
    Hierarchy,
    /// Those, and those of the teams of all of them.
    HierarchyAndTeams,
    /// The user's business unit's.
    Unit,
    /// No id, but the number of the user's language, or -1.
    Language,
}

/// A test of an id against a row's place in a hierarchy of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HierarchyTest {
    /// The lookup by which rows of the hierarchical entity point at their parents.
    pub lookup: Lookup,
    /// Which rows pass, seen from `row`.
    pub kin: Kin,
    /// The row that the operand names.
    pub row: RowKey,
    /// Whether an id passes that is none of them (`not-under`).
    pub negated: bool,
    /// Whether NULL passes.
    pub matches_null: bool,
}

/// Rows of a hierarchy, seen from one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kin {
    /// What is above it.
    Above,
    /// It, and what is above it.
    EqOrAbove,
    /// What is below it.
    Under,
    /// It, and what is below it.
    EqOrUnder,
}

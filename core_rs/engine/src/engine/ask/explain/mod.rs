//! Why a row is on a user's device, or why not: a tree of short sentences, each true or not.
//!
//! Every sentence is judged by what views are computed with: a clause by its predicate, access by its sets, an
//! association by the rows of the view. So the tree and the device cannot disagree.

mod access;
mod choice;
mod clause;
mod words;

use std::cell::RefCell;

use self::words::id_text;
use super::Inquiry;
use crate::columns::Needs;
use crate::directory::Person;
use crate::engine::asker::Admission;
use crate::engine::inputs::Inputs;
use crate::engine::model::{Filters, PreparedModel};
use crate::engine::profile::Profile;
use crate::engine::situation::Situation;
use crate::engine::solver::Solver;
use crate::ids::{EntityNumber, Ordinal, RowKey};
use crate::view::{Denial, EntityView};

/// One sentence of an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What it is about.
    pub kind: ReasonKind,
    /// The sentence, as a statement that may be false.
    pub sentence: String,
    /// Whether it is true.
    pub holds: bool,
    /// How it follows from the children.
    pub join: Join,
    /// What it follows from.
    pub children: Vec<Reason>,
}

/// How a sentence follows from those below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// It was judged by itself; what is below, if anything, is shown for illustration.
    Itself,
    /// All of them must hold.
    All,
    /// One of them must hold.
    Any,
}

/// What a sentence is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReasonKind {
    /// The row is on the device.
    Row,
    /// The user may sync at all.
    User,
    /// The row exists and is not deleted.
    Life,
    /// The profile carries the entity.
    Item,
    /// The row passes the organization filter.
    OrganizationFilter,
    /// The user may read the row.
    Access,
    /// A role gives access.
    Role,
    /// A share gives access.
    Share,
    /// The hierarchy gives access.
    Hierarchy,
    /// The profile takes the row, for one reason or another.
    Choice,
    /// The item's own criteria take it.
    Criteria,
    /// One of the criteria takes it.
    Criterion,
    /// An association pulls it.
    Association,
    /// It links two rows that are on the device.
    Tie,
    /// A filter takes it.
    Filter,
    /// A group of clauses.
    Group,
    /// A clause about one attribute, or two.
    Condition,
    /// A clause about linked rows.
    Link,
    /// One of those rows.
    LinkedRow,
}

impl Reason {
    fn new(kind: ReasonKind, sentence: impl Into<String>, holds: bool) -> Self {
        Self { kind, sentence: sentence.into(), holds, join: Join::Itself, children: Vec::new() }
    }

    fn all(kind: ReasonKind, sentence: impl Into<String>, children: Vec<Self>) -> Self {
        let holds = children.iter().all(|child| child.holds);
        Self { kind, sentence: sentence.into(), holds, join: Join::All, children }
    }

    fn any(kind: ReasonKind, sentence: impl Into<String>, children: Vec<Self>) -> Self {
        let holds = children.iter().any(|child| child.holds);
        Self { kind, sentence: sentence.into(), holds, join: Join::Any, children }
    }

    fn with(mut self, children: Vec<Self>) -> Self {
        self.children = children;
        self
    }
}

impl Inquiry<'_> {
    /// Why a row is on a user's device, or why not.
    pub fn explain(&self, user: RowKey, entity: EntityNumber, row: RowKey) -> Reason {
        let name = self.schema().and_then(|schema| schema.entity_by_number(entity)).map_or("row", |it| &it.name);
        let sentence = format!("{name} {} is on the device of user {}", id_text(row), id_text(user));
        Reason::all(ReasonKind::Row, sentence, self.grounds(user, entity, row, name))
    }

    fn grounds(&self, user: RowKey, entity: EntityNumber, key: RowKey, name: &str) -> Vec<Reason> {
        let standing = self.standing(user);
        let Some(inputs) = standing.inputs() else {
            let denied = standing.denial().map_or("", denial_text);
            return vec![Reason::new(ReasonKind::User, denied, false)];
        };
        let (model, profile) =
            (self.situation.model.expect("inputs come from a model"), self.situation.profile(inputs));
        let mut reasons =
            vec![Reason::new(ReasonKind::User, format!("the user follows the profile \"{}\"", profile.name), true)];
        if self.situation.admission == Admission::ProfileReaders {
            reasons.push(Reason::new(ReasonKind::User, denial_text(Denial::ProfileNotReadable), true));
        }
        let node = profile.carried.iter().position(|carried| carried.entity == entity);
        let item = Reason::new(ReasonKind::Item, format!("the profile carries {name}"), node.is_some());
        reasons.push(item);
        let Some(node) = node else { return reasons };
        let table = self.situation.index.table(profile.nodes[node].table);
        let row = table.ids().find(key).filter(|row| table.alive().contains(*row));
        let life = Reason::new(ReasonKind::Life, "the row exists and is not deleted", row.is_some());
        reasons.push(life);
        let Some(row) = row else { return reasons };
        let person = self.situation.directory.person(user, &model.layout.hierarchy);
        let person = person.expect("a user with inputs is known");
        let explainer = Explainer::new(self.situation, model, inputs, person, (node, row));
        reasons.extend([explainer.limit(), explainer.access(), explainer.choice()]);
        reasons
    }
}

/// Explains one row that lives, of an entity that the user's profile carries.
struct Explainer<'a> {
    situation: Situation<'a>,
    model: &'a PreparedModel,
    filters: Filters<'a>,
    /// The model's. Whatever a part of a stated filter needs is among them already.
    needs: RefCell<Needs>,
    profile: &'a Profile,
    person: Person,
    solver: Solver<'a>,
    node: usize,
    row: Ordinal,
    /// The view, as far as the row can depend on it.
    entities: Vec<EntityView>,
}

impl<'a> Explainer<'a> {
    fn new(
        situation: Situation<'a>,
        model: &'a PreparedModel,
        inputs: &'a Inputs,
        person: Person,
        (node, row): (usize, Ordinal),
    ) -> Self {
        let (solver, profile) = (situation.solver(inputs), situation.profile(inputs));
        let mut entities = situation.empty(inputs);
        let of_node = &profile.nodes[node];
        if !(of_node.pulls_in.is_empty() && of_node.bonds_in.is_empty()) {
            for component in &profile.components[..=of_node.component] {
                solver.solve_component(component, &mut entities);
            }
        }
        Self {
            situation,
            model,
            filters: model.filters(),
            needs: RefCell::new(model.needs.clone()),
            profile,
            person,
            solver,
            node,
            row,
            entities,
        }
    }

    fn limit(&self) -> Reason {
        let entity = self.profile.carried[self.node].entity;
        match self.model.limit(entity) {
            None => Reason::new(ReasonKind::OrganizationFilter, "no organization filter holds the row back", true),
            Some(node) => {
                let of = self.clause(node, self.entity(self.node), self.solver.question(self.node), self.row);
                Reason::all(ReasonKind::OrganizationFilter, "the organization filter lets the row pass", vec![of])
            }
        }
    }

    fn key(&self, node: usize, row: Ordinal) -> RowKey {
        self.solver.table(node).ids().key(row)
    }

    fn entity(&self, node: usize) -> &'a crate::schema::Entity {
        let number = self.profile.carried[node].entity;
        self.model.schema().entity_by_number(number).expect("nodes are entities of the schema")
    }

    /// Whether a row that can pull or tie the explained one is on the device.
    fn is_included(&self, node: usize, row: Ordinal) -> bool {
        self.entities[node].rows.contains(row)
    }
}

fn denial_text(denial: Denial) -> &'static str {
    match denial {
        Denial::UserUnknown => "the directory has the user",
        Denial::UserDisabled => "the user's account is enabled",
        Denial::ProfileMissing => "a published profile has the user",
        Denial::ProfileNotReadable => "a role of the user or of a team lets read offline profiles",
    }
}

//! One profile, looked at in some of its views.

use std::collections::HashSet;

use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::{self, FilterNode, RecordCriteria as Criteria};

use super::{Finding, LINT_VIEWS_MAX, Smell};
use crate::columns::EdgesNumber;
use crate::engine::ask::Inquiry;
use crate::engine::inputs::Inputs;
use crate::engine::profile::{Path, Profile};
use crate::engine::rule::{Question, Rule};
use crate::engine::situation::Situation;
use crate::engine::solver::Solver;
use crate::filter::{Plan, describe};
use crate::schema::Entity;

/// The inputs of different views of the profile that is asked about, at most [`LINT_VIEWS_MAX`].
pub(super) fn views(inquiry: &Inquiry<'_>) -> Vec<Inputs> {
    let mut seen = HashSet::new();
    let standings = inquiry.users().into_iter().map(|user| inquiry.standing(user));
    let inputs = standings.filter_map(|standing| standing.inputs().filter(|it| seen.insert((*it).clone())).cloned());
    inputs.take(LINT_VIEWS_MAX).collect()
}

/// Every association that leads somewhere: its node, and its place in the node's item.
pub(super) fn associations(profile: &Profile) -> impl Iterator<Item = (usize, usize)> {
    let mut found: Vec<(usize, usize)> = profile.pulls.iter().map(|pull| (pull.source, pull.association)).collect();
    found.dedup();
    found.into_iter()
}

/// A profile, and some of its views.
pub(super) struct Look<'a> {
    pub(super) situation: Situation<'a>,
    pub(super) profile: &'a Profile,
    pub(super) views: Vec<Inputs>,
}

impl Look<'_> {
    fn finding(&self, smell: Smell, node: usize, subject: &str, sentence: String) -> Finding {
        Finding::new(smell, &self.profile.name, &self.profile.nodes[node].name, subject, sentence)
    }

    pub(super) fn unreached(&self) -> Vec<Finding> {
        let is_unreached = |node: &usize| {
            let takes_nothing = |item: &model::ProfileItem| {
                item.criteria() == Criteria::RelatedOnly && item.filter.as_ref().is_none_or(|it| it.compiled.is_none())
            };
            self.profile.item(*node).is_some_and(takes_nothing) && self.profile.nodes[*node].pulls_in.is_empty()
        };
        let sentence = "takes related rows only, and no association leads to it: no device gets a row";
        let found = (0..self.profile.nodes.len()).filter(is_unreached);
        found.map(|node| self.finding(Smell::RelatedOnlyUnreached, node, "", sentence.to_owned())).collect()
    }

    pub(super) fn cycles(&self) -> Vec<Finding> {
        let cyclic = self.profile.components.iter().filter(|component| component.cyclic);
        let found = cyclic.map(|component| {
            let names: Vec<&str> = component.nodes.iter().map(|&node| self.profile.nodes[node].name.as_str()).collect();
            let sentence = match names[..] {
                [only] => format!("rows of {only} pull others of {only}, on and on"),
                _ => format!("{} pull each other in a circle", names.join(", ")),
            };
            self.finding(Smell::Cycle, component.nodes[0], "", sentence)
        });
        found.collect()
    }

    pub(super) fn clauses(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let Some(model) = self.situation.model else { return findings };
        for (node, carried) in self.profile.carried.iter().enumerate() {
            let item =
                self.profile.item(node).and_then(|item| item.filter.as_ref()).and_then(|it| it.compiled.as_ref());
            let filters = [(item, "the item's filter"), (model.limit(carried.entity), "the organization filter")];
            for (filter, subject) in filters {
                if let Some(filter) = filter {
                    self.clauses_of(filter, node, subject, &mut findings);
                }
            }
        }
        for pull in &self.profile.pulls {
            let association = self.profile.association(pull);
            if let Some(filter) = association.filter.as_ref().and_then(|filter| filter.compiled.as_ref()) {
                let subject = format!("the filter of the association {}", association.relationship);
                self.clauses_of(filter, pull.target, &subject, &mut findings);
            }
        }
        findings
    }

    fn clauses_of(&self, filter: &FilterNode, node: usize, subject: &str, findings: &mut Vec<Finding>) {
        match &filter.kind {
            // Of a group that takes every row by its form, no part is ever asked.
            Some(Kind::Group(_)) if self.plan(filter, node) == Some(Plan::All) => {}
            Some(Kind::Group(group)) => {
                group.nodes.iter().for_each(|part| self.clauses_of(part, node, subject, findings));
            }
            Some(Kind::Condition(_) | Kind::Link(_)) => findings.extend(self.clause(filter, node, subject)),
            None => {}
        }
    }

    fn clause(&self, clause: &FilterNode, node: usize, subject: &str) -> Option<Finding> {
        let (model, entity) = (self.situation.model?, self.entity(node)?);
        let plan = self.plan(clause, node)?;
        let rule = Rule::from_plan(&plan, entity, &model.filters(), &mut model.needs.clone());
        let table = self.situation.index.table(self.profile.nodes[node].table);
        let count = |inputs| Question { index: self.situation.index, inputs, table }.select(&rule, table.alive()).len();
        let alive = table.alive().len();
        let first = self.views.first().map(count)?;
        let is_same = self.views.iter().skip(1).all(|inputs| count(inputs) == first);
        if alive == 0 || !is_same || (first != 0 && first != alive) {
            return None;
        }
        let name =
            describe(clause, model.schema(), entity).into_iter().next().map_or_else(String::new, |(_, line)| line);
        let (smell, sentence) = if first == 0 {
            (Smell::ClauseTakesNothing, format!("the clause \"{name}\" takes none of {alive} rows"))
        } else {
            (Smell::ClauseTakesAll, format!("the clause \"{name}\" takes every one of {alive} rows"))
        };
        Some(self.finding(smell, node, subject, sentence).measured(first, self.views.len()))
    }

    fn entity(&self, node: usize) -> Option<&Entity> {
        self.situation.model?.schema().entity_by_number(self.profile.carried[node].entity)
    }

    fn plan(&self, filter: &FilterNode, node: usize) -> Option<Plan> {
        let filters = self.situation.model?.filters();
        Plan::from_model(filter, filters.schema, self.entity(node)?, &filters.rules).ok()
    }

    pub(super) fn useless(&self, source: usize, association: usize) -> Vec<Finding> {
        let without = self.profile.without(source, association);
        let adds = |inputs: &Inputs| {
            let mut rest = self.situation.empty(inputs);
            Solver { profile: &without, ..self.situation.solver(inputs) }.solve(&mut rest);
            self.situation.rows(inputs).iter().zip(&rest).any(|(all, rest)| all.rows != rest.rows)
        };
        if self.views.is_empty() || self.views.iter().any(adds) {
            return Vec::new();
        }
        let name = self.association_name(source, association);
        let sentence = format!("{name} adds no row to any of {} different views", self.views.len());
        vec![self.finding(Smell::AssociationAddsNothing, source, name, sentence).measured(0, self.views.len())]
    }

    pub(super) fn fan_out(&self, source: usize, association: usize, fan_out_max: u64) -> Vec<Finding> {
        let pulls = self.profile.pulls.iter().filter(|it| (it.source, it.association) == (source, association));
        let most = |path| match path {
            Path::ToMany(edges) => self.children_most(edges),
            Path::Through { near, .. } => self.children_most(near),
            Path::ToOne(_) => 0,
        };
        let rows = pulls.map(|pull| most(pull.path)).max().unwrap_or(0);
        if rows <= fan_out_max {
            return Vec::new();
        }
        let name = self.association_name(source, association);
        let sentence = format!("one row of {} pulls {rows} rows by {name}", self.profile.nodes[source].name);
        vec![self.finding(Smell::FanOut, source, name, sentence).measured(rows, 0)]
    }

    /// How many live rows refer to the row that most refer to.
    fn children_most(&self, edges: EdgesNumber) -> u64 {
        let edges = self.situation.index.edges(edges);
        let Some(children) = self.situation.index.table_of(edges.lookup().referencing) else { return 0 };
        let Some(parents) = self.situation.index.table_of(edges.lookup().referenced) else { return 0 };
        let mut counts = vec![0_u64; parents.ids().allocated() as usize];
        for parent in children.alive().iter().filter_map(|child| edges.parent(child)) {
            counts[parent as usize] += 1;
        }
        parents.alive().iter().map(|parent| counts[parent as usize]).max().unwrap_or(0)
    }

    fn association_name(&self, source: usize, association: usize) -> &str {
        self.profile.item(source).map_or("", |item| &item.associations[association].relationship)
    }
}

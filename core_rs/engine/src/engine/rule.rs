//! Choosing rows: filters, criteria and access in the form in which they are answered, one row or all rows at a time.

use roaring::RoaringBitmap;

use super::inputs::Inputs;
use super::model::Filters;
use crate::columns::{Keys, LinkNeeds, Needs, PredicateNumber, Reading, SharedTest, Table, TableNumber, WindowNumber};
use crate::filter::{HierarchyTest, Holder, Leaf, LeafTest, Link, Plan, UserTest};
use crate::ids::{AttributeNumber, Ordinal};
use crate::schema::{Entity, Lookup};

/// Up to so many rows are asked one by one whether other rows are linked to them.
const LINKED_ONE_BY_ONE_MAX: u64 = 64;

/// Which rows of a table are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Every row.
    Everything,
    /// No row.
    Nothing,
    /// Rows that every part chooses.
    Every(Vec<Rule>),
    /// Rows that some part chooses.
    Either(Vec<Rule>),
    /// Rows that the part does not choose.
    Not(Box<Rule>),
    /// Rows that pass a shared test.
    Passing(PredicateNumber),
    /// Rows that lie within a window in the asking user's time zone.
    Within(WindowNumber),
    /// Rows whose id in an attribute is that of the asking user, or of something of the user's.
    Held(Keys, Holder),
    /// Rows that have an id.
    Known(Keys),
    /// Rows to which some row is linked that a rule of its own chooses.
    Linked(Box<Linked>),
}

/// A rule about linked rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Linked {
    /// The id of the row itself.
    to: Keys,
    /// The table of linked rows.
    table: TableNumber,
    /// The id of theirs that is equal.
    from: Keys,
    /// Chooses linked rows.
    rule: Rule,
}

impl Rule {
    /// The rule of a filter on `entity`; what it reads is added to `needs`.
    pub(super) fn from_plan(plan: &Plan, entity: &Entity, filters: &Filters<'_>, needs: &mut Needs) -> Self {
        match plan {
            Plan::All => Self::Everything,
            Plan::And(parts) => Self::Every(Self::from_plans(parts, entity, filters, needs)),
            Plan::Or(parts) => Self::Either(Self::from_plans(parts, entity, filters, needs)),
            Plan::Leaf(leaf) => Self::from_leaf(leaf, entity, filters, needs),
            Plan::Comparison(comparison) => {
                Self::Passing(needs.predicate(entity, SharedTest::Comparison(comparison.clone())))
            }
            Plan::Link(link) => Self::from_link(link, entity, filters, needs),
        }
    }

    fn from_plans(parts: &[Plan], entity: &Entity, filters: &Filters<'_>, needs: &mut Needs) -> Vec<Self> {
        parts.iter().map(|part| Self::from_plan(part, entity, filters, needs)).collect()
    }

    fn from_leaf(leaf: &Leaf, entity: &Entity, filters: &Filters<'_>, needs: &mut Needs) -> Self {
        match &leaf.test {
            LeafTest::Shared(test) => {
                Self::Passing(needs.predicate(entity, SharedTest::Fixed(leaf.attribute, test.clone())))
            }
            LeafTest::Window(window) => Self::Within(needs.window(entity, leaf.attribute, *window)),
            LeafTest::User(test) => Self::from_user_test(*test, keys(entity, leaf.attribute, needs)),
            LeafTest::Hierarchy(test) => Self::from_hierarchy(*test, leaf.attribute, entity, filters, needs),
        }
    }

    fn from_user_test(test: UserTest, keys: Keys) -> Self {
        let held = Self::Held(keys, test.holder);
        if test.negated { Self::negated(held, keys, test.matches_null) } else { held }
    }

    fn from_hierarchy(
        test: HierarchyTest,
        attribute: AttributeNumber,
        entity: &Entity,
        filters: &Filters<'_>,
        needs: &mut Needs,
    ) -> Self {
        let referenced = test.lookup.referenced;
        needs.lookup(filters.entity(referenced), test.lookup);
        let via = (attribute != entity.primary_id).then(|| {
            let via = Lookup { referencing: entity.number, attribute, referenced };
            needs.lookup(entity, via);
            via
        });
        let passing = Self::Passing(needs.predicate(entity, SharedTest::Kin(via, test)));
        if test.negated && !test.matches_null {
            let known = Self::Known(keys(entity, attribute, needs));
            return Self::Every(vec![passing, known]);
        }
        passing
    }

    fn from_link(link: &Link, entity: &Entity, filters: &Filters<'_>, needs: &mut Needs) -> Self {
        let other = filters.entity(link.entity);
        let rule = Self::from_plan(&link.plan, other, filters, needs);
        let (to, from) = (keys(entity, link.to, needs), keys(other, link.from, needs));
        let (table, linked) = (needs.table(entity.number), needs.table(other.number));
        needs.link(LinkNeeds { table, to, linked, from });
        let rule = Self::Linked(Box::new(Linked { to, table: linked, from, rule }));
        if link.negated { Self::Not(Box::new(rule)) } else { rule }
    }

    fn negated(rule: Self, keys: Keys, matches_null: bool) -> Self {
        let not = Self::Not(Box::new(rule));
        if matches_null { not } else { Self::Every(vec![Self::Known(keys), not]) }
    }

    /// Whether the rule asks for something of this holder.
    pub(super) fn mentions(&self, holder: Holder) -> bool {
        self.any(&|rule| matches!(rule, Self::Held(_, mentioned) if *mentioned == holder))
    }

    /// Whether the rule asks for the user's time zone.
    pub(super) fn mentions_time(&self) -> bool {
        self.any(&|rule| matches!(rule, Self::Within(_)))
    }

    /// Whether the rule or one within it is as asked.
    fn any(&self, asked: &impl Fn(&Self) -> bool) -> bool {
        asked(self)
            || match self {
                Self::Every(parts) | Self::Either(parts) => parts.iter().any(|part| part.any(asked)),
                Self::Not(part) => part.any(asked),
                Self::Linked(linked) => linked.rule.any(asked),
                _ => false,
            }
    }
}

/// An id attribute as what rows are found by.
pub(super) fn keys(entity: &Entity, attribute: AttributeNumber, needs: &mut Needs) -> Keys {
    if attribute == entity.primary_id { Keys::Own } else { Keys::Postings(needs.postings(entity, attribute)) }
}

/// Answers rules over one table for one asker.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) index: Reading<'a>,
    pub(super) inputs: &'a Inputs,
    pub(super) table: &'a Table,
}

impl Question<'_> {
    /// Whether a rule chooses a row.
    pub(super) fn holds(&self, rule: &Rule, row: Ordinal) -> bool {
        match rule {
            Rule::Everything => true,
            Rule::Nothing => false,
            Rule::Every(parts) => parts.iter().all(|part| self.holds(part, row)),
            Rule::Either(parts) => parts.iter().any(|part| self.holds(part, row)),
            Rule::Not(part) => !self.holds(part, row),
            Rule::Passing(number) => self.index.passing(*number).contains(row),
            Rule::Within(number) => self.index.is_within(*number, self.inputs.zone(), row),
            Rule::Held(keys, holder) => {
                keys.of(self.table, row).is_some_and(|key| self.inputs.keys(*holder).binary_search(&key).is_ok())
            }
            Rule::Known(keys) => keys.of(self.table, row).is_some(),
            Rule::Linked(linked) => self.is_linked(linked, row),
        }
    }

    /// Those of `within` that a rule chooses.
    pub(super) fn select(&self, rule: &Rule, within: &RoaringBitmap) -> RoaringBitmap {
        match rule {
            Rule::Everything => within.clone(),
            Rule::Nothing => RoaringBitmap::new(),
            Rule::Every(parts) => self.select_every(parts, within),
            Rule::Either(parts) => {
                parts.iter().fold(RoaringBitmap::new(), |found, part| found | self.select(part, within))
            }
            Rule::Not(part) => within - self.select(part, within),
            Rule::Passing(number) => self.index.passing(*number) & within,
            Rule::Within(number) => &*self.index.within(*number, self.inputs.zone()) & within,
            Rule::Held(keys, holder) => keys.select(self.table, self.inputs.keys(*holder), within),
            Rule::Known(keys) => within.iter().filter(|&row| keys.of(self.table, row).is_some()).collect(),
            Rule::Linked(linked) => self.select_linked(linked, within),
        }
    }

    /// Begins with the part that chooses the fewest, so that the others have little to look at.
    fn select_every(&self, parts: &[Rule], within: &RoaringBitmap) -> RoaringBitmap {
        let mut order: Vec<(u64, &Rule)> = parts.iter().map(|part| (self.at_most(part), part)).collect();
        order.sort_by_key(|(rows, _)| *rows);
        let Some(((_, first), others)) = order.split_first() else { return within.clone() };
        others.iter().fold(self.select(first, within), |found, (_, part)| self.select(part, &found))
    }

    /// No rule chooses more rows than this.
    pub(super) fn at_most(&self, rule: &Rule) -> u64 {
        match rule {
            Rule::Everything | Rule::Not(_) | Rule::Known(_) | Rule::Linked(_) => u64::MAX,
            Rule::Nothing => 0,
            Rule::Every(parts) => parts.iter().map(|part| self.at_most(part)).min().unwrap_or(u64::MAX),
            Rule::Either(parts) => parts.iter().map(|part| self.at_most(part)).fold(0, u64::saturating_add),
            Rule::Passing(number) => self.index.passing(*number).len(),
            Rule::Within(number) => self.index.within(*number, self.inputs.zone()).len(),
            Rule::Held(keys, holder) => keys.at_most(self.table, self.inputs.keys(*holder)),
        }
    }

    fn among_linked(&self, linked: &Linked) -> Self {
        Self { table: self.index.table(linked.table), ..*self }
    }

    fn is_linked(&self, linked: &Linked, row: Ordinal) -> bool {
        let (Some(key), others) = (linked.to.of(self.table, row), self.among_linked(linked)) else { return false };
        let mut found = false;
        linked.from.each(others.table, key, |other| {
            found = found || (others.table.alive().contains(other) && others.holds(&linked.rule, other));
        });
        found
    }

    /// Begins on the side of the rows or on that of the linked ones, whichever are fewer.
    fn select_linked(&self, linked: &Linked, within: &RoaringBitmap) -> RoaringBitmap {
        if within.len() <= LINKED_ONE_BY_ONE_MAX {
            return within.iter().filter(|&row| self.is_linked(linked, row)).collect();
        }
        let others = self.among_linked(linked);
        let chosen = others.select(&linked.rule, others.table.alive());
        let mut found = RoaringBitmap::new();
        if chosen.len() < within.len() {
            let keys = chosen.iter().filter_map(|other| linked.from.of(others.table, other));
            keys.for_each(|key| {
                linked.to.each(self.table, key, |row| {
                    found.insert(row);
                });
            });
            return found & within;
        }
        let leads_to_chosen = |key| {
            let mut leads = false;
            linked.from.each(others.table, key, |other| leads |= chosen.contains(other));
            leads
        };
        within.iter().filter(|&row| linked.to.of(self.table, row).is_some_and(leads_to_chosen)).collect()
    }
}

//! From one compiled condition to its test.

use haversack_proto::model::{Collation, FilterCondition, FilterOperand, FilterOperator};

use super::like::{Pattern, Span};
use super::operator::{Arity, Family, Spec};
use super::plan::{Comparison, HierarchyTest, Holder, Kin, Leaf, LeafTest, Plan, UserTest};
use super::range::{among, between, ordered};
use super::stored::{all, id, integer, members, moment, only, pair, text, wall_clock};
use super::test::{Among, Test};
use super::window::{WindowTest, of_moments};
use super::{ComparisonTest, FilterRules};
use crate::ids::AttributeNumber;
use crate::row::MICROS_PER_DAY;
use crate::schema::{Attribute, Entity, Lookup, Schema};

/// Loads a condition on `entity`. The error continues "the compiled filter …".
pub(super) fn load(
    condition: &FilterCondition,
    schema: &Schema,
    entity: &Entity,
    rules: &FilterRules,
) -> Result<Plan, String> {
    let attribute = attribute(entity, condition.attribute_number)?;
    let spec = Spec::of(condition.operator())
        .ok_or_else(|| format!("has operator {}, which this version does not know", condition.operator))?;
    let family = Family::from(attribute.kind);
    let tested = || format!("tests \"{}\" with \"{}\"", attribute.name, spec.name());
    if !spec.families.contains(&family) {
        return Err(format!("{}, which does not apply to it", tested()));
    }
    let unfit = || format!("{} and unfit operands", tested());
    if condition.other_attribute_number != 0 {
        let right = self::attribute(entity, condition.other_attribute_number)?;
        let test = ComparisonTest::new(spec.operator, family, rules)
            .filter(|_| Family::from(right.kind) == family && condition.operands.is_empty());
        let comparison = |test| Comparison { left: attribute.number, right: right.number, test };
        return test.map(comparison).map(Plan::Comparison).ok_or_else(unfit);
    }
    let test = if spec.arity == Arity::Row {
        let lookup = hierarchy_of(schema, entity, attribute).map_err(|problem| format!("{}: {problem}", tested()))?;
        in_hierarchy(spec.operator, lookup, &condition.operands, rules).map(LeafTest::Hierarchy)
    } else {
        leaf_test(spec, family, &condition.operands, rules)
    };
    test.map(|test| Plan::Leaf(Leaf { attribute: attribute.number, test })).ok_or_else(unfit)
}

/// The attribute of an entity. The error continues "the compiled filter …".
pub(super) fn attribute(entity: &Entity, number: u32) -> Result<&Attribute, String> {
    let found = entity.attribute_by_number(AttributeNumber(number));
    found.ok_or_else(|| format!("tests attribute {number}, which {} does not have", entity.name))
}

/// The hierarchy that the ids in an attribute belong to. The error says what is missing.
pub(super) fn hierarchy_of(schema: &Schema, entity: &Entity, attribute: &Attribute) -> Result<Lookup, String> {
    let targets: Vec<&Entity> = if attribute.number == entity.primary_id {
        vec![entity]
    } else {
        attribute.targets.iter().filter_map(|target| schema.entity(target)).collect()
    };
    let hierarchical = targets.iter().filter_map(|target| {
        let lookup = |attribute| Lookup { referencing: target.number, attribute, referenced: target.number };
        target.hierarchy.map(lookup)
    });
    let names = || targets.iter().map(|target| target.name.as_str()).collect::<Vec<_>>().join(", ");
    match hierarchical.collect::<Vec<_>>()[..] {
        [lookup] => Ok(lookup),
        [] if targets.is_empty() => Err(format!("\"{}\" points at no entity of the metadata", attribute.name)),
        [] => Err(format!("it needs a hierarchical entity, and none has a hierarchy attribute of: {}", names())),
        _ => Err(format!("\"{}\" points at several hierarchical entities: {}", attribute.name, names())),
    }
}

fn in_hierarchy(
    operator: FilterOperator,
    lookup: Lookup,
    operands: &[FilterOperand],
    rules: &FilterRules,
) -> Option<HierarchyTest> {
    let kin = match operator {
        FilterOperator::Above => Kin::Above,
        FilterOperator::EqOrAbove => Kin::EqOrAbove,
        FilterOperator::Under => Kin::Under,
        // What is not under a row leaves the row itself out, too: so Sql4Cds asks servers for it (`GetUnderCte`).
        FilterOperator::EqOrUnder | FilterOperator::NotUnder => Kin::EqOrUnder,
        _ => return None,
    };
    let negated = operator == FilterOperator::NotUnder;
    let matches_null = negated && !rules.null_never_matches;
    Some(HierarchyTest { lookup, kin, row: only(operands, id)?, negated, matches_null })
}

fn leaf_test(spec: &Spec, family: Family, operands: &[FilterOperand], rules: &FilterRules) -> Option<LeafTest> {
    let window = match spec.arity {
        Arity::None if operands.is_empty() => {
            if let Some(test) = of_user(spec.operator, rules) {
                return Some(LeafTest::User(test));
            }
            WindowTest::of_calendar(spec.operator, rules)
        }
        Arity::Number(highest) => Some(numbered(spec.operator, only(operands, integer)?, highest, rules)?),
        Arity::Day => Some(WindowTest::of_day(spec.operator, day(family, operands)?)?),
        Arity::PeriodAndYear => {
            let (period, year) = pair(operands, integer)?;
            Some(WindowTest::of_period_and_year(spec.operator, rules.fiscal, period, year)?)
        }
        Arity::One | Arity::Two if operands.iter().any(|it| wall_clock(it).is_some()) => {
            let moments = all(operands, moment).filter(|_| family == Family::Instant)?;
            Some(of_moments(spec.operator, &moments, rules)?)
        }
        _ => None,
    };
    match window {
        Some(window) => Some(LeafTest::Window(window)),
        None => shared(spec.operator, family, operands, rules).map(LeafTest::Shared),
    }
}

fn of_user(operator: FilterOperator, rules: &FilterRules) -> Option<UserTest> {
    let holder = match operator {
        FilterOperator::EqUserId | FilterOperator::NeUserId => Holder::User,
        FilterOperator::EqUserTeams => Holder::Teams,
        FilterOperator::EqUserOrUserTeams => Holder::UserOrTeams,
        FilterOperator::EqUserOrUserHierarchy => Holder::Hierarchy,
        FilterOperator::EqUserOrUserHierarchyAndTeams => Holder::HierarchyAndTeams,
        FilterOperator::EqBusinessId | FilterOperator::NeBusinessId => Holder::Unit,
        FilterOperator::EqUserLanguage => Holder::Language,
        _ => return None,
    };
    let negated = matches!(operator, FilterOperator::NeUserId | FilterOperator::NeBusinessId);
    Some(UserTest { holder, negated, matches_null: negated && !rules.null_never_matches })
}

fn numbered(operator: FilterOperator, number: i64, highest: u32, rules: &FilterRules) -> Option<WindowTest> {
    let count = u32::try_from(number).ok().filter(|count| (1..=highest).contains(count))?;
    match operator {
        FilterOperator::InFiscalYear => Some(WindowTest::of_fiscal_year(rules.fiscal, number)),
        FilterOperator::InFiscalPeriod => Some(WindowTest::of_fiscal_period(rules.fiscal, number)),
        _ => WindowTest::of_count(operator, count, rules),
    }
}

/// The only operand as a day: that of a clock, or the day itself.
fn day(family: Family, operands: &[FilterOperand]) -> Option<i64> {
    match family {
        Family::Instant => {
            let [operand] = operands else { return None };
            wall_clock(operand).map(|wall| wall.div_euclid(MICROS_PER_DAY))
        }
        Family::WallClock => only(operands, integer).map(|wall| wall.div_euclid(MICROS_PER_DAY)),
        _ => only(operands, integer),
    }
}

fn shared(operator: FilterOperator, family: Family, operands: &[FilterOperand], rules: &FilterRules) -> Option<Test> {
    use FilterOperator as Op;
    let positive = |among| Test { matches_null: false, negated: false, among };
    let negative = |among| Test { matches_null: !rules.null_never_matches, negated: true, among };
    let equal = || among(family, operands, rules.collation);
    let one_equal = || equal().filter(|_| operands.len() == 1);
    let like = |span| pattern(operands, span, rules.collation);
    let overlapping = || only(operands, members).map(Among::Overlapping);
    match operator {
        Op::Null => operands.is_empty().then_some(Test { matches_null: true, negated: true, among: Among::Anything }),
        Op::NotNull => operands.is_empty().then(|| positive(Among::Anything)),
        Op::Eq => one_equal().map(positive),
        Op::Ne => one_equal().map(negative),
        Op::In => equal().map(positive),
        Op::NotIn => equal().map(negative),
        Op::Like => like(Span::Whole).map(positive),
        Op::NotLike => like(Span::Whole).map(negative),
        Op::BeginsWith => like(Span::Beginning).map(positive),
        Op::NotBeginWith => like(Span::Beginning).map(negative),
        Op::EndsWith => like(Span::Ending).map(positive),
        Op::NotEndWith => like(Span::Ending).map(negative),
        Op::ContainValues => overlapping().map(positive),
        Op::NotContainValues => overlapping().map(negative),
        Op::Between => between(family, operands, rules.collation).map(positive),
        Op::NotBetween => between(family, operands, rules.collation).map(negative),
        _ => ordered(operator, family, operands, rules.collation).map(positive),
    }
}

fn pattern(operands: &[FilterOperand], span: Span, collation: Collation) -> Option<Among> {
    let pattern = Pattern::parse(only(operands, text)?, span, collation).ok()?;
    Some(Among::Like(collation, pattern))
}

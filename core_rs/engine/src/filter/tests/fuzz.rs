//! Random filters against their meaning, and texts of any kind.

use haversack_proto::model::AttributeType;
use proptest::prelude::*;

use super::{RULES, compiled, condition, listing, loaded, plan};
use crate::filter::{Leaf, LeafTest, Plan};
use crate::row::Value;

/// A filter as a tree, to be written as XML and judged by its meaning.
#[derive(Clone, Debug)]
enum Tree {
    Eq(i64),
    Ge(i64),
    IsNull,
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

impl Tree {
    fn xml(&self) -> String {
        let condition = |rest: &str| format!("<condition attribute='integer' {rest}/>");
        match self {
            Self::Eq(value) => condition(&format!("operator='eq' value='{value}'")),
            Self::Ge(value) => condition(&format!("operator='ge' value='{value}'")),
            Self::IsNull => condition("operator='null'"),
            Self::And(parts) => format!("<filter>{}</filter>", parts.iter().map(Self::xml).collect::<String>()),
            Self::Or(parts) => {
                format!("<filter type='or'>{}</filter>", parts.iter().map(Self::xml).collect::<String>())
            }
        }
    }

    fn matches(&self, value: Option<i64>) -> bool {
        match self {
            Self::Eq(operand) => value == Some(*operand),
            Self::Ge(operand) => value.is_some_and(|value| value >= *operand),
            Self::IsNull => value.is_none(),
            Self::And(parts) => parts.iter().all(|part| part.matches(value)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(value)),
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![(0i64..5).prop_map(Tree::Eq), (0i64..5).prop_map(Tree::Ge), Just(Tree::IsNull)];
    let part = leaf.prop_recursive(2, 20, 4, |part| {
        prop_oneof![
            prop::collection::vec(part.clone(), 1..4).prop_map(Tree::And),
            prop::collection::vec(part, 1..4).prop_map(Tree::Or),
        ]
    });
    prop_oneof![
        prop::collection::vec(part.clone(), 0..4).prop_map(Tree::And),
        prop::collection::vec(part, 1..4).prop_map(Tree::Or),
    ]
}

fn judge(plan: &Plan, value: Option<i64>) -> bool {
    match plan {
        Plan::All => true,
        Plan::And(parts) => parts.iter().all(|part| judge(part, value)),
        Plan::Or(parts) => parts.iter().any(|part| judge(part, value)),
        Plan::Leaf(Leaf { test: LeafTest::Shared(test), .. }) => test.matches(value.map(Value::Integer).as_ref()),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn trees_mean_what_they_say(tree in tree()) {
        let plan = plan(&tree.xml(), RULES).expect("sound");
        for value in [None, Some(0), Some(2), Some(4), Some(9)] {
            prop_assert_eq!(judge(&plan, value), tree.matches(value), "{:?} {}", value, tree.xml());
        }
    }

    #[test]
    fn any_text_is_compiled_or_refused(text: String) {
        survive(&text)?;
    }

    #[test]
    fn damaged_documents_are_compiled_or_refused(
        tree in tree(),
        at in any::<prop::sample::Index>(),
        insert in "[<>&;='\"/ \\[\\]!?a-z%-]{0,6}|<filter>|</filter>|<!--|]]>|&amp;|<value>x</value>",
        removed in 0usize..12,
    ) {
        let mut text = format!("<fetch><entity name='thing'>{}</entity></fetch>", tree.xml());
        let at = at.index(text.len());
        let end = (at + removed).min(text.len());
        text.replace_range(at..end, &insert);
        survive(&text)?;
    }

    #[test]
    fn operands_of_any_text_are_compiled_or_refused(
        kind in 1i32..=20,
        operator in prop::sample::select(vec!["eq", "ne", "gt", "le", "in", "like", "last-x-days"]),
        operand in "[-+0-9.:TZeE,a-f%_\\[\\]^é ]{0,30}",
    ) {
        let kind = AttributeType::try_from(kind).expect("in the contract");
        survive(&condition(kind, operator, &operand))?;
        survive(&listing(kind, operator, &[&operand]))?;
    }
}

/// Compiles a text of unknown origin. What compiles also loads, and an error has a place within the text.
fn survive(text: &str) -> Result<(), TestCaseError> {
    match compiled(text) {
        Ok(node) => {
            let plan = loaded(&node, RULES);
            prop_assert!(plan.is_ok(), "{:?}", plan);
        }
        Err(error) => {
            let place = error.place().expect("compile errors have a place");
            prop_assert!(place.offset <= text.len() && text.is_char_boundary(place.offset));
            prop_assert!(error.to_string().len() < 1_000);
        }
    }
    Ok(())
}

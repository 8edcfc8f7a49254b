//! Random filters against their meaning, and texts of any kind.
//!
//! With `HAVERSACK_FUZZ_SECONDS` set, [`documents_for_a_while`] goes on for so many seconds with ever new documents.

use haversack_proto::model::AttributeType;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{RULES, SCHEMA, compiled, condition, listing, loaded, plan, thing};
use crate::filter::operator::SPECS;
use crate::filter::{Leaf, LeafTest, Plan, compile_bytes, describe};
use crate::fuzzing;
use crate::row::Value;
use crate::row::sample::{attribute_name, kinds};

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
    fn any_bytes_are_compiled_or_refused(bytes: Vec<u8>) {
        let _ = compile_bytes(&SCHEMA, thing(), &bytes);
    }

    #[test]
    fn damaged_trees_are_compiled_or_refused(tree in tree(), damage in damage()) {
        survive(&damaged(&format!("<fetch><entity name='thing'>{}</entity></fetch>", tree.xml()), &damage))?;
    }

    #[test]
    fn documents_of_everything_are_compiled_or_refused(document in document(), damage in damage()) {
        survive(&document)?;
        survive(&damaged(&document, &damage))?;
    }

    #[test]
    fn operands_of_any_text_are_compiled_or_refused(
        kind in 1i32..=20,
        operator in operator(),
        operand in "[-+0-9.:TZeE,a-f%_\\[\\]^é ]{0,30}",
    ) {
        let kind = AttributeType::try_from(kind).expect("in the contract");
        survive(&condition(kind, operator, &operand))?;
        survive(&listing(kind, operator, &[&operand]))?;
        survive(&listing(kind, operator, &[&operand, &operand]))?;
    }
}

/// Any of FetchXML's operators.
fn operator() -> impl Strategy<Value = &'static str> {
    select(SPECS.iter().flat_map(|spec| spec.names).copied().collect::<Vec<_>>())
}

/// An operand that some type takes.
fn operand() -> impl Strategy<Value = &'static str> {
    select(vec![
        "7",
        "1",
        "-0.50",
        "true",
        "a%[b-c]_",
        "2024-05-31",
        "2024-02-29T23:30:00",
        "2024-05-31T10:00:00Z",
        "0000000a-0000-0000-0000-000000000001",
        "1,2,3",
        "",
    ])
}

/// A condition with any operator on any attribute, of which a part is sound.
fn any_condition() -> impl Strategy<Value = String> {
    let attribute = select(kinds().map(attribute_name).collect::<Vec<_>>());
    (attribute.clone(), operator(), prop::collection::vec(operand(), 0..3), 0u8..3, attribute).prop_map(
        |(attribute, operator, operands, form, other)| {
            let head = format!("<condition attribute='{attribute}' operator='{operator}'");
            match (form, &operands[..]) {
                (0, _) => format!("{head} valueof='{other}'/>"),
                (1, [operand, ..]) => format!("{head} value='{operand}'/>"),
                _ => {
                    let values: String = operands.iter().flat_map(|operand| ["<value>", operand, "</value>"]).collect();
                    format!("{head}>{values}</condition>")
                }
            }
        },
    )
}

/// A condition that is sound on things and on notes alike.
fn sound_condition() -> impl Strategy<Value = String> {
    select(vec![
        "<condition attribute='integer' operator='between'><value>1</value><value>3</value></condition>",
        "<condition attribute='string' operator='not-begin-with' value='x'/>",
        "<condition attribute='string' operator='eq' valueof='string'/>",
        "<condition attribute='uniqueidentifier' operator='not-under' value='0000000a-0000-0000-0000-000000000001'/>",
        "<condition attribute='integer' operator='eq-userlanguage'/>",
    ])
    .prop_map(str::to_owned)
}

/// A document with filters, conditions and links of every kind.
fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![4 => sound_condition(), 1 => any_condition()];
    let part = leaf.prop_recursive(4, 24, 4, |part| {
        let parts = prop::collection::vec(part, 1..4).prop_map(|parts| parts.concat());
        prop_oneof![
            (parts.clone(), any::<bool>()).prop_map(|(parts, either)| {
                format!("<filter type='{}'>{parts}</filter>", if either { "or" } else { "and" })
            }),
            (parts, any::<bool>()).prop_map(|(parts, negated)| {
                let link_type = if negated { "not any" } else { "any" };
                format!(
                    "<link-entity name='note' from='uniqueidentifier' to='uniqueidentifier' link-type='{link_type}'>\
                     <filter>{parts}</filter></link-entity>"
                )
            }),
        ]
    });
    prop::collection::vec(part, 1..4).prop_map(|parts| format!("<filter>{}</filter>", parts.concat()))
}

/// Where to damage a text, what to put there, and how much to remove.
type Damage = (Index, String, usize);

fn damage() -> impl Strategy<Value = Damage> {
    let insert =
        "[<>&;='\"/ \\[\\]!?a-z%-]{0,6}|<filter>|</filter>|<!--|]]>|&amp;|<value>x</value>|&#[0-9]{1,3};|<link-entity ";
    (any::<Index>(), insert, 0usize..12)
}

fn damaged(text: &str, (at, insert, removed): &Damage) -> String {
    let boundaries: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let first = at.index(boundaries.len());
    let last = (first + removed).min(boundaries.len() - 1);
    [&text[..boundaries[first]], insert, &text[boundaries[last]..]].concat()
}

#[test]
fn documents_for_a_while() {
    fuzzing::run("documents", (document(), prop::collection::vec(damage(), 0..4), any::<Vec<u8>>()), |it| {
        let (document, damages, bytes) = it;
        let text = damages.iter().fold(document, |text, damage| damaged(&text, damage));
        let mut mangled = text.clone().into_bytes();
        mangled.extend(&bytes);
        let _ = compile_bytes(&SCHEMA, thing(), &mangled);
        let _ = compile_bytes(&SCHEMA, thing(), &bytes);
        survive(&text)
    });
}

/// Compiles a text of unknown origin. What compiles also loads and can be described, and an error has a place within
/// the text.
fn survive(text: &str) -> Result<(), TestCaseError> {
    match compiled(text) {
        Ok(node) => {
            let plan = loaded(&node, RULES);
            prop_assert!(plan.is_ok(), "{:?}", plan);
            prop_assert!(!describe(&node, &SCHEMA, thing()).is_empty());
        }
        Err(error) => {
            let place = error.place().expect("compile errors have a place");
            prop_assert!(place.offset <= text.len() && text.is_char_boundary(place.offset));
            prop_assert!(error.to_string().len() < 1_000);
        }
    }
    Ok(())
}

//! Links to other entities, and hierarchies.

use haversack_proto::error::ErrorReason;
use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::{AttributeType, FilterNode};

use super::{RULES, SCHEMA, STRICT, attribute, compiled, condition, entity, loaded, plan, thing};
use crate::filter::*;
use crate::ids::{AttributeNumber, EntityNumber, RowKey};
use crate::schema::{Entity, Lookup};

/// A link to notes that point at the thing.
fn notes(link_type: &str, inner: &str) -> String {
    format!(
        "<link-entity name='note' from='thingid' to='uniqueidentifier' link-type='{link_type}'>{inner}</link-entity>"
    )
}

fn link_of(xml: &str) -> Link {
    match plan(xml, RULES) {
        Ok(Plan::Link(link)) => *link,
        other => panic!("{xml}: {other:?}"),
    }
}

const EQ: &str = "<condition attribute='integer' operator='eq' value='1'/>";

#[test]
fn links_load_with_numbers_in_place_of_names() {
    for (link_type, negated) in [("any", false), ("not any", true)] {
        let link = link_of(&format!("<filter>{}</filter>", notes(link_type, "")));
        let expected = Link {
            entity: EntityNumber(8),
            from: AttributeNumber(4),
            to: AttributeNumber(AttributeType::Uniqueidentifier as u32),
            negated,
            plan: Plan::All,
        };
        assert_eq!(link, expected);
    }
    let hints = "<filter><link-entity name='note' from='thingid' to='uniqueidentifier' link-type='any' alias='n' \
                 intersect='true' visible='false'><attribute name='x'/><order attribute='x'/></link-entity></filter>";
    assert_eq!(link_of(hints), link_of(&format!("<filter>{}</filter>", notes("any", ""))));
}

#[test]
fn what_a_linked_row_must_match_is_of_its_entity() {
    let inner = format!("<filter type='or'>{EQ}<condition attribute='parentid' operator='null'/></filter>");
    let link = link_of(&format!("<filter>{}</filter>", notes("any", &inner)));
    let Plan::Or(parts) = &link.plan else { panic!("{link:?}") };
    let attributes: Vec<_> = parts
        .iter()
        .map(|part| if let Plan::Leaf(leaf) = part { leaf.attribute.0 } else { panic!("{part:?}") })
        .collect();
    assert_eq!(attributes, [3, 5], "numbers of a note's attributes");
    let both = format!("<filter>{EQ}</filter><filter>{EQ}</filter>");
    let Plan::And(parts) = link_of(&format!("<filter>{}</filter>", notes("any", &both))).plan else { panic!("and") };
    assert_eq!(parts.len(), 2);
}

#[test]
fn links_stand_beside_conditions_and_within_links() {
    let child = "<link-entity name='note' from='parentid' to='uniqueidentifier' link-type='not any'/>";
    for inner in [format!("<filter>{child}</filter>"), child.to_owned()] {
        let xml = format!("<filter type='or'>{EQ}{}</filter>", notes("any", &inner));
        let Ok(Plan::Or(parts)) = plan(&xml, RULES) else { panic!("{xml}") };
        let [Plan::Leaf(_), Plan::Link(outer)] = &parts[..] else { panic!("{parts:?}") };
        let Plan::Link(inner) = &outer.plan else { panic!("{outer:?}") };
        assert!(inner.negated && inner.entity == EntityNumber(8) && inner.from == AttributeNumber(5));
    }
    assert_eq!(
        count_conditions(&compiled(&format!("<filter>{EQ}{}</filter>", notes("any", EQ_IN_FILTER))).expect("sound")),
        3
    );
}

const EQ_IN_FILTER: &str = "<filter><condition attribute='integer' operator='eq' value='1'/></filter>";

/// Links to notes within each other.
fn chain(length: usize) -> String {
    let next = "<link-entity name='note' from='parentid' to='uniqueidentifier' link-type='any'>";
    let chain = next.repeat(length - 1) + &"</link-entity>".repeat(length - 1);
    format!("<filter>{}</filter>", notes("any", &chain))
}

#[test]
fn limits_of_links() {
    let large = |xml: &str, message: &str| {
        let error = compiled(xml).expect_err("too large");
        assert_eq!(error.reason(), ErrorReason::FilterTooLarge, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    };
    assert!(plan(&chain(LINK_LEVELS_MAX), RULES).is_ok());
    large(&chain(LINK_LEVELS_MAX + 1), "more than 4 deep");
    let links = |count: usize| format!("<filter>{}</filter>", notes("any", EQ_IN_FILTER).repeat(count));
    assert!(plan(&links(CONDITIONS_MAX / 2), RULES).is_ok());
    large(&links(CONDITIONS_MAX / 2 + 1), "more than 500 conditions and links");
    let groups = |levels: usize, inner: &str| "<filter type='or'>".repeat(levels) + inner + &"</filter>".repeat(levels);
    let anew = groups(FILTER_LEVELS_MAX, &notes("any", &groups(FILTER_LEVELS_MAX, EQ)));
    assert!(plan(&anew, RULES).is_ok(), "a link counts levels anew");
    large(&groups(1, &notes("any", &groups(FILTER_LEVELS_MAX + 1, EQ))), "more than 3 deep");
}

#[test]
fn links_that_make_no_sense_are_named() {
    let refused = |link: &str, reason, message: &str| {
        let error = compiled(&format!("<filter>\n<link-entity {link}</filter>")).expect_err(link);
        assert_eq!(error.reason(), reason, "{error}");
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(error.place().map(|place| place.line), Some(2), "{error}");
    };
    let any = "to='uniqueidentifier' link-type='any'";
    refused(&format!("name='task' from='thingid' {any}/>"), ErrorReason::EntityUnknown, "no entity \"task\"");
    refused(&format!("name='note' from='nothing' {any}/>"), ErrorReason::AttributeUnknown, "note has no attribute");
    refused("name='note' from='thingid' to='x' link-type='any'/>", ErrorReason::AttributeUnknown, "thing has no");
    refused(&format!("name='note' from='string' {any}/>"), ErrorReason::FilterOperandInvalid, "a link needs two ids");
    refused(&format!("name='note' {any}/>"), ErrorReason::FilterMalformed, "\"from\" is missing");
    refused(&format!("from='thingid' {any}/>"), ErrorReason::FilterMalformed, "\"name\" is missing");
    refused("name='note' from='thingid' link-type='any'/>", ErrorReason::FilterMalformed, "\"to\" is missing");
    refused(&format!("name='note' from='thingid' joke='x' {any}/>"), ErrorReason::FilterMalformed, "\"joke\"");
    let row = format!("name='note' from='thingid' {any}><row/></link-entity>");
    refused(&row, ErrorReason::FilterMalformed, "expected <filter>, <link-entity>");
    let bare = format!("name='note' from='thingid' {any}>{EQ}</link-entity>");
    refused(&bare, ErrorReason::FilterMalformed, "<condition> does not belong here");
    let foreign = format!(
        "name='note' from='thingid' {any}><filter><condition attribute='memo' operator='null'/></filter></link-entity>"
    );
    refused(&foreign, ErrorReason::AttributeUnknown, "note has no attribute \"memo\"");
    let empty = format!("name='note' from='thingid' {any}><filter type='or'/></link-entity>");
    refused(&empty, ErrorReason::FilterMalformed, "add a condition");
}

#[test]
fn damaged_links_are_refused() {
    let sound = compiled(&format!("<filter>{}</filter>", notes("any", ""))).expect("sound");
    let Some(Kind::Group(group)) = &sound.kind else { panic!("{sound:?}") };
    let Some(Kind::Link(link)) = &group.nodes[0].kind else { panic!("{group:?}") };
    let damage: [fn(&mut haversack_proto::model::FilterLink); 4] = [
        |link| link.entity_number = 99,
        |link| link.from_attribute_number = 99,
        |link| link.to_attribute_number = 99,
        |link| link.from_attribute_number = 2,
    ];
    for damage in damage {
        let mut damaged = link.clone();
        damage(&mut damaged);
        assert!(loaded(&FilterNode { kind: Some(Kind::Link(damaged)) }, RULES).is_err());
    }
    let mut deep = FilterNode::default();
    for _ in 0..=LINK_LEVELS_MAX {
        let mut link = link.clone();
        (link.entity_number, link.from_attribute_number, link.to_attribute_number) = (7, 16, 16);
        link.node = Some(Box::new(deep));
        deep = FilterNode { kind: Some(Kind::Link(link)) };
    }
    assert!(loaded(&deep, RULES).is_err_and(|error| error.to_string().contains("more than 4 links")));
}

const ROW: &str = "00000000-0000-0000-0000-000000000005";

#[test]
fn hierarchies_of_ids_and_lookups() {
    let things = Lookup { referencing: EntityNumber(7), attribute: AttributeNumber(17), referenced: EntityNumber(7) };
    let notes = Lookup { referencing: EntityNumber(8), attribute: AttributeNumber(5), referenced: EntityNumber(8) };
    let row = RowKey([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
    for (operator, kin, negated) in [
        ("above", Kin::Above, false),
        ("eq-or-above", Kin::EqOrAbove, false),
        ("under", Kin::Under, false),
        ("eq-or-under", Kin::EqOrUnder, false),
        ("not-under", Kin::EqOrUnder, true),
    ] {
        for (kind, lookup) in [
            (AttributeType::Uniqueidentifier, things),
            (AttributeType::Lookup, things),
            (AttributeType::Customer, notes),
        ] {
            for (rules, matches_null) in [(RULES, negated), (STRICT, false)] {
                let test = LeafTest::Hierarchy(HierarchyTest { lookup, kin, row, negated, matches_null });
                let leaf = Plan::Leaf(Leaf { attribute: AttributeNumber(kind as u32), test });
                assert_eq!(plan(&condition(kind, operator, ROW), rules), Ok(leaf), "{operator} {kind:?}");
            }
        }
    }
}

#[test]
fn a_hierarchy_needs_a_lookup_of_the_entity_itself() {
    let breach = |hierarchy: &str| {
        let lookup = haversack_proto::model::Attribute {
            targets: vec!["other".to_owned()],
            ..attribute(2, AttributeType::Lookup)
        };
        let attributes =
            vec![attribute(1, AttributeType::Uniqueidentifier), lookup, attribute(3, AttributeType::String)];
        Entity::from_model(&entity(1, "it", attributes, hierarchy)).err().map(|error| error.to_string())
    };
    assert_eq!(breach(""), None);
    assert!(breach("nothing").is_some_and(|breach| breach.contains("its hierarchy attribute \"nothing\"")));
    for name in ["lookup", "string", "uniqueidentifier"] {
        assert!(breach(name).is_some_and(|breach| breach.contains("to be a lookup of itself")), "{name}");
    }
}

#[test]
fn what_a_hierarchy_lacks_is_named() {
    let refused = |kind, value, message: &str| {
        let error = compiled(&condition(kind, "under", value)).expect_err(message);
        assert_eq!(error.reason(), ErrorReason::FilterOperandInvalid, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    };
    refused(AttributeType::Owner, ROW, "none has a hierarchy attribute of: plain");
    refused(AttributeType::Lookup, "Contoso", "UUID");
    let plain = SCHEMA.entity("plain").expect("in the schema");
    let xml = condition(AttributeType::Uniqueidentifier, "above", ROW);
    let error = compile(&SCHEMA, plain, &xml).expect_err("no hierarchy");
    assert!(error.to_string().contains("none has a hierarchy attribute of: plain"), "{error}");
    let node = compile(&SCHEMA, thing(), &xml).expect("a hierarchy");
    assert!(Plan::from_model(&node, &SCHEMA, plain, &RULES).is_err(), "things have field 16, plain ones have not");
}

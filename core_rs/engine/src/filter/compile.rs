//! From FetchXML to the compiled form: every name, type and operand checked against the metadata.

use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::{FilterGroup, FilterJoin, FilterLink, FilterNode};

use super::condition::ConditionCompiler;
use super::document::{self, Child, FILTER_LEVELS_MAX, FilterElement, LinkElement};
use super::error::{FilterError, Place, excerpt};
use super::operator::Family;
use super::xml::DOCUMENT_BYTES_MAX;
use crate::schema::{Attribute, Entity, Schema};

/// Compiles a filter on `entity` of `schema`: a `<filter>`, or a `<fetch>` of the entity, whose filters must all match.
/// Filters that constrain nothing compile to a node without a kind.
///
/// # Errors
/// Every [`FilterError`] but `PlanInvalid`: the first thing in the document that is wrong, and its place.
pub fn compile(schema: &Schema, entity: &Entity, fetch_xml: &str) -> Result<FilterNode, FilterError> {
    let document = document::read(fetch_xml, &entity.name)?;
    Compiler { schema, entity, fetch_xml }.every(&document.filters)
}

/// Compiles a filter as [`compile`] does, from bytes of unknown origin, which have to be UTF-8.
///
/// # Errors
/// As [`compile`]; also for bytes that are no UTF-8, with the place of the first.
pub fn compile_bytes(schema: &Schema, entity: &Entity, fetch_xml: &[u8]) -> Result<FilterNode, FilterError> {
    if fetch_xml.len() > DOCUMENT_BYTES_MAX {
        let limit = format!("the document has {} bytes; at most {DOCUMENT_BYTES_MAX} are allowed", fetch_xml.len());
        return Err(FilterError::TooLarge { place: Place::locate("", "", 0), limit });
    }
    match std::str::from_utf8(fetch_xml) {
        Ok(fetch_xml) => compile(schema, entity, fetch_xml),
        Err(error) => {
            let sound = String::from_utf8_lossy(&fetch_xml[..error.valid_up_to()]);
            let problem = "this byte is no UTF-8; save the document in that encoding".to_owned();
            Err(FilterError::Malformed { place: Place::locate(&sound, "", sound.len()), problem })
        }
    }
}

/// How many conditions and links a compiled filter has.
pub fn count_conditions(node: &FilterNode) -> usize {
    match &node.kind {
        None => 0,
        Some(Kind::Condition(_)) => 1,
        Some(Kind::Group(group)) => group.nodes.iter().map(count_conditions).sum(),
        Some(Kind::Link(link)) => 1 + link.node.as_deref().map_or(0, count_conditions),
    }
}

/// Compiles elements of one entity.
struct Compiler<'a> {
    schema: &'a Schema,
    entity: &'a Entity,
    fetch_xml: &'a str,
}

impl Compiler<'_> {
    /// The filters and links of an entity or of a link, all of which must match.
    fn every(&self, children: &[Child]) -> Result<FilterNode, FilterError> {
        let mut nodes = vec![];
        for child in children {
            if let Some(node) = self.child(child)? {
                nodes.push((child, node));
            }
        }
        match nodes.len() {
            0 => Ok(FilterNode::default()),
            1 => Ok(nodes.remove(0).1),
            _ => self.side_by_side(nodes),
        }
    }

    /// None if it constrains nothing.
    fn child(&self, child: &Child) -> Result<Option<FilterNode>, FilterError> {
        match child {
            Child::Filter(filter) => self.filter(filter),
            Child::Link(link) => self.link(link).map(Some),
            Child::Condition(condition) => {
                let Self { schema, entity, fetch_xml } = *self;
                let compiler = ConditionCompiler { schema, entity, fetch_xml, condition };
                let kind = Some(Kind::Condition(compiler.compile()?));
                Ok(Some(FilterNode { kind }))
            }
        }
    }

    /// None if the filter constrains nothing, which is no answer where one match is enough.
    fn filter(&self, filter: &FilterElement) -> Result<Option<FilterNode>, FilterError> {
        let mut nodes = vec![];
        for child in &filter.children {
            match (self.child(child)?, child) {
                (Some(node), _) => nodes.push(node),
                (None, Child::Filter(inner)) if filter.join == FilterJoin::Or => {
                    return Err(self.empty(inner, "an empty filter within an \"or\" matches everything"));
                }
                (None, _) => {}
            }
        }
        match filter.join {
            FilterJoin::And if nodes.is_empty() => Ok(None),
            _ if nodes.is_empty() => Err(self.empty(filter, "an \"or\" of nothing has no meaning")),
            join => Ok(Some(group(join, nodes))),
        }
    }

    /// Joins filters that lie side by side in an entity: `and` groups become one, so that no level is lost.
    fn side_by_side(&self, children: Vec<(&Child, FilterNode)>) -> Result<FilterNode, FilterError> {
        let mut nodes = vec![];
        for (child, node) in children {
            match (node.kind, child) {
                (Some(Kind::Group(group)), _) if group.join() == FilterJoin::And => nodes.extend(group.nodes),
                (Some(Kind::Group(group)), Child::Filter(element)) if levels(&group) == FILTER_LEVELS_MAX => {
                    let limit = format!(
                        "filters side by side are joined by an \"and\", which makes this one lie more than \
                         {FILTER_LEVELS_MAX} deep; flatten it"
                    );
                    return Err(FilterError::TooLarge { place: self.place("filter", element.offset), limit });
                }
                (kind, _) => nodes.push(FilterNode { kind }),
            }
        }
        Ok(group(FilterJoin::And, nodes))
    }

    fn link(&self, link: &LinkElement) -> Result<FilterNode, FilterError> {
        let place = || self.place("link-entity", link.offset);
        let linked = self
            .schema
            .entity(&link.name)
            .ok_or_else(|| FilterError::EntityUnknown { place: place(), entity: excerpt(&link.name).to_owned() })?;
        let attribute = |entity: &'_ Entity, name: &str| {
            entity.attribute(name).cloned().ok_or_else(|| FilterError::AttributeUnknown {
                place: place(),
                entity: entity.name.clone(),
                attribute: excerpt(name).to_owned(),
            })
        };
        let from = attribute(linked, &link.from)?;
        let to = attribute(self.entity, &link.to)?;
        if !Family::can_link((linked, &from), (self.entity, &to)) {
            let problem = format!(
                "a link needs two ids, or two numbers, texts or dates of one type; from=\"{}\" of {} is for {}, to=\"{}\" of {} for {}",
                from.name,
                linked.name,
                plural(&from),
                to.name,
                self.entity.name,
                plural(&to)
            );
            return Err(FilterError::OperandInvalid { place: place(), problem });
        }
        let node = Compiler { entity: linked, ..*self }.every(&link.children)?;
        Ok(FilterNode {
            kind: Some(Kind::Link(Box::new(FilterLink {
                entity_number: linked.number.0,
                from_attribute_number: from.number.0,
                to_attribute_number: to.number.0,
                negated: link.negated,
                node: Some(Box::new(node)),
            }))),
        })
    }

    fn empty(&self, filter: &FilterElement, problem: &str) -> FilterError {
        let problem = format!("{problem}; add a condition or remove the filter");
        FilterError::Malformed { place: self.place("filter", filter.offset), problem }
    }

    fn place(&self, element: &str, offset: usize) -> Place {
        Place::locate(self.fetch_xml, element, offset)
    }
}

fn plural(attribute: &Attribute) -> &'static str {
    Family::from(attribute.kind).plural()
}

fn group(join: FilterJoin, nodes: Vec<FilterNode>) -> FilterNode {
    FilterNode { kind: Some(Kind::Group(FilterGroup { join: join.into(), nodes })) }
}

/// How many groups lie within each other, the outermost included. Links count their own.
fn levels(group: &FilterGroup) -> usize {
    let inner = group.nodes.iter().filter_map(|node| match &node.kind {
        Some(Kind::Group(inner)) => Some(levels(inner)),
        _ => None,
    });
    1 + inner.max().unwrap_or(0)
}

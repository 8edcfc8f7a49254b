//! FetchXML documents: their filters as elements found them, shape checked, meaning not.

use haversack_proto::model::FilterJoin;

use super::error::{FilterError, excerpt};
use super::xml::{Element, Item, Xml};

/// Most `<filter>` elements within each other.
pub const FILTER_LEVELS_MAX: usize = 3;

/// Most `<link-entity>` elements within each other. The filters of each count their levels anew.
pub const LINK_LEVELS_MAX: usize = 4;

/// Most conditions and links in a document.
pub const CONDITIONS_MAX: usize = 500;

/// What a document asks for.
#[derive(Debug)]
pub(super) struct Document {
    /// The filters of the root, of which every one must match; there may be none.
    pub(super) filters: Vec<Child>,
}

/// A `<filter>`.
#[derive(Debug)]
pub(super) struct FilterElement {
    pub(super) offset: usize,
    pub(super) join: FilterJoin,
    pub(super) children: Vec<Child>,
}

/// What lies in a `<filter>`. In an `<entity>` lie filters alone; in a `<link-entity>` filters and links.
#[derive(Debug)]
pub(super) enum Child {
    Filter(FilterElement),
    Condition(ConditionElement),
    Link(LinkElement),
}

/// A `<link-entity>`.
#[derive(Debug)]
pub(super) struct LinkElement {
    pub(super) offset: usize,
    /// The linked entity.
    pub(super) name: String,
    /// Its attribute.
    pub(super) from: String,
    /// The attribute of the entity around it.
    pub(super) to: String,
    /// Whether it is `not any`.
    pub(super) negated: bool,
    /// What a linked row must match, every one of them.
    pub(super) children: Vec<Child>,
}

/// A `<condition>`.
#[derive(Debug)]
pub(super) struct ConditionElement {
    pub(super) offset: usize,
    pub(super) attribute: String,
    pub(super) operator: String,
    /// The other attribute to compare with.
    pub(super) value_of: Option<String>,
    /// The XML attribute `value`.
    pub(super) value: Option<String>,
    /// The `<value>` elements: where, and their text.
    pub(super) values: Vec<(usize, String)>,
}

/// XML attributes that say nothing about which rows match: hints for displays and for the query optimizer.
const FILTER_HINTS: &[&str] =
    &["hint", "isquickfindfields", "overridequickfindrecordlimitenabled", "overridequickfindrecordlimitdisabled"];
const VALUE_HINTS: &[&str] = &["uiname", "uitype", "uihidden"];

const LINK_HINTS: &[&str] = &["alias", "intersect", "visible", "enableprefiltering", "prefilterparametername"];

/// XML attributes of a condition that FetchXML has outside of filters like these.
const CONDITION_FOREIGN: &[&str] = &["aggregate", "rowaggregate", "column", "alias"];

/// Children of `<entity>` and `<link-entity>` that say nothing about which rows match.
const ENTITY_IGNORED: &[&str] = &["attribute", "all-attributes", "no-attrs", "order"];

/// Reads a document whose root is a `<filter>`, or a `<fetch>` of the entity of this name.
pub(super) fn read(text: &str, entity: &str) -> Result<Document, FilterError> {
    let mut parser = Parser { xml: Xml::new(text)?, conditions: 0, links: 0 };
    let filters = match parser.child()? {
        Some(root) if root.name == "filter" => vec![parser.filter(&root, 1).map(Child::Filter)?],
        Some(root) if root.name == "fetch" => parser.fetch(&root, entity)?,
        Some(root) => return Err(parser.unexpected(&root, "a <filter> or a <fetch>")),
        None => return Err(parser.xml.malformed(0, "the document is empty; write a <filter> or a <fetch>")),
    };
    match parser.child()? {
        Some(second) => Err(parser.unexpected(&second, "nothing behind the first element")),
        None => Ok(Document { filters }),
    }
}

struct Parser<'t> {
    xml: Xml<'t>,
    /// Conditions and links so far.
    conditions: usize,
    /// Links around the current element.
    links: usize,
}

impl Parser<'_> {
    /// The next element within the current one, or None at its end. Only white space may lie between.
    fn child(&mut self) -> Result<Option<Element>, FilterError> {
        loop {
            let offset = self.xml.offset();
            match self.xml.next()? {
                Item::Open(element) => return Ok(Some(element)),
                Item::Close | Item::End => return Ok(None),
                Item::Text(text) if text.trim_start_matches('\u{feff}').trim().is_empty() => {}
                Item::Text(_) => return Err(self.xml.malformed(offset, "text does not belong here; remove it")),
            }
        }
    }

    fn fetch(&mut self, element: &Element, entity: &str) -> Result<Vec<Child>, FilterError> {
        if element.attribute("aggregate").is_some_and(|it| it == "1" || it.eq_ignore_ascii_case("true")) {
            let instead = "a filter chooses rows; write the <fetch> without it";
            return Err(self.unsupported(element, "a <fetch> of aggregates", instead));
        }
        let mut filters = None;
        while let Some(element) = self.child()? {
            match element.name.as_str() {
                "entity" if filters.is_none() => filters = Some(self.entity(&element, entity)?),
                "order" => self.xml.skip()?,
                _ => return Err(self.unexpected(&element, "one <entity>")),
            }
        }
        filters.ok_or_else(|| self.xml.malformed(self.xml.offset(), "the <fetch> has no <entity>; add one"))
    }

    fn entity(&mut self, element: &Element, expected: &str) -> Result<Vec<Child>, FilterError> {
        let found = self.required(element, "name")?;
        if found != expected {
            let place = self.xml.place(&element.name, element.offset);
            return Err(FilterError::EntityMismatch {
                place,
                found: excerpt(&found).to_owned(),
                expected: expected.to_owned(),
            });
        }
        let mut filters = vec![];
        while let Some(child) = self.child()? {
            match child.name.as_str() {
                "filter" => filters.push(Child::Filter(self.filter(&child, 1)?)),
                "link-entity" => {
                    let instead = format!("move it into a <filter>, with {LINK_TYPES}");
                    return Err(self.unsupported(&child, "<link-entity> outside of a <filter>", &instead));
                }
                name if ENTITY_IGNORED.contains(&name) => self.xml.skip()?,
                _ => return Err(self.unexpected(&child, "<filter>, <attribute> or <order>")),
            }
        }
        Ok(filters)
    }

    fn filter(&mut self, element: &Element, level: usize) -> Result<FilterElement, FilterError> {
        if level > FILTER_LEVELS_MAX {
            let limit = format!("filters lie more than {FILTER_LEVELS_MAX} deep in each other; flatten them");
            return Err(self.too_large(element, limit));
        }
        let mut filter = FilterElement { offset: element.offset, join: self.join(element)?, children: vec![] };
        while let Some(child) = self.child()? {
            filter.children.push(match child.name.as_str() {
                "condition" => Child::Condition(self.condition(&child)?),
                "filter" => Child::Filter(self.filter(&child, level + 1)?),
                "link-entity" => Child::Link(self.link(&child)?),
                _ => return Err(self.unexpected(&child, "<condition>, <filter> or <link-entity>")),
            });
        }
        Ok(filter)
    }

    fn link(&mut self, element: &Element) -> Result<LinkElement, FilterError> {
        self.count(element)?;
        if self.links == LINK_LEVELS_MAX {
            let limit = format!("links lie more than {LINK_LEVELS_MAX} deep in each other; flatten them");
            return Err(self.too_large(element, limit));
        }
        let negated = self.is_not_any(element)?;
        self.only(element, &["name", "from", "to", "link-type"], LINK_HINTS)?;
        let mut link = LinkElement {
            offset: element.offset,
            name: self.required(element, "name")?,
            from: self.required(element, "from")?,
            to: self.required(element, "to")?,
            negated,
            children: vec![],
        };
        self.links += 1;
        while let Some(child) = self.child()? {
            match child.name.as_str() {
                "filter" => link.children.push(Child::Filter(self.filter(&child, 1)?)),
                "link-entity" => link.children.push(Child::Link(self.link(&child)?)),
                name if ENTITY_IGNORED.contains(&name) => self.xml.skip()?,
                _ => return Err(self.unexpected(&child, "<filter>, <link-entity>, <attribute> or <order>")),
            }
        }
        self.links -= 1;
        Ok(link)
    }

    fn is_not_any(&self, element: &Element) -> Result<bool, FilterError> {
        match element.attribute("link-type") {
            Some("any") => Ok(false),
            Some("not any") => Ok(true),
            // FetchXML's default.
            other => {
                let what = format!("link-type \"{}\"", excerpt(other.unwrap_or("inner")));
                Err(self.unsupported(element, &what, &format!("write {LINK_TYPES}")))
            }
        }
    }

    /// Counts a condition or a link.
    fn count(&mut self, element: &Element) -> Result<(), FilterError> {
        self.conditions += 1;
        if self.conditions > CONDITIONS_MAX {
            let limit = format!("there are more than {CONDITIONS_MAX} conditions and links; write fewer");
            return Err(self.too_large(element, limit));
        }
        Ok(())
    }

    fn join(&self, element: &Element) -> Result<FilterJoin, FilterError> {
        self.only(element, &["type"], FILTER_HINTS)?;
        match element.attribute("type") {
            None | Some("and") => Ok(FilterJoin::And),
            Some("or") => Ok(FilterJoin::Or),
            Some(other) => Err(self.malformed(
                element,
                format!("type is \"{}\"; it may be \"and\" (the default) or \"or\"", excerpt(other)),
            )),
        }
    }

    fn condition(&mut self, element: &Element) -> Result<ConditionElement, FilterError> {
        self.count(element)?;
        if element.attribute("entityname").is_some() {
            let instead =
                "a condition tests the entity that its filter is on; write it in a <filter> of the <link-entity>";
            return Err(self.unsupported(element, "the XML attribute \"entityname\"", instead));
        }
        if let Some(name) = CONDITION_FOREIGN.iter().find(|name| element.attribute(name).is_some()) {
            let what = format!("the XML attribute \"{name}\"");
            return Err(self.unsupported(element, &what, "write the filter without it"));
        }
        self.only(element, &["attribute", "operator", "value", "valueof"], VALUE_HINTS)?;
        let mut condition = ConditionElement {
            offset: element.offset,
            attribute: self.required(element, "attribute")?,
            operator: self.required(element, "operator")?,
            value_of: element.attribute("valueof").map(str::to_owned),
            value: element.attribute("value").map(str::to_owned),
            values: vec![],
        };
        while let Some(child) = self.child()? {
            if child.name != "value" {
                return Err(self.unexpected(&child, "<value>"));
            }
            self.only(&child, &[], VALUE_HINTS)?;
            condition.values.push((child.offset, self.text_of(&child)?));
        }
        Ok(condition)
    }

    /// The text of an element that holds nothing else.
    fn text_of(&mut self, element: &Element) -> Result<String, FilterError> {
        let mut text = String::new();
        loop {
            match self.xml.next()? {
                Item::Text(more) => text += &more,
                Item::Close | Item::End => return Ok(text),
                Item::Open(child) => return Err(self.unexpected(&child, &format!("text in <{}>", element.name))),
            }
        }
    }

    fn required(&self, element: &Element, name: &str) -> Result<String, FilterError> {
        let value = element.attribute(name).map(str::to_owned);
        value.ok_or_else(|| self.malformed(element, format!("the XML attribute \"{name}\" is missing; add it")))
    }

    /// Refuses XML attributes that are neither of these.
    fn only(&self, element: &Element, known: &[&str], ignored: &[&str]) -> Result<(), FilterError> {
        let foreign = |name: &&String| !known.contains(&name.as_str()) && !ignored.contains(&name.as_str());
        match element.attributes.iter().map(|(name, _)| name).find(foreign) {
            Some(name) => Err(self.malformed(element, format!("FetchXML has no XML attribute \"{name}\" here"))),
            None => Ok(()),
        }
    }

    fn unexpected(&self, element: &Element, expected: &str) -> FilterError {
        self.malformed(element, format!("<{}> does not belong here; expected {expected}", element.name))
    }

    fn malformed(&self, element: &Element, problem: String) -> FilterError {
        FilterError::Malformed { place: self.xml.place(&element.name, element.offset), problem }
    }

    fn too_large(&self, element: &Element, limit: String) -> FilterError {
        FilterError::TooLarge { place: self.xml.place(&element.name, element.offset), limit }
    }

    fn unsupported(&self, element: &Element, what: &str, instead: &str) -> FilterError {
        let place = self.xml.place(&element.name, element.offset);
        FilterError::Unsupported { place, what: what.to_owned(), instead: instead.to_owned() }
    }
}

/// What a link in a filter can be, for messages.
const LINK_TYPES: &str = "link-type \"any\" or \"not any\"";

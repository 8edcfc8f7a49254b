//! XML, bounded: elements, attributes and text with their places, and nothing else. No DTD, no processing instructions,
//! no entities but the five of XML and character references.

use std::fmt::Display;

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion, escape};

use super::error::{FilterError, Place, excerpt};

/// Longest document in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// Most elements within each other, ignored ones included.
const ELEMENT_LEVELS_MAX: usize = 32;

/// Longest name of an element or XML attribute, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// The next thing in a document.
#[derive(Debug)]
pub(super) enum Item {
    /// An element begins.
    Open(Element),
    /// The innermost element ends.
    Close,
    /// Text, or a part of it.
    Text(String),
    /// The document ends.
    End,
}

/// The beginning of an element.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub(super) name: String,
    /// Bytes before its tag.
    pub(super) offset: usize,
    /// Names and values, in the document's order; names are unique.
    pub(super) attributes: Vec<(String, String)>,
}

/// Reads a document from front to back.
#[derive(Debug)]
pub(super) struct Xml<'t> {
    text: &'t str,
    reader: Reader<&'t [u8]>,
    /// Names of the elements that have begun and not ended.
    open: Vec<String>,
}

impl Element {
    /// The value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

impl<'t> Xml<'t> {
    /// Begins a document.
    pub(super) fn new(text: &'t str) -> Result<Self, FilterError> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        reader.config_mut().enable_all_checks(true);
        let xml = Self { text, reader, open: vec![] };
        if text.len() > DOCUMENT_BYTES_MAX {
            let limit = format!("the document has {} bytes; at most {DOCUMENT_BYTES_MAX} are allowed", text.len());
            return Err(FilterError::TooLarge { place: xml.place("", 0), limit });
        }
        let is_forbidden = |it: char| it.is_ascii_control() && !matches!(it, '\t' | '\n' | '\r');
        match text.find(is_forbidden) {
            Some(offset) => Err(xml.malformed(offset, "XML does not allow this control character; remove it")),
            None => Ok(xml),
        }
    }

    /// The next thing; comments are passed over.
    pub(super) fn next(&mut self) -> Result<Item, FilterError> {
        loop {
            let offset = self.offset();
            let event = match self.reader.read_event() {
                Ok(event) => event,
                Err(error) => return Err(self.malformed(self.reader.error_position() as usize, error)),
            };
            match event {
                Event::Start(start) | Event::Empty(start) => return self.begin(&start, offset).map(Item::Open),
                Event::End(_) => {
                    self.open.pop();
                    return Ok(Item::Close);
                }
                Event::Text(text) => return Ok(Item::Text(text.xml10_content().into_owned())),
                Event::CData(text) => return Ok(Item::Text(text.xml10_content().into_owned())),
                Event::GeneralRef(reference) => return self.resolve(&reference, offset).map(Item::Text),
                Event::Comment(_) => {}
                Event::Decl(_) if self.text[..offset].trim_start_matches('\u{feff}').is_empty() => {}
                Event::Decl(_) => return Err(self.malformed(offset, "an XML declaration may only begin a document")),
                Event::PI(_) => return Err(self.malformed(offset, "processing instructions are not allowed here")),
                Event::DocType(_) => return Err(self.malformed(offset, "a DTD is not allowed here; remove it")),
                Event::Eof => return self.end(offset),
            }
        }
    }

    /// Passes over the rest of the element that has just begun.
    pub(super) fn skip(&mut self) -> Result<(), FilterError> {
        let outside = self.open.len() - 1;
        while self.open.len() > outside {
            self.next()?;
        }
        Ok(())
    }

    /// Bytes that are read.
    pub(super) fn offset(&self) -> usize {
        self.reader.buffer_position() as usize
    }

    /// An error in the innermost element.
    pub(super) fn malformed(&self, offset: usize, problem: impl Display) -> FilterError {
        let element = self.open.last().map_or("", String::as_str);
        FilterError::Malformed { place: self.place(element, offset), problem: format!("{problem}") }
    }

    /// A place in this document.
    pub(super) fn place(&self, element: &str, offset: usize) -> Place {
        Place::locate(self.text, element, offset)
    }

    fn begin(&mut self, start: &BytesStart<'_>, offset: usize) -> Result<Element, FilterError> {
        let name = self.name(start.name().as_ref(), offset)?;
        if self.open.len() == ELEMENT_LEVELS_MAX {
            let limit = format!("elements lie more than {ELEMENT_LEVELS_MAX} deep in each other");
            return Err(FilterError::TooLarge { place: self.place(&name, offset), limit });
        }
        self.open.push(name.clone());
        let mut attributes = vec![];
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| self.malformed(offset, error))?;
            // Predefined entities hold no others, so one level of expansion is all there is.
            let value = attribute
                .normalized_value_with(XmlVersion::Implicit1_0, 1, escape::resolve_xml_entity)
                .map_err(|error| self.malformed(offset, error))?;
            attributes.push((self.name(attribute.key.as_ref(), offset)?, value.into_owned()));
        }
        Ok(Element { name, offset, attributes })
    }

    fn name(&self, name: &str, offset: usize) -> Result<String, FilterError> {
        let too_long = || self.malformed(offset, format!("a name has more than {NAME_BYTES_MAX} bytes"));
        (name.len() <= NAME_BYTES_MAX).then(|| name.to_owned()).ok_or_else(too_long)
    }

    fn resolve(&self, reference: &BytesRef<'_>, offset: usize) -> Result<String, FilterError> {
        if let Some(text) = escape::resolve_xml_entity(reference) {
            return Ok(text.to_owned());
        }
        let unknown = || self.malformed(offset, format!("\"&{};\" is none of XML's five entities", excerpt(reference)));
        reference.resolve_char_ref().ok().flatten().map(String::from).ok_or_else(unknown)
    }

    fn end(&self, offset: usize) -> Result<Item, FilterError> {
        match self.open.last() {
            Some(name) => Err(self.malformed(offset, format!("the document ends within <{name}>; close the element"))),
            None => Ok(Item::End),
        }
    }
}

impl Place {
    /// The place of an element whose tag has `offset` bytes of `text` before it.
    pub(super) fn locate(text: &str, element: &str, offset: usize) -> Self {
        let offset = (0..=offset.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            element: element.to_owned(),
            offset,
            line: before.matches('\n').count() as u32 + 1,
            column: before[line_start..].chars().count() as u32 + 1,
        }
    }
}

//! XML, bounded: elements, attributes and text with their places, and nothing else. No DTD, no processing instructions,
//! no entities but the five of XML and character references.

use std::fmt::Display;

use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion, escape};

use super::error::{FilterError, Place, excerpt, shortened};

/// Longest document in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// Most elements within each other, ignored ones included.
const ELEMENT_LEVELS_MAX: usize = 32;

/// Longest name of an element or XML attribute, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// Most XML attributes of an element.
const ATTRIBUTES_MAX: usize = 64;

/// Most bytes of a reader's own words that a message quotes: they may hold names of any length.
const PROBLEM_BYTES_MAX: usize = 240;

/// Encodings that a document may declare: those of text that has been decoded, and of what is UTF-8 as well.
const ENCODINGS: &[&str] = &["utf-8", "utf-16", "us-ascii"];

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
                Err(error) => return Err(self.unreadable(self.reader.error_position() as usize, error)),
            };
            match event {
                Event::Start(start) | Event::Empty(start) => return self.begin(&start, offset).map(Item::Open),
                Event::End(_) => {
                    self.open.pop();
                    return Ok(Item::Close);
                }
                Event::Text(text) if text.contains("]]>") => {
                    return Err(self.malformed(offset, "XML does not allow ]]> in text; write ]]&gt;"));
                }
                Event::Text(text) => return Ok(Item::Text(text.xml10_content().into_owned())),
                Event::CData(text) => return Ok(Item::Text(text.xml10_content().into_owned())),
                Event::GeneralRef(reference) => return self.resolve(&reference, offset).map(Item::Text),
                Event::Comment(_) => {}
                Event::Decl(declaration) if self.text[..offset].trim_start_matches('\u{feff}').is_empty() => {
                    self.check(&declaration, offset)?;
                }
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
        FilterError::Malformed { place: self.place(self.innermost(), offset), problem: format!("{problem}") }
    }

    /// An error that the reader found.
    fn unreadable(&self, offset: usize, error: impl Display) -> FilterError {
        self.malformed(offset, shortened(&error.to_string(), PROBLEM_BYTES_MAX))
    }

    /// Refuses other versions of XML, and encodings that this text cannot be of.
    fn check(&self, declaration: &BytesDecl<'_>, offset: usize) -> Result<(), FilterError> {
        let version = declaration.version().map_err(|error| self.unreadable(offset, error))?;
        if version != "1.0" {
            return Err(self.malformed(offset, format!("this is XML {}; write version 1.0", excerpt(&version))));
        }
        let Some(encoding) = declaration.encoding() else { return Ok(()) };
        let encoding = encoding.map_err(|error| self.unreadable(offset, error))?;
        if ENCODINGS.contains(&encoding.to_ascii_lowercase().as_str()) {
            return Ok(());
        }
        Err(self.malformed(offset, format!("encoding \"{}\" is not read here; write UTF-8", excerpt(&encoding))))
    }

    /// The name of the innermost element; empty outside of the first.
    fn innermost(&self) -> &str {
        self.open.last().map_or("", String::as_str)
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
        let attributes = self.attributes(start, offset)?;
        Ok(Element { name, offset, attributes })
    }

    fn attributes(&self, start: &BytesStart<'_>, offset: usize) -> Result<Vec<(String, String)>, FilterError> {
        if !has_spaces_between(start.attributes_raw()) {
            return Err(self.malformed(offset, "there is no space before an XML attribute; add one"));
        }
        let mut attributes = vec![];
        for attribute in start.attributes() {
            if attributes.len() == ATTRIBUTES_MAX {
                let limit = format!("an element has more than {ATTRIBUTES_MAX} XML attributes");
                return Err(FilterError::TooLarge { place: self.place(self.innermost(), offset), limit });
            }
            let attribute = attribute.map_err(|error| self.unreadable(offset, error))?;
            if attribute.value.contains('<') {
                return Err(self.malformed(offset, "XML does not allow < in an XML attribute; write &lt;"));
            }
            // Predefined entities hold no others, so one level of expansion is all there is.
            let value = attribute
                .normalized_value_with(XmlVersion::Implicit1_0, 1, escape::resolve_xml_entity)
                .map_err(|error| self.unreadable(offset, error))?;
            if value.contains(is_forbidden) {
                return Err(self.malformed(offset, "XML does not allow this control character; remove it"));
            }
            attributes.push((self.name(attribute.key.as_ref(), offset)?, value.into_owned()));
        }
        Ok(attributes)
    }

    fn name(&self, name: &str, offset: usize) -> Result<String, FilterError> {
        let too_long = || self.malformed(offset, format!("a name has more than {NAME_BYTES_MAX} bytes"));
        (name.len() <= NAME_BYTES_MAX).then(|| name.to_owned()).ok_or_else(too_long)
    }

    fn resolve(&self, reference: &BytesRef<'_>, offset: usize) -> Result<String, FilterError> {
        if let Some(text) = escape::resolve_xml_entity(reference) {
            return Ok(text.to_owned());
        }
        let unknown = || {
            self.malformed(
                offset,
                format!("\"&{};\" is none of XML's five entities, nor one of its characters", excerpt(reference)),
            )
        };
        let letter = reference.resolve_char_ref().ok().flatten().filter(|letter| !is_forbidden(*letter));
        letter.map(String::from).ok_or_else(unknown)
    }

    fn end(&self, offset: usize) -> Result<Item, FilterError> {
        match self.open.last() {
            Some(name) => Err(self.malformed(offset, format!("the document ends within <{name}>; close the element"))),
            None => Ok(Item::End),
        }
    }
}

/// Whether XML does not allow a character, be it written or referred to.
fn is_forbidden(letter: char) -> bool {
    (letter.is_ascii_control() && !matches!(letter, '\t' | '\n' | '\r')) || matches!(letter, '\u{fffe}' | '\u{ffff}')
}

/// Whether white space, or nothing, follows every quoted value of a tag.
fn has_spaces_between(attributes: &str) -> bool {
    let mut quote = None;
    let mut letters = attributes.chars().peekable();
    while let Some(letter) = letters.next() {
        match quote {
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            Some(open) if letter == open => {
                quote = None;
                if letters.peek().is_some_and(|next| !next.is_whitespace()) {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
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

"""XML, bounded: elements, attributes and text with their places.

No DTD, no processing instructions, no entities but the five of XML and character references.
"""

from collections.abc import Container
from dataclasses import dataclass, field
from xml.parsers import expat

from haversack_client._errors import FetchError
from haversack_client._fetch._errors import excerpt, malformed, too_large

DOCUMENT_BYTES_MAX = 1 << 20
ELEMENT_LEVELS_MAX = 32
ATTRIBUTES_MAX = 64
NAME_BYTES_MAX = 256


@dataclass(slots=True)
class Element:
    """An element, where it stands, and what is in it."""

    name: str
    attributes: dict[str, str]
    line: int
    column: int
    children: list["Element"] = field(default_factory=list)
    text: str = ""

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"<{excerpt(self.name)}> at line {self.line}, column {self.column}"

    def required(self, name: str) -> str:
        """An attribute's value. Raises FetchError if there is none."""
        value = self.attributes.get(name)
        if value is None:
            raise malformed(f'{self.place}: the XML attribute "{name}" is missing; add it')
        return value

    def only(self, *known: Container[str]) -> None:
        """Raises FetchError if there is an attribute that is none of these."""
        for name in self.attributes:
            if not any(name in names for names in known):
                raise malformed(f'{self.place}: FetchXML has no XML attribute "{excerpt(name)}" here')


def parse(text: str) -> Element:
    """Reads a document. Raises FetchError if it is not well-formed, or beyond a limit."""
    if not isinstance(text, str):
        raise malformed(f"the document is {type(text).__name__}; give it as text, decoded")
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise malformed("the document has half a character in it; save it as UTF-8") from error
    if len(raw) > DOCUMENT_BYTES_MAX:
        raise too_large(f"the document has {len(raw)} bytes; at most {DOCUMENT_BYTES_MAX} are allowed")
    return _Reader().read(raw)


class _Reader:
    """Builds elements as expat finds them."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.ProcessingInstructionHandler = self._instruction
        self._root: Element | None = None
        self._open: list[Element] = []

    def read(self, raw: bytes) -> Element:
        try:
            self._parser.Parse(raw, True)
        except expat.ExpatError as error:
            raise malformed(f"the document is not well-formed: {error}") from error
        if self._root is None:
            raise malformed("the document is empty; write a <fetch>")
        return self._root

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        element = Element(name, attributes, self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1)
        if len(self._open) == ELEMENT_LEVELS_MAX:
            raise too_large(f"{element.place}: elements lie more than {ELEMENT_LEVELS_MAX} deep in each other")
        if len(attributes) > ATTRIBUTES_MAX:
            raise too_large(f"{element.place}: an element has more than {ATTRIBUTES_MAX} XML attributes")
        if any(len(each.encode()) > NAME_BYTES_MAX for each in (name, *attributes)):
            raise malformed(f"{element.place}: a name has more than {NAME_BYTES_MAX} bytes")
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _end(self, _name: str) -> None:
        element = self._open.pop()
        if element.name != "value" and element.text.strip():
            raise malformed(f"{element.place}: text does not belong here; remove it")

    def _characters(self, text: str) -> None:
        self._open[-1].text += text

    def _doctype(self, *_: object) -> None:
        raise self._refused("a DTD is not allowed here; remove it")

    def _instruction(self, *_: object) -> None:
        raise self._refused("processing instructions are not allowed here; remove them")

    def _refused(self, problem: str) -> FetchError:
        return malformed(f"line {self._parser.CurrentLineNumber}: {problem}")

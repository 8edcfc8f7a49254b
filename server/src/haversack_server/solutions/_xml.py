"""XML documents of a solution: read with bounds, written in one way.

Only what a solution needs: elements, attributes, text. A document type, an entity beyond the five of XML, or a
processing instruction is refused where it begins, so nothing is ever expanded or fetched. Documents are UTF-8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from haversack_server.errors import SolutionInvalid

ELEMENTS_MAX = 1_000_000
KEPT_ELEMENTS_MAX = 300_000
DEPTH_MAX = 100
ASKED_DEPTH_MAX = 4
"""How deep `is_kept` is asked."""
ATTRIBUTES_MAX = 64
"""How many attributes an element may have."""
NAME_CHARACTERS_MAX = 1_000
TEXT_CHARACTERS_MAX = 2 * 1024 * 1024
"""How long an element's text or an attribute's value may be."""

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}
_TEXT = str.maketrans({key: value for key, value in _ESCAPES.items() if key != '"'})
_VALUE = str.maketrans(_ESCAPES | {"\n": "&#10;", "\t": "&#9;"})


@dataclass(slots=True)
class Element:
    """An element.

    Attributes:
        tag: Its name, prefix included.
        attributes: Values by name, prefix included.
        children: The elements in it.
        text: Its text; empty if it has children.
        left_out: Whether what is in it was not kept.
        is_filled: Whether there is anything in it, kept or not.
    """

    tag: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: str = ""
    left_out: bool = False
    is_filled: bool = False

    def child(self, tag: str) -> Element | None:
        """Returns the first child of a name."""
        return next(self.named(tag), None)

    def named(self, tag: str) -> Iterator[Element]:
        """Yields the children of a name."""
        return (it for it in self.children if it.tag == tag)

    def under(self, group: str, tag: str) -> list[Element]:
        """Returns the elements of a name in the first child `group`; none if there is no such child."""
        found = self.child(group)
        return list(found.named(tag)) if found else []

    def value(self, tag: str) -> str:
        """Returns the text of the first child of a name; empty if there is none."""
        found = self.child(tag)
        return found.text if found else ""


def element(tag: str, *children: Element, **attributes: str) -> Element:
    """Makes an element of others."""
    return Element(tag, attributes, list(children))


def leaf(tag: str, text: str, **attributes: str) -> Element:
    """Makes an element of text."""
    return Element(tag, attributes, text=text)


def everything(_path: tuple[str, ...]) -> bool:
    """Keeps every element."""
    return True


def read_xml(name: str, content: bytes, is_kept: Callable[[tuple[str, ...]], bool] = everything) -> Element:
    """Reads a document; `is_kept` says of an element's path, the root's name first, whether to keep what is in it.

    It is asked down to the fourth element of a path; what is deeper is kept with what it is in.

    Raises SolutionInvalid, naming the document by `name`.
    """
    return _Reader(name, is_kept).read(content)


def write_xml(root: Element) -> bytes:
    """Writes a document, indented; equal elements give equal bytes."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>']
    _write(root, "", lines)
    return ("\n".join(lines) + "\n").encode()


def _write(it: Element, indent: str, lines: list[str]) -> None:
    attributes = "".join(f' {name}="{value.translate(_VALUE)}"' for name, value in it.attributes.items())
    if it.children:
        lines.append(f"{indent}<{it.tag}{attributes}>")
        for child in it.children:
            _write(child, indent + "  ", lines)
        lines.append(f"{indent}</{it.tag}>")
    else:
        lines.append(f"{indent}<{it.tag}{attributes}>{it.text.translate(_TEXT)}</{it.tag}>")


class _Reader:
    """Reads one document, once."""

    def __init__(self, name: str, is_kept: Callable[[tuple[str, ...]], bool]) -> None:
        self._name = name
        self._is_kept = is_kept
        self._roots: list[Element] = []
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._text_characters = 0
        self._depth = 0
        self._elements = 0
        self._kept = 0
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._started
        self._parser.EndElementHandler = self._ended
        self._parser.CharacterDataHandler = self._said
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.EntityDeclHandler = self._refuse_doctype
        self._parser.ProcessingInstructionHandler = self._refuse_instruction

    def read(self, content: bytes) -> Element:
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise SolutionInvalid(f"{self._name} is not well-formed XML in UTF-8: {error}") from error
        if b"\0" in content:
            raise SolutionInvalid(f"{self._name} is not well-formed XML in UTF-8: it has a NUL")
        # In one piece: the parser would begin anew in the middle of a long token with every further piece.
        try:
            self._parser.Parse(content, True)
        except expat.ExpatError as error:
            raise SolutionInvalid(f"{self._name} is not well-formed XML in UTF-8: {error}") from error
        return self._roots[0]

    def _started(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        self._check_limits(tag, attributes)
        if self._open:
            self._open[-1].is_filled = True
        if self._open and self._open[-1].left_out:
            return
        self._kept += 1
        if self._kept > KEPT_ELEMENTS_MAX:
            self._refuse(f"there are more than {KEPT_ELEMENTS_MAX:,} elements that would have to be read")
        self._keep(Element(tag, attributes))

    def _check_limits(self, tag: str, attributes: dict[str, str]) -> None:
        if self._depth > DEPTH_MAX:
            self._refuse(f"more than {DEPTH_MAX} elements lie within each other")
        if self._elements > ELEMENTS_MAX:
            self._refuse(f"there are more than {ELEMENTS_MAX:,} elements")
        if len(attributes) > ATTRIBUTES_MAX:
            self._refuse(f"element {tag[:100]} has more than {ATTRIBUTES_MAX} attributes")
        if len(tag) > NAME_CHARACTERS_MAX or any(len(name) > NAME_CHARACTERS_MAX for name in attributes):
            self._refuse(f"a name is longer than {NAME_CHARACTERS_MAX:,} characters")
        if any(len(value) > TEXT_CHARACTERS_MAX for value in attributes.values()):
            self._refuse(f"an attribute is longer than {TEXT_CHARACTERS_MAX:,} characters")

    def _keep(self, made: Element) -> None:
        if self._open:
            self._open[-1].children.append(made)
        else:
            self._roots.append(made)
        self._open.append(made)
        self._texts.append([])
        self._text_characters = 0
        if len(self._open) <= ASKED_DEPTH_MAX:
            made.left_out = not self._is_kept(tuple(it.tag for it in self._open))

    def _ended(self, _tag: str) -> None:
        self._depth -= 1
        if self._depth >= len(self._open):
            return
        ended, text = self._open.pop(), "".join(self._texts.pop())
        if not ended.children and not ended.left_out:
            ended.text = text
        ended.is_filled = ended.is_filled or bool(text.strip())

    def _said(self, text: str) -> None:
        if self._open[-1].left_out:
            self._open[-1].is_filled = self._open[-1].is_filled or bool(text.strip())
            return
        self._text_characters += len(text)
        if self._text_characters > TEXT_CHARACTERS_MAX:
            self._refuse(f"a text is longer than {TEXT_CHARACTERS_MAX:,} characters")
        self._texts[-1].append(text)

    def _refuse_doctype(self, *_declaration: object) -> NoReturn:
        self._refuse("it declares a document type or an entity; solutions have neither")

    def _refuse_instruction(self, *_instruction: object) -> NoReturn:
        self._refuse("it has a processing instruction; solutions have none")

    def _refuse(self, why: str) -> NoReturn:
        raise SolutionInvalid(f"{self._name}, line {self._parser.CurrentLineNumber}: {why}")

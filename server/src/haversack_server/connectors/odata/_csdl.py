"""`$metadata`: the CSDL document of an OData v4 service, read into types, sets and links.

Only what rows need is read: entity types with what they inherit, entity sets, enumerations. The document is somebody
else's, so it is bounded before it is parsed, has no DTD, and refers to nothing outside of itself.

Source of the rules: OASIS, "OData Common Schema Definition Language (CSDL) XML Representation Version 4.01".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lxml import etree

from haversack_server.errors import SourceAnswerInvalid

DOCUMENT_BYTES_MAX = 64 << 20
"""A whole Dataverse organization's document has some 10 MiB."""

INHERITANCE_DEPTH_MAX = 32
"""How far a type may be derived."""

LENGTH_DIGITS_MAX = 9
"""Digits of a `MaxLength` that is believed."""

_EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


@dataclass(frozen=True)
class Property:
    """A structural property.

    Attributes:
        name: As it is on the wire.
        type: `Edm.String`, or the full name of a type of the document, without `Collection(...)`.
        many: Whether it is a collection.
        nullable: Whether it may be null.
        max_length: Characters; 0: not stated.
    """

    name: str
    type: str
    many: bool
    nullable: bool
    max_length: int


@dataclass(frozen=True)
class Navigation:
    """A navigation property.

    Attributes:
        name: As it is on the wire.
        type: Full name of the entity type that it leads to.
        many: Whether it leads to many rows.
        partner: The navigation property that leads back, or "".
        constraints: (property here, property there) pairs that are equal.
    """

    name: str
    type: str
    many: bool
    partner: str
    constraints: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class EntityType:
    """An entity type, with all that it inherits.

    Attributes:
        name: Full name.
        bases: Full names of what it is derived from, nearest first.
        abstract: Whether it has no rows of its own.
        key: Names of the key's properties; a path, if the key lies in a complex property.
        properties: By name.
        navigations: By name.
        is_media: Whether its rows are media with a stream beside them.
    """

    name: str
    bases: tuple[str, ...]
    abstract: bool
    key: tuple[str, ...]
    properties: dict[str, Property]
    navigations: dict[str, Navigation]
    is_media: bool

    @property
    def short_name(self) -> str:
        """Its name without the namespace."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class EntitySet:
    """An entity set: its name in addresses, and what its rows are."""

    name: str
    type: EntityType


@dataclass(frozen=True)
class Csdl:
    """A service's document.

    Attributes:
        types: Entity types by full name.
        sets: Entity sets, in the order of the document.
        enums: Full names of enumerations.
        definitions: Underlying types of type definitions, by full name.
        actions: Short names of the functions and actions that it has.
    """

    types: dict[str, EntityType]
    sets: tuple[EntitySet, ...]
    enums: frozenset[str]
    definitions: dict[str, str] = field(default_factory=dict)
    actions: frozenset[str] = frozenset()


def read_csdl(content: bytes) -> Csdl:
    """Reads a document; raises SourceAnswerInvalid if it is none."""
    if len(content) > DOCUMENT_BYTES_MAX:
        raise SourceAnswerInvalid(f"$metadata has more than {DOCUMENT_BYTES_MAX >> 20} MiB")
    root = _parse(content)
    schemas = [it for it in root.iter(f"{_EDM}Schema")]
    if not schemas:
        raise SourceAnswerInvalid(
            "$metadata has no Schema of OData v4 in it; check that `url` is the root of a v4 service"
        )
    return _Reading(schemas).read()


def _parse(content: bytes) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SourceAnswerInvalid(f"$metadata is no XML: {error}") from error
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]  # the stubs' elements may have no tree
        raise SourceAnswerInvalid("$metadata has a DOCTYPE, which no OData service sends; it is refused")
    return root


class _Reading:
    """One reading of a document."""

    def __init__(self, schemas: list[etree._Element]) -> None:
        self._schemas = schemas
        self._aliases = {it.get("Alias", ""): it.get("Namespace", "") for it in schemas if it.get("Alias")}
        self._elements: dict[str, etree._Element] = {}
        self._types: dict[str, EntityType] = {}
        self._enums: set[str] = set()
        self._definitions: dict[str, str] = {}
        self._actions: set[str] = set()

    def read(self) -> Csdl:
        for schema in self._schemas:
            for element in schema:
                self._note(schema.get("Namespace", ""), element)
        types = {name: self._type(name, ()) for name in self._elements}
        return Csdl(
            types, tuple(self._sets(types)), frozenset(self._enums), self._definitions, frozenset(self._actions)
        )

    def _note(self, namespace: str, element: etree._Element) -> None:
        name = f"{namespace}.{element.get('Name')}"
        if element.tag == f"{_EDM}EntityType":
            self._elements[name] = element
        elif element.tag == f"{_EDM}EnumType":
            self._enums.add(name)
        elif element.tag == f"{_EDM}TypeDefinition":
            self._definitions[name] = element.get("UnderlyingType", "")
        elif element.tag in (f"{_EDM}Function", f"{_EDM}Action"):
            self._actions.add(element.get("Name", ""))

    def _full(self, name: str) -> str:
        """A type's full name, its namespace spelt out."""
        namespace, _, short = name.rpartition(".")
        return f"{self._aliases.get(namespace, namespace)}.{short}" if namespace else short

    def _type(self, name: str, below: tuple[str, ...]) -> EntityType:
        """An entity type with what it inherits; `below` are those that are derived from it."""
        known = self._types.get(name)
        if known is not None:
            return known
        if name in below or len(below) > INHERITANCE_DEPTH_MAX:
            raise SourceAnswerInvalid(
                f"$metadata derives {name} from itself, or from more than {INHERITANCE_DEPTH_MAX} types"
            )
        element = self._elements[name]
        base_name = self._full(element.get("BaseType", ""))
        base = self._type(base_name, (*below, name)) if base_name in self._elements else None
        own_key = tuple(it.get("Name", "") for it in element.iterfind(f"{_EDM}Key/{_EDM}PropertyRef"))
        read = EntityType(
            name=name,
            bases=(base.name, *base.bases) if base else (),
            abstract=element.get("Abstract") == "true",
            key=own_key or (base.key if base else ()),
            properties={**(base.properties if base else {}), **self._properties(element)},
            navigations={**(base.navigations if base else {}), **self._navigations(element)},
            is_media=element.get("HasStream") == "true" or bool(base and base.is_media),
        )
        self._types[name] = read
        return read

    def _properties(self, element: etree._Element) -> dict[str, Property]:
        read = {}
        for it in element.iterfind(f"{_EDM}Property"):
            written, many = _single(it.get("Type", "Edm.String"))
            length = it.get("MaxLength", "")
            read[it.get("Name", "")] = Property(
                name=it.get("Name", ""),
                type=self._full(written),
                many=many,
                nullable=it.get("Nullable") != "false",
                max_length=int(length)
                if length.isascii() and length.isdigit() and len(length) <= LENGTH_DIGITS_MAX
                else 0,
            )
        return read

    def _navigations(self, element: etree._Element) -> dict[str, Navigation]:
        read = {}
        for it in element.iterfind(f"{_EDM}NavigationProperty"):
            written, many = _single(it.get("Type", ""))
            constraints = it.iterfind(f"{_EDM}ReferentialConstraint")
            read[it.get("Name", "")] = Navigation(
                name=it.get("Name", ""),
                type=self._full(written),
                many=many,
                partner=it.get("Partner", ""),
                constraints=tuple((c.get("Property", ""), c.get("ReferencedProperty", "")) for c in constraints),
            )
        return read

    def _sets(self, types: dict[str, EntityType]) -> list[EntitySet]:
        sets = []
        for schema in self._schemas:
            for it in schema.iterfind(f"{_EDM}EntityContainer/{_EDM}EntitySet"):
                found = types.get(self._full(it.get("EntityType", "")))
                if found is not None and it.get("Name"):
                    sets.append(EntitySet(it.get("Name", ""), found))
        return sets


def _single(written: str) -> tuple[str, bool]:
    """A type's name, and whether it is that of a collection's members."""
    if written.startswith("Collection(") and written.endswith(")"):
        return written[len("Collection(") : -1], True
    return written, False

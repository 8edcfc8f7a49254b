"""What a device carries: the entities of a `Model` as tables with typed columns.

| attribute type | column | value |
| --- | --- | --- |
| string, memo, entity name | TEXT | as it is |
| decimal, money | TEXT | canonical decimal, exact: `CAST(x AS REAL)` to compare or order by it |
| integer, bigint, picklist, state, status | INTEGER | as it is |
| boolean | INTEGER | 0 or 1 |
| double | REAL | as it is |
| multi-select picklist | TEXT | JSON array of numbers: `json_each(x)` |
| datetime, datetime independent | TEXT | `YYYY-MM-DD HH:MM:SS`, `.ffffff` if not zero; UTC, or the wall clock |
| date only | TEXT | `YYYY-MM-DD` |
| uniqueidentifier, lookup, owner, customer | TEXT | canonical UUID in lower case, or the source's text |
| `<lookup>_entity` | INTEGER | entity number of the row that the lookup points at |

Dates have the form that SQLite's own functions read and return, so that `createdon > datetime('now', '-7 days')` is a
plain comparison of text that sorts by time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID

from google.protobuf.message import DecodeError
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import sync_pb2

from haversack_client._errors import ProtocolError

COLUMNS_MAX = 1990
"""Columns of a table. SQLite takes 2,000, `_ordinal` and `_lsn` among them."""

ENTITIES_MAX = 4096
"""Tables of a device."""

NAME_LENGTH_MAX = 128

OWN_COLUMNS = ("_ordinal", "_lsn")
OWN_PREFIXES = ("_haversack", "sqlite_")
"""Names that the device or SQLite keeps for itself."""


class Kind(Enum):
    """How a field becomes a column: the attribute types fold into these."""

    TEXT = "TEXT"
    INTEGER = "INTEGER"
    REAL = "REAL"
    BOOLEAN = "INTEGER, 0 or 1"
    INSTANT = "TEXT, instant"
    DAY = "TEXT, day"
    ID = "TEXT, id"
    CHOICES = "TEXT, JSON array"

    @property
    def sql_type(self) -> str:
        """The type in CREATE TABLE."""
        return self.value.partition(",")[0]


_KINDS: Mapping[int, Kind] = {
    model_pb2.ATTRIBUTE_TYPE_STRING: Kind.TEXT,
    model_pb2.ATTRIBUTE_TYPE_MEMO: Kind.TEXT,
    model_pb2.ATTRIBUTE_TYPE_INTEGER: Kind.INTEGER,
    model_pb2.ATTRIBUTE_TYPE_BIGINT: Kind.INTEGER,
    model_pb2.ATTRIBUTE_TYPE_DECIMAL: Kind.TEXT,
    model_pb2.ATTRIBUTE_TYPE_MONEY: Kind.TEXT,
    model_pb2.ATTRIBUTE_TYPE_DOUBLE: Kind.REAL,
    model_pb2.ATTRIBUTE_TYPE_BOOLEAN: Kind.BOOLEAN,
    model_pb2.ATTRIBUTE_TYPE_PICKLIST: Kind.INTEGER,
    model_pb2.ATTRIBUTE_TYPE_STATE: Kind.INTEGER,
    model_pb2.ATTRIBUTE_TYPE_STATUS: Kind.INTEGER,
    model_pb2.ATTRIBUTE_TYPE_MULTI_SELECT_PICKLIST: Kind.CHOICES,
    model_pb2.ATTRIBUTE_TYPE_DATETIME: Kind.INSTANT,
    model_pb2.ATTRIBUTE_TYPE_DATETIME_INDEPENDENT: Kind.INSTANT,
    model_pb2.ATTRIBUTE_TYPE_DATE_ONLY: Kind.DAY,
    model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER: Kind.ID,
    model_pb2.ATTRIBUTE_TYPE_LOOKUP: Kind.ID,
    model_pb2.ATTRIBUTE_TYPE_OWNER: Kind.ID,
    model_pb2.ATTRIBUTE_TYPE_CUSTOMER: Kind.ID,
    model_pb2.ATTRIBUTE_TYPE_ENTITY_NAME: Kind.TEXT,
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the field that fills it, and how."""

    name: str
    number: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Attribute:
    """What may be written into an attribute's column.

    Attributes:
        name: Name of the column.
        number: Number of the field.
        type: The attribute's type, which says more than the column's kind.
        companion: Name of the column that says which entity a lookup points at; empty if it can be only one.
        target: Logical name of that one entity; empty if there are several, or if it is no lookup.
        required: Whether a row must have a value.
        max_length: Longest text in UTF-16 code units; 0: any.
        options: The allowed values of a choice; empty: any.
        creatable: Whether it may be set in a new row.
        updatable: Whether it may be changed.
    """

    name: str
    number: int
    type: int
    companion: str = ""
    target: str = ""
    required: bool = False
    max_length: int = 0
    options: frozenset[int] = frozenset()
    creatable: bool = False
    updatable: bool = False
    default_statuses: Mapping[int, int] = field(default_factory=dict)
    """Of the attribute `statuscode`: which status goes with which state if only that is said."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: an entity that the device carries."""

    entity: int
    name: str
    message_name: str
    primary_id: str
    columns: tuple[Column, ...]
    mandatory: bool
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    """By name of the column; a lookup's companion has none of its own."""
    rights: frozenset[int] = frozenset()
    """What the user may do to rows, as `RowRight`."""
    sync_interval_minutes: int = 0
    """How often a device that is not live should sync; 0: as is usual."""

    @property
    def has_uuids(self) -> bool:
        """Whether ids are UUIDs; else they are texts, as the source has them."""
        return any(column.kind is Kind.ID for column in self.columns if column.name == self.primary_id)


@dataclass(frozen=True, slots=True)
class User:
    """Whose device it is, and by which rules the organization compares, as the server told.

    Attributes:
        id: The user's `systemuserid`.
        name: What tokens name the user by.
        name_attribute: Logical name of the attribute of users that holds that.
        business_unit_id: The user's business unit; None if there is none.
        team_ids: The user's teams of every type.
        language: The user's language, as a locale id; 0 if none was chosen.
        time_zone: IANA name of the zone in which the user's days begin.
        collation: How texts compare, as `haversack.model.v1.Collation`.
        null_never_matches: Whether NULL fails negative operators.
        week_start: First day of a week, 0 (Sunday) to 6.
        fiscal: The fiscal calendar, as `haversack.model.v1.FiscalCalendar`.
    """

    id: str
    name: str
    name_attribute: str
    business_unit_id: str | None
    team_ids: tuple[str, ...]
    language: int
    time_zone: str
    collation: int
    null_never_matches: bool
    week_start: int
    fiscal: model_pb2.FiscalCalendar

    @classmethod
    def from_message(cls, message: sync_pb2.User) -> "User":
        """Reads what the server told. Raises ProtocolError if an id is none."""
        return cls(
            id=_uuid_text(message.id),
            name=message.name,
            name_attribute=message.name_attribute,
            business_unit_id=_uuid_text(message.business_unit) if message.business_unit else None,
            team_ids=tuple(map(_uuid_text, message.teams)),
            language=message.language,
            time_zone=message.time_zone,
            collation=message.collation,
            null_never_matches=message.null_never_matches,
            week_start=message.week_start,
            fiscal=message.fiscal,
        )


@dataclass(frozen=True, slots=True)
class CarriedModel:
    """A model made ready: its tables by entity number in download order, and its serialized form.

    Equal versions are equal models.
    """

    version: int
    revision: int
    tables: Mapping[int, Table]
    descriptors: bytes
    serialized: bytes
    user: User | None = None
    """Whose device it is; None if no server has told yet."""

    @classmethod
    def from_message(cls, message: sync_pb2.Model) -> "CarriedModel":
        """Reads a model. Raises ProtocolError if it contradicts itself or cannot become SQLite tables."""
        if len(message.entities) > ENTITIES_MAX:
            raise ProtocolError(f"a model has {len(message.entities)} entities; at most {ENTITIES_MAX} are allowed")
        tables = [_table(entity) for entity in message.entities]
        _require_distinct("entity numbers of a model", [str(table.entity) for table in tables])
        _require_distinct("names of entities", [table.name.lower() for table in tables])
        return cls(
            version=message.version,
            revision=message.revision,
            tables={table.entity: table for table in tables},
            descriptors=message.descriptors,
            serialized=message.SerializeToString(deterministic=True),
            user=User.from_message(message.user) if message.HasField("user") else None,
        )

    def has_tables_of(self, other: "CarriedModel | None") -> bool:
        """Whether the tables are those of another model, so that they differ in rules and rights alone, if at all."""
        return other is not None and _shapes(self) == _shapes(other)

    def table(self, name: str) -> Table | None:
        """The table of this name."""
        return next((table for table in self.tables.values() if table.name == name), None)

    @classmethod
    def parse(cls, serialized: bytes) -> "CarriedModel":
        """Reads a model from `serialized`. Raises ProtocolError as `from_message` does."""
        try:
            return cls.from_message(sync_pb2.Model.FromString(serialized))
        except DecodeError as error:
            raise ProtocolError("a model cannot be parsed") from error


def _shapes(model: CarriedModel) -> list[tuple[object, ...]]:
    """All that of the tables which decides what is stored of rows, and when work may begin."""
    return [
        (table.entity, table.name, table.message_name, table.primary_id, table.columns, table.mandatory)
        for table in model.tables.values()
    ]


def _table(entity: sync_pb2.CarriedEntity) -> Table:
    name = _checked(entity.logical_name)
    columns = [column for attribute in entity.attributes for column in _columns(attribute)]
    if len(columns) > COLUMNS_MAX:
        raise ProtocolError(f"entity {name} has {len(columns)} columns; at most {COLUMNS_MAX} are allowed")
    names = [column.name for column in columns]
    _require_distinct(f"columns of {name}", [column.lower() for column in names])
    _require_distinct(f"field numbers of {name}", [str(column.number) for column in columns])
    if entity.primary_id_attribute not in names:
        raise ProtocolError(f"entity {name} does not carry its primary id, {entity.primary_id_attribute!r}")
    if not entity.entity:
        raise ProtocolError(f"entity {name} has no number")
    return Table(
        entity=entity.entity,
        name=name,
        message_name=entity.message_name,
        primary_id=entity.primary_id_attribute,
        columns=tuple(columns),
        mandatory=entity.mandatory,
        attributes={attribute.logical_name: _attribute(attribute) for attribute in entity.attributes},
        rights=frozenset(entity.rights),
        sync_interval_minutes=entity.sync_interval_minutes,
    )


def _uuid_text(raw: bytes) -> str:
    try:
        return str(UUID(bytes=raw))
    except ValueError as error:
        raise ProtocolError(f"a model tells of its user by an id of {len(raw)} bytes; 16 are needed") from error


def _attribute(attribute: sync_pb2.CarriedAttribute) -> Attribute:
    return Attribute(
        name=attribute.logical_name,
        number=attribute.number,
        type=attribute.type,
        companion=f"{attribute.logical_name}_entity" if attribute.entity_field_number else "",
        target=attribute.target,
        required=attribute.required,
        max_length=attribute.max_length,
        options=frozenset(attribute.options),
        creatable=attribute.creatable,
        updatable=attribute.updatable,
        default_statuses={each.state: each.status for each in attribute.default_statuses},
    )


def _columns(attribute: sync_pb2.CarriedAttribute) -> list[Column]:
    """One column for an attribute; two for a lookup that may point at several entities."""
    name = _checked(attribute.logical_name)
    kind = _KINDS.get(attribute.type)
    if kind is None:
        raise ProtocolError(f"attribute {name} has type {attribute.type}, which this version does not know; update it")
    column = Column(name, attribute.number, kind)
    if not attribute.entity_field_number:
        return [column]
    return [column, Column(f"{name}_entity", attribute.entity_field_number, Kind.INTEGER)]


def _checked(name: str) -> str:
    """Names become quoted SQL identifiers, so nearly everything goes."""
    is_own = name.lower() in OWN_COLUMNS or name.lower().startswith(OWN_PREFIXES)
    if is_own or not name.isprintable() or not 0 < len(name) <= NAME_LENGTH_MAX:
        raise ProtocolError(f"{name!r} cannot be the name of a table or column")
    return name


def _require_distinct(what: str, values: list[str]) -> None:
    if len(set(values)) != len(values):
        raise ProtocolError(f"the {what} are not distinct")

"""The mapping file: which tables are which entities. YAML, read with the line of everything that is wrong in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from haversack_server.breaches import sentences
from haversack_server.connectors._mapping_files import composed
from haversack_server.connectors.postgres._types import ATTRIBUTE_TYPES, LOOKUPS
from haversack_server.errors import MappingInvalid
from haversack_server.metadata import name_fault

OWNERSHIPS = {
    "user": "UserOwned",
    "business_unit": "BusinessOwned",
    "organization": "OrganizationOwned",
    "none": "None",
}
"""Who owns an entity's rows, in a mapping file and in metadata."""

SPECIAL_COLUMNS = {
    "owner": ("ownerid", "owner"),
    "business_unit": ("owningbusinessunit", "lookup"),
    "modified_on": ("modifiedon", "datetime"),
    "created_on": ("createdon", "datetime"),
}
"""Keys that name a column which has a meaning, and the attribute and type that it becomes."""

USER_COLUMNS = {
    "name": "fullname",
    "login": "domainname",
    "email": "internalemailaddress",
    "disabled": "isdisabled",
    "manager": "parentsystemuserid",
}
"""Keys of `directory` that name columns of users, and the attributes that they become."""

RIGHTS = {"create": 1, "read": 2, "write": 3, "delete": 4, "assign": 5, "share": 6, "append": 7, "append_to": 8}
"""What a user may do to a row, and its number in roleprivileges."""

DEPTHS = {"user": 1, "organization": 8}
"""How far a right reaches, and its number in roleprivileges."""

_ENTITY_KEYS = {"table", "id", "name", "display_name", "ownership", "deleted", "version", "offline", "link"}
_ENTITY_KEYS |= {"attributes", "rows", *SPECIAL_COLUMNS}
_ATTRIBUTE_KEYS = {"column", "type", "value", "target", "choices", "display_name"}


@dataclass(frozen=True)
class AttributeMapping:
    """An attribute and where its values come from.

    Attributes:
        name: Logical name.
        line: Where the file says it.
        column: The column; None if the value is the same in every row.
        type: One of `ATTRIBUTE_TYPES`; empty for the column's usual one.
        value: The value of every row.
        target: The entity that a lookup points at; empty for what the foreign key says.
        choices: The numbers that stand for the column's texts.
        display_name: What people read.
    """

    name: str
    line: int
    column: str | None = None
    type: str = ""
    value: str | None = None
    target: str = ""
    choices: dict[str, int] = field(default_factory=dict)
    display_name: str = ""


@dataclass(frozen=True)
class EntityMapping:
    """An entity and where its rows come from.

    Attributes:
        name: Logical name.
        line: Where the file says it.
        table: Full name of the table; None if the rows are in the file.
        key: The columns that make the id.
        primary_name: The attribute that people know a row by; empty if none.
        display_name: What people read.
        ownership: One of `OWNERSHIPS`.
        deleted: A column that marks deleted rows.
        version: A column that changes with every change of a row.
        offline: Whether devices may have it without further ado.
        link: Whether rows only link two others.
        attributes: Attributes by name.
        rows: Rows of the file, as texts by attribute.
    """

    name: str
    line: int
    table: str | None = None
    key: tuple[str, ...] = ()
    primary_name: str = ""
    display_name: str = ""
    ownership: str = "organization"
    deleted: str | None = None
    version: str | None = None
    offline: bool = True
    link: bool = False
    attributes: dict[str, AttributeMapping] = field(default_factory=dict)
    rows: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True)
class Directory:
    """The least that can stand for a directory: users of one table, who all belong to one unit and have one role.

    Attributes:
        line: Where the file says it.
        table: Full name of the table of users.
        key: The column of a user's id.
        columns: Columns by the attribute of systemuser that they become.
        rights: What users may do to rows of every mapped entity.
        depth: How far that reaches where rows have owners: "user" or "organization".
    """

    line: int
    table: str
    key: str
    columns: dict[str, str]
    rights: tuple[str, ...]
    depth: str


@dataclass(frozen=True)
class Mapping:
    """A mapping file.

    Attributes:
        entities: By logical name.
        directory: What stands for a directory where the database has none.
        user_setting: A setting of the session that is given the writing user's id, as in `app.user_id`; empty for none.
        user_role: An attribute of systemuser that names the database role that writes as the user; empty for none.
    """

    entities: dict[str, EntityMapping]
    directory: Directory | None = None
    user_setting: str = ""
    user_role: str = ""


def read_mapping(text: str) -> Mapping:
    """Reads a mapping file; an empty one maps nothing. Raises MappingInvalid, which lists breaches by line."""
    root = composed(text)
    reader = _Reader()
    mapping = reader.mapping(root) if root is not None else Mapping({})
    if reader.breaches:
        raise MappingInvalid(sentences(reader.breaches))
    return mapping


class _Reader:
    """Reads YAML's nodes, which know their lines, and gathers what is wrong."""

    def __init__(self) -> None:
        self.breaches: list[str] = []

    def mapping(self, node: yaml.Node) -> Mapping:
        members = self._members(node, {"entities", "directory", "write_as"})
        entities = {}
        for name, value in self._pairs(members.get("entities")):
            if self._is_name(name):
                entities[name.value] = self._entity(name, value)
        writing = self._members(members.get("write_as"), {"setting", "role"})
        setting = self._text(writing.get("setting"))
        if setting and not re.fullmatch(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*", setting):
            self._breach(writing["setting"], f"{setting!r} is no setting of a session; write it as app.user_id")
        directory = self._directory(members["directory"]) if "directory" in members else None
        return Mapping(entities, directory, user_setting=setting, user_role=self._text(writing.get("role")))

    def _directory(self, node: yaml.Node) -> Directory:
        members = self._members(node, {"users", "id", "rights", "depth", *USER_COLUMNS})
        for needed in ("users", "id"):
            if needed not in members:
                self._breach(node, f"the directory needs {needed}")
        rights = tuple(self._texts(members["rights"])) if "rights" in members else tuple(RIGHTS)
        for right in rights:
            if right not in RIGHTS:
                self._breach(members["rights"], f"there is no right {right!r}; there are {', '.join(RIGHTS)}")
        depth = self._text(members.get("depth")) or "organization"
        if depth not in DEPTHS:
            self._breach(members["depth"], f"depth is {depth!r}; use one of {', '.join(DEPTHS)}")
        table = self._text(members.get("users"))
        return Directory(
            line=node.start_mark.line + 1,
            table=table if "." in table else f"public.{table}",
            key=self._text(members.get("id")),
            columns={USER_COLUMNS[key]: self._text(members[key]) for key in USER_COLUMNS if key in members},
            rights=rights,
            depth=depth,
        )

    def _entity(self, name: yaml.Node, node: yaml.Node) -> EntityMapping:
        line = name.start_mark.line + 1
        members = self._members(node, _ENTITY_KEYS)
        ownership = self._text(members.get("ownership")) or ("user" if "owner" in members else "organization")
        if ownership not in OWNERSHIPS:
            self._breach(members["ownership"], f"ownership is {ownership!r}; use one of {', '.join(OWNERSHIPS)}")
        attributes = dict(self._special(members))
        for key, value in self._pairs(members.get("attributes")):
            if self._is_name(key):
                attributes[key.value] = self._attribute(key, value)
        table, rows = self._text(members.get("table")) or None, tuple(self._rows(members.get("rows")))
        if (table is None) == ("rows" not in members):
            self._breach(name, f"{name.value}: give it a table, or rows of its own")
        columns = tuple(filter(None, self._texts(members.get("id"))))
        if table is not None and not columns:
            self._breach(name, f"{name.value}: name the column of its id, or a list of them")
        return EntityMapping(
            name=name.value,
            line=line,
            table=table if table is None or "." in table else f"public.{table}",
            key=columns,
            primary_name=self._text(members.get("name")),
            display_name=self._text(members.get("display_name")),
            ownership=ownership,
            deleted=self._text(members.get("deleted")) or None,
            version=self._text(members.get("version")) or None,
            offline=self._flag(members.get("offline"), usual=True),
            link=self._flag(members.get("link"), usual=False),
            attributes=attributes,
            rows=rows,
        )

    def _special(self, members: dict[str, yaml.Node]) -> Iterator[tuple[str, AttributeMapping]]:
        """Yields the attributes of columns that have a meaning."""
        for key, (attribute, kind) in SPECIAL_COLUMNS.items():
            if key in members:
                line, target = members[key].start_mark.line + 1, "businessunit" if key == "business_unit" else ""
                column = self._text(members[key])
                yield attribute, AttributeMapping(attribute, line, column=column, type=kind, target=target)

    def _attribute(self, key: yaml.Node, node: yaml.Node) -> AttributeMapping:
        line = key.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode):
            return AttributeMapping(key.value, line, column=node.value)
        members = self._members(node, _ATTRIBUTE_KEYS)
        kind = self._text(members.get("type"))
        if kind and kind not in ATTRIBUTE_TYPES:
            self._breach(members["type"], f"there is no type {kind!r}; use one of {', '.join(ATTRIBUTE_TYPES)}")
        if ("column" in members) == ("value" in members):
            self._breach(key, f"{key.value}: give it a column, or one value for every row")
        if "target" in members and kind and kind not in LOOKUPS:
            self._breach(members["target"], f"{key.value}: only a lookup, an owner or a customer has a target")
        return AttributeMapping(
            key.value,
            line,
            column=self._text(members.get("column")) or None,
            type=kind,
            value=self._text(members["value"]) if "value" in members else None,
            target=self._text(members.get("target")),
            choices=self._choices(members.get("choices")),
            display_name=self._text(members.get("display_name")),
        )

    def _choices(self, node: yaml.Node | None) -> dict[str, int]:
        choices = {}
        for key, value in self._pairs(node):
            if re.fullmatch(r"-?\d{1,10}", str(value.value)):
                choices[key.value] = int(value.value)
            else:
                self._breach(value, f"the choice {key.value!r} needs a whole number, which devices know it by")
        return choices

    def _rows(self, node: yaml.Node | None) -> Iterator[dict[str, str]]:
        if node is not None and not isinstance(node, yaml.SequenceNode):
            self._breach(node, "rows are a list")
            return
        for row in node.value if node is not None else ():
            yield {key.value: self._text(value) for key, value in self._pairs(row)}

    def _pairs(self, node: yaml.Node | None) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
        if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
            return []
        if not isinstance(node, yaml.MappingNode):
            self._breach(node, "this should be names with values behind a colon")
            return []
        return list(node.value)

    def _members(self, node: yaml.Node | None, known: set[str]) -> dict[str, Any]:
        members = {}
        for key, value in self._pairs(node):
            if key.value in known:
                members[key.value] = value
            else:
                self._breach(key, f"{key.value!r} means nothing here; there can be {', '.join(sorted(known))}")
        return members

    def _text(self, node: yaml.Node | None) -> str:
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode):
            self._breach(node, "this should be one value")
            return ""
        return str(node.value)

    def _texts(self, node: yaml.Node | None) -> list[str]:
        return [self._text(it) for it in node.value] if isinstance(node, yaml.SequenceNode) else [self._text(node)]

    def _flag(self, node: yaml.Node | None, *, usual: bool) -> bool:
        text = self._text(node)
        if text not in ("", "true", "false"):
            self._breach(node, f"{text!r} is neither true nor false")
        return text == "true" if text else usual

    def _is_name(self, node: yaml.Node) -> bool:
        fault = name_fault(str(node.value)) if isinstance(node, yaml.ScalarNode) else "it must be text"
        if fault:
            self._breach(node, f"{node.value!r} is no logical name: {fault}")
        return not fault

    def _breach(self, node: yaml.Node | None, what: str) -> None:
        line = node.start_mark.line + 1 if node is not None else 1
        self.breaches.append(f"line {line}: {what}")

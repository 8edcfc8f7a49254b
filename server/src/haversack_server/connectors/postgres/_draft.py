"""Drafts a mapping file of a database, with comments, to be edited and set."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from haversack_server.connectors.postgres._catalog import Column, ForeignKey, Table
from haversack_server.connectors.postgres._mapping import SPECIAL_COLUMNS
from haversack_server.connectors.postgres._mapping import Mapping as MappingFile
from haversack_server.connectors.postgres._naming import distinct, sanitized
from haversack_server.connectors.postgres._plan import KEY_SUFFIX, OWNING_UNIT
from haversack_server.connectors.postgres._types import usual, why_not
from haversack_server.metadata import COMPANION_SUFFIX, KEEPABLE_ENTITIES, standard_key

_HEAD = """\
# Which tables of {database} are which entities. Edit it, then: haversack source map ORG --use FILE
#
# An entity has a `table` and the column of its `id` (a list, if its key has several). Its rows belong to the whole
# organization, or, with an `owner` column, to a user. `modified_on`, `created_on` and `business_unit` name columns too;
# `deleted` names one that marks deleted rows, `version` one that changes with every change of a row: writes of devices
# are then refused if it has moved. Attributes are `name: column`, or `name: {{column: ..., type: ..., target: ...}}`.
# What is not listed stays in the database. docs/sources-postgres.md has all of it.
"""

LINK_ENDS = 2
"""Rows that a row of a table links, if it does no more."""

_USERS = re.compile(r"(app_|sys_|system_)?(users?|employees?|people|staff|systemusers?|accounts_user)")
_USER_COLUMNS = {
    "name": ("full_name", "fullname", "name", "display_name", "username"),
    "login": ("username", "login", "user_name", "email", "email_address"),
    "email": ("email", "email_address", "mail"),
    "disabled": ("is_disabled", "disabled", "isdisabled", "is_blocked", "blocked"),
    "manager": ("manager_id", "supervisor_id", "reports_to"),
}
_MODIFIED = ("modified_on", "modifiedon", "updated_at", "modified_at", "last_modified", "last_update", "changed_at")
_CREATED = ("created_on", "createdon", "created_at", "inserted_at")
_DELETED = ("deleted_at", "deleted_on", "is_deleted", "deleted")
_VERSION = ("row_version", "version", "lock_version", "xmin_version")
_TEXTS = ("text", "varchar", "bpchar", "citext", "name")
_OWNERS = ("owner_id", "ownerid", "owner", "owner_user_id", "user_id", "assigned_to", "assignee_id")

_TAKEN = {OWNING_UNIT, *(name for name, _ in SPECIAL_COLUMNS.values())}
_TAKEN |= {name + COMPANION_SUFFIX for name in _TAKEN}
"""Attributes that mean something, and that no column becomes by its name alone."""


def draft(database: str, tables: Mapping[str, Table], file: MappingFile, text: str) -> str:
    """Returns a mapping file: what is in force as it is, and what it does not map as comments; or a first draft."""
    if not file.entities and not file.directory:
        users = _users(tables)
        drafted = _Entities({name: it for name, it in tables.items() if it is not users}, users)
        return (
            "\n".join([_HEAD.format(database=_one_line(database)), *_directory(users), "entities:", *drafted.lines()])
            + "\n"
        )
    mapped = {it.table for it in file.entities.values()} | {file.directory.table if file.directory else None}
    rest = {name: table for name, table in tables.items() if name not in mapped}
    lines = [f"#{line}" for line in _Entities(rest, None, in_force=file).lines()]
    note = (
        ["", "# Not mapped; take away the # of those that devices shall have, and move them to `entities`."]
        if lines
        else []
    )
    return text.rstrip("\n") + "\n" + "\n".join([*note, *lines]) + ("\n" if lines else "")


def _users(tables: Mapping[str, Table]) -> Table | None:
    found = [it for it in tables.values() if _USERS.fullmatch(it.name.lower()) and not _obstacle(it)]
    return next((it for it in found if len(it.key) == 1), None)


def _directory(users: Table | None) -> Iterator[str]:
    """Drafts the least directory: a table of users, who may all do the same."""
    yield "# Who may see what. Either map your tables onto the entities systemuser, businessunit, team, teammembership,"
    yield "# role, roleprivileges and systemuserroles, or say here which table has the users: each may then do `rights`"
    yield "# with the rows of every entity below, with `depth: user` only with own ones where rows have owners."
    yield "# What is not mapped, Haversack keeps itself: `haversack user`, `team`, `unit` and `role` change it."
    if users is None:
        yield "# No table looks like that of the users; name it."
        yield "#directory:\n#  users: public.users\n#  id: id\n#  name: full_name\n#  login: email"
        yield "#  rights: [create, read, write, delete, append, append_to]\n#  depth: organization\n"
        return
    yield "directory:"
    yield f"  users: {_scalar(users.full_name)}"
    yield f"  id: {_scalar(users.key[0])}"
    for key, names in _USER_COLUMNS.items():
        column = _first(users, names)
        if column and _fits(users, key, column):
            yield f"  {key}: {_scalar(column.name)}"
    yield "  rights: [create, read, write, delete, append, append_to]"
    yield "  depth: organization"
    yield ""


def _fits(users: Table, key: str, column: Column) -> bool:
    """Whether a column can say this of a user."""
    if column.computed or column.is_array:
        return False
    if key == "disabled":
        return column.type == "bool"
    if key == "manager":
        return _points_at(users, column, users)
    return column.type in _TEXTS


def _obstacle(table: Table) -> str:
    """Says why a table cannot be mapped, and what helps; empty if it can."""
    if not table.key:
        return "has no primary key, so its rows cannot be told apart; add one to map it."
    if not table.readable:
        return "may not be read; GRANT SELECT on it to map it."
    for column in (table.columns[it] for it in table.key):
        if usual(column) is None:
            return f"cannot be mapped: {_one_line(column.name)}, which is of its key, {why_not(column)}."
    return ""


def _is_directory(table: Table) -> bool:
    """Whether a table with the name of a part of the directory is one: it has the key of that."""
    name = sanitized(table.name)
    return name in KEEPABLE_ENTITIES and [sanitized(it) for it in table.key] == [standard_key(name)]


class _Entities:
    """The entities of a draft, each under a name of its own."""

    def __init__(
        self, tables: Mapping[str, Table], users: Table | None, *, in_force: MappingFile | None = None
    ) -> None:
        self._tables = tables
        self._users = users
        # A least directory has its own roles and units, which those of a table would take the place of.
        self._makes_directory = users is not None or bool(in_force and in_force.directory)
        spelled = {name: self._spelled(it) for name, it in tables.items() if not _obstacle(it)}
        self._names = distinct(spelled, in_force.entities if in_force else ())

    def lines(self) -> Iterator[str]:
        """Yields what is written below `entities:`."""
        for full_name, table in self._tables.items():
            obstacle = _obstacle(table)
            if obstacle:
                yield f"  # {_one_line(full_name)} {obstacle}"
            else:
                yield from self._entity(table, self._names[full_name])

    def _spelled(self, table: Table) -> str:
        if table.schema != "public":
            return f"{table.schema}_{table.name}"
        reserved = sanitized(table.name) in KEEPABLE_ENTITIES
        kept = reserved and not self._makes_directory and _is_directory(table)
        return f"{table.schema}_{table.name}" if reserved and not kept else table.name

    def _entity(self, table: Table, name: str) -> Iterator[str]:
        comment = f"  # {_one_line(table.comment)}" if table.comment else ""
        reserved = sanitized(table.name)
        if table.schema == "public" and reserved in KEEPABLE_ENTITIES and name != reserved:
            yield f"  # `{reserved}` is a part of the directory (docs/directory.md); call it so if this is that."
        yield f"  {name}:{comment}"
        yield f"    table: {_scalar(table.full_name)}"
        columns = [_scalar(it) for it in table.key]
        yield f"    id: {columns[0] if len(columns) == 1 else '[' + ', '.join(columns) + ']'}"
        special = dict(_special(table, self._users))
        listed = self._listed(table, special)
        if self._links(table):
            yield "    link: true  # its rows travel with the two that they link"
            yield "    ownership: none"
            # The first two lookups are the ends.
            listed.sort(key=lambda it: it.name not in table.key)
        for key, name_of_column in special.items():
            yield f"    {key}: {_scalar(name_of_column)}"
        yield "    attributes:"
        own = sanitized(table.key[0]) if len(table.key) == 1 else name + KEY_SUFFIX
        is_listed = len(table.key) == 1 and table.columns[table.key[0]] in listed
        names = distinct({it.name: it.name for it in listed}, _TAKEN if is_listed else {*_TAKEN, own})
        for column in listed:
            yield self._attribute(table, column, names[column.name])

    def _listed(self, table: Table, special: Mapping[str, str]) -> list[Column]:
        """The columns that are attributes by their names, or are left out with a reason."""
        # An id that is a lookup too would be one or the other.
        own = table.key[0] if len(table.key) == 1 and _pointing(table, table.columns[table.key[0]]) else None
        return [it for it in table.columns.values() if it.name not in special.values() and it.name != own]

    def _links(self, table: Table) -> bool:
        ends = [it for it in (table.columns[name] for name in table.key) if self._is_lookup(table, it)]
        return len(ends) == len(table.key) == LINK_ENDS

    def _is_lookup(self, table: Table, column: Column) -> bool:
        """Whether a column can be a lookup: it has the id of a row that is mapped too."""
        target = self._target(table, column)
        return target is not None and usual(column) in ("id", "integer", "bigint", "text")

    def _target(self, table: Table, column: Column) -> Table | None:
        candidates = [self._users, *(self._tables[it] for it in self._names)]
        return next((it for it in candidates if it and _points_at(table, column, it)), None)

    def _attribute(self, table: Table, column: Column, name: str) -> str:
        comment = f"  # {_one_line(column.comment)}" if column.comment else ""
        kind, target = usual(column), self._target(table, column)
        if kind is None:
            return f"      # {_one_line(column.name)} {why_not(column)}"
        if target and self._is_lookup(table, column):
            comment = comment or f"  # of {_one_line(target.full_name)}"
            return f"      {name}: {{column: {_scalar(column.name)}, type: lookup}}{comment}"
        if column.labels:
            choices = ", ".join(f"{_quoted(label)}: {number}" for number, label in enumerate(column.labels, 1))
            return f"      {name}: {{column: {_scalar(column.name)}, type: {kind}, choices: {{{choices}}}}}{comment}"
        if _pointing(table, column):
            # Left to itself it would be a lookup.
            return f"      {name}: {{column: {_scalar(column.name)}, type: {kind}}}{comment}"
        return f"      {name}: {_scalar(column.name)}{comment}"


def _special(table: Table, users: Table | None) -> Iterator[tuple[str, str]]:
    owner = _first(table, _OWNERS)
    if owner and users and _points_at(table, owner, users):
        yield "owner", owner.name
    for name, names, types in (
        ("modified_on", _MODIFIED, ("timestamptz", "timestamp")),
        ("created_on", _CREATED, ("timestamptz", "timestamp")),
        ("deleted", _DELETED, ("timestamptz", "timestamp", "bool")),
        ("version", _VERSION, ("int4", "int8")),
    ):
        column = _first(table, names)
        if column and column.type in types and not column.is_array and not column.computed:
            yield name, column.name


def _points_at(table: Table, column: Column, other: Table) -> bool:
    """Whether a column has ids of another table's rows."""
    key = _pointing(table, column)
    return key is not None and key.target == other.full_name and key.target_columns == other.key


def _pointing(table: Table, column: Column) -> ForeignKey | None:
    return next((key for key in table.foreign_keys if key.columns == (column.name,)), None)


def _first(table: Table, names: tuple[str, ...]) -> Column | None:
    return next((table.columns[name] for name in names if name in table.columns), None)


def _scalar(text: str) -> str:
    is_plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", text) and text.lower() not in (
        *("yes", "no", "on", "off", "true", "false", "null", "y", "n"),
    )
    return text if is_plain else _quoted(text)


def _quoted(text: str) -> str:
    """A text in YAML's double quotes, which are JSON's with every character that is not printable escaped."""
    return re.sub(r"[^ -~]", _escaped, json.dumps(text, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0].isprintable() else f"\\U{ord(found[0]):08x}"


def _one_line(text: str) -> str:
    return "".join(it for it in " ".join(text.split())[:80] if it.isprintable())

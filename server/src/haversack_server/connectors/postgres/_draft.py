"""Drafts a mapping file of a database, with comments, to be edited and set."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from haversack_server.connectors.postgres._catalog import Column, ForeignKey, Table
from haversack_server.connectors.postgres._mapping import Mapping as MappingFile
from haversack_server.connectors.postgres._plan import sanitized
from haversack_server.connectors.postgres._types import usual, why_not

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
_OWNERS = ("owner_id", "ownerid", "owner", "owner_user_id", "user_id", "assigned_to", "assignee_id")


def draft(database: str, tables: Mapping[str, Table], file: MappingFile, text: str) -> str:
    """Returns a mapping file: what is in force as it is, and what it does not map as comments; or a first draft."""
    users = _users(tables)
    if not file.entities and not file.directory:
        entities = [line for table in _drafted(tables, users) for line in _entity(table, tables, users)]
        return "\n".join([_HEAD.format(database=database), *_directory(users), "entities:", *entities]) + "\n"
    mapped = {it.table for it in file.entities.values()} | {file.directory.table if file.directory else None}
    rest = {name: table for name, table in tables.items() if name not in mapped}
    lines = [f"#{line}" for table in _drafted(rest, None) for line in _entity(table, tables, users)]
    note = (
        ["", "# Not mapped; take away the # of those that devices shall have, and move them to `entities`."]
        if lines
        else []
    )
    return text.rstrip("\n") + "\n" + "\n".join([*note, *lines]) + ("\n" if lines else "")


def _drafted(tables: Mapping[str, Table], users: Table | None) -> list[Table]:
    return [table for table in tables.values() if table is not users]


def _users(tables: Mapping[str, Table]) -> Table | None:
    found = [table for table in tables.values() if len(table.key) == 1 and _USERS.fullmatch(table.name.lower())]
    return found[0] if found else None


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
    yield f"  users: {users.full_name}"
    yield f"  id: {_scalar(users.key[0])}"
    for key, names in _USER_COLUMNS.items():
        column = _first(users, names)
        if column and (key != "disabled" or column.type == "bool"):
            yield f"  {key}: {_scalar(column.name)}"
    yield "  rights: [create, read, write, delete, append, append_to]"
    yield "  depth: organization"
    yield ""


def _entity(table: Table, tables: Mapping[str, Table], users: Table | None) -> Iterator[str]:
    comment = f"  # {_one_line(table.comment)}" if table.comment else ""
    name = sanitized(table.name) if table.schema == "public" else sanitized(f"{table.schema}_{table.name}")
    if not table.key:
        yield f"  # {table.full_name} has no primary key, so its rows cannot be told apart; add one to map it."
        return
    if not table.readable:
        yield f"  # {table.full_name} may not be read; GRANT SELECT on it to map it."
        return
    special = dict(_special(table, users))
    yield f"  {name}:{comment}"
    yield f"    table: {_scalar(table.full_name)}"
    yield f"    id: {_scalar(table.key[0]) if len(table.key) == 1 else json.dumps(list(table.key))}"
    ends = [key for key in table.foreign_keys if len(key.columns) == 1 and key.columns[0] in table.key]
    if len(table.key) == LINK_ENDS == len({key.columns[0] for key in ends}):
        yield "    link: true  # its rows travel with the two that they link"
        yield "    ownership: none"
    for key, name_of_column in special.items():
        yield f"    {key}: {_scalar(name_of_column)}"
    yield "    attributes:"
    if len(table.key) == 1 and not _pointing(table, table.columns[table.key[0]]):
        yield f"      {sanitized(table.key[0])}: {_scalar(table.key[0])}"
    for column in table.columns.values():
        if column.name not in special.values() and (len(table.key) > 1 or column.name != table.key[0]):
            yield from _attribute(table, column, tables, users)


def _special(table: Table, users: Table | None) -> Iterator[tuple[str, str]]:
    owner = _first(table, _OWNERS)
    key = _pointing(table, owner) if owner else None
    if owner and users and key and key.target == users.full_name:
        yield "owner", owner.name
    for name, names, types in (
        ("modified_on", _MODIFIED, ("timestamptz", "timestamp")),
        ("created_on", _CREATED, ("timestamptz", "timestamp")),
        ("deleted", _DELETED, ("timestamptz", "timestamp", "bool")),
        ("version", _VERSION, ("int4", "int8")),
    ):
        column = _first(table, names)
        if column and column.type in types and not column.is_array:
            yield name, column.name


def _attribute(table: Table, column: Column, tables: Mapping[str, Table], users: Table | None) -> Iterator[str]:
    comment = f"  # {_one_line(column.comment)}" if column.comment else ""
    name, kind = sanitized(column.name), usual(column)
    key = _pointing(table, column)
    if kind is None:
        yield f"      # {column.name} {why_not(column)}"
    elif key and key.target in tables and kind in ("id", "integer", "bigint", "text"):
        yield f"      {name}: {{column: {_scalar(column.name)}, type: lookup}}{comment or f'  # of {key.target}'}"
    elif column.labels:
        choices = ", ".join(f"{json.dumps(label)}: {number}" for number, label in enumerate(column.labels, 1))
        yield f"      {name}: {{column: {_scalar(column.name)}, type: {kind}, choices: {{{choices}}}}}{comment}"
    else:
        yield f"      {name}: {_scalar(column.name)}{comment}"


def _pointing(table: Table, column: Column) -> ForeignKey | None:
    return next((key for key in table.foreign_keys if key.columns == (column.name,)), None)


def _first(table: Table, names: tuple[str, ...]) -> Column | None:
    return next((table.columns[name] for name in names if name in table.columns), None)


def _scalar(text: str) -> str:
    is_plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", text) and text.lower() not in (
        *("yes", "no", "on", "off", "true", "false", "null", "y", "n"),
    )
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:80]

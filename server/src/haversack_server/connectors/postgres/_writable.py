"""What writes of devices need of a table: keys that hold ids as devices choose them, and privileges of our role."""

from __future__ import annotations

from collections.abc import Iterator

from haversack_server.connectors.postgres._catalog import Column, Table
from haversack_server.connectors.postgres._plan import Entity
from haversack_server.replication import Finding, Verdict

ID_CHARACTERS = 36
"""Of an id that a device chooses: the text of a UUID."""

_TEXTS = ("text", "varchar", "bpchar", "citext", "name")


def unwritable(entity: Entity, table: Table, role: str, *, as_users: bool) -> Iterator[Finding]:
    """Yields what keeps devices from writing rows of a table; `as_users` says whether users have own roles."""
    key = [table.columns[name] for name in entity.mapping.key]
    if len(key) == 1 and (what := _unfit_for_ids(key[0], table)):
        remedy = "give the table a key of type uuid to make rows offline"
        yield Finding(entity.name, Verdict.WARNING, what, remedy)
    if not as_users:
        yield from _privileges(entity, table, role)


def _unfit_for_ids(key: Column, table: Table) -> str:
    """Says why devices cannot make rows with this key; empty if they can."""
    if key.type == "uuid":
        return ""
    if key.type not in _TEXTS:
        return f"ids of {table.full_name} are numbers that the database gives, so devices cannot make rows"
    is_padded = key.type == "bpchar" and key.length > ID_CHARACTERS
    if not is_padded and not 0 < key.length < ID_CHARACTERS:
        return ""
    does = "pads" if is_padded else "has no room for"
    return (
        f"the key of {table.full_name} is of type {key.declared}, which {does} the {ID_CHARACTERS} characters of ids"
        " that devices choose: rows that they make are refused"
    )


def _privileges(entity: Entity, table: Table, role: str) -> Iterator[Finding]:
    mapping = entity.mapping
    named = [it.column.name for it in entity.attributes.values() if it.column and not it.column.generated]
    made = [table.columns[name] for name in dict.fromkeys([*mapping.key, *named])]
    marks = [mapping.deleted] if mapping.deleted else []
    changed = [table.columns[name] for name in dict.fromkeys([*named, *marks]) if name not in mapping.key]
    lacking = [
        _lacking("INSERT", [it.name for it in made if not it.insertable], among=len(made)),
        _lacking("UPDATE", [it.name for it in changed if not it.updatable], among=len(changed)),
        "" if table.deletable or marks else "DELETE",
    ]
    if rights := ", ".join(filter(None, lacking)):
        what = f"{role} may not {rights} rows of {table.full_name}: writes of devices that need it wait"
        yield Finding(entity.name, Verdict.WARNING, what, f"run: GRANT {rights} ON {table.quoted} TO {role}")
    if table.sequences:
        listed = ", ".join(table.sequences)
        what = f"{role} may not use {listed}, which numbers rows of {table.full_name}: those that devices make wait"
        yield Finding(entity.name, Verdict.WARNING, what, f"run: GRANT USAGE ON SEQUENCE {listed} TO {role}")


def _lacking(right: str, columns: list[str], *, among: int) -> str:
    """Returns what to grant so that these columns can be set; empty if there are none."""
    if not columns:
        return ""
    return right if len(columns) == among else f"{right} ({', '.join(columns)})"

"""One row within one transaction of a write: looked for, compared with what the device saw, written, read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from psycopg import AsyncConnection
from psycopg import errors as states

from haversack_server.connectors.postgres import _statements as statements
from haversack_server.connectors.postgres._plan import Attribute, Entity
from haversack_server.connectors.postgres._refusals import not_ready
from haversack_server.connectors.postgres._values import comparable, from_sql, to_sql
from haversack_server.errors import Refusal, SourceNotReady, SourceRefused
from haversack_server.replication import Change, Written

_NOT_MARKED = (None, "f", "false")
"""What the column that marks deleted rows has in one that is there; the core's feed reads it so too."""

_TIMES = ("timestamptz", "timestamp", "date", "timetz", "time")
"""Types of columns that mark deleted rows with when they were."""

_Texts: TypeAlias = Mapping[str, str | None]
"""A row's mapped columns, as replication writes them."""


class Row:
    """A row that a device has written. `apply` alone is for the role of the user, where users have roles of their own.

    `repeats_are_told` says whether writes that were applied before never come this far. Otherwise a row that is so
    already is left alone.
    """

    def __init__(
        self,
        connection: AsyncConnection[Any],
        entity: Entity,
        change: Change,
        select: bytes,
        *,
        repeats_are_told: bool,
    ) -> None:
        self._connection = connection
        self._entity = entity
        self._change = change
        self._select = select
        self._repeats_are_told = repeats_are_told
        self._key = statements.key(entity, change.id)
        self._name = f"{entity.name} {change.id}"
        self._is_reached = True

    async def is_as_wanted(self) -> bool:
        """Whether the row is what it would become: then this mutation, or another like it, was applied."""
        return self._is_done(await self._read())

    async def is_made(self) -> bool:
        """Whether a row to be made need not be; raises SourceRefused if another is there, be it marked as deleted.

        Nothing is locked, which takes the right to update: who makes the row at the same time meets its key's index.
        """
        row = await self._read()
        if row is None:
            return False
        if self._repeats_are_told or not self._is_done(row):
            raise SourceRefused(Refusal.CONFLICT, f"{self._name} is there already")
        return True

    async def apply(self) -> None:
        """Makes the row what the device wants it to be."""
        if self._change.kind == "create":
            await self._insert()
            return
        marks = self._change.kind == "delete" and self._entity.mapping.deleted
        # To lock a row takes the right to update it; what is deleted is compared as it is then.
        locking = b" FOR UPDATE" if marks or self._change.kind == "update" else b""
        before = await self._found(locking)
        if not self._repeats_are_told and self._is_done(before):
            return
        if before is None or self._is_marked(before):
            raise SourceRefused(Refusal.NOT_FOUND, f"{self._name} is not there, or not for this user")
        self._compare(before)
        if self._change.kind == "update":
            await self._set(self._columns())
        elif marks:
            await self._set({marks: self._mark(marks)})
        else:
            await self._delete()

    async def outcome(self) -> Written:
        """Returns the row as triggers and defaults leave it; raises SourceRefused if that is not what was written."""
        row = await self._read()
        if not self._is_reached:
            self._check_outcome(row)
        if self._change.kind == "create":
            self._check_key(row)
        return self._told(row)

    async def written(self) -> Written:
        """Returns the row as it is now."""
        return self._told(await self._read())

    async def _read(self) -> _Texts | None:
        """Reads the row with Haversack's own privileges; what they lack is nobody else's fault."""
        try:
            return await self._found()
        except states.InsufficientPrivilege as error:
            raise not_ready(error) from error

    async def _found(self, locking: bytes = b"") -> _Texts | None:
        found = await self._connection.execute(self._select + locking, self._key)
        row: _Texts | None = await found.fetchone()
        return row

    def _told(self, row: _Texts | None) -> Written:
        if row is None or self._is_marked(row):
            return Written(None)
        members: dict[str, str | None] = {}
        for attribute in self._entity.attributes.values():
            members[attribute.name] = self._member(attribute, row)
            if len(attribute.targets) > 1 and members[attribute.name] is not None:
                members[f"{attribute.name}_type"] = attribute.targets[0]
        version = self._entity.mapping.version
        return Written(json.dumps(members).encode(), row[version] if version else None)

    def _member(self, attribute: Attribute, row: _Texts) -> str | None:
        if attribute.column is None:
            return self._change.id if attribute.name == self._entity.primary_id else attribute.value
        return from_sql(attribute, row[attribute.column.name])

    def _is_marked(self, row: _Texts) -> bool:
        """Whether a column says that the row is deleted."""
        deleted = self._entity.mapping.deleted
        return deleted is not None and row[deleted] not in _NOT_MARKED

    def _is_done(self, row: _Texts | None) -> bool:
        is_there = row is not None and not self._is_marked(row)
        if row is None or not is_there or self._change.kind == "delete":
            return is_there == (self._change.kind != "delete")
        return all(
            self._is_so(row, name, value) for name, value in self._change.values.items() if not name.endswith("_type")
        )

    def _is_so(self, row: _Texts, name: str, value: Any) -> bool:
        attribute = self._entity.attributes.get(name)
        if attribute is None or attribute.column is None:
            return True
        stored = from_sql(attribute, row[attribute.column.name])
        return bool(comparable(attribute, stored) == comparable(attribute, value))

    def _compare(self, row: _Texts) -> None:
        """Raises SourceRefused if the row is not what the device's write was judged against."""
        change, version = self._change, self._entity.mapping.version
        if not change.detect_conflicts:
            return
        if version and change.etag is not None:
            if row[version] != change.etag:
                raise SourceRefused(Refusal.CONFLICT, f"{self._name} has version {row[version]}, not {change.etag}")
            return
        moved = [name for name, value in change.old_values.items() if not self._is_so(row, name, value)]
        if moved:
            raise SourceRefused(Refusal.CONFLICT, f"{self._name} has changed: {', '.join(sorted(moved))}")

    def _columns(self) -> dict[str, str | None]:
        """Returns the texts of the columns that the device has set."""
        columns: dict[str, str | None] = {}
        for name, value in self._change.values.items():
            attribute = self._entity.attributes.get(name)
            if attribute is None and name.removesuffix("_type") in self._entity.attributes:
                self._check_target(name.removesuffix("_type"), value)
            elif attribute is None:
                raise SourceNotReady(
                    f"{self._entity.name} has no attribute {name} in the mapping; map a column: the write waits"
                )
            elif attribute.missing and value is not None:
                raise SourceNotReady(
                    f"{self._entity.name}.{name} cannot be written: {attribute.missing}; the write waits"
                )
            elif attribute.column is None:
                self._check_constant(attribute, value)
            else:
                try:
                    columns[attribute.column.name] = to_sql(attribute, value)
                except (ValueError, TypeError, OverflowError) as error:
                    raise SourceRefused(Refusal.INVALID, str(error)) from error
        return columns

    def _check_target(self, name: str, target: Any) -> None:
        targets = self._entity.attributes[name].targets
        if target is not None and targets and target != targets[0]:
            raise SourceRefused(Refusal.INVALID, f"{self._entity.name}.{name} can only point at {targets[0]}")

    def _check_constant(self, attribute: Attribute, value: Any) -> None:
        if attribute.value is not None and value is not None and str(value).lower() != attribute.value.lower():
            raise SourceRefused(
                Refusal.INVALID, f"{self._entity.name}.{attribute.name} is {attribute.value} in every row"
            )

    async def _insert(self) -> None:
        columns = self._columns() | dict(zip(self._entity.mapping.key, self._key, strict=True))
        done = await self._connection.execute(statements.insert(self._entity, columns), list(columns.values()))
        self._is_reached = done.rowcount > 0

    async def _set(self, columns: _Texts) -> None:
        if not columns:
            return
        done = await self._connection.execute(statements.update(self._entity, columns), [*columns.values(), *self._key])
        self._is_reached = done.rowcount > 0

    async def _delete(self) -> None:
        done = await self._connection.execute(statements.delete(self._entity), self._key)
        before = await done.fetchone()
        self._is_reached = before is not None
        if before is not None:
            self._compare(before)

    def _mark(self, column: str) -> str:
        assert self._entity.table is not None
        kind = self._entity.table.columns[column].type
        return "now" if kind in _TIMES else "true" if kind == "bool" else "1"

    def _check_outcome(self, row: _Texts | None) -> None:
        """Raises SourceRefused if a row that a statement did not reach is not as wanted all the same.

        Triggers may do themselves what they keep the statement from, as those of partitions and of soft deletes do.
        """
        is_fine = row is not None if self._change.kind == "create" else self._is_done(row)
        if is_fine:
            return
        hint = ""
        if self._change.kind == "delete" and not self._entity.mapping.deleted:
            hint = "; if it marks rows as deleted, name the column that it sets as `deleted` in the mapping"
        raise SourceRefused(
            Refusal.FORBIDDEN,
            f"a policy or trigger of the database keeps {self._name} from this {self._change.kind}{hint}",
        )

    def _check_key(self, row: _Texts | None) -> None:
        """Raises SourceRefused if a row that was made does not have its id: the device's would be another row."""
        stored = None if row is None else [row[column] for column in self._entity.mapping.key]
        if stored != self._key:
            found = "under another id, or not at all" if stored is None else f"as {stored}"
            raise SourceRefused(
                Refusal.INVALID,
                f"the database stores {self._name} {found}; have {', '.join(self._entity.mapping.key)} keep ids as they"
                " are given, in a column of type uuid or text",
            )

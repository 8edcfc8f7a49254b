"""Writes of devices, each in one transaction of the source: once, as its user, and only over what the device saw.

The texts of its statements are the same for all rows of an entity, so that both sides prepare them once. A pipeline was
measured to save nothing: libpq's calls cost more than their answers where the database is near.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg import Error as DatabaseError
from psycopg import errors as states
from psycopg.rows import dict_row

from haversack_server.connectors.postgres._plan import Attribute, Entity, Plan
from haversack_server.connectors.postgres._refusals import not_ready, refusal, unavailable
from haversack_server.connectors.postgres._settings import Settings
from haversack_server.connectors.postgres._values import comparable, from_sql, to_sql
from haversack_server.errors import Refusal, SourceNotReady, SourceRefused, SourceUnavailable
from haversack_server.replication import Change, Written

LEDGER = sql.Identifier("haversack", "applied_mutations")
"""Keys of the mutations that were applied, beside the data, so that none is applied twice."""

_NOTE = sql.SQL("INSERT INTO {} (key) VALUES (%s) ON CONFLICT DO NOTHING").format(LEDGER)
_FIND = sql.SQL("SELECT FROM {} WHERE key = %s").format(LEDGER)

MAKE_LEDGER = (
    "CREATE SCHEMA IF NOT EXISTS haversack",
    "CREATE TABLE IF NOT EXISTS haversack.applied_mutations"
    " (key text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
)

_MAKE_LEDGER_ALONE = "SELECT pg_advisory_xact_lock(hashtext('haversack.applied_mutations'))"
"""IF NOT EXISTS does not keep two who begin at once from failing each other."""

CONNECTIONS_MAX = 8
"""Writes at once."""

ATTEMPTS_MAX = 5
"""Times that a transaction is begun that others make give way."""

LOCK_MILLISECONDS_MAX = 10_000
STATEMENT_MILLISECONDS_MAX = 30_000

_UNLIKE_THEIR_TEXT = ("bpchar", "inet", "char")
"""Types whose cast to text is not what they are written as, and so not what replication sends."""

_CAST = sql.SQL("{0}::text AS {0}")
_FORMATTED = sql.SQL("CASE WHEN {0} IS NOT NULL THEN format('%%s', {0}) END AS {0}")

_BOUNDS = f"SET lock_timeout = {LOCK_MILLISECONDS_MAX}; SET statement_timeout = {STATEMENT_MILLISECONDS_MAX}"

_GAVE_WAY = (states.SerializationFailure, states.DeadlockDetected, states.LockNotAvailable)


class Writer:
    """Writes into one database; used by many tasks at once."""

    def __init__(self, settings: Settings, plan: Plan) -> None:
        self._settings = settings
        self._plan = plan
        self._selects: dict[str, bytes] = {}
        self._idle: list[AsyncConnection[Any]] = []
        self._turns = asyncio.Semaphore(CONNECTIONS_MAX)
        self._has_ledger: bool | None = None

    async def write(self, change: Change) -> Written:
        """Does what a device has done; see `Source.write`."""
        entity = self._entity(change)
        async with self._turns:
            for attempt in range(1, ATTEMPTS_MAX + 1):
                try:
                    async with self._connection() as connection:
                        return await self._once(connection, entity, change)
                except _GAVE_WAY as error:
                    if attempt == ATTEMPTS_MAX:
                        raise SourceUnavailable(
                            f"other writes kept {change.entity} {change.id} busy: {error}"
                        ) from error
                except DatabaseError as error:
                    raise refusal(error, is_user_s=self._is_user_s(entity)) from error
        raise AssertionError("the last attempt answers or raises")

    async def close(self) -> None:
        """Ends the connections."""
        while self._idle:
            await self._idle.pop().close()

    def _is_user_s(self, entity: Entity) -> bool:
        """Whether a missing privilege is the user's: Haversack writes as the user, or has those of the table itself."""
        return bool(self._plan.file.user_role) or (entity.table is not None and entity.table.writable)

    def _entity(self, change: Change) -> Entity:
        entity = self._plan.entities.get(change.entity)
        if entity is None or entity.table is None:
            raise SourceNotReady(f"the mapping has no table for {change.entity}; map one: the write waits")
        return entity

    def _select(self, entity: Entity) -> bytes:
        """Returns the statement that reads a row, which is made once."""
        if entity.name not in self._selects:
            self._selects[entity.name] = _select(entity)
        return self._selects[entity.name]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        if self._idle:
            connection = self._idle.pop()
        else:
            try:
                connection = await AsyncConnection.connect(
                    autocommit=True, row_factory=dict_row, **self._settings.for_psycopg()
                )
                await connection.execute(_BOUNDS)
            except DatabaseError as error:
                raise unavailable(self._settings, error) from error
        try:
            yield connection
        finally:
            if connection.closed or connection.broken:
                await connection.close()
            else:
                self._idle.append(connection)

    async def _once(self, connection: AsyncConnection[Any], entity: Entity, change: Change) -> Written:
        if self._has_ledger is None:
            self._has_ledger = await _ledger_is_there(connection)
        async with connection.transaction():
            row = _Row(connection, entity, change, self._select(entity))
            if change.looks_for:
                found = await row.is_found(by_key=self._has_ledger)
                return await row.written() if found else Written(None, found=False)
            try:
                if self._has_ledger and not await row.is_first():
                    return await row.written()
                await self._become(connection, change.user)
            except _GAVE_WAY:
                raise
            except DatabaseError as error:
                # Before the row is touched, so it is not about the write.
                raise not_ready(error) from error
            await row.apply(repeats_are_told=self._has_ledger)
            if self._plan.file.user_role:
                await connection.execute("RESET ROLE")
            return await row.written()

    async def _become(self, connection: AsyncConnection[Any], user: str) -> None:
        """Acts as the user who wrote, as far as the mapping says how, until the transaction ends."""
        file = self._plan.file
        if file.user_setting:
            await connection.execute("SELECT set_config(%s, %s, true)", (file.user_setting, user))
        if file.user_role:
            role = await self._role(connection, user, file.user_role)
            await connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))

    async def _role(self, connection: AsyncConnection[Any], user: str, column: str) -> str:
        users = self._plan.entities.get("systemuser")
        if users is None or users.table is None:
            raise SourceRefused(
                Refusal.FORBIDDEN, "the mapping has no table of users, so nobody has a role to write as"
            )
        statement = sql.SQL("SELECT {}::text AS role FROM {} WHERE {}").format(
            _column(column), _table(users), _is(users)
        )
        found = await (await connection.execute(statement, _key(users, user))).fetchone()
        if found is None or not found["role"]:
            raise SourceRefused(Refusal.FORBIDDEN, f"user {user} has no role in {users.table.full_name}.{column}")
        return str(found["role"])


class _Row:
    """One row within one transaction."""

    def __init__(self, connection: AsyncConnection[Any], entity: Entity, change: Change, select: bytes) -> None:
        self._connection = connection
        self._select = select
        self._entity = entity
        self._change = change

    async def is_first(self) -> bool:
        """Notes the mutation's key; returns whether it was not there."""
        return (await self._connection.execute(_NOTE, (self._change.key,))).rowcount == 1

    async def is_found(self, *, by_key: bool) -> bool:
        """Returns whether the mutation was made before; without a ledger what was taken is believed to have been."""
        if by_key:
            return (await self._connection.execute(_FIND, (self._change.key,))).rowcount == 1
        return self._change.looks_for == "taken" or self._is_done(await self._read(locking=False))

    async def apply(self, *, repeats_are_told: bool) -> None:
        """Makes the row what the device wants it to be; without a ledger, leaves alone what is so already."""
        before = await self._read(locking=True)
        if not repeats_are_told and self._is_done(before):
            return
        if self._change.kind == "create":
            await self._insert(before)
            return
        if before is None:
            raise SourceRefused(
                Refusal.NOT_FOUND, f"{self._entity.name} {self._change.id} is not there, or not for this user"
            )
        if self._change.detect_conflicts:
            self._compare(before)
        if self._change.kind == "update":
            await self._set(self._columns())
        else:
            await self._delete()

    async def written(self) -> Written:
        """Returns the row as it is now, triggers and defaults included."""
        row = await self._read(locking=False)
        if row is None:
            return Written(None)
        members: dict[str, str | None] = {}
        for attribute in self._entity.attributes.values():
            members[attribute.name] = self._member(attribute, row)
            if len(attribute.targets) > 1 and members[attribute.name] is not None:
                members[f"{attribute.name}_type"] = attribute.targets[0]
        version = self._entity.mapping.version
        return Written(json.dumps(members).encode(), row[version] if version else None)

    def _member(self, attribute: Attribute, row: Mapping[str, Any]) -> str | None:
        if attribute.column is None:
            return self._change.id if attribute.name == self._entity.primary_id else attribute.value
        return from_sql(attribute, row[attribute.column.name])

    async def _read(self, *, locking: bool) -> dict[str, Any] | None:
        """Reads the row's columns as texts; None if it is not there, or marked as deleted."""
        mapping = self._entity.mapping
        statement = self._select + (b" FOR UPDATE" if locking else b"")
        found = await self._connection.execute(statement, _key(self._entity, self._change.id))
        row: dict[str, Any] | None = await found.fetchone()
        if row is not None and mapping.deleted and row[mapping.deleted] not in (None, "false"):
            return None
        return row

    def _is_done(self, row: dict[str, Any] | None) -> bool:
        """Whether the row is what it would become: then this mutation, or another like it, was applied."""
        if self._change.kind == "delete":
            return row is None
        return row is not None and all(
            self._is_so(row, name, value) for name, value in self._change.values.items() if not name.endswith("_type")
        )

    def _is_so(self, row: dict[str, Any], name: str, value: Any) -> bool:
        attribute = self._entity.attributes.get(name)
        if attribute is None or attribute.column is None:
            return True
        stored = from_sql(attribute, row[attribute.column.name])
        return bool(comparable(attribute, stored) == comparable(attribute, value))

    def _compare(self, row: dict[str, Any]) -> None:
        """Raises SourceRefused if the row is not what the device's write was judged against."""
        change, version = self._change, self._entity.mapping.version
        if version and change.etag is not None:
            if row[version] != change.etag:
                raise SourceRefused(
                    Refusal.CONFLICT, f"{change.entity} {change.id} has version {row[version]}, not {change.etag}"
                )
            return
        moved = [name for name, value in change.old_values.items() if not self._is_so(row, name, value)]
        if moved:
            raise SourceRefused(
                Refusal.CONFLICT, f"{change.entity} {change.id} has changed: {', '.join(sorted(moved))}"
            )

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

    async def _insert(self, before: dict[str, Any] | None) -> None:
        if before is not None:
            raise SourceRefused(Refusal.CONFLICT, f"{self._entity.name} {self._change.id} is there already")
        table = self._entity.table
        assert table is not None
        columns = self._columns() | dict(
            zip(self._entity.mapping.key, _key(self._entity, self._change.id), strict=True)
        )
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            _table(self._entity),
            sql.SQL(", ").join(map(_column, columns)),
            sql.SQL(", ").join(_cast(self._entity, name) for name in columns),
        )
        await self._connection.execute(statement, list(columns.values()))

    async def _set(self, columns: Mapping[str, str | None]) -> None:
        if not columns:
            return
        statement = sql.SQL("UPDATE {} SET {} WHERE {}").format(
            _table(self._entity),
            sql.SQL(", ").join(sql.SQL("{} = {}").format(_column(name), _cast(self._entity, name)) for name in columns),
            _is(self._entity),
        )
        key = _key(self._entity, self._change.id)
        done = await self._connection.execute(statement, [*columns.values(), *key])
        self._check_reached(done.rowcount)

    async def _delete(self) -> None:
        mapping, table = self._entity.mapping, self._entity.table
        if mapping.deleted and table is not None:
            mark = "true" if table.columns[mapping.deleted].type == "bool" else "now"
            await self._set({mapping.deleted: mark})
            return
        statement = sql.SQL("DELETE FROM {} WHERE {}").format(_table(self._entity), _is(self._entity))
        done = await self._connection.execute(statement, _key(self._entity, self._change.id))
        self._check_reached(done.rowcount)

    def _check_reached(self, rows: int) -> None:
        """A row that was locked and is not reached was kept back by a policy or a trigger."""
        if rows == 0:
            raise SourceRefused(
                Refusal.FORBIDDEN, f"a policy or trigger of the database keeps {self._entity.name} {self._change.id}"
            )


async def _ledger_is_there(connection: AsyncConnection[Any]) -> bool:
    """Makes the table of applied mutations if need be; returns whether it can be used."""
    found = await (await connection.execute("SELECT to_regclass('haversack.applied_mutations') AS it")).fetchone()
    if found is not None and found["it"]:
        return True
    try:
        async with connection.transaction():
            await connection.execute(_MAKE_LEDGER_ALONE)
            for statement in MAKE_LEDGER:
                await connection.execute(statement.encode())
    except states.InsufficientPrivilege:
        return False
    return True


def _select(entity: Entity) -> bytes:
    """Returns the statement that reads a row's columns as texts."""
    assert entity.table is not None
    columns = sql.SQL(", ").join(
        (_FORMATTED if column.type in _UNLIKE_THEIR_TEXT else _CAST).format(_column(name))
        for name, column in entity.table.columns.items()
    )
    return sql.SQL("SELECT {} FROM {} WHERE {}").format(columns, _table(entity), _is(entity)).as_bytes()


def _table(entity: Entity) -> sql.Identifier:
    assert entity.table is not None
    return sql.Identifier(_escaped(entity.table.schema), _escaped(entity.table.name))


def _column(name: str) -> sql.Identifier:
    return sql.Identifier(_escaped(name))


def _escaped(name: str) -> str:
    """Returns a name for a statement with parameters, which all of them have: a percent sign begins one."""
    return name.replace("%", "%%")


def _cast(entity: Entity, column: str) -> sql.Composed:
    """Returns a parameter as a value of a column's type; it is sent as text, whatever it is."""
    assert entity.table is not None
    declared = sql.SQL(_escaped(entity.table.columns[column].declared))
    return sql.SQL("CAST(%s::text AS {})").format(declared)


def _is(entity: Entity) -> sql.Composed:
    """Returns the condition that a row has an id; its parameters are those of `_key`, as what the columns are."""
    return sql.SQL(" AND ").join(sql.SQL("{} = %s").format(_column(column)) for column in entity.mapping.key)


def _key(entity: Entity, row: str) -> list[str]:
    """Returns the texts of the key that an id is made of; raises SourceRefused if it is none."""
    columns = entity.mapping.key
    if len(columns) == 1:
        return [row]
    parts = [part.replace("%7E", "~").replace("%25", "%") for part in row.split("~")]
    if len(parts) != len(columns):
        raise SourceRefused(
            Refusal.INVALID, f"{row!r} is no id of {entity.name}: it has {', '.join(columns)} between ~"
        )
    return parts

"""Writes of devices, each in one transaction of the source: once, as its user, and only over what the device saw.

The texts of its statements are the same for all rows of an entity, so that both sides prepare them once. A pipeline was
measured to save nothing: libpq's calls cost more than their answers where the database is near.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg import Error as DatabaseError
from psycopg import errors as states
from psycopg.rows import dict_row

from haversack_server.connectors.postgres import _statements as statements
from haversack_server.connectors.postgres._plan import Entity, Plan
from haversack_server.connectors.postgres._refusals import not_ready, refusal, told, unavailable
from haversack_server.connectors.postgres._row import Row
from haversack_server.connectors.postgres._settings import Settings
from haversack_server.errors import Refusal, SourceNotReady, SourceRefused
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

LOOK_SECONDS_MIN = 1.0
"""Between two looks at the tables, however many writes are not ready."""

GAPS_SECONDS_MAX = 10.0
"""How long tables that lack something the mapping names are believed to be so."""

LOCK_MILLISECONDS_MAX = 2_000
"""How long an attempt waits for a row that others have locked: all of them together about ten seconds."""

STATEMENT_MILLISECONDS_MAX = 30_000

_GAVE_WAY = (states.SerializationFailure, states.DeadlockDetected, states.LockNotAvailable)


class _Prepared:
    """A plan, and the statements that are made from it.

    Attributes:
        plan: The plan.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._looked_at = time.monotonic()
        self._selects: dict[str, bytes] = {}

    def is_worth_a_look(self, *, is_doubted: bool) -> bool:
        """Whether the tables are to be looked at again; `is_doubted` says that a write was not ready to be done."""
        age = time.monotonic() - self._looked_at
        return (is_doubted and age >= LOOK_SECONDS_MIN) or (self.plan.has_gaps and age >= GAPS_SECONDS_MAX)

    def entity(self, name: str) -> Entity:
        """Returns an entity whose rows can be written; raises SourceNotReady if there is none."""
        if name in self.plan.unfit:
            raise SourceNotReady(f"{name} cannot be written: {self.plan.unfit[name]}; the write waits")
        entity = self.plan.entities.get(name)
        if entity is None or entity.table is None:
            raise SourceNotReady(f"the mapping has no table for {name}; map one: the write waits")
        return entity

    def select(self, entity: Entity) -> bytes:
        """Returns the statement that reads a row, which is made once."""
        if entity.name not in self._selects:
            self._selects[entity.name] = statements.select(entity).as_bytes()
        return self._selects[entity.name]


class Writer:
    """Writes into one database; used by many tasks at once.

    `read_plan` joins the mapping with the tables as they are now. It is asked again when a write is not ready to be
    carried out, since tables are altered while they are in use.
    """

    def __init__(self, settings: Settings, read_plan: Callable[[], Awaitable[Plan]]) -> None:
        self._settings = settings
        self._read_plan = read_plan
        self._prepared: _Prepared | None = None
        self._reading = asyncio.Lock()
        self._idle: list[AsyncConnection[Any]] = []
        self._turns = asyncio.Semaphore(CONNECTIONS_MAX)
        self._has_ledger: bool | None = None

    async def write(self, change: Change) -> Written:
        """Does what a device has done; see `Source.write`."""
        async with self._turns:
            known = await self._newer_than(None)
            try:
                return await self._attempts(known, change)
            except SourceNotReady:
                newer = await self._newer_than(known)
                if newer.plan == known.plan:
                    raise
            return await self._attempts(newer, change)

    async def _newer_than(self, known: _Prepared | None) -> _Prepared:
        """Returns what is prepared for the tables; looks at them if that is not newer than what the caller doubts."""
        async with self._reading:
            prepared = self._prepared
            if prepared is None or prepared.is_worth_a_look(is_doubted=prepared is known):
                self._prepared = prepared = _Prepared(await self._read_plan())
            return prepared

    async def _attempts(self, prepared: _Prepared, change: Change) -> Written:
        """Begins the transaction until others do not make it give way."""
        as_user, is_taken = bool(prepared.plan.file.user_role), False
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                async with self._connection() as connection:
                    return await self._once(connection, prepared, change)
            except _GAVE_WAY as error:
                if attempt == ATTEMPTS_MAX:
                    raise _kept_busy(change, error) from error
            except states.UniqueViolation as error:
                # Who has made the row since it was looked for is seen at the second look.
                if is_taken or change.kind != "create":
                    raise refusal(error, as_user=as_user) from error
                is_taken = True
            except DatabaseError as error:
                raise refusal(error, as_user=as_user) from error
        raise AssertionError("the last attempt answers or raises")

    async def close(self) -> None:
        """Ends the connections."""
        while self._idle:
            await self._idle.pop().close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        if self._idle:
            connection = self._idle.pop()
        else:
            try:
                connection = await AsyncConnection.connect(
                    autocommit=True, row_factory=dict_row, **self._settings.for_psycopg()
                )
                await connection.execute(
                    f"SET lock_timeout = {LOCK_MILLISECONDS_MAX}; SET statement_timeout = {STATEMENT_MILLISECONDS_MAX}"
                )
            except DatabaseError as error:
                raise unavailable(self._settings, error) from error
        try:
            yield connection
        finally:
            if connection.closed or connection.broken:
                await connection.close()
            else:
                self._idle.append(connection)

    async def _once(self, connection: AsyncConnection[Any], prepared: _Prepared, change: Change) -> Written:
        entity = prepared.entity(change.entity)
        if self._has_ledger is None:
            self._has_ledger = await _ledger_is_there(connection)
        async with connection.transaction():
            row = Row(connection, entity, change, prepared.select(entity), repeats_are_told=self._has_ledger)
            if change.looks_for:
                is_found = await self._is_found(connection, change, row)
                return await row.written() if is_found else Written(None, found=False)
            if self._has_ledger and not await _is_first(connection, change):
                return await row.written()
            if change.kind == "create" and await row.is_made():
                return await row.written()
            await _become(connection, prepared, change.user)
            await row.apply()
            if prepared.plan.file.user_role:
                await connection.execute("RESET ROLE")
            return await row.outcome()

    async def _is_found(self, connection: AsyncConnection[Any], change: Change, row: Row) -> bool:
        """Returns whether the mutation was made before; without a ledger what was taken is believed to have been."""
        if self._has_ledger:
            return (await connection.execute(_FIND, (change.key,))).rowcount == 1
        return change.looks_for == "taken" or await row.is_as_wanted()


def _kept_busy(change: Change, error: DatabaseError) -> SourceNotReady:
    """Returns what a write meets that others never let through: it waits alone, since they may hold no other row."""
    return SourceNotReady(
        f"other transactions of the database kept {change.entity} {change.id} busy: {told(error)}; the write"
        " waits and is tried again; if it stays so, look for a session that is `idle in transaction` (pg_stat_activity)"
    )


@contextmanager
def _before_the_row() -> Iterator[None]:
    """Has failures of what comes before the row is touched be none of the write."""
    try:
        yield
    except _GAVE_WAY:
        raise
    except DatabaseError as error:
        raise not_ready(error) from error


async def _is_first(connection: AsyncConnection[Any], change: Change) -> bool:
    """Notes the mutation's key; returns whether it was not there."""
    with _before_the_row():
        return (await connection.execute(_NOTE, (change.key,))).rowcount == 1


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


async def _become(connection: AsyncConnection[Any], prepared: _Prepared, user: str) -> None:
    """Acts as the user who wrote, as far as the mapping says how, until the transaction ends."""
    file = prepared.plan.file
    with _before_the_row():
        if file.user_setting:
            await connection.execute("SELECT set_config(%s, %s, true)", (file.user_setting, user))
        if file.user_role:
            role = await _role(connection, prepared, user, file.user_role)
            await connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))


async def _role(connection: AsyncConnection[Any], prepared: _Prepared, user: str, column: str) -> str:
    users = prepared.entity("systemuser")
    assert users.table is not None
    statement = sql.SQL("SELECT {}::text AS role FROM {} WHERE {}").format(
        statements.column_of(column), statements.table_of(users), statements.is_row(users)
    )
    found = await (await connection.execute(statement, statements.key(users, user))).fetchone()
    if found is None or not found["role"]:
        raise SourceRefused(Refusal.FORBIDDEN, f"user {user} has no role in {users.table.full_name}.{column}")
    return str(found["role"])

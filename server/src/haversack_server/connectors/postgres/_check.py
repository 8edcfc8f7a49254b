"""Finds out what of a PostgreSQL database will work, and what to run where it will not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from psycopg import AsyncConnection
from psycopg import Error as DatabaseError
from psycopg.rows import dict_row

from haversack_server.connectors.postgres._catalog import Table, read_tables
from haversack_server.connectors.postgres._documents import left_out
from haversack_server.connectors.postgres._following import (
    on_identity,
    on_publication,
    read_followed,
    read_publication,
    refuse_inherited,
)
from haversack_server.connectors.postgres._mapping import Mapping
from haversack_server.connectors.postgres._plan import Entity, Plan, settle
from haversack_server.connectors.postgres._refusals import unavailable
from haversack_server.connectors.postgres._settings import Settings
from haversack_server.connectors.postgres._writable import unwritable
from haversack_server.connectors.postgres._write import MAKE_LEDGER
from haversack_server.errors import MappingInvalid
from haversack_server.replication import Finding, Verdict

VERSION_MIN = 15
CLOCK_SECONDS_MAX = 5.0
"""How far the two clocks may be apart before the lag that is told means nothing."""

_SERVER = """
    SELECT current_setting('server_version_num')::int / 10000 AS version, current_setting('wal_level') AS wal_level,
        current_setting('max_replication_slots')::int AS slots, current_setting('max_wal_senders')::int AS senders,
        (SELECT count(*) FROM pg_replication_slots) AS slots_used,
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender') AS senders_used,
        current_setting('max_slot_wal_keep_size') AS kept, current_setting('server_encoding') AS encoding,
        r.rolreplication OR r.rolsuper AS may_replicate, r.rolsuper OR r.rolbypassrls AS sees_all, r.rolname AS role,
        has_database_privilege(current_database(), 'CREATE') AS may_create, current_database() AS database,
        extract(epoch FROM clock_timestamp())::float8 AS clock, pg_is_in_recovery() AS standby
    FROM pg_roles r WHERE r.rolname = current_user
"""

_SLOT = "SELECT plugin, database, active, wal_status FROM pg_replication_slots WHERE slot_name = %s"


async def check(settings: Settings, file: Mapping) -> list[Finding]:
    """Looks at everything that a feed and writes need; changes nothing."""
    try:
        connection = await AsyncConnection.connect(autocommit=True, row_factory=dict_row, **settings.for_psycopg())
    except DatabaseError as error:
        problem = unavailable(settings, error)
        return [
            Finding("connection", Verdict.FAILURE, str(problem), "make the database reachable, or correct the settings")
        ]
    async with connection:
        asked = time.time()
        server = await (await connection.execute(_SERVER)).fetchone()
        slot = await (await connection.execute(_SLOT, (settings.slot,))).fetchone()
        publication = await read_publication(connection, settings.publication)
        ledger = await (await connection.execute("SELECT to_regclass('haversack.applied_mutations') AS it")).fetchone()
        tables = await read_tables(connection)
        followed = await read_followed(connection, tables)
    assert server is not None
    found = [*_server(server, asked), *_slots(server, slot, settings), _secrecy(settings)]
    found.append(_ledger(server, has_ledger=bool(ledger and ledger["it"])))
    if not file.entities:
        remedy = "run `haversack source map`, edit what it drafts, and set it"
        return [*found, Finding("mapping", Verdict.FAILURE, "no table is mapped", remedy)]
    try:
        plan = settle(file, tables)
        refuse_inherited(plan, followed)
    except MappingInvalid as error:
        return [
            *found,
            Finding("mapping", Verdict.FAILURE, str(error), "correct these lines and set the mapping again"),
        ]
    may_create = server["may_create"]
    found += on_publication(publication, plan, followed, settings.publication, may_create=may_create)
    for entity in plan.entities.values():
        if entity.table is not None:
            unfollowed = list(on_identity(entity, followed))
            found += unfollowed
            found += _table(entity, entity.table, server, covered=not unfollowed, as_users=bool(file.user_role))
    return [*found, *_left_out(plan)]


def _server(server: dict[str, Any], asked: float) -> Iterator[Finding]:
    version = server["version"]
    if version < VERSION_MIN:
        yield Finding("version", Verdict.FAILURE, f"PostgreSQL {version}", f"use PostgreSQL {VERSION_MIN} or newer")
    else:
        yield Finding("version", Verdict.OK, f"PostgreSQL {version}")
    if server["wal_level"] == "logical":
        yield Finding("wal_level", Verdict.OK, "logical")
    else:
        remedy = "run: ALTER SYSTEM SET wal_level = logical; and restart the server"
        yield Finding("wal_level", Verdict.FAILURE, f"it is {server['wal_level']}, so nothing can be followed", remedy)
    role = server["role"]
    if server["may_replicate"]:
        yield Finding("replication", Verdict.OK, f"{role} may replicate")
    else:
        yield Finding(
            "replication", Verdict.FAILURE, f"{role} may not replicate", f"run: ALTER ROLE {role} REPLICATION"
        )
    if server["encoding"] != "UTF8":
        yield Finding("encoding", Verdict.WARNING, f"it is {server['encoding']}; texts are converted to UTF-8")
    if server["standby"]:
        yield Finding("standby", Verdict.WARNING, "this is a standby: writes of devices are refused", "use the primary")
    apart = abs(server["clock"] - (asked + time.time()) / 2)
    if apart > CLOCK_SECONDS_MAX:
        yield Finding(
            "clock",
            Verdict.WARNING,
            f"the clocks are {apart:.0f} s apart, so the lag is not told right",
            "use NTP on both",
        )
    else:
        yield Finding("clock", Verdict.OK, f"within {CLOCK_SECONDS_MAX:.0f} s of ours")


def _slots(server: dict[str, Any], slot: dict[str, Any] | None, settings: Settings) -> Iterator[Finding]:
    for name, setting in (("slots", "max_replication_slots"), ("senders", "max_wal_senders")):
        needed, free = 1 if slot else 2, server[name] - server[f"{name}_used"]
        if free >= needed:
            yield Finding(setting, Verdict.OK, f"{free} of {server[name]} are free")
            continue
        verdict = Verdict.FAILURE if free == 0 and not slot else Verdict.WARNING
        remedy = f"run: ALTER SYSTEM SET {setting} = {server[name] + 4}; and restart the server"
        yield Finding(
            setting, verdict, f"{free} of {server[name]} are free; two are needed while rows are copied", remedy
        )
    if slot and (slot["plugin"] != "pgoutput" or slot["database"] != server["database"]):
        what = f"the slot {settings.slot} is another's: plugin {slot['plugin']}, database {slot['database']}"
        yield Finding("slot", Verdict.FAILURE, what, "set another slot; each organization needs its own")
    elif slot and slot["wal_status"] == "lost":
        what = f"the source has removed log that the slot {settings.slot} needed"
        yield Finding("slot", Verdict.WARNING, what, "nothing: all rows are copied again; raise max_slot_wal_keep_size")
    elif slot:
        yield Finding("slot", Verdict.OK, f"{settings.slot} is there{' and in use' if slot['active'] else ''}")
    if server["kept"] == "-1":
        what = "max_slot_wal_keep_size is -1: while nobody follows, the log grows until the disk is full"
        remedy = "run: ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf()"
        yield Finding("max_slot_wal_keep_size", Verdict.WARNING, what, remedy)


def _secrecy(settings: Settings) -> Finding:
    if settings.sslmode == "verify-full" or settings.host.startswith("/"):
        return Finding("sslmode", Verdict.OK, settings.sslmode)
    what = {
        "disable": "rows and password travel in plain text",
        "require": "anybody can pretend to be the database",
        "verify-ca": "anybody with a certificate of the same authority can pretend to be the database",
    }[settings.sslmode]
    return Finding("sslmode", Verdict.WARNING, f"{settings.sslmode}: {what}", "set sslmode=verify-full and sslrootcert")


def _ledger(server: dict[str, Any], *, has_ledger: bool) -> Finding:
    if has_ledger or server["may_create"]:
        return Finding("writes", Verdict.OK, "each write of a device is applied exactly once")
    what = "haversack.applied_mutations is not there and may not be made: a write in doubt is read back and compared"
    grants = f"GRANT USAGE ON SCHEMA haversack TO {server['role']}"
    table = f"GRANT SELECT, INSERT ON haversack.applied_mutations TO {server['role']}"
    return Finding("writes", Verdict.WARNING, what, f"run: {'; '.join(MAKE_LEDGER)}; {grants}; {table}")


def _table(entity: Entity, table: Table, server: dict[str, Any], *, covered: bool, as_users: bool) -> Iterator[Finding]:
    name = table.full_name
    if table.row_security and not server["sees_all"]:
        what = f"row-level security of {name} hides rows from {server['role']}, and a copy refuses to be partial"
        yield Finding(entity.name, Verdict.FAILURE, what, f"run: ALTER ROLE {server['role']} BYPASSRLS")
    warnings = list(unwritable(entity, table, server["role"], as_users=as_users))
    if covered and not warnings:
        yield Finding(entity.name, Verdict.OK, f"{name} can be followed and written")
    yield from warnings


def _left_out(plan: Plan) -> Iterator[Finding]:
    for it in left_out(plan):
        if it.why != "the mapping leaves it out":
            yield Finding(it.subject, Verdict.WARNING, f"left out: {it.why}")

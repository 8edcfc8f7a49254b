"""A catalog that several servers have open: turns, snapshots, bells, and a database that is not always there.

Two `Catalog`s in one process are to each other what two processes are: their connections, sessions and locks are their
own. What differs, a process that is killed, is killed here.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from haversack.model.v1 import model_pb2
from haversack_server.catalog import Catalog, _database, _turns, organizations
from haversack_server.errors import CatalogFailed, CatalogUnavailable, OrganizationBusy
from postgresql import PostgresqlServer
from server.running import STEP_SECONDS_MAX, LoopThread
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

ACME = organizations.Organization("acme", model_pb2.Settings(), "acme.sqlite3", 0)
INCREMENTS = 12

HOLD_A_TURN = """
import asyncio, sys
from haversack_server.catalog import Catalog

async def hold():
    catalog = await Catalog.open(sys.argv[1])
    async with catalog.exclusive("acme"):
        print("held", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""


@pytest.fixture
def pair(catalog_url: str, loop: LoopThread) -> Iterator[tuple[Catalog, Catalog]]:
    """Two catalogs on one database, with one organization in it, opened at once on nothing."""

    async def opened() -> tuple[Catalog, Catalog]:
        one, two = await asyncio.gather(Catalog.open(catalog_url), Catalog.open(catalog_url))
        async with one.begin() as connection:
            await organizations.add(connection, ACME, at_us=1)
        return one, two

    catalogs = loop.run(opened())
    yield catalogs
    for catalog in catalogs:
        loop.run(catalog.close())


async def count(catalog: Catalog) -> int:
    async with catalog.snapshot() as connection:
        return (await organizations.find(connection, "acme")).last_entity_number


async def set_count(catalog: Catalog, number: int) -> None:
    async with catalog.begin() as connection:
        await organizations.set_last_entity_number(connection, "acme", number)


def test_changes_that_span_transactions_lose_nothing(loop: LoopThread, pair: tuple[Catalog, Catalog]) -> None:
    async def increment(catalog: Catalog) -> None:
        async with catalog.exclusive("acme"):
            found = await count(catalog)
            await set_count(catalog, found + 1)

    async def check() -> int:
        await asyncio.gather(*(increment(pair[number % 2]) for number in range(INCREMENTS)))
        return await count(pair[0])

    assert loop.run(check()) == INCREMENTS


@pytest.mark.parametrize("waiter", [0, 1], ids=["same process", "other process"])
def test_who_waits_for_too_long_is_told(
    loop: LoopThread, pair: tuple[Catalog, Catalog], monkeypatch: pytest.MonkeyPatch, waiter: int
) -> None:
    async def check() -> None:
        async with pair[0].exclusive("acme"):
            monkeypatch.setattr(_turns, "TURN_SECONDS_MAX", 0.1)
            with pytest.raises(OrganizationBusy, match="organization acme"):
                async with pair[waiter].exclusive("acme"):
                    pytest.fail("two changes at once")
            async with pair[waiter].exclusive("globex"):
                pass
        async with pair[waiter].exclusive("acme"):
            pass

    loop.run(check())


def test_a_process_that_is_killed_gives_its_turn_back(
    loop: LoopThread, catalog_url: str, pair: tuple[Catalog, Catalog]
) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD_A_TURN, catalog_url], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    async def check() -> None:
        turn = pair[0].exclusive("acme")
        entering = asyncio.ensure_future(turn.__aenter__())
        await asyncio.wait([entering], timeout=0.1)
        assert not entering.done()
        holder.kill()
        await entering
        await turn.__aexit__(None, None, None)

    loop.run(check())
    holder.wait(STEP_SECONDS_MAX)
    holder.stdout.close()


def test_a_snapshot_is_of_one_moment_and_keeps_nobody_waiting(loop: LoopThread, pair: tuple[Catalog, Catalog]) -> None:
    async def check() -> list[int]:
        async with pair[0].snapshot() as connection:
            before = (await organizations.find(connection, "acme")).last_entity_number
            await set_count(pair[1], 7)
            after = (await organizations.find(connection, "acme")).last_entity_number
        return [before, after, await count(pair[0])]

    assert loop.run(check()) == [0, 0, 7]


def test_a_bell_wakes_who_listens(loop: LoopThread, catalog_url: str, pair: tuple[Catalog, Catalog]) -> None:
    async def check() -> list[bool]:
        ringer = pair[1] if catalog_url.startswith("postgresql") else pair[0]
        with pair[0].listen("news") as bell, pair[0].listen("other") as silent:
            if ringer is pair[1]:
                await bell.wait(STEP_SECONDS_MAX)
                await silent.wait(STEP_SECONDS_MAX)
            await ringer.notify("news")
            return [await bell.wait(STEP_SECONDS_MAX), await bell.wait(0.01), await silent.wait(0.01)]

    assert loop.run(check()) == [True, False, False]


def test_all_processes_share_a_clock(loop: LoopThread, pair: tuple[Catalog, Catalog]) -> None:
    async def check() -> None:
        before = time.time_ns() // 1_000
        async with pair[0].begin() as first, pair[0].snapshot() as second:
            times = [await pair[0].now_us(first), await pair[0].now_us(second), await pair[0].now_us(first)]
        assert [before, *times] == sorted([before, *times])
        assert times[-1] <= time.time_ns() // 1_000

    loop.run(check())


def opened(loop: LoopThread, url: str) -> Catalog:
    return loop.run(Catalog.open(url))


@pytest.fixture
def catalog(loop: LoopThread, postgresql: PostgresqlServer) -> Iterator[Catalog]:
    """A catalog on PostgreSQL, its password in the URL."""
    url = postgresql.database().replace("@", ":s%C3%A9cret%2F7@", 1)
    catalog = opened(loop, url)
    yield catalog
    loop.run(catalog.close())


async def disconnect(catalog: Catalog) -> None:
    """Ends every other connection to a catalog's database."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    async with catalog.begin() as connection:
        await connection.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))


def test_a_snapshot_refuses_to_write(loop: LoopThread, catalog: Catalog) -> None:
    async def write() -> None:
        async with catalog.snapshot() as connection:
            await organizations.add(connection, ACME, at_us=1)

    with pytest.raises(DBAPIError, match="read-only"):
        loop.run(write())


def test_connections_that_are_lost_between_transactions_are_made_again(loop: LoopThread, catalog: Catalog) -> None:
    async def check() -> bool:
        async with catalog.begin(), catalog.begin(), catalog.begin():
            pass
        with catalog.listen("news") as bell:
            await bell.wait(STEP_SECONDS_MAX)
            await disconnect(catalog)
            await disconnect(catalog)
            # The listener rings when it is back: something may have been missed.
            return await bell.wait(STEP_SECONDS_MAX)

    assert loop.run(check())


def test_a_connection_that_is_lost_within_a_transaction_is_named(loop: LoopThread, catalog: Catalog) -> None:
    async def check() -> None:
        async with catalog.begin() as connection:
            await organizations.add(connection, ACME, at_us=1)
            await disconnect(catalog)
            await organizations.find(connection, "acme")

    with pytest.raises(CatalogUnavailable, match="whether the change") as refusal:
        loop.run(check())
    assert "cret" not in str(refusal.value)


def test_a_statement_that_waits_for_too_long_is_named(loop: LoopThread, catalog: Catalog) -> None:
    async def check() -> None:
        async with catalog.begin() as connection:
            await organizations.add(connection, ACME, at_us=1)
        async with catalog.begin() as first, catalog.begin() as second:
            await organizations.find(first, "acme", for_update=True)
            await second.execute(text("SET LOCAL lock_timeout = '50ms'"))
            await organizations.find(second, "acme", for_update=True)

    with pytest.raises(CatalogUnavailable, match="lock timeout"):
        loop.run(check())


def test_an_old_postgresql_is_refused(
    loop: LoopThread, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_database, "POSTGRESQL_VERSION_MIN", 99)
    with pytest.raises(CatalogFailed, match="upgrade it to 99 or newer"):
        opened(loop, postgresql.database())


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://user:s3cret/7@nowhere.invalid/db", "HAVERSACK_DATABASE"),
        ("postgresql://user:s3cret@127.0.0.1:1/db", "could not be opened"),
        ("postgresql://user@127.0.0.1:1/db?password=s3cret", "could not be opened"),
        ("postgresql://user:s3cret@127.0.0.1:1/db?sslmode=s3cret", "could not be opened"),
        ("postgresql+asyncpg://user:s3cret@host/db", "use postgresql:// or sqlite:///"),
        ("mysql://user:s3cret@host/db", "use postgresql:// or sqlite:///"),
        ("s3cret", "write postgresql://user:password@host/database"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_without_its_password(loop: LoopThread, url: str, why: str) -> None:
    with pytest.raises(CatalogFailed) as refusal:
        opened(loop, url)
    assert why in str(refusal.value)
    assert "s3cret" not in str(refusal.value)


def test_a_test_run_that_is_killed_leaves_no_server_behind(tmp_path: Path) -> None:
    lines = (
        "from postgresql import PostgresqlServer",
        "server = PostgresqlServer()",
        "print(server.folder, flush=True)",
    )
    script = "\n".join((*lines, "input()"))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    run = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert run.stdin is not None
    assert run.stdout is not None
    folder = Path(run.stdout.readline().strip())
    assert (folder / "data" / "postmaster.pid").exists()
    run.kill()
    run.wait(STEP_SECONDS_MAX)
    deadline = time.monotonic() + STEP_SECONDS_MAX
    while folder.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    run.stdin.close()
    run.stdout.close()

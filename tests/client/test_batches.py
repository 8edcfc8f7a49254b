"""A batch is all or nothing, whatever fails in it, and it is nobody else's."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from client.memory_server import MemoryServer
from client.test_writes import NORTH, QUICK, SITE, VISIT
from haversack_client import BatchOpenError, Device, StoreError, SyncRunningError
from haversack_client._connections import DATABASE_ERRORS

NAMES = "<fetch><entity name='site'><attribute name='name'/><order attribute='name'/></entity></fetch>"


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with opened(tmp_path) as device:
        yield device


def opened(folder: Path, **options: Any) -> Device:
    server = MemoryServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North", kind=1)
    device = Device(folder / "device.sqlite3", server, backoff=QUICK, **options)
    device.sync()
    return device


def names(device: Device) -> list[str]:
    return [row["name"] for row in device.query("SELECT name FROM site ORDER BY name")]


def test_what_sqlite_takes_back_takes_the_batch_along(device: Device) -> None:
    """As it does for some failures of the disk: the transaction is gone, and who goes on would begin another."""
    device._writer._connection.execute(
        "CREATE TEMP TRIGGER failing BEFORE INSERT ON main._haversack_outbox WHEN new.new LIKE '%broken%'"
        " BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END"
    )

    def batch() -> None:
        with device.batch():
            device.create("site", {"name": "A"})
            with pytest.raises(StoreError, match="full"):
                device.create("site", {"name": "broken"})
            for call in (write, names):
                with pytest.raises(StoreError, match="taken back"):
                    call(device)

    with pytest.raises(StoreError, match="write all of it again"):
        batch()
    assert (names(device), device.outbox()) == (["North"], [])
    with device.batch():
        device.create("site", {"name": "D"})
    assert names(device) == ["D", "North"]


def test_a_batch_sees_its_own_rows(device: Device) -> None:
    with device.batch():
        device.create("site", {"name": "South"})
        seen = list[list[str]]()
        other = threading.Thread(target=lambda: seen.append(names(device)))
        other.start()
        other.join()
        assert seen == [["North"]], "others see it when it is done"
        assert names(device) == ["North", "South"]
        assert [row["name"] for row in device.fetch(NAMES)] == ["North", "South"]
        assert [it.values for it in device.outbox()] == [{"name": "South"}]
        device.update("site", NORTH, {"name": "Norden"})
        assert names(device) == ["Norden", "South"]
    assert [row["name"] for row in device.fetch(NAMES)] == ["Norden", "South"]


@pytest.mark.parametrize(
    "statement",
    ["COMMIT", "ROLLBACK", "SAVEPOINT a", "DELETE FROM site", "PRAGMA query_only = 1", "ATTACH ':memory:' AS x"],
)
def test_within_a_batch_queries_only_read(device: Device, statement: str) -> None:
    with device.batch():
        device.create("site", {"name": "South"})
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            device.query(statement)
        assert device.query("PRAGMA table_info(site)")[0]["name"] == "_ordinal"
        device.create("site", {"name": "West"})
    assert names(device) == ["North", "South", "West"]


def test_an_encrypted_batch_sees_its_own_rows(tmp_path: Path) -> None:
    pytest.importorskip("sqlcipher3")
    with opened(tmp_path, key="a long enough key") as device, device.batch():
        device.create("site", {"name": "South"})
        assert names(device) == ["North", "South"]
        with pytest.raises(DATABASE_ERRORS):
            device.query("COMMIT")


def test_reading_the_outbox_waits_for_nobody(device: Device) -> None:
    found = list[list[Any]]()
    with device.batch():
        device.create("site", {"name": "South"})
        reader = threading.Thread(target=lambda: found.append([device.outbox(), device.refused()]))
        reader.start()
        reader.join(10)
        assert found == [[[], []]]


def write(device: Device) -> object:
    return device.create("site", {"name": "two"})


def begin(device: Device) -> None:
    with device.batch():
        pass


@pytest.mark.parametrize(
    ("call", "error"),
    [(write, BatchOpenError), (begin, BatchOpenError), (Device.sync, SyncRunningError)],
)
def test_a_batch_is_its_tasks(device: Device, call: Callable[[Device], Any], error: type[Exception]) -> None:
    async def main() -> None:
        begun, done = asyncio.Event(), asyncio.Event()

        async def first() -> None:
            with device.batch():
                device.create("site", {"name": "one"})
                begun.set()
                await done.wait()
                device.create("site", {"name": "other"})
                raise KeyError("a mistake of the application")

        async def second() -> None:
            await begun.wait()
            with pytest.raises(error):
                call(device)
            assert names(device) == ["North"]
            done.set()

        results = await asyncio.gather(first(), second(), return_exceptions=True)
        assert [type(it) for it in results] == [KeyError, type(None)]
        device.create("site", {"name": "after"})

    asyncio.run(main())
    assert names(device) == ["North", "after"]


def test_what_a_batch_starts_is_not_in_it(device: Device) -> None:
    """A task or a thread that is started within a batch, and inherits its context, may outlive it."""

    async def main() -> None:
        async def child() -> None:
            device.create("site", {"name": "child"})

        with device.batch():
            for started in (asyncio.create_task(child()), asyncio.to_thread(write, device)):
                with pytest.raises(BatchOpenError):
                    await started
        await asyncio.create_task(child())
        await asyncio.to_thread(write, device)

    asyncio.run(main())
    assert names(device) == ["North", "child", "two"]


def test_batches_of_two_devices_lie_in_each_other(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    with opened(tmp_path / "a") as one, opened(tmp_path / "b") as other:
        with one.batch(), other.batch(), one.batch():
            one.create("site", {"name": "one"})
            other.create("site", {"name": "other"})
        assert (names(one), names(other)) == (["North", "one"], ["North", "other"])

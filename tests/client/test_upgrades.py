"""Files of earlier versions are brought up when they are opened; who dies while tables change loses nothing."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from client.memory_server import MemoryServer, Refusal
from client.test_writes import NORTH, QUICK, SITE, VISIT
from client.wire import Attribute, Entity
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import upload_pb2
from haversack_client import Device, StoreError
from haversack_client import _tables as sql
from haversack_client._reader import read_status

NOTE = Entity(
    8,
    "note",
    (
        Attribute(1, "noteid", model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER),
        Attribute(2, "text", model_pb2.ATTRIBUTE_TYPE_STRING),
    ),
)
ADDED_LATER = {
    1: ("_haversack_outbox", "_haversack_base", "_haversack_conflict", "_haversack_withdrawn"),
    2: ("_haversack_conflict", "_haversack_withdrawn"),
    5: ("_haversack_withdrawn",),
}
"""Tables that a version did not have yet."""


def drop_dependencies(connection: sqlite3.Connection) -> None:
    """Takes away what no version before 7 had."""
    for trigger in ("added", "changed", "removed"):
        connection.execute(f"DROP TRIGGER _haversack_outbox_{trigger}")
    connection.execute("DROP TABLE _haversack_dependency")


def server_with_rows() -> MemoryServer:
    server = MemoryServer((SITE, VISIT, NOTE))
    server.put(SITE, NORTH.bytes, name="North", budget="5", kind=1)
    server.put(VISIT, UUID(int=7).bytes, topic="roof", siteid=NORTH.bytes)
    server.put(NOTE, UUID(int=8).bytes, text="old")
    return server


@pytest.mark.parametrize("version", ADDED_LATER)
def test_a_file_of_an_earlier_version_goes_on(tmp_path: Path, version: int) -> None:
    path, server = tmp_path / "device.sqlite3", server_with_rows()
    with Device(path, server, backoff=QUICK) as device:
        device.sync()
    with closing(sqlite3.connect(path)) as connection, connection:
        drop_dependencies(connection)
        for table in ADDED_LATER[version]:
            connection.execute(f"DROP TABLE {table}")
        if version == 2:
            connection.execute("DROP INDEX _haversack_outbox_state")
            for column in ("settled_at_us", "first_hash"):
                connection.execute(f"ALTER TABLE _haversack_outbox DROP COLUMN {column}")
        for column in ("received_bytes", "synced_at_us") if version == 1 else ():
            connection.execute(f"ALTER TABLE _haversack_entity DROP COLUMN {column}")
        connection.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(StoreError, match=r"open it once with Device\.open"):
        read_status(path)
    server.streamed.clear()
    with Device(path, server, backoff=QUICK) as device:
        device.update("site", NORTH, {"name": "Mine"})
        device.sync()
        assert device.status(verify=True).verified
        assert device.query("SELECT name FROM site")[0]["name"] == "Mine"
        assert device.query("PRAGMA user_version")[0][0] == sql.FORMAT_VERSION
    sent = [event.rows.entity for event in server.streamed if event.HasField("rows")]
    assert sent == [SITE.number], "no row is fetched again but the one that was written"


def test_what_depends_on_what_is_known_after_an_upgrade(tmp_path: Path) -> None:
    path, server = tmp_path / "device.sqlite3", server_with_rows()
    with Device(path, server, backoff=QUICK) as device:
        device.sync()
        made = device.create("site", {"name": "South"})
        device.create("visit", {"topic": "look", "siteid": made})
    with closing(sqlite3.connect(path)) as connection, connection:
        drop_dependencies(connection)
        connection.execute("PRAGMA user_version = 6")
    refused = Refusal(upload_pb2.MUTATION_OUTCOME_FORBIDDEN)
    server.judge = lambda mutation: refused if mutation.number == 1 else None
    with Device(path, server, backoff=QUICK) as device:
        device.sync()
        assert [it.state for it in device.outbox()] == ["refused", "held"]
        device.discard(1)
        assert [(it.number, it.state) for it in device.outbox()] == [(2, "refused")]


class Dying(sqlite3.Connection):
    """A connection whose process dies at a certain statement: from there on nothing is executed any more."""

    left = 0

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """A statement, or death."""
        self._live()
        return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        """Statements, or death."""
        self._live()
        return super().executemany(*arguments)

    @classmethod
    def _live(cls) -> None:
        cls.left -= 1
        if cls.left < 0:
            raise KeyboardInterrupt


def connect_dying(path: Path, _key: None = None) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Dying)


def change_everything(server: MemoryServer) -> None:
    """Columns come and go and are widened, a lookup may point at more, an entity goes that has something waiting."""
    attributes = [it for it in SITE.attributes if it.name not in ("budget", "kind")]
    kind = Attribute(4, "kind", model_pb2.ATTRIBUTE_TYPE_STRING)
    phone = Attribute(10, "phone", model_pb2.ATTRIBUTE_TYPE_STRING)
    site = replace(SITE, attributes=(*attributes, kind, phone))
    lookup = Attribute(3, "siteid", model_pb2.ATTRIBUTE_TYPE_LOOKUP, companion=9)
    visit = replace(VISIT, attributes=tuple(lookup if it.name == "siteid" else it for it in VISIT.attributes))
    server.entities, server.version = (site, visit), 2
    for row in server.rows[SITE.number].values():
        row.fields.pop(4, None)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A device with something waiting on every entity, as it was closed."""
    path, server = tmp_path_factory.mktemp("before") / "device.sqlite3", server_with_rows()
    with Device(path, server, backoff=QUICK) as device:
        device.sync()
        device.update("site", NORTH, {"kind": 2, "name": "Mine"})
        device.update("visit", UUID(int=7), {"topic": "door"})
        device.create("note", {"text": "new"})
    return path


def deaths(before: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, Path, MemoryServer]]:
    """Devices that have died at one statement after the other of a sync that changes the model, until one lives."""
    for statement in range(1, 10_000):
        path, server = folder / f"{statement}.sqlite3", server_with_rows()
        shutil.copy(before, path)
        change_everything(server)
        if not dies(path, server, statement, monkeypatch):
            return
        yield statement, path, server


def dies(path: Path, server: MemoryServer, statement: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Lets a device sync, but for its outbox, and die at a statement. Returns whether it came to that."""
    Dying.left = 10_000
    with monkeypatch.context() as patched:
        patched.setattr("haversack_client._store.connect", connect_dying)
        device = Device(path, server, backoff=QUICK)
    device._drain = lambda _: None  # type: ignore[method-assign, assignment]
    Dying.left = statement
    try:
        device.sync()
    except KeyboardInterrupt:
        return True
    finally:
        Dying.left = 10_000
        device.close()
    return False


def test_a_death_at_any_statement_of_a_model_change_loses_nothing(
    before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = set()
    for statement, path, server in deaths(before, tmp_path, monkeypatch):
        with Device(path, server, backoff=QUICK) as device:
            status = device.status(verify=True)
            models.add(status.model_version)
            assert status.verified, statement
            assert {(it.entity or "note", *it.values) for it in device.outbox()} == {
                ("site", "kind", "name"),
                ("visit", "topic"),
                ("note", "text"),
            }, statement
            device._drain = lambda _: None  # type: ignore[method-assign, assignment]
            device.sync()
            del device._drain
            device.sync()
            assert dict(device.query("SELECT name, kind, phone FROM site")[0]) == {
                "name": "Mine",
                "kind": "2",
                "phone": None,
            }, statement
            assert device.query("SELECT topic FROM visit")[0]["topic"] == "door"
            assert [(it.reason, it.values) for it in device.refused()] == [("ENTITY_UNKNOWN", {"text": "new"})]
            assert device.status(verify=True).verified
    assert models == {1, 2}

"""Databases that only their key opens."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import keyring
import pytest
from client.memory_server import MemoryServer
from client.test_following import LiveServer
from client.test_writes import NORTH, QUICK, SITE, VISIT
from haversack_client import (
    CheckpointReached,
    Device,
    KeyWrongError,
    StoreError,
    WritesAnswered,
    change_key,
    keyring_key,
)
from keyring.backend import KeyringBackend

KEY = "correct horse battery staple"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "device.sqlite3"


def open_device(path: Path, key: str | None = KEY) -> Device:
    server = MemoryServer((SITE,))
    server.put(SITE, NORTH.bytes, name="secretplace")
    return Device(path, server, backoff=QUICK, key=key)


def test_nothing_can_be_read_without_the_key(path: Path) -> None:
    with open_device(path) as device:
        device.sync()
        device.create("site", {"name": "mysecret"})
        assert device.query("SELECT count(*) AS n FROM site")[0]["n"] == 2
        assert len(device.fetch("<fetch><entity name='site'/></fetch>")) == 2
        with closing(device.connection()) as connection:
            assert connection.execute("SELECT name FROM site").fetchone()["name"] == "mysecret"
        files = [file.read_bytes() for file in path.parent.iterdir()]
    assert not any(word in content for content in files for word in (b"secretplace", b"mysecret", b"SQLite format"))
    for key in ("another key of that length", None, "short"):
        with pytest.raises(KeyWrongError):
            open_device(path, key)
    with open_device(path) as device:
        assert device.status(verify=True).verified
        assert len(device.outbox()) == 1


def test_a_plain_database_has_no_key(path: Path) -> None:
    open_device(path, None).close()
    with pytest.raises(KeyWrongError):
        open_device(path)


def test_a_key_is_changed_for_another(path: Path) -> None:
    new = "another horse, another staple"
    with open_device(path) as device:
        device.sync()
        written = device.create("site", {"name": "mysecret"})
        with pytest.raises(StoreError, match="locked"):
            change_key(path, KEY, new)
    with pytest.raises(KeyWrongError, match="fewer than"):
        change_key(path, KEY, "short")
    with pytest.raises(KeyWrongError, match="the key is wrong"):
        change_key(path, new, KEY)
    change_key(path, KEY, new)
    with pytest.raises(KeyWrongError):
        open_device(path)
    with open_device(path, new) as device:
        assert device.status(verify=True).verified
        assert [write.id for write in device.outbox()] == [written]
        device.sync()
    with pytest.raises(StoreError):
        change_key(path.with_name("nothing.sqlite3"), KEY, new)


def test_a_plain_database_gets_no_key(path: Path) -> None:
    open_device(path, None).close()
    with pytest.raises(KeyWrongError):
        change_key(path, KEY, "another horse, another staple")


def test_every_path_works_with_a_key(path: Path) -> None:
    """Live, a model change, a wipe, a second process."""
    server = LiveServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="secretplace")
    with Device(path, server, backoff=QUICK, key=KEY) as device:
        with device.live() as live:
            assert any(isinstance(event, CheckpointReached) for event in live)
            device.update("site", NORTH, {"name": "mine"})
            assert any(isinstance(event, WritesAnswered) for event in live)
        server.entities, server.version = (SITE,), 2
        device.sync()
        assert device.status(verify=True).verified
        with Device.offline(path, key=KEY) as other:
            other.update("site", NORTH, {"name": "other"})
        assert device.query("SELECT name FROM site")[0]["name"] == "other"
        device.wipe()
        assert device.query("SELECT * FROM site") == device.outbox() == []
        device.sync()
        assert device.query("SELECT name FROM site")[0]["name"] == "mine"


class MemoryKeyring(KeyringBackend):
    """A keyring for the length of a test."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.passwords: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.passwords.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.passwords[service, username] = password


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    before, ring = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


def test_a_key_is_drawn_once_and_kept_by_the_system(ring: MemoryKeyring) -> None:
    key = keyring_key("crm.sqlite3")()
    assert len(key) == 64
    assert keyring_key("crm.sqlite3")() == key
    assert keyring_key("other.sqlite3")() != key
    assert set(ring.passwords) == {("haversack", "crm.sqlite3"), ("haversack", "other.sqlite3")}


def test_errors_of_an_encrypted_database_are_those_of_sqlite(path: Path) -> None:
    with open_device(path) as device:
        device.sync()
        with pytest.raises(sqlite3.OperationalError, match="no such column") as caught:
            device.query("SELECT nowhere")
        assert caught.value.sqlite_errorcode == sqlite3.SQLITE_ERROR
        with pytest.raises(sqlite3.ProgrammingError):
            device.query("SELECT 1; SELECT 2")
        with closing(device.connection()) as connection:
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                connection.execute("DELETE FROM site")
            with pytest.raises(sqlite3.Error), connection:
                connection.cursor().execute("SELECT ?")
            countdown = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i - 1 FROM n) SELECT i"
            rows = connection.execute(f"{countdown}, json(CASE i WHEN 0 THEN '[' ELSE '1' END) FROM n")
            assert next(rows)["i"] == 2
            with pytest.raises(sqlite3.OperationalError, match="malformed"):
                list(rows)

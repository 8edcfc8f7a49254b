"""Databases that only their key opens."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import keyring
import pytest
from client.memory_server import MemoryServer
from client.test_writes import NORTH, QUICK, SITE
from haversack_client import Device, KeyWrongError, keyring_key
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

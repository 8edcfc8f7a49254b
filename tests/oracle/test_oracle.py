"""Random organizations and profiles through a real server and real devices, against SQL in SQLite.

A failing world prints its seed in the test's name; `pytest tests/oracle --simulation-seed N` replays it.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import RunningServer
from haversack_client import Device, PermissionDeniedError
from haversack_server.demo.organization import Organization
from haversack_server.demo.replica import Replica
from haversack_server.provisioning.files import newest
from oracle import filters
from oracle.expected import Oracle
from oracle.organization import apply, draft, limit, populate
from oracle.world import Item, World

ROUNDS = 4
CHANGES_A_ROUND = 6

View = dict[str, dict[int, int]]


class Playground:
    """One world in a real organization, with a device for every user."""

    def __init__(self, server: RunningServer, world: World, name: str, folder: Path) -> None:
        self.world = world
        self.organization = Organization(server.channel, server.admin_token(), name)
        populate(self.organization, world)
        self.items: list[Item] = []
        self.limits: Mapping[str, filters.Filter | None] = {}
        self.publish()
        staging = newest(server.settings.data / "organizations" / name)
        self.replica = Replica(staging)
        self.devices = {
            user: Device.open(folder / f"{user}.db", server.settings.sync_listen, server.device_token(name, user))
            for user in world.users
        }

    def publish(self) -> None:
        """Publishes other rules, organization filters and a new profile for most."""
        self.limits, self.items = self.world.organization_filters(), self.world.profile()
        self.settings = self.world.settings()
        self.organization.set_settings(self.settings)
        limit(self.organization, self.limits)
        self.members = (self.world.some(self.world.users), self.world.some(self.world.teams))
        self.organization.publish(draft(self.items, *self.members))

    def change(self) -> None:
        """Changes data and directory."""
        for _ in range(CHANGES_A_ROUND):
            apply(self.organization, self.world.step())

    def check(self) -> int:
        """Syncs every device and compares it with the oracle; returns how many rows agreed."""
        rows = 0
        for user, device in self.devices.items():
            self.replica.refresh()
            denial = Oracle(self.replica, user, datetime.now(UTC), self.settings).denial(*self.members)
            if denial:
                self.check_denied(device, denial)
                continue
            checkpoint = device.sync().checkpoint
            assert checkpoint is not None
            instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=checkpoint.instant_us)
            self.replica.refresh()
            expected = Oracle(self.replica, user, instant, self.settings).view(self.items, dict(self.limits))
            with closing(device.connection()) as connection:
                assert held(connection, expected) == expected
                rows += compare_values(connection, self.replica, expected)
            assert device.status(verify=True).checkpoint == checkpoint
        return rows

    def check_denied(self, device: Device, denial: str) -> None:
        """A device that gets nothing is told why, once it has nothing left."""
        with pytest.raises(PermissionDeniedError) as refused:
            device.sync()
        assert refused.value.reason == denial
        with closing(device.connection()) as connection:
            assert not any(held(connection, {}).values())

    def close(self) -> None:
        """Closes everything but the server."""
        self.replica.close()
        for device in self.devices.values():
            device.close()


def held(device: sqlite3.Connection, expected: View) -> View:
    """What a device holds: ordinal to LSN, per entity; also of entities that it should not hold."""
    device.row_factory = None
    names = [name for (name,) in device.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    tables = [name for name in names if not name.startswith(("_haversack", "sqlite_"))]
    return {table: dict(device.execute(f"SELECT _ordinal, _lsn FROM {table}")) for table in {*tables, *expected}}


def compare_values(device: sqlite3.Connection, replica: Replica, expected: View) -> int:
    """Compares every column of every row; returns how many rows there were."""
    for table in expected:
        columns = ", ".join(name for _, name, *_ in device.execute(f"PRAGMA table_info({table})"))
        rows = device.execute(f"SELECT {columns} FROM {table}").fetchall()
        assert set(rows) <= set(replica.rows(f"SELECT {columns} FROM {table}"))
    return sum(map(len, expected.values()))


def test_every_device_holds_what_sql_says(server: RunningServer, tmp_path: Path, seed: int) -> None:
    world = World(seed)
    playground = Playground(server, world, f"oracle-{seed}", tmp_path)
    try:
        playground.check()
        for _ in range(ROUNDS):
            playground.change()
            if world.draw.random() < 0.4:
                playground.publish()
            playground.check()
    finally:
        playground.close()

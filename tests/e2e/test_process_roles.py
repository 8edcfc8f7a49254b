"""Processes that do a share of a server's work: devices at one, replication by another, administration at a third."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import grpc
import pytest
from e2e.conftest import USER, contact, table
from e2e.processes import STEP_SECONDS_MAX, ServerProcess
from e2e.test_two_servers import draft, fill
from haversack_client import Device, NotProvisionedError

NAME = "shared-work"


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[dict[str, ServerProcess]]:
    """One process of each role, on one data folder."""
    made = {role: ServerProcess(tmp_path / "data", role=role) for role in ("all", "sync", "replicator")}
    with ExitStack() as running:
        for process in made.values():
            running.callback(process.kill)
            process.start()
        yield made


def make_due(data: Path) -> None:
    """Makes every work item due."""
    with closing(sqlite3.connect(data / "catalog.sqlite3")) as catalog, catalog:
        assert catalog.execute("UPDATE work_item SET next_run_at_us = 0, last_ended_at_us = 0").rowcount > 0


def wait_until_run(data: Path, entity: str) -> None:
    """Waits until a replicator has done an entity's work item."""
    deadline = time.monotonic() + STEP_SECONDS_MAX
    with closing(sqlite3.connect(data / "catalog.sqlite3")) as catalog:
        query = "SELECT last_ended_at_us FROM work_item WHERE entity = ?"
        while not catalog.execute(query, (entity,)).fetchone()[0]:
            assert time.monotonic() < deadline, "no replicator has taken the item"
            time.sleep(0.1)


def sync_once_it_serves(device: Device) -> None:
    """Syncs; a process hears within a second of what another one has provisioned."""
    deadline = time.monotonic() + STEP_SECONDS_MAX
    while True:
        try:
            device.sync()
        except NotProvisionedError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def test_each_does_its_share(crew: dict[str, ServerProcess], tmp_path: Path) -> None:
    server, sync = crew["all"], crew["sync"]
    with grpc.insecure_channel(server.admin) as channel:
        organization = server.organization(channel, NAME)
        organization.create(provisioned=False)
        fill(organization)
        organization.publish(draft())
        organization.ingest("contact", table([["contactid", "fullname"], [contact(1), "Ada"]]))
    server.kill()
    with Device.open(tmp_path / "device.db", sync.sync, sync.device_token(NAME, USER)) as device:
        sync_once_it_serves(device)
        assert [row["fullname"] for row in device.query("SELECT fullname FROM contact")] == ["Ada"]
    make_due(server.data)
    wait_until_run(server.data, "contact")
    server.start()

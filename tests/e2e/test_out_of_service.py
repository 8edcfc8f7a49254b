"""An organization that is taken out of service and comes back with another staging database: devices outlast it."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from e2e.processes import free_port
from haversack_client import (
    Backoff,
    CheckpointReached,
    Connection,
    ConnectionChanged,
    Device,
    Live,
    LiveEvent,
    NotProvisionedError,
)
from haversack_server._core import Staging, SyncServer
from haversack_server.identity import SYNC_AUDIENCE, DevelopmentIssuer
from server.test_sync import USER, field
from server.test_sync import Field as Organization

__all__ = ["field"]

QUICK = Backoff(initial_seconds=0.001, max_seconds=0.01)


@contextmanager
def sync_server(issuer: DevelopmentIssuer) -> Iterator[tuple[SyncServer, str]]:
    """A sync endpoint alone, and its address."""
    config = {"listen": f"127.0.0.1:{free_port()}", "plain_text": True, "issuers": issuer.trust(SYNC_AUDIENCE)}
    server = SyncServer(json.dumps(config))
    address = server.start()
    try:
        yield server, address
    finally:
        server.stop(1.0)


def published_model(data: Path, organization: str) -> bytes:
    """The model that an organization's devices follow."""
    with closing(sqlite3.connect(data / "catalog.sqlite3")) as catalog:
        query = "SELECT model FROM publish WHERE organization = ? ORDER BY revision DESC LIMIT 1"
        (model,) = catalog.execute(query, [organization]).fetchone()
    assert isinstance(model, bytes)
    return model


def accounts(device: Device) -> int:
    """How many accounts a device holds."""
    (count,) = device.query("SELECT count(*) FROM account")[0]
    assert isinstance(count, int)
    return count


def until(live: Live, wanted: Callable[[LiveEvent], bool]) -> LiveEvent:
    """Reads events up to one that is wanted."""
    return next(event for event in live if wanted(event))


def is_waiting(event: LiveEvent) -> bool:
    """Whether a device was told that its organization is out of service, and waits."""
    return (
        isinstance(event, ConnectionChanged)
        and event.connection is Connection.WAITING
        and isinstance(event.error, NotProvisionedError)
    )


@pytest.fixture
def staged(field: Organization) -> Staging:
    """The organization's staging database, in a handle of its own."""
    [path] = (field.server.settings.data / "organizations" / field.name).glob("staging*.sqlite3")
    return Staging.open(str(path))


def provisioned_anew(field: Organization, staged: Staging, path: Path) -> Staging:
    """Another staging database with the same rows and the same model, as provisioning makes one."""
    anew = Staging.create(str(path))
    for number, rows, _ in staged.statistics():
        while json.loads(anew.replicate(staged, number, rows_max=2))["left"]:
            pass
        assert (number, rows) in [(it[0], it[1]) for it in anew.statistics()]
    anew.publish(published_model(field.server.settings.data, field.name))
    anew.build_indexes()
    return anew


def test_a_device_keeps_its_rows_and_comes_back(field: Organization, staged: Staging, tmp_path: Path) -> None:
    token = field.server.device_token(field.name, USER)
    with sync_server(field.server.server.issuer) as (server, address):
        server.add_organization(field.name, staged)
        server.load_organization(field.name)
        with Device.open(tmp_path / "device.sqlite3", address, token, backoff=QUICK) as device:
            device.sync()
            with device.live() as live:
                until(live, lambda event: isinstance(event, CheckpointReached))
                server.remove_organization(field.name)
                until(live, is_waiting)
                assert accounts(device) == 3
                server.add_organization(field.name, provisioned_anew(field, staged, tmp_path / "anew.sqlite3"))
                until(live, lambda event: isinstance(event, CheckpointReached))
                assert accounts(device) == 3
            assert device.status(verify=True).checkpoint is not None


def test_a_sync_says_that_the_organization_is_out_of_service(
    field: Organization, staged: Staging, tmp_path: Path
) -> None:
    token = field.server.device_token(field.name, USER)
    with sync_server(field.server.server.issuer) as (server, address):
        server.add_organization(field.name, staged)
        with Device.open(tmp_path / "device.sqlite3", address, token, backoff=QUICK) as device:
            device.sync()
            server.remove_organization(field.name)
            with pytest.raises(NotProvisionedError) as refused:
                device.sync()
            assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "ORGANIZATION_NOT_PROVISIONED")
            assert accounts(device) == 3
            assert device.status(verify=True).checkpoint is not None

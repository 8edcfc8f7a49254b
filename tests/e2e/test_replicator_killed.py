"""A server killed in the middle of replication: another one goes on where it was, and writes no row twice."""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import grpc
import pytest
from e2e.processes import STEP_SECONDS_MAX, ServerProcess
from haversack.admin.v1 import admin_pb2, entities_pb2, work_pb2
from haversack.model.v1 import model_pb2
from haversack_server._core import Staging
from haversack_server.identity import ADMIN_AUDIENCE, ANY_ORGANIZATION, DevelopmentIssuer
from server.running import Admin

NAME = "killed"
ROWS = 100_000
KILLS = 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path / "data")
    process.start()
    yield process
    process.kill()


@contextmanager
def administering(server: ServerProcess) -> Iterator[Admin]:
    """The admin services of a server that runs now."""
    issuer = DevelopmentIssuer.open(server.data)
    token = issuer.token(user="tester", organization=ANY_ORGANIZATION, audience=ADMIN_AUDIENCE, hours=1)
    with grpc.insecure_channel(server.admin) as channel:
        yield Admin(channel, token)


def fill(record: Path, model: bytes) -> None:
    """Brings rows into the record database, while no server runs that would replicate them at once."""
    database = Staging.open(str(record))
    ingest = database.ingest(model, "account", format="csv", action="upsert", atomic=False, file_name="accounts")
    ingest.feed(b"accountid,name\n")
    for start in range(0, ROWS, 10_000):
        lines = (f"{uuid.UUID(int=number)},Account {number}\n" for number in range(start, start + 10_000))
        ingest.feed("".join(lines).encode())
    assert json.loads(ingest.finish())["inserted"] == ROWS
    database.close()


def account(admin: Admin) -> model_pb2.Entity:
    """The metadata of accounts, with what the test's rows have alone."""
    request = entities_pb2.GetEntityRequest(organization=NAME, entity="account")
    entity: model_pb2.Entity = admin.call("entities", "GetEntity", request).entity
    attributes = [it for it in entity.attributes if it.logical_name in ("accountid", "name")]
    return model_pb2.Entity(
        number=entity.number,
        logical_name=entity.logical_name,
        primary_id_attribute=entity.primary_id_attribute,
        ownership=entity.ownership,
        attributes=attributes,
    )


def item(admin: Admin) -> work_pb2.WorkItem:
    """The work item of accounts."""
    request = work_pb2.ListWorkItemsRequest(organization=NAME, entity="account")
    [found] = admin.call("work", "ListWorkItems", request).items
    assert isinstance(found, work_pb2.WorkItem)
    return found


def run(admin: Admin) -> None:
    """Makes the work item due."""
    admin.call("work", "RunWorkItem", work_pb2.RunWorkItemRequest(organization=NAME, number=item(admin).number))


def shown(admin: Admin) -> admin_pb2.Organization:
    """The organization as it is."""
    request = admin_pb2.GetOrganizationRequest(name=NAME)
    found: admin_pb2.Organization = admin.call("organizations", "GetOrganization", request).organization
    return found


def staged(admin: Admin) -> int:
    """How many accounts staging has."""
    return sum(it.rows for it in shown(admin).rows)


def wait_for(condition: Callable[[], bool]) -> None:
    """Asks again and again for what the server is about to do."""
    deadline = time.monotonic() + STEP_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "it should have happened by now"


def killed(server: ServerProcess, begun: int) -> tuple[int, int]:
    """Kills the server, whose staging began at an LSN; returns staging's rows, and the attempt that it was in."""
    server.kill()
    [path] = (server.data / "organizations" / NAME).glob("staging*.sqlite3")
    staging = Staging.open(str(path))
    [(_, rows, _)] = staging.statistics()
    assert staging.head() == begun + rows, "each row has drawn one LSN"
    staging.close()
    with closing(sqlite3.connect(server.data / "catalog.sqlite3")) as catalog:
        (attempt,) = catalog.execute("SELECT attempt FROM work_item WHERE lease_owner IS NOT NULL").fetchone()
        # The time that a dead worker's lease lasts goes by in the catalog alone.
        catalog.execute("UPDATE work_item SET lease_until_us = 1 WHERE lease_owner IS NOT NULL")
        catalog.commit()
    return rows, attempt


def test_a_killed_replicators_item_is_done_again_once(server: ServerProcess) -> None:
    with administering(server) as admin:
        admin.organization(name=NAME)
        begun = shown(admin).lsn
        model = model_pb2.Model(entities=[account(admin)]).SerializeToString()
    server.kill()
    fill(server.data / "organizations" / NAME / "native.sqlite3", model)
    seen = 0
    for kill in range(KILLS):
        server.start()
        with administering(server) as admin:
            run(admin)
            wait_for(lambda admin=admin, seen=seen: staged(admin) > seen)  # type: ignore[misc]
        seen, attempt = killed(server, begun)
        assert 0 < seen < ROWS, "it was killed in the middle"
        assert attempt == kill + 1
    server.start()
    with administering(server) as admin:
        wait_for(lambda: item(admin).totals.runs > 0)
        done = item(admin)
        assert (done.attempt, done.last_run.counts.inserted, staged(admin)) == (0, ROWS - seen, ROWS)

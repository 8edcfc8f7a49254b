"""What the schema itself refuses, whoever writes: raw SQL on every kind of database, around all of our code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from haversack.model.v1 import model_pb2
from haversack_server.catalog import Catalog, organizations, provisioning
from haversack_server.provisioning.machine import TRANSITIONS
from server.running import LoopThread
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

ACME = organizations.Organization("acme", model_pb2.Settings(), "acme.sqlite3", 0)
LEGAL = {(state.value, event.value, target.value) for (state, event), target in TRANSITIONS.items()}
OPERATION = (
    "INSERT INTO operation (organization, number, kind, state, requested_by, requested_at_us, lease_until_us, fence,"
    " attempt, stop_requested_at_us, ended_at_us)"
    " VALUES ('acme', :number, :kind, :state, 'raw', 1, 0, 0, 0, :stop, :end)"
)
LINK = (
    "INSERT INTO provisioning_state (organization, number, state, previous_number, previous_state, event, who, at_us)"
    " VALUES ('acme', :number, :state, :previous, :before, :event, 'raw', 1)"
)


@pytest.fixture
def catalog(catalog_url: str, loop: LoopThread) -> Iterator[Catalog]:
    """A catalog with one organization, which has begun to be provisioned."""
    opened = loop.run(Catalog.open(catalog_url))

    async def begin() -> None:
        async with opened.begin() as connection:
            await organizations.add(connection, ACME, at_us=1)
            await provisioning.add(connection, "acme", who="tester", at_us=1)
            standing = await provisioning.find(connection, "acme")
            await provisioning.advance(connection, standing, event="START", state="PROVISIONING", who="tester", at_us=2)

    loop.run(begin())
    yield opened
    loop.run(opened.close())


def write(loop: LoopThread, catalog: Catalog, statement: str, **values: object) -> None:
    async def run() -> None:
        async with catalog.begin() as connection:
            await connection.execute(text(statement), values)

    loop.run(run())


def add_operation(loop: LoopThread, catalog: Catalog, number: int, **values: object) -> None:
    given = {"kind": "PROVISION", "state": "RUNNING", "stop": None, "end": None, **values}
    write(loop, catalog, OPERATION, number=number, **given)


def test_the_schema_s_transitions_are_the_machine_s(loop: LoopThread, catalog: Catalog) -> None:
    async def read() -> set[tuple[str, str, str]]:
        async with catalog.begin() as connection:
            rows = await connection.execute(text("SELECT previous_state, event, state FROM provisioning_transition"))
            return {(row[0], row[1], row[2]) for row in rows}

    assert loop.run(read()) == LEGAL


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE provisioning SET state = 'PROVISIONED', staging_path = 'x', epoch = 'x'",
        "UPDATE provisioning SET state = 'NOT_PROVISIONED'",
        "UPDATE provisioning SET state_number = 2",
        "UPDATE provisioning_state SET state = 'PROVISIONED' WHERE number = 1",
        "UPDATE provisioning_state SET state = 'STOPPING' WHERE number = 0",
        "UPDATE provisioning_state SET previous_state = 'STOPPING' WHERE number = 1",
        "DELETE FROM provisioning_state WHERE number = 1",
        "DELETE FROM provisioning_state WHERE number = 0",
        "DELETE FROM provisioning_transition WHERE event = 'START'",
        "UPDATE provisioning SET staging_path = 'x'",
    ],
)
def test_no_state_is_written_that_nothing_led_to(statement: str, loop: LoopThread, catalog: Catalog) -> None:
    with pytest.raises(IntegrityError):
        write(loop, catalog, statement)


STATES = sorted({it for state, _, target in LEGAL for it in (state, target)})
EVENTS = sorted({event for _, event, _ in LEGAL})


def test_every_transition_that_is_not_in_the_table_is_refused(loop: LoopThread, catalog: Catalog) -> None:
    """From PROVISIONING, where the organization stands, by every event to every state: each in a transaction undone."""

    class Undone(Exception):
        pass

    async def accepts(event: str, state: str) -> bool:
        link = {"number": 2, "previous": 1, "before": "PROVISIONING", "event": event, "state": state}
        try:
            async with catalog.begin() as connection:
                await connection.execute(text(LINK), link)
                raise Undone
        except IntegrityError:
            return False
        except Undone:
            return True

    async def accepted() -> set[tuple[str, str]]:
        return {(event, state) for event in EVENTS for state in STATES if await accepts(event, state)}

    assert loop.run(accepted()) == {(event, target) for state, event, target in LEGAL if state == "PROVISIONING"}


@pytest.mark.parametrize(
    "link",
    [
        {"number": 2, "previous": 1, "before": "PROVISIONED", "event": "DEPROVISION", "state": "DEPROVISIONING"},
        {"number": 3, "previous": 1, "before": "PROVISIONING", "event": "STOP", "state": "STOPPING"},
        {"number": 2, "previous": None, "before": None, "event": None, "state": "NOT_PROVISIONED"},
    ],
)
def test_a_link_may_not_lie_about_the_one_before(link: dict[str, object], loop: LoopThread, catalog: Catalog) -> None:
    with pytest.raises(IntegrityError):
        write(loop, catalog, LINK, **link)


def test_two_cannot_go_on_from_one_state(loop: LoopThread, catalog: Catalog) -> None:
    first = {"number": 2, "previous": 1, "before": "PROVISIONING", "event": "STOP", "state": "STOPPING"}
    write(loop, catalog, LINK, **first)
    with pytest.raises(IntegrityError):
        write(loop, catalog, LINK, **{**first, "event": "FAIL", "state": "PROVISIONING_FAILED"})


def test_an_organization_has_one_operation_at_a_time(loop: LoopThread, catalog: Catalog) -> None:
    add_operation(loop, catalog, 1)
    for kind in ("PROVISION", "DEPROVISION"):
        with pytest.raises(IntegrityError):
            add_operation(loop, catalog, 2, kind=kind)
    failed = "UPDATE operation SET state = 'FAILED', failure_reason = 'INTERNAL' WHERE number = 1"
    write(loop, catalog, failed)
    with pytest.raises(IntegrityError):
        add_operation(loop, catalog, 2)
    write(loop, catalog, "UPDATE operation SET state = 'STOPPED', ended_at_us = 9 WHERE number = 1")
    add_operation(loop, catalog, 2)


def test_a_deprovisioning_cannot_be_stopped(loop: LoopThread, catalog: Catalog) -> None:
    with pytest.raises(IntegrityError):
        add_operation(loop, catalog, 1, kind="DEPROVISION", stop=5)
    add_operation(loop, catalog, 1, kind="DEPROVISION")
    with pytest.raises(IntegrityError):
        write(loop, catalog, "UPDATE operation SET stop_requested_at_us = 5")


@pytest.mark.parametrize("values", [{"state": "DONE"}, {"end": 5}, {"state": "FAILED"}, {"kind": "X"}, {"state": "X"}])
def test_an_operation_says_what_it_must(values: dict[str, object], loop: LoopThread, catalog: Catalog) -> None:
    with pytest.raises(IntegrityError):
        add_operation(loop, catalog, 1, **values)

"""Replication on a real server: what an ingest brings is in staging at once, and what workers do is seen."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
from haversack.admin.v1 import admin_pb2, admin_pb2_grpc, entities_pb2, work_pb2
from haversack.error.v1 import error_pb2
from haversack_server._core import Staging
from haversack_server.replication import NATIVE_INTERVAL_SECONDS
from server.refusals import refused
from server.running import STEP_SECONDS_MAX, Admin, RunningServer
from server.test_cli import Line
from server.test_ingest import ids, organization, table

CODE = grpc.StatusCode
ROWS = 300

COMMITTED = 16_384
"""Rows of an ingest's commit."""


def items(admin: Admin, name: str, **wanted: object) -> work_pb2.ListWorkItemsResponse:
    request = work_pb2.ListWorkItemsRequest(organization=name, **wanted)  # type: ignore[arg-type]
    listed: work_pb2.ListWorkItemsResponse = admin.call("work", "ListWorkItems", request)
    return listed


def item(admin: Admin, name: str, entity: str) -> work_pb2.WorkItem:
    [found] = items(admin, name, entity=entity).items
    return found


def test_an_ingest_is_replicated_before_it_is_answered(admin: Admin) -> None:
    name = admin.organization()
    before = organization(admin, name).lsn
    report = admin.ingest(name, "account", table(ids(ROWS)))
    assert report.lsn == organization(admin, name).lsn == before + ROWS
    assert item(admin, name, "account").totals.counts.inserted == ROWS
    changed = admin.ingest(name, "account", table(ids(2), name="Other"))
    assert changed.lsn == organization(admin, name).lsn == before + ROWS + 2


def test_rows_wait_for_an_organization_that_is_not_provisioned(admin: Admin) -> None:
    name = admin.organization(provisioned=False)
    report = admin.ingest(name, "account", table(ids(ROWS)))
    assert (report.inserted, report.lsn) == (ROWS, 0)
    assert items(admin, name).total == 0
    admin.provision(name)
    assert {it.entity: it.rows for it in organization(admin, name).rows} == {"account": ROWS}
    assert admin.ingest(name, "account", table(ids(ROWS))).lsn == organization(admin, name).lsn >= ROWS


def test_what_a_cut_off_ingest_had_committed_reaches_staging(server: RunningServer, admin: Admin) -> None:
    name = admin.organization()
    before = organization(admin, name).lsn
    held = threading.Event()
    header = admin_pb2.IngestHeader(organization=name, entity="account", format=admin_pb2.INGEST_FORMAT_CSV)
    content = table([str(uuid.UUID(int=number)) for number in range(COMMITTED + 1)])

    def parts() -> Iterator[admin_pb2.IngestRequest]:
        yield admin_pb2.IngestRequest(header=header)
        for start in range(0, len(content), 1 << 20):
            yield admin_pb2.IngestRequest(data=content[start : start + (1 << 20)])
        held.wait(STEP_SECONDS_MAX)

    stub = admin_pb2_grpc.IngestServiceStub(server.channel)
    call = stub.Ingest.future(parts(), metadata=(("authorization", f"Bearer {server.admin_token()}"),))
    [record] = (server.settings.data / "organizations" / name).glob("native.sqlite3")
    reader = Staging.open(str(record))
    wait_for(lambda: reader.head() == COMMITTED)
    call.cancel()
    held.set()
    wait_for(lambda: organization(admin, name).lsn == before + COMMITTED)
    wait_for(lambda: item(admin, name, "account").totals.runs >= 1)
    reader.close()


def test_every_entity_has_an_item_and_the_list_is_cut_as_asked(admin: Admin) -> None:
    name = admin.organization()
    known = admin.call("entities", "ListEntities", entities_pb2.ListEntitiesRequest(organization=name)).entities
    listed = items(admin, name)
    assert [it.entity for it in listed.items] == sorted(it.logical_name for it in known)
    assert listed.total == len(known)
    part = items(admin, name, offset=2, count=3)
    assert ([it.entity for it in part.items], part.total) == ([it.entity for it in listed.items[2:5]], len(known))
    assert items(admin, name, state=work_pb2.WORK_ITEM_STATE_DEAD).total == 0
    first, interval = listed.items[0], NATIVE_INTERVAL_SECONDS
    assert (first.source, first.interval_seconds, first.state) == ("native", interval, work_pb2.WORK_ITEM_STATE_WAITING)
    assert listed.checked_at_us < first.next_run_at_us <= listed.checked_at_us + 2 * interval * 1_000_000


def test_what_is_unknown_or_wrong_is_refused(admin: Admin, server: RunningServer) -> None:
    name, other = admin.organization(), admin.organization()
    number = item(admin, name, "account").number
    with refused(CODE.NOT_FOUND, "ORGANIZATION_UNKNOWN"):
        items(admin, "nobody")
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID"):
        items(admin, name, state=99)
    requests = {
        "GetWorkItem": work_pb2.GetWorkItemRequest,
        "RetryWorkItem": work_pb2.RetryWorkItemRequest,
        "RunWorkItem": work_pb2.RunWorkItemRequest,
    }
    for method, request in requests.items():
        with refused(CODE.NOT_FOUND, "WORK_ITEM_UNKNOWN"):
            admin.call("work", method, request(organization=other, number=number))
    with refused(CODE.FAILED_PRECONDITION, "WORK_ITEM_NOT_DEAD"):
        admin.call("work", "RetryWorkItem", work_pb2.RetryWorkItemRequest(organization=name, number=number))
    mine = server.admin(server.admin_token(name))
    assert items(mine, name).total > 0
    for organization_ in ("", other):
        with refused(CODE.PERMISSION_DENIED, "TOKEN_NOT_ALLOWED"):
            items(mine, organization_)


def wait_for(condition: Callable[[], bool]) -> None:
    """Asks again and again for what another task of the server is about to do."""
    deadline = time.monotonic() + STEP_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "it should have happened by now"


def test_a_failing_item_says_why_and_an_administrator_has_it_run_again(
    start_server: Callable[[Path], RunningServer], tmp_path: Path
) -> None:
    """The record database is gone when the server comes up again; then it is put back."""
    data = tmp_path / "data"
    first = start_server(data).admin()
    name = first.organization()
    first.ingest(name, "account", table(ids(10)))
    number = item(first, name, "account").number
    [record] = (data / "organizations" / name).glob("native.sqlite3")
    hidden = record.with_name("hidden")
    record.rename(hidden)

    admin = start_server(data).admin()
    line = Line(data)
    run = work_pb2.RunWorkItemRequest(organization=name, number=number)
    admin.call("work", "RunWorkItem", run)
    wait_for(lambda: item(admin, name, "account").state == work_pb2.WORK_ITEM_STATE_RETRYING)
    failed = item(admin, name, "account")
    assert failed.error_reason == error_pb2.ERROR_REASON_STAGING_FAILED
    assert (failed.attempt, failed.totals.failures) == (1, 1)
    shown = line.run("work", "list", "--org", name, "--state", "retrying").stdout
    assert "account" in shown
    assert "why the last attempt failed" in shown
    assert "native.sqlite3" in failed.error

    hidden.rename(record)
    line.run("work", "run", str(number), "--org", name)
    wait_for(lambda: item(admin, name, "account").state == work_pb2.WORK_ITEM_STATE_WAITING)
    mended = line.json("work", "show", str(number), "--org", name)["item"]
    assert (mended["error"], mended["attempt"], mended["totals"]["failures"]) == ("", 0, "1")
    assert line.refusal("work", "retry", str(number), "--org", name)["reason"] == "WORK_ITEM_NOT_DEAD"


def test_the_command_line_shows_what_is_replicated(server: RunningServer, admin: Admin) -> None:
    name = admin.organization()
    admin.ingest(name, "account", table(ids(12)))
    line = Line(server.settings.data)
    number = item(admin, name, "account").number
    listed = line.run("work", "list", "--org", name, "--entity", "account").stdout
    for word in (str(number), "account", "native", "600 s", "12", "waiting", "in "):
        assert word in listed
    assert "of" in line.run("work", "list", "--org", name, "--max", "2").stdout
    run = line.run("work", "run", str(number), "--org", name).stdout
    assert "next due      now" in run
    wait_for(lambda: item(admin, name, "account").HasField("last_run"))
    shown = line.run("work", "show", str(number), "--org", name).stdout
    for word in ("last run", "in all", "inserted", "12"):
        assert word in shown

"""Ingest through the admin endpoint: what lands, what is refused, and what an interrupted one leaves behind."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator

import grpc
import pytest
from haversack.admin.v1 import admin_pb2, admin_pb2_grpc
from haversack.error.v1 import error_pb2
from server.refusals import refused
from server.running import Admin, RunningServer

CODE = grpc.StatusCode
JSON_LINES = admin_pb2.INGEST_FORMAT_JSON_LINES


def ids(count: int) -> list[str]:
    return [str(uuid.UUID(int=number)) for number in range(1, count + 1)]


def table(rows: list[str], *, name: str = "Row") -> bytes:
    """CSV of accounts with these ids."""
    return ("accountid,name,revenue\n" + "".join(f"{it},{name} {it[-4:]},12.50\n" for it in rows)).encode()


def organization(admin: Admin, name: str) -> admin_pb2.Organization:
    request = admin_pb2.GetOrganizationRequest(name=name)
    found: admin_pb2.Organization = admin.call("organizations", "GetOrganization", request).organization
    return found


def test_rows_land_once_and_draw_one_lsn_each(admin: Admin) -> None:
    name = admin.organization()
    first = admin.ingest(name, "account", table(ids(100)))
    assert (first.read, first.inserted, first.rejected) == (100, 100, 0)
    assert first.lsn == organization(admin, name).lsn == 100
    again = admin.ingest(name, "account", table(ids(100)))
    assert (again.unchanged, again.inserted, again.updated, again.lsn) == (100, 0, 0, first.lsn)
    [rows] = organization(admin, name).rows
    assert (rows.entity, rows.rows, rows.bytes) == ("account", 100, first.bytes)


def test_rows_change_and_go(admin: Admin) -> None:
    name = admin.organization()
    admin.ingest(name, "account", table(ids(10)))
    changed = admin.ingest(name, "account", table(ids(3), name="Other"))
    assert (changed.updated, changed.inserted) == (3, 0)
    patch = f"accountid,name\n{ids(1)[0]},Patched\n{ids(11)[10]},Nobody\n".encode()
    patched = admin.ingest(name, "account", patch, action=admin_pb2.INGEST_ACTION_PATCH)
    assert (patched.updated, patched.rejected) == (1, 1)
    deleted = admin.ingest(
        name, "account", ("accountid\n" + "\n".join(ids(4))).encode(), action=admin_pb2.INGEST_ACTION_DELETE
    )
    assert deleted.deleted == 4
    assert organization(admin, name).rows[0].rows == 6


def test_json_lines_are_read_as_the_web_api_writes_them(admin: Admin) -> None:
    name = admin.organization()
    row = {
        "contactid": ids(1)[0],
        "fullname": "Somebody",
        "_parentcustomerid_value": ids(2)[1],
        "_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "account",
    }
    report = admin.ingest(name, "contact", json.dumps(row).encode(), format_=JSON_LINES)
    assert (report.inserted, list(report.errors)) == (1, [])


@pytest.mark.parametrize("atomic", [False, True])
def test_bad_rows_are_reported_and_left_out_or_keep_the_others_out(atomic: bool, admin: Admin) -> None:
    name = admin.organization()
    good = ids(3)
    content = f"accountid,name,revenue\n{good[0]},One,1\n{good[1]},Two,many\n,Nameless,3\n{good[2]},Three,3\n".encode()
    report = admin.ingest(name, "account", content, atomic=atomic)
    assert (report.read, report.rejected) == (4, 2)
    assert [(it.file_name, it.line, it.attribute) for it in report.errors] == [
        ("rows", 3, "revenue"),
        ("rows", 4, "accountid"),
    ]
    assert all(it.message and it.reason == error_pb2.ERROR_REASON_ROWS_INVALID for it in report.errors)
    rows = organization(admin, name).rows
    assert [it.rows for it in rows] == ([] if atomic else [2])


def test_what_breaks_the_contract_is_refused(admin: Admin) -> None:
    name = admin.organization()
    header = admin_pb2.IngestHeader(organization=name, entity="account", format=admin_pb2.INGEST_FORMAT_CSV)
    opening = admin_pb2.IngestRequest(header=header)
    unformed = admin_pb2.IngestRequest(header=admin_pb2.IngestHeader(organization=name, entity="account"))
    for parts in (
        [],
        [admin_pb2.IngestRequest(data=b"x")],
        [unformed],
        [opening, opening],
        [opening, admin_pb2.IngestRequest(data=bytes(1024 * 1024 + 1))],
    ):
        with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID"):
            admin.call("ingests", "Ingest", iter(parts))
    with refused(CODE.NOT_FOUND, "ENTITY_UNKNOWN", "submarine"):
        admin.ingest(name, "submarine", b"x")
    with refused(CODE.NOT_FOUND, "ORGANIZATION_UNKNOWN", "nobody"):
        admin.ingest("nobody", "account", b"x")


def test_an_unknown_column_refuses_rows_by_name(admin: Admin) -> None:
    name = admin.organization()
    content = f"accountid,shoesize\n{ids(1)[0]},43\n".encode()
    report = admin.ingest(name, "account", content)
    assert report.rejected == 1
    assert report.errors[0].attribute == "shoesize"


def test_a_cancelled_ingest_ends_and_lets_others_go_on(server: RunningServer, admin: Admin) -> None:
    """More cancelled ingests than may run at once: each must give its place and the staging lock back."""
    name = admin.organization()
    stub = admin_pb2_grpc.IngestServiceStub(server.channel)
    header = admin_pb2.IngestHeader(
        organization=name, entity="account", format=admin_pb2.INGEST_FORMAT_CSV, atomic=True, file_name="cut"
    )
    for _ in range(10):
        fed = threading.Event()
        release = threading.Event()

        def parts(fed: threading.Event = fed, release: threading.Event = release) -> Iterator[admin_pb2.IngestRequest]:
            yield admin_pb2.IngestRequest(header=header)
            yield admin_pb2.IngestRequest(data=table(ids(50)))
            fed.set()
            release.wait(30)

        call = stub.Ingest.future(parts(), metadata=(("authorization", f"Bearer {server.admin_token()}"),))
        assert fed.wait(30)
        call.cancel()
        release.set()
    deadline = time.monotonic() + 30
    while True:
        try:
            report = admin.ingest(name, "account", table(ids(5)))
            break
        except grpc.RpcError:
            assert time.monotonic() < deadline, "the cancelled ingests still hold their places"
            time.sleep(0.05)
    assert report.inserted == 5
    assert organization(admin, name).rows[0].rows == 5


def test_ingests_of_one_organization_at_once_all_land(server: RunningServer, admin: Admin) -> None:
    name = admin.organization()
    rows = ids(400)
    reports: list[admin_pb2.IngestResponse] = []

    def work(part: int) -> None:
        reports.append(server.admin().ingest(name, "account", table(rows[part::4])))

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(it.inserted for it in reports) == 400
    assert organization(admin, name).rows[0].rows == 400
    assert organization(admin, name).lsn == 400

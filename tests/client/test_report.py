"""What devices say of themselves: with every call, when it has changed beside a live stream, and what failed."""

from pathlib import Path
from unittest.mock import ANY

import pytest
from client.memory_server import MemoryServer, MemoryStream
from client.test_writes import NORTH, QUICK, SITE
from haversack.error.v1 import error_pb2
from haversack.sync.v1 import sync_pb2
from haversack_client import Device, RemoteError
from haversack_client._report import INTERVAL_SECONDS, Reporter


class AskingServer(MemoryServer):
    """Remembers what it was asked, and may fail."""

    asked: tuple[sync_pb2.SyncRequest, ...] = ()
    failure: Exception | None = None

    def open(self, request: sync_pb2.SyncRequest) -> MemoryStream:
        """Starts a stream, or fails."""
        self.asked += (request,)
        if self.failure:
            raise self.failure
        return super().open(request)


@pytest.fixture
def server() -> AskingServer:
    server = AskingServer((SITE,))
    server.put(SITE, NORTH.bytes, name="North")
    return server


def open_device(server: AskingServer, folder: Path) -> Device:
    return Device(folder / "device.sqlite3", server, backoff=QUICK, app="visits", app_version="1.2" + "é" * 64)


def test_every_call_says_how_the_device_is(server: AskingServer, tmp_path: Path) -> None:
    with open_device(server, tmp_path) as device:
        device.sync()
        device.create("site", {"name": "South"})
        server.judge = lambda _: None
        device.sync()
    first, second = (it.report for it in server.asked)
    assert (first.stage, first.rows, first.model_version) == (1, 0, 0)
    assert first.app_version == "1.2" + "é" * 30
    assert first.platform
    assert 0 < len(first.platform.encode()) <= 128
    assert (second.stage, second.rows, second.model_version) == (7, 1, 1)
    assert second.bytes > 0
    assert second.clock_us > first.clock_us > 0
    assert server.uploads[0].report.pending == 1


def test_a_failure_is_told_until_a_sync_succeeds(server: AskingServer, tmp_path: Path) -> None:
    server.failure = RemoteError("no such application", code="NOT_FOUND", reason="APP_UNKNOWN")
    with open_device(server, tmp_path) as device, pytest.raises(RemoteError):
        device.sync()
    server.failure = None
    with open_device(server, tmp_path) as device:
        device.sync()
        device.sync()
    told = [(it.report.error_reason, it.report.error_message, it.report.error_at_us) for it in server.asked]
    nothing = (error_pb2.ERROR_REASON_UNSPECIFIED, "", 0)
    assert told == [nothing, (error_pb2.ERROR_REASON_APP_UNKNOWN, "no such application", ANY), nothing]
    assert told[1][2] > 0


def test_beside_a_stream_what_has_changed_is_told_and_no_more_often_than_that(
    server: AskingServer, tmp_path: Path
) -> None:
    with open_device(server, tmp_path) as device:
        now = [0.0]
        reporter = Reporter(device._store, device._readers, server, tmp_path / "device.sqlite3", clock=lambda: now[0])
        reporter.report()
        assert reporter.refresh() is None
        device.sync()
        assert reporter.refresh() == INTERVAL_SECONDS
        assert server.reports == []
        now[0] += INTERVAL_SECONDS
        assert reporter.refresh() is None
        assert [(it.report.stage, it.report.rows) for it in server.reports] == [(7, 1)]
        assert reporter.refresh() is None


def test_a_full_check_makes_counts_and_digests_anew(server: AskingServer, tmp_path: Path) -> None:
    with open_device(server, tmp_path) as device:
        device.sync()
        connection = device._store._connection
        connection.execute("UPDATE _haversack_entity SET count = 5, digest = 6")
        connection.execute("UPDATE _haversack_block SET membership = 7")
        assert not device.status(verify=True).verified
        events = server._events
        check = sync_pb2.SyncEvent(full_check_required=sync_pb2.FullCheckRequired(number=4))
        server._events = lambda request: events(request) if request.full_check else iter([check])  # type: ignore[method-assign]
        device.sync()
        assert [it.full_check for it in server.asked] == [0, 0, 4]
        assert device.status(verify=True).verified

"""Devices that are wiped: nothing stays, whatever breaks, and what was written is offered if it is wanted."""

from collections.abc import Callable
from pathlib import Path

import pytest
from client.memory_server import MERGE, MemoryServer, MemoryStream, Refusal
from client.test_writes import NORTH, QUICK, SITE
from haversack.sync.v1 import report_pb2, sync_pb2, upload_pb2
from haversack_client import (
    AuthenticationError,
    Device,
    DeviceWipedError,
    HaversackError,
    NotProvisionedError,
    PermissionDeniedError,
    RemoteError,
    TokenError,
    UnavailableError,
    Wipe,
)
from haversack_client._operations import StartEpoch

KEY = "correct horse battery staple"


class WipingServer(MemoryServer):
    """A server whose administrator may order a wipe.

    `offers` is what it says of the outbox; None while nothing is ordered. `unreachable` are calls, by name, that break
    once a device has heard of the order, `unreadable` are numbers of writes that cannot be read, and `upload_error` is
    what offering writes raises from then on.
    """

    heard: bool = False

    offers: bool | None = None
    offered: tuple[int, ...] = ()
    unreachable: frozenset[str] = frozenset()
    unreadable: frozenset[int] = frozenset()
    reused: frozenset[tuple[bytes, int]] = frozenset()
    upload_error: HaversackError | None = None

    def open(self, request: sync_pb2.SyncRequest) -> MemoryStream:
        """Starts a stream, or says that the device is to be wiped."""
        if self.offers is not None:
            self.heard = True
            raise wiped(offers=self.offers)
        return super().open(request)

    def upload(self, request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        """Takes note of writes that nobody will apply."""
        if self.offers is None:
            return super().upload(request)
        self._reach("upload")
        if self.heard and self.upload_error:
            raise self.upload_error
        if not (self.heard and self.offers):
            raise wiped(offers=self.offers)
        numbers = tuple(upload_pb2.Mutation.FromString(raw).number for raw in request.mutations)
        for number in numbers:
            if (request.install_id, number) in self.reused:
                details = {"mutation": str(number)}
                raise RemoteError("reused", code="ABORTED", reason="NUMBER_REUSED", details=details)
        if self.unreadable.intersection(numbers):
            [number, *_] = sorted(self.unreadable.intersection(numbers))
            details = {"mutation": str(number)}
            raise RemoteError("unreadable", code="INVALID_ARGUMENT", reason="REQUEST_INVALID", details=details)
        self.offered += numbers
        refused = upload_pb2.MUTATION_OUTCOME_FORBIDDEN
        answers = [upload_pb2.MutationAnswer(number=number, outcome=refused) for number in numbers]
        return upload_pb2.UploadResponse(answers=answers)

    def report(self, request: report_pb2.ReportRequest) -> report_pb2.ReportResponse:
        """Takes note."""
        self._reach("report")
        return super().report(request)

    def _reach(self, call: str) -> None:
        if self.heard and call in self.unreachable:
            raise UnavailableError("no network", code="UNAVAILABLE")


def wiped(*, offers: bool) -> DeviceWipedError:
    details = {"outbox": "offer" if offers else "discard"}
    return DeviceWipedError('wiped ("stolen")', code="PERMISSION_DENIED", reason="DEVICE_WIPED", details=details)


@pytest.fixture
def server() -> WipingServer:
    server = WipingServer((SITE,))
    server.put(SITE, NORTH.bytes, name="secretplace")
    return server


OpenDevice = Callable[[], Device]


@pytest.fixture(params=["plain", "encrypted"])
def open_device(request: pytest.FixtureRequest, server: WipingServer, tmp_path: Path) -> OpenDevice:
    key = KEY if request.param == "encrypted" else None
    told: list[Wipe] = []

    def opened() -> Device:
        return Device(tmp_path / "device.sqlite3", server, backoff=QUICK, key=key, on_wiped=told.append)

    opened.told = told  # type: ignore[attr-defined]
    return opened


def held(device: Device) -> set[str]:
    tables = {str(name) for (name,) in device.query("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {name for name in tables if not name.startswith("_haversack")}


@pytest.mark.parametrize("offers", [True, False])
def test_nothing_stays_but_word_of_it(
    server: WipingServer, open_device: OpenDevice, tmp_path: Path, *, offers: bool
) -> None:
    with open_device() as device:
        device.sync()
        device.update("site", NORTH, {"name": "mysecret"})
        install_id = device.status().install_id
        server.offers = offers
        with pytest.raises(DeviceWipedError, match="stolen"):
            device.sync()
        assert (held(device), device.outbox(), device.status().entities) == (set(), [], ())
        assert device.status().wiped == device.wiped == open_device.told[0]  # type: ignore[attr-defined]
        for attempt in (device.sync, device.upload, device.live, lambda: device.create("site", {"name": "x"})):
            with pytest.raises(DeviceWipedError, match="stolen"):
                attempt()
    assert server.offered == ((1,) if offers else ())
    assert [(it.install_id, it.wiped) for it in server.reports] == [(install_id, True)]
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert not any(word in content for word in (b"secretplace", b"mysecret"))
    with open_device() as device:
        assert device.wiped is not None
        assert device.wiped.confirmed
        with pytest.raises(DeviceWipedError):
            device.sync()
    assert len(open_device.told) == 1  # type: ignore[attr-defined]


def test_rows_go_at_once_and_the_rest_when_there_is_a_network(server: WipingServer, open_device: OpenDevice) -> None:
    with open_device() as device:
        device.sync()
        device.update("site", NORTH, {"name": "Mine"})
        server.offers, server.unreachable = True, frozenset({"upload", "report"})
        with pytest.raises(DeviceWipedError):
            device.sync()
        assert held(device) == set()
        assert device.wiped is not None
        assert (device.wiped.offers, device.wiped.confirmed, len(device.outbox())) == (True, False, 1)
    with open_device() as device:
        server.unreachable = frozenset({"report"})
        with pytest.raises(DeviceWipedError):
            device.sync()
        assert (server.offered, device.outbox(), server.reports) == ((1,), [], [])
        server.unreachable = frozenset()
        with pytest.raises(DeviceWipedError):
            device.sync()
        assert device.wiped is not None
        assert device.wiped.confirmed
    assert len(server.reports) == 1


def test_what_is_in_the_data_and_what_was_in_conflict_go_with_the_rows(server: WipingServer, tmp_path: Path) -> None:
    server.policy = MERGE
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK, on_conflict=lambda _: {}) as device:
        device.sync()
        device.update("site", NORTH, {"name": "keptsecret"})
        device.sync()
        device.update("site", NORTH, {"name": "oursecret"})
        server.put(SITE, NORTH.bytes, name="theirsecret")
        device.upload()
        device.update("site", NORTH, {"kind": 2})
        server.offers, server.unreachable = True, frozenset({"upload"})
        with pytest.raises(DeviceWipedError):
            device.sync()
        assert [it.number for it in device.outbox()] == [3], "it has yet to be offered"
        with pytest.raises(DeviceWipedError):
            device.discard(3)
        content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert not any(word in content for word in (b"keptsecret", b"oursecret", b"theirsecret"))


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (AuthenticationError("expired", code="UNAUTHENTICATED", reason="TOKEN_EXPIRED"), True),
        (NotProvisionedError("away", code="FAILED_PRECONDITION", reason="ORGANIZATION_NOT_PROVISIONED"), True),
        (PermissionDeniedError("a proxy says so", code="PERMISSION_DENIED"), True),
        (TokenError("no token"), True),
        (PermissionDeniedError("who?", code="PERMISSION_DENIED", reason="USER_UNKNOWN"), False),
    ],
)
def test_writes_are_given_up_when_the_server_says_so(
    server: WipingServer, tmp_path: Path, error: HaversackError, *, stays: bool
) -> None:
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        device.update("site", NORTH, {"name": "Mine"})
        server.offers, server.upload_error = True, error
        with pytest.raises(DeviceWipedError):
            device.sync()
        assert len(device.outbox()) == stays
        server.upload_error = None
        with pytest.raises(DeviceWipedError):
            device.sync()
    assert server.offered == ((1,) if stays else ())


def test_what_a_restored_server_may_have_lost_is_offered(server: WipingServer, tmp_path: Path) -> None:
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        device.update("site", NORTH, {"name": "Mine"})
        device.sync()
        device._store.commit([StartEpoch(b"another")])
        server.offers = True
        with pytest.raises(DeviceWipedError):
            device.sync()
    assert server.offered == (1,)


def test_all_that_is_not_in_the_data_is_offered(server: WipingServer, open_device: OpenDevice) -> None:
    """Refused writes, those that wait for them, and one that the server cannot even read."""
    refusal = Refusal(upload_pb2.MUTATION_OUTCOME_INVALID)
    server.judge = lambda mutation: refusal if mutation.number == 1 else None
    with open_device() as device:
        device.sync()
        made = device.create("site", {"name": "refused"})
        device.sync()
        device.update("site", made, {"name": "held by it"})
        device.update("site", NORTH, {"name": "free"})
        server.offers, server.unreadable = True, frozenset({2})
        with pytest.raises(DeviceWipedError):
            device.sync()
    assert server.offered[-2:] == (1, 3)


def test_a_copied_file_offers_its_writes_under_new_numbers(server: WipingServer, open_device: OpenDevice) -> None:
    with open_device() as device:
        device.sync()
        made = device.create("site", {"name": "one"})
        device.update("site", made, {"name": "two"})
        server.offers, server.reused = True, frozenset({(device.status().install_id, 2)})
        with pytest.raises(DeviceWipedError):
            device.sync()
        assert device.wiped
        assert device.wiped.confirmed
    assert server.offered == (3, 4)


def test_a_call_that_is_not_right_costs_no_write_that_is_to_be_offered(
    server: WipingServer, open_device: OpenDevice
) -> None:
    with open_device() as device:
        device.sync()
        device.update("site", NORTH, {"name": "one"})
        server.offers = True
        server.upload_error = RemoteError("app is too long", code="INVALID_ARGUMENT", reason="REQUEST_INVALID")
        with pytest.raises(DeviceWipedError):
            device.sync()
        assert not server.offered
        server.upload_error = None
        with pytest.raises(DeviceWipedError):
            device.sync()
    assert server.offered == (1,)


def test_a_live_stream_ends_with_it(server: WipingServer, open_device: OpenDevice) -> None:
    with open_device() as device:
        device.sync()
        server.offers = True
        with device.live() as live, pytest.raises(DeviceWipedError):
            list(live)
        assert held(device) == set()
        assert device.activity.stage == 1

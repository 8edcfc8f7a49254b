"""What the user chose last stays, though what they chose before waits for a write that was refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from client.memory_server import CLIENT_WINS, SERVER_WINS, MemoryServer
from client.test_writes import FORBIDDEN, NORTH, QUICK, SITE, VISIT
from client.wire import Attribute, Entity, rows_class
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import upload_pb2
from haversack_client import Device, WriteRefusedError

EAST, ROOF = UUID(int=5), UUID(int=7)
POLICIES = pytest.mark.parametrize("policy", [CLIENT_WINS, SERVER_WINS])


@pytest.fixture
def server() -> MemoryServer:
    server = MemoryServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North")
    server.put(SITE, EAST.bytes, name="East")
    server.put(VISIT, ROOF.bytes, topic="roof", siteid=NORTH.bytes)
    return server


@pytest.fixture
def device(tmp_path: Path, server: MemoryServer) -> Iterator[Device]:
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        yield device


def refuse_sites(server: MemoryServer) -> None:
    server.judge = lambda it: (
        FORBIDDEN if it.kind == upload_pb2.MUTATION_KIND_CREATE and it.entity == SITE.number else None
    )


def place(device: Device) -> str:
    found: str = device.query("SELECT siteid FROM visit")[0]["siteid"]
    return found


def place_at(server: MemoryServer) -> UUID:
    return UUID(bytes=server.rows[VISIT.number][ROOF.bytes].fields[3])


def states(device: Device) -> list[tuple[int, str, dict[str, Any]]]:
    return [(it.number, it.state, dict(it.values)) for it in device.outbox()]


@POLICIES
def test_a_later_choice_goes_over_one_that_is_held(server: MemoryServer, device: Device, policy: int) -> None:
    server.policy = policy
    refuse_sites(server)
    south = device.create("site", {"name": "South"})
    device.sync()
    device.update("visit", ROOF, {"siteid": south, "topic": "door"})
    device.update("visit", ROOF, {"siteid": EAST})
    assert (place(device), states(device)[1:]) == (
        str(EAST),
        [(2, "held", {"topic": "door"}), (3, "waiting", {"siteid": str(EAST)})],
    )
    result = device.sync()
    assert (result.applied, result.refused) == (1, 0), "nobody else has changed it"
    assert (place(device), place_at(server)) == (str(EAST), EAST)
    server.judge = lambda _: None
    device.retry(1)
    device.sync()
    assert (place(device), place_at(server), device.outbox()) == (str(EAST), EAST, [])
    assert server.visible(VISIT)[ROOF.bytes][2] == "door", "of what was held, all else is made"


@POLICIES
def test_a_later_choice_stays_when_both_are_sent_at_once(server: MemoryServer, device: Device, policy: int) -> None:
    server.policy = policy
    refuse_sites(server)
    south = device.create("site", {"name": "South"})
    device.update("visit", ROOF, {"siteid": south, "topic": "door"})
    device.sync()
    assert [(number, state) for number, state, _ in states(device)] == [(1, "refused"), (2, "held")]
    device.update("visit", ROOF, {"siteid": EAST})
    assert states(device)[1:] == [(3, "waiting", {"siteid": str(EAST)}), (4, "held", {"topic": "door"})], (
        "the server knows the bytes of number 2"
    )
    device.sync()
    assert (place(device), place_at(server)) == (str(EAST), EAST)


def test_what_is_held_only_later_gives_way_too(server: MemoryServer, device: Device) -> None:
    """The later choice waits already when the earlier one is blocked."""
    server.policy = SERVER_WINS
    refuse_sites(server)
    south = device.create("site", {"name": "South"})
    device.update("visit", ROOF, {"siteid": south})
    upload, sent = server.upload, list[upload_pb2.Mutation]()

    def write_meanwhile(request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        if not sent:
            device.update("visit", ROOF, {"siteid": EAST})
        sent.extend(upload_pb2.Mutation.FromString(raw) for raw in request.mutations)
        return upload(request)

    server.upload = write_meanwhile  # type: ignore[method-assign]
    device.sync()
    assert [it.number for it in sent] == [1, 2, 3]
    row = rows_class(VISIT)().rows.add()  # type: ignore[attr-defined]
    row.ParseFromString(sent[2].old_values)
    assert UUID(bytes=row.siteid) == NORTH, "what the server knows"
    assert (place(device), place_at(server), states(device)) == (str(EAST), EAST, [(1, "refused", {"name": "South"})])


def test_choosing_again_what_was_there_takes_the_held_choice_back(server: MemoryServer, device: Device) -> None:
    refuse_sites(server)
    south = device.create("site", {"name": "South"})
    device.sync()
    device.update("visit", ROOF, {"siteid": south})
    device.update("visit", ROOF, {"siteid": NORTH})
    assert (place(device), len(device.outbox())) == (str(NORTH), 1)


def test_a_status_takes_its_state_along(tmp_path: Path) -> None:
    statuses = Entity(
        4,
        "visit",
        (
            *VISIT.attributes[:3],
            Attribute(8, "statecode", model_pb2.ATTRIBUTE_TYPE_STATE, options=(0, 1)),
            Attribute(9, "statuscode", model_pb2.ATTRIBUTE_TYPE_STATUS, options=(1, 2, 3)),
        ),
    )
    server = MemoryServer((SITE, statuses))
    server.put(statuses, ROOF.bytes, topic="roof", statecode=0, statuscode=1)
    refuse_sites(server)
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        south = device.create("site", {"name": "South"})
        device.sync()
        device.update("visit", ROOF, {"siteid": south, "statecode": 1, "statuscode": 2})
        device.update("visit", ROOF, {"statuscode": 3})
        assert states(device)[1:] == [
            (2, "held", {"siteid": south}),
            (3, "waiting", {"statecode": 1, "statuscode": 3}),
        ]
        assert device.outbox()[2].old_values == {"statecode": 0, "statuscode": 1}


def test_a_row_that_was_deleted_does_not_keep_what_is_held_from_going(server: MemoryServer, device: Device) -> None:
    refuse_sites(server)
    south = device.create("site", {"name": "South"})
    device.sync()
    device.update("visit", ROOF, {"siteid": south})
    device.delete("visit", ROOF)
    assert device.outbox()[-1].old_values == {"topic": "roof", "siteid": str(NORTH)}, "what the server knows"
    assert device.sync().applied == 1
    server.judge = lambda _: None
    assert device.retry(1) == 4
    (refused,) = device.refused()
    assert (refused.reason, refused.values) == ("ROW_UNKNOWN", {"siteid": south})
    assert device.sync().applied == 1
    device.discard(refused.number)
    assert device.outbox() == []


def test_a_row_that_the_server_has_needs_no_refused_creation(server: MemoryServer, device: Device) -> None:
    """Two made a row of one id: the second's is refused, and the first's can be changed like any other."""
    west = UUID(int=9)
    device.create("site", {"siteid": west, "name": "Mine"})
    device.update("site", west, {"budget": "5"})
    server.put(SITE, west.bytes, name="Theirs")
    device.sync()
    assert [(it.number, it.state) for it in device.outbox()] == [(1, "refused"), (2, "held")]
    device.update("site", west, {"kind": 2})
    visit = device.create("visit", {"topic": "door", "siteid": west})
    assert device.sync().applied == 2
    with pytest.raises(WriteRefusedError, match="update it instead"):
        device.retry(1)
    device.discard(1)
    (kept,) = device.refused()
    assert (kept.number, kept.reason, kept.values) == (2, "WRITE_BLOCKED", {"budget": "5"})
    assert device.retry(2)
    device.sync()
    assert device.outbox() == []
    row = device.query("SELECT name, budget, kind FROM site WHERE siteid = ?", (str(west),))[0]
    assert tuple(row) == ("Theirs", "5", 2)
    assert device.query("SELECT siteid FROM visit WHERE visitid = ?", (visit,))[0]["siteid"] == str(west)

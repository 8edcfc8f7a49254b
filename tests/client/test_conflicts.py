"""Conflicts that the application decides: what it is asked, what becomes of its word, and what a crash leaves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from client.memory_server import CLIENT_WINS, MERGE, SERVER_WINS, MemoryServer
from client.test_following import LiveServer
from client.test_writes import NORTH, QUICK, SITE, VISIT
from haversack_client import Conflict, Device, FieldConflict, UploadFailed, WriteRefusedError
from haversack_client._conflicts import OnConflict

MINE = {"name": "Mine", "kind": 2}


@pytest.fixture
def server() -> MemoryServer:
    server = LiveServer((SITE, VISIT), policy=MERGE)
    server.put(SITE, NORTH.bytes, name="North", kind=1, code="x")
    return server


def opened(folder: Path, server: MemoryServer, decide: OnConflict | None) -> Device:
    return Device(folder / "device.sqlite3", server, backoff=QUICK, on_conflict=decide)


def disagree(device: Device, server: MemoryServer) -> None:
    """Both sides change the name; the kind is changed here alone, the code there."""
    device.sync()
    device.update("site", NORTH, MINE)
    server.put(SITE, NORTH.bytes, name="Theirs", code="y")


def at_server(server: MemoryServer) -> tuple[Any, ...]:
    fields = server.rows[SITE.number][NORTH.bytes].fields
    return fields.get(2), fields.get(4), fields.get(9)


def here(device: Device) -> tuple[Any, ...]:
    [row] = device.query("SELECT name, kind, code FROM site")
    return tuple(row)


def test_it_is_asked_once_the_row_is_the_servers_and_its_word_is_written(tmp_path: Path, server: MemoryServer) -> None:
    asked: list[Conflict] = []

    def decide(conflict: Conflict) -> Mapping[str, object]:
        asked.append(conflict)
        assert not device._writer._connection.in_transaction
        assert here(device) == ("Theirs", 2, "y"), "what it may read is the row that it decides on"
        return {"name": f"{conflict.fields['name'].theirs}+{conflict.fields['name'].mine}"[:10]}

    with opened(tmp_path, server, decide) as device:
        disagree(device, server)
        result = device.sync()
        assert [it.fields for it in asked] == [{"name": FieldConflict("North", "Mine", "Theirs")}]
        assert (asked[0].entity, asked[0].id, asked[0].row["code"]) == ("site", str(NORTH), "y")
        assert [write.fields for write in result.overruled] == [("name",)]
        assert here(device) == at_server(server) == ("Theirs+Min", 2, "y")
        assert device.outbox() == []
        device.sync()
        assert len(asked) == 1


def test_what_it_leaves_out_stays_the_servers(tmp_path: Path, server: MemoryServer) -> None:
    with opened(tmp_path, server, lambda _: {}) as device:
        disagree(device, server)
        device.sync()
        assert here(device) == at_server(server) == ("Theirs", 2, "y")
        assert device._writer.conflicts() == []


@pytest.mark.parametrize(("policy", "name"), [(CLIENT_WINS, "Mine"), (SERVER_WINS, "Theirs")])
def test_under_other_policies_nobody_is_asked(tmp_path: Path, server: MemoryServer, policy: int, name: str) -> None:
    def decide(_: Conflict) -> Mapping[str, object]:
        raise AssertionError("asked")

    server.policy = policy
    with opened(tmp_path, server, decide) as device:
        disagree(device, server)
        device.sync()
        assert (here(device)[0], at_server(server)[0]) == (name, name)
        assert len(device.refused()) == (policy == SERVER_WINS)


def test_a_newer_write_here_is_its_word(tmp_path: Path, server: MemoryServer) -> None:
    """Who changed the field again meanwhile has decided; and so has who deleted the row."""
    with opened(tmp_path, server, lambda _: pytest.fail("asked")) as device:
        disagree(device, server)
        device.upload()
        device.update("site", NORTH, {"name": "Later"})
        device._download(_tally(), None)
        assert device._writer.conflicts() == []


def test_what_fails_is_asked_again_and_holds_nothing_up(tmp_path: Path, server: MemoryServer) -> None:
    answers: list[Exception | Mapping[str, object]] = [
        ZeroDivisionError(),
        {"name": "far too long a name"},
        {"name": "Both"},
    ]

    def decide(_: Conflict) -> Mapping[str, object]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with opened(tmp_path, server, decide) as device:
        disagree(device, server)
        for expected in (ZeroDivisionError, WriteRefusedError):
            with pytest.raises(expected):
                device.sync()
            assert here(device) == ("Theirs", 2, "y")
        device.sync()
        assert here(device) == at_server(server) == ("Both", 2, "y")


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_crash_loses_no_conflict_and_writes_no_word_twice(tmp_path: Path, server: MemoryServer, dies: str) -> None:
    def crash(conflict: Conflict) -> Mapping[str, object]:
        if dies == "after":
            device._writer.resolve(conflict, {"name": "Both"})
        raise KeyboardInterrupt

    with opened(tmp_path, server, crash) as device:
        disagree(device, server)
        with pytest.raises(KeyboardInterrupt):
            device.sync()
    asked: list[Conflict] = []

    def decide(conflict: Conflict) -> Mapping[str, object]:
        asked.append(conflict)
        return {"name": "Both"}

    with opened(tmp_path, server, decide) as device:
        device.sync()
        assert here(device) == at_server(server) == ("Both", 2, "y")
        assert len(asked) == (dies == "before")
    assert len(server.applied) == 2


def test_a_row_that_moves_while_it_decides_is_decided_anew(tmp_path: Path, server: MemoryServer) -> None:
    seen: list[object] = []

    def decide(conflict: Conflict) -> Mapping[str, object]:
        seen.append(conflict.fields["name"].theirs)
        if len(seen) == 1:
            server.put(SITE, NORTH.bytes, name="Moved")
            device._download(_tally(), None)
        return {"name": "Both"}

    with opened(tmp_path, server, decide) as device:
        disagree(device, server)
        device.sync()
        device.sync()
        assert seen == ["Theirs", "Moved"]
        assert here(device)[0] == at_server(server)[0] == "Both"


def test_a_row_that_is_gone_needs_no_decision(tmp_path: Path, server: MemoryServer) -> None:
    with opened(tmp_path, server, lambda _: pytest.fail("asked")) as device:
        disagree(device, server)
        device.upload()
        server.delete(SITE, NORTH.bytes)
        device.sync()
        assert device._writer.conflicts() == []


def test_beside_a_live_stream_it_is_asked_too_and_what_it_raises_is_told(tmp_path: Path, server: MemoryServer) -> None:
    answers: list[Exception | Mapping[str, object]] = [ZeroDivisionError("what now"), {"name": "Both"}]

    def decide(_: Conflict) -> Mapping[str, object]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with opened(tmp_path, server, decide) as device:
        disagree(device, server)
        with device.live() as live:
            events = iter(live)
            failed = next(event for event in events if isinstance(event, UploadFailed))
            assert isinstance(failed.error, ZeroDivisionError)
            server.put(SITE, UUID(int=5).bytes, name="More")  # A checkpoint follows.
            while at_server(server)[0] != "Both":
                next(events)


def test_two_devices_that_decide_alike_end_equal(tmp_path: Path, server: MemoryServer) -> None:
    def greater(conflict: Conflict) -> Mapping[str, object]:
        return {name: max(str(it.mine), str(it.theirs)) for name, it in conflict.fields.items()}

    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        path.mkdir()
    with opened(paths[0], server, greater) as one, opened(paths[1], server, greater) as other:
        one.sync()
        other.sync()
        one.update("site", NORTH, {"name": "B"})
        other.update("site", NORTH, {"name": "C"})
        for device in (one, other, one, other):
            device.sync()
        assert here(one) == here(other) == at_server(server) == ("C", 1, "x")


def _tally() -> Any:
    from haversack_client._result import Tally

    return Tally(lambda: 0.0)

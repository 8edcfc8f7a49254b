"""A device knows whose it is, and answers filters as its user."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from client.memory_server import MemoryServer
from client.test_following import LiveServer
from client.test_writes import NORTH, QUICK, SITE, VISIT
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import sync_pb2
from haversack_client import (
    Caller,
    CheckpointReached,
    Collation,
    Device,
    FetchError,
    FiscalCalendar,
    LiveEvent,
    ModelChanged,
    ProtocolError,
    UserChanged,
    UserChangedError,
)

ADA, TEAM, UNIT = UUID(int=1), UUID(int=2), UUID(int=3)


def user(**changed: Any) -> sync_pb2.User:
    known: dict[str, Any] = {
        "id": ADA.bytes,
        "name": "ada@example.com",
        "name_attribute": "domainname",
        "business_unit": UNIT.bytes,
        "teams": [TEAM.bytes],
        "language": 1030,
        "time_zone": "Pacific/Auckland",
        "collation": model_pb2.COLLATION_CI_AS,
        "week_start": 1,
        "fiscal": model_pb2.FiscalCalendar(start_month=4, start_day=1, period=model_pb2.FISCAL_PERIOD_MONTH),
    }
    return sync_pb2.User(**known | changed)


@pytest.fixture
def server() -> MemoryServer:
    server = LiveServer((SITE, VISIT), user=user())
    server.put(SITE, NORTH.bytes, name="North")
    for at, owner in enumerate((ADA, TEAM, UNIT)):
        server.put(VISIT, UUID(int=10 + at).bytes, topic=f"of {at}", ownerid=owner.bytes)
    return server


def test_a_database_is_its_users(server: MemoryServer, tmp_path: Path) -> None:
    server.signed_in = ADA.bytes
    path = tmp_path / "device.sqlite3"
    with Device(path, server, backoff=QUICK) as device:
        assert device.status().user_id is None
        device.sync()
        assert device.status().user_id == str(ADA)
        device.update("site", NORTH, {"name": "Mine"})
        device._store._connection.execute("DELETE FROM _haversack_meta WHERE key = 'user'")
    with Device(path, server, backoff=QUICK) as device:
        assert device.status().user_id == str(ADA), "a file that does not have it has it in its model"
        cookie = device._store.facts().cookie
        server.signed_in = TEAM.bytes
        with pytest.raises(UserChangedError):
            device.sync()
        assert device._store.facts().cookie == cookie
        assert server.uploads[-1].user == ADA.bytes
        server.signed_in = ADA.bytes
        assert device.sync().applied == 1


def topics(device: Device, operator: str, caller: Caller | None = None) -> list[str]:
    condition = f"<condition attribute='ownerid' operator='{operator}'/>"
    xml = f"<fetch><entity name='visit'><order attribute='topic'/><filter>{condition}</filter></entity></fetch>"
    return [row["topic"] for row in device.fetch(xml, caller)]


def test_filters_are_answered_as_the_devices_user(tmp_path: Path, server: MemoryServer) -> None:
    path = tmp_path / "device.sqlite3"
    with Device(path, server, backoff=QUICK) as device:
        assert device.user is None
        device.sync()
        asked = ("eq-userid", "ne-userid", "eq-userteams", "eq-useroruserteams", "eq-businessid")
        answers = [topics(device, each) for each in asked]
        assert answers == [["of 0"], ["of 1", "of 2"], ["of 1"], ["of 0", "of 1"], ["of 2"]]
        assert topics(device, "eq-userid", Caller(user_id=str(UNIT))) == ["of 2"], "an app may ask as somebody else"
    with Device.offline(path) as device:
        assert device.user is not None
        assert (device.user.name, device.user.name_attribute) == ("ada@example.com", "domainname")
        assert topics(device, "eq-userid") == ["of 0"], "it knows when it is opened again, without a server"


def test_the_users_calendar_and_the_organizations_rules(tmp_path: Path, server: MemoryServer) -> None:
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        asked = Caller.of(device.user)
    assert asked.time_zone == ZoneInfo("Pacific/Auckland")
    assert (asked.collation, asked.week_start, asked.language) == (Collation.ACCENTS_COUNT, 1, 1030)
    assert asked.fiscal == FiscalCalendar(4, 1, 12)
    assert not asked.null_never_matches


def test_today_is_that_of_the_users_zone(tmp_path: Path, server: MemoryServer) -> None:
    now = datetime.now(UTC)
    server.put(SITE, UUID(int=9).bytes, name="now", opened=int(now.timestamp()) * 1_000_000)
    zones = ("Pacific/Kiritimati", "Pacific/Niue")  # 25 hours apart: it is never the same day in both.
    answers = []
    for version, zone in enumerate(zones, 2):
        server.user, server.version = user(time_zone=zone), version
        with Device(tmp_path / f"{version}.sqlite3", server, backoff=QUICK) as device:
            device.sync()
            day = now.astimezone(ZoneInfo(zones[0])).date()
            condition = f"<condition attribute='opened' operator='on' value='{day}'/>"
            rows = device.fetch(f"<fetch><entity name='site'><filter>{condition}</filter></entity></fetch>")
            answers.append(len(rows))
    assert answers == [1, 0]


def test_without_a_server_that_told_operators_of_people_say_what_they_need(
    tmp_path: Path, server: MemoryServer
) -> None:
    server.user = None
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        for operator in ("eq-userid", "eq-userteams", "eq-businessid"):
            with pytest.raises(FetchError, match="Caller"):
                topics(device, operator)


def test_another_team_is_told_live_and_brings_no_row_again(tmp_path: Path, server: MemoryServer) -> None:
    path = tmp_path / "device.sqlite3"

    def ask(_: object) -> Any:
        raise AssertionError("nobody is asked about a user")

    with Device(path, server, backoff=QUICK, on_model_change=ask) as device:
        device.sync()
        server.user, server.version, server.other_tables = user(teams=[UNIT.bytes]), 2, False
        server.streamed.clear()
        seen: list[LiveEvent] = []
        with device.live() as live:
            for event in live:
                seen.append(event)
                if isinstance(event, CheckpointReached):
                    break
        assert UserChanged() in seen
        assert ModelChanged() not in seen
        assert not [event for event in server.streamed if event.HasField("rows")]
        assert topics(device, "eq-userteams") == ["of 2"]


def test_a_user_without_an_id_breaks_the_contract(tmp_path: Path, server: MemoryServer) -> None:
    server.user = user(id=b"short")
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device, pytest.raises(ProtocolError, match="16"):
        device.sync()

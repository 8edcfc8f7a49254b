"""Queries of a device: columns, joins, order, pages, and who asks."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from client.memory_server import MemoryServer
from client.test_writes import NORTH, QUICK, SITE, VISIT
from haversack_client import Caller, Device, FetchError, StoreError
from haversack_client._fetch import Fetch
from haversack_client._fetch._caller import LocalZone
from hypothesis import given
from hypothesis import strategies as st

SOUTH = UUID("22222222-2222-4222-8222-222222222222")
UNDER = "<filter><condition attribute='siteid' operator='under' value='x'/></filter>"
MANY_VALUES = (
    "<filter><condition attribute='kind' operator='in'>" + "<value>1</value>" * 32_001 + "</condition></filter>"
)
MANY_ORDERS = "<order attribute='name'/>" * 65
ADA = "33333333-3333-4333-8333-333333333333"


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    server = MemoryServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="north", budget="9.5", kind=1)
    server.put(SITE, SOUTH.bytes, name="Éclair", budget="10", kind=2)
    for at, (topic, site) in enumerate([("roof", NORTH), ("door", NORTH), ("Roof", SOUTH), ("gone", None)]):
        owner = UUID(ADA).bytes if at % 2 else None
        server.put(VISIT, UUID(int=at + 1).bytes, topic=topic, siteid=site.bytes if site else None, ownerid=owner)
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        yield device


def fetch(device: Device, xml: str, attributes: str = "", **options: Any) -> list[tuple[object, ...]]:
    return [tuple(row) for row in device.fetch(f"<fetch {attributes}>{xml}</fetch>", **options)]


def test_columns_and_aliases(device: Device) -> None:
    xml = (
        "<fetch><entity name='visit'><attribute name='topic' alias='what'/><attribute name='ownerid'/></entity></fetch>"
    )
    row = device.fetch(xml)[1]
    assert row.keys() == ["visitid", "what", "ownerid", "ownerid_entity"]
    assert (row["what"], row["ownerid"]) == ("door", ADA)
    assert "siteid" in device.fetch("<fetch><entity name='visit'/></fetch>")[0].keys()


def test_order_is_that_of_the_type(device: Device) -> None:
    by = "<entity name='site'><attribute name='name'/><order attribute='{}'{}/></entity>"
    names = [[row[1] for row in fetch(device, by.format(*how))] for how in (("name", ""), ("budget", ""))]
    assert names == [["Éclair", "north"], ["north", "Éclair"]]
    assert [row[1] for row in fetch(device, by.format("budget", " descending='true'"))] == ["Éclair", "north"]


def test_pages_do_not_overlap(device: Device) -> None:
    xml = "<entity name='visit'><attribute name='topic'/></entity>"
    pages = [[row[1] for row in fetch(device, xml, f"count='3' page='{page}'")] for page in (1, 2, 3)]
    assert pages == [["roof", "door", "Roof"], ["gone"], []]
    assert len(fetch(device, xml, "top='2'")) == 2


def test_joins(device: Device) -> None:
    xml = (
        "<entity name='visit'><attribute name='topic'/><order attribute='topic'/>"
        "<link-entity name='site' from='siteid' to='siteid' link-type='{}' alias='s'>"
        "<attribute name='name'/>{}</link-entity>{}</entity>"
    )
    inner = [row[1:] for row in fetch(device, xml.format("inner", "", ""))]
    assert inner == [("door", "north"), ("roof", "north"), ("Roof", "Éclair")]
    outer = [row[1:] for row in fetch(device, xml.format("outer", "", ""))]
    assert ("gone", None) in outer
    within = "<filter><condition attribute='kind' operator='eq' value='2'/></filter>"
    assert [row[1:] for row in fetch(device, xml.format("inner", within, ""))] == [("Roof", "Éclair")]
    assert len(fetch(device, xml.format("outer", within, ""))) == 4
    behind = "<filter><condition entityname='s' attribute='kind' operator='null'/></filter>"
    assert [row[1:] for row in fetch(device, xml.format("outer", within, behind))] == [
        ("door", None),
        ("gone", None),
        ("roof", None),
    ]


def test_an_order_names_a_joined_entity(device: Device) -> None:
    xml = (
        "<entity name='visit'><attribute name='topic'/>{}<order attribute='topic'/><link-entity name='site'"
        " from='siteid' to='siteid' alias='s'><attribute name='name'/></link-entity></entity>"
    )
    by_site = xml.format("<order entityname='s' attribute='name' descending='true'/>")
    assert [row[1:] for row in fetch(device, by_site)] == [("door", "north"), ("roof", "north"), ("Roof", "Éclair")]
    with pytest.raises(FetchError, match=r'<order> at line 1.*entityname "other" is no alias of a joined .*\(s\)'):
        fetch(device, xml.format("<order entityname='other' attribute='topic'/>"))


def test_distinct_rows(device: Device) -> None:
    device.create("visit", {"topic": "DOOR  "})
    topics = "<entity name='visit'><attribute name='topic'/><order attribute='topic'/></entity>"
    found = fetch(device, topics, "distinct='true'")
    assert [str(topic).lower().strip() for (topic,) in found] == ["door", "gone", "roof"]
    assert len(fetch(device, topics)) == 5
    sites = (
        "<entity name='visit'><no-attrs/><link-entity name='site' from='siteid' to='siteid' alias='s'>"
        "<attribute name='name'/><order attribute='name'/></link-entity></entity>"
    )
    assert fetch(device, sites, "distinct='true'") == [("Éclair",), ("north",)]
    assert fetch(device, sites, "top='1'") == [(str(UUID(int=3)), "Éclair")]
    with pytest.raises(FetchError, match="asks for no column"):
        fetch(device, "<entity name='visit'><no-attrs/></entity>", "distinct='true'")


def test_two_columns_do_not_share_a_name(device: Device) -> None:
    xml = "<entity name='site'><attribute name='name' alias='x'/><attribute name='kind' alias='x'/></entity>"
    with pytest.raises(FetchError, match='two columns are named "x"'):
        fetch(device, xml)


def test_parameters_stay_with_their_marks(device: Device) -> None:
    xml = (
        "<entity name='visit'><attribute name='topic'/>"
        "<filter><condition attribute='topic' operator='eq' value='ROOF'/></filter>"
        "<link-entity name='site' from='siteid' to='siteid' alias='s'>"
        "<filter><condition attribute='name' operator='begins-with' value='ecl'/></filter></link-entity>"
        "<filter><link-entity name='site' from='siteid' to='siteid' link-type='any'>"
        "<filter><condition attribute='kind' operator='in'><value>2</value><value>7</value></condition></filter>"
        "</link-entity></filter></entity>"
    )
    assert [row[1] for row in fetch(device, xml)] == ["Roof"]


def test_local_writes_are_seen(device: Device) -> None:
    device.create("visit", {"topic": "attic"})
    device.update("site", NORTH, {"budget": "100"})
    attic = "<entity name='visit'><filter><condition attribute='topic' operator='like' value='att%'/></filter></entity>"
    rich = "<entity name='site'><filter><condition attribute='budget' operator='gt' value='99.5'/></filter></entity>"
    assert len(fetch(device, attic)) == len(fetch(device, rich)) == 1


@pytest.mark.parametrize("operator", ["eq-userid", "eq-useroruserteams", "ne-userid"])
def test_who_asks_must_be_known(device: Device, operator: str) -> None:
    xml = f"<entity name='visit'><filter><condition attribute='ownerid' operator='{operator}'/></filter></entity>"
    with pytest.raises(FetchError) as caught:
        fetch(device, xml)
    assert caught.value.reason == "FILTER_UNSUPPORTED"
    found = fetch(device, xml, caller=Caller(user_id=ADA.upper(), team_ids=()))
    assert len(found) == 2


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ("<fetch", "FILTER_MALFORMED"),
        ("<filter/>", "FILTER_MALFORMED"),
        ("<fetch/>", "FILTER_MALFORMED"),
        ("<fetch><entity name='nothing'/></fetch>", "ENTITY_UNKNOWN"),
        ("<fetch><entity name='site'><attribute name='nothing'/></entity></fetch>", "ATTRIBUTE_UNKNOWN"),
        ("<fetch aggregate='true'><entity name='site'/></fetch>", "FILTER_UNSUPPORTED"),
        ("<fetch top='0'><entity name='site'/></fetch>", "FILTER_OPERAND_INVALID"),
        ("<fetch top='1' page='1'><entity name='site'/></fetch>", "FILTER_MALFORMED"),
        ("<!DOCTYPE fetch><fetch><entity name='site'/></fetch>", "FILTER_MALFORMED"),
        (f"<fetch><entity name='site'>{UNDER}</entity></fetch>", "FILTER_OPERATOR_UNKNOWN"),
        (f"<fetch><entity name='site'>{MANY_VALUES}</entity></fetch>", "FILTER_TOO_LARGE"),
        (f"<fetch><entity name='site'>{MANY_ORDERS}</entity></fetch>", "FILTER_TOO_LARGE"),
        (b"<fetch/>", "FILTER_MALFORMED"),
    ],
)
def test_what_cannot_be_answered_is_named(device: Device, xml: Any, reason: str) -> None:
    with pytest.raises(FetchError) as caught:
        device.fetch(xml)
    assert caught.value.reason == reason


def test_what_sqlite_says_is_named(device: Device) -> None:
    xml = "<fetch><entity name='site'/></fetch>"
    with closing(device.connection()) as connection:
        connection.set_progress_handler(lambda: 1, 1)
        with pytest.raises(StoreError, match="interrupted"):
            Fetch(connection).rows(xml)
        connection.set_progress_handler(None, 1)
        connection.rollback()
        connection.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, 2)
        with pytest.raises(FetchError, match="too many columns") as caught:
            Fetch(connection).rows(xml)
    assert caught.value.reason == "FILTER_TOO_LARGE"


def test_the_zone_of_this_device_changes_its_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Copenhagen")
    time.tzset()
    try:
        for text in (
            "2024-01-15 12:00",
            "2024-07-15 12:00",
            "2024-10-27 00:30",
            "2024-10-27 01:30",
            "2024-03-31 01:00",
        ):
            instant = datetime.fromisoformat(text).replace(tzinfo=UTC)
            here, there = instant.astimezone(LocalZone()), instant.astimezone(ZoneInfo("Europe/Copenhagen"))
            assert (here.replace(tzinfo=None), here.utcoffset()) == (there.replace(tzinfo=None), there.utcoffset())
            assert here.fold == there.fold
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.text(alphabet="<>/='\"&;fetchniylor %[]_!-?", max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    from haversack_client._fetch._document import parse
    from haversack_client._fetch._text import Pattern

    for read in (parse, Pattern.parse):
        with suppress(FetchError):
            read(text)

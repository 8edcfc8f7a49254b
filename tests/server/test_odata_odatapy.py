"""Against odatapy, an OData server that nobody here wrote: real pages, real delta links, real conditions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from haversack_server.errors import Refusal, SourceRefused
from server.odata_fixture import OdataFixture
from server.odata_model import golden
from server.odata_world import OdataWorld, guid
from server.odatapy_service import odatapy


class Service:
    """What a test does at the service behind Haversack's back."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, headers={"If-Match": "*"})

    def create(self, number: int, **columns: Any) -> None:
        row = {"accountid": guid(number), "name": f"account {number}", **columns}
        self.http.post("accounts", json=row).raise_for_status()

    def change(self, number: int, **columns: Any) -> None:
        self.http.patch(f"accounts({guid(number)})", json=columns).raise_for_status()

    def delete(self, number: int) -> None:
        self.http.delete(f"accounts({guid(number)})").raise_for_status()

    def names(self) -> dict[str, Any]:
        rows: list[dict[str, Any]] = []
        url = "accounts?$select=accountid,name"
        while url:
            body = self.http.get(url).raise_for_status().json()
            rows += body["value"]
            url = body.get("@odata.nextLink", "")
        return {it["accountid"]: it["name"] for it in rows}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with odatapy(golden("csdl.xml")) as address:
        yield address


@pytest.fixture
def service(address: str) -> Iterator[Service]:
    service = Service(address)
    yield service
    for key in service.names():
        service.http.delete(f"accounts({key})")
    service.http.close()


@pytest.fixture
def world(service: Service, tmp_path: Path) -> Iterator[OdataWorld]:
    fixture = OdataFixture()
    fixture.url = service.url
    with OdataWorld(fixture, tmp_path, page_size=2) as world:
        world.describe()
        yield world


def names(world: OdataWorld) -> dict[str, Any]:
    return {key: values[0] for key, values in world.rows("account", "name").items()}


def test_all_entities_are_mapped(world: OdataWorld) -> None:
    assert len(world.model.entities) == 34


def test_snapshot_changes_and_deletions_by_delta_links(service: Service, world: OdataWorld) -> None:
    for number in range(1, 6):
        service.create(number, revenue=number + 0.5, creditonhold=number == 1, statecode=0)
    assert world.catch_up("account").inserted == 5
    assert world.standing("account").mode == "delta links"
    assert world.rows("account", "revenue", "creditonhold", "statecode")[guid(1)] == ("1.5", True, 0)
    service.change(1, name="changed", revenue=None)
    service.create(6)
    service.delete(2)
    counts = world.catch_up("account")
    assert (counts.inserted, counts.deleted) == (1, 1)
    assert names(world) == service.names()
    assert world.rows("account", "revenue")[guid(1)] == (None,)
    head = world.head()
    assert world.catch_up("account").updated == 0
    assert world.head() == head


def test_changes_between_pages_are_not_lost(service: Service, world: OdataWorld) -> None:
    for number in range(1, 6):
        service.create(number)
    world.take("account")
    service.change(1, name="behind the first page")
    service.create(9)
    world.catch_up("account")
    assert names(world) == service.names()


def test_writes_arrive_under_their_conditions(service: Service, world: OdataWorld) -> None:
    made = world.write("create", "account", guid(1), values={"name": "made", "revenue": "2.5"})
    assert service.names() == {guid(1): "made"}
    written = world.write(
        "update", "account", guid(1), values={"name": "mine"}, old_values={"name": "made"}, etag=made.etag
    )
    assert service.names() == {guid(1): "mine"}
    service.change(1, name="theirs")
    with pytest.raises(SourceRefused) as raised:
        world.write("update", "account", guid(1), values={"name": "x"}, old_values={"name": "mine"}, etag=written.etag)
    assert raised.value.outcome is Refusal.CONFLICT
    with pytest.raises(SourceRefused) as raised:
        world.write("create", "account", guid(1), values={"name": "again"})
    assert raised.value.outcome is Refusal.CONFLICT
    world.write("delete", "account", guid(1), detect_conflicts=False)
    assert service.names() == {}
    world.catch_up("account")
    assert names(world) == {}


def test_check(service: Service, world: OdataWorld) -> None:
    service.create(1)
    found = {(it.subject, it.verdict.name): it.what for it in world.run(world.source.check()).findings}
    assert "delta links" in found["account", "OK"] or "conditional" in found["account", "OK"]

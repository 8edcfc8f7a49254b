"""OData services under the tests that every source passes: a Dataverse of ours, and odatapy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from haversack_server.connectors.odata._auth import GivenToken
from haversack_server.connectors.odata._http import Client, Pace
from haversack_server.connectors.odata._mapping import OdataMapping
from haversack_server.connectors.odata._settings import read_settings
from haversack_server.connectors.odata._source import OdataSource
from server.odata_fixture import OdataFixture, serving
from server.odata_model import golden
from server.odata_world import Waits, account, guid
from server.odatapy_service import odatapy
from server.source_contract import SourceContract


class _Harness:
    entity = "account"
    attribute = "name"
    has_metadata = True
    has_writes = True

    def __init__(self, url: str) -> None:
        self.url = url

    def connect(self) -> OdataSource:
        settings = read_settings({"url": self.url, "entities": "account,contact"})
        client = Client(settings, GivenToken(""), pace=Pace(Waits().sleep, lambda: 0.5))
        return OdataSource(client, OdataMapping())

    def model(self) -> None:
        return None

    def id_of(self, number: int) -> str:
        return guid(number)


class FixtureHarness(_Harness):
    has_outages = True

    def __init__(self, fixture: OdataFixture) -> None:
        super().__init__(fixture.url)
        self._fixture = fixture

    def put_row(self, number: int, text: str) -> None:
        self._fixture.put("accounts", account(number, text))

    def delete_row(self, number: int) -> None:
        self._fixture.delete("accounts", guid(number))

    def rows(self) -> dict[str, str]:
        return {key: row["name"] for key, row in self._fixture.rows("accounts").items()}

    def lose_position(self) -> None:
        self._fixture.expire_changes()

    @contextmanager
    def outage(self) -> Iterator[None]:
        self._fixture.fail(status=503, times=10_000)
        yield
        self._fixture.faults.clear()


class OdatapyHarness(_Harness):
    has_outages = False

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.http = httpx.Client(base_url=url, headers={"If-Match": "*"})
        self._known: set[int] = set()

    def put_row(self, number: int, text: str) -> None:
        answer = self.http.patch(f"accounts({guid(number)})", json={"name": text})
        if answer.status_code == httpx.codes.NOT_FOUND:
            answer = self.http.post("accounts", json={"accountid": guid(number), "name": text})
        answer.raise_for_status()

    def delete_row(self, number: int) -> None:
        self.http.delete(f"accounts({guid(number)})").raise_for_status()

    def rows(self) -> dict[str, str]:
        rows: dict[str, str] = {}
        url = "accounts?$select=accountid,name"
        while url:
            body = self.http.get(url).raise_for_status().json()
            rows |= {it["accountid"]: it["name"] for it in body["value"]}
            url = body.get("@odata.nextLink", "")
        return rows

    def lose_position(self) -> None:
        """Its tokens do not expire."""

    @contextmanager
    def outage(self) -> Iterator[None]:
        raise AssertionError("it is in a process of its own, and goes on")
        yield


class TestDataverse(SourceContract):
    @pytest.fixture
    def harness(self) -> Iterator[FixtureHarness]:
        with serving(OdataFixture()) as fixture:
            yield FixtureHarness(fixture)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with odatapy(golden("csdl.xml")) as address:
        yield address


class TestOdatapy(SourceContract):
    @pytest.fixture
    def harness(self, address: str) -> Iterator[OdatapyHarness]:
        harness = OdatapyHarness(address)
        yield harness
        for key in harness.rows():
            harness.http.delete(f"accounts({key})").raise_for_status()
        harness.http.close()

"""OData services that lead elsewhere: to places that only the server reaches, or to nowhere for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from haversack_server.connectors.odata import connect
from haversack_server.connectors.odata._auth import ClientCredentials
from haversack_server.connectors.odata._settings import read_settings
from haversack_server.errors import HaversackError, SourceAnswerInvalid, SourceUnavailable
from server.odata_fixture import Asked, OdataFixture, serving
from server.odata_world import OdataWorld, account


class Misleading(OdataFixture):
    """Its links lead where the test says.

    Attributes:
        elsewhere: What its links begin with, in place of its own address.
    """

    elsewhere = ""

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        """Answers, and changes the links of the answer."""
        status, headers, body = super().answer(asked)
        if self.elsewhere and isinstance(body, dict):
            for name in [name for name in body if name.endswith("Link")]:
                body[name] = str(body[name]).replace(self.url, self.elsewhere)
        return status, headers, body


@pytest.fixture
def private() -> Iterator[OdataFixture]:
    with serving(OdataFixture()) as started:
        started.put("accounts", account(66))
        yield started


@pytest.fixture
def misleading() -> Iterator[Misleading]:
    with serving(Misleading()) as started:
        assert isinstance(started, Misleading)
        for number in range(1, 8):
            started.put("accounts", account(number))
        yield started


@pytest.mark.parametrize("link", ["next", "delta"])
def test_links_of_pages_are_followed_nowhere_else(
    misleading: Misleading, private: OdataFixture, tmp_path: Path, link: str
) -> None:
    with OdataWorld(misleading, tmp_path, page_size=3 if link == "next" else 5_000) as world:
        world.describe()
        misleading.elsewhere = private.url
        with pytest.raises(SourceAnswerInvalid, match="outside of"):
            world.catch_up("account")
        assert private.asked == []
        misleading.elsewhere = ""
        world.catch_up("account")
        assert len(world.rows("account")) == 7


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(misleading: Misleading, private: OdataFixture, tmp_path: Path, status: int) -> None:
    with OdataWorld(misleading, tmp_path) as world:
        world.describe()
        misleading.fail(match="accounts", times=9, status=status, headers={"Location": f"{private.url}accounts"})
        with pytest.raises(HaversackError):
            world.catch_up("account")
        with pytest.raises(HaversackError):
            world.write("create", "account", account(9)["accountid"], values={"name": "new"})
    assert private.asked == []


@pytest.mark.parametrize("status", [302, 307])
def test_signing_in_is_not_redirected(
    misleading: Misleading, private: OdataFixture, tmp_path: Path, status: int
) -> None:
    misleading.signs_in = True
    token_url = private.url.partition("/api/")[0] + "/token"
    misleading.fail(match="/token", times=9, status=status, headers={"Location": token_url})
    with OdataWorld(misleading, tmp_path) as world, pytest.raises(HaversackError, match=str(status)):
        world.describe()
    assert private.asked == []


def test_a_position_in_another_service_is_not_gone_on_with(
    misleading: Misleading, private: OdataFixture, tmp_path: Path
) -> None:
    with OdataWorld(misleading, tmp_path) as world:
        world.describe()
        world.catch_up("account")
        moved = OdataWorld(private, tmp_path)
        with moved:
            moved.staging.close()
            moved.staging, moved.model = world.staging, world.model
            moved.catch_up("account")
            assert [values[0] for values in moved.rows("account", "name").values()] == ["account 66"]


def test_an_identity_provider_that_goes_on_for_ever_is_given_up() -> None:
    hung_up = asyncio.Event()

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n{")
        while await reader.read(1_000):
            pass
        writer.close()
        hung_up.set()

    async def fetch() -> None:
        server = await asyncio.start_server(begin, "127.0.0.1", 0)
        root = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        said = {"url": root, "auth": "client-credentials", "client_id": "tests", "token_url": f"{root}token"}
        async with server, httpx.AsyncClient(timeout=None) as http:
            with pytest.raises(SourceUnavailable, match="does not answer"):
                await ClientCredentials(read_settings(said), "secret", seconds_max=0.2).token(http)
            await hung_up.wait()

    asyncio.run(asyncio.wait_for(fetch(), 30))


def test_spelling_makes_no_other_address() -> None:
    plain = {"url": "https://crm.example.com/api/", "auth": "client-credentials", "client_id": "tests"}
    plain["token_url"] = "https://login.example.com/token"
    secrets = {"client_secret": "secret"}

    def recipients(**changed: str) -> frozenset[str]:
        source = connect(plain | changed, secrets, "")
        return source.recipients

    assert recipients() == recipients(url="https://CRM.example.com:443/api") == recipients(scope="all", page_size="7")
    for changed in (
        {"url": "https://crm.example.com:444/api/"},
        {"url": "https://crm.example.com/other/"},
        {"url": "https://crm.example.org/api/"},
        {"token_url": "https://login.example.com/other"},
    ):
        assert recipients(**changed) - recipients(), json.dumps(changed)

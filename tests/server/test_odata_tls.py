"""TLS to an OData service, and to what gives its tokens: trusted by `ca_file` alone, else refused by name."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from haversack_server.errors import SourceInvalid
from haversack_server.replication import Verdict
from server.odata_fixture import OdataFixture, serving
from server.odata_world import OdataWorld, account, guid


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=[False, True], ids=["open", "signed in"])
def fixture(request: pytest.FixtureRequest, authority: trustme.CA) -> Iterator[OdataFixture]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serving(OdataFixture(), context) as fixture:
        fixture.signs_in = request.param
        fixture.put("accounts", account(1))
        yield fixture


def pem(authority: trustme.CA, folder: Path) -> str:
    file = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


def test_a_service_whose_authority_is_named_is_read(
    fixture: OdataFixture, authority: trustme.CA, tmp_path: Path
) -> None:
    with OdataWorld(fixture, tmp_path, ca_file=pem(authority, tmp_path)) as world:
        world.describe()
        world.catch_up("account")
        assert set(world.rows("account")) == {guid(1)}


@pytest.mark.parametrize("case", ["the system's", "another's", "another name"])
def test_a_service_that_is_not_trusted_is_refused_by_name(
    fixture: OdataFixture, authority: trustme.CA, tmp_path: Path, case: str
) -> None:
    trusted = {} if case == "the system's" else {"ca_file": pem(authority, tmp_path)}
    if case == "another's":
        trusted = {"ca_file": pem(trustme.CA(), tmp_path)}
    if case == "another name":
        fixture.url = fixture.url.replace("localhost", "127.0.0.1")
    with OdataWorld(fixture, tmp_path, **trusted) as world:
        with pytest.raises(SourceInvalid, match=r"certificate that is not trusted: .*ca_file"):
            world.describe()
        [finding] = world.run(world.source.check()).findings
        assert (finding.subject, finding.verdict) == ("service", Verdict.FAILURE)
        assert world.waits.seconds == [], "nobody is waited for who will not be trusted later either"
    assert fixture.asked == []


def test_a_file_without_authorities_is_refused(fixture: OdataFixture, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    with OdataWorld(fixture, tmp_path, ca_file=str(tmp_path / "empty.pem")) as world:
        with pytest.raises(SourceInvalid, match="no file of authorities"):
            world.describe()

"""TLS to a PostgreSQL source: by every connection of a feed and of a writer, and refused for whom it should be."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from haversack_server._core import CoreError, PostgresFeed
from haversack_server.connectors.postgres import PostgresSource, connect
from haversack_server.errors import SourceInvalid
from haversack_server.replication import Change, Verdict
from postgresql import SUPERUSER, PostgresqlServer
from server.postgres_world import Followed, SourceDatabase
from server.running import LoopThread
from server.tls_front import TlsFront

MAPPING = """
entities:
  job:
    table: job
    id: id
    name: title
    attributes: {id: id, title: title}
"""
WAIT_MS = 10_000
SECRET_MODES = ("require", "verify-ca", "verify-full")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def front(loop: LoopThread, source_server: PostgresqlServer, authority: trustme.CA) -> Iterator[TlsFront]:
    with TlsFront(loop, f"{source_server.folder}/.s.PGSQL.5432", authority.issue_cert("localhost")) as front:
        yield front


@pytest.fixture
def jobs(source_database: SourceDatabase) -> SourceDatabase:
    source_database.run("CREATE TABLE job (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), title text)")
    source_database.run("INSERT INTO job (title) VALUES ('first'), ('second')")
    return source_database


def source(database: SourceDatabase, front: TlsFront, **settings: Any) -> PostgresSource:
    """A source on the database, reached through TLS."""
    host = settings.pop("host", "localhost")
    url = f"postgresql://{SUPERUSER}@{host}:{front.port}/{database.name}"
    return connect({**database.settings, "url": url, **settings}, {}, MAPPING)


def pem(authority: trustme.CA, folder: Path) -> str:
    """The authority's certificate in a file."""
    file = folder / f"{uuid.uuid4().hex}.pem"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


@pytest.mark.parametrize("mode", SECRET_MODES)
def test_copy_replication_and_writes_are_all_encrypted(
    jobs: SourceDatabase, front: TlsFront, authority: trustme.CA, tmp_path: Path, mode: str
) -> None:
    host = "localhost" if mode == "verify-full" else "127.0.0.1"
    trusted = {} if mode == "require" else {"sslrootcert": pem(authority, tmp_path)}
    followed = Followed(jobs, source(jobs, front, host=host, sslmode=mode, **trusted), tmp_path / "staging.sqlite3")
    try:
        followed.follow()
        assert sorted(it["title"] for it in followed.rows("job").values()) == ["first", "second"]
        asked = front.encrypted
        jobs.run("UPDATE job SET title = 'changed' WHERE title = 'first'")
        followed.follow()
        assert sorted(it["title"] for it in followed.rows("job").values()) == ["changed", "second"]
        made = Change(key="k", entity="job", id=str(uuid.uuid4()), kind="create", values={"title": "made"})

        async def write() -> None:
            await followed.source.write(made)
            await followed.source.close()

        asyncio.run(write())
        assert [it for (it,) in jobs.run("SELECT title FROM job WHERE title = 'made'")] == ["made"]
        assert front.encrypted > asked > 1
        assert front.plain == 0
        found = asyncio.run(followed.source.check()).findings
        assert [it.what for it in found if it.subject == "connection" and it.verdict is Verdict.FAILURE] == []
    finally:
        followed.close()


@pytest.fixture(params=["another authority", "another name", "no TLS"])
def wrong_front(
    request: pytest.FixtureRequest, loop: LoopThread, source_server: PostgresqlServer, authority: trustme.CA
) -> Iterator[TlsFront]:
    others = {"another authority": (trustme.CA(), "localhost"), "another name": (authority, "elsewhere")}
    issuer, name = others.get(request.param, (None, ""))
    issued = issuer.issue_cert(name) if issuer else None
    with TlsFront(loop, f"{source_server.folder}/.s.PGSQL.5432", issued) as front:
        yield front


def test_who_is_not_trusted_is_told_nothing_and_named(
    jobs: SourceDatabase, wrong_front: TlsFront, authority: trustme.CA, tmp_path: Path
) -> None:
    front = wrong_front
    trusted = pem(authority, tmp_path)
    wrong = source(jobs, front, sslmode="verify-full", sslrootcert=trusted)
    with pytest.raises(SourceInvalid, match="sslrootcert"):
        asyncio.run(wrong.metadata())
    [finding] = asyncio.run(wrong.check()).findings
    assert (finding.subject, finding.verdict) == ("connection", Verdict.FAILURE)
    # The feed's own connections, which another library makes: what they are told of was found by a way that works.
    right = Followed(jobs, jobs.source(MAPPING), tmp_path / "staging.sqlite3")
    there = right.core_settings().replace(jobs.settings["url"].split()[0].removeprefix("host="), "localhost")
    there = there.replace('"port": 5432', f'"port": {front.port}').replace('"disable"', '"verify-full"')
    there = there.replace('"ca_file": null', f'"ca_file": "{trusted}"')
    feed = PostgresFeed(there, right.staging, right.model)
    with pytest.raises(CoreError) as refused:
        feed.take(rows_max=10, wait_ms=WAIT_MS)
    assert refused.value.reason == "SOURCE_INVALID"
    feed.close()
    right.close()
    assert front.plain == 0


def test_a_mode_that_verifies_needs_a_file_of_authorities(jobs: SourceDatabase, front: TlsFront) -> None:
    with pytest.raises(SourceInvalid, match="names no file"):
        source(jobs, front, sslmode="verify-full", sslrootcert="/nowhere.pem")
    with pytest.raises(SourceInvalid, match="sslmode is 'prefer'"):
        source(jobs, front, sslmode="prefer")

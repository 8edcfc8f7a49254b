"""What a PostgreSQL database keeps for us is gone when nobody follows it any more, and only that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from haversack.admin.v1 import provisioning_pb2, source_pb2
from haversack_server.connectors.postgres import _forget
from postgresql import SUPERUSER
from server.postgres_world import SourceDatabase, following
from server.running import Admin, LoopThread, RunningServer

MAPPING = "entities:\n  visit: {table: visit, id: id, attributes: {id: id, name: name}}\n"
SOCKET = ".s.PGSQL.5432"


@pytest.fixture
def database(source_database: SourceDatabase) -> SourceDatabase:
    source_database.run("CREATE TABLE visit (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text)")
    source_database.run("INSERT INTO visit (name) VALUES ('first')")
    return source_database


def slots(database: SourceDatabase) -> list[str]:
    rows = database.run("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()")
    return [str(name) for (name,) in rows]


def publications(database: SourceDatabase) -> list[str]:
    return [str(name) for (name,) in database.run("SELECT pubname FROM pg_publication")]


def test_slot_and_publication_are_dropped(database: SourceDatabase, loop: LoopThread, tmp_path: Path) -> None:
    with following(database, MAPPING, tmp_path / "staging.sqlite3") as followed:
        followed.follow()
        followed.reopen()
        told = loop.run(database.source(MAPPING).forget())
    assert (slots(database), publications(database)) == ([], [])
    assert len(told) == 2
    assert loop.run(database.source(MAPPING).forget()) == ()


def test_a_publication_that_somebody_else_has_made_stays(
    database: SourceDatabase, loop: LoopThread, tmp_path: Path
) -> None:
    database.run("CREATE PUBLICATION haversack FOR TABLE visit WITH (publish_via_partition_root = true)")
    with following(database, MAPPING, tmp_path / "staging.sqlite3") as followed:
        followed.follow()
        followed.reopen()
        loop.run(database.source(MAPPING).forget())
    assert (slots(database), publications(database)) == ([], ["haversack"])


def test_what_another_organization_follows_stays(database: SourceDatabase, loop: LoopThread, tmp_path: Path) -> None:
    with following(database, MAPPING, tmp_path / "staging.sqlite3") as followed:
        followed.follow()
        other = f"other_{database.name}"[:50]
        told = loop.run(database.source(MAPPING, slot=other).forget())
        assert len(told) == 1
        assert "may follow it" in told[0]
        assert publications(database) == ["haversack"]
        database.run("INSERT INTO visit (name) VALUES ('second')")
        assert followed.follow().counts.inserted == 1


def test_a_slot_in_use_stays_and_is_told(
    database: SourceDatabase, loop: LoopThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_forget, "RELEASE_SECONDS_MAX", 0.2)
    with following(database, MAPPING, tmp_path / "staging.sqlite3") as followed:
        followed.follow()
        told = loop.run(database.source(MAPPING).forget())
        assert f"SELECT pg_drop_replication_slot('{database.settings['slot']}')" in told[0]
        assert slots(database) == [database.settings["slot"]]


def test_a_database_that_is_away_is_told_of_and_let_go_of_later(
    server: RunningServer, admin: Admin, database: SourceDatabase, tmp_path: Path
) -> None:
    """The database is away while the organization is de-provisioned, and there again when its source is removed."""
    real = Path(database.connection.info.host) / SOCKET
    socket = tmp_path / SOCKET
    socket.symlink_to(real)
    settings = database.settings | {"url": f"host={tmp_path} user={SUPERUSER} dbname={database.name}"}
    name = admin.organization(standard=False, provisioned=False)
    request = source_pb2.SetSourceRequest(
        organization=name, kind="postgres", settings_json=json.dumps(settings), mapping=MAPPING
    )
    admin.call("sources", "SetSource", request)
    admin.provision(name)
    assert slots(database) == [database.settings["slot"]]
    socket.unlink()
    database.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    start = provisioning_pb2.StartDeprovisioningRequest(organization=name)
    admin.call("provisioning", "StartDeprovisioning", start)
    settled = admin.settled(name)
    assert settled.state == provisioning_pb2.PROVISIONING_STATE_NOT_PROVISIONED
    statement = f"SELECT pg_drop_replication_slot('{database.settings['slot']}')"
    assert [it for it in settled.operation.messages if it.text.endswith(statement)]
    assert slots(database) == [database.settings["slot"]]
    socket.symlink_to(real)
    removed = admin.call("sources", "RemoveSource", source_pb2.RemoveSourceRequest(organization=name))
    assert len(removed.notes) == 2
    assert (slots(database), publications(database)) == ([], [])

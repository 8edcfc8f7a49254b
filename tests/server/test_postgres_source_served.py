"""A PostgreSQL source under a whole server: provisioned, followed by a device, seen by those who operate it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import grpc
from haversack.admin.v1 import source_pb2
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import sync_pb2, sync_pb2_grpc
from haversack_client import Backoff, Device
from server.postgres_world import SourceDatabase
from server.running import STEP_SECONDS_MAX, Admin, RunningServer
from server.test_cli import Line
from server.test_profiles import publish, save
from server.test_sync import rows, until_checkpoint
from server.test_uploads import eventually

MAPPING = """
directory: {users: users, id: id, name: name}
entities:
  job:
    table: job
    id: id
    name: title
    owner: owner_id
    attributes: {id: id, title: title}
"""
PLAIN = """
entities:
  job:
    table: job
    id: id
    name: title
    owner: owner_id
    attributes: {id: id, title: title}
"""
USER = "00000000-0000-0000-0000-00000000000a"


def test_a_device_follows_a_database(server: RunningServer, admin: Admin, source_database: SourceDatabase) -> None:
    run = source_database.run
    run("CREATE TABLE users (id uuid PRIMARY KEY, name text); INSERT INTO users VALUES (gen_random_uuid(), 'Bob')")
    run("CREATE TABLE job (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), title text, owner_id uuid REFERENCES users)")
    run("INSERT INTO users VALUES (%s, 'Ada')", USER)
    run("INSERT INTO job (title, owner_id) SELECT 'job ' || i, %s FROM generate_series(1, 3) i", USER)
    name = admin.organization(standard=False, provisioned=False)
    settings = json.dumps(source_database.settings)
    admin.call(
        "sources",
        "SetSource",
        source_pb2.SetSourceRequest(organization=name, kind="postgres", settings_json=settings, mapping=MAPPING),
    )
    admin.call("sources", "ImportSourceMetadata", source_pb2.ImportSourceMetadataRequest(organization=name))
    admin.provision(name)
    profile = model_pb2.Profile(name="field", users=[USER])
    profile.items.add(entity="job", criteria=model_pb2.RECORD_CRITERIA_ALL)
    save(admin, name, profile)
    publish(admin, name)
    with grpc.insecure_channel(server.settings.sync_listen) as channel:
        metadata = (("authorization", f"Bearer {server.device_token(name, USER)}"),)
        request = sync_pb2.SyncRequest(install_id=uuid.uuid4().bytes, mode=sync_pb2.SYNC_MODE_LIVE)
        stream = sync_pb2_grpc.SyncServiceStub(channel).Sync(request, metadata=metadata, timeout=STEP_SECONDS_MAX)
        assert rows(until_checkpoint(stream)) == 3
        run("UPDATE job SET title = 'changed' WHERE title = 'job 1'")
        assert rows(until_checkpoint(stream)) == 1
        run("DELETE FROM job WHERE title = 'job 2'")
        assert [it.count for it in until_checkpoint(stream)[-1].checkpoint.digests] == [2]
        stream.cancel()
    answer = admin.call("sources", "GetSourceStatus", source_pb2.GetSourceStatusRequest(organization=name))
    assert answer.status.kind == "postgres"
    findings = admin.call("sources", "CheckSource", source_pb2.CheckSourceRequest(organization=name))
    failures = [it.finding for it in findings if it.finding.verdict == source_pb2.SOURCE_VERDICT_FAILURE]
    assert failures == []


def test_a_database_without_users_has_a_directory_here_until_it_brings_one(
    server: RunningServer, admin: Admin, source_database: SourceDatabase, tmp_path: Path
) -> None:
    run, line = source_database.run, Line(server.settings.data)
    run("CREATE TABLE users (id uuid PRIMARY KEY, name text); INSERT INTO users VALUES (gen_random_uuid(), 'Bob')")
    run("INSERT INTO users VALUES (%s, 'Ada of the database')", USER)
    run("CREATE TABLE job (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), title text, owner_id uuid)")
    run("INSERT INTO job (title, owner_id) SELECT 'job ' || i, %s FROM generate_series(1, 3) i", USER)
    run("INSERT INTO job (title, owner_id) VALUES ('of another', gen_random_uuid())")
    name = admin.organization(standard=False, provisioned=False)
    settings = json.dumps(source_database.settings)
    request = source_pb2.SetSourceRequest(organization=name, kind="postgres", settings_json=settings, mapping=PLAIN)
    admin.call("sources", "SetSource", request)
    line.run("source", "import", name)
    org = ("--org", name)
    line.run("unit", "add", "Acme", *org)
    line.run("role", "add", "Fitter", *org)
    line.run("role", "grant", "Fitter", "job", "all", "--depth", "user", *org)
    line.run("role", "grant", "Fitter", "mobileofflineprofile", "read", "--depth", "organization", *org)
    line.run("user", "add", "ada", "Ada", "--role", "Fitter", "--id", USER, *org)
    admin.provision(name)
    profile = model_pb2.Profile(name="field", users=[USER])
    profile.items.add(entity="job", criteria=model_pb2.RECORD_CRITERIA_ALL)
    save(admin, name, profile)
    publish(admin, name)
    token = server.device_token(name, USER)

    def names(kind: str) -> list[str]:
        found = line.json(kind, "list", *org)[f"{kind}s"]
        return [it["full_name" if kind == "user" else "name"] for it in found]

    with Device.open(tmp_path / "ada.db", server.settings.sync_listen, token, backoff=Backoff(0.01, 0.1)) as device:
        device.sync()
        assert [it["n"] for it in device.query("SELECT count(*) AS n FROM job")] == [3]
        device.update("job", device.query("SELECT id FROM job")[0][0], {"title": "changed in the field"})
        eventually(lambda: device.sync() is not None and device.outbox() == [])
        assert len(run("SELECT id FROM job WHERE title = 'changed in the field'")) == 1
        (tmp_path / "mapping.yaml").write_text(MAPPING)
        line.run("source", "map", name, "--use", tmp_path / "mapping.yaml")
        run("UPDATE job SET title = 'followed' WHERE title = 'of another'")
        line.run("role", "grant", "Fitter", "job", "read", "--depth", "organization", *org)
        eventually(lambda: device.sync() is not None and titles(device) >= {"followed"})
        assert [it["full_name"] for it in line.json("user", "list", *org)["users"]] == ["Ada"], (
            "nothing was settled yet"
        )
        line.run("source", "import", name)
        eventually(lambda: names("user") == ["Ada of the database", "Bob"] and names("role") == ["Everybody"])
        assert line.refusal("user", "set", USER, "--title", "x", *org)["reason"] == "DIRECTORY_READ_ONLY"
        line.run("team", "add", "Night shift", *org)
        assert names("team") == ["Night shift"]
        device.sync()
        assert len(titles(device)) == 4


def titles(device: Device) -> set[str]:
    return {it["title"] for it in device.query("SELECT title FROM job")}

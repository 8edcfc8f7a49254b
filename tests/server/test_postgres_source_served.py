"""A PostgreSQL source under a whole server: provisioned, followed by a device, seen by those who operate it."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

import grpc
from haversack.admin.v1 import source_pb2
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import sync_pb2, sync_pb2_grpc
from haversack_client import Backoff, Device
from haversack_server.connectors.postgres import own_settings
from server.postgres_world import SourceDatabase
from server.refusals import refused
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
    another_slot_leaves_none_behind(admin, name, source_database)
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


def another_slot_leaves_none_behind(admin: Admin, name: str, source_database: SourceDatabase) -> None:
    """Sets another slot while the old one is followed."""
    run, old = source_database.run, source_database.settings["slot"]
    request = source_pb2.SetSourceRequest(organization=name, kind="postgres")
    request.settings_json = json.dumps({**source_database.settings, "slot": f"{old[:40]}_next"})
    answer = admin.call("sources", "SetSource", request)
    assert any(old in note for note in answer.notes), answer.notes
    assert run("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", old) == []
    run("INSERT INTO job (title, owner_id) VALUES ('behind the new slot', %s)", USER)
    watch = admin.call("sources", "WatchSourceStatus", source_pb2.WatchSourceStatusRequest(organization=name))
    assert any(sum(it.rows for it in answer.status.entities if it.entity == "job") == 3 for answer in watch)
    watch.cancel()


def test_each_organization_has_a_slot_of_its_own(admin: Admin, source_database: SourceDatabase) -> None:
    settings = {key: value for key, value in source_database.settings.items() if key != "slot"}
    slots = []
    for _ in range(2):
        name = admin.organization(standard=False, provisioned=False)
        request = source_pb2.SetSourceRequest(organization=name, kind="postgres", mapping=MAPPING)
        request.settings_json = json.dumps(settings)
        admin.call("sources", "SetSource", request)
        stored = admin.call("sources", "GetSource", source_pb2.GetSourceRequest(organization=name)).source
        slots.append(json.loads(stored.settings_json)["slot"])
    assert len(set(slots)) == 2
    request.settings_json = json.dumps({**settings, "slot": slots[0]})
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "SOURCE_SLOT_TAKEN", slots[0]):
        admin.call("sources", "SetSource", request)


def test_names_of_slots_are_told_apart() -> None:
    names = ["acme", "acme-field", "acme_field", "ACME_field", "a" * 60, "a" * 61]
    slots = [own_settings(name)["slot"] for name in names]
    assert len(set(slots)) == len(names)
    assert all(re.fullmatch("[a-z0-9_]{1,50}", slot) for slot in slots)

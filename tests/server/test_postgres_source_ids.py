"""Keys of a PostgreSQL source that are texts: a row is known there by one spelling, and here by the same."""

from __future__ import annotations

import json
from pathlib import Path

from haversack.admin.v1 import source_pb2
from haversack.model.v1 import model_pb2
from haversack_client import Backoff, Device
from server.postgres_world import SourceDatabase, following
from server.running import Admin, RunningServer
from server.test_profiles import publish, save
from server.test_uploads import eventually

USER = "00000000-0000-0000-0000-00000000000a"
UPPER, BRACES = "6F9619FF-8B86-D011-B42D-00C04FC964FF", "{6f9619ff-8b86-d011-b42d-00c04fc964f0}"
PLAIN, DIGITS = "6f9619ff-8b86-d011-b42d-00c04fc964f1", "6F9619FF8B86D011B42D00C04FC964F2"
KEYS = [UPPER, BRACES, PLAIN, DIGITS, "A-1", "a-1"]
MAKE = """
CREATE TABLE users (id uuid PRIMARY KEY, name text);
CREATE TABLE customer (id varchar(40) PRIMARY KEY, name text);
CREATE TABLE job (id varchar(40) PRIMARY KEY, title text, customer_id varchar(40) REFERENCES customer)
"""
MAPPING = """
directory: {users: users, id: id, name: name}
entities:
  customer: {table: customer, id: id, attributes: {name: name}}
  job: {table: job, id: id, attributes: {title: title, customer_id: {column: customer_id, type: lookup}}}
"""


def test_copies_and_changes_keep_keys_as_they_are_written(source_database: SourceDatabase, tmp_path: Path) -> None:
    run = source_database.run
    run(MAKE)
    with following(source_database, MAPPING, tmp_path / "staging.db") as followed:
        for name, digit in (("copied", "1"), ("changed", "3")):
            for key in KEYS:
                run("INSERT INTO customer VALUES (%s, %s)", key.replace("1", digit), name)
            run("INSERT INTO job SELECT id, name, id FROM customer WHERE name = %s", name)
            followed.follow()
        wanted = dict(run("SELECT id, customer_id FROM job"))
        assert len(wanted) == 2 * len(KEYS)
        assert {key: row["customer_id"] for key, row in followed.rows("job").items()} == wanted
        run("DELETE FROM job WHERE title = 'copied'; UPDATE job SET id = id || '~'")
        followed.follow()
        assert sorted(followed.rows("job")) == sorted(key for (key,) in run("SELECT id FROM job"))


def test_rows_are_written_under_keys_of_every_spelling(
    server: RunningServer, admin: Admin, source_database: SourceDatabase, tmp_path: Path
) -> None:
    run = source_database.run
    run(MAKE)
    run("INSERT INTO users VALUES (%s, 'Ada')", USER)
    for key in KEYS:
        run("INSERT INTO customer VALUES (%s, 'C')", key)
        run("INSERT INTO job VALUES (%s, 'first')", key)
    name = admin.organization(standard=False, provisioned=False)
    request = source_pb2.SetSourceRequest(organization=name, kind="postgres", mapping=MAPPING)
    request.settings_json = json.dumps(source_database.settings)
    admin.call("sources", "SetSource", request)
    admin.call("sources", "ImportSourceMetadata", source_pb2.ImportSourceMetadataRequest(organization=name))
    admin.provision(name)
    profile = model_pb2.Profile(name="field", users=[USER])
    for entity in ("customer", "job"):
        profile.items.add(entity=entity, criteria=model_pb2.RECORD_CRITERIA_ALL)
    save(admin, name, profile)
    publish(admin, name)
    token = server.device_token(name, USER)
    with Device.open(tmp_path / "ada.db", server.settings.sync_listen, token, backoff=Backoff(0.01, 0.1)) as device:
        device.sync()
        assert sorted(row["id"] for row in device.query("SELECT id FROM job")) == sorted(KEYS)
        for key in KEYS:
            device.update("job", key, {"title": f"of {key}", "customer_id": key})
        made = device.create("job", {"title": "new", "customer_id": UPPER})
        device.delete("job", BRACES)
        eventually(lambda: device.sync() is not None and device.outbox() == [])
        assert device.refused() == []
        kept = {key: (f"of {key}", key) for key in KEYS if key != BRACES} | {made: ("new", UPPER)}
        assert {key: rest for key, *rest in run("SELECT * FROM job")} == {key: [*row] for key, row in kept.items()}
        found = device.query("SELECT job.id, title, customer.id FROM job JOIN customer ON customer.id = customer_id")
        assert {key: (title, customer) for key, title, customer in found} == kept

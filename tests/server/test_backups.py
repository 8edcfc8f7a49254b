"""Backups of real servers, restored into other places, and the devices that come back to them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import DATABASES, new_catalog
from haversack.admin.v1 import provisioning_pb2
from haversack.model.v1 import model_pb2
from haversack_client import Device
from haversack_server import backups
from haversack_server._core import Staging
from haversack_server.backups import MANIFEST_FILE, Made, Progress
from haversack_server.catalog import Catalog, copies
from haversack_server.errors import (
    BackupFailed,
    BackupInvalid,
    BackupTargetExists,
    BackupVersion,
    CatalogFailed,
    HaversackError,
    OrganizationUnknown,
)
from haversack_server.places import RESTORING_MARKER
from haversack_server.sealing import KEY_FILE as SOURCES_KEY_FILE
from haversack_server.sealing import Seal
from haversack_server.settings import Mode, ServerSettings
from server.running import LoopThread, RunningServer, running
from server.test_cli import Line
from server.test_profiles import publish, save
from server.test_uploads import ACCOUNTS, ADA, BOB, Field, eventually, names, new_field

Run = Callable[..., AbstractContextManager[RunningServer]]


@pytest.fixture
def run(loop: LoopThread) -> Run:
    """Runs a server on a data folder and a catalog while a block runs."""

    @contextmanager
    def started(data: Path, url: str = "") -> Iterator[RunningServer]:
        settings = ServerSettings(
            mode=Mode.DEVELOPMENT,
            data=data,
            database_url=url,
            admin_listen="127.0.0.1:0",
            sync_listen="127.0.0.1:0",
            stop_grace_seconds=1,
        )
        with running(loop, settings) as server:
            yield server

    return started


def back_up(server: RunningServer, place: Path, *, report: Callable[[Progress], object] = lambda _: None) -> Made:
    settings = server.settings
    return asyncio.run(backups.make(settings.data, settings.catalog_url, place, report=report))


def restore(source: Path, data: Path, url: str = "") -> None:
    asyncio.run(backups.restore(source, data, url or f"sqlite:///{data / 'catalog.sqlite3'}"))


def audited(server: RunningServer) -> list[dict[str, Any]]:
    """The audit log, oldest first."""
    return [json.loads(line) for line in Line(server.settings.data).run("audit", "--json").stdout.splitlines()]


def moved(field: Field, server: RunningServer) -> Field:
    """The same organization at a restored server."""
    return replace(field, server=server, admin=server.admin())


@pytest.fixture(scope="module")
def small(loop: LoopThread, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of one organization, for tests that only read it."""
    folder = tmp_path_factory.mktemp("small")
    settings = ServerSettings(
        mode=Mode.DEVELOPMENT, data=folder / "data", admin_listen="127.0.0.1:0", sync_listen="127.0.0.1:0"
    )
    with running(loop, settings) as server:
        new_field(server, folder)
        back_up(server, folder / "backup")
    return folder / "backup"


@pytest.mark.parametrize("kind", DATABASES)
def test_devices_bring_back_what_a_restored_server_has_lost(
    request: pytest.FixtureRequest, run: Run, tmp_path: Path, kind: str
) -> None:
    """The catalog goes from one kind of database to the other on the way."""
    other = next(it for it in DATABASES if it != kind)
    (tmp_path / "second").mkdir()
    url = new_catalog(request, other, tmp_path / "second")
    with run(tmp_path / "first", new_catalog(request, kind, tmp_path / "first") if kind == "postgresql" else "") as one:
        field = new_field(one, tmp_path)
        with field.device(ADA, "ada.db") as ada, field.device(BOB, "bob.db") as bob:
            ada.sync()
            before = ada.create("account", {"name": "Before"})
            ada.sync()
            made = back_up(one, tmp_path / "backup")
            after = ada.create("account", {"name": "After"})
            ada.update("account", ACCOUNTS[0], {"name": "Ada's"})
            ada.sync()
            bob.sync()
            bob.delete("account", ACCOUNTS[1])
            bob.update("account", after, {"name": "After Bob"})
            bob.sync()
            ada.sync()
            wanted = {before: "Before", after: "After Bob", ACCOUNTS[0]: "Ada's", ACCOUNTS[2]: "Account 3"}
            assert names(ada) == names(bob) == wanted
            bob.update("account", before, {"name": "Offline"})
            token = one.device_token(field.name, ADA)
    assert made.manifest.catalog_database == kind
    restore(tmp_path / "backup", tmp_path / "second", url)
    with run(tmp_path / "second", url) as two:
        field = moved(field, two)
        wanted[before] = "Offline"
        # In whichever order they come: Bob's change of a row that only Ada can bring back waits for nobody.
        with (
            Device.open(tmp_path / "ada.db", two.settings.sync_listen, token) as ada,
            field.device(BOB, "bob.db") as bob,
        ):
            ada.sync()
            bob.sync()
            ada.sync()
            bob.sync()
            assert names(ada) == names(bob) == wanted
            assert (ada.outbox(), bob.outbox(), field.errors()) == ([], [], [])
            assert ada.status(verify=True).verified
            ada.create("account", {"name": "New"})
            ada.sync()
            eventually(lambda: sorted(field.recorded().values()) == sorted([*wanted.values(), "New"]))
        assert [it["rpc"] for it in audited(two) if it["issuer"] == "local"] == ["local/Restore"]


def test_a_mutation_that_went_on_to_the_record_is_not_done_twice(run: Run, tmp_path: Path) -> None:
    """Staging was copied before a device wrote, the record after that had been written back."""
    with run(tmp_path / "first") as one:
        field = new_field(one, tmp_path)
        with field.device(ADA, "ada.db") as ada:
            ada.sync()
            wrote = False

            def write(progress: Progress) -> None:
                nonlocal wrote
                if not wrote and progress.bytes_done and "staging" in progress.what:
                    wrote = True
                    ada.create("account", {"name": "Made", "accountid": ACCOUNTS[0].replace("1", "9")})
                    ada.sync()
                    eventually(lambda: "Made" in field.recorded().values())

            back_up(one, tmp_path / "backup", report=write)
            assert wrote
    restore(tmp_path / "backup", tmp_path / "second")
    with run(tmp_path / "second") as two:
        field = moved(field, two)
        with field.device(ADA, "ada.db") as ada:
            eventually(lambda: (ada.sync(), "Made" in names(ada).values())[1])
            assert (ada.refused(), ada.outbox(), field.errors()) == ([], [], [])
            assert sorted(names(ada).values()) == sorted(field.recorded().values())


def test_what_is_published_while_files_are_copied_is_followed_after_a_restore(run: Run, tmp_path: Path) -> None:
    with run(tmp_path / "first") as one:
        field = new_field(one, tmp_path)
        published = False

        def publish_more(progress: Progress) -> None:
            nonlocal published
            if progress.what == "catalog.jsonl" and not published:
                published = True
                field.admin.enable(field.name, "contact")
                draft = model_pb2.Profile(name="field", users=[ADA, BOB])
                draft.items.add(entity="account", criteria=model_pb2.RECORD_CRITERIA_ALL)
                draft.items.add(entity="contact", criteria=model_pb2.RECORD_CRITERIA_ALL)
                save(field.admin, field.name, draft)
                publish(field.admin, field.name)

        back_up(one, tmp_path / "backup", report=publish_more)
        revision = Line(one.settings.data).json("org", "show", field.name)["revision"]
    restore(tmp_path / "backup", tmp_path / "second")
    with run(tmp_path / "second") as two:
        field = moved(field, two)
        with field.device(ADA, "ada.db") as ada:
            ada.sync()
            assert ada.query("SELECT count(*) FROM contact")[0][0] == 0, "the table is there"
            assert str(ada.status().model_revision) == str(revision)
        publish(field.admin, field.name)


def test_an_organization_that_is_provisioned_anew_meanwhile_is_copied_again(run: Run, tmp_path: Path) -> None:
    with run(tmp_path / "first") as one:
        field = new_field(one, tmp_path)
        again = False

        def provision(progress: Progress) -> None:
            nonlocal again
            if progress.what == "catalog.jsonl" and not again:
                again = True
                field.deprovision()
                field.admin.provision(field.name)

        made = back_up(one, tmp_path / "backup", report=provision)
        staging = [it.path for it in made.manifest.files if "staging" in it.path]
        assert len(staging) == 1
        assert Path(staging[0]).name.startswith("staging-3-"), "the third operation made it"
    restore(tmp_path / "backup", tmp_path / "second")
    with run(tmp_path / "second") as two, moved(field, two).device(ADA, "ada.db") as ada:
        ada.sync()
        assert set(names(ada)) == set(ACCOUNTS)


def test_keys_that_are_exchanged_while_files_are_copied_open_what_the_catalog_has(run: Run, tmp_path: Path) -> None:
    with run(tmp_path / "first") as one:
        one.admin().organization(standard=False)
        seal, sealed = Seal(one.settings.data), b""

        def exchange(progress: Progress) -> None:
            nonlocal sealed
            if progress.what == "catalog.jsonl" and not sealed:
                sealed = seal.seal("acme", {"password": "s"})

        made = back_up(one, tmp_path / "backup", report=exchange)
        assert [it.path for it in made.manifest.files].count(f"data/{SOURCES_KEY_FILE}") == 1
    restore(tmp_path / "backup", tmp_path / "second")
    assert Seal(tmp_path / "second").open("acme", sealed) == {"password": "s"}


def test_what_was_under_way_is_begun_again(run: Run, tmp_path: Path) -> None:
    with run(tmp_path / "first") as one:
        admin = one.admin()
        name = admin.organization(provisioned=False)
        admin.consent(name)
        request = provisioning_pb2.StartProvisioningRequest(organization=name)
        admin.call("provisioning", "StartProvisioning", request)
        back_up(one, tmp_path / "backup")
        admin.settled(name)
    restore(tmp_path / "backup", tmp_path / "second")
    with run(tmp_path / "second") as two:
        assert two.admin().settled(name).state == provisioning_pb2.PROVISIONING_STATE_PROVISIONED


def test_a_backup_is_private_whole_and_of_the_organizations_that_were_asked_for(run: Run, tmp_path: Path) -> None:
    with run(tmp_path / "data") as server:
        names = sorted(server.admin().organization(standard=False) for _ in range(2))
        line = Line(server.settings.data)
        whole, part = tmp_path / "new" / "whole", tmp_path / "part"
        made = line.json("backup", whole)
        assert [it["name"] for it in made["organizations"]] == names
        assert line.run("backup", "create", part, "--org", names[1]).stdout.count(names[1]) == 1
        assert line.json("backup", "verify", part)["is_partial"]
        assert line.refusal("backup", whole)["reason"] == "BACKUP_TARGET_EXISTS"
        assert line.refusal("backup", tmp_path / "none", "--org", "nobody")["reason"] == "ORGANIZATION_UNKNOWN"
        assert line.refusal("restore", whole)["reason"] == "BACKUP_TARGET_EXISTS"
        assert [it["target"] for it in audited(server) if it["rpc"] == "local/Backup"] == [str(whole), str(part)]
    assert sorted(it.name for it in tmp_path.iterdir()) == ["data", "new", "part"]
    for path in (whole, *whole.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    other = Line(tmp_path / "other")
    assert "restored" in other.run("restore", part).stdout
    with run(tmp_path / "other") as server:
        assert [it["name"] for it in Line(server.settings.data).json("org", "list")] == names[1:]


def test_a_stopped_server_can_be_backed_up_and_none_that_is_not_there(run: Run, tmp_path: Path) -> None:
    with run(tmp_path / "data") as server:
        name = server.admin().organization(standard=False)
    line = Line(tmp_path / "data")
    assert [it["name"] for it in line.json("backup", tmp_path / "backup")["organizations"]] == [name]
    assert Line(tmp_path / "nothing").refusal("backup", tmp_path / "other")["reason"] == "INTERNAL"
    assert not (tmp_path / "nothing").exists()


def damage_a_byte(folder: Path) -> str:
    path = next(folder.rglob("native.sqlite3"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return "other content"


def truncate(folder: Path) -> str:
    path = folder / "catalog.jsonl"
    os.truncate(path, path.stat().st_size - 1)
    return "bytes instead of"


def lose_a_file(folder: Path) -> str:
    next(folder.rglob("staging-*.sqlite3")).unlink()
    return "cannot be read"


def add_a_file(folder: Path) -> str:
    (folder / "data" / "extra").write_text("")
    return "does not belong to it"


def lose_the_manifest(folder: Path) -> str:
    (folder / MANIFEST_FILE).unlink()
    return "is no backup"


def change_manifest(folder: Path, **values: object) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def lead_out(folder: Path) -> str:
    content = json.loads((folder / MANIFEST_FILE).read_text())
    content["files"][0]["path"] = "data/../../elsewhere"
    change_manifest(folder, files=content["files"])
    return "leads out of the backup"


def name_a_folder(folder: Path) -> str:
    content = json.loads((folder / MANIFEST_FILE).read_text())
    content["files"][0]["path"] = "data"
    change_manifest(folder, files=content["files"])
    return "is a folder of a backup"


def count_other_rows(folder: Path) -> str:
    content = json.loads((folder / MANIFEST_FILE).read_text())
    change_manifest(folder, tables=content["tables"] | {"organization": 2})
    return "other rows in its catalog"


def be_of_a_newer_form(folder: Path) -> str:
    change_manifest(folder, format=2, more="unknown")
    return "use the version that made it"


def be_of_a_newer_schema(folder: Path) -> str:
    change_manifest(folder, catalog_schema="9999")
    return "or a newer one"


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (damage_a_byte, BackupInvalid),
        (truncate, BackupInvalid),
        (lose_a_file, BackupInvalid),
        (add_a_file, BackupInvalid),
        (lose_the_manifest, BackupInvalid),
        (lead_out, BackupInvalid),
        (name_a_folder, BackupInvalid),
        (count_other_rows, BackupInvalid),
        (be_of_a_newer_form, BackupVersion),
        (be_of_a_newer_schema, BackupVersion),
    ],
)
def test_what_is_not_the_backup_that_was_made_is_refused(
    small: Path, tmp_path: Path, spoil: Callable[[Path], str], kind: type[HaversackError]
) -> None:
    folder = tmp_path / "backup"
    shutil.copytree(small, folder)
    text = spoil(folder)
    with pytest.raises(kind, match=text):
        restore(folder, tmp_path / "data")
    started = spoil is count_other_rows
    assert (tmp_path / "data" / RESTORING_MARKER).exists() == started, "what is found out first leaves nothing"


def test_a_restore_that_was_broken_off_keeps_servers_out_and_can_be_repeated(
    small: Path, run: Run, tmp_path: Path
) -> None:
    folder, data = tmp_path / "backup", tmp_path / "data"
    shutil.copytree(small, folder)
    count_other_rows(folder)
    with pytest.raises(BackupInvalid):
        restore(folder, data)
    with pytest.raises(CatalogFailed, match="restored into"), run(data):
        pass
    (data / "haversack.toml").write_text('mode = "development"\n')
    findings = Line(data).json("doctor", expect=1)
    assert any(it["state"] == "BAD" and "being restored" in it["found"] for it in findings)
    with closing(sqlite3.connect(data / "catalog.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    restore(small, data)
    (data / RESTORING_MARKER).touch()
    restore(small, data)  # killed just before it took the marker away
    with run(data) as server:
        [organization] = Line(data).json("org", "list")
        assert len(moved_names(server, organization["name"], tmp_path)) == len(ACCOUNTS)


def moved_names(server: RunningServer, organization: str, folder: Path) -> dict[str, str]:
    with Field(server, server.admin(), organization, folder).device(ADA, "device.db") as device:
        device.sync()
        return names(device)


def test_nothing_is_restored_over_what_is_there(small: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "organizations").mkdir(parents=True)
    (data / "haversack.toml").write_text("")
    with pytest.raises(BackupTargetExists, match="organizations"):
        restore(small, data)
    assert sorted(it.name for it in data.iterdir()) in (
        ["haversack.toml", "organizations"],
        ["catalog.sqlite3", "haversack.toml", "organizations"],
    )
    (data / "organizations").rmdir()
    restore(small, data)
    with pytest.raises(BackupTargetExists, match="catalog"):
        restore(small, data)


def test_every_staging_database_begins_a_new_epoch_and_record_databases_do_not(small: Path, tmp_path: Path) -> None:
    restore(small, tmp_path / "data")
    epochs: list[bytes] = []
    for name in ("native.sqlite3", "staging-*.sqlite3"):
        for root in (small / "data", tmp_path / "data"):
            path = next(root.rglob(name))
            copy = tmp_path / f"{len(epochs)}.sqlite3"
            shutil.copy(path, copy)
            staging = Staging.open(str(copy))
            epochs.append(staging.epoch)
            staging.close()
    assert epochs[0] == epochs[1]
    assert epochs[2] != epochs[3]
    with closing(sqlite3.connect(tmp_path / "data" / "catalog.sqlite3")) as connection:
        assert connection.execute("SELECT epoch FROM provisioning").fetchone() == (epochs[3],)


def test_a_backup_that_cannot_be_written_leaves_nothing(run: Run, tmp_path: Path) -> None:
    with run(tmp_path / "data") as server:
        server.admin().organization()
        shutil.rmtree(server.settings.data / "organizations")
        with pytest.raises(BackupFailed, match="cannot be copied"):
            back_up(server, tmp_path / "backup")
        with pytest.raises(OrganizationUnknown):
            asyncio.run(
                backups.make(server.settings.data, server.settings.catalog_url, tmp_path / "backup", names=["nobody"])
            )
    assert [it.name for it in tmp_path.iterdir()] == ["data"]


def test_the_catalogs_rows_and_numbers_are_the_same_in_either_kind_of_database(
    small: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    def rows(data: Path, url: str) -> list[bytes]:
        async def write() -> list[bytes]:
            catalog = await Catalog.attach(url)
            try:
                path = data / "rows"
                async with catalog.snapshot() as connection:
                    with path.open("wb") as out:
                        await copies.write(connection, out, None)
            finally:
                await catalog.close()
            return path.read_bytes().splitlines()

        return asyncio.run(write())

    found = []
    for kind in DATABASES:
        data = tmp_path / kind
        data.mkdir()
        url = new_catalog(request, kind, data)
        restore(small, data, url)
        found.append([line for line in rows(data, url) if b"local/Restore" not in line and b'"epoch"' not in line])
    one, other = ([_timeless(line) for line in lines if not _names_an_epoch(line)] for lines in found)
    assert one == other


EARLIEST_US = 1_500_000_000_000_000
"""From here on a number is a moment."""


def _timeless(line: bytes) -> Any:
    """A row without the moment of the restore, at which work items become due."""
    content = json.loads(line)
    if isinstance(content, list) and "native" in content and "ACTIVE" in content:
        return [it for it in content if not isinstance(it, int) or it < EARLIEST_US]
    return content


def _names_an_epoch(line: bytes) -> bool:
    content = json.loads(line)
    return isinstance(content, list) and "PROVISIONED" in content

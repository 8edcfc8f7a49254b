"""Sources outside, operated: set, provisioned from, followed, paused, asked again, taken away; and their secrets."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from conftest import new_catalog
from haversack.admin.v1 import directory_pb2, provisioning_pb2, security_pb2, work_pb2
from haversack.admin.v1 import source_pb2 as pb
from haversack_server.catalog import organizations, sources
from haversack_server.catalog.organizations import Organization
from haversack_server.catalog.sources import StoredSource
from haversack_server.errors import ConfigurationInvalid, SourceThrottled
from haversack_server.metadata import KEEPABLE_ENTITIES
from haversack_server.sealing import KEY_FILE, Seal
from haversack_server.settings import Mode, ServerSettings
from server.refusals import reason_of
from server.running import Admin, LoopThread, RunningServer, running
from server.shelf import ENTITY, Shelf, connectors
from server.test_cli import Line
from sqlalchemy.ext.asyncio import AsyncConnection

SECRET = "correct horse battery staple"
KINDS = ("shelf", "shelf-live")
WAIT_SECONDS = 10.0


@dataclass
class Site:
    """A server, and the shelves that its organizations can have as sources.

    Attributes:
        server: The server.
        admin: Its services.
        shelves: By name.
        line: A command line beside it.
    """

    server: RunningServer
    admin: Admin
    shelves: dict[str, Shelf] = field(default_factory=dict)

    @property
    def line(self) -> Line:
        return Line(self.server.settings.data)

    def call(self, method: str, request: object) -> object:
        return self.admin.call("sources", method, request)

    def shelf(self, name: str, rows: int = 0) -> Shelf:
        """Makes a shelf with rows."""
        folder = self.server.settings.data / f"shelf-{name}"
        folder.mkdir()
        made = self.shelves[name] = Shelf(folder)
        for number in range(1, rows + 1):
            made.put(number, f"row {number}")
        return made

    def set(self, organization: str, kind: str, shelf: str, password: str = "") -> pb.SetSourceResponse:
        """Gives an organization a shelf as its source."""
        request = pb.SetSourceRequest(
            organization=organization,
            kind=kind,
            settings_json=json.dumps({"shelf": shelf}),
            secrets={"password": password} if password else {},
        )
        answer = self.call("SetSource", request)
        assert isinstance(answer, pb.SetSourceResponse)
        return answer

    def organization(self, kind: str, shelf: str) -> str:
        """Makes an organization that is provisioned from a shelf."""
        name = self.admin.organization(standard=False)
        self.set(name, kind, shelf)
        self.admin.provision(name)
        return name

    def status(self, organization: str) -> pb.SourceStatus:
        answer = self.call("GetSourceStatus", pb.GetSourceStatusRequest(organization=organization))
        assert isinstance(answer, pb.GetSourceStatusResponse)
        return answer.status

    def until(self, organization: str, condition: Callable[[pb.SourceStatus], bool]) -> pb.SourceStatus:
        """Watches an organization's source until it is as it must become."""
        request = pb.WatchSourceStatusRequest(organization=organization)
        answers = self.admin.call("sources", "WatchSourceStatus", request)
        try:
            for answer in answers:
                status: pb.SourceStatus = answer.status
                if condition(status):
                    return status
        finally:
            answers.cancel()
        raise AssertionError("the watch has ended")

    def until_rows(self, organization: str, rows: int) -> pb.SourceStatus:
        return self.until(organization, lambda it: sum(each.rows for each in it.entities if each.entity) == rows)

    def head(self, organization: str) -> int:
        return int(self.line.json("org", "show", organization)["lsn"])


@pytest.fixture
def site(request: pytest.FixtureRequest, loop: LoopThread, tmp_path: Path) -> Iterator[Site]:
    yield from _site(request, loop, tmp_path, "sqlite")


@pytest.fixture(params=["sqlite", "postgresql"])
def any_site(request: pytest.FixtureRequest, loop: LoopThread, tmp_path: Path) -> Iterator[Site]:
    yield from _site(request, loop, tmp_path, request.param)


def _site(request: pytest.FixtureRequest, loop: LoopThread, folder: Path, database: str) -> Iterator[Site]:
    settings = ServerSettings(
        mode=Mode.DEVELOPMENT,
        data=folder,
        database_url=new_catalog(request, database, folder),
        admin_listen="127.0.0.1:0",
        sync_listen="127.0.0.1:0",
        metrics_listen="127.0.0.1:0",
        stop_grace_seconds=1,
    )
    shelves: dict[str, Shelf] = {}
    with running(loop, settings, connectors(shelves)) as server:
        yield Site(server, server.admin(), shelves)
    for shelf in shelves.values():
        assert shelf.opened == 0, "every source was closed"
        shelf.close()


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(grpc.RpcError) as error:
        call()
    return reason_of(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_organization_is_provisioned_from_its_source_and_follows_it(any_site: Site, kind: str) -> None:
    shelf = any_site.shelf("tools", rows=30)
    name = any_site.organization(kind, "tools")
    progress = any_site.admin.settled(name).operation
    assert [(it.entity, it.rows_done, it.rows_total) for it in progress.entities] == [(ENTITY, 30, 30)]
    assert any("left out: visit.photo" in it.text for it in progress.messages)
    shelf.put(31, "new")
    shelf.take_off(1)
    shelf.take_off(2)
    any_site.until_rows(name, 29)
    status = any_site.until(name, lambda it: it.entities[0].position != "")
    assert (status.kind, status.paused) == (kind, False)
    feed = status.entities[0]
    assert (feed.entity, feed.mode, feed.lag_seconds) == ("" if kind == "shelf-live" else ENTITY, "shelf log", 0.5)
    assert feed.item > 0
    shown = any_site.line.run("org", "status", name).stdout
    assert "shelf log" in shown
    assert any_site.line.json("org", "status", name)["source"]["kind"] == kind
    assert (
        any_site.admin.call(
            "provisioning", "GetProvisioning", provisioning_pb2.GetProvisioningRequest(organization=name)
        ).provisioning.source.kind
        == kind
    )


def test_de_provisioning_closes_the_source_and_it_can_be_removed_then(site: Site) -> None:
    shelf = site.shelf("tools", rows=3)
    name = site.organization("shelf-live", "tools")
    remove = pb.RemoveSourceRequest(organization=name)
    assert refused(lambda: site.call("RemoveSource", remove)) == "TRANSITION_ILLEGAL"
    assert refused(lambda: site.set(name, "shelf", "tools")) == "TRANSITION_ILLEGAL"
    request = provisioning_pb2.StartDeprovisioningRequest(organization=name)
    site.admin.call("provisioning", "StartDeprovisioning", request)
    assert site.admin.settled(name).state == provisioning_pb2.PROVISIONING_STATE_NOT_PROVISIONED
    assert shelf.opened == 0
    assert "the mark is off the shelf" in said(site, name)
    site.set(name, "shelf", "tools")
    assert removed(site, name) == ["the mark is off the shelf"]
    assert refused(lambda: site.call("GetSource", pb.GetSourceRequest(organization=name))) == "SOURCE_UNKNOWN"
    site.admin.provision(name)


def test_a_source_that_does_not_answer_keeps_nobody_from_leaving_it(site: Site) -> None:
    shelf = site.shelf("tools", rows=3)
    name = site.organization("shelf-live", "tools")
    with shelf.outage():
        request = provisioning_pb2.StartDeprovisioningRequest(organization=name)
        site.admin.call("provisioning", "StartDeprovisioning", request)
        assert site.admin.settled(name).state == provisioning_pb2.PROVISIONING_STATE_NOT_PROVISIONED
    assert [it for it in said(site, name) if it.endswith("by hand")]


def test_a_source_that_was_never_followed_is_left_as_it_is(site: Site) -> None:
    site.shelf("tools", rows=3)
    name = site.admin.organization(standard=False, provisioned=False)
    site.set(name, "shelf", "tools")
    assert removed(site, name) == []


def removed(site: Site, organization: str) -> list[str]:
    """Removes a source; returns what it has said about that."""
    answer = site.call("RemoveSource", pb.RemoveSourceRequest(organization=organization))
    assert isinstance(answer, pb.RemoveSourceResponse)
    return list(answer.notes)


def said(site: Site, organization: str) -> list[str]:
    """What the last operation on an organization has said."""
    request = provisioning_pb2.GetProvisioningRequest(organization=organization)
    answer = site.admin.call("provisioning", "GetProvisioning", request)
    return [it.text for it in answer.provisioning.operation.messages]


def test_rows_and_directory_belong_to_the_source(site: Site) -> None:
    site.shelf("tools", rows=1)
    name = site.organization("shelf", "tools")
    assert refused(lambda: site.admin.ingest(name, ENTITY, b"visitid,name\n")) == "SOURCE_OWNS_ROWS"
    site.shelf("people").brings = [*KEEPABLE_ENTITIES]
    name = site.organization("shelf", "people")
    assert refused(lambda: site.admin.ingest(name, "team", b"teamid,name\n")) == "SOURCE_OWNS_ROWS"
    edit = directory_pb2.DirectoryEdit(delete_team="x")
    change = directory_pb2.ChangeDirectoryRequest(organization=name, edits=[edit])
    assert refused(lambda: site.admin.call("directory", "ChangeDirectory", change)) == "DIRECTORY_READ_ONLY"
    assert list(site.status(name).brought) == sorted(KEEPABLE_ENTITIES)


def test_what_the_source_does_not_bring_of_the_directory_is_kept_here(any_site: Site) -> None:
    shelf = any_site.shelf("tools", rows=1)
    shelf.brings = ["systemuser", "usersettings"]
    name = any_site.organization("shelf", "tools")
    unit = directory_pb2.DirectoryEdit(create_business_unit=directory_pb2.CreateTreeNode(name="All"))
    user = directory_pb2.DirectoryEdit(create_user=directory_pb2.CreateUser(domain_name="ada", full_name="Ada"))

    def change(*edits: directory_pb2.DirectoryEdit) -> directory_pb2.ChangeDirectoryResponse:
        request = directory_pb2.ChangeDirectoryRequest(organization=name, edits=edits)
        answer = any_site.admin.call("directory", "ChangeDirectory", request)
        assert isinstance(answer, directory_pb2.ChangeDirectoryResponse)
        return answer

    assert change(unit).lsn > 0
    assert refused(lambda: change(user)) == "DIRECTORY_READ_ONLY"
    shelf.brings = []
    notes = any_site.line.json("source", "import", name)["notes"]
    assert any("does not bring systemuser, usersettings" in it for it in notes)
    assert change(user).lsn > 0
    before = {it.entity: it.rows for it in any_site.status(name).entities}
    assert (before["systemuser"], before["businessunit"]) == (1, 1)
    shelf.brings = ["systemuser"]
    any_site.line.run("source", "import", name)
    any_site.until(name, lambda it: {each.entity: each.rows for each in it.entities}["systemuser"] == 0)
    assert refused(lambda: change(user)) == "DIRECTORY_READ_ONLY"
    shelf.brings = []
    any_site.line.run("source", "import", name)
    any_site.until(name, lambda it: {each.entity: each.rows for each in it.entities}["systemuser"] == 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_paused_source_is_left_alone_until_it_is_resumed(site: Site, kind: str) -> None:
    shelf = site.shelf("tools", rows=2)
    name = site.organization(kind, "tools")
    site.until_rows(name, 2)
    site.line.run("source", "pause", name)
    assert site.status(name).paused
    site.until(name, lambda it: all(each.state != work_pb2.WORK_ITEM_STATE_RUNNING for each in it.entities))
    takes = shelf.takes
    shelf.put(3, "while nobody looks")
    other = site.organization("shelf", "tools")
    site.until_rows(other, 3)
    assert sum(it.rows for it in site.status(name).entities if it.entity) == 2
    takes_of_other = shelf.takes - takes
    assert takes_of_other > 0
    site.line.run("source", "resume", name)
    site.until_rows(name, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_resync_asks_for_all_and_draws_no_lsn(any_site: Site, kind: str) -> None:
    shelf = any_site.shelf("tools", rows=5)
    name = any_site.organization(kind, "tools")
    any_site.until_rows(name, 5)
    head = any_site.head(name)
    answer = any_site.call("ResyncEntity", pb.ResyncEntityRequest(organization=name, entity=ENTITY))
    assert isinstance(answer, pb.ResyncEntityResponse)
    read = work_pb2.GetWorkItemRequest(organization=name, number=answer.item.number)
    any_site.until(name, lambda _: any_site.admin.call("work", "GetWorkItem", read).item.totals.counts.unchanged >= 5)
    assert (shelf.resyncs, any_site.head(name)) == ([ENTITY], head)
    wrong = pb.ResyncEntityRequest(organization=name, entity="nothing")
    assert refused(lambda: any_site.call("ResyncEntity", wrong)) == "ENTITY_UNKNOWN"


def test_an_entity_of_haversack_s_own_rows_can_be_read_again_too(site: Site) -> None:
    name = site.admin.organization()
    answer = site.call("ResyncEntity", pb.ResyncEntityRequest(organization=name, entity="account"))
    assert isinstance(answer, pb.ResyncEntityResponse)
    site.until(name, lambda it: next(e for e in it.entities if e.entity == "account").mode == "record database")


def test_an_outage_is_shown_and_never_gives_an_item_up(site: Site) -> None:
    shelf = site.shelf("tools", rows=2)
    name = site.organization("shelf", "tools")
    with shelf.outage():
        status = site.until(name, lambda it: it.entities[0].error != "")
        assert status.entities[0].error_reason > 0
        assert "does not answer" in site.line.run("source", "status", name).stdout
    shelf.put(3, "after it")
    site.until_rows(name, 3)


def test_a_throttled_source_is_left_alone_as_long_as_it_asks_and_holds_no_other_up(site: Site) -> None:
    shelf, other = site.shelf("tools", rows=2), site.shelf("toys", rows=2)
    name, beside = site.organization("shelf", "tools"), site.organization("shelf", "toys")
    shelf.failure = SourceThrottled("too many questions; wait an hour", retry_seconds=3_600)
    status = site.until(name, lambda it: it.entities[0].error != "")
    assert status.entities[0].next_run_at_us - status.checked_at_us > 3_000 * 1_000_000
    takes = shelf.takes
    other.put(3, "not held up")
    site.until_rows(beside, 3)
    assert shelf.takes == takes
    shelf.failure = None


def test_a_step_waits_for_a_source_that_does_not_answer_and_can_be_stopped(site: Site) -> None:
    shelf = site.shelf("tools", rows=2)
    name = site.admin.organization(standard=False)
    site.set(name, "shelf", "tools")
    site.call("ImportSourceMetadata", pb.ImportSourceMetadataRequest(organization=name))
    site.admin.consent(name)
    start = provisioning_pb2.StartProvisioningRequest(organization=name)
    with shelf.outage():
        site.admin.call("provisioning", "StartProvisioning", start)
        failed = site.admin.settled(name)
        assert failed.operation.failure.step == provisioning_pb2.PROVISIONING_STEP_VALIDATE
        assert "does not answer" in failed.operation.failure.message
    site.admin.call("provisioning", "RetryProvisioning", provisioning_pb2.RetryProvisioningRequest(organization=name))
    assert site.admin.settled(name).state == provisioning_pb2.PROVISIONING_STATE_PROVISIONED


def test_a_check_says_as_it_goes_what_will_work(site: Site) -> None:
    shelf = site.shelf("tools")
    name = site.admin.organization(standard=False)
    site.set(name, "shelf", "tools")
    shown = site.line.run("source", "check", name).stdout
    assert "ok      shelf: it answers" in shown
    assert "warning log: it is short" in shown
    assert "1 things cannot be kept" in shown
    with shelf.outage():
        lines = site.line.run("source", "check", name, "--json", expect=1).stdout.splitlines()
        assert [json.loads(it)["verdict"] for it in lines][1] == "SOURCE_VERDICT_FAILURE"
    del site.shelves["tools"]
    assert "no shelf" in site.line.run("source", "check", name, expect=1).stdout
    site.shelves["tools"] = shelf


def test_metadata_comes_from_the_source_and_what_is_left_out_is_listed(site: Site) -> None:
    site.shelf("tools")
    name = site.admin.organization(standard=False)
    site.set(name, "shelf", "tools")
    dry = site.line.json("source", "import", name, "--dry-run")
    kept = sorted(KEEPABLE_ENTITIES)
    assert (dry["added"], dry["kept"]) == ([ENTITY, *kept], kept)
    assert dry["unmapped"] == [{"subject": "visit.photo", "why": "there is no type for it"}]
    assert site.line.json("source", "import", name)["added"] == [ENTITY, *kept]
    assert site.line.json("source", "import", name)["unchanged"] == [ENTITY]


def test_a_mapping_is_made_edited_and_set(site: Site, tmp_path: Path) -> None:
    site.shelf("tools")
    name = site.admin.organization(standard=False)
    site.set(name, "shelf", "tools")
    made = site.line.run("source", "map", name).stdout
    assert made.startswith("# Entities of the shelf.")
    file = tmp_path / "mapping.yaml"
    file.write_text(made + "# edited\n")
    assert site.line.run("source", "map", name, "--use", file).stdout.endswith("# edited\n")
    assert site.line.json("source", "show", name)["has_mapping"]


def test_secrets_come_from_places_and_never_come_back(
    any_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    any_site.shelf("tools").secret = SECRET
    name = any_site.admin.organization(standard=False)
    add = ("source", "add", name, "--kind", "shelf", "--set", "shelf=tools")
    assert any_site.line.refusal(*add)["reason"] == "SOURCE_INVALID"
    for wrong in (f"password={SECRET}", "password=env:NO_SUCH_VARIABLE", "password=file:/no/such/file"):
        assert SECRET not in any_site.line.run(*add, "--secret", wrong, expect=2).output
    # Where no secret belongs, none is kept either: the settings are refused, and the audit log does not tell them.
    assert any_site.line.refusal(*add, "--set", f"password={SECRET}")["reason"] == "SOURCE_INVALID"
    monkeypatch.setenv("SHELF_SECRET", SECRET)
    said = any_site.line.run(*add, "--secret", "password=env:SHELF_SECRET").output
    place = tmp_path / "secret.txt"
    place.write_text(SECRET + "\n")
    said += any_site.line.run(*add, "--secret", f"password=file:{place}").output
    for words in (("show", name), ("show", name, "--json"), ("check", name), ("status", name)):
        said += any_site.line.run("source", *words).output
    assert SECRET not in said
    assert any_site.line.json("source", "show", name)["secret_names"] == ["password"]
    any_site.line.run("source", "add", name, "--set", f"password={SECRET}", "--dry-run")
    entries = any_site.admin.call("audit", "QueryAudit", security_pb2.QueryAuditRequest(organization=name)).entries
    assert any(it.rpc.endswith("SetSource") for it in entries)
    assert SECRET not in str(entries)


def test_secrets_are_sealed_in_the_catalog_and_their_key_can_be_exchanged(site: Site) -> None:
    site.shelf("tools").secret = SECRET
    name = site.admin.organization(standard=False)
    site.set(name, "shelf", "tools", password=SECRET)
    keys = site.server.settings.data / KEY_FILE
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    before, sealed = keys.read_bytes(), _sealed(site, name)
    assert SECRET.encode() not in sealed
    assert site.line.json("source", "rotate-key")["sources"] == 1
    assert (keys.read_bytes() != before, _sealed(site, name) != sealed) == (True, True)
    assert Seal(site.server.settings.data).open(name, _sealed(site, name)) == {"password": SECRET}
    # What was there stays without being told again, and goes when it is to.
    site.set(name, "shelf", "tools")
    forget = ("source", "add", name, "--unset", "password")
    assert site.line.refusal(*forget)["reason"] == "SOURCE_INVALID"


def test_secrets_are_not_carried_to_another_address(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELF_SECRET", SECRET)
    site.shelf("tools").secret = SECRET
    site.shelf("toys")
    name = site.admin.organization(standard=False)
    site.set(name, "shelf", "tools", password=SECRET)
    for more in ((), ("--dry-run",)):
        refusal = site.line.refusal("source", "add", name, "--set", "shelf=toys", *more)
        assert refusal["reason"] == "SOURCE_SECRETS_MISSING"
        assert "password" in refusal["message"]
    assert json.loads(site.line.json("source", "show", name)["settings_json"]) == {"shelf": "tools"}
    site.line.run("source", "add", name, "--set", "interval_seconds=2")
    site.line.run("source", "add", name, "--set", "shelf=toys", "--secret", "password=env:SHELF_SECRET")
    site.line.run("source", "add", name, "--set", "shelf=tools", "--secret", "password=env:SHELF_SECRET")
    site.line.run("source", "add", name, "--set", "shelf=toys", "--unset", "password")
    assert site.line.json("source", "show", name)["secret_names"] == []


def test_where_the_server_connects_is_not_for_administrators_of_organizations(site: Site) -> None:
    site.shelf("tools")
    name = site.admin.organization(standard=False)
    site.set(name, "shelf", "tools")
    mine = site.server.admin(site.server.admin_token(name))
    request = pb.SetSourceRequest(organization=name, kind="shelf", settings_json='{"shelf": "tools"}')
    for dry_run in (False, True):
        request.dry_run = dry_run
        assert refused(lambda: mine.call("sources", "SetSource", request)) == "ROLE_INSUFFICIENT"
    for method, asked in (
        ("SetMapping", pb.SetMappingRequest(organization=name, mapping="# none\n")),
        ("PauseSource", pb.PauseSourceRequest(organization=name)),
        ("ResumeSource", pb.ResumeSourceRequest(organization=name)),
        ("RemoveSource", pb.RemoveSourceRequest(organization=name)),
    ):
        mine.call("sources", method, asked)
    entries = mine.call("audit", "QueryAudit", security_pb2.QueryAuditRequest(organization=name)).entries
    set_by = [(it.organization, it.outcome) for it in entries if it.rpc.endswith("SetSource")]
    assert sorted(set_by) == [(name, "OK"), (name, "ROLE_INSUFFICIENT"), (name, "ROLE_INSUFFICIENT")]


def test_a_source_whose_key_is_lost_is_set_again_with_its_secrets(site: Site) -> None:
    site.shelf("tools").secret = SECRET
    name = site.admin.organization(standard=False)
    site.set(name, "shelf", "tools", password=SECRET)
    keys = site.server.settings.data / KEY_FILE
    kept = keys.read_bytes()
    keys.unlink()
    try:
        assert refused(lambda: site.set(name, "shelf", "tools")) == "CONFIGURATION_INVALID"
        site.set(name, "shelf", "tools", password=SECRET)
        assert Seal(site.server.settings.data).open(name, _sealed(site, name)) == {"password": SECRET}
    finally:
        # Other sources of this server are sealed with it.
        keys.write_bytes(kept)


def _sealed(site: Site, organization: str) -> bytes:
    with sqlite3.connect(f"file:{site.server.settings.data / 'catalog.sqlite3'}?mode=ro", uri=True) as catalog:
        query = "SELECT secrets FROM source WHERE organization = ?"
        return bytes(catalog.execute(query, (organization,)).fetchone()[0])


def test_a_first_source_that_is_set_while_the_key_is_exchanged_keeps_its_secrets(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.shelf("tools").secret = SECRET
    site.set(site.admin.organization(standard=False), "shelf", "tools", password=SECRET)
    name = site.admin.organization(standard=False)
    adding, sealed, listed = threading.Event(), threading.Event(), threading.Event()
    add, put, everything = Seal.add_key, sources.put, organizations.all_by_name

    def after_it_is_sealed(seal: Seal) -> frozenset[str]:
        adding.set()
        sealed.wait(WAIT_SECONDS)
        return add(seal)

    async def after_it_is_listed(connection: AsyncConnection, stored: StoredSource) -> None:
        if stored.organization == name and not sealed.is_set():
            sealed.set()
            await asyncio.to_thread(listed.wait, WAIT_SECONDS)
        await put(connection, stored)

    async def listing(connection: AsyncConnection) -> list[Organization]:
        found = await everything(connection)
        listed.set()
        return found

    monkeypatch.setattr(Seal, "add_key", after_it_is_sealed)
    monkeypatch.setattr(sources, "put", after_it_is_listed)
    monkeypatch.setattr(organizations, "all_by_name", listing)
    with ThreadPoolExecutor() as threads:
        rotating = threads.submit(site.call, "RotateSourceKey", pb.RotateSourceKeyRequest())
        adding.wait(WAIT_SECONDS)
        site.set(name, "shelf", "tools", SECRET)
        rotating.result()
    assert Seal(site.server.settings.data).open(name, _sealed(site, name)) == {"password": SECRET}


def test_keys_that_are_exchanged_at_once_do_not_lose_each_other(tmp_path: Path) -> None:
    seal = Seal(tmp_path)
    seal.seal("acme", {"password": SECRET})
    first, second = seal.add_key(), seal.add_key()
    between = seal.seal("acme", {"password": SECRET})
    seal.drop_keys(first)
    assert seal.open("acme", between) == {"password": SECRET}
    assert len(second - first) == 1


def test_secrets_of_one_organization_open_for_no_other_and_not_without_the_key(tmp_path: Path) -> None:
    seal = Seal(tmp_path)
    sealed = seal.seal("acme", {"password": SECRET})
    assert (seal.open("acme", sealed), seal.open("acme", b"")) == ({"password": SECRET}, {})
    for organization, content in (("other", sealed), ("acme", sealed[:-1] + bytes([sealed[-1] ^ 1]))):
        with pytest.raises(ConfigurationInvalid, match="set the source again"):
            seal.open(organization, content)
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(ConfigurationInvalid, match="restore"):
        seal.open("acme", sealed)


def test_settings_are_judged_before_they_are_kept(site: Site) -> None:
    site.shelf("tools")
    name = site.admin.organization(standard=False)
    assert refused(lambda: site.set(name, "nothing", "tools")) == "SOURCE_UNKNOWN"
    assert refused(lambda: site.set(name, "shelf", "toys")) == "SOURCE_INVALID"
    broken = pb.SetSourceRequest(organization=name, kind="shelf", settings_json="[1]")
    assert refused(lambda: site.call("SetSource", broken)) == "SOURCE_INVALID"
    dry = ("source", "add", name, "--kind", "shelf", "--set", "shelf=tools", "--dry-run")
    assert site.line.json(*dry)["source"]["revision"] == "1"
    assert site.line.refusal("source", "show", name)["reason"] == "SOURCE_UNKNOWN"


def test_settings_that_change_count_at_once(site: Site) -> None:
    shelf, other = site.shelf("tools", rows=2), site.shelf("toys", rows=7)
    name = site.organization("shelf-live", "tools")
    site.until_rows(name, 2)
    site.line.run("source", "add", name, "--set", "shelf=toys")
    site.until_rows(name, 7)
    assert (shelf.opened, other.opened) == (0, 1)


def test_a_source_is_followed_again_after_a_restart(loop: LoopThread, tmp_path: Path) -> None:
    name = ""
    shelves: dict[str, Shelf] = {}
    for rows in (2, 3):
        settings = ServerSettings(
            mode=Mode.DEVELOPMENT,
            data=tmp_path,
            database_url=f"sqlite:///{tmp_path / 'catalog.sqlite3'}",
            admin_listen="127.0.0.1:0",
            sync_listen="127.0.0.1:0",
            stop_grace_seconds=1,
        )
        with running(loop, settings, connectors(shelves)) as server:
            site = Site(server, server.admin(), shelves)
            if not name:
                site.shelf("tools", rows=2)
                name = site.organization("shelf-live", "tools")
            site.until_rows(name, rows)
        shelves["tools"].put(3, "while it was down")
    shelves["tools"].close()

"""Profiles through the admin endpoint: drafts, refusals, publishes, and what a crash between two databases leaves."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from haversack.admin.v1 import admin_pb2, entities_pb2, profiles_pb2
from haversack.model.v1 import filter_pb2, model_pb2
from haversack_server.provisioning.files import newest
from haversack_server.settings import Mode, ServerSettings
from server.refusals import refused
from server.running import Admin, LoopThread, RunningServer, running
from server.test_entities import document

pytestmark = pytest.mark.on_every_database

CODE = grpc.StatusCode
USER = "4103c891-37e8-4dfc-aeac-b55e2bc1be1c"
OPEN_ONLY = '<filter><condition attribute="statecode" operator="eq" value="0"/></filter>'
NONSENSE = '<filter><condition attribute="statecode" operator="sings"/></filter>'


def profile(name: str = "field", *, fetch_xml: str = OPEN_ONLY, users: tuple[str, ...] = (USER,)) -> model_pb2.Profile:
    """A profile on accounts and their contacts."""
    account = model_pb2.ProfileItem(
        entity="account",
        criteria=model_pb2.RECORD_CRITERIA_CUSTOM,
        filter=filter_pb2.Filter(fetch_xml=fetch_xml),
        associations=[model_pb2.Association(relationship="contact_customer_accounts")],
    )
    contact = model_pb2.ProfileItem(entity="contact", criteria=model_pb2.RECORD_CRITERIA_RELATED_ONLY)
    return model_pb2.Profile(name=name, items=[account, contact], users=users)


def save(admin: Admin, organization: str, draft: model_pb2.Profile) -> profiles_pb2.SaveProfileResponse:
    request = profiles_pb2.SaveProfileRequest(organization=organization, profile=draft)
    response: profiles_pb2.SaveProfileResponse = admin.call("profiles", "SaveProfile", request)
    return response


def publish(admin: Admin, organization: str, name: str = "field") -> profiles_pb2.PublishProfileResponse:
    request = profiles_pb2.PublishProfileRequest(organization=organization, name=name)
    response: profiles_pb2.PublishProfileResponse = admin.call("profiles", "PublishProfile", request)
    return response


def summary(admin: Admin, organization: str, name: str = "field") -> profiles_pb2.ProfileSummary:
    request = profiles_pb2.GetProfileRequest(organization=organization, name=name)
    found: profiles_pb2.ProfileSummary = admin.call("profiles", "GetProfile", request).summary
    return found


def shown(admin: Admin, organization: str) -> admin_pb2.Organization:
    request = admin_pb2.GetOrganizationRequest(name=organization)
    found: admin_pb2.Organization = admin.call("organizations", "GetOrganization", request).organization
    return found


@pytest.fixture
def organization(admin: Admin) -> str:
    """An organization with the shipped metadata, accounts and contacts enabled."""
    name = admin.organization()
    admin.enable(name, "account", "contact")
    return name


def test_a_draft_is_kept_as_written_and_becomes_a_revision(admin: Admin, organization: str) -> None:
    draft = profile()
    draft.revision = 99
    draft.items[0].filter.compiled.group.join = filter_pb2.FILTER_JOIN_OR
    answer = save(admin, organization, draft)
    expected = profiles_pb2.ProfileSummary(name="field", items=2, users=1, changed=True, draft_version=1)
    assert answer.summary.draft_at_us > 0
    expected.draft_at_us, expected.draft_author = answer.summary.draft_at_us, "tester"
    assert (answer.summary, list(answer.warnings)) == (expected, [])
    request = profiles_pb2.GetProfileRequest(organization=organization, name="field")
    assert admin.call("profiles", "GetProfile", request).profile == profile()

    before = shown(admin, organization).lsn
    published = publish(admin, organization)
    assert (published.profile_revision, published.revision, published.lsn) == (1, 1, before + 1)
    assert (summary(admin, organization).revision, summary(admin, organization).changed) == (1, False)
    assert (shown(admin, organization).revision, shown(admin, organization).lsn) == (1, before + 1)

    save(admin, organization, profile(users=()))
    assert summary(admin, organization).changed
    again = publish(admin, organization)
    assert (again.profile_revision, again.revision) == (2, 2)


def test_revisions_of_profiles_and_of_the_organization_count_apart(admin: Admin, organization: str) -> None:
    for name in ("south", "north"):
        save(admin, organization, profile(name, users=()))
    counted = [publish(admin, organization, name) for name in ("north", "south", "south", "north")]
    assert [(it.profile_revision, it.revision) for it in counted] == [(1, 1), (1, 2), (2, 3), (2, 4)]
    listed = admin.call(
        "profiles", "ListProfiles", profiles_pb2.ListProfilesRequest(organization=organization)
    ).profiles
    assert [(it.name, it.revision) for it in listed] == [("north", 2), ("south", 2)]


def test_one_answer_has_every_breach(admin: Admin, organization: str) -> None:
    broken = profile(fetch_xml=NONSENSE, users=("nobody",))
    broken.items[0].columns.append("shoesize")
    broken.items.add(entity="pricelevel", criteria=model_pb2.RECORD_CRITERIA_ALL)
    with refused(CODE.INVALID_ARGUMENT, "PROFILE_INVALID", "sings", "'nobody'", "shoesize", "item pricelevel"):
        save(admin, organization, broken)
    with refused(CODE.NOT_FOUND, "PROFILE_UNKNOWN", "field"):
        summary(admin, organization)


@pytest.mark.parametrize(
    ("fetch_xml", "reason"),
    [(NONSENSE, "FILTER_OPERATOR_UNKNOWN"), ("<filter>", "FILTER_MALFORMED"), ("", "FILTER_MALFORMED")],
)
def test_a_breach_of_a_filter_alone_has_its_own_reason(
    fetch_xml: str, reason: str, admin: Admin, organization: str
) -> None:
    with refused(CODE.INVALID_ARGUMENT, reason, "item account, filter"):
        save(admin, organization, profile(fetch_xml=fetch_xml))


def test_warnings_come_with_a_saved_draft(admin: Admin, organization: str) -> None:
    lonely = model_pb2.Profile(name="lonely")
    lonely.items.add(entity="contact", criteria=model_pb2.RECORD_CRITERIA_RELATED_ONLY)
    warnings = save(admin, organization, lonely).warnings
    assert any("no users" in it for it in warnings)
    assert any("no association pulls its rows" in it for it in warnings)


def test_what_does_not_exist_cannot_be_published(admin: Admin, organization: str) -> None:
    with refused(CODE.NOT_FOUND, "PROFILE_UNKNOWN", "field"):
        publish(admin, organization)
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", "no profile"):
        admin.call("profiles", "SaveProfile", profiles_pb2.SaveProfileRequest(organization=organization))
    with refused(CODE.NOT_FOUND, "ORGANIZATION_UNKNOWN"):
        save(admin, "nobody", profile())


def test_an_entity_that_a_profile_has_an_item_for_stays_enabled(admin: Admin, organization: str) -> None:
    save(admin, organization, profile())
    publish(admin, organization)
    disable = entities_pb2.DisableEntityRequest(organization=organization, entity="contact")
    with refused(CODE.FAILED_PRECONDITION, "ENTITY_IN_USE", "the draft of field", "the published field"):
        admin.call("entities", "DisableEntity", disable)
    save(admin, organization, model_pb2.Profile(name="field"))
    with refused(CODE.FAILED_PRECONDITION, "ENTITY_IN_USE", "the published field"):
        admin.call("entities", "DisableEntity", disable)
    publish(admin, organization)
    admin.call("entities", "DisableEntity", disable)


def test_metadata_that_published_profiles_rest_on_cannot_be_taken_away(admin: Admin) -> None:
    name = admin.organization(standard=False)
    admin.import_metadata(name, {"a": document("a", "x", "y")})
    admin.provision(name)
    admin.enable(name, "a")
    written = '<filter><condition attribute="x" operator="eq" value="1"/></filter>'
    draft = model_pb2.Profile(name="field")
    draft.items.add(entity="a", criteria=model_pb2.RECORD_CRITERIA_CUSTOM).filter.fetch_xml = written
    save(admin, name, draft)
    admin.import_metadata(name, {"a": document("a", "x", "y", "z")})
    publish(admin, name)
    with refused(CODE.FAILED_PRECONDITION, "METADATA_INCOMPATIBLE", "published profile field"):
        admin.import_metadata(name, {"a": document("a", "y")})
    admin.import_metadata(name, {"a": document("a", "x")})


def test_publishes_at_once_wait_for_each_other(server: RunningServer, admin: Admin, organization: str) -> None:
    save(admin, organization, profile())
    with ThreadPoolExecutor(8) as threads:
        published = list(threads.map(lambda _: publish(server.admin(), organization), range(8)))
    assert sorted(it.revision for it in published) == list(range(1, 9))
    assert sorted(it.profile_revision for it in published) == list(range(1, 9))
    by_revision = sorted(published, key=lambda it: it.revision)
    assert [it.lsn for it in by_revision] == sorted(it.lsn for it in published)


class Crashed:
    """A data folder as a crash during a publish leaves it: one complete publish, then one that stopped half-way."""

    NAME = "acme"

    def __init__(self, data: Path, loop: LoopThread) -> None:
        self._settings = ServerSettings(
            mode=Mode.DEVELOPMENT,
            data=data,
            admin_listen="127.0.0.1:0",
            sync_listen="127.0.0.1:0",
            stop_grace_seconds=1,
        )
        self._loop = loop
        self.catalog = data / "catalog.sqlite3"
        self.folder = data / "organizations" / self.NAME

    @property
    def staging(self) -> Path:
        """The staging database."""
        return newest(self.folder)

    def served(self, work: Callable[[Admin], None]) -> None:
        """Runs a server while `work` talks to it."""
        with running(self._loop, self._settings) as server:
            work(server.admin())

    def keep(self, file: Path) -> None:
        """Keeps a copy of a database that no server has open, write-ahead log folded in."""
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(f"{file}.kept")) as copy:
            source.backup(copy)

    def restore(self, file: Path) -> None:
        """Puts the copy back."""
        for suffix in ("-wal", "-shm"):
            Path(f"{file}{suffix}").unlink(missing_ok=True)
        shutil.move(f"{file}.kept", file)

    def forget_the_end(self) -> None:
        """Makes the catalog what it is before the last step of the latest publish."""
        with closing(sqlite3.connect(self.catalog)) as database, database:
            database.execute("UPDATE publish SET lsn = NULL WHERE revision = 2")
            database.execute("DELETE FROM profile_revision WHERE number = 2")
            database.execute("UPDATE profile SET published = 1")


@pytest.fixture
def crashed(tmp_path: Path, loop: LoopThread) -> Crashed:
    """One publish is complete, and a changed draft is saved."""
    folder = Crashed(tmp_path, loop)

    def begin(admin: Admin) -> None:
        admin.organization(name=folder.NAME)
        admin.enable(folder.NAME, "account", "contact")
        save(admin, folder.NAME, profile())
        publish(admin, folder.NAME)
        save(admin, folder.NAME, profile(users=()))

    folder.served(begin)
    return folder


def publish_second(admin: Admin) -> None:
    assert publish(admin, Crashed.NAME).revision == 2


def healed(admin: Admin) -> None:
    """The second publish is complete, and a third one goes on from it."""
    assert shown(admin, Crashed.NAME).revision == 2
    found = summary(admin, Crashed.NAME)
    assert (found.revision, found.changed) == (2, False)
    third = publish(admin, Crashed.NAME)
    assert (third.profile_revision, third.revision) == (3, 3)
    assert third.lsn == shown(admin, Crashed.NAME).lsn


def test_a_crash_before_staging_has_the_model_is_healed(crashed: Crashed) -> None:
    crashed.keep(crashed.staging)
    crashed.served(publish_second)
    crashed.restore(crashed.staging)
    crashed.forget_the_end()
    crashed.served(healed)


def test_a_crash_after_staging_has_the_model_is_healed(crashed: Crashed) -> None:
    crashed.served(publish_second)
    crashed.forget_the_end()
    crashed.served(healed)


def test_a_restored_staging_database_gets_the_next_revision(crashed: Crashed) -> None:
    crashed.keep(crashed.staging)
    crashed.served(publish_second)
    crashed.restore(crashed.staging)

    def goes_on(admin: Admin) -> None:
        assert publish(admin, Crashed.NAME).revision == 3

    crashed.served(goes_on)


def test_a_catalog_older_than_staging_is_refused_with_the_cause(crashed: Crashed) -> None:
    crashed.keep(crashed.catalog)
    crashed.served(publish_second)
    crashed.restore(crashed.catalog)

    def stops(admin: Admin) -> None:
        for _ in range(2):
            with refused(CODE.INTERNAL, "STAGING_FAILED", "the catalog is older"):
                publish(admin, Crashed.NAME)
        assert shown(admin, Crashed.NAME).revision == 1

    crashed.served(stops)

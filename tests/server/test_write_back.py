"""Write-back to a source outside, from end to end: devices, a server and a system of record, all over real sockets."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from haversack.admin.v1 import admin_pb2, provisioning_pb2, source_pb2, sync_errors_pb2
from haversack.error.v1 import error_pb2
from haversack.model.v1 import model_pb2
from haversack_client import Backoff, Device, QueueFullError, WritesAnswered
from haversack_server import backups
from haversack_server.catalog import Catalog, sources
from haversack_server.catalog.sources import StoredSource
from haversack_server.replication._outgoing import WRITES_AT_ONCE_MAX
from haversack_server.sealing import Seal
from haversack_server.settings import LimitSettings, Mode, ServerSettings
from server.running import Admin, LoopThread, RunningServer, running
from server.system_of_record import RecordSource, SystemOfRecord
from server.test_profiles import publish, save
from server.test_uploads import eventually

ADA, BOB, UNIT, ROLE = (str(uuid.UUID(int=number)) for number in (101, 102, 103, 104))
CREATE, READ, WRITE, DELETE, APPEND, APPEND_TO, GLOBAL = 1, 2, 3, 4, 7, 8, 8
ACCOUNTS = [str(uuid.UUID(int=number)) for number in (1, 2, 3)]
QUEUED_MAX = 20
WAIT_SECONDS_MAX = 60.0
OPEN, RETRIED = sync_errors_pb2.SYNC_ERROR_STATE_OPEN, sync_errors_pb2.SYNC_ERROR_STATE_RETRIED


@dataclass(frozen=True)
class Field:
    """An organization whose rows are those of a system of record, and two users who may do everything with accounts."""

    server: RunningServer
    admin: Admin
    name: str
    folder: Path
    system: SystemOfRecord

    def device(self, user: str, file: str) -> Device:
        """Opens a device of a user's."""
        token = self.server.device_token(self.name, user)
        return Device.open(self.folder / file, self.server.settings.sync_listen, token, backoff=Backoff(0.01, 0.1))

    def set_policy(self, policy: str) -> None:
        """Chooses what happens to conflicts, and publishes."""
        settings = model_pb2.Settings(conflict_policy=f"CONFLICT_POLICY_{policy}")
        request = admin_pb2.SetSettingsRequest(organization=self.name, settings=settings)
        self.admin.call("organizations", "SetSettings", request)
        publish(self.admin, self.name)

    def errors(self, state: sync_errors_pb2.SyncErrorState = OPEN) -> list[sync_errors_pb2.SyncError]:
        """The log of sync errors."""
        request = sync_errors_pb2.ListSyncErrorsRequest(organization=self.name, state=state)
        return list(self.admin.call("sync_errors", "ListSyncErrors", request).errors)

    def standing(self) -> sync_errors_pb2.WriteBack:
        """How write-back stands."""
        request = sync_errors_pb2.GetWriteBackRequest(organization=self.name)
        answer: sync_errors_pb2.GetWriteBackResponse = self.admin.call("sync_errors", "GetWriteBack", request)
        return answer.write_back

    def names(self) -> dict[str, str]:
        """Names of the accounts as the system has them."""
        return {row_id: row.get("name", "") for row_id, row in self.system.rows("account").items()}


def names(device: Device) -> dict[str, str]:
    """Names of the accounts that a device shows."""
    return {row["accountid"]: row["name"] for row in device.query("SELECT accountid, name FROM account")}


def states(device: Device) -> list[str]:
    return [write.state for write in device.outbox()]


def synced(device: Device, until: Callable[[], bool]) -> None:
    """Syncs until something is so."""

    def look() -> bool:
        device.sync()
        return until()

    eventually(look)


@pytest.fixture(scope="module")
def record_server(loop: LoopThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that has sources of kind "record"."""
    with running(loop, settings_of(tmp_path_factory.mktemp("record")), {"record": RecordSource}) as started:
        yield started


def settings_of(data: Path) -> ServerSettings:
    return ServerSettings(
        mode=Mode.DEVELOPMENT,
        data=data,
        admin_listen="127.0.0.1:0",
        sync_listen="127.0.0.1:0",
        limits=LimitSettings(queued_writes_max=QUEUED_MAX),
    )


@pytest.fixture
def system(tmp_path: Path) -> Iterator[SystemOfRecord]:
    system = SystemOfRecord(tmp_path / "system.sqlite3")
    listening = system.start()
    yield system
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def field(record_server: RunningServer, loop: LoopThread, system: SystemOfRecord, tmp_path: Path) -> Iterator[Field]:
    admin = record_server.admin()
    name = admin.organization(provisioned=False)
    fill(system)
    loop.run(set_source(record_server.settings, name, system))
    admin.provision(name)
    admin.enable(name, "account")
    draft = model_pb2.Profile(name="field", users=[ADA, BOB])
    draft.items.add(entity="account", criteria=model_pb2.RECORD_CRITERIA_ALL)
    save(admin, name, draft)
    publish(admin, name)
    yield Field(record_server, admin, name, tmp_path, system)
    # Nobody asks after a system that is gone.
    loop.run(set_source(record_server.settings, name, system, is_paused=True))


def fill(system: SystemOfRecord) -> None:
    """Gives the system two users who may do everything with accounts, and some accounts."""
    system.put("businessunit", UNIT, name="All")
    system.put("role", ROLE, name="Writer", businessunitid=UNIT)
    for user in (ADA, BOB):
        system.put("systemuser", user, businessunitid=UNIT, isdisabled=False)
        system.put("systemuserroles", user, systemuserid=user, roleid=ROLE)
    rights = [("account", right) for right in (CREATE, READ, WRITE, DELETE, APPEND, APPEND_TO)] + [
        ("mobileofflineprofile", READ)
    ]
    for number, (entity, right) in enumerate(rights):
        values = {"roleid": ROLE, "entityname": entity, "accessright": right, "depth": GLOBAL}
        system.put("roleprivileges", str(uuid.UUID(int=1_000 + number)), **values)
    for account in ACCOUNTS:
        system.put("account", account, name=f"Account {account[-1]}", ownerid=ADA, ownerid_type="systemuser")


async def set_source(
    settings: ServerSettings, organization: str, system: SystemOfRecord, *, is_paused: bool = False, revision: int = 1
) -> None:
    """Makes the system the organization's source."""
    catalog = await Catalog.open(settings.catalog_url)
    try:
        sealed = Seal(settings.data).seal(organization, {})
        stored = StoredSource(
            organization=organization,
            kind="record",
            scope="entity",
            interval_seconds=1,
            settings={"address": system.address},
            sealed_secrets=sealed,
            mapping="",
            is_paused=is_paused,
            revision=revision + is_paused,
            changed_at_us=1,
        )
        async with catalog.begin() as connection:
            await sources.put(connection, stored)
    finally:
        await catalog.close()


def test_what_is_written_in_an_outage_is_taken_in_order_when_it_ends(field: Field) -> None:
    system = field.system
    with field.device(ADA, "ada.db") as ada, field.device(BOB, "bob.db") as bob:
        ada.sync()
        bob.sync()
        system.down = True
        made = ada.create("account", {"name": " Made "})
        ada.update("account", made, {"name": "Made again "})
        ada.update("account", ACCOUNTS[0], {"name": "Changed"})
        ada.delete("account", ACCOUNTS[1])
        shown = names(ada)
        result = ada.sync()
        assert (result.applied, result.queued, result.refused) == (0, 4, 0)
        assert states(ada) == ["queued"] * 4
        assert (ada.activity.waiting, ada.activity.queued, ada.status().queued) == (0, 4, 4)
        assert ada.sync().queued == 0, "what is queued is not sent again"
        assert names(ada) == shown, "the device shows what it wrote"
        eventually(lambda: field.standing().failed_at_us > 0)
        standing = field.standing()
        assert (standing.waiting, standing.total_written) == (4, 0)
        assert (standing.reason, "does not answer" in standing.error) == (120, True)
        bob.sync()
        assert names(bob) == {it: f"Account {it[-1]}" for it in ACCOUNTS}, (
            "nobody else sees it before the source has it"
        )
        system.down = False
        synced(ada, lambda: not ada.outbox())
        bob.sync()
        wanted = {made: "Made again", ACCOUNTS[0]: "Changed", ACCOUNTS[2]: "Account 3"}
        assert names(ada) == names(bob) == field.names() == wanted, "the rows are the source's"
        numbers = [int(key.rpartition("-")[2]) for key in system.keys]
        assert sorted(numbers) == [1, 2, 3, 4]
        assert numbers.index(1) < numbers.index(2), "a row's writes go in order"
        assert numbers[-1] == 4, "a deletion goes after what was written before it"
        assert field.errors() == []
        eventually(lambda: field.standing().total_written == 4)
        standing = field.standing()
        assert (standing.waiting, standing.total_refused, standing.error) == (0, 0, "")


def test_a_live_device_hears_what_became_of_its_writes(field: Field) -> None:
    system = field.system
    system.refuse = lambda write: ("FORBIDDEN", "says the system: not you") if write["id"] == ACCOUNTS[0] else None
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        with ada.live() as live:
            events = iter(live)
            ada.update("account", ACCOUNTS[0], {"name": "Mine"})
            ada.update("account", ACCOUNTS[1], {"name": " Tidied "})
            answered = [it for it in _until_settled(ada, events) if isinstance(it, WritesAnswered)]
            eventually(lambda: names(ada)[ACCOUNTS[1]] == "Tidied")
        assert [write.id for it in answered for write in it.refused] == [ACCOUNTS[0]]
        (write,) = ada.refused()
        assert (write.reason, write.message) == ("WRITE_FORBIDDEN", "says the system: not you")
        assert names(ada)[ACCOUNTS[0]] == "Account 1", "a refused write is not shown"
        (error,) = field.errors()
        assert (error.message, error.row, error.user) == ("says the system: not you", ACCOUNTS[0], ADA)
        system.refuse = lambda _: None
        ada.edit(write.number, {"name": "Mine after all"})
        synced(ada, lambda: not ada.outbox())
        assert (
            names(ada)
            == field.names()
            == {
                ACCOUNTS[0]: "Mine after all",
                ACCOUNTS[1]: "Tidied",
                ACCOUNTS[2]: "Account 3",
            }
        )


def _until_settled(device: Device, events: Iterator[Any]) -> Iterator[Any]:
    """Events until nothing of the outbox waits any more."""
    while any(state != "refused" for state in states(device)):
        yield next(events)


def test_an_administrator_sends_a_refused_write_again(field: Field) -> None:
    system = field.system
    system.refuse = lambda _: ("INVALID", "the name is not in the register")
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        ada.update("account", ACCOUNTS[0], {"name": "Again"})
        ada.create("account", {"name": "Parent"})
        synced(ada, lambda: states(ada) == ["refused"] * 2)
        system.refuse = lambda _: None
        for error in field.errors():
            assert (error.reason, error.message) == (102, "the name is not in the register")
            request = sync_errors_pb2.RetrySyncErrorRequest(organization=field.name, number=error.number)
            field.admin.call("sync_errors", "RetrySyncError", request)
        synced(ada, lambda: not ada.outbox())
        assert names(ada) == field.names()
        assert sorted(names(ada).values()) == ["Account 2", "Account 3", "Again", "Parent"]
        assert (field.errors(), len(field.errors(RETRIED))) == ([], 2)


def test_a_refusal_that_was_sent_again_after_a_backup_is_none_when_that_is_restored(
    field: Field, loop: LoopThread, tmp_path: Path
) -> None:
    system, settings = field.system, field.server.settings
    system.refuse = lambda _: ("INVALID", "the name is not in the register")
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        ada.update("account", ACCOUNTS[0], {"name": "Ada's"})
        synced(ada, lambda: states(ada) == ["refused"])
        asyncio.run(backups.make(settings.data, settings.catalog_url, tmp_path / "backup", names=[field.name]))
        system.refuse = lambda _: None
        (error,) = field.errors()
        request = sync_errors_pb2.RetrySyncErrorRequest(organization=field.name, number=error.number)
        field.admin.call("sync_errors", "RetrySyncError", request)
        synced(ada, lambda: not ada.outbox())
    system.put("account", ACCOUNTS[0], name="Theirs")
    data = tmp_path / "restored"
    asyncio.run(backups.restore(tmp_path / "backup", data, f"sqlite:///{data / 'catalog.sqlite3'}"))
    with running(loop, settings_of(data), {"record": RecordSource}) as restored:
        again = replace(field, server=restored, admin=restored.admin())
        assert len(again.errors()) == 1
        with again.device(ADA, "ada.db") as ada:
            synced(ada, lambda: not again.errors() and names(ada)[ACCOUNTS[0]] == "Theirs")
            assert (ada.outbox(), len(system.keys)) == ([], 1)


def test_what_depends_on_a_refused_creation_is_blocked_and_sent_anew_with_it(field: Field) -> None:
    system = field.system
    system.refuse = lambda write: ("INVALID", "too short") if write["values"].get("name") == "x" else None
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        made = ada.create("account", {"name": "x"})
        ada.update("account", made, {"telephone1": "123"})
        child = ada.create("account", {"name": "Child", "parentaccountid": made})
        synced(ada, lambda: states(ada) == ["refused", "held", "held"])
        assert names(ada)[made] == "x", "a refused creation is shown, with what was written over it"
        (refused,) = ada.refused()
        ada.edit(refused.number, {"name": "long enough"})
        synced(ada, lambda: not ada.outbox())
        row, below = system.row("account", made), system.row("account", child)
        assert row is not None
        assert below is not None
        assert (row["name"], row["telephone1"], below["parentaccountid"]) == ("long enough", "123", made)


@pytest.mark.parametrize("policy", ["CLIENT_WINS", "SERVER_WINS", "MERGE"])
def test_conflicts_with_what_the_source_has_got_meanwhile(field: Field, policy: str) -> None:
    system = field.system
    field.set_policy(policy)
    with field.device(ADA, "ada.db") as ada, field.device(BOB, "bob.db") as bob:
        ada.sync()
        system.takes_writes = False
        ada.update("account", ACCOUNTS[0], {"name": "Ada's", "telephone1": "1"})
        ada.update("account", ACCOUNTS[0], {"telephone1": "2"})
        ada.delete("account", ACCOUNTS[1])
        ada.sync()
        system.put("account", ACCOUNTS[0], name="Theirs")
        system.put("account", ACCOUNTS[1], name="Theirs")
        synced(bob, lambda: names(bob) == field.names())
        system.takes_writes = True
        synced(ada, lambda: set(states(ada)) <= {"refused"})
        row = system.row("account", ACCOUNTS[0])
        assert row is not None
        told = {write.number: write.reason for write in ada.refused()}
        if policy == "CLIENT_WINS":
            assert (row["name"], row["telephone1"], told) == ("Ada's", "2", {})
            assert system.row("account", ACCOUNTS[1]) is None
        elif policy == "MERGE":
            assert (row["name"], row["telephone1"], told) == ("Theirs", "2", {3: "WRITE_CONFLICT"})
        else:
            # The second write stands on the first's value, which was refused: it is its own, and no conflict.
            assert (row["name"], row["telephone1"]) == ("Theirs", "2")
            assert told == {1: "WRITE_CONFLICT", 3: "WRITE_CONFLICT"}
        synced(ada, lambda: names(ada) == field.names())


def test_what_was_made_and_changed_by_others_before_anybody_heard_is_no_conflict(field: Field) -> None:
    system = field.system
    field.set_policy("SERVER_WINS")
    with field.device(ADA, "ada.db") as ada, field.device(BOB, "bob.db") as bob:
        ada.sync()
        system.lose_answers = 1
        ada.update("account", ACCOUNTS[0], {"name": "Ada's"})
        ada.sync()
        eventually(lambda: bool(system.keys))
        system.takes_writes = False
        system.put("account", ACCOUNTS[0], name="Theirs")
        synced(bob, lambda: names(bob) == field.names())
        system.takes_writes = True
        synced(ada, lambda: not ada.outbox())
        assert (names(ada)[ACCOUNTS[0]], field.errors()) == ("Theirs", [])


def test_lost_answers_and_rests_do_nothing_twice(field: Field) -> None:
    system = field.system
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        system.lose_answers, system.throttled = 3, 2
        made = [ada.create("account", {"name": f"Made {number}"}) for number in range(5)]
        for row in made:
            ada.update("account", row, {"telephone1": "1"})
        synced(ada, lambda: not ada.outbox())
        assert len(system.keys) == len(set(system.keys)) == 10
        assert system.calls > 10, "some were asked for again"
        assert names(ada) == field.names()
        assert field.errors() == []


def test_writes_that_are_never_answered_hold_no_others_up(field: Field) -> None:
    system = field.system
    system.breaks_off = lambda write: write["values"].get("name") == "Stuck"
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        for _ in range(WRITES_AT_ONCE_MAX):
            ada.create("account", {"name": "Stuck"})
        ada.update("account", ACCOUNTS[0], {"name": "Changed"})
        synced(ada, lambda: len(ada.outbox()) == WRITES_AT_ONCE_MAX)
        assert field.names()[ACCOUNTS[0]] == "Changed"
        assert "does not answer" in field.standing().error
        system.breaks_off = lambda _: False
        synced(ada, lambda: not ada.outbox())
        assert names(ada) == field.names()


def test_a_write_that_takes_long_holds_no_later_ones_up(field: Field) -> None:
    system, asked, later = field.system, [], threading.Event()

    def answer(write: dict[str, Any], written: dict[str, Any]) -> dict[str, Any]:
        asked.append(write["values"]["name"])
        if asked[-1] == "Slow":
            later.wait(WAIT_SECONDS_MAX)
        return written

    system.answer = answer
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        ada.create("account", {"name": "Slow"})
        ada.sync()
        eventually(lambda: len(system.keys) == 1)
        ada.update("account", ACCOUNTS[0], {"name": "Changed"})
        synced(ada, lambda: len(ada.outbox()) == 1)
        assert asked == ["Slow", "Changed"], "the first was still under way"
        later.set()
        synced(ada, lambda: not ada.outbox())
        assert names(ada) == field.names()


def test_a_write_whose_row_cannot_be_read_holds_no_others_up(field: Field) -> None:
    system, asked, all_asked = field.system, [], threading.Event()

    def answer(write: dict[str, Any], written: dict[str, Any]) -> dict[str, Any]:
        # All are answered at once, so that most of them are settled together.
        asked.append(write["id"])
        if len(asked) == WRITES_AT_ONCE_MAX:
            all_asked.set()
        all_asked.wait(WAIT_SECONDS_MAX)
        return written | ({"row": {"name": "No id"}} if write["values"]["name"] == "Garbled" else {})

    system.answer = answer
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        with ada.batch():
            made = [ada.create("account", {"name": "Made"}) for _ in range(WRITES_AT_ONCE_MAX // 2)]
            garbled = [ada.create("account", {"name": "Garbled"}) for _ in range(WRITES_AT_ONCE_MAX // 2)]
        synced(ada, lambda: len(ada.outbox()) == len(garbled))
        assert [write.id for write in ada.outbox()] == garbled
        assert all(asked.count(row) == 1 for row in made), "none of the others was put aside"
        eventually(lambda: "has no id" in field.standing().error)
        system.answer = lambda _, written: written
        synced(ada, lambda: not ada.outbox())
        assert len(system.keys) == len(set(system.keys)) == WRITES_AT_ONCE_MAX
        assert names(ada) == field.names()
        assert field.errors() == []


def test_two_devices_write_one_row(field: Field) -> None:
    system = field.system
    field.set_policy("SERVER_WINS")
    with field.device(ADA, "ada.db") as ada, field.device(BOB, "bob.db") as bob:
        ada.sync()
        bob.sync()
        system.down = True
        ada.update("account", ACCOUNTS[0], {"name": "Ada's"})
        bob.update("account", ACCOUNTS[0], {"name": "Bob's"})
        bob.update("account", ACCOUNTS[1], {"telephone1": "1"})
        assert (ada.sync().queued, bob.sync().refused) == (1, 1), "the second is judged by what waits of the first"
        system.down = False
        synced(ada, lambda: not ada.outbox())
        synced(bob, lambda: states(bob) == ["refused"])
        assert names(ada) == names(bob) == field.names()
        assert names(bob)[ACCOUNTS[0]] == "Ada's"
        bob.retry(bob.refused()[0].number)
        synced(bob, lambda: not bob.outbox())
        assert field.names()[ACCOUNTS[0]] == "Bob's"


def test_what_waits_outlives_the_staging_database(field: Field) -> None:
    system = field.system
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        system.down = True
        made = ada.create("account", {"name": "Made"})
        ada.update("account", made, {"name": "Made again"})
        assert ada.sync().queued == 2
        request = provisioning_pb2.StartDeprovisioningRequest(organization=field.name)
        field.admin.call("provisioning", "StartDeprovisioning", request)
        assert field.admin.settled(field.name).state == provisioning_pb2.PROVISIONING_STATE_NOT_PROVISIONED
        system.down = False
        field.admin.provision(field.name)
        publish(field.admin, field.name)
        synced(ada, lambda: not ada.outbox())
        assert names(ada) == field.names()
        assert names(ada)[made] == "Made again"
        assert len(system.keys) == 2


def test_a_device_keeps_what_the_queue_has_no_room_for(field: Field) -> None:
    system = field.system
    with field.device(ADA, "ada.db") as ada, field.device(BOB, "bob.db") as bob:
        ada.sync()
        bob.sync()
        system.takes_writes = False
        made = [ada.create("account", {"name": "Ada's 0"})]
        assert ada.sync().queued == 1
        made += [ada.create("account", {"name": f"Ada's {number}"}) for number in range(1, QUEUED_MAX + 1)]
        system.put("account", ACCOUNTS[0], name="Changed meanwhile")
        eventually(lambda: names(_refreshed(bob))[ACCOUNTS[0]] == "Changed meanwhile")
        with pytest.raises(QueueFullError, match="WRITE_QUEUE_FULL") as full:
            ada.sync()
        # Rows come all the same, nothing is refused or lost, and the device says why it waits.
        assert full.value.retry_delay_seconds == 60
        assert names(ada)[ACCOUNTS[0]] == "Changed meanwhile"
        assert (ada.activity.waiting, ada.activity.refused) == (QUEUED_MAX, 0)
        assert "system of record" in ada.activity.error
        bob.create("account", {"name": "Bob's"})
        assert bob.sync().queued == 1, "what fits is taken"
        system.takes_writes = True
        eventually(lambda: field.standing().waiting == 0)
        synced(ada, lambda: not ada.outbox())
        assert {field.names()[it] for it in made} == {f"Ada's {number}" for number in range(QUEUED_MAX + 1)}
        assert ada.activity.error == ""


def _refreshed(device: Device) -> Device:
    device.sync()
    return device


def test_a_live_device_says_why_its_writes_wait(field: Field) -> None:
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        field.system.takes_writes = False
        ada.create("account", {"name": "First"})
        ada.sync()
        with ada.batch():
            for number in range(QUEUED_MAX):
                ada.create("account", {"name": f"Later {number}"})
        with ada.live():
            eventually(lambda: "system of record" in ada.activity.error)
            field.system.put("account", ACCOUNTS[0], name="Changed meanwhile")
            eventually(lambda: names(ada)[ACCOUNTS[0]] == "Changed meanwhile")
            assert "system of record" in ada.activity.error, "what the stream brings does not hide it"
            assert ada.activity.waiting == QUEUED_MAX
    field.system.takes_writes = True


@pytest.fixture
def other(field: Field, loop: LoopThread, tmp_path: Path) -> Iterator[SystemOfRecord]:
    """Another system with the same rows; the organization's source is paused at the end, whichever it is."""
    system = SystemOfRecord(tmp_path / "other.sqlite3")
    listening = system.start()
    fill(system)
    yield system
    loop.run(set_source(field.server.settings, field.name, system, is_paused=True))
    listening.shutdown()
    listening.server_close()


@pytest.mark.parametrize("next_source", ["another", "none"])
def test_what_waits_is_not_sent_to_another_source(
    field: Field, loop: LoopThread, other: SystemOfRecord, next_source: str
) -> None:
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        field.system.down = True
        made = ada.create("account", {"name": "For the first"})
        assert ada.sync().queued == 1
        request = provisioning_pb2.StartDeprovisioningRequest(organization=field.name)
        field.admin.call("provisioning", "StartDeprovisioning", request)
        assert field.admin.settled(field.name).state == provisioning_pb2.PROVISIONING_STATE_NOT_PROVISIONED
        if next_source == "another":
            loop.run(set_source(field.server.settings, field.name, other))
        else:
            remove = source_pb2.RemoveSourceRequest(organization=field.name)
            field.admin.call("sources", "RemoveSource", remove)
        field.admin.provision(field.name)
        publish(field.admin, field.name)
        (error,) = field.errors()
        assert error.reason == error_pb2.ERROR_REASON_SOURCE_REPLACED
        assert made not in {row_id for row_id in other.rows("account")}
        if next_source == "another":
            synced(ada, lambda: states(ada) == ["refused"])
            retry = sync_errors_pb2.RetrySyncErrorRequest(organization=field.name, number=error.number)
            field.admin.call("sync_errors", "RetrySyncError", retry)
            eventually(lambda: made in other.rows("account"))
            assert field.system.keys == []


def test_a_source_whose_setting_was_cut_off_gets_its_queue(
    field: Field, loop: LoopThread, other: SystemOfRecord
) -> None:
    """The catalog has another address already, and the queue was not told."""
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        field.system.down = True
        ada.create("account", {"name": "For the first"})
        assert ada.sync().queued == 1
        loop.run(set_source(field.server.settings, field.name, other, revision=7))
        eventually(lambda: [it.reason for it in field.errors()] == [error_pb2.ERROR_REASON_SOURCE_REPLACED])
        made = ada.create("account", {"name": "For the next"})
        ada.sync()
        eventually(lambda: made in other.rows("account"))

"""Writing on a device: seen at once, kept in order, taken once; refused ones are kept, mended or given up."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from client.memory_server import MERGE, SERVER_WINS, MemoryServer, Refusal
from client.wire import ALL_RIGHTS, Attribute, Entity, rows_class
from haversack.error.v1 import error_pb2
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import sync_pb2, upload_pb2
from haversack_client import (
    Backoff,
    Device,
    OutboxError,
    PermissionDeniedError,
    RemoteError,
    SyncRunningError,
    UnavailableError,
    WriteRefusedError,
)
from haversack_client._outbox import Outbox

QUICK = Backoff(initial_seconds=0.0001, max_seconds=0.001)
FORBIDDEN = Refusal(upload_pb2.MUTATION_OUTCOME_FORBIDDEN, error_pb2.ERROR_REASON_TOKEN_NOT_ALLOWED)

SITE = Entity(
    3,
    "site",
    (
        Attribute(1, "siteid", model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER),
        Attribute(2, "name", model_pb2.ATTRIBUTE_TYPE_STRING, required=True, max_length=10),
        Attribute(3, "budget", model_pb2.ATTRIBUTE_TYPE_MONEY),
        Attribute(4, "kind", model_pb2.ATTRIBUTE_TYPE_PICKLIST, options=(1, 2)),
        Attribute(5, "tags", model_pb2.ATTRIBUTE_TYPE_MULTI_SELECT_PICKLIST),
        Attribute(6, "opened", model_pb2.ATTRIBUTE_TYPE_DATETIME),
        Attribute(7, "open", model_pb2.ATTRIBUTE_TYPE_BOOLEAN),
        Attribute(8, "due", model_pb2.ATTRIBUTE_TYPE_DATE_ONLY),
        Attribute(9, "code", model_pb2.ATTRIBUTE_TYPE_STRING, updatable=False),
    ),
)
VISIT = Entity(
    4,
    "visit",
    (
        Attribute(1, "visitid", model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER),
        Attribute(2, "topic", model_pb2.ATTRIBUTE_TYPE_STRING),
        Attribute(3, "siteid", model_pb2.ATTRIBUTE_TYPE_LOOKUP, target="site"),
        Attribute(4, "regarding", model_pb2.ATTRIBUTE_TYPE_LOOKUP, companion=5),
        Attribute(6, "ownerid", model_pb2.ATTRIBUTE_TYPE_OWNER, companion=7),
    ),
)
READ_ONLY = Entity(5, "price", (Attribute(1, "priceid", model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER),), rights=())
NORTH = UUID("11111111-1111-4111-8111-111111111111")


@pytest.fixture
def server() -> MemoryServer:
    server = MemoryServer((SITE, VISIT, READ_ONLY))
    server.put(SITE, NORTH.bytes, name="North", budget="5", kind=1)
    return server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "device.sqlite3"


def open_device(path: Path, server: MemoryServer, **options: Any) -> Device:
    return Device(path, server, backoff=QUICK, **options)


@pytest.fixture
def device(path: Path, server: MemoryServer) -> Iterator[Device]:
    with open_device(path, server) as device:
        device.sync()
        yield device


def site(device: Device, row_id: object = NORTH) -> Mapping[str, Any] | None:
    rows = device.query("SELECT * FROM site WHERE siteid = ?", (str(row_id),))
    return dict(rows[0]) if rows else None


def name(device: Device, row_id: object = NORTH) -> str | None:
    row = site(device, row_id)
    return row["name"] if row else None


def test_a_row_is_made_changed_and_deleted_without_a_network(path: Path, server: MemoryServer, device: Device) -> None:
    server.down = True
    row_id = device.create(
        "site",
        {
            "name": "South",
            "budget": Decimal("12.50"),
            "kind": 2,
            "tags": [3, 1, 3],
            "opened": datetime(2026, 5, 31, 14, tzinfo=UTC),
            "open": True,
            "due": "2026-06-01",
        },
    )
    expected = {
        "_ordinal": -1,
        "_lsn": 0,
        "siteid": row_id,
        "name": "South",
        "budget": "12.5",
        "kind": 2,
        "tags": "[1,3]",
        "opened": "2026-05-31 14:00:00",
        "open": 1,
        "due": "2026-06-01",
        "code": None,
    }
    assert site(device, row_id) == expected
    device.update("site", row_id, {"name": "Southern", "kind": None})
    assert site(device, row_id) == expected | {"name": "Southern", "kind": None}
    device.update("site", NORTH, {"budget": "7"})
    device.delete("site", NORTH)
    assert site(device) is None
    assert [(it.number, it.kind, it.state, it.depends_on) for it in device.outbox()] == [
        (1, "create", "waiting", ()),
        (2, "update", "waiting", (1,)),
        (3, "update", "waiting", ()),
        (4, "delete", "waiting", ()),
    ]
    assert device.status(verify=True).verified
    with pytest.raises(UnavailableError):
        device.sync()
    device.close()
    server.down = False
    with open_device(path, server) as reopened:
        assert site(reopened, row_id) == expected | {"name": "Southern", "kind": None}
        result = reopened.sync()
        assert (result.applied, result.refused, reopened.outbox()) == (4, 0, [])
        stored = site(reopened, row_id)
        assert stored is not None
        assert stored["_ordinal"] == 1
        assert {**stored, "_ordinal": -1, "_lsn": 0} == expected | {"name": "Southern", "kind": None}
        assert site(reopened) is None
        assert reopened.status(verify=True).verified


def test_what_travels(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "N", "kind": None, "budget": "5.00"})
    device.sync()
    (raw,) = server.uploads[0].mutations
    mutation = upload_pb2.Mutation.FromString(raw)
    assert (mutation.number, mutation.entity, mutation.id) == (1, SITE.number, NORTH.bytes)
    assert mutation.kind == upload_pb2.MUTATION_KIND_UPDATE
    assert list(mutation.changed) == [2, 4], "a value that is the same is not a change"
    assert (mutation.base_lsn, mutation.model_version) == (1, 1)
    assert mutation.values == b"\x12\x01N"
    assert mutation.old_values == b"\x12\x05North\x20\x02"


def test_a_row_that_changes_beneath_shows_both(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "Mine"})
    server.put(SITE, NORTH.bytes, budget="99")
    server.judge = lambda _: pytest.fail("nothing is uploaded twice") if len(server.uploads) > 1 else None
    server.policy = SERVER_WINS
    device.sync()
    row = site(device)
    assert row is not None
    assert (row["name"], row["budget"]) == ("Mine", "99")


def test_a_write_stays_until_the_device_has_come_to_its_answer(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "Mine"})
    device.upload()
    server.put(SITE, NORTH.bytes, name="Theirs")
    assert name(device) == "Mine"
    assert [it.state for it in device.outbox()] == ["applied"]
    server.cut_after = 2
    device.sync()
    assert name(device) == "Theirs"
    assert device.outbox() == []


def test_a_lost_answer_is_asked_for_again(server: MemoryServer, device: Device) -> None:
    row_id = device.create("site", {"name": "South"})
    device.update("site", row_id, {"name": "Souther"})
    server.lose_answers = 2
    result = device.sync()
    assert (result.applied, result.retries) == (2, 2)
    assert len(server.uploads) == 3
    assert len(server.applied) == 2
    assert name(device, row_id) == "Souther"


def test_a_refused_change_gives_way_to_the_servers_row(server: MemoryServer, device: Device) -> None:
    server.judge = lambda mutation: FORBIDDEN if 2 in mutation.changed else None
    device.update("site", NORTH, {"name": "Mine"})
    device.update("site", NORTH, {"budget": "6"})
    result = device.sync()
    assert (result.applied, result.refused) == (1, 1)
    row = site(device)
    assert row is not None
    assert (row["name"], row["budget"]) == ("North", "6")
    (refused,) = device.refused()
    assert (refused.number, refused.reason, refused.values) == (1, "TOKEN_NOT_ALLOWED", {"name": "Mine"})
    server.judge = lambda _: None
    server.put(SITE, NORTH.bytes, name="Norden")
    device.sync()
    assert device.retry(1) == 3
    assert name(device) == "Mine"
    assert device.outbox()[0].old_values == {"name": "Norden"}
    device.sync()
    assert (name(device), device.outbox()) == ("Mine", [])


def test_fields_that_gave_way_are_named(server: MemoryServer, device: Device) -> None:
    server.policy = MERGE
    device.update("site", NORTH, {"name": "Mine", "kind": 2})
    server.put(SITE, NORTH.bytes, name="Theirs")
    result = device.sync()
    assert (result.applied, result.refused) == (1, 0)
    assert [(it.values, it.fields) for it in result.overruled] == [({"name": "Mine", "kind": 2}, ("name",))]
    row = site(device)
    assert row is not None
    assert (row["name"], row["kind"], device.outbox()) == ("Theirs", 2, [])


def test_dependants_of_a_refused_creation_wait_with_it(server: MemoryServer, device: Device) -> None:
    server.judge = lambda mutation: FORBIDDEN if mutation.number == 1 else None
    row_id = device.create("site", {"name": "South"})
    visit = device.create("visit", {"topic": "look", "siteid": row_id})
    device.update("site", NORTH, {"kind": 2})
    result = device.sync()
    assert (result.applied, result.refused) == (1, 1)
    device.update("site", row_id, {"kind": 1})
    device.update("visit", visit, {"topic": "look again"})
    assert [(it.number, it.state, it.depends_on) for it in device.outbox()] == [
        (1, "refused", ()),
        (2, "held", (1,)),
        (4, "held", (1,)),
        (5, "held", (2,)),
    ]
    device.sync()
    assert len(server.uploads) == 1, "what waits is not sent"
    assert name(device, row_id) == "South"
    assert device.edit(1, {"name": "Southern"}) == 6
    assert [(it.number, it.state, it.depends_on) for it in device.outbox()] == [
        (6, "waiting", ()),
        (7, "waiting", (6,)),
        (8, "waiting", (6,)),
        (9, "waiting", (7,)),
    ]
    assert device.sync().applied == 4
    row = site(device, row_id)
    assert row is not None
    assert (row["name"], row["kind"], row["_ordinal"] >= 0) == ("Southern", 1, True)
    assert [it["topic"] for it in device.query("SELECT topic FROM visit")] == ["look again"]
    assert device.status(verify=True).verified


def test_a_creation_that_is_given_up_goes_with_its_row(server: MemoryServer, device: Device) -> None:
    server.judge = lambda mutation: FORBIDDEN if mutation.number == 1 else None
    row_id = device.create("site", {"name": "South"})
    visit = device.create("visit", {"topic": "look", "siteid": row_id})
    device.update("site", row_id, {"kind": 2})
    device.update("visit", visit, {"topic": "look again"})
    device.sync()
    device.discard(1)
    assert name(device, row_id) is None
    states = [(it.number, it.state, it.reason) for it in device.outbox()]
    assert states == [(2, "refused", "WRITE_BLOCKED"), (4, "held", "WRITE_BLOCKED")]
    assert device.edit(2, {"siteid": str(NORTH)}) == 5
    assert device.sync().applied == 2
    assert device.query("SELECT siteid FROM visit WHERE visitid = ?", (visit,))[0]["siteid"] == str(NORTH)


def test_deleting_a_row_that_was_refused_gives_it_up(server: MemoryServer, device: Device) -> None:
    server.judge = lambda _: FORBIDDEN
    row_id = device.create("site", {"name": "South"})
    device.sync()
    device.delete("site", row_id)
    assert (device.outbox(), name(device, row_id)) == ([], None)


def test_a_row_that_the_server_takes_away_is_hidden_and_its_write_stays(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "Mine"})
    server.show(SITE, NORTH.bytes, visible=False)
    server.lose_answers = 0
    device.sync()
    assert site(device) is None
    (refused,) = device.refused()
    assert (refused.reason, refused.values) == ("ROW_UNKNOWN", {"name": "Mine"})
    with pytest.raises(WriteRefusedError) as caught:
        device.retry(refused.number)
    assert caught.value.reason == "ROW_UNKNOWN"
    assert len(device.refused()) == 1, "a retry that fails changes nothing"
    server.show(SITE, NORTH.bytes, visible=True)
    device.sync()
    assert device.retry(refused.number)
    device.sync()
    assert name(device) == "Mine"


def test_a_batch_is_all_or_nothing(device: Device) -> None:
    with device.batch():
        first = device.create("site", {"name": "one"})
        device.update("site", NORTH, {"name": "N"})
        with pytest.raises(WriteRefusedError):
            device.create("site", {"name": "x" * 11})
        assert name(device) == "N", "the batch itself sees it at once"
    assert (name(device), name(device, first)) == ("N", "one")

    def broken() -> None:
        with device.batch():
            device.delete("site", first)
            raise KeyError("a mistake of the application")

    with pytest.raises(KeyError):
        broken()
    assert name(device, first) == "one"
    assert len(device.outbox()) == 2
    with device.batch(), pytest.raises(SyncRunningError):
        device.sync()


@pytest.mark.parametrize(
    ("values", "reason", "fields"),
    [
        ({}, "VALUE_INVALID", ("name",)),
        ({"name": "x" * 11}, "VALUE_INVALID", ("name",)),
        ({"name": "\U0001f600" * 6}, "VALUE_INVALID", ("name",)),
        ({"name": 5}, "VALUE_INVALID", ("name",)),
        ({"name": "a", "kind": 3}, "VALUE_INVALID", ("kind",)),
        ({"name": "a", "kind": "1"}, "VALUE_INVALID", ("kind",)),
        ({"name": "a", "budget": 1.5}, "VALUE_INVALID", ("budget",)),
        ({"name": "a", "budget": "NaN"}, "VALUE_INVALID", ("budget",)),
        ({"name": "a", "opened": datetime(2026, 1, 1)}, "VALUE_INVALID", ("opened",)),
        ({"name": "a", "opened": "1752-12-31 00:00:00"}, "VALUE_INVALID", ("opened",)),
        ({"name": "a", "opened": "9999-12-31T23:59:59-10:00"}, "VALUE_INVALID", ("opened",)),
        ({"name": "a", "due": "1700-01-01"}, "VALUE_INVALID", ("due",)),
        ({"name": "a", "due": "tomorrow"}, "VALUE_INVALID", ("due",)),
        ({"name": "a", "open": 2}, "VALUE_INVALID", ("open",)),
        ({"name": "a", "nothing": 1}, "ATTRIBUTE_UNKNOWN", ("nothing",)),
    ],
)
def test_rules_of_the_model(device: Device, values: Mapping[str, object], reason: str, fields: tuple[str, ...]) -> None:
    with pytest.raises(WriteRefusedError) as caught:
        device.create("site", values)
    assert (caught.value.reason, caught.value.fields) == (reason, fields)
    assert device.outbox() == []


def test_rules_that_rows_break(device: Device) -> None:
    for write, reason in (
        (lambda: device.create("nothing", {}), "ENTITY_UNKNOWN"),
        (lambda: device.create("price", {}), "WRITE_FORBIDDEN"),
        (lambda: device.create("site", {"siteid": NORTH, "name": "again"}), "ROW_EXISTS"),
        (lambda: device.update("site", uuid4(), {"name": "x"}), "ROW_UNKNOWN"),
        (lambda: device.delete("site", uuid4()), "ROW_UNKNOWN"),
        (lambda: device.update("site", NORTH, {"name": None}), "VALUE_INVALID"),
        (lambda: device.update("site", NORTH, {"code": "x"}), "VALUE_INVALID"),
        (lambda: device.create("visit", {"regarding": str(NORTH)}), "VALUE_INVALID"),
        (lambda: device.create("visit", {"regarding": str(NORTH), "regarding_entity": "thing"}), "ENTITY_UNKNOWN"),
    ):
        with pytest.raises(WriteRefusedError) as caught:
            write()
        assert caught.value.reason == reason
    device.create("visit", {"regarding": str(NORTH), "regarding_entity": "site"})
    assert device.query("SELECT regarding_entity FROM visit")[0][0] == SITE.number


def test_rights_to_point_and_to_give_away(path: Path) -> None:
    rights = tuple(right for right in ALL_RIGHTS if right != sync_pb2.ROW_RIGHT_ASSIGN)
    server = MemoryServer((SITE, Entity(4, "visit", VISIT.attributes, rights=rights)))
    with open_device(path, server) as device:
        device.sync()
        visit = device.create("visit", {"topic": "look"})
        with pytest.raises(WriteRefusedError) as caught:
            device.update("visit", visit, {"ownerid": str(NORTH), "ownerid_entity": SITE.number})
        assert caught.value.reason == "WRITE_FORBIDDEN"


def test_a_write_before_the_first_sync_says_what_to_do(path: Path, server: MemoryServer) -> None:
    with open_device(path, server) as device, pytest.raises(WriteRefusedError, match="sync first"):
        device.create("site", {"name": "x"})


def test_only_refused_writes_can_be_retried_or_given_up(device: Device) -> None:
    device.update("site", NORTH, {"name": "N"})
    for number in (1, 2, 0, -1, 10**30):
        with pytest.raises(OutboxError):
            device.retry(number)
        with pytest.raises(OutboxError):
            device.discard(number)


@pytest.mark.parametrize("named", [{"mutation": "2"}, {"index": "at"}])
def test_a_write_that_cannot_be_read_does_not_block_others(
    server: MemoryServer, device: Device, named: dict[str, str]
) -> None:
    for text in ("a", "b", "c"):
        device.create("site", {"name": text})
    upload = server.upload

    def poisoned(request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        numbers = [upload_pb2.Mutation.FromString(raw).number for raw in request.mutations]
        if 2 in numbers:
            blamed = {key: value if key == "mutation" else str(numbers.index(2)) for key, value in named.items()}
            raise RemoteError("what is that?", code="INVALID_ARGUMENT", reason="REQUEST_INVALID", details=blamed)
        return upload(request)

    server.upload = poisoned  # type: ignore[method-assign]
    result = device.sync()
    assert (result.applied, result.refused) == (2, 1)
    assert [(it.number, it.reason) for it in device.refused()] == [(2, "REQUEST_INVALID")]
    with closing(device.connection()) as connection:
        assert Outbox(connection).unanswered(9) == [], "no ledger has it, so none is asked what became of it"


@pytest.mark.parametrize("details", [{}, {"mutation": "99"}, {"mutation": "x"}, {"index": "7"}])
def test_a_call_that_is_refused_for_no_write_refuses_none(
    server: MemoryServer, device: Device, details: dict[str, str]
) -> None:
    device.update("site", NORTH, {"name": "Mine"})
    upload, error = server.upload, RemoteError("no", code="INVALID_ARGUMENT", reason="REQUEST_INVALID", details=details)

    def refused(request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        raise error

    server.upload = refused  # type: ignore[method-assign]
    with pytest.raises(RemoteError, match="no"):
        device.sync()
    assert [it.state for it in device.outbox()] == ["waiting"]
    server.upload = upload  # type: ignore[method-assign]
    assert device.sync().applied == 1


def test_a_new_epoch_keeps_the_outbox(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "sent"})
    server.lose_answers = 1
    with pytest.raises(UnavailableError):
        next_upload_fails(server, device)
    device.update("site", NORTH, {"kind": 2})
    server.start_epoch()
    server.judge = lambda _: None
    bytes_sent = server.uploads[0].mutations[0]
    with closing(device.connection()) as connection:
        assert connection.execute("SELECT mutation FROM _haversack_outbox WHERE number = 1").fetchone()[0] == bytes_sent
    server.down = False
    device.sync()
    device.sync()
    row = site(device)
    assert row is not None
    assert (row["name"], row["kind"], device.outbox()) == ("sent", 2, [])
    assert len(server.applied) == 2
    assert device.status(verify=True).verified


def next_upload_fails(server: MemoryServer, device: Device) -> None:
    upload = server.upload

    def once(request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        try:
            return upload(request)
        finally:
            server.down = True

    server.upload = once  # type: ignore[method-assign]
    try:
        device.upload()
    finally:
        server.upload = upload  # type: ignore[method-assign]


def test_a_write_says_where_it_was_seen_from_whatever_epoch_begins(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "N"})
    server.start_epoch()
    # A sync uploads first; here the epoch is met by a stream that comes before any upload.
    device._uploader = lambda **_: Nothing()  # type: ignore[method-assign, assignment]
    device.sync()
    device.delete("site", NORTH)
    with closing(device.connection()) as connection:
        written = connection.execute("SELECT mutation FROM _haversack_outbox ORDER BY number").fetchall()
    update, delete = (upload_pb2.Mutation.FromString(raw) for (raw,) in written)
    assert (update.base_lsn, update.seen.lsn, update.seen.history) == (1, 1, 1)
    assert (delete.base_lsn, delete.seen.lsn, delete.seen.history) == (1, 1, 2)
    row = rows_class(SITE)().rows.add()  # type: ignore[attr-defined]
    row.ParseFromString(delete.old_values)
    assert row.name == "N", "the row as it was shown"


class Nothing:
    """Uploads nothing."""

    def drain(self) -> Iterator[None]:
        yield from ()


def test_a_lookup_and_its_entity_travel_together(server: MemoryServer, device: Device) -> None:
    visit = device.create("visit", {"regarding": str(NORTH), "regarding_entity": "site"})
    other = device.create("site", {"name": "other"})
    device.update("visit", visit, {"regarding": other, "regarding_entity": "site"})
    assert device.outbox()[-1].values == {"regarding": other, "regarding_entity": SITE.number}
    device.update("visit", visit, {"regarding": None})
    assert device.outbox()[-1].values == {"regarding": None, "regarding_entity": None}
    assert device.sync().applied == 4


def test_a_disabled_user_keeps_the_outbox(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "Mine"})

    def deny(_: object) -> None:
        raise PermissionDeniedError("no", code="PERMISSION_DENIED", reason="USER_DISABLED")

    opened = server.open
    server.open = server.upload = deny  # type: ignore[assignment, method-assign]
    with pytest.raises(PermissionDeniedError):
        device.sync()
    assert (site(device), len(device.outbox())) == (None, 1)
    del server.upload
    server.open = opened  # type: ignore[method-assign]
    device.sync()
    device.sync()
    assert device.status(verify=True).verified


def test_wiping_by_hand(server: MemoryServer, device: Device) -> None:
    device.create("site", {"name": "South"})
    device.wipe()
    assert (device.query("SELECT * FROM site"), device.outbox()) == ([], [])
    device.sync()
    assert [row["name"] for row in device.query("SELECT name FROM site")] == ["North"]
    assert len(server.applied) == 0


def test_writes_commit_while_the_first_sync_runs(path: Path) -> None:
    """Several threads write and read while rows stream in, and what they see is whole."""
    server = MemoryServer((SITE, VISIT))
    ids = [uuid4() for _ in range(300)]
    for at, each in enumerate(ids):
        server.put(SITE, each.bytes, name=f"s{at}", budget="1")
    started, written, wrong = threading.Event(), list[str](), list[str]()
    stopped = threading.Event()

    def write(device: Device) -> None:
        started.wait(10)
        for at in range(30):
            with device.batch():
                written.append(device.create("site", {"name": f"w{at}"}))
                device.create("visit", {"topic": f"w{at}", "siteid": written[-1]})

    def read(device: Device) -> None:
        started.wait(10)
        while not stopped.is_set():
            query = "SELECT (SELECT count(*) FROM visit), (SELECT count(*) FROM site WHERE name LIKE 'w%')"
            visits, sites = device.query(query)[0]
            if visits != sites:
                wrong.append(f"{visits} {sites}")

    with open_device(path, server) as device:
        threads = [threading.Thread(target=target, args=[device]) for target in (write, write, read)]
        for thread in threads:
            thread.start()
        device.sync(lambda progress: started.set() if progress.rows_done else None)
        for thread in threads[:2]:
            thread.join()
        stopped.set()
        threads[2].join()
        assert wrong == []
        device.sync()
        assert device.query("SELECT count(*) FROM site")[0][0] == 360
        assert device.outbox() == []
        assert device.status(verify=True).verified

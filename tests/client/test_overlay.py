"""Local writes, syncs, answers, losses and crashes in any order: what is shown is the server's rows with what waits
laid over them, digests are those of the server's rows, and in the end every write was taken once.

Each title that is written is another one, so that it tells which write it is of: what the user chose last stays, and a
device never says that it saw what no server could know.
"""

import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from client.memory_server import CLIENT_WINS, MERGE, SERVER_WINS, MemoryServer, Refusal
from client.test_writes import QUICK
from client.wire import Attribute, Entity, rows_class
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import sync_pb2, upload_pb2
from haversack_client import Device, PendingWrite, UnavailableError, WriteRefusedError
from haversack_client._roaring import Bitmap
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

TASK = Entity(
    3,
    "task",
    (
        Attribute(1, "taskid", model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER),
        Attribute(2, "title", model_pb2.ATTRIBUTE_TYPE_STRING),
        Attribute(3, "note", model_pb2.ATTRIBUTE_TYPE_STRING),
        Attribute(4, "parentid", model_pb2.ATTRIBUTE_TYPE_LOOKUP, target="task"),
    ),
)
IDS = [UUID(int=(at + 1) << 64) for at in range(5)]
COLUMNS = {attribute.number: attribute.name for attribute in TASK.attributes}
COLUMNS_BY_NAME = {attribute.name: attribute.number for attribute in TASK.attributes}

ids = st.sampled_from(IDS)
texts = st.sampled_from([None, "a", "b", "c"])
changes = st.fixed_dictionaries(
    {}, optional={"title": st.booleans(), "note": texts, "parentid": st.sampled_from([None, *IDS])}
)
"""What a write sets; `title` says that there is one."""

FORBIDDEN = Refusal(upload_pb2.MUTATION_OUTCOME_FORBIDDEN)

Row = dict[str, Any]


def shown(base: Mapping[str, Row], outbox: list[PendingWrite]) -> dict[str, Row]:
    """What a device should show: the rule of docs/device.md, written once more."""
    rows = {row_id: dict(row) for row_id, row in base.items()}
    for write in outbox:
        refused = write.state == "refused"
        if write.kind == "create" and (not refused or write.id not in base):
            rows[write.id] = {**rows.get(write.id, {"taskid": write.id}), **write.values}
        elif write.kind == "update" and not refused and write.id in rows:
            rows[write.id] |= write.values
        elif write.kind == "delete" and not refused:
            rows.pop(write.id, None)
    return {row_id: {name: value for name, value in row.items() if value is not None} for row_id, row in rows.items()}


class OverlayAgainstModel(RuleBasedStateMachine):
    """One device, one server, and somebody else who writes there."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.server = MemoryServer((TASK,))
        self.made = 0
        self.backup = self.server.back_up()
        self.acknowledged = set[int]()
        self.given_up = set[int]()
        self.base: dict[str, Row] = {}
        self.by_ordinal: dict[int, str] = {}
        self.epoch = b""
        self.chosen: dict[str, str | None] = {}
        """The title that the user gave a row last, by id, as long as it is not refused or given up."""
        self.known = defaultdict[bytes, set[str | None]](set)
        """Titles that a row has had at the server, or that the server has heard of."""
        self.unheard_of = list[str]()
        self.open()
        self.sync()

    def open(self) -> None:
        self.device = Device(Path(self.folder.name) / "device.sqlite3", self.server, backoff=QUICK)

    def teardown(self) -> None:
        self.device.close()
        self.folder.cleanup()

    @initialize(policy=st.sampled_from([CLIENT_WINS, SERVER_WINS, MERGE]), may_create=st.booleans())
    def set_policy(self, policy: int, may_create: bool) -> None:
        self.server.policy = policy
        if not may_create:
            self.nobody_may_create()
        answered = self.server.upload

        def upload(request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
            for mutation in map(upload_pb2.Mutation.FromString, request.mutations):
                self.hear(mutation)
            response = answered(request)
            taken = [it.number for it in response.answers if it.outcome == upload_pb2.MUTATION_OUTCOME_APPLIED]
            self.acknowledged.update(taken)
            return response

        self.server.upload = upload  # type: ignore[method-assign]
        for row_id in IDS[:2]:
            self.somebody_writes(row_id, "first", None)

    def hear(self, mutation: upload_pb2.Mutation) -> None:
        """What a device says that it saw was at the server, or was sent there before."""
        title = COLUMNS_BY_NAME["title"]
        if mutation.kind == upload_pb2.MUTATION_KIND_CREATE:
            self.known[mutation.id].add(None)  # Unless it says something else, a new row has no title.
        if title not in mutation.changed:
            return
        new, old = (named(raw_fields(raw)).get("title") for raw in (mutation.values, mutation.old_values))
        shortened = not mutation.old_values
        if mutation.kind == upload_pb2.MUTATION_KIND_UPDATE and not shortened and old not in self.known[mutation.id]:
            self.unheard_of.append(f"write {mutation.number} saw {old!r}")
        self.known[mutation.id].add(new)

    # What happens on the device.

    def write(self, kind: str, row_id: UUID, values: Mapping[str, object]) -> None:
        before = self.device.outbox()
        values = self.titled(values)
        try:
            match kind:
                case "create":
                    self.device.create("task", {**values, "taskid": row_id})
                case "update":
                    self.device.update("task", row_id, values)
                case "delete":
                    self.device.delete("task", row_id)
        except WriteRefusedError:
            assert self.device.outbox() == before
            return
        if kind != "update" or "title" in values:
            self.chosen.pop(str(row_id), None)
        if "title" in values:
            self.chosen[str(row_id)] = values["title"]

    def titled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """With a title of its own."""
        self.made += 1
        return {**values, "title": f"title {self.made}"} if "title" in values else dict(values)

    @rule(row_id=ids, values=changes)
    def creates(self, row_id: UUID, values: Mapping[str, object]) -> None:
        self.write("create", row_id, values)

    @rule(row_id=ids, values=changes)
    def updates(self, row_id: UUID, values: Mapping[str, object]) -> None:
        self.write("update", row_id, values)

    @rule(row_id=st.sampled_from(IDS[:2]), new_id=st.sampled_from(IDS[2:]), values=changes)
    def points_at_a_new_row(self, row_id: UUID, new_id: UUID, values: Mapping[str, object]) -> None:
        self.write("create", new_id, {})
        self.write("update", row_id, {**values, "parentid": new_id, "title": True})

    @rule(row_id=st.sampled_from(IDS[:2]), between_syncs=st.booleans())
    def thinks_again(self, row_id: UUID, between_syncs: bool) -> None:
        if between_syncs:
            self.sync()
        self.write("update", row_id, {"title": True})
        if between_syncs:
            self.sync()

    @rule(row_id=ids)
    def deletes(self, row_id: UUID) -> None:
        self.write("delete", row_id, {})

    @precondition(lambda self: self.device.refused())
    @rule(data=st.data(), values=changes)
    def mends(self, data: st.DataObject, values: Mapping[str, object]) -> None:
        write = data.draw(st.sampled_from([it for it in self.device.outbox() if it.state in ("refused", "held")]))
        before = self.device.outbox()
        values = self.titled(values)
        try:
            self.device.edit(write.number, values)
            self.given_up |= {it.number for it in before} - {it.number for it in self.device.outbox()}
        except WriteRefusedError:
            assert self.device.outbox() == before
            return
        # What waited for a creation is written again behind it, but not over what was said just now.
        title = (values if write.kind == "create" else {**write.values, **values}).get("title", False)
        if title is not False:
            self.chosen[write.id] = title

    @precondition(lambda self: self.device.refused())
    @rule(data=st.data())
    def gives_up(self, data: st.DataObject) -> None:
        self.discard(data.draw(st.sampled_from([it.number for it in self.device.refused()])))

    def discard(self, number: int) -> None:
        before = {write.number: write for write in self.device.outbox()}
        self.device.discard(number)
        gone = before.keys() - {write.number for write in self.device.outbox()}
        self.given_up |= gone
        for write in map(before.__getitem__, gone):
            if "title" in write.values and self.chosen.get(write.id) == write.values["title"]:
                del self.chosen[write.id]

    @rule()
    def crashes(self) -> None:
        self.device.close()
        self.open()

    # What happens at the server.

    @rule(row_id=ids, title=texts, note=texts)
    def somebody_writes(self, row_id: UUID, title: str | None, note: str | None) -> None:
        self.known[row_id.bytes].add(title)
        self.server.put(TASK, row_id.bytes, title=title, note=note)

    @rule(row_id=ids)
    def somebody_deletes(self, row_id: UUID) -> None:
        if row_id.bytes in self.server.visible(TASK):
            self.server.delete(TASK, row_id.bytes)

    @rule(row_id=ids, visible=st.booleans())
    def the_view_moves(self, row_id: UUID, visible: bool) -> None:
        if row_id.bytes in self.server.rows.get(TASK.number, {}):
            self.server.show(TASK, row_id.bytes, visible=visible)

    @rule(every=st.sampled_from([0, 2, 3]))
    def rights_change(self, every: int) -> None:
        self.server.judge = lambda mutation: FORBIDDEN if every and mutation.number % every == 0 else None

    @rule()
    def nobody_may_create(self) -> None:
        made = upload_pb2.MUTATION_KIND_CREATE
        self.server.judge = lambda mutation: FORBIDDEN if mutation.kind == made else None

    @precondition(lambda self: self.server.refused())
    @rule(data=st.data())
    def an_administrator_retries(self, data: st.DataObject) -> None:
        self.server.retry(*data.draw(st.sampled_from(self.server.refused())))

    @rule()
    def the_epoch_changes(self) -> None:
        self.server.start_epoch()

    @rule()
    def is_backed_up(self) -> None:
        self.backup = self.server.back_up()

    @rule()
    def is_restored(self) -> None:
        self.server.restore(self.backup)

    # What happens between them.

    @rule()
    def sync(self) -> None:
        self.device.sync()
        self.follow()
        assert self.base == {
            str(UUID(bytes=row_id)): named(fields) for row_id, fields in self.server.visible(TASK).items()
        }

    @rule(after=st.integers(0, 4))
    def sync_is_cut(self, after: int) -> None:
        """And nobody is there for a while."""
        upload, opened = self.server.upload, self.server.open

        def only_once(request: sync_pb2.SyncRequest) -> Any:
            stream = opened(request)
            self.server.down = True
            return stream

        self.server.cut_after = after
        self.server.open = only_once  # type: ignore[method-assign]
        try:
            self.device.sync()
        except UnavailableError:
            pass
        finally:
            self.server.down, self.server.cut_after = False, None
            self.server.open, self.server.upload = opened, upload  # type: ignore[method-assign]
        self.follow()

    @rule()
    def uploads_and_hears_nothing(self) -> None:
        self.server.lose_answers = 100
        try:
            self.device.upload()
        except UnavailableError:
            pass
        finally:
            self.server.lose_answers = 0

    @rule()
    def uploads(self) -> None:
        self.device.upload()

    def follow(self) -> None:
        """Applies what the device has applied."""
        for event in self.server.streamed:
            match event.WhichOneof("event"):
                case "plan" if event.plan.epoch != self.epoch:
                    self.epoch, self.base, self.by_ordinal = event.plan.epoch, {}, {}
                case "removals":
                    for ordinal in Bitmap(event.removals.ordinals).ordinals(0):
                        self.base.pop(self.by_ordinal.pop(ordinal, ""), None)
                case "rows":
                    (ordinal,) = event.rows.ordinal_deltas
                    rows: Any = rows_class(TASK).FromString(event.rows.rows)
                    row = named({field.number: value for field, value in rows.rows[0].ListFields()})
                    self.by_ordinal[ordinal] = row["taskid"]
                    self.base[row["taskid"]] = row
        self.server.streamed.clear()

    @invariant()
    def shows_what_waits_over_what_is(self) -> None:
        found = {
            row["taskid"]: {name: row[name] for name in COLUMNS.values() if row[name] is not None}
            for row in self.device.query("SELECT * FROM task")
        }
        assert found == shown(self.base, self.device.outbox())

    @invariant()
    def what_the_user_chose_last_stays(self) -> None:
        """Where it waits, nothing lies over it; where it does not wait any more, nothing older does."""
        refused = {it.values.get("title") for it in self.device.refused()}
        # A server that was restored may refuse what was taken before, and what is refused is not sent again.
        self.acknowledged -= {it.number for it in self.device.refused()}
        waiting = defaultdict[str, list[Any]](list)
        for write in self.device.outbox():
            if write.state != "refused" and write.kind != "delete" and "title" in write.values:
                waiting[write.id].append(write.values["title"])
        for row_id, titles in waiting.items():
            chosen = self.chosen.get(row_id, titles[-1])
            assert chosen in refused or titles[-1] == chosen

    @invariant()
    def devices_saw_what_servers_knew(self) -> None:
        assert self.unheard_of == []

    @invariant()
    def digests_are_the_servers(self) -> None:
        status = self.device.status(verify=True)
        assert status.verified
        assert status.entities[0].rows == len(self.base)

    @invariant()
    def nothing_is_taken_twice(self) -> None:
        assert len(set(self.server.applied)) == len(self.server.applied)

    @invariant()
    def what_was_given_up_is_not_taken(self) -> None:
        assert set(self.server.withdrawn).isdisjoint(self.server.applied)

    def quiet(self) -> None:
        """Everybody is there again and nothing is refused any more: what is left is given up."""
        self.server.judge = lambda _: None
        self.device.sync()
        while refused := self.device.refused():
            self.discard(refused[0].number)
        self.device.sync()
        self.device.sync()


def named(fields: Mapping[int, Any]) -> Row:
    """A row as columns have it."""
    return {
        COLUMNS[number]: str(UUID(bytes=value)) if isinstance(value, bytes) else value
        for number, value in fields.items()
    }


def raw_fields(raw: bytes) -> dict[int, Any]:
    """A serialized row by field number."""
    row = rows_class(TASK)().rows.add()  # type: ignore[attr-defined]
    row.ParseFromString(raw)
    return {field.number: value for field, value in row.ListFields()}


class EndsQuiet(OverlayAgainstModel):
    """At the end of every run the device is exactly the server."""

    def teardown(self) -> None:
        try:
            self.quiet()
            self.follow()
            assert [write for write in self.device.outbox() if write.state != "refused"] == []
            known = {number for _, number in self.server.ledger}
            assert self.acknowledged - self.given_up <= known, "none was lost for good"
            while refused := self.device.refused():
                self.discard(refused[0].number)
            self.shows_what_waits_over_what_is()
            assert self.base == {
                str(UUID(bytes=row_id)): named(fields) for row_id, fields in self.server.visible(TASK).items()
            }
        finally:
            super().teardown()


TestOverlay = EndsQuiet.TestCase
TestOverlay.settings = settings(deadline=None, max_examples=30, stateful_step_count=25)

"""A server in memory behind the transport's seam: it keeps the contract of Sync and Upload, and nothing else.

One organization, one user at a time. It has a ledger, the three conflict policies, LSNs and epochs, and it streams what
differs between what a cookie says and what is visible. Tests may cut its streams, lose its answers, and refuse writes.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from client.wire import Entity, batch, checkpoint, model, plan, removals, rows_class, with_cookie
from google.protobuf.message import Message
from haversack.error.v1 import error_pb2
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import position_pb2, report_pb2, sync_pb2, upload_pb2
from haversack_client import RemoteError, UnavailableError, UserChangedError
from haversack_client._outbox import mutation_hash
from haversack_client._roaring import encode_block
from haversack_client._transport import Received

Fields = dict[int, Any]
"""A row's values by field number; NULL is absence."""

CLIENT_WINS, SERVER_WINS, MERGE = (
    model_pb2.CONFLICT_POLICY_CLIENT_WINS,
    model_pb2.CONFLICT_POLICY_SERVER_WINS,
    model_pb2.CONFLICT_POLICY_MERGE,
)

TAKEN = (upload_pb2.MUTATION_OUTCOME_APPLIED, upload_pb2.MUTATION_OUTCOME_QUEUED)


@dataclass
class ServerRow:
    """A row, alive or not."""

    ordinal: int
    lsn: int
    fields: Fields
    alive: bool = True
    visible: bool = True
    writers: dict[int, bytes] = field(default_factory=dict)
    """The install that set each field last."""


@dataclass(frozen=True)
class Refusal:
    """What a test wants said of a write."""

    outcome: int
    reason: int = 0
    fields: tuple[int, ...] = ()


@dataclass(frozen=True)
class Backup:
    """What a server was at some moment."""

    head: int
    rows: dict[int, dict[bytes, ServerRow]]
    ledger: "Ledger"
    applied: list[tuple[bytes, int]]
    withdrawn: list[tuple[bytes, int]]


Ledger = dict[tuple[bytes, int], tuple[bytes, upload_pb2.MutationAnswer]]


@dataclass
class MemoryServer:
    """The server, and the transport to it.

    Attributes:
        entities: What is carried, in order.
        policy: The organization's conflict policy.
        judge: Says of a mutation why it is refused, if it is.
        cut_after: The next stream breaks after this many events.
        reports: What devices have said of themselves beside syncs.
        lose_answers: How many uploads are done but not answered.
        down: Whether nobody answers.
        applied: Mutations taken, as (install, number), in order.
        withdrawn: Refused mutations that their users have given up, likewise: an administrator cannot retry them.
        streamed: Events that a device has applied, in order.
    """

    entities: tuple[Entity, ...]
    policy: int = CLIENT_WINS
    judge: Callable[[upload_pb2.Mutation], Refusal | None] = lambda _: None
    cut_after: int | None = None
    lose_answers: int = 0
    down: bool = False
    renews_token: bool = False
    epoch: bytes = b"epoch-0000000001"
    version: int = 1
    other_tables: bool = True
    """Whether the next version has other tables, so that rows are sent again."""
    user: sync_pb2.User | None = None
    signed_in: bytes = b""
    """Whose the token is; empty: streams do not say."""
    head: int = 0
    rows: dict[int, dict[bytes, ServerRow]] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=dict)
    applied: list[tuple[bytes, int]] = field(default_factory=list)
    withdrawn: list[tuple[bytes, int]] = field(default_factory=list)
    streamed: list[sync_pb2.SyncEvent] = field(default_factory=list)
    uploads: list[upload_pb2.UploadRequest] = field(default_factory=list)
    reports: list[report_pb2.ReportRequest] = field(default_factory=list)
    _first_hashes: dict[tuple[bytes, int], bytes] = field(default_factory=dict)

    # What people do at the server.

    def put(self, entity: Entity, row_id: bytes, **values: Any) -> None:
        """Somebody else changes or makes a row. None is NULL."""
        numbers = {attribute.name: attribute.number for attribute in entity.attributes}
        self.set(entity, row_id, {numbers[name]: value for name, value in values.items()}, b"")

    def set(self, entity: Entity, row_id: bytes, fields: Mapping[int, Any], writer: bytes) -> ServerRow:
        """Changes or makes a row."""
        rows = self.rows.setdefault(entity.number, {})
        row = rows.setdefault(row_id, ServerRow(len(rows), 0, {entity.attributes[0].number: row_id}))
        if not row.alive:
            row.fields = {entity.attributes[0].number: row_id}
        row.alive, row.lsn = True, self._next_lsn()
        row.fields = {number: value for number, value in {**row.fields, **fields}.items() if value is not None}
        row.writers |= dict.fromkeys(fields, writer)
        return row

    def delete(self, entity: Entity, row_id: bytes) -> None:
        """Somebody deletes a row."""
        row = self.rows[entity.number][row_id]
        row.alive, row.lsn = False, self._next_lsn()

    def show(self, entity: Entity, row_id: bytes, *, visible: bool) -> None:
        """A row enters or leaves the user's view."""
        row = self.rows[entity.number][row_id]
        row.visible, row.lsn = visible, self._next_lsn()

    def visible(self, entity: Entity) -> dict[bytes, Fields]:
        """What the user should have."""
        rows = self.rows.get(entity.number, {})
        return {row_id: row.fields for row_id, row in rows.items() if row.alive and row.visible}

    def back_up(self) -> Backup:
        """Keeps what there is."""
        return Backup(self.head, deepcopy(self.rows), deepcopy(self.ledger), list(self.applied), list(self.withdrawn))

    def restore(self, backup: Backup) -> None:
        """Everything since the backup is lost; a new epoch says so."""
        self.head, self.rows = backup.head, deepcopy(backup.rows)
        self.ledger, self.applied = deepcopy(backup.ledger), list(backup.applied)
        self.withdrawn = list(backup.withdrawn)
        self._mint()

    def _mint(self) -> None:
        self.epoch = f"epoch-{int(self.epoch[6:]) + 1:010}".encode()

    def start_epoch(self) -> None:
        """The staging database is another one: ordinals and LSNs begin anew, the ledger is carried over."""
        self._mint()
        self.head = 0
        for rows in self.rows.values():
            alive = [(row_id, row) for row_id, row in sorted(rows.items()) if row.alive]
            rows.clear()
            rows.update(
                {row_id: replace(row, ordinal=at, lsn=self._next_lsn()) for at, (row_id, row) in enumerate(alive)}
            )

    def _next_lsn(self) -> int:
        self.head += 1
        return self.head

    # The transport.

    def open(self, request: sync_pb2.SyncRequest) -> "MemoryStream":
        """Starts a stream of all that differs."""
        if self.down:
            raise UnavailableError("nobody answers", code="UNAVAILABLE")
        cut, self.cut_after = self.cut_after, None
        return MemoryStream(self._greeting(request), cut, self.streamed)

    def upload(self, request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        """Takes mutations."""
        if self.down:
            raise UnavailableError("nobody answers", code="UNAVAILABLE")
        self.uploads.append(request)
        if request.user and self.signed_in not in (b"", request.user):
            raise UserChangedError("another user's", code="FAILED_PRECONDITION", reason="USER_CHANGED")
        numbers = [upload_pb2.Mutation.FromString(raw).number for raw in request.mutations]
        assert numbers or request.withdrawn, "a call says something"
        assert list(request.withdrawn) == sorted(set(request.withdrawn) - set(numbers)), "they are other ones, in order"
        for number in request.withdrawn:
            self._withdraw(request.install_id, number)
        self._first_hashes |= {(request.install_id, it.number): it.hash for it in request.shortened}
        known = {raw: self._known(request.install_id, raw) for raw in request.mutations}
        mutations = [raw for raw in request.mutations if known[raw] or not request.known_only]
        reused = [raw for raw in mutations if known[raw] is False]
        if reused:
            lowest = str(upload_pb2.Mutation.FromString(reused[0]).number)
            raise RemoteError("reused", code="ABORTED", reason="NUMBER_REUSED", details={"mutation": lowest})
        answers = [self._take(request.install_id, mutation) for mutation in mutations]
        if self.lose_answers:
            self.lose_answers -= 1
            raise UnavailableError("the answer was lost", code="UNAVAILABLE")
        return upload_pb2.UploadResponse(answers=answers, epoch=self.epoch)

    def report(self, request: report_pb2.ReportRequest) -> report_pb2.ReportResponse:
        """Takes note."""
        if self.down:
            raise UnavailableError("nobody answers", code="UNAVAILABLE")
        self.reports.append(request)
        return report_pb2.ReportResponse()

    def hang_up(self) -> None:
        """Does nothing: every call is answered at once."""

    def _greeting(self, request: sync_pb2.SyncRequest) -> Iterator[sync_pb2.SyncEvent]:
        """The events, of which the first says whose rows they are."""
        for index, event in enumerate(self._events(request)):
            if index == 0:
                event.user = self.signed_in
            yield event

    def _known(self, install: bytes, raw: bytes) -> bool | None:
        """Whether a mutation's number is known with its bytes (True), or with others (False)."""
        number = upload_pb2.Mutation.FromString(raw).number
        known = self.ledger.get((install, number))
        first_hash = self._first_hashes.get((install, number), mutation_hash(raw))
        return None if known is None else mutation_hash(known[0]) == first_hash

    def _events(self, request: sync_pb2.SyncRequest) -> Iterator[sync_pb2.SyncEvent]:
        epoch, version, floor = (*request.cookie.split(b"/"), b"0")[:3] if request.cookie else (b"", b"0", b"0")
        since = int(floor) if epoch == self.epoch else 0
        if request.unanswered:
            known = [self.ledger.get((request.install_id, number)) for number in request.unanswered]
            unknown = [number for number, entry in zip(request.unanswered, known, strict=True) if entry is None]
            found = [entry[1] for entry in known if entry]
            yield sync_pb2.SyncEvent(answers=sync_pb2.Answers(answers=found, unknown=unknown))
        if int(version) != self.version:
            told = model(*self.entities, version=self.version)
            if self.user:
                told.user.CopyFrom(self.user)
            yield sync_pb2.SyncEvent(model=told)
        yield plan({entity: len(self.visible(entity)) for entity in self.entities}, epoch=self.epoch)
        if not request.holdings:
            since = -1
        renewed = int(version) != self.version and self.other_tables
        for entity in self.entities:
            changed = [it for it in self.rows.get(entity.number, {}).values() if it.lsn > since or renewed]
            gone = sorted(it.ordinal for it in changed if not (it.alive and it.visible))
            if gone:
                yield removals(entity, encode_block(0, gone))
            stays = sorted((it for it in changed if it.alive and it.visible), key=lambda it: it.ordinal)
            names = {attribute.number: attribute.name for attribute in entity.attributes}
            for row in stays:
                fields = {names[number]: value for number, value in row.fields.items() if number in names}
                yield batch(entity, {row.ordinal: row.lsn}, [fields])
        held = {
            entity: {it.ordinal: it.lsn for it in self.rows.get(entity.number, {}).values() if it.alive and it.visible}
            for entity in self.entities
        }
        cookie = b"%s/%d/%d" % (self.epoch, self.version, self.head)
        event = with_cookie(checkpoint(held, lsn=self.head), cookie)
        event.position.CopyFrom(position_pb2.Position(lsn=self.head, history=int(self.epoch[6:])))
        yield event

    def retry(self, install: bytes, number: int) -> bool:
        """An administrator has a refused mutation judged again; returns whether that may be."""
        raw, answer = self.ledger[install, number]
        if (install, number) in self.withdrawn or answer.outcome in TAKEN:
            return False
        del self.ledger[install, number]
        self._take(install, raw)
        return True

    def _withdraw(self, install: bytes, number: int) -> None:
        known = self.ledger.get((install, number))
        if known and known[1].outcome not in TAKEN and (install, number) not in self.withdrawn:
            self.withdrawn.append((install, number))

    def _take(self, install: bytes, raw: bytes) -> upload_pb2.MutationAnswer:
        mutation = upload_pb2.Mutation.FromString(raw)
        known = self.ledger.get((install, mutation.number))
        if known:
            # Of an LSN that is none of this database's commits, the head takes the place.
            again = upload_pb2.MutationAnswer()
            again.CopyFrom(known[1])
            again.lsn = min(again.lsn, self.head)
            return again
        answer = self._judge(install, mutation)
        answer.number = mutation.number
        self.ledger[install, mutation.number] = (raw, answer)
        if answer.outcome == upload_pb2.MUTATION_OUTCOME_APPLIED:
            self.applied.append((install, mutation.number))
        return answer

    def _judge(self, install: bytes, mutation: upload_pb2.Mutation) -> upload_pb2.MutationAnswer:
        depends = [self.ledger.get((install, number)) for number in mutation.depends_on]
        if any(it is None or it[1].outcome != upload_pb2.MUTATION_OUTCOME_APPLIED for it in depends):
            return upload_pb2.MutationAnswer(outcome=upload_pb2.MUTATION_OUTCOME_BLOCKED)
        if refusal := self.judge(mutation):
            return _refused(refusal.outcome, refusal.reason, refusal.fields)
        entity = next((it for it in self.entities if it.number == mutation.entity), None)
        if entity is None:
            return _refused(upload_pb2.MUTATION_OUTCOME_INVALID, error_pb2.ERROR_REASON_ENTITY_UNKNOWN)
        row = self.rows.get(entity.number, {}).get(mutation.id)
        alive = row if row and row.alive and row.visible else None
        if mutation.kind == upload_pb2.MUTATION_KIND_CREATE:
            if row and row.alive:
                return _refused(upload_pb2.MUTATION_OUTCOME_CONFLICT)
            changed = self.set(entity, mutation.id, _fields(entity, mutation.values), install)
            changed.visible = True
            return upload_pb2.MutationAnswer(outcome=upload_pb2.MUTATION_OUTCOME_APPLIED, lsn=changed.lsn)
        if alive is None:
            return _refused(upload_pb2.MUTATION_OUTCOME_NOT_FOUND)
        if mutation.kind == upload_pb2.MUTATION_KIND_DELETE:
            self.delete(entity, mutation.id)
            return upload_pb2.MutationAnswer(outcome=upload_pb2.MUTATION_OUTCOME_APPLIED, lsn=alive.lsn)
        return self._update(install, entity, alive, mutation)

    def _update(
        self, install: bytes, entity: Entity, row: ServerRow, mutation: upload_pb2.Mutation
    ) -> upload_pb2.MutationAnswer:
        new, old = _fields(entity, mutation.values), _fields(entity, mutation.old_values)
        apart = [
            number
            for number in mutation.changed
            if row.fields.get(number) != old.get(number) and row.writers.get(number) != install
        ]
        if apart and self.policy == SERVER_WINS:
            return _refused(upload_pb2.MUTATION_OUTCOME_CONFLICT, fields=tuple(apart))
        overruled = apart if self.policy == MERGE else []
        changes = {number: new.get(number) for number in mutation.changed if number not in overruled}
        self.set(entity, mutation.id, changes, install)
        return upload_pb2.MutationAnswer(outcome=upload_pb2.MUTATION_OUTCOME_APPLIED, lsn=row.lsn, overruled=overruled)


@dataclass
class MemoryStream:
    """A stream. An event counts as applied when the device asks for the next one."""

    events: Iterator[sync_pb2.SyncEvent]
    cut_after: int | None
    streamed: list[sync_pb2.SyncEvent]

    def __iter__(self) -> Iterator[Received]:
        for index, event in enumerate(self.events):
            if index == self.cut_after:
                raise UnavailableError("the connection broke", code="UNAVAILABLE")
            yield Received(event, event.ByteSize())
            self.streamed.append(event)

    def cancel(self) -> None:
        """Nothing is left to end."""


def _fields(entity: Entity, raw: bytes) -> Fields:
    """A serialized row message by field number."""
    rows: Any = rows_class(entity)()
    row: Message = rows.rows.add()
    row.ParseFromString(raw)
    return {found.number: value for found, value in row.ListFields()}


def _refused(outcome: int, reason: int = 0, fields: tuple[int, ...] = ()) -> upload_pb2.MutationAnswer:
    return upload_pb2.MutationAnswer(
        outcome=outcome,  # type: ignore[arg-type]
        reason=reason or error_pb2.ERROR_REASON_UNSPECIFIED,  # type: ignore[arg-type]
        message="as the test says",
        fields=fields,
    )

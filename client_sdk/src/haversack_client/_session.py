"""The device's side of the protocol as a state machine: events in, operations for the store out.

It reads no socket, file or clock. `receive` computes what an event means from what is known and changes nothing;
when the store has carried the operations out, `committed` takes the step. A failure in between leaves the session where
the database is. docs/sync-protocol.md tells the same story for both sides.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from haversack.sync.v1 import sync_pb2

from haversack_client._errors import DigestMismatchError, ProtocolError
from haversack_client._held import BlockState, Checkpoint, EntityState, Held, Position
from haversack_client._model import CarriedModel, Table
from haversack_client._operations import (
    AdoptModel,
    BuildIndexes,
    ExpectRows,
    KeepCookie,
    Operation,
    PutRows,
    ReachStage,
    RecordCheckpoint,
    Recount,
    RemoveRows,
    StartEpoch,
)
from haversack_client._roaring import Bitmap, encode_block
from haversack_client._rows import RowDecoder
from haversack_client._stage import Planned, Stage

CLIENT = "haversack-client-python/0.1.0"
"""How this library names itself to the server."""

BLOCKS_MAX = 65_536
"""Blocks that a request may state, or a server may ask for."""

INVENTORY_ROUNDS_MAX = 4
"""How often in a row a server may ask for inventories. Once is enough unless rows move meanwhile."""

MISMATCH_ATTEMPTS_MAX = 2
"""1: every version is asked for again. 2: the entity is reset first. Then it is an error."""

EPOCH_BYTES_MAX = 64


class Flow(Enum):
    """What to do with the stream after a step."""

    CONTINUE = "read the next event"
    CALL_AGAIN = "end this stream and make the next request"
    COMPLETE = "the device equals its view; a stream of mode ONCE is done"
    INCOMPLETE = "a pass ended but the view keeps moving; a stream of mode ONCE is done"


@dataclass(frozen=True, slots=True)
class _State:
    """Everything that the session remembers."""

    model: CarriedModel | None
    decoder: RowDecoder | None
    epoch: bytes
    stage: Stage
    mandatory_rows_left: int = 0
    attempts: Mapping[int, int] = field(default_factory=dict)
    """How often in a row the digest of an entity disagreed."""
    unreported: Mapping[int, int] = field(default_factory=dict)
    """Those of `attempts` that no cookie takes account of yet."""
    asked: tuple[tuple[int, int], ...] = ()
    """Blocks, as (entity, block), whose inventory the server waits for."""
    inventory_rounds: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What an event means.

    Attributes:
        operations: What the store must do, in one transaction.
        flow: What to do with the stream afterwards.
        stage: What to report to the user.
        planned: What the coming pass will send, if the event is a plan.
        entity: Logical name of the entity that rows arrived for; empty if none did.
        rows: How many rows arrived.
        planned_bytes: What they take off the plan.
        checkpoint: The checkpoint, if the device's digests agree with it.
        answers: What has become of writes that were sent before, for the outbox; asked again if they are not taken.
    """

    operations: tuple[Operation, ...]
    flow: Flow
    stage: Stage
    state: _State
    planned: tuple[Planned, ...] | None = None
    entity: str = ""
    rows: int = 0
    planned_bytes: int = 0
    checkpoint: Checkpoint | None = None
    answers: sync_pb2.Answers | None = None


class Session:
    """One device's conversation with the server, over any number of streams."""

    def __init__(self, held: Held, mode: sync_pb2.SyncMode, app: str = "") -> None:
        self._held = held
        self._cookie_refused = False
        self._mode = mode
        self._app = app
        facts, decoder = held.facts(), RowDecoder(held.model) if held.model else None
        self._state = _State(held.model, decoder, facts.epoch, Stage(facts.stage))

    def request(self) -> sync_pb2.SyncRequest:
        """What to ask next: where the device stands, and the answer to what the server asked last."""
        facts, held = self._held.facts(), self._held.blocks()
        if sum(map(len, held.values())) > BLOCKS_MAX:
            raise ProtocolError(f"the device holds rows in more than {BLOCKS_MAX} blocks, which a request cannot state")
        return sync_pb2.SyncRequest(
            install_id=facts.install_id,
            cookie=b"" if self._cookie_refused else facts.cookie,
            mode=self._mode,
            accept=[sync_pb2.COMPRESSION_ZSTD],
            holdings=[_entity_blocks(entity, blocks) for entity, blocks in sorted(held.items())],
            inventories=[self._inventory(entity, block) for entity, block in self._state.asked],
            mismatches=[
                sync_pb2.DigestMismatch(entity=entity, attempt=attempt)
                for entity, attempt in sorted(self._state.unreported.items())
            ],
            client=CLIENT,
            app=self._app,
            full_check=facts.full_check,
            unanswered=self._held.unanswered(),
        )

    def forget_cookie(self) -> None:
        """The server does not take the cookie: it is not presented again. The next one takes its place."""
        self._cookie_refused = True

    def receive(self, event: sync_pb2.SyncEvent) -> Step:
        """Returns what an event means; changes nothing.

        Raises ProtocolError if the event breaks the contract, DigestMismatchError if the digests of an entity still
        disagree after it was reset.
        """
        handlers: dict[str, Callable[[sync_pb2.SyncEvent], Step]] = {
            "model": self._on_model,
            "plan": self._on_plan,
            "removals": self._on_removals,
            "rows": self._on_rows,
            "checkpoint": self._on_checkpoint,
            "pass_complete": self._on_pass_complete,
            "inventory_required": self._on_inventory_required,
            "heartbeat": self._on_heartbeat,
            "full_check_required": self._on_full_check_required,
            "answers": self._on_answers,
        }
        kind = event.WhichOneof("event")
        if kind is None:
            raise ProtocolError("the server sent an event that this version does not know; update the library")
        step = handlers[kind](event)
        if event.cookie:
            position = Position(event.position.lsn, event.position.history) if event.HasField("position") else None
            step = replace(step, operations=(*step.operations, KeepCookie(event.cookie, position)))
            if step.flow is Flow.CONTINUE:
                step = replace(step, state=replace(step.state, unreported={}))
        return step

    def committed(self, step: Step) -> None:
        """Takes a step whose operations are in the database."""
        self._state = step.state
        if any(isinstance(operation, KeepCookie) for operation in step.operations):
            self._cookie_refused = False

    def _on_model(self, event: sync_pb2.SyncEvent) -> Step:
        model = CarriedModel.from_message(event.model)
        state = replace(self._state, model=model, decoder=RowDecoder(model))
        if state.stage >= Stage.SCHEMA_READY and model.has_tables_of(self._state.model):
            # Other rights or rules: what was downloaded is as good as before.
            return self._step(state, AdoptModel(model))
        return self._step(replace(state, stage=Stage.SCHEMA_READY), AdoptModel(model), ReachStage(Stage.SCHEMA_READY))

    def _on_plan(self, event: sync_pb2.SyncEvent) -> Step:
        plan = event.plan
        if not 0 < len(plan.epoch) <= EPOCH_BYTES_MAX:
            raise ProtocolError(f"a plan has an epoch of {len(plan.epoch)} bytes")
        # A plan also counts removals of entities that the model has just dropped; their tables are gone already.
        tables = [(self._table(planned.entity, "a plan"), planned) for planned in plan.entities if planned.rows]
        operations: list[Operation] = [ExpectRows(planned.entity, planned.rows) for _, planned in tables]
        state = self._state
        if plan.epoch != state.epoch:
            stage = min(state.stage, Stage.SCHEMA_READY)
            state = replace(state, epoch=plan.epoch, stage=stage, attempts={})
            operations = [StartEpoch(plan.epoch), ReachStage(stage), *operations]
        mandatory = sum(planned.rows for table, planned in tables if table.mandatory)
        state = replace(state, mandatory_rows_left=mandatory, asked=(), inventory_rounds=0)
        step = self._reach_mandatory(self._working(state, *operations), done=not mandatory)
        planned = tuple(Planned(table.name, planned.rows, planned.bytes) for table, planned in tables)
        return replace(step, planned=planned)

    def _on_removals(self, event: sync_pb2.SyncEvent) -> Step:
        removals = event.removals
        ordinals = None if removals.all else Bitmap(removals.ordinals)
        state = replace(self._state, asked=(), inventory_rounds=0)
        return self._working(state, RemoveRows(removals.entity, ordinals))

    def _on_rows(self, event: sync_pb2.SyncEvent) -> Step:
        table = self._table(event.rows.entity, "a batch")
        if self._state.decoder is None:
            raise ProtocolError("rows came before any model")
        batch = self._state.decoder.decode(event.rows)
        left = self._state.mandatory_rows_left
        if table.mandatory:
            left = max(0, left - len(batch.ordinals))
        state = replace(self._state, mandatory_rows_left=left, asked=(), inventory_rounds=0)
        step = self._working(state, PutRows(table.entity, batch))
        step = self._reach_mandatory(step, done=not left or not table.mandatory)
        return replace(step, entity=table.name, rows=len(batch.ordinals), planned_bytes=event.rows.planned_bytes)

    def _on_checkpoint(self, event: sync_pb2.SyncEvent) -> Step:
        checkpoint = event.checkpoint
        wrong = self._disagreeing(checkpoint)
        if wrong:
            return self._on_mismatch(wrong)
        reached = Checkpoint(checkpoint.lsn, checkpoint.revision, checkpoint.instant_us)
        state = replace(self._state, stage=Stage.READY, attempts={}, unreported={}, asked=(), inventory_rounds=0)
        step = self._step(
            state, BuildIndexes(self._held.entities().keys()), RecordCheckpoint(reached), ReachStage(Stage.READY)
        )
        once = self._mode != sync_pb2.SYNC_MODE_LIVE
        return replace(step, checkpoint=reached, flow=Flow.COMPLETE if once else Flow.CONTINUE)

    def _on_mismatch(self, wrong: Sequence[int]) -> Step:
        """Asks for every version again; then resets what still disagrees; then gives up."""
        attempts = {entity: self._state.attempts.get(entity, 0) + 1 for entity in wrong}
        hopeless = [entity for entity, attempt in attempts.items() if attempt > MISMATCH_ATTEMPTS_MAX]
        if hopeless:
            raise DigestMismatchError(self._table(entity, "a checkpoint").name for entity in hopeless)
        resets = [RemoveRows(entity, None) for entity, attempt in attempts.items() if attempt == MISMATCH_ATTEMPTS_MAX]
        state = replace(self._state, attempts=attempts, unreported=attempts)
        return replace(self._step(state, *resets), stage=Stage.VERIFYING, flow=Flow.CALL_AGAIN)

    def _on_pass_complete(self, _event: sync_pb2.SyncEvent) -> Step:
        return replace(self._step(self._state, BuildIndexes(self._held.entities().keys())), flow=Flow.INCOMPLETE)

    def _on_inventory_required(self, event: sync_pb2.SyncEvent) -> Step:
        asked = tuple((reference.entity, reference.block) for reference in event.inventory_required.blocks)
        if not 0 < len(asked) <= BLOCKS_MAX:
            raise ProtocolError(f"the server asked for {len(asked)} inventories; 1 to {BLOCKS_MAX} are allowed")
        rounds = self._state.inventory_rounds + 1
        if rounds > INVENTORY_ROUNDS_MAX:
            raise ProtocolError(f"the server asked for inventories {rounds} times and sent nothing")
        state = replace(self._state, asked=asked, inventory_rounds=rounds)
        return replace(self._step(state), flow=Flow.CALL_AGAIN)

    def _on_heartbeat(self, _event: sync_pb2.SyncEvent) -> Step:
        return self._step(self._state)

    def _on_full_check_required(self, event: sync_pb2.SyncEvent) -> Step:
        number = event.full_check_required.number
        if number <= self._held.facts().full_check:
            raise ProtocolError("the server asked for a full check that this device has said it carried out")
        return replace(self._step(self._state, Recount(number)), flow=Flow.CALL_AGAIN)

    def _on_answers(self, event: sync_pb2.SyncEvent) -> Step:
        return replace(self._step(self._state), answers=event.answers)

    def _step(self, state: _State, *operations: Operation) -> Step:
        return Step(operations=operations, flow=Flow.CONTINUE, stage=state.stage, state=state)

    def _working(self, state: _State, *operations: Operation) -> Step:
        """A step within a pass: a device that was ready is downloading again, though its user goes on working."""
        step = self._step(state, *operations)
        return replace(step, stage=Stage.DOWNLOADING) if state.stage >= Stage.MANDATORY_READY else step

    def _reach_mandatory(self, step: Step, *, done: bool) -> Step:
        """Adds, once, that the mandatory entities are complete. They are sent before all others."""
        if not done or step.state.stage >= Stage.MANDATORY_READY:
            return step
        reached = Stage.MANDATORY_READY
        tables = step.state.model.tables.values() if step.state.model else ()
        complete = frozenset(table.entity for table in tables if table.mandatory)
        operations = (*step.operations, BuildIndexes(complete), ReachStage(reached))
        return replace(step, operations=operations, stage=reached, state=replace(step.state, stage=reached))

    def _table(self, entity: int, what: str) -> Table:
        table = self._state.model.tables.get(entity) if self._state.model else None
        if table is None:
            raise ProtocolError(f"{what} is for entity {entity}, which the model does not carry")
        return table

    def _disagreeing(self, checkpoint: sync_pb2.Checkpoint) -> list[int]:
        """The entities whose rows are not those that the server counts, ascending."""
        stated = {digest.entity: EntityState(digest.count, digest.digest) for digest in checkpoint.digests}
        held, nothing = self._held.entities(), EntityState(0, 0)
        entities = held.keys() | stated.keys()
        return sorted(it for it in entities if held.get(it, nothing) != stated.get(it, nothing))

    def _inventory(self, entity: int, block: int) -> sync_pb2.Inventory:
        ordinals = encode_block(block, self._held.ordinals(entity, block))
        return sync_pb2.Inventory(entity=entity, block=block, ordinals=ordinals)


def _entity_blocks(entity: int, blocks: Sequence[BlockState]) -> sync_pb2.EntityBlocks:
    return sync_pb2.EntityBlocks(
        entity=entity,
        blocks=[
            sync_pb2.BlockDigest(block=state.block, count=state.count, membership=state.membership) for state in blocks
        ],
    )

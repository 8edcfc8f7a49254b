"""Where an organization's provisioning stands, as the contract says it: read in one transaction, so of one moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from haversack.admin.v1 import provisioning_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import Bell, Catalog, operations, provisioning, provisioning_bell
from haversack_server.catalog.leases import Clock, database_clock
from haversack_server.catalog.operations import EntityProgress, Failure, Operation, StepProgress
from haversack_server.errors import LimitReached, ServerStopping
from haversack_server.provisioning.machine import SETUP, STEPS, TEARDOWN, State, Step, legal
from haversack_server.provisioning.requests import TERMS, TERMS_TEXT

MESSAGES_MAX = 100
"""How many of an operation's messages are told, the latest."""

WATCHES_MAX = 100
"""How many may watch at once in one process."""

LOOK_SECONDS = 1.0
"""How often a watch looks for what another process did."""

CHANGE_SECONDS_MIN = 0.1
"""How soon after one message of a watch the next one may follow."""

SILENCE_SECONDS_MAX = 10.0
"""After how long a watch says that nothing has changed."""


class Status:
    """Reads where things stand, once or again and again."""

    def __init__(self, catalog: Catalog, *, clock: Clock = database_clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._watching: set[Bell] = set()
        self._is_stopping = False

    def stop(self) -> None:
        """Ends every watch, and lets none begin."""
        self._is_stopping = True
        for bell in self._watching:
            bell.ring()

    async def read(self, organization: str) -> pb.Provisioning:
        """Returns where an organization stands; raises OrganizationUnknown."""
        async with self._catalog.snapshot() as connection:
            standing = await provisioning.find(connection, organization)
            consent = await provisioning.latest_consent(connection, organization)
            operation = await operations.latest(connection, organization)
            shown = pb.Provisioning(
                organization=organization,
                state=f"PROVISIONING_STATE_{standing.state}",
                since_at_us=standing.since_at_us,
                legal=[str(event) for event in legal(State(standing.state))],
                terms=TERMS,
                terms_text=TERMS_TEXT,
                checked_at_us=await self._clock(connection),
            )
            if consent is not None:
                shown.consent.MergeFrom(pb.Consent(who=consent.who, terms=consent.terms, at_us=consent.at_us))
            if operation is not None:
                shown.operation.CopyFrom(await _shown(connection, operation))
        return shown

    async def watch(self, organization: str, *, until_settled: bool) -> AsyncIterator[pb.Provisioning]:
        """Yields where an organization stands, at once and whenever it changes; raises LimitReached."""
        if len(self._watching) >= WATCHES_MAX:
            raise LimitReached(f"{WATCHES_MAX} calls watch already, which is the limit; ask GetProvisioning instead")
        with self._catalog.listen(provisioning_bell(organization)) as bell:
            self._watching.add(bell)
            try:
                async for shown in self._changes(organization, bell):
                    yield shown
                    if until_settled and is_settled(shown):
                        return
            finally:
                self._watching.discard(bell)

    async def _changes(self, organization: str, bell: Bell) -> AsyncIterator[pb.Provisioning]:
        """Yields where an organization stands whenever there is something to say; raises ServerStopping."""
        last: pb.Provisioning | None = None
        while not self._is_stopping:
            shown = await self.read(organization)
            if last is None or _differ(last, shown):
                yield shown
                last = shown
                await asyncio.sleep(CHANGE_SECONDS_MIN)
            await bell.wait(LOOK_SECONDS)
        raise ServerStopping("the server is stopping; watch again, from another server or this one")


def is_settled(shown: pb.Provisioning) -> bool:
    """Whether nothing is under way, so that nothing changes unless somebody asks for it."""
    return State(pb.ProvisioningState.Name(shown.state).removeprefix("PROVISIONING_STATE_")) not in STEPS


def _differ(last: pb.Provisioning, now: pb.Provisioning) -> bool:
    """Whether there is something to say: another standing, or the same one after a long silence."""
    if (now.checked_at_us - last.checked_at_us) >= SILENCE_SECONDS_MAX * 1_000_000:
        return True
    before, after = pb.Provisioning(), pb.Provisioning()
    before.CopyFrom(last)
    after.CopyFrom(now)
    for it in (before, after):
        it.ClearField("checked_at_us")
        it.operation.ClearField("heartbeat_at_us")
    return before != after


async def _shown(connection: AsyncConnection, operation: Operation) -> pb.Operation:
    begun = await operations.steps(connection, operation.id)
    entities = await operations.entities(connection, operation.id)
    shown = pb.Operation(
        number=operation.number,
        kind=f"OPERATION_KIND_{operation.kind}",
        state=f"OPERATION_STATE_{operation.state}",
        requested_by=operation.requested_by,
        requested_at_us=operation.requested_at_us,
        stop_requested_at_us=operation.stop_requested_at_us or 0,
        ended_at_us=operation.ended_at_us or 0,
        heartbeat_at_us=operation.heartbeat_at_us or 0,
        steps=[_shown_step(step, begun.get(step), operation, entities) for step in _steps(operation)],
        entities=[pb.EntityProgress(**vars(it)) for it in entities],
        messages=[
            pb.OperationMessage(at_us=it.at_us, step=_step(it.step), text=it.text)
            for it in await operations.events(connection, operation.id, limit=MESSAGES_MAX)
        ],
    )
    if operation.failure is not None:
        shown.failure.CopyFrom(_shown_failure(operation.failure))
    return shown


def _shown_failure(failure: Failure) -> pb.OperationFailure:
    reason = f"ERROR_REASON_{failure.reason}"
    return pb.OperationFailure(step=_step(failure.step), reason=reason, message=failure.message, at_us=failure.at_us)


def _steps(operation: Operation) -> tuple[Step, ...]:
    """The steps that an operation has, those of its clean-up included once it was told to stop."""
    if operation.kind == "DEPROVISION":
        return TEARDOWN
    return SETUP if operation.stop_requested_at_us is None else (*SETUP, *TEARDOWN)


def _step(name: str | None) -> str:
    return f"PROVISIONING_STEP_{name or 'UNSPECIFIED'}"


def _shown_step(
    step: Step, begun: StepProgress | None, operation: Operation, entities: list[EntityProgress]
) -> pb.OperationStep:
    state = _step_state(step, begun, operation)
    shown = pb.OperationStep(step=_step(step), state=state)
    if begun is not None:
        shown.began_at_us = begun.began_at_us
        shown.ended_at_us = begun.ended_at_us or 0
    if state == pb.STEP_STATE_DONE:
        shown.percent = 100
    elif step is Step.REPLICATE_DATA and begun is not None:
        total = sum(it.rows_total for it in entities)
        shown.percent = 100 * sum(it.rows_done for it in entities) // total if total else 0
        if begun.seconds_left is not None and state == pb.STEP_STATE_RUNNING:
            shown.seconds_left = begun.seconds_left
    return shown


def _step_state(step: Step, begun: StepProgress | None, operation: Operation) -> pb.StepState:
    if begun is not None and begun.ended_at_us is not None:
        return pb.STEP_STATE_DONE
    if operation.stop_requested_at_us is not None and step in SETUP:
        return pb.STEP_STATE_SKIPPED
    if operation.failure is not None and operation.failure.step == step:
        return pb.STEP_STATE_FAILED
    return pb.STEP_STATE_WAITING if begun is None else pb.STEP_STATE_RUNNING

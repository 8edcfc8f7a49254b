"""What administrators ask for. Each is one transaction: it moves the organization along the machine, or is refused."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import (
    OPERATIONS_BELL,
    Catalog,
    operations,
    organizations,
    provisioning,
    provisioning_bell,
)
from haversack_server.catalog.leases import Clock, database_clock
from haversack_server.catalog.operations import Operation
from haversack_server.catalog.provisioning import Consent, Standing
from haversack_server.errors import ConsentMissing, OrganizationKindRefused, RequestInvalid, TransitionIllegal
from haversack_server.provisioning.machine import INITIAL, TEARDOWN, Event, State, advice, next_state

TERMS = "1"
"""The version of the terms that are in force. A consent to another one does not count."""

TERMS_TEXT = (
    "Rows of this organization are copied from their source into a staging database on the machines that run this"
    " server, and from there onto devices, where people whom its profiles name can read them without a network. The"
    " copies stay until the organization is de-provisioned, and on devices until they sync again or are wiped."
)

REFUSED_KINDS = frozenset({"TRIAL", "PREVIEW", "SANDBOX"})


class Requests:
    """Records what is asked for; a worker, woken at once, does it."""

    def __init__(self, catalog: Catalog, *, clock: Clock = database_clock) -> None:
        self._catalog = catalog
        self._clock = clock

    async def consent(self, organization: str, terms: str, *, who: str) -> None:
        """Records that somebody consents; raises RequestInvalid unless to the terms in force."""
        if terms != TERMS:
            raise RequestInvalid(f"the terms in force are version {TERMS}, not {terms!r}; read them, and name it")
        async with self._catalog.begin() as connection:
            await organizations.find(connection, organization, for_update=True)
            at_us = await self._clock(connection)
            await provisioning.add_consent(connection, organization, Consent(who, terms, at_us))
        await self._ring(organization)

    async def start(self, organization: str, *, who: str) -> None:
        """Begins to provision; raises TransitionIllegal, OrganizationKindRefused or ConsentMissing."""
        async with self._catalog.begin() as connection:
            await self._advance(connection, organization, Event.START, who=who)
            await check_permitted(connection, organization)
            await self._begin(connection, organization, kind="PROVISION", who=who)
        await self._ring(organization)

    async def stop(self, organization: str, *, who: str) -> None:
        """Stops provisioning, or gives a failed one up; raises TransitionIllegal."""
        async with self._catalog.begin() as connection:
            _, at_us = await self._advance(connection, organization, Event.STOP, who=who)
            operation = await operations.unsettled(connection, organization)
            await operations.forget_steps(connection, operation.id, TEARDOWN)
            await operations.set_running(connection, operation.id, stop_requested_at_us=at_us)
            await operations.add_event(connection, operation.id, f"{who} asked to stop", at_us=at_us)
        await self._ring(organization)

    async def retry(self, organization: str, *, who: str) -> None:
        """Goes on from the step that failed; raises TransitionIllegal.

        Where a stop had failed, nobody knows what it left, so that provisioning begins anew.
        """
        async with self._catalog.begin() as connection:
            _, at_us = await self._advance(connection, organization, Event.RETRY, who=who)
            operation = await operations.unsettled(connection, organization)
            if operation.stop_requested_at_us is not None:
                await operations.forget_steps(connection, operation.id)
                await operations.set_staging_path(connection, operation.id, None)
            await operations.set_running(connection, operation.id, stop_requested_at_us=None)
            await operations.add_event(connection, operation.id, f"{who} asked to retry", at_us=at_us)
        await self._ring(organization)

    async def deprovision(self, organization: str, *, who: str) -> None:
        """Begins to take away what provisioning made; raises TransitionIllegal."""
        async with self._catalog.begin() as connection:
            standing, _ = await self._advance(connection, organization, Event.DEPROVISION, who=who)
            await self._begin(connection, organization, kind="DEPROVISION", who=who, staging_path=standing.staging_path)
        await self._ring(organization)

    async def move(self, organization: str, region: str) -> None:
        """Moves an organization to another region; raises TransitionIllegal unless it is NOT_PROVISIONED."""
        async with self._catalog.begin() as connection:
            await organizations.find(connection, organization, for_update=True)
            state = State((await provisioning.find(connection, organization, for_update=True)).state)
            if state is not INITIAL:
                raise TransitionIllegal(
                    f"organization {organization} is {state}, and only one that is {INITIAL} can be moved:"
                    f" de-provision, move, provision; {advice(state)}"
                )
            await organizations.set_region(connection, organization, region)

    async def _ring(self, organization: str) -> None:
        """Wakes workers, and those who watch."""
        await self._catalog.notify(OPERATIONS_BELL)
        await self._catalog.notify(provisioning_bell(organization))

    async def _advance(
        self, connection: AsyncConnection, organization: str, event: Event, *, who: str
    ) -> tuple[Standing, int]:
        """Moves an organization along the machine; returns where it stands then, and the time."""
        before = await provisioning.find(connection, organization, for_update=True)
        state = next_state(State(before.state), event)
        at_us = await self._clock(connection)
        after = await provisioning.advance(connection, before, event=event, state=state, who=who, at_us=at_us)
        return after, at_us

    async def _begin(
        self, connection: AsyncConnection, organization: str, *, kind: str, who: str, staging_path: str | None = None
    ) -> Operation:
        at_us = await self._clock(connection)
        operation = await operations.add(
            connection, organization, kind=kind, who=who, at_us=at_us, staging_path=staging_path
        )
        asked = "provision" if kind == "PROVISION" else "de-provision"
        await operations.add_event(connection, operation.id, f"{who} asked to {asked}", at_us=at_us)
        return operation


async def check_permitted(connection: AsyncConnection, organization: str) -> None:
    """Raises OrganizationKindRefused or ConsentMissing if an organization may not be provisioned."""
    kind = (await organizations.find(connection, organization)).kind
    if kind in REFUSED_KINDS:
        raise OrganizationKindRefused(
            f"organization {organization} is of kind {kind}, and trial, preview and sandbox organizations cannot be"
            " provisioned; make one of kind PRODUCTION"
        )
    consent = await provisioning.latest_consent(connection, organization)
    if consent is None or consent.terms != TERMS:
        before = f" (to version {consent.terms} only, which is not in force any more)" if consent else ""
        raise ConsentMissing(
            f"nobody has consented to the terms of provisioning organization {organization}{before};"
            f" `haversack org consent {organization}` shows version {TERMS} and records consent"
        )

"""Queries on where organizations stand, and on consents. Every function works inside the transaction of `connection`.

What is legal is decided by `haversack_server.provisioning.machine`, and held by the schema whatever anybody decides:
see `_provisioning_tables`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog._provisioning_tables import consent as _consent
from haversack_server.catalog._provisioning_tables import provisioning as _provisioning
from haversack_server.catalog._provisioning_tables import provisioning_state as _state
from haversack_server.errors import OrganizationUnknown


@dataclass(frozen=True)
class Standing:
    """Where an organization stands.

    Attributes:
        organization: Its name.
        state: Name of its state.
        number: How many transitions led here.
        since_at_us: When the last one happened, microseconds since the Unix epoch.
        staging_path: Of the staging database that is served, relative to the data folder; None if there is none.
        epoch: Identity of that database; None if there is none.
    """

    organization: str
    state: str
    number: int
    since_at_us: int
    staging_path: str | None
    epoch: bytes | None


@dataclass(frozen=True)
class Served:
    """What sync servers serve of an organization: a staging database, or None."""

    organization: str
    staging_path: str | None
    epoch: bytes | None


@dataclass(frozen=True)
class Consent:
    """Who consented to which version of the terms, and when, in microseconds since the Unix epoch."""

    who: str
    terms: str
    at_us: int


async def add(connection: AsyncConnection, organization: str, *, who: str, at_us: int) -> None:
    """Gives a new organization its first state."""
    first = {"organization": organization, "number": 0, "state": "NOT_PROVISIONED", "who": who, "at_us": at_us}
    await connection.execute(insert(_state).values(first))
    await connection.execute(
        insert(_provisioning).values(organization=organization, state_number=0, state="NOT_PROVISIONED")
    )


async def find(connection: AsyncConnection, organization: str, *, for_update: bool = False) -> Standing:
    """Returns where an organization stands, with `for_update` so that it stays there; raises OrganizationUnknown."""
    link = (_state.c.organization == _provisioning.c.organization) & (_state.c.number == _provisioning.c.state_number)
    query = select(_provisioning, _state.c.at_us).join(_state, link).where(_provisioning.c.organization == organization)
    if for_update:
        query = query.with_for_update(of=_provisioning)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise OrganizationUnknown(
            f"there is no organization {organization!r}; `haversack org list` names those that there are"
        )
    return Standing(organization, row.state, row.state_number, row.at_us, row.staging_path, row.epoch)


async def advance(
    connection: AsyncConnection, before: Standing, *, event: str, state: str, who: str, at_us: int
) -> Standing:
    """Writes the transition from where an organization stands; the schema refuses one that is not legal."""
    number = before.number + 1
    link = {
        "organization": before.organization,
        "number": number,
        "state": state,
        "previous_number": before.number,
        "previous_state": before.state,
        "event": event,
        "who": who,
        "at_us": at_us,
    }
    await connection.execute(insert(_state).values(link))
    key = _provisioning.c.organization == before.organization
    await connection.execute(update(_provisioning).where(key).values(state_number=number, state=state))
    return Standing(before.organization, state, number, at_us, before.staging_path, before.epoch)


async def set_served(connection: AsyncConnection, served: Served) -> None:
    """Says what sync servers serve of an organization from now on."""
    key = _provisioning.c.organization == served.organization
    values = {"staging_path": served.staging_path, "epoch": served.epoch}
    await connection.execute(update(_provisioning).where(key).values(values))


async def all_served(connection: AsyncConnection) -> list[Served]:
    """Returns what is served of every organization, by name."""
    query = select(_provisioning).order_by(_provisioning.c.organization)
    return [Served(row.organization, row.staging_path, row.epoch) for row in await connection.execute(query)]


async def add_consent(connection: AsyncConnection, organization: str, given: Consent) -> None:
    """Records a consent."""
    values = {"organization": organization, "who": given.who, "terms": given.terms, "at_us": given.at_us}
    await connection.execute(insert(_consent).values(values))


async def latest_consent(connection: AsyncConnection, organization: str) -> Consent | None:
    """Returns the latest consent; None if nobody has consented."""
    query = select(_consent).where(_consent.c.organization == organization).order_by(_consent.c.id.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return Consent(row.who, row.terms, row.at_us) if row else None

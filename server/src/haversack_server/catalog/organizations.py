"""Queries on organizations. Every function works inside the transaction of `connection`."""

from __future__ import annotations

from dataclasses import dataclass

from haversack.model.v1 import model_pb2
from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog._tables import organization as table
from haversack_server.errors import OrganizationExists, OrganizationUnknown


@dataclass(frozen=True)
class Organization:
    """An organization as the catalog knows it.

    Attributes:
        name: Its unique name.
        settings: Rules for all of its data.
        record_path: Path of its record database, relative to the data folder.
        last_entity_number: The highest number that was ever given to an entity of it.
        kind: What it is for: PRODUCTION, TRIAL, PREVIEW or SANDBOX.
        region: Where its data is kept; empty if that does not matter.
    """

    name: str
    settings: model_pb2.Settings
    record_path: str
    last_entity_number: int
    kind: str = "PRODUCTION"
    region: str = ""


async def add(connection: AsyncConnection, organization: Organization, *, at_us: int) -> None:
    """Adds an organization; raises OrganizationExists if its name is taken."""
    values = {
        "name": organization.name,
        "settings": organization.settings.SerializeToString(deterministic=True),
        "record_path": organization.record_path,
        "last_entity_number": organization.last_entity_number,
        "created_at_us": at_us,
        "kind": organization.kind,
        "region": organization.region,
    }
    try:
        await connection.execute(insert(table).values(values))
    except IntegrityError as error:
        raise OrganizationExists(f"organization {organization.name} exists; choose another name") from error


async def find(connection: AsyncConnection, name: str, *, for_update: bool = False) -> Organization:
    """Returns an organization, and with `for_update` keeps other writers of it out; raises OrganizationUnknown."""
    query = select(table).where(table.c.name == name)
    row = (await connection.execute(query.with_for_update() if for_update else query)).one_or_none()
    if row is None:
        raise OrganizationUnknown(f"there is no organization {name!r}; `haversack org list` names those that there are")
    return _read(row)


async def all_by_name(connection: AsyncConnection) -> list[Organization]:
    """Returns every organization, by name."""
    return [_read(row) for row in await connection.execute(select(table).order_by(table.c.name))]


async def set_last_entity_number(connection: AsyncConnection, name: str, number: int) -> None:
    """Records the highest number that was given to an entity."""
    await connection.execute(update(table).where(table.c.name == name).values(last_entity_number=number))


async def set_settings(connection: AsyncConnection, name: str, settings: model_pb2.Settings) -> None:
    """Replaces the rules for all of an organization's data."""
    content = settings.SerializeToString(deterministic=True)
    await connection.execute(update(table).where(table.c.name == name).values(settings=content))


async def set_region(connection: AsyncConnection, name: str, region: str) -> None:
    """Records where an organization's data is kept from now on."""
    await connection.execute(update(table).where(table.c.name == name).values(region=region))


def _read(row: Row[tuple[object, ...]]) -> Organization:
    return Organization(
        name=row.name,
        settings=model_pb2.Settings.FromString(row.settings),
        record_path=row.record_path,
        last_entity_number=row.last_entity_number,
        kind=row.kind,
        region=row.region,
    )

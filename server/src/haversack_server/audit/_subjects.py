"""What each call is about: how people name it, and what of it the catalog has, to be compared before and after.

A call without an entry here is recorded with its request and its response, and named by what its request says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from haversack.model.v1 import model_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.audit._words import described
from haversack_server.catalog import _tables as tables
from haversack_server.catalog import sources
from haversack_server.catalog._provisioning_tables import consent, provisioning

TARGET_FIELDS = ("profile", "entity", "app", "user", "team", "name", "number", "id")
"""Fields that name what a request is about, most telling first."""

Snapshot = Callable[[AsyncConnection, Any], Awaitable[Any]]
"""Returns what is there now, as JSON data; None if nothing is."""


@dataclass(frozen=True)
class Subject:
    """What a call is about.

    Attributes:
        target: Names it, from the request.
        snapshot: Reads it; None if the catalog does not have it.
    """

    target: Callable[[Any], str]
    snapshot: Snapshot | None = None


def subject_of(rpc: str) -> Subject:
    """Returns what a method, named in full, is about."""
    return SUBJECTS.get(rpc, _ANYTHING)


def shortened(text: str, length_max: int) -> str:
    """Returns a text that fits into its column; PostgreSQL takes no NUL."""
    return text.replace("\0", "\ufffd")[:length_max]


def _told(request: Message) -> str:
    """Names a request's target by the first of its fields that has a name in it."""
    for name in TARGET_FIELDS:
        field = request.DESCRIPTOR.fields_by_name.get(name)
        if field is None or field.is_repeated:
            continue
        value = getattr(request, name)
        value = getattr(value, "name", "") if isinstance(value, Message) else value
        if value:
            return f"{name} {value}"
    return ""


async def _settings(connection: AsyncConnection, request: Any) -> Any:
    column = tables.organization.c.settings
    name = getattr(request, "organization", "") or request.name
    content = await connection.scalar(select(column).where(tables.organization.c.name == name))
    return None if content is None else described(model_pb2.Settings.FromString(content))


async def _entity(connection: AsyncConnection, request: Any) -> Any:
    table = tables.entity
    query = select(table.c.offline, table.c.organization_filter).where(
        table.c.organization == request.organization, table.c.logical_name == request.entity
    )
    row = (await connection.execute(query)).one_or_none()
    return row and {"offline": row.offline, "organization_filter": row.organization_filter}


async def _entities(connection: AsyncConnection, request: Any) -> Any:
    """Names of the entities, each with the highest number that was given to a field of it."""
    table = tables.entity
    query = select(table.c.logical_name, table.c.last_attribute_number).where(
        table.c.organization == request.organization
    )
    rows = await connection.execute(query.order_by(table.c.logical_name))
    return {row.logical_name: row.last_attribute_number for row in rows}


async def _region(connection: AsyncConnection, request: Any) -> Any:
    table = tables.organization
    region = await connection.scalar(select(table.c.region).where(table.c.name == request.organization))
    return None if region is None else {"region": region}


async def _standing(connection: AsyncConnection, request: Any) -> Any:
    """Where provisioning stands, and the latest consent."""
    standing = select(provisioning.c.state).where(provisioning.c.organization == request.organization)
    agreed = select(consent.c.terms).where(consent.c.organization == request.organization)
    state = await connection.scalar(standing)
    terms = await connection.scalar(agreed.order_by(consent.c.id.desc()).limit(1))
    return state and {"state": state, "terms": terms or ""}


async def _app(connection: AsyncConnection, request: Any) -> Any:
    name = request.app.name if hasattr(request, "app") else request.name
    table = tables.app
    query = select(table.c.content).where(table.c.organization == request.organization, table.c.name == name)
    content = await connection.scalar(query)
    return None if content is None else described(model_pb2.App.FromString(content))


def _draft(name: Callable[[Any], str]) -> Snapshot:
    """The draft of the profile that `name` finds in a request."""

    async def snapshot(connection: AsyncConnection, request: Any) -> Any:
        table = tables.profile
        query = select(table.c.draft).where(table.c.organization == request.organization, table.c.name == name(request))
        content = await connection.scalar(query)
        return None if content is None else described(model_pb2.Profile.FromString(content))

    return snapshot


async def _published(connection: AsyncConnection, request: Any) -> Any:
    """The organization's newest revision, and the profile's."""
    publish, revision = tables.publish, tables.profile_revision
    newest = select(publish.c.revision, publish.c.lsn).where(publish.c.organization == request.organization)
    row = (await connection.execute(newest.order_by(publish.c.revision.desc()).limit(1))).one_or_none()
    profile = getattr(request, "name", "")
    own = select(revision.c.number).where(
        revision.c.organization == request.organization, revision.c.profile == profile
    )
    number = await connection.scalar(own.order_by(revision.c.number.desc()).limit(1))
    return row and {"revision": row.revision, "lsn": row.lsn, "profile_revision": number or 0}


async def _drafts(connection: AsyncConnection, request: Any) -> Any:
    """Names of the profiles, and what `_entities` says."""
    table = tables.profile
    rows = await connection.execute(select(table.c.name).where(table.c.organization == request.organization))
    return {"profiles": sorted(row.name for row in rows), "entities": await _entities(connection, request)}


async def _grant(connection: AsyncConnection, request: Any) -> Any:
    table = tables.access_grant
    query = select(table.c.role).where(
        table.c.organization == request.organization,
        table.c.issuer == request.issuer,
        table.c.subject == request.subject,
    )
    role = await connection.scalar(query)
    return None if role is None else {"role": role}


async def _source(connection: AsyncConnection, request: Any) -> Any:
    """The source but for its secrets; of these, whether there are any."""
    stored = await sources.find(connection, request.organization)
    return stored and {
        "kind": stored.kind,
        "settings": dict(stored.settings),
        "has_secrets": bool(stored.sealed_secrets),
        "mapping": stored.mapping,
        "paused": stored.is_paused,
    }


def _profile(request: Any) -> str:
    return f"profile {request.name}"


def _caller(request: Any) -> str:
    return f"{request.subject} of {request.issuer}"


def _device(request: Any) -> str:
    return f"device {request.install}" + (f" of user {request.user}" if request.user else "")


_ANYTHING = Subject(_told)
_PREFIX = "haversack.admin.v1."

SUBJECTS: dict[str, Subject] = {
    f"{_PREFIX}OrganizationService.CreateOrganization": Subject(lambda it: f"organization {it.name}", _settings),
    f"{_PREFIX}OrganizationService.SetSettings": Subject(lambda _: "settings", _settings),
    f"{_PREFIX}OrganizationService.MoveOrganization": Subject(lambda _: "region", _region),
    f"{_PREFIX}EntityService.ImportMetadata": Subject(lambda _: "metadata", _entities),
    f"{_PREFIX}EntityService.EnableEntity": Subject(_told, _entity),
    f"{_PREFIX}EntityService.DisableEntity": Subject(_told, _entity),
    f"{_PREFIX}EntityService.SetOrganizationFilter": Subject(_told, _entity),
    f"{_PREFIX}EntityService.PublishCustomizations": Subject(lambda _: "customizations", _published),
    f"{_PREFIX}IngestService.Ingest": Subject(lambda it: f"entity {it.header.entity}"),
    f"{_PREFIX}ProfileService.SaveProfile": Subject(_told, _draft(lambda it: str(it.profile.name))),
    f"{_PREFIX}ProfileService.CloneProfile": Subject(
        lambda it: f"profile {it.new_name}", _draft(lambda it: str(it.new_name))
    ),
    f"{_PREFIX}ProfileService.AddMembers": Subject(_profile, _draft(lambda it: str(it.name))),
    f"{_PREFIX}ProfileService.RemoveMembers": Subject(_profile, _draft(lambda it: str(it.name))),
    f"{_PREFIX}ProfileService.DeleteProfile": Subject(_profile, _draft(lambda it: str(it.name))),
    f"{_PREFIX}ProfileService.PublishProfile": Subject(_profile, _published),
    f"{_PREFIX}ProfileService.UnpublishProfile": Subject(_profile, _published),
    f"{_PREFIX}ProfileService.RollBackProfile": Subject(_profile, _published),
    f"{_PREFIX}AppService.SaveApp": Subject(_told, _app),
    f"{_PREFIX}AppService.DeleteApp": Subject(lambda it: f"app {it.name}", _app),
    f"{_PREFIX}ProvisioningService.RecordConsent": Subject(lambda _: "consent", _standing),
    f"{_PREFIX}ProvisioningService.StartProvisioning": Subject(lambda _: "provisioning", _standing),
    f"{_PREFIX}ProvisioningService.StopProvisioning": Subject(lambda _: "provisioning", _standing),
    f"{_PREFIX}ProvisioningService.RetryProvisioning": Subject(lambda _: "provisioning", _standing),
    f"{_PREFIX}ProvisioningService.StartDeprovisioning": Subject(lambda _: "provisioning", _standing),
    f"{_PREFIX}SourceService.SetSource": Subject(lambda _: "source", _source),
    f"{_PREFIX}SourceService.RemoveSource": Subject(lambda _: "source", _source),
    f"{_PREFIX}SourceService.SetMapping": Subject(lambda _: "mapping", _source),
    f"{_PREFIX}SourceService.ImportSourceMetadata": Subject(lambda _: "metadata", _entities),
    f"{_PREFIX}SourceService.PauseSource": Subject(lambda _: "source", _source),
    f"{_PREFIX}SourceService.ResumeSource": Subject(lambda _: "source", _source),
    f"{_PREFIX}SourceService.RotateSourceKey": Subject(lambda _: "key of secrets"),
    f"{_PREFIX}WorkService.RetryWorkItem": Subject(lambda it: f"work item {it.number}"),
    f"{_PREFIX}WorkService.RunWorkItem": Subject(lambda it: f"work item {it.number}"),
    **{
        f"{_PREFIX}DeviceService.{order}": Subject(_device)
        for order in ("ForceFullCheck", "BlockDevice", "UnblockDevice", "WipeDevice", "CancelWipe", "ForgetDevice")
    },
    f"{_PREFIX}DirectoryService.ChangeDirectory": Subject(lambda _: "directory"),
    f"{_PREFIX}SolutionService.ImportSolution": Subject(lambda _: "solution", _drafts),
    f"{_PREFIX}AccessService.GrantRole": Subject(_caller, _grant),
    f"{_PREFIX}AccessService.RevokeRole": Subject(_caller, _grant),
}
"""What calls are about, by the full names of their methods."""

"""Queries on profiles: drafts and frozen revisions. Every function works inside the transaction of `connection`."""

from __future__ import annotations

from dataclasses import dataclass

from haversack.model.v1 import model_pb2
from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import _tables
from haversack_server.errors import ProfileUnknown, RevisionUnknown

_profile = _tables.profile
_revision = _tables.profile_revision


@dataclass(frozen=True)
class StoredProfile:
    """A profile of an organization.

    Attributes:
        draft: As its author wrote it; nothing in it is compiled.
        version: Rises by 1 with every write of the draft; from 1.
        author: Who wrote the draft.
        at_us: When, in microseconds since the Unix epoch; 0 if nobody knows.
        published: The revision that devices follow; 0 if they follow none.
    """

    draft: model_pb2.Profile
    version: int
    author: str
    at_us: int
    published: int


@dataclass(frozen=True)
class Revision:
    """A profile as it was published.

    Attributes:
        frozen: The profile with its number, filters compiled.
        author: Who published it.
        note: Why, in the author's words.
        at_us: When, in microseconds since the Unix epoch.
    """

    frozen: model_pb2.Profile
    author: str
    note: str
    at_us: int


async def put_draft(
    connection: AsyncConnection, organization: str, draft: model_pb2.Profile, *, author: str, at_us: int
) -> None:
    """Writes a draft, replacing the one of its name; its version rises."""
    values = {
        "draft": draft.SerializeToString(deterministic=True),
        "draft_author": author,
        "draft_at_us": at_us,
    }
    replaced = values | {"draft_version": _profile.c.draft_version + 1}
    written = await connection.execute(update(_profile).where(_key(organization, draft.name)).values(replaced))
    if written.rowcount == 0:
        values |= {"organization": organization, "name": draft.name, "draft_version": 1}
        await connection.execute(insert(_profile).values(values))


async def set_published(connection: AsyncConnection, organization: str, name: str, number: int | None) -> None:
    """Records which revision of a profile devices follow; None: they follow none."""
    await connection.execute(update(_profile).where(_key(organization, name)).values(published=number))


async def remove(connection: AsyncConnection, organization: str, name: str) -> None:
    """Removes a profile with all its revisions."""
    revisions = (_revision.c.organization == organization) & (_revision.c.profile == name)
    await connection.execute(delete(_revision).where(revisions))
    await connection.execute(delete(_profile).where(_key(organization, name)))


async def find(connection: AsyncConnection, organization: str, name: str) -> StoredProfile:
    """Returns a profile; raises ProfileUnknown."""
    row = (await connection.execute(select(_profile).where(_key(organization, name)))).one_or_none()
    if row is None:
        raise ProfileUnknown(
            f"organization {organization} has no profile {name!r}; `haversack profile list` names them"
        )
    return _read(row)


async def all_by_name(connection: AsyncConnection, organization: str) -> dict[str, StoredProfile]:
    """Returns every profile of an organization, in order of the names."""
    query = select(_profile).where(_profile.c.organization == organization).order_by(_profile.c.name)
    return {row.name: _read(row) for row in await connection.execute(query)}


async def drafts_by_name(connection: AsyncConnection, organization: str) -> dict[str, model_pb2.Profile]:
    """Returns every draft of an organization, in order of the names."""
    return {name: it.draft for name, it in (await all_by_name(connection, organization)).items()}


async def add_revision(connection: AsyncConnection, organization: str, revision: Revision) -> None:
    """Adds a frozen revision; its number is in it."""
    values = {
        "organization": organization,
        "profile": revision.frozen.name,
        "number": revision.frozen.revision,
        "content": revision.frozen.SerializeToString(deterministic=True),
        "published_at_us": revision.at_us,
        "author": revision.author,
        "note": revision.note,
    }
    await connection.execute(insert(_revision).values(values))


async def revisions(connection: AsyncConnection, organization: str, name: str) -> list[Revision]:
    """Returns every revision of a profile, the latest first."""
    query = select(_revision).where(_revision.c.organization == organization, _revision.c.profile == name)
    return [_read_revision(row) for row in await connection.execute(query.order_by(_revision.c.number.desc()))]


async def find_revision(connection: AsyncConnection, organization: str, name: str, number: int) -> Revision:
    """Returns a revision of a profile; raises RevisionUnknown."""
    query = select(_revision).where(
        _revision.c.organization == organization, _revision.c.profile == name, _revision.c.number == number
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise RevisionUnknown(
            f"profile {name} has no revision {number}; `haversack profile history {name}` lists those that it has"
        )
    return _read_revision(row)


async def last_number(connection: AsyncConnection, organization: str, name: str) -> int:
    """Returns the number of a profile's latest revision, whether devices follow it or not; 0 if there is none."""
    query = select(func.max(_revision.c.number)).where(
        _revision.c.organization == organization, _revision.c.profile == name
    )
    return (await connection.execute(query)).scalar_one() or 0


async def published(connection: AsyncConnection, organization: str) -> dict[str, model_pb2.Profile]:
    """Returns the revision of each profile that devices follow, the latest publish first."""
    query = (
        select(_revision.c.profile, _revision.c.content)
        .join(
            _profile,
            (_profile.c.organization == _revision.c.organization)
            & (_profile.c.name == _revision.c.profile)
            & (_profile.c.published == _revision.c.number),
        )
        .where(_profile.c.organization == organization)
        .order_by(_revision.c.published_at_us.desc(), _profile.c.name)
    )
    return {row.profile: model_pb2.Profile.FromString(row.content) for row in await connection.execute(query)}


def _key(organization: str, name: str) -> ColumnElement[bool]:
    return (_profile.c.organization == organization) & (_profile.c.name == name)


def _read(row: Row[tuple[object, ...]]) -> StoredProfile:
    return StoredProfile(
        draft=model_pb2.Profile.FromString(row.draft),
        version=row.draft_version,
        author=row.draft_author,
        at_us=row.draft_at_us,
        published=row.published or 0,
    )


def _read_revision(row: Row[tuple[object, ...]]) -> Revision:
    return Revision(
        frozen=model_pb2.Profile.FromString(row.content), author=row.author, note=row.note, at_us=row.published_at_us
    )

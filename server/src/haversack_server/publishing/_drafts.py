"""Drafts: what administrators write before they publish. Devices see nothing of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from haversack.admin.v1 import profiles_pb2
from haversack.model.v1 import model_pb2
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import Catalog, apps, organizations, profiles
from haversack_server.catalog.profiles import StoredProfile
from haversack_server.core import in_thread
from haversack_server.errors import DraftChanged, ProfileExists, ProfileInUse, ProfilePublished
from haversack_server.publishing._judge import Judgement, judge, without_plans
from haversack_server.publishing._members import Move, left_behind, moves, refuse_moves, with_members, without_members
from haversack_server.publishing._metadata import load_metadata
from haversack_server.publishing._summary import summaries


@dataclass(frozen=True)
class Saved:
    """A draft that was written.

    Attributes:
        summary: The profile's summary.
        warnings: What is legal but looks like a mistake, one sentence each.
        moved: Users who left other drafts for it.
    """

    summary: profiles_pb2.ProfileSummary
    warnings: tuple[str, ...]
    moved: tuple[Move, ...]


class Drafts:
    """Writes drafts, each judged before."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def save(
        self,
        organization: str,
        profile: model_pb2.Profile,
        *,
        author: str,
        move: bool = False,
        version: int | None = None,
    ) -> Saved:
        """Writes a draft, replacing the one of its name if that has this version (0: if there is none; None: any).

        Raises ProfileInvalid with every breach, UserInOtherProfile unless users may move, DraftChanged, ProfileExists.
        """
        async with self._changing(organization) as connection:
            stored = (await profiles.all_by_name(connection, organization)).get(profile.name)
            _check_version(profile.name, stored, version)
            return await _write(connection, organization, without_plans(profile), author=author, move=move)

    async def clone(self, organization: str, name: str, new_name: str, *, revision: int, author: str) -> Saved:
        """Writes a draft like another one, or like a revision if its number is not 0, without members.

        Raises ProfileUnknown, RevisionUnknown or ProfileExists.
        """
        async with self._changing(organization) as connection:
            copied = await content(connection, organization, name, revision)
            stored = (await profiles.all_by_name(connection, organization)).get(new_name)
            _check_version(new_name, stored, 0)
            copied.name = new_name
            del copied.users[:]
            del copied.teams[:]
            return await _write(connection, organization, copied, author=author)

    async def add_members(
        self, organization: str, name: str, users: list[str], teams: list[str], *, author: str, move: bool
    ) -> Saved:
        """Adds members to a draft; raises ProfileInvalid, or UserInOtherProfile unless users may move."""
        return await self._change(
            organization, name, lambda draft: with_members(draft, users, teams), author=author, move=move
        )

    async def remove_members(
        self, organization: str, name: str, users: list[str], teams: list[str], *, author: str
    ) -> Saved:
        """Takes members out of a draft."""
        return await self._change(
            organization, name, lambda draft: without_members(draft, set(users), set(teams)), author=author
        )

    async def validate(self, organization: str, subject: str | model_pb2.Profile) -> Judgement:
        """Judges a draft, saved under a name or not at all; writes nothing."""
        async with self._catalog.begin() as connection:
            metadata = await load_metadata(connection, organization)
            drafts = await profiles.drafts_by_name(connection, organization)
            if isinstance(subject, str):
                subject = (await profiles.find(connection, organization, subject)).draft
        judgement = await in_thread(judge, without_plans(subject), metadata)
        said = [f"user {it.user} is in profile {it.from_profile} too" for it in moves(subject, drafts)]
        return judgement.saying_too(said)

    async def delete(self, organization: str, name: str, *, version: int | None) -> None:
        """Deletes a profile that devices do not follow; raises ProfilePublished, ProfileInUse or DraftChanged."""
        async with self._changing(organization) as connection:
            stored = await profiles.find(connection, organization, name)
            _check_version(name, stored, version)
            if stored.published:
                raise ProfilePublished(
                    f"devices follow revision {stored.published} of profile {name}; unpublish it first"
                )
            known = await apps.all_by_name(connection, organization)
            naming = [it.name for it in known.values() if name in it.profiles]
            if naming:
                raise ProfileInUse(f"profile {name} is named by {', '.join(naming)}; take it out of these applications")
            await profiles.remove(connection, organization, name)

    async def _change(
        self,
        organization: str,
        name: str,
        change: Callable[[model_pb2.Profile], model_pb2.Profile],
        *,
        author: str,
        move: bool = False,
    ) -> Saved:
        async with self._changing(organization) as connection:
            draft = (await profiles.find(connection, organization, name)).draft
            return await _write(connection, organization, change(draft), author=author, move=move)

    @asynccontextmanager
    async def _changing(self, organization: str) -> AsyncIterator[AsyncConnection]:
        """Opens a transaction that keeps other changes of the organization waiting; raises OrganizationUnknown."""
        async with self._catalog.exclusive(organization), self._catalog.begin() as connection:
            await organizations.find(connection, organization, for_update=True)
            yield connection


async def content(connection: AsyncConnection, organization: str, name: str, revision: int) -> model_pb2.Profile:
    """Returns a profile as its author wrote it: the draft, or the revision of this number if it is not 0."""
    stored = await profiles.find(connection, organization, name)
    if not revision:
        return stored.draft
    return without_plans((await profiles.find_revision(connection, organization, name, revision)).frozen)


async def move_users(
    connection: AsyncConnection, organization: str, draft: model_pb2.Profile, *, author: str, move: bool
) -> tuple[Move, ...]:
    """Takes the users of a draft out of other drafts; raises UserInOtherProfile unless they may move."""
    drafts = await profiles.drafts_by_name(connection, organization)
    found = moves(draft, drafts)
    if not move:
        refuse_moves(found, draft.name)
    for left in left_behind(found, drafts):
        await profiles.put_draft(connection, organization, left, author=author, at_us=_now_us())
    return tuple(found)


async def _write(
    connection: AsyncConnection, organization: str, draft: model_pb2.Profile, *, author: str, move: bool = False
) -> Saved:
    judgement = await in_thread(judge, draft, await load_metadata(connection, organization))
    judgement.refuse()
    moved = await move_users(connection, organization, draft, author=author, move=move)
    await profiles.put_draft(connection, organization, draft, author=author, at_us=_now_us())
    summary = (await summaries(connection, organization))[draft.name]
    return Saved(summary, judgement.warnings, moved)


def check_version(name: str, stored: StoredProfile, version: int | None) -> None:
    """Raises DraftChanged if a draft has another version than the one that is meant; None means any."""
    if version is not None and stored.version != version:
        raise DraftChanged(
            f"the draft of {name} has version {stored.version} by now, written by {stored.author or 'somebody'}, "
            f"and version {version} was meant; read it again"
        )


def _check_version(name: str, stored: StoredProfile | None, version: int | None) -> None:
    if stored is not None and version == 0:
        raise ProfileExists(f"there is a profile {name}; choose another name, or name the version that is replaced")
    if stored is None and version:
        raise DraftChanged(f"version {version} of the draft of {name} was meant, and the profile is gone")
    if stored is not None:
        check_version(name, stored, version)


def _now_us() -> int:
    return time.time_ns() // 1_000

"""Publishing: what devices follow changes here, and nowhere else.

A publish touches two databases, and a crash may come between them, so it is carried out in this order:

1. The catalog records the publish with its whole model: from here on it will happen.
2. Staging takes the model, and devices follow it at once.
3. The catalog records the LSN, the profile's frozen revision, and whether devices follow it.

What a crash left between 1 and 3 is carried out before the next publish and when the server starts (`settle`): the
model is given to staging again, which refuses a revision that it has, and so tells that 2 had happened. Publishes of an
organization wait for each other, so that revisions reach staging in their order.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from haversack.model.v1 import model_pb2
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server._core import Staging, check_model
from haversack_server.breaches import sentences
from haversack_server.catalog import Catalog, organizations, profiles, publishes
from haversack_server.catalog.publishes import Publish, PublishKind
from haversack_server.core import in_thread
from haversack_server.errors import HaversackError, ProfileInvalid, RequestInvalid, StagingFailed
from haversack_server.publishing._drafts import check_version, content, move_users
from haversack_server.publishing._followed import Followed, load_followed
from haversack_server.publishing._judge import judge, without_plans
from haversack_server.publishing._members import Move
from haversack_server.stagings import Stagings

_log = structlog.get_logger()

UNSAVED_MAX = 100
"""How many profiles one question may suppose."""

_Preparation = Callable[[AsyncConnection], Awaitable[Publish]]


@dataclass(frozen=True)
class Published:
    """What a publish has made.

    Attributes:
        profile_revision: The profile's revision that devices follow now; 0 if the publish was for none.
        revision: The organization's new revision.
        lsn: Position of the publish in the commit order.
    """

    profile_revision: int
    revision: int
    lsn: int


@dataclass(frozen=True)
class RolledBack:
    """What rolling a profile back has made.

    Attributes:
        published: The publish.
        moved: Users who left other drafts.
    """

    published: Published
    moved: tuple[Move, ...]


@dataclass(frozen=True)
class Customized:
    """What publishing customizations would make.

    Attributes:
        before: What is published; None if nothing is.
        after: What would be.
    """

    before: model_pb2.Model | None
    after: model_pb2.Model

    @property
    def is_published(self) -> bool:
        """Whether there is nothing to publish."""
        return is_published(self.before, self.after)


class _NothingToPublish(Exception):
    """Ends a publish that would change nothing."""


class Publisher:
    """Makes models of what is in the catalog, and gives them to staging."""

    def __init__(self, catalog: Catalog, stagings: Stagings) -> None:
        self._catalog = catalog
        self._stagings = stagings

    async def publish(
        self, organization: str, name: str, *, author: str = "", note: str = "", version: int | None = None
    ) -> Published:
        """Freezes a draft as its profile's next revision, and everything with it as the organization's.

        Raises ProfileInvalid with every breach, a FilterRefused, or DraftChanged if the draft has not this version.
        """

        async def prepare(connection: AsyncConnection) -> Publish:
            followed = await load_followed(connection, organization)
            stored = await profiles.find(connection, organization, name)
            check_version(name, stored, version)
            frozen = await _frozen(connection, stored.draft, followed)
            return await _prepared(
                PublishKind.PROFILE, followed.following(frozen), profile=name, author=author, note=note
            )

        return await self._carry_out(organization, prepare)

    async def roll_back(
        self, organization: str, name: str, number: int, *, author: str = "", note: str = "", move: bool = False
    ) -> RolledBack:
        """Publishes an earlier revision again: it becomes the profile's next revision, and its draft.

        Raises RevisionUnknown, ProfileInvalid with every breach or a FilterRefused if it no longer fits, and
        UserInOtherProfile unless users who are in other drafts by now may move.
        """
        moved: tuple[Move, ...] = ()

        async def prepare(connection: AsyncConnection) -> Publish:
            nonlocal moved
            followed = await load_followed(connection, organization)
            draft = await content(connection, organization, name, number)
            frozen = await _frozen(connection, draft, followed)
            moved = await move_users(connection, organization, draft, author=author, move=move)
            await profiles.put_draft(connection, organization, draft, author=author, at_us=_now_us())
            return await _prepared(
                PublishKind.ROLL_BACK, followed.following(frozen), profile=name, author=author, note=note
            )

        return RolledBack(await self._carry_out(organization, prepare), moved)

    async def unpublish(self, organization: str, name: str, *, author: str = "", note: str = "") -> Published | None:
        """Ends that devices follow a profile; returns None if they do not follow it."""

        async def prepare(connection: AsyncConnection) -> Publish:
            if not (await profiles.find(connection, organization, name)).published:
                raise _NothingToPublish
            followed = await load_followed(connection, organization)
            return await _prepared(
                PublishKind.UNPUBLISH, followed.leaving(name), profile=name, author=author, note=note
            )

        try:
            return await self._carry_out(organization, prepare)
        except _NothingToPublish:
            return None

    async def publish_customizations(self, organization: str, *, author: str = "", note: str = "") -> Published | None:
        """Publishes metadata, organization filters, settings and applications; returns None if nothing has changed."""

        async def prepare(connection: AsyncConnection) -> Publish:
            followed = await load_followed(connection, organization)
            publish = await _prepared(PublishKind.CUSTOMIZATIONS, followed, author=author, note=note)
            if is_published(await publishes.latest_model(connection, organization), publish.model):
                raise _NothingToPublish
            return publish

        try:
            return await self._carry_out(organization, prepare)
        except _NothingToPublish:
            return None

    async def republish(self, organization: str, staging: Staging) -> int:
        """Gives what is published to a new staging database, over the metadata as it is; returns the revision.

        Returns 0 if nothing was ever published. The revision goes on from the last one, so that no device ever sees one
        number for two models. Doing it again after a crash ends the same publish.
        """
        async with self._catalog.exclusive(organization):
            await self._settle(organization, staging)
            async with self._catalog.snapshot() as connection:
                followed = await load_followed(connection, organization)
                if not followed.profiles:
                    return 0
                publish = await _prepared(PublishKind.REPUBLISH, followed, author="", note="")
            try:
                lsn = await in_thread(staging.publish, publish.model.SerializeToString(deterministic=True))
            except RequestInvalid:
                lsn = await in_thread(staging.head)  # it has this revision: a crash came before the record below
            async with self._catalog.begin() as connection:
                await publishes.add(connection, publish)
                await publishes.complete(connection, publish, lsn=lsn)
        return publish.model.revision

    async def settle(self, organization: str) -> None:
        """Carries out what a crash left half done."""
        async with self._catalog.snapshot() as connection:
            if not await publishes.incomplete(connection, organization):
                return
        async with self._catalog.exclusive(organization):
            await self._settle(organization, await self._stagings.get(organization))

    async def drafted(self, organization: str, name: str, *, unjudged: bool = False) -> bytes:
        """Returns the serialized model that publishing a draft now would make; nothing is written.

        Raises what `publish` would raise. `unjudged` lets rules be broken, as far as a model can be made of the draft:
        a filter that cannot be compiled is refused all the same.
        """
        async with self._catalog.snapshot() as connection:
            followed = await load_followed(connection, organization)
            draft = (await profiles.find(connection, organization, name)).draft
            frozen = await _frozen(connection, draft, followed, unjudged=unjudged)
        model = await in_thread(followed.following(frozen).model)
        if unjudged:
            _put(model, frozen)
        return model.SerializeToString(deterministic=True)

    async def customized(self, organization: str, *, disabling: str | None = None) -> Customized:
        """Returns what publishing customizations now would make; nothing is written.

        `disabling` supposes that this entity is disabled.
        """
        async with self._catalog.begin() as connection:
            followed = await load_followed(connection, organization)
            before = await publishes.latest_model(connection, organization)
        if disabling is not None:
            followed = followed.disabling(disabling)
        return Customized(before, await in_thread(followed.model))

    async def unsaved(self, organization: str, contents: Sequence[model_pb2.Profile]) -> bytes:
        """Returns the serialized model that saving and publishing these profiles would make; nothing is written.

        Raises RequestInvalid if two have one name, ProfileInvalid with every breach, or a FilterRefused.
        """
        if len(contents) > UNSAVED_MAX or len({it.name for it in contents}) < len(contents):
            raise RequestInvalid(f"send at most {UNSAVED_MAX} profiles, each of another name")
        async with self._catalog.begin() as connection:
            followed = await load_followed(connection, organization)
            for profile in contents:
                followed = followed.following(await _frozen(connection, without_plans(profile), followed))
        return (await in_thread(followed.model)).SerializeToString(deterministic=True)

    async def _carry_out(self, organization: str, prepare: _Preparation) -> Published:
        """Carries out one publish, after those that a crash left half done."""
        staging = await self._stagings.get(organization)
        async with self._catalog.exclusive(organization):
            await self._settle(organization, staging)
            async with self._catalog.begin() as connection:
                await organizations.find(connection, organization, for_update=True)
                publish = await prepare(connection)
                await publishes.add(connection, publish)
            return await self._give(publish, staging)

    async def _settle(self, organization: str, staging: Staging) -> None:
        async with self._catalog.snapshot() as connection:
            left = await publishes.incomplete(connection, organization)
        for publish in left:
            try:
                lsn = await in_thread(staging.publish, publish.model.SerializeToString(deterministic=True))
            except RequestInvalid:
                # Staging has this revision: the crash came after step 2. Its own LSN is at or before the head.
                lsn = await in_thread(staging.head)
            except ProfileInvalid as error:
                # Another version recorded it than the one that refuses it; the organization must not be stuck.
                _log.error("publish given up", organization=organization, profile=publish.profile, cause=str(error))
                await self._give_up(publish)
                continue
            await self._complete(publish, lsn)

    async def _give(self, publish: Publish, staging: Staging) -> Published:
        try:
            lsn = await in_thread(staging.publish, publish.model.SerializeToString(deterministic=True))
        except RequestInvalid as error:
            # Nothing of ours was left to settle, so staging knows publishes that this catalog does not.
            await self._give_up(publish)
            raise StagingFailed(f"the catalog is older than the staging database; restore both ({error})") from error
        except HaversackError as error:
            later = "the publish is recorded: the next one, or the next start, will carry it out"
            raise type(error)(f"{error}; {later}") from error
        return await self._complete(publish, lsn)

    async def _give_up(self, publish: Publish) -> None:
        async with self._catalog.begin() as connection:
            await publishes.remove(connection, publish)

    async def _complete(self, publish: Publish, lsn: int) -> Published:
        number = 0
        async with self._catalog.begin() as connection:
            await publishes.complete(connection, publish, lsn=lsn)
            if publish.profile is not None:
                number = await _record(connection, publish, publish.profile)
        return Published(profile_revision=number, revision=publish.model.revision, lsn=lsn)


def is_published(before: model_pb2.Model | None, after: model_pb2.Model) -> bool:
    """Tells whether two models are the same but for their revision."""
    if before is None:
        return False
    same = model_pb2.Model()
    same.CopyFrom(before)
    same.revision = after.revision
    return same == after


async def _record(connection: AsyncConnection, publish: Publish, name: str) -> int:
    """Records what a publish has made of its profile; returns the revision that devices follow, 0 for none."""
    if publish.kind is PublishKind.UNPUBLISH:
        await profiles.set_published(connection, publish.organization, name, None)
        return 0
    frozen = next(it for it in publish.model.profiles if it.name == name)
    revision = profiles.Revision(frozen, author=publish.author, note=publish.note, at_us=publish.started_at_us)
    await profiles.add_revision(connection, publish.organization, revision)
    await profiles.set_published(connection, publish.organization, name, frozen.revision)
    return frozen.revision


async def _frozen(
    connection: AsyncConnection, profile: model_pb2.Profile, followed: Followed, *, unjudged: bool = False
) -> model_pb2.Profile:
    """Judges a profile, and returns it compiled, with the number that its next revision has."""
    judgement = await in_thread(judge, profile, followed.metadata)
    (replace(judgement, breaches=()) if unjudged else judgement).refuse()
    frozen = judgement.compiled
    frozen.revision = await profiles.last_number(connection, followed.metadata.organization, profile.name) + 1
    return frozen


async def _prepared(
    kind: PublishKind, followed: Followed, *, author: str, note: str, profile: str | None = None
) -> Publish:
    """Makes the publish of what will be followed; raises ProfileInvalid if no engine could follow it."""
    model = await in_thread(followed.model)
    breaches = await in_thread(check_model, model.SerializeToString(deterministic=True))
    if breaches:
        raise ProfileInvalid(sentences(breaches))
    return Publish(
        organization=followed.metadata.organization,
        kind=kind,
        profile=profile,
        model=model,
        author=author,
        note=note,
        started_at_us=_now_us(),
    )


def _put(model: model_pb2.Model, frozen: model_pb2.Profile) -> None:
    """Puts a profile into a model whole, items of entities that are not enabled among them."""
    next(it for it in model.profiles if it.name == frozen.name).CopyFrom(frozen)


def _now_us() -> int:
    return time.time_ns() // 1_000

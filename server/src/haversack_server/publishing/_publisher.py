"""Saving drafts and publishing them.

A publish touches two databases, and a crash may come between them, so it is carried out in this order:

1. The catalog records the publish with its whole model: from here on it will happen.
2. Staging takes the model, and devices follow it at once.
3. The catalog records the LSN and the profile's frozen revision.

What a crash left between 1 and 3 is carried out before the next publish and when the server starts (`settle`): the
model is given to staging again, which refuses a revision that it has, and so tells that 2 had happened. Publishes of an
organization wait for each other, so that revisions reach staging in their order.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import structlog
from haversack.admin.v1 import admin_pb2
from haversack.model.v1 import model_pb2
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server._core import Staging, check_model
from haversack_server.catalog import Catalog, organizations, profiles, publishes
from haversack_server.catalog.publishes import Publish
from haversack_server.core import in_thread
from haversack_server.errors import HaversackError, ProfileInvalid, RequestInvalid, StagingFailed, sentences
from haversack_server.publishing._judge import compile_organization_filter, judge, without_plans
from haversack_server.publishing._metadata import Metadata, load_metadata
from haversack_server.publishing._summary import summaries
from haversack_server.stagings import Stagings

_log = structlog.get_logger()


@dataclass(frozen=True)
class Published:
    """What a publish has made.

    Attributes:
        profile_revision: The profile's new revision.
        revision: The organization's new revision.
        lsn: Position of the publish in the commit order.
    """

    profile_revision: int
    revision: int
    lsn: int


class Publisher:
    """Writes drafts and publishes them."""

    def __init__(self, catalog: Catalog, stagings: Stagings) -> None:
        self._catalog = catalog
        self._stagings = stagings

    async def save(self, organization: str, profile: model_pb2.Profile) -> admin_pb2.SaveProfileResponse:
        """Writes a draft, replacing the one of its name; raises ProfileInvalid with every breach."""
        draft = without_plans(profile)
        async with self._catalog.exclusive(organization):
            async with self._catalog.snapshot() as connection:
                metadata = await load_metadata(connection, organization)
            judgement = await in_thread(judge, draft, metadata)
            judgement.refuse()
            async with self._catalog.begin() as connection:
                await profiles.put_draft(connection, organization, draft)
                summary = (await summaries(connection, organization))[draft.name]
        return admin_pb2.SaveProfileResponse(summary=summary, warnings=judgement.warnings)

    async def publish(self, organization: str, name: str) -> Published:
        """Freezes a draft as its profile's next revision, and everything with it as the organization's."""
        staging = await self._stagings.get(organization)
        async with self._catalog.exclusive(organization):
            await self._settle(organization, staging)
            async with self._catalog.begin() as connection:
                await organizations.find(connection, organization, for_update=True)
                publish = await self._prepare(connection, organization, name)
                await publishes.add(connection, publish)
            return await self._carry_out(publish, staging)

    async def republish(self, organization: str, staging: Staging) -> int:
        """Gives what is published to a new staging database, over the metadata as it is; returns the revision.

        Returns 0 if nothing was ever published. The revision goes on from the last one, so that no device ever sees one
        number for two models. Doing it again after a crash ends the same publish.
        """
        async with self._catalog.exclusive(organization):
            await self._settle(organization, staging)
            async with self._catalog.begin() as connection:
                publish = await self._prepare_again(connection, organization)
            if publish is None:
                return 0
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
            model = await self._model(connection, organization, name, unjudged=unjudged)
        return model.SerializeToString(deterministic=True)

    async def _prepare(self, connection: AsyncConnection, organization: str, name: str) -> Publish:
        """Judges the draft and makes the model; raises ProfileInvalid or a FilterRefused."""
        model = await self._model(connection, organization, name)
        breaches = await in_thread(check_model, model.SerializeToString(deterministic=True))
        if breaches:
            raise ProfileInvalid(sentences(breaches))
        return Publish(organization, name, model, _now_us())

    async def _model(
        self, connection: AsyncConnection, organization: str, name: str, *, unjudged: bool = False
    ) -> model_pb2.Model:
        """Makes the model of the latest revisions and a draft."""
        draft = await profiles.find_draft(connection, organization, name)
        metadata = await load_metadata(connection, organization)
        judgement = await in_thread(judge, draft, metadata)
        (replace(judgement, breaches=()) if unjudged else judgement).refuse()
        latest = await profiles.latest_revisions(connection, organization)
        frozen = judgement.compiled
        frozen.revision = latest[name].revision + 1 if name in latest else 1
        latest[name] = frozen
        revision = await publishes.latest_revision(connection, organization) + 1
        model = metadata.model(revision=revision, profiles=latest.values())
        await in_thread(_compile_organization_filters, model, metadata)
        return model

    async def _prepare_again(self, connection: AsyncConnection, organization: str) -> Publish | None:
        """Makes the model of the latest revisions alone; None if there are none. Raises ProfileInvalid."""
        latest = await profiles.latest_revisions(connection, organization)
        if not latest:
            return None
        metadata = await load_metadata(connection, organization)
        revision = await publishes.latest_revision(connection, organization) + 1
        model = metadata.model(revision=revision, profiles=latest.values())
        await in_thread(_compile_organization_filters, model, metadata)
        breaches = await in_thread(check_model, model.SerializeToString(deterministic=True))
        if breaches:
            raise ProfileInvalid(sentences(breaches))
        return Publish(organization, next(iter(latest)), model, _now_us())

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

    async def _carry_out(self, publish: Publish, staging: Staging) -> Published:
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
        frozen = next(it for it in publish.model.profiles if it.name == publish.profile)
        async with self._catalog.begin() as connection:
            await publishes.complete(connection, publish, lsn=lsn)
            await profiles.add_revision(connection, publish.organization, frozen, at_us=publish.started_at_us)
        return Published(profile_revision=frozen.revision, revision=publish.model.revision, lsn=lsn)


def _compile_organization_filters(model: model_pb2.Model, metadata: Metadata) -> None:
    """Sets the plan of every organization filter in a model."""
    for entity in model.entities:
        if entity.HasField("organization_filter"):
            fetch_xml = entity.organization_filter.fetch_xml
            plan = compile_organization_filter(metadata, entity.logical_name, fetch_xml)
            entity.organization_filter.compiled.CopyFrom(plan)


def _now_us() -> int:
    return time.time_ns() // 1_000

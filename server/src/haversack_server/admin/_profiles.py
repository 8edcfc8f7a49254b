"""ProfileService."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
from haversack.admin.v1 import profiles_pb2, profiles_pb2_grpc
from haversack.model.v1 import model_pb2

from haversack_server.admin._caller import caller
from haversack_server.admin._effects import Effects
from haversack_server.admin._note import checked_note
from haversack_server.catalog import Catalog, organizations, profiles, publishes
from haversack_server.errors import RequestInvalid
from haversack_server.publishing import Drafts, Move, Publisher, content, revision_summary, summaries

_Context = grpc.aio.ServicerContext[Any, Any]


class ProfileService(profiles_pb2_grpc.ProfileServiceServicer):
    """Writes, shows and publishes profiles."""

    def __init__(self, catalog: Catalog, publisher: Publisher, effects: Effects) -> None:
        self._catalog = catalog
        self._drafts = Drafts(catalog)
        self._publisher = publisher
        self._effects = effects

    async def SaveProfile(
        self, request: profiles_pb2.SaveProfileRequest, context: _Context
    ) -> profiles_pb2.SaveProfileResponse:
        """Writes a draft."""
        if not request.HasField("profile"):
            raise RequestInvalid("the request has no profile; send the whole draft")
        saved = await self._drafts.save(
            request.organization, request.profile, author=caller(), move=request.move, version=_version(request)
        )
        return profiles_pb2.SaveProfileResponse(
            summary=saved.summary, warnings=saved.warnings, moved=_moved(saved.moved)
        )

    async def GetProfile(
        self, request: profiles_pb2.GetProfileRequest, context: _Context
    ) -> profiles_pb2.GetProfileResponse:
        """Shows a draft or a revision."""
        organization, name = request.organization, request.name
        async with self._catalog.begin() as connection:
            await organizations.find(connection, organization)
            profile = await content(connection, organization, name, request.revision)
            answer = profiles_pb2.GetProfileResponse(
                profile=profile, summary=(await summaries(connection, organization))[name]
            )
            if request.revision:
                stored = await profiles.find(connection, organization, name)
                revision = await profiles.find_revision(connection, organization, name, request.revision)
                answer.revision.CopyFrom(revision_summary(revision, stored))
        return answer

    async def ListProfiles(
        self, request: profiles_pb2.ListProfilesRequest, context: _Context
    ) -> profiles_pb2.ListProfilesResponse:
        """Lists every profile."""
        async with self._catalog.snapshot() as connection:
            await organizations.find(connection, request.organization)
            listed = await summaries(connection, request.organization)
        return profiles_pb2.ListProfilesResponse(profiles=listed.values())

    async def ListRevisions(
        self, request: profiles_pb2.ListRevisionsRequest, context: _Context
    ) -> profiles_pb2.ListRevisionsResponse:
        """Lists the revisions of a profile."""
        async with self._catalog.begin() as connection:
            await organizations.find(connection, request.organization)
            stored = await profiles.find(connection, request.organization, request.name)
            found = await profiles.revisions(connection, request.organization, request.name)
        return profiles_pb2.ListRevisionsResponse(revisions=[revision_summary(it, stored) for it in found])

    async def CloneProfile(
        self, request: profiles_pb2.CloneProfileRequest, context: _Context
    ) -> profiles_pb2.CloneProfileResponse:
        """Copies a draft or a revision under a new name."""
        saved = await self._drafts.clone(
            request.organization, request.name, request.new_name, revision=request.revision, author=caller()
        )
        return profiles_pb2.CloneProfileResponse(summary=saved.summary, warnings=saved.warnings)

    async def ValidateProfile(
        self, request: profiles_pb2.ValidateProfileRequest, context: _Context
    ) -> profiles_pb2.ValidateProfileResponse:
        """Tells everything that is wrong with a draft."""
        match request.WhichOneof("subject"):
            case "name":
                subject: str | model_pb2.Profile = request.name
            case "profile":
                subject = request.profile
            case _:
                raise RequestInvalid("the request has no draft; send a name or a profile")
        judgement = await self._drafts.validate(request.organization, subject)
        warnings = list(judgement.warnings)
        if not judgement.sentences:
            supposed = await self._publisher.unsaved(request.organization, [judgement.compiled])
            warnings += await self._effects.overlaps(request.organization, model_pb2.Model.FromString(supposed))
        return profiles_pb2.ValidateProfileResponse(breaches=judgement.sentences, warnings=warnings)

    async def PublishProfile(
        self, request: profiles_pb2.PublishProfileRequest, context: _Context
    ) -> profiles_pb2.PublishProfileResponse:
        """Publishes a draft."""
        published = await self._publisher.publish(
            request.organization,
            request.name,
            author=caller(),
            note=checked_note(request.note),
            version=_version(request),
        )
        return profiles_pb2.PublishProfileResponse(
            profile_revision=published.profile_revision,
            revision=published.revision,
            lsn=published.lsn,
            warnings=await self._warnings(request.organization, request.name),
        )

    async def UnpublishProfile(
        self, request: profiles_pb2.UnpublishProfileRequest, context: _Context
    ) -> profiles_pb2.UnpublishProfileResponse:
        """Ends that devices follow a profile."""
        note = checked_note(request.note)
        published = await self._publisher.unpublish(request.organization, request.name, author=caller(), note=note)
        if published is None:
            return profiles_pb2.UnpublishProfileResponse()
        return profiles_pb2.UnpublishProfileResponse(revision=published.revision, lsn=published.lsn)

    async def DeleteProfile(
        self, request: profiles_pb2.DeleteProfileRequest, context: _Context
    ) -> profiles_pb2.DeleteProfileResponse:
        """Deletes a profile that devices do not follow."""
        # A publish of it that a crash left half done would need it.
        await self._publisher.settle(request.organization)
        await self._drafts.delete(request.organization, request.name, version=_version(request))
        return profiles_pb2.DeleteProfileResponse()

    async def RollBackProfile(
        self, request: profiles_pb2.RollBackProfileRequest, context: _Context
    ) -> profiles_pb2.RollBackProfileResponse:
        """Publishes an earlier revision again."""
        if not request.revision:
            raise RequestInvalid("the request names no revision; `haversack profile history` lists them")
        rolled_back = await self._publisher.roll_back(
            request.organization,
            request.name,
            request.revision,
            author=caller(),
            note=checked_note(request.note),
            move=request.move,
        )
        published = rolled_back.published
        return profiles_pb2.RollBackProfileResponse(
            profile_revision=published.profile_revision,
            revision=published.revision,
            lsn=published.lsn,
            warnings=await self._warnings(request.organization, request.name),
            moved=_moved(rolled_back.moved),
        )

    async def AddMembers(
        self, request: profiles_pb2.AddMembersRequest, context: _Context
    ) -> profiles_pb2.AddMembersResponse:
        """Adds members to a draft."""
        saved = await self._drafts.add_members(
            request.organization,
            request.name,
            list(request.users),
            list(request.teams),
            author=caller(),
            move=request.move,
        )
        return profiles_pb2.AddMembersResponse(
            summary=saved.summary, warnings=saved.warnings, moved=_moved(saved.moved)
        )

    async def RemoveMembers(
        self, request: profiles_pb2.RemoveMembersRequest, context: _Context
    ) -> profiles_pb2.RemoveMembersResponse:
        """Takes members out of a draft."""
        saved = await self._drafts.remove_members(
            request.organization, request.name, list(request.users), list(request.teams), author=caller()
        )
        return profiles_pb2.RemoveMembersResponse(summary=saved.summary)

    async def _warnings(self, organization: str, name: str) -> list[str]:
        """Returns what looks like a mistake in a profile that was just published."""
        judgement = await self._drafts.validate(organization, name)
        async with self._catalog.begin() as connection:
            model = await publishes.latest_model(connection, organization)
        several = await self._effects.overlaps(organization, model) if model else []
        return [*judgement.warnings, *several]


def _version(
    request: profiles_pb2.SaveProfileRequest | profiles_pb2.PublishProfileRequest | profiles_pb2.DeleteProfileRequest,
) -> int | None:
    return request.draft_version if request.HasField("draft_version") else None


def _moved(moves: Iterable[Move]) -> list[profiles_pb2.MovedUser]:
    return [profiles_pb2.MovedUser(user=it.user, from_profile=it.from_profile) for it in moves]

"""What a publish does to devices, asked of the core before it happens."""

from __future__ import annotations

from collections.abc import Mapping, Set

from haversack.admin.v1 import entities_pb2, questions_pb2
from haversack.model.v1 import model_pb2

from haversack_server._core import SyncServer
from haversack_server.core import in_thread
from haversack_server.errors import HaversackError, LimitReached, NothingPublished, OrganizationNotProvisioned
from haversack_server.publishing import Customized, metadata_effects, overlaps
from haversack_server.stagings import Stagings

FOLLOWERS_PAGE = 10_000
FOLLOWERS_MAX = 100_000
"""How many followers of one profile are looked at for those who get several."""


class Effects:
    """Answers what would happen to devices, for services that change something."""

    def __init__(self, stagings: Stagings, sync: SyncServer) -> None:
        self._stagings = stagings
        self._sync = sync

    async def of(self, organization: str, customized: Customized) -> entities_pb2.DeviceEffect:
        """Returns what publishing a model instead of what is published does to devices."""
        effect = entities_pb2.DeviceEffect(metadata=metadata_effects(customized.before, customized.after))
        request = questions_pb2.DiffRequest(organization=organization, users_max=1)
        after = customized.after.SerializeToString(deterministic=True)
        try:
            await self._stagings.get(organization)
            answer = await in_thread(self._sync.diff, request.SerializeToString(), None, after)
        except (NothingPublished, LimitReached, OrganizationNotProvisioned) as error:
            effect.not_told = str(error)
            return effect
        told = questions_pb2.DiffResponse.FromString(answer)
        effect.user_count, effect.changed_count = told.user_count, told.changed_count
        effect.gained.CopyFrom(told.gained)
        effect.lost.CopyFrom(told.lost)
        return effect

    async def overlaps(self, organization: str, model: model_pb2.Model) -> list[str]:
        """Returns a sentence for every user who gets several of a model's profiles, if teams make it so."""
        profiles = {it.name: it for it in model.profiles}
        if len(profiles) < 2 or not any(it.teams for it in profiles.values()):  # noqa: PLR2004 - one profile is no overlap
            return []
        try:
            followers = {name: await self._followers(organization, it, model) for name, it in profiles.items()}
        except HaversackError as error:
            return [f"whether teams give users several profiles was not looked at: {error}"]
        return list(overlaps(profiles, followers))

    async def _followers(self, organization: str, profile: model_pb2.Profile, model: model_pb2.Model) -> Set[str]:
        """Returns who would follow a profile if there were no other: only the core knows the members of teams."""
        if not profile.teams:
            return set(profile.users)
        await self._stagings.get(organization)
        alone = _alone(profile, model)
        found: set[str] = set()
        for offset in range(0, FOLLOWERS_MAX, FOLLOWERS_PAGE):
            request = questions_pb2.EstimateRequest(
                organization=organization, profile=profile.name, users_offset=offset, users_max=FOLLOWERS_PAGE
            )
            answer = await in_thread(self._sync.estimate, request.SerializeToString(), alone)
            page = questions_pb2.EstimateResponse.FromString(answer)
            found.update(it.user for it in page.users)
            if offset + FOLLOWERS_PAGE >= page.user_count:
                break
        return found


def _alone(profile: model_pb2.Profile, model: model_pb2.Model) -> bytes:
    """Returns a model of one profile without items: nobody's rows have to be worked out to know who follows it."""
    alone = model_pb2.Model()
    alone.CopyFrom(model)
    del alone.profiles[:]
    bare = alone.profiles.add()
    bare.CopyFrom(profile)
    del bare.items[:]
    del alone.apps[:]
    return alone.SerializeToString(deterministic=True)


def carrying(profiles: Mapping[str, model_pb2.Profile], entity: str) -> list[str]:
    """Returns the names of the profiles that have an item for an entity, sorted."""
    return sorted(name for name, it in profiles.items() if any(item.entity == entity for item in it.items))

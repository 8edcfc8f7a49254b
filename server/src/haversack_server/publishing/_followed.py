"""What devices follow: the published revisions of profiles over the metadata as it is, and the model that they make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from haversack.model.v1 import model_pb2
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import apps, profiles, publishes
from haversack_server.publishing._judge import compile_organization_filter
from haversack_server.publishing._metadata import Metadata, load_metadata
from haversack_server.publishing._rules import other_end


@dataclass(frozen=True)
class Followed:
    """What an organization has published, or would have.

    Attributes:
        metadata: Entities, relationships and settings, as they are now.
        profiles: The revision of each profile that devices follow, as it was frozen, the latest publish first.
        apps: Every application, by name.
        revision: The organization's latest revision; 0 before the first publish.
    """

    metadata: Metadata
    profiles: Mapping[str, model_pb2.Profile]
    apps: Mapping[str, model_pb2.App]
    revision: int

    def following(self, frozen: model_pb2.Profile) -> Followed:
        """Returns what is followed once a revision of a profile is published."""
        others = {name: it for name, it in self.profiles.items() if name != frozen.name}
        return replace(self, profiles={frozen.name: frozen, **others})

    def leaving(self, name: str) -> Followed:
        """Returns what is followed once devices no longer follow a profile."""
        return replace(self, profiles={it: frozen for it, frozen in self.profiles.items() if it != name})

    def disabling(self, entity: str) -> Followed:
        """Returns what is followed once an entity is disabled; raises EntityUnknown."""
        disabled = replace(self.metadata.known(entity), offline=False)
        return replace(self, metadata=replace(self.metadata, entities={**self.metadata.entities, entity: disabled}))

    def model(self) -> model_pb2.Model:
        """Makes the model of the next revision; raises a FilterRefused. Blocks while the core compiles filters.

        Two things in it are not as they were frozen. Items of entities that are disabled by now are left out, and so
        are associations that would pull their rows. And a user is in one profile at a time: where two revisions name
        the same user, the older one no longer has the user.
        """
        by_name = {it.name: it for it in self._carried()}
        model = self.metadata.model(
            revision=self.revision + 1,
            profiles=by_name.values(),
            apps=(_of_these(app, by_name) for app in self.apps.values()),
        )
        for entity in model.entities:
            if entity.HasField("organization_filter"):
                fetch_xml = entity.organization_filter.fetch_xml
                plan = compile_organization_filter(self.metadata, entity.logical_name, fetch_xml)
                entity.organization_filter.compiled.CopyFrom(plan)
        return model

    def _carried(self) -> Iterator[model_pb2.Profile]:
        taken: set[str] = set()
        for frozen in self.profiles.values():
            profile = without_disabled(frozen, self.metadata)
            left = [user for user in profile.users if user not in taken]
            taken.update(left)
            del profile.users[:]
            profile.users.extend(left)
            yield profile


async def load_followed(connection: AsyncConnection, organization: str) -> Followed:
    """Reads what devices of an organization follow; raises OrganizationUnknown."""
    return Followed(
        metadata=await load_metadata(connection, organization),
        profiles=await profiles.published(connection, organization),
        apps=await apps.all_by_name(connection, organization),
        revision=await publishes.latest_revision(connection, organization),
    )


def without_disabled(profile: model_pb2.Profile, metadata: Metadata) -> model_pb2.Profile:
    """Returns a profile without items of entities that are not enabled, and without what would pull their rows."""
    kept = model_pb2.Profile()
    kept.CopyFrom(profile)
    del kept.items[:]
    kept.items.extend(item for item in profile.items if _is_enabled(item.entity, metadata))
    carried = {item.entity for item in kept.items}
    if len(kept.items) < len(profile.items):
        for item in kept.items:
            left = [it for it in item.associations if other_end(it, item.entity, metadata) in carried]
            del item.associations[:]
            item.associations.extend(left)
    return kept


def _is_enabled(entity: str, metadata: Metadata) -> bool:
    stored = metadata.entities.get(entity)
    return stored is not None and stored.offline


def _of_these(app: model_pb2.App, names: Iterable[str]) -> model_pb2.App:
    """Returns an application with those of its profiles that devices follow."""
    published = model_pb2.App()
    published.CopyFrom(app)
    del published.profiles[:]
    published.profiles.extend(it for it in app.profiles if it in names)
    return published

"""Judging profiles: rules, filters and warnings together, every breach of them at once.

Functions here call the Rust core, which compiles FetchXML, and block while it does: call them in a thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from haversack.model.v1 import filter_pb2, model_pb2

from haversack_server import _core
from haversack_server.breaches import sentences
from haversack_server.core import named
from haversack_server.errors import FilterRefused, HaversackError, ProfileInvalid
from haversack_server.publishing._lint import warnings
from haversack_server.publishing._metadata import Metadata
from haversack_server.publishing._rules import breaches, other_end

ORGANIZATION_FILTER_CRITERIA_MAX = 3


@dataclass(frozen=True)
class Judgement:
    """What is to be said of a profile.

    Attributes:
        compiled: The profile with its filters compiled, as far as they can be.
        breaches: Rules that it breaks, one sentence each, filters aside.
        filter_errors: Filters that cannot be compiled.
        warnings: What is legal but looks like a mistake, one sentence each.
    """

    compiled: model_pb2.Profile
    breaches: tuple[str, ...]
    filter_errors: tuple[HaversackError, ...]
    warnings: tuple[str, ...]

    @property
    def sentences(self) -> list[str]:
        """Everything that forbids publishing it, filters included."""
        return [*self.breaches, *(str(error) for error in self.filter_errors)]

    def saying_too(self, warnings: Iterable[str]) -> Judgement:
        """Returns the same with more warnings."""
        return replace(self, warnings=(*self.warnings, *warnings))

    def refuse(self) -> None:
        """Raises ProfileInvalid with every breach; a failure that only filters have in common, under its own name."""
        kinds = {type(error) for error in self.filter_errors}
        texts = self.sentences
        if not self.breaches and len(kinds) == 1 and issubclass(next(iter(kinds)), FilterRefused):
            raise next(iter(kinds))(sentences(texts))
        if texts:
            raise ProfileInvalid(sentences(texts))


def judge(profile: model_pb2.Profile, metadata: Metadata) -> Judgement:
    """Judges a profile against the metadata as it is now."""
    compiled = model_pb2.Profile()
    compiled.CopyFrom(profile)
    errors = []
    for place, entity, written in _filters(compiled, metadata):
        try:
            written.compiled.ParseFromString(_core.compile_filter(metadata.model_bytes, entity, written.fetch_xml))
        except _core.CoreError as error:
            errors.append(type(named(error))(f"{place}: {error}"))
    return Judgement(
        compiled=compiled,
        breaches=tuple(breaches(profile, metadata)),
        filter_errors=tuple(errors),
        warnings=tuple(warnings(profile, metadata)),
    )


def compile_organization_filter(metadata: Metadata, entity: str, fetch_xml: str) -> filter_pb2.FilterNode:
    """Compiles an organization filter; raises a FilterRefused."""
    try:
        compiled = _core.compile_filter(
            metadata.model_bytes, entity, fetch_xml, criteria_max=ORGANIZATION_FILTER_CRITERIA_MAX
        )
    except _core.CoreError as error:
        raise type(named(error))(f"organization filter of {entity}: {error}") from error
    return filter_pb2.FilterNode.FromString(compiled)


def why_refused(metadata: Metadata, entity: str, fetch_xml: str) -> str | None:
    """Returns why an item's filter on an entity cannot be compiled; None if it can."""
    try:
        _core.compile_filter(metadata.model_bytes, entity, fetch_xml)
    except _core.CoreError as error:
        return str(error)
    return None


def broken_profiles(metadata: Metadata, published: Mapping[str, model_pb2.Profile]) -> list[str]:
    """Returns why published profiles would no longer mean what they meant, one sentence each."""
    found = []
    for name, frozen in published.items():
        judgement = judge(frozen, metadata)
        texts = judgement.sentences
        if not texts and judgement.compiled != frozen:
            texts = ["its filters would mean something else"]
        found += [f"published profile {name}: {text}" for text in texts]
    return found


def broken_filters(metadata: Metadata) -> list[str]:
    """Returns which enabled entities' organization filters cannot be compiled any more, one sentence each."""
    found = []
    for stored in metadata.entities.values():
        if stored.offline and stored.organization_filter:
            try:
                compile_organization_filter(metadata, stored.name, stored.organization_filter)
            except HaversackError as error:
                found.append(str(error))
    return found


def _filters(profile: model_pb2.Profile, metadata: Metadata) -> Iterator[tuple[str, str, filter_pb2.Filter]]:
    """Yields every filter of a profile that is on a known entity: where it is, the entity, the filter."""
    for item in profile.items:
        if item.HasField("filter") and item.entity in metadata.entities:
            yield f"item {item.entity}, filter", item.entity, item.filter
        for association in item.associations:
            other = other_end(association, item.entity, metadata)
            if other is not None and association.HasField("filter"):
                yield f"item {item.entity}, association {association.relationship}, filter", other, association.filter


def without_plans(profile: model_pb2.Profile) -> model_pb2.Profile:
    """Returns a profile as its author wrote it: nothing compiled, no revision."""
    draft = model_pb2.Profile()
    draft.CopyFrom(profile)
    draft.revision = 0
    for written in _all_filters(draft.items):
        written.ClearField("compiled")
    return draft


def _all_filters(items: Iterable[model_pb2.ProfileItem]) -> Iterator[filter_pb2.Filter]:
    for item in items:
        if item.HasField("filter"):
            yield item.filter
        yield from (it.filter for it in item.associations if it.HasField("filter"))

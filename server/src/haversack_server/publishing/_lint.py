"""What is legal in a profile but looks like a mistake. Pure: metadata in, sentences out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from haversack.model.v1 import model_pb2

from haversack_server.publishing._metadata import Metadata
from haversack_server.publishing._rules import other_end

ASSOCIATIONS_OF_DATAVERSE = 15
"""Dataverse refuses more relationships per item; a profile that should move between the two keeps below."""

_OWNER_FLAGS = ("owned_by_me", "owned_by_my_teams", "owned_by_my_business_unit")


def warnings(profile: model_pb2.Profile, metadata: Metadata) -> Iterator[str]:
    """Yields a sentence for everything that its author may not have meant."""
    if not profile.items:
        yield "the profile has no items, so its devices carry nothing"
    if not profile.users and not profile.teams:
        yield "the profile has no users and no teams, so nobody follows it"
    edges = _edges(profile, metadata)
    pulled = {other for targets in edges.values() for other in targets}
    for item in profile.items:
        yield from (f"item {item.entity}: {sentence}" for sentence in _of_item(item, item.entity in pulled))
    for path in cycles(edges):
        yield f"associations form a cycle: {' -> '.join(path)}; rows may pull each other in, far beyond what was meant"


def cycles(edges: Mapping[str, list[str]]) -> list[list[str]]:
    """Returns cycles of a graph as paths along its edges, the first entity repeated at the end.

    No edge is in two of them.
    """
    left = {entity: set(targets) for entity, targets in edges.items()}
    found: list[list[str]] = []
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            path: list[str] = error.args[1][::-1]
            for entity, target in pairwise(path):
                left[entity].discard(target)
            found.append(path)
        else:
            return found


def _edges(profile: model_pb2.Profile, metadata: Metadata) -> dict[str, list[str]]:
    """Returns which entities' rows each item's associations pull."""
    edges: dict[str, list[str]] = {}
    for item in profile.items:
        others = (other_end(it, item.entity, metadata) for it in item.associations)
        edges[item.entity] = list(dict.fromkeys(it for it in others if it is not None))
    return edges


def _of_item(item: model_pb2.ProfileItem, is_pulled: bool) -> Iterator[str]:
    related_only = item.criteria == model_pb2.RECORD_CRITERIA_RELATED_ONLY
    if related_only and not is_pulled and not item.HasField("filter"):
        yield "RELATED_ONLY, but no association pulls its rows, so devices carry none of them"
    if item.criteria != model_pb2.RECORD_CRITERIA_OTHER and any(getattr(item, flag) for flag in _OWNER_FLAGS):
        yield "owned_by_* choices mean nothing without OTHER"
    if len(item.associations) > ASSOCIATIONS_OF_DATAVERSE:
        yield f"{len(item.associations)} associations; Dataverse would allow {ASSOCIATIONS_OF_DATAVERSE}"

"""A filter tried out on rows: the view of a user who may read everything and whose profile is that filter alone."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping

from haversack.model.v1 import filter_pb2, model_pb2

from haversack_server import _core
from haversack_server.core import named

READ, GLOBAL = 2, 8
"""`roleprivileges.accessright` and `depth` of reading every row."""

ROLE = str(uuid.uuid5(uuid.NAMESPACE_URL, "haversack:filter-trial:role"))


def matching(
    model: model_pb2.Model,
    entity: str,
    node: filter_pb2.FilterNode,
    rows: Mapping[str, bytes],
    *,
    user: str,
    instant_us: int,
) -> list[str]:
    """Returns the ids of those rows of an entity that a compiled filter matches for a user, in the rows' order.

    `rows` are JSON Lines by entity: those of `entity`, of entities that the filter links, and of directory entities
    (the user is made where they lack it). `instant_us` counts microseconds since 1970, UTC. Raises RowsInvalid, or what
    keeps the model from being followed.
    """
    tried = _alone(model, entity, node, user)
    try:
        trial = _core.Trial(tried.SerializeToString())
        for name, lines in _with_reader(rows, entity, user).items():
            trial.load(name, lines)
        return trial.view(user, instant_us)[entity]
    except _core.CoreError as error:
        raise named(error) from error


def _alone(model: model_pb2.Model, entity: str, node: filter_pb2.FilterNode, user: str) -> model_pb2.Model:
    """The model with this filter as its only profile. Whose the rows are does not count."""
    tried = model_pb2.Model()
    tried.CopyFrom(model)
    for it in tried.entities:
        it.ClearField("organization_filter")
        if it.logical_name == entity:
            it.offline, it.ownership = True, model_pb2.OWNERSHIP_ORGANIZATION
    item = model_pb2.ProfileItem(entity=entity, criteria=model_pb2.RECORD_CRITERIA_CUSTOM)
    item.filter.compiled.CopyFrom(node)
    del tried.profiles[:]
    tried.profiles.add(name="trial", revision=1, items=[item], users=[user])
    return tried


def _with_reader(rows: Mapping[str, bytes], entity: str, user: str) -> dict[str, bytes]:
    """The rows, and a role of the user that may read every row."""
    privilege = {"roleid": ROLE, "entityname": entity, "accessright": READ, "depth": GLOBAL}
    given = {
        "systemuser": {"systemuserid": user},
        "role": {"roleid": ROLE},
        "roleprivileges": {"roleprivilegeid": ROLE, **privilege},
        "systemuserroles": {"systemuserroleid": ROLE, "systemuserid": user, "roleid": ROLE},
    }
    added = {name: json.dumps(row).encode() + b"\n" + rows.get(name, b"") for name, row in given.items()}
    return {**rows, **added}

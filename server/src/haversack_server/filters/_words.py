"""What a filter says."""

from __future__ import annotations

from haversack.model.v1 import filter_pb2, model_pb2

from haversack_server import _core
from haversack_server.core import named


def check(model: model_pb2.Model, entity: str, fetch_xml: bytes) -> filter_pb2.FilterNode:
    """Compiles a filter on an entity. Raises a FilterRefused, which says where in the text and what would be right."""
    try:
        compiled = _core.compile_filter(model.SerializeToString(), entity, fetch_xml)
    except _core.CoreError as error:
        raise named(error) from error
    return filter_pb2.FilterNode.FromString(compiled)


def explain(model: model_pb2.Model, entity: str, node: filter_pb2.FilterNode) -> list[str]:
    """Puts a compiled filter into words: one line a clause, indented by two blanks a level."""
    try:
        return _core.describe_filter(model.SerializeToString(), entity, node.SerializeToString())
    except _core.CoreError as error:
        raise named(error) from error

"""Organization filters as `$filter`: what a service can leave out before it sends it.

The engine judges every row anyway, so what is pushed down need not be exact; it must only never leave out a row that
the filter takes. So a group of `and` is pushed as far as its parts can be, one of `or` if all of them can, and a part
that depends on the user, on the clock, on other rows, or on how texts compare, cannot.
"""

from __future__ import annotations

import datetime
import uuid

from haversack.model.v1 import filter_pb2, model_pb2

from haversack_server.connectors.odata._shapes import Column, Shape

FILTER_CHARACTERS_MAX = 1_500
"""Longer ones are not pushed down: the address of a request is limited."""

_COMPARISONS = {
    filter_pb2.FILTER_OPERATOR_EQ: "eq",
    filter_pb2.FILTER_OPERATOR_GT: "gt",
    filter_pb2.FILTER_OPERATOR_GE: "ge",
    filter_pb2.FILTER_OPERATOR_LT: "lt",
    filter_pb2.FILTER_OPERATOR_LE: "le",
}

_WHOLE = {"Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Byte", "Edm.SByte"}

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def pushed_down(entity: model_pb2.Entity, shape: Shape) -> str:
    """The `$filter` of an entity's organization filter; "" if nothing of it can be pushed down."""
    if not entity.HasField("organization_filter") or not entity.organization_filter.HasField("compiled"):
        return ""
    names = {it.number: it.logical_name for it in entity.attributes}
    text = _node(entity.organization_filter.compiled, names, shape) or ""
    return text if len(text) <= FILTER_CHARACTERS_MAX else ""


def _node(node: filter_pb2.FilterNode, names: dict[int, str], shape: Shape) -> str | None:
    """A node as text; None if it cannot be pushed down."""
    kind = node.WhichOneof("kind")
    if kind == "group":
        return _group(node.group, names, shape)
    if kind == "condition":
        return _condition(node.condition, names, shape)
    return None


def _group(group: filter_pb2.FilterGroup, names: dict[int, str], shape: Shape) -> str | None:
    parts = [_node(it, names, shape) for it in group.nodes]
    known = [it for it in parts if it is not None]
    if group.join == filter_pb2.FILTER_JOIN_AND:
        return " and ".join(f"({it})" for it in known) or None
    return " or ".join(f"({it})" for it in known) if len(known) == len(parts) else None


def _condition(condition: filter_pb2.FilterCondition, names: dict[int, str], shape: Shape) -> str | None:
    column = shape.columns.get(names.get(condition.attribute_number, ""))
    if column is None or condition.other_attribute_number:
        return None
    operator = condition.operator
    if operator == filter_pb2.FILTER_OPERATOR_NULL:
        return f"{column.wire} eq null"
    if operator == filter_pb2.FILTER_OPERATOR_NOT_NULL:
        return f"{column.wire} ne null"
    values = [_value(it, column) for it in condition.operands]
    if not values or any(it is None for it in values):
        return None
    if operator in _COMPARISONS:
        return f"{column.wire} {_COMPARISONS[operator]} {values[0]}"
    if operator == filter_pb2.FILTER_OPERATOR_NE:
        return f"{column.wire} ne {values[0]} or {column.wire} eq null"
    if operator == filter_pb2.FILTER_OPERATOR_IN:
        return " or ".join(f"{column.wire} eq {it}" for it in values)
    if operator == filter_pb2.FILTER_OPERATOR_BETWEEN:
        least, most = values
        return f"{column.wire} ge {least} and {column.wire} le {most}"
    return None


def _value(operand: filter_pb2.FilterOperand, column: Column) -> str | None:
    """An operand as a literal of the column's type; None where the service may compare in another way."""
    kind = operand.WhichOneof("value")
    if kind is None:
        return None
    value = getattr(operand, kind)
    if column.type in _WHOLE and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if column.type == "Edm.Boolean" and isinstance(value, bool):
        return "true" if value else "false"
    if column.type == "Edm.Guid" and isinstance(value, bytes):
        return str(uuid.UUID(bytes=value))
    if column.type == "Edm.DateTimeOffset" and isinstance(value, int) and column.kind == "DateTime":
        return instant(value)
    return None


def instant(at_us: int) -> str:
    """An instant as a literal of `Edm.DateTimeOffset`, to the microsecond."""
    return (_EPOCH + datetime.timedelta(microseconds=at_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")

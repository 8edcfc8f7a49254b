"""Values of attributes on their way into columns and back, and how they compare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from haversack_server.connectors.postgres._plan import Attribute

_EPOCH = datetime(1970, 1, 1)
_DAY_ONE = date(1970, 1, 1)


def to_sql(attribute: Attribute, value: Any) -> str | None:
    """Returns a value as the text of its column; raises ValueError if it cannot be there.

    Times are microseconds or days since 1970, as rows have them, or ISO texts.
    """
    if value is None:
        return None
    if attribute.type == "choices":
        numbers = [int(it) for it in value.split(",")] if isinstance(value, str) else list(value)
        return "{" + ",".join(_quoted(_label(attribute, it)) for it in numbers) + "}"
    if attribute.type == "choice":
        return _label(attribute, int(value))
    if attribute.type in ("datetime", "local_datetime") and isinstance(value, int):
        moment = _EPOCH + timedelta(microseconds=value)
        return moment.isoformat() + ("Z" if attribute.type == "datetime" else "")
    if attribute.type == "date" and isinstance(value, int):
        return (_DAY_ONE + timedelta(days=value)).isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def from_sql(attribute: Attribute, text: str | None) -> str | None:
    """Returns a column's text as ingest reads it; None if there is no value, or none that the attribute can hold."""
    if text is None:
        return None
    if attribute.type == "choices":
        numbers = [_number(attribute, it) for it in _elements(text)]
        return None if None in numbers else ",".join(str(it) for it in numbers)
    if attribute.type == "choice":
        number = _number(attribute, text)
        return None if number is None else str(number)
    if attribute.type in ("datetime", "local_datetime", "date"):
        if "BC" in text or "infinity" in text:
            return None
        return text.removesuffix("+00").replace(" ", "T") + (
            "Z" if attribute.type == "datetime" and " " in text else ""
        )
    if attribute.type in ("double", "decimal", "money"):
        return text if math.isfinite(float(text)) else None
    return text


def comparable(attribute: Attribute, value: Any) -> Any:
    """Returns what two values have in common exactly when they are the same, whether a device or a column has them."""
    if value is None or (value == "" and attribute.type not in ("text", "memo")):
        return None
    if attribute.type == "choices":
        return sorted(int(it) for it in (value.split(",") if isinstance(value, str) else value)) or None
    if attribute.type in ("integer", "bigint", "choice"):
        return int(value)
    if attribute.type in ("decimal", "money"):
        return _decimal(value)
    if attribute.type == "double":
        return float(value)
    if attribute.type == "boolean":
        return value if isinstance(value, bool) else str(value).lower() in ("true", "t", "1")
    if attribute.type in ("datetime", "local_datetime"):
        return value if isinstance(value, int) else _micros(str(value))
    if attribute.type == "date":
        return value if isinstance(value, int) else (date.fromisoformat(str(value)[:10]) - _DAY_ONE).days
    if attribute.type in ("text", "memo"):
        return str(value)
    return str(value).lower()


def _decimal(value: Any) -> Decimal | str:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return str(value)


def _micros(text: str) -> int:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    naive = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return (naive - _EPOCH) // timedelta(microseconds=1)


def _label(attribute: Attribute, number: int) -> str:
    if not attribute.choices:
        return str(number)
    for text, known in attribute.choices.items():
        if known == number:
            return text
    raise ValueError(f"{attribute.name} has no choice {number}; the mapping has {dict(attribute.choices)}")


def _number(attribute: Attribute, text: str) -> int | None:
    if attribute.choices:
        return attribute.choices.get(text)
    return int(text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _elements(array: str) -> Sequence[str]:
    """Returns the elements of a one-dimensional array's text."""
    found: list[str] = []
    element, within, escaped = "", False, False
    for it in array[1:-1]:
        if escaped:
            element, escaped = element + it, False
        elif it == "\\":
            escaped = True
        elif it == '"':
            within = not within
        elif it == "," and not within:
            found, element = [*found, element], ""
        else:
            element += it
    return [*found, element] if array != "{}" else found

"""Values of attributes on their way into columns and back, and how they compare."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from haversack_server.connectors.postgres._plan import Attribute

YEAR_DIGITS, YEAR_MIN = 4, 1753
"""The years that attributes can hold are those of four digits from this one on."""

DECIMAL_DIGITS_MAX = 100
"""Of a decimal, before and behind its point; as the core has them."""

_WHOLE = re.compile(r"[+-]?[0-9]+")
_WHOLE_END = 1 << 31

_ELEMENT = re.compile(r'("(?:[^"\\]|\\.)*")|([^,"]+)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

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
    """Returns a column's text as ingest reads it; None if there is no value, or none that the attribute can hold.

    The core's feed leaves out the same: a write must not end with a row that replication would not bring.
    """
    try:
        return None if text is None else _from_sql(attribute, text)
    except (ValueError, ArithmeticError):
        # The column is of another type than it was when the mapping was joined with it.
        return None


def _from_sql(attribute: Attribute, text: str) -> str | None:
    match attribute.type:
        case "choices":
            return _numbers(attribute, text)
        case "choice":
            return _number(attribute, text)
        case "integer":
            return _whole(text)
        case "boolean":
            return {"t": "true", "f": "false"}.get(text, text)
        case "datetime" | "local_datetime" | "date":
            return _moment(attribute, text)
        case "double":
            return text if math.isfinite(float(text)) else None
        case "decimal" | "money":
            return _decimal(text)
        case _:
            return text


def comparable(attribute: Attribute, value: Any) -> Any:
    """Returns what two values have in common exactly when they are the same, whether a device or a column has them."""
    if value is None or (value == "" and attribute.type not in ("text", "memo")):
        return None
    try:
        return _comparable(attribute, value)
    except (ValueError, TypeError, ArithmeticError):
        # A device may have written when the attribute was of another type. That is another value than any of now.
        return str(value)


def _comparable(attribute: Attribute, value: Any) -> Any:
    if attribute.type == "choices":
        return sorted({int(it) for it in (value.split(",") if isinstance(value, str) else value)}) or None
    if attribute.type in ("integer", "bigint", "choice"):
        return int(value)
    if attribute.type in ("decimal", "money"):
        return Decimal(str(value))
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


def _moment(attribute: Attribute, text: str) -> str | None:
    """Returns a time or a day as ISO text; None before `YEAR_MIN`, after 9999 or without end."""
    year, dash, _ = text.partition("-")
    if not dash or len(year) != YEAR_DIGITS or text.endswith("BC") or int(year) < YEAR_MIN:
        return None
    is_instant = attribute.type == "datetime" and " " in text
    return text.removesuffix("+00").replace(" ", "T") + ("Z" if is_instant else "")


def _decimal(text: str) -> str | None:
    """Returns a decimal; None if it is no number, or has more digits than `DECIMAL_DIGITS_MAX`."""
    whole, _, fraction = text.lstrip("-").partition(".")
    fits = Decimal(text).is_finite() and len(whole) + len(fraction.rstrip("0")) <= DECIMAL_DIGITS_MAX
    return text if fits else None


def _whole(text: str) -> str | None:
    """Returns a number that 32 bits can hold; None if the text is none."""
    return text if _WHOLE.fullmatch(text) and -_WHOLE_END <= int(text) < _WHOLE_END else None


def _number(attribute: Attribute, text: str) -> str | None:
    """Returns the number of a choice; None if there is none."""
    if not attribute.choices:
        return _whole(text)
    number = attribute.choices.get(text)
    return None if number is None else str(number)


def _numbers(attribute: Attribute, array: str) -> str | None:
    """Returns the numbers of choices, between commas; None if one of them has no number."""
    elements = _elements(array)
    numbers = None if elements is None else [_number(attribute, it) for it in elements]
    if numbers is None or None in numbers:
        return None
    return ",".join(it for it in numbers if it is not None)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _elements(array: str) -> Sequence[str] | None:
    """Returns the elements of an array's text but those that are NULL; None if it has other bounds, or several."""
    if not (array.startswith("{") and array.endswith("}")):
        return None
    found = _ELEMENT.findall(array[1:-1])
    if any(plain.startswith("{") for _, plain in found):
        return None
    return [plain or _ESCAPED.sub(r"\1", quoted[1:-1]) for quoted, plain in found if plain.upper() != "NULL"]

"""Values as applications write them: made into what a column holds, and from there into fields of a row message.

`stored` takes what Python programs have at hand as well as what reading a column gives, so that a row that was read can
be written back. It knows types and forms; rules of the model are `_rules`'.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from haversack.model.v1 import model_pb2

from haversack_client._errors import ProtocolError
from haversack_client._model import CarriedModel, Column, Kind, Table
from haversack_client._rows import SqlValue

DECIMAL_DIGITS_MAX = 100
CHOICES_MAX = 1000
INTEGER_MIN, INTEGER_MAX = -(1 << 31), (1 << 31) - 1
BIGINT_MIN, BIGINT_MAX = -(1 << 63), (1 << 63) - 1

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1)
DAY_FIRST = date(1753, 1, 1)
"""The first day that Dataverse stores."""

_UUID = re.compile(r"\{?[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}\}?")

_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def stored(kind: int, value: object) -> SqlValue:
    """What a column of an attribute type holds for a value. Raises ValueError, which says what the value must be."""
    return None if value is None else _STORED[kind](value)


def stored_id(value: object) -> str:
    """An id as tables have it: a UUID in lower case with hyphens, or the source's own text."""
    text = stored_text_id(value)
    return str(UUID(text)) if _UUID.fullmatch(text) else text


def stored_text_id(value: object) -> str:
    """An id of an entity whose source keeps ids as texts: as it is, since it is known there by no other spelling."""
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str) or not value:
        raise ValueError("must be an id: a UUID, or the text of one")
    return _text(value)


def id_bytes(text: str) -> bytes:
    """An id as fields and mutations have it: 16 bytes of a UUID in its usual form, or text.

    Text of 16 bytes gets a zero byte, so that it is not taken for a UUID.
    """
    if _CANONICAL_UUID.fullmatch(text):
        return UUID(text).bytes
    raw = text.encode()
    return raw + b"\0" if len(raw) == 16 else raw  # noqa: PLR2004 (the length of a UUID)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError("must be text of whole Unicode characters") from error
    return value


def _whole(low: int, high: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return check


def _decimal(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise ValueError("must be exact: a Decimal, a whole number, or text as in '12.50'")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise ValueError("must be a decimal, as in '12.50'") from error
    if not number.is_finite() or abs(number.adjusted()) > DECIMAL_DIGITS_MAX:
        raise ValueError(f"must be a decimal of at most {DECIMAL_DIGITS_MAX} digits")
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if len(text.lstrip("-").replace(".", "")) > DECIMAL_DIGITS_MAX:
        raise ValueError(f"must be a decimal of at most {DECIMAL_DIGITS_MAX} digits")
    return "0" if text in ("-0", "") else text


def _double(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("must be a finite number")
    return float(value)


def _boolean(value: object) -> int:
    if value not in (0, 1) or not isinstance(value, int):
        raise ValueError("must be true or false")
    return int(value)


def _choices(value: object) -> str | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError("must be whole numbers, as in [1, 3]") from error
    if not isinstance(value, Iterable):
        raise ValueError("must be whole numbers, as in [1, 3]")
    chosen = sorted({_whole(BIGINT_MIN, BIGINT_MAX)(each) for each in value})
    if len(chosen) > CHOICES_MAX:
        raise ValueError(f"must be at most {CHOICES_MAX} choices")
    return f"[{','.join(map(str, chosen))}]" if chosen else None


def _instant(value: object) -> str:
    """An instant; text without an offset is UTC, as columns have it."""
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError("must say its time zone: a datetime with tzinfo, or text as in '2026-05-31 14:00:00' in UTC")
    moment = _moment(value)
    try:
        return instant_text(_in_range(moment.astimezone(UTC) if moment.tzinfo else moment))
    except OverflowError as error:
        raise ValueError(f"must be a date from {DAY_FIRST} to {date.max}") from error


def _wall_clock(value: object) -> str:
    moment = _moment(value)
    if moment.tzinfo is not None:
        raise ValueError("must be a wall clock without a time zone")
    return instant_text(_in_range(moment))


def _in_range(moment: datetime) -> datetime:
    if moment.date() < DAY_FIRST:
        raise ValueError(f"must be a date from {DAY_FIRST} to {date.max}")
    return moment


def _moment(value: object) -> datetime:
    if not isinstance(value, datetime | str):
        raise ValueError("must be a date and time: a datetime, or text as in '2026-05-31 14:00:00'")
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError("must be a date and time, as in '2026-05-31 14:00:00'") from error
    return moment


def instant_text(moment: datetime) -> str:
    """A moment in the form of columns."""
    text = moment.replace(tzinfo=None, microsecond=0).isoformat(" ")
    return f"{text}.{moment.microsecond:06}" if moment.microsecond else text


def _day(value: object) -> str:
    if isinstance(value, datetime) or not isinstance(value, date | str):
        raise ValueError("must be a day: a date, or text as in '2026-05-31'")
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError("must be a day, as in '2026-05-31'") from error
    if day < DAY_FIRST:
        raise ValueError(f"must be a day from {DAY_FIRST} to {date.max}")
    return day.isoformat()


_STORED: Mapping[int, Callable[[object], SqlValue]] = {
    model_pb2.ATTRIBUTE_TYPE_STRING: _text,
    model_pb2.ATTRIBUTE_TYPE_MEMO: _text,
    model_pb2.ATTRIBUTE_TYPE_ENTITY_NAME: _text,
    model_pb2.ATTRIBUTE_TYPE_INTEGER: _whole(INTEGER_MIN, INTEGER_MAX),
    model_pb2.ATTRIBUTE_TYPE_BIGINT: _whole(BIGINT_MIN, BIGINT_MAX),
    model_pb2.ATTRIBUTE_TYPE_PICKLIST: _whole(INTEGER_MIN, INTEGER_MAX),
    model_pb2.ATTRIBUTE_TYPE_STATE: _whole(INTEGER_MIN, INTEGER_MAX),
    model_pb2.ATTRIBUTE_TYPE_STATUS: _whole(INTEGER_MIN, INTEGER_MAX),
    model_pb2.ATTRIBUTE_TYPE_DECIMAL: _decimal,
    model_pb2.ATTRIBUTE_TYPE_MONEY: _decimal,
    model_pb2.ATTRIBUTE_TYPE_DOUBLE: _double,
    model_pb2.ATTRIBUTE_TYPE_BOOLEAN: _boolean,
    model_pb2.ATTRIBUTE_TYPE_MULTI_SELECT_PICKLIST: _choices,
    model_pb2.ATTRIBUTE_TYPE_DATETIME: _instant,
    model_pb2.ATTRIBUTE_TYPE_DATETIME_INDEPENDENT: _wall_clock,
    model_pb2.ATTRIBUTE_TYPE_DATE_ONLY: _day,
    model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER: stored_id,
    model_pb2.ATTRIBUTE_TYPE_LOOKUP: stored_id,
    model_pb2.ATTRIBUTE_TYPE_OWNER: stored_id,
    model_pb2.ATTRIBUTE_TYPE_CUSTOMER: stored_id,
}


class RowEncoder:
    """Writes values of one model's entities as row messages."""

    def __init__(self, model: CarriedModel) -> None:
        """Compiles the descriptors. Raises ProtocolError if they do not describe the model's entities."""
        pool = descriptor_pool.DescriptorPool()
        try:
            for file in descriptor_pb2.FileDescriptorSet.FromString(model.descriptors).file:
                pool.Add(file)
            self._classes = {
                entity: message_factory.GetMessageClass(pool.FindMessageTypeByName(table.message_name))
                for entity, table in model.tables.items()
            }
        except (DecodeError, KeyError, TypeError) as error:
            raise ProtocolError(f"the descriptors of a model are not usable: {error}") from error

    def encode(self, table: Table, row: Mapping[str, SqlValue]) -> bytes:
        """A serialized row message with these columns; NULLs are left out."""
        message = self._classes[table.entity]()
        for column in table.columns:
            value = row.get(column.name)
            if value is not None:
                _set(message, column, value)
        return message.SerializeToString(deterministic=True)


def _set(message: Message, column: Column, value: Any) -> None:
    name = message.DESCRIPTOR.fields_by_number[column.number].name
    if column.kind is Kind.CHOICES:
        getattr(message, name).extend(json.loads(value))
    else:
        setattr(message, name, _FIELDS.get(column.kind, _as_is)(value))


def _as_is(value: Any) -> Any:
    return value


def _microseconds(text: str) -> int:
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def _days(text: str) -> int:
    return (date.fromisoformat(text) - EPOCH_DAY).days


_FIELDS: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.BOOLEAN: bool,
    Kind.INSTANT: _microseconds,
    Kind.DAY: _days,
    Kind.ID: id_bytes,
}

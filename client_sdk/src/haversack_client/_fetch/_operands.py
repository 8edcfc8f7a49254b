"""Values of conditions: from text to what columns hold."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum

from haversack.model.v1 import model_pb2

from haversack_client._fetch._errors import excerpt, invalid
from haversack_client._fetch._windows import DAY_MAX, DAY_MIN, EPOCH, EPOCH_DAY, MICROS_PER_DAY, Clock, Form
from haversack_client._model import Attribute, CarriedModel
from haversack_client._rows import SqlValue
from haversack_client._values import CHOICES_MAX, INTEGER_MAX, INTEGER_MIN, instant_text, stored

COUNT_MAX = 100_000
HOURS_MAX = 100_000_000
EXPONENT_MIN, EXPONENT_MAX = -(1 << 15), (1 << 15) - 1
"""Of a decimal as written, which is read exactly: 1e3 is 1000."""

_UUID = re.compile(r"(\{?)[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}(\}?)")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?[0-9]+))?")
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:([Zz])|([+-])(\d\d):(\d\d))?)?", re.ASCII
)
_DAY_LENGTH = len("2024-05-31")
MICROS_MIN, MICROS_MAX = DAY_MIN * MICROS_PER_DAY, (DAY_MAX + 1) * MICROS_PER_DAY - 1


class Family(Enum):
    """Attribute types that are compared alike."""

    TEXT = "text"
    INTEGER = "whole numbers"
    CHOICE = "choices"
    DECIMAL = "decimals and money"
    REAL = "doubles"
    TRUTH = "booleans"
    CHOICE_SET = "sets of choices"
    INSTANT = "dates and times"
    WALL_CLOCK = "dates and times without a zone"
    DAY = "days"
    ID = "ids and lookups"


FAMILIES: dict[int, Family] = {
    model_pb2.ATTRIBUTE_TYPE_STRING: Family.TEXT,
    model_pb2.ATTRIBUTE_TYPE_MEMO: Family.TEXT,
    model_pb2.ATTRIBUTE_TYPE_ENTITY_NAME: Family.TEXT,
    model_pb2.ATTRIBUTE_TYPE_INTEGER: Family.INTEGER,
    model_pb2.ATTRIBUTE_TYPE_BIGINT: Family.INTEGER,
    model_pb2.ATTRIBUTE_TYPE_PICKLIST: Family.CHOICE,
    model_pb2.ATTRIBUTE_TYPE_STATE: Family.CHOICE,
    model_pb2.ATTRIBUTE_TYPE_STATUS: Family.CHOICE,
    model_pb2.ATTRIBUTE_TYPE_DECIMAL: Family.DECIMAL,
    model_pb2.ATTRIBUTE_TYPE_MONEY: Family.DECIMAL,
    model_pb2.ATTRIBUTE_TYPE_DOUBLE: Family.REAL,
    model_pb2.ATTRIBUTE_TYPE_BOOLEAN: Family.TRUTH,
    model_pb2.ATTRIBUTE_TYPE_MULTI_SELECT_PICKLIST: Family.CHOICE_SET,
    model_pb2.ATTRIBUTE_TYPE_DATETIME: Family.INSTANT,
    model_pb2.ATTRIBUTE_TYPE_DATETIME_INDEPENDENT: Family.WALL_CLOCK,
    model_pb2.ATTRIBUTE_TYPE_DATE_ONLY: Family.DAY,
    model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER: Family.ID,
    model_pb2.ATTRIBUTE_TYPE_LOOKUP: Family.ID,
    model_pb2.ATTRIBUTE_TYPE_OWNER: Family.ID,
    model_pb2.ATTRIBUTE_TYPE_CUSTOMER: Family.ID,
}

FORMS = {Family.INSTANT: Form.INSTANT, Family.WALL_CLOCK: Form.WALL_CLOCK, Family.DAY: Form.DAY}
DATES = frozenset(FORMS)


def family(attribute: Attribute) -> Family:
    """How an attribute is compared."""
    return FAMILIES[attribute.type]


@dataclass(frozen=True, slots=True)
class Moment:
    """A date that a condition states. Without an offset it is the caller's wall clock, where instants are compared."""

    value: int
    is_wall: bool

    def at(self, clock: Clock) -> int:
        """As a value."""
        return clock.moment_of(self.value) if self.is_wall else self.value

    def end(self, clock: Clock) -> int:
        """The first value behind it; behind the last moment of a day that is the next day's midnight."""
        if self.is_wall and (self.value + 1) % MICROS_PER_DAY == 0:
            return clock.moment_of(self.value + 1)
        return self.at(clock) + 1


def number(text: str, highest: int) -> int:
    """A count. Raises FetchError if it is none."""
    found = _whole(text, 1, highest)
    if found is None:
        raise invalid(f'value "{excerpt(text)}" is not a whole number from 1 to {highest}')
    return found


def day(text: str) -> int:
    """The day of a date, whatever its time. Raises FetchError if it is none."""
    found = _timestamp(text)
    if found is None or not DAY_MIN <= found[0] // MICROS_PER_DAY <= DAY_MAX:
        raise invalid(f'value "{excerpt(text)}" is not a day from 1753-01-01 to 9999-12-31, as in 2024-05-31')
    return found[0] // MICROS_PER_DAY


def moment(text: str, attribute: Attribute, *, upper: bool = False) -> Moment:
    """A date of an attribute's type, in its unit; with `upper`, a day alone means its last microsecond.

    Raises FetchError if it is none.
    """
    form = FORMS[family(attribute)]
    found = _timestamp(text)
    value = None if found is None else _in_form(found, form, is_day=len(text) == _DAY_LENGTH)
    if value is None:
        raise invalid(f'value "{excerpt(text)}" of "{attribute.name}" is not {form.value} from 1753 to 9999')
    if upper and len(text) == _DAY_LENGTH and form is not Form.DAY:
        value += MICROS_PER_DAY - 1
    assert found is not None
    return Moment(value, is_wall=form is Form.INSTANT and found[1] is None)


def _in_form(found: tuple[int, int | None], form: Form, *, is_day: bool) -> int | None:
    wall, offset = found
    match form:
        case Form.DAY:
            days = wall // MICROS_PER_DAY
            return days if (is_day or wall % MICROS_PER_DAY == 0) and DAY_MIN <= days <= DAY_MAX else None
        case Form.WALL_CLOCK:
            return wall if MICROS_MIN <= wall <= MICROS_MAX and not offset else None
        case Form.INSTANT:
            instant = wall - (offset or 0)
            return instant if MICROS_MIN <= instant <= MICROS_MAX else None


def _timestamp(text: str) -> tuple[int, int | None] | None:
    """A wall clock in microseconds, and its offset if it has one."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    days, hours, minutes, seconds, fraction, zulu, sign, offset_hours, offset_minutes = found.groups()
    try:
        start = datetime.fromisoformat(days).replace(
            hour=int(hours or 0), minute=int(minutes or 0), second=int(seconds or 0), tzinfo=UTC
        )
        offset = datetime.min.replace(hour=int(offset_hours or 0), minute=int(offset_minutes or 0)) - datetime.min
    except ValueError:
        return None
    wall = (start - EPOCH) // timedelta(microseconds=1) + int((fraction or "0")[:6].ljust(6, "0"))
    if zulu:
        return wall, 0
    micros = offset // timedelta(microseconds=1)
    return wall, None if sign is None else -micros if sign == "-" else micros


def value(text: str, attribute: Attribute, model: CarriedModel) -> SqlValue:
    """A value of an attribute that has no date, as its column holds it. Raises FetchError if it is none."""
    try:
        return _value(text, attribute, model)
    except ValueError as error:
        raise invalid(f'value "{excerpt(text)}" of "{attribute.name}" {error}') from error


def _value(text: str, attribute: Attribute, model: CarriedModel) -> SqlValue:
    match family(attribute):
        case Family.INTEGER | Family.CHOICE:
            whole = _decimal(text)
            if not _WHOLE.fullmatch(whole):
                raise ValueError("must be a whole number")
            return stored(attribute.type, int(whole))
        case Family.DECIMAL:
            return stored(attribute.type, _decimal(text))
        case Family.REAL:
            return stored(attribute.type, _real(text))
        case Family.TRUTH:
            return _truth(text)
        case Family.CHOICE_SET:
            return stored(attribute.type, choices(text))
        case Family.ID:
            return _id(text, attribute, model)
        case _:
            return text


def choices(text: str) -> list[int]:
    """A set of choices. Raises ValueError if it is none."""
    found = [_whole(each.strip(), INTEGER_MIN, INTEGER_MAX) for each in text.split(",")]
    known = [each for each in found if each is not None]
    if len(known) != len(found) or len(found) > CHOICES_MAX:
        raise ValueError(f"must be at most {CHOICES_MAX} whole 32-bit numbers, as in 1,2,3")
    return known


def _whole(text: str, lowest: int, highest: int) -> int | None:
    """A whole number as text, with a sign and leading zeros or not; None if it is none from `lowest` to `highest`."""
    if not _WHOLE.fullmatch(text):
        return None
    digits = text.lstrip("+-").lstrip("0") or "0"
    if len(digits) > len(str(max(-lowest, highest))):
        return None
    found = -int(digits) if text.startswith("-") else int(digits)
    return found if lowest <= found <= highest else None


def _decimal(text: str) -> str:
    found = _DECIMAL.fullmatch(text)
    if found is None or _whole(found[1] or "0", EXPONENT_MIN, EXPONENT_MAX) is None:
        raise ValueError("must be a decimal, as in -12.50 or 1e3")
    if Decimal(text).is_zero():
        return "0"
    return str(stored(model_pb2.ATTRIBUTE_TYPE_DECIMAL, text))


def _real(text: str) -> float:
    if not text.isascii() or "_" in text or text != text.strip():
        raise ValueError("must be a number")
    return float(text) + 0.0


def _truth(text: str) -> int:
    if text.lower() not in ("0", "1", "true", "false"):
        raise ValueError("must be 0, 1, true or false")
    return int(text.lower() in ("1", "true"))


def _id(text: str, attribute: Attribute, model: CarriedModel) -> str:
    target = model.table(attribute.target) if attribute.target else None
    if target is not None and not target.has_uuids and text:
        return text
    found = _UUID.fullmatch(text)
    if found and bool(found[1]) == bool(found[2]):
        return text.strip("{}").lower()
    raise ValueError("must be a UUID, as in 01234567-89ab-cdef-0123-456789abcdef")


def date_text(value: int, form: Form) -> str | None:
    """A date's value as columns have it; None if it lies outside of the years 1 to 9999."""
    days = value if form is Form.DAY else value // MICROS_PER_DAY
    if not date.min.toordinal() <= days + EPOCH_DAY <= date.max.toordinal():
        return None
    if form is Form.DAY:
        return date.fromordinal(days + EPOCH_DAY).isoformat()
    return instant_text(EPOCH + timedelta(microseconds=value))

"""Attributes of a metadata document: which kind of values each holds, and which are left out.

Spellings that are read: `AttributeTypeName` ("PicklistType", or an object with that as `Value`), which is the more
exact one, and `AttributeType` ("Picklist").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haversack.model.v1 import model_pb2

from haversack_server.errors import MetadataInvalid

_TYPES = {
    "String": model_pb2.ATTRIBUTE_TYPE_STRING,
    "Memo": model_pb2.ATTRIBUTE_TYPE_MEMO,
    "Integer": model_pb2.ATTRIBUTE_TYPE_INTEGER,
    "BigInt": model_pb2.ATTRIBUTE_TYPE_BIGINT,
    "Decimal": model_pb2.ATTRIBUTE_TYPE_DECIMAL,
    "Money": model_pb2.ATTRIBUTE_TYPE_MONEY,
    "Double": model_pb2.ATTRIBUTE_TYPE_DOUBLE,
    "Boolean": model_pb2.ATTRIBUTE_TYPE_BOOLEAN,
    "Picklist": model_pb2.ATTRIBUTE_TYPE_PICKLIST,
    "State": model_pb2.ATTRIBUTE_TYPE_STATE,
    "Status": model_pb2.ATTRIBUTE_TYPE_STATUS,
    "MultiSelectPicklist": model_pb2.ATTRIBUTE_TYPE_MULTI_SELECT_PICKLIST,
    "DateTime": model_pb2.ATTRIBUTE_TYPE_DATETIME,
    "Uniqueidentifier": model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER,
    "Lookup": model_pb2.ATTRIBUTE_TYPE_LOOKUP,
    "Owner": model_pb2.ATTRIBUTE_TYPE_OWNER,
    "Customer": model_pb2.ATTRIBUTE_TYPE_CUSTOMER,
    "EntityName": model_pb2.ATTRIBUTE_TYPE_ENTITY_NAME,
}

LOOKUP_TYPES = frozenset(
    {model_pb2.ATTRIBUTE_TYPE_LOOKUP, model_pb2.ATTRIBUTE_TYPE_OWNER, model_pb2.ATTRIBUTE_TYPE_CUSTOMER}
)
"""The types whose values point at rows."""

_DEFAULT_TARGETS = {
    model_pb2.ATTRIBUTE_TYPE_OWNER: ("systemuser", "team"),
    model_pb2.ATTRIBUTE_TYPE_CUSTOMER: ("account", "contact"),
}

_REQUIRED_LEVELS = frozenset({"systemrequired", "applicationrequired", "required"})
"""The values of `RequiredLevel`, in whatever case, under which a row must have a value; the last is a solution's."""

_CHOICE_TYPES = frozenset(
    {
        model_pb2.ATTRIBUTE_TYPE_PICKLIST,
        model_pb2.ATTRIBUTE_TYPE_STATE,
        model_pb2.ATTRIBUTE_TYPE_STATUS,
        model_pb2.ATTRIBUTE_TYPE_MULTI_SELECT_PICKLIST,
    }
)


def read_attribute(name: str, source: Mapping[str, Any], listed_targets: Sequence[str]) -> model_pb2.Attribute | str:
    """Reads one attribute, without a number; returns why it is left out if it cannot be carried.

    `listed_targets` are the entities that listed relationships of the attribute point at.
    """
    if source.get("AttributeOf"):
        return "that only show another attribute"
    if source.get("IsValidForRead") is False or source.get("IsValidODataAttribute") is False:
        return "that cannot be read"
    written = _type_name(source)
    kind = _TYPES.get(written)
    if kind is None:
        return f"of type {written}, which has no field type"
    if kind == model_pb2.ATTRIBUTE_TYPE_DATETIME:
        kind = _datetime_type(source)
    return model_pb2.Attribute(
        logical_name=name,
        display_name=label(source.get("DisplayName")),
        type=kind,
        targets=_targets(kind, source, listed_targets),
        options=_options(name, source) if kind in _CHOICE_TYPES else (),
        max_length=_max_length(name, source),
        required=_named(source.get("RequiredLevel")).lower() in _REQUIRED_LEVELS,
        create_forbidden=source.get("IsValidForCreate") is False,
        update_forbidden=source.get("IsValidForUpdate") is False,
    )


def label(source: object) -> str:
    """Returns a label's text: as text, or of the user's language in a Label object; empty if there is none."""
    if isinstance(source, Mapping):
        localized = source.get("UserLocalizedLabel")
        source = localized.get("Label") if isinstance(localized, Mapping) else None
    return source if isinstance(source, str) else ""


def _named(source: object) -> str:
    """Returns a name that is written as text, or as an object with the text as `Value`."""
    if isinstance(source, Mapping):
        source = source.get("Value")
    return source if isinstance(source, str) else ""


def _type_name(source: Mapping[str, Any]) -> str:
    return _named(source.get("AttributeTypeName")).removesuffix("Type") or _named(source.get("AttributeType"))


def _datetime_type(source: Mapping[str, Any]) -> model_pb2.AttributeType:
    """Returns which kind of time it is: `DateTimeBehavior` decides.

    `Format` DateOnly without a behavior means a date too; with the behavior UserLocal it only hides the hours.
    """
    behavior = _named(source.get("DateTimeBehavior"))
    if behavior == "DateOnly" or (not behavior and _named(source.get("Format")) == "DateOnly"):
        return model_pb2.ATTRIBUTE_TYPE_DATE_ONLY
    if behavior == "TimeZoneIndependent":
        return model_pb2.ATTRIBUTE_TYPE_DATETIME_INDEPENDENT
    return model_pb2.ATTRIBUTE_TYPE_DATETIME


def _targets(kind: model_pb2.AttributeType, source: Mapping[str, Any], listed: Sequence[str]) -> list[str]:
    if kind not in LOOKUP_TYPES:
        return []
    named = [target for target in source.get("Targets") or () if isinstance(target, str)]
    return list(dict.fromkeys(named or _DEFAULT_TARGETS.get(kind) or listed))


def _options(name: str, source: Mapping[str, Any]) -> list[model_pb2.Option]:
    option_set = source.get("OptionSet")
    options = option_set.get("Options") if isinstance(option_set, Mapping) else None
    read = [_option(name, option) for option in options or ()]
    if len({option.value for option in read}) != len(read):
        raise MetadataInvalid(f"attribute {name}: an option's Value appears twice; each must be there once")
    return read


def _option(name: str, source: object) -> model_pb2.Option:
    value = source.get("Value") if isinstance(source, Mapping) else None
    if not isinstance(source, Mapping) or not isinstance(value, int) or isinstance(value, bool):
        raise MetadataInvalid(f"attribute {name}: an option needs a whole number as its Value")
    return model_pb2.Option(
        value=value,
        label=label(source.get("Label")),
        state=_choice_named(source, "State"),
        default_status=_choice_named(source, "DefaultStatus"),
    )


def _choice_named(source: Mapping[str, Any], key: str) -> int | None:
    """A choice of another attribute that an option names: a status its state, a state its default status."""
    value = source.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _max_length(name: str, source: Mapping[str, Any]) -> int:
    length = source.get("MaxLength")
    if length is None:
        return 0
    if not isinstance(length, int) or isinstance(length, bool) or not 0 <= length < 2**32:
        raise MetadataInvalid(f"attribute {name}: MaxLength must be a whole number from 0 to 4,294,967,295")
    return length

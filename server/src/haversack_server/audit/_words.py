"""Messages as JSON for the audit log: no bytes, no secrets, and not without end."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

TEXT_BYTES_MAX = 16 * 1024
DEPTH_MAX = 32
"""How deep messages are followed; filters, the deepest, nest less."""

SECRET_WORDS = ("password", "secret", "credential", "private_key")
"""Fields whose names have one of these are told of, and not told."""

UNJUDGED_FIELDS = ("settings_json",)
"""Fields that the call still has to judge: somebody may have put a secret where none belongs. What was taken of them is
in the entry as what was there before and after."""

HIDDEN = "(not recorded)"


def described(message: Message, depth: int = 0) -> dict[str, Any]:
    """Returns what is set in a message as JSON data: enums by name, bytes by their number, secrets not at all."""
    if depth > DEPTH_MAX:
        return {}
    return {field.name: _field(field, value, depth) for field, value in message.ListFields()}


def written(value: Any) -> tuple[str, bool]:
    """Returns JSON data as text, and whether it had to be cut; None is no text."""
    if value is None:
        return "", False
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    encoded = text.encode()
    if len(encoded) <= TEXT_BYTES_MAX:
        return text, False
    return encoded[:TEXT_BYTES_MAX].decode(errors="ignore"), True


def _field(field: FieldDescriptor, value: Any, depth: int) -> Any:
    if field.name in UNJUDGED_FIELDS or any(word in field.name for word in SECRET_WORDS):
        return HIDDEN
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        values = field.message_type.fields_by_name["value"]
        return {str(key): _one(values, value[key], depth) for key in sorted(value)}
    if field.is_repeated:
        return [_one(field, it, depth) for it in value]
    return _one(field, value, depth)


def _one(field: FieldDescriptor, value: Any, depth: int) -> Any:
    if field.message_type is not None:
        return described(value, depth + 1)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else value
    return f"{len(value):,} bytes" if isinstance(value, bytes) else value

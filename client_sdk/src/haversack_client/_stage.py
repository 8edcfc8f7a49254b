"""The stages of a device, and what a plan says of the way to the last one."""

from dataclasses import dataclass
from enum import IntEnum


class Stage(IntEnum):
    """The stages of a device, in order."""

    REGISTERED = 1
    MODEL_RESOLVED = 2
    SCHEMA_READY = 3
    MANDATORY_READY = 4
    """The user may start working."""
    DOWNLOADING = 5
    VERIFYING = 6
    READY = 7


@dataclass(frozen=True, slots=True)
class Planned:
    """What a pass is to send of one entity."""

    entity: str
    rows: int
    bytes: int

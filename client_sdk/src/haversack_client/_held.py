"""What a device holds: what the session must know of the database, and all that it may know."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from haversack_client._model import CarriedModel
from haversack_client._stage import Stage


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The moment when the device equalled its view.

    Attributes:
        lsn: Position in the organization's commit order.
        revision: The organization revision that the view follows.
        instant_us: The view's instant, microseconds since the Unix epoch.
    """

    lsn: int
    revision: int
    instant_us: int


@dataclass(frozen=True, slots=True)
class Position:
    """Where the device has come to: an LSN, and the history of the server's database that it counts in."""

    lsn: int = 0
    history: int = 0


@dataclass(frozen=True, slots=True)
class Wipe:
    """That this device was wiped, or is being wiped.

    Attributes:
        message: What the server said, with the administrator's words.
        at_us: When the device heard of it, by its own clock, in microseconds since the Unix epoch.
        offers: Whether writes have yet to be offered to the server.
        confirmed: Whether the server knows that it is done.
    """

    message: str
    at_us: int
    offers: bool
    confirmed: bool

    @classmethod
    def parse(cls, text: str) -> "Wipe | None":
        """Reads what a database remembers."""
        return cls(**json.loads(text)) if text else None

    def serialized(self) -> str:
        """What a database remembers."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Facts:
    """What a database knows about itself, beside its rows. Bytes are empty where there is nothing yet."""

    install_id: bytes
    fence: bytes = b""
    epoch: bytes = b""
    cookie: bytes = b""
    model: bytes = b""
    model_version: str = ""
    """In hexadecimal: what tells a writer that the tables have changed."""
    stage: int = Stage.REGISTERED
    stage_times: str = "[]"
    """When each stage was reached, as JSON: [stage, microseconds since the Unix epoch] in order."""
    checkpoint: str = "null"
    position: str = "[0, 0]"
    """The last event's, as JSON: what is written from here on was seen from there."""
    last_number: int = 0
    """Of the writes that were ever made here; no number is used twice."""
    aging: str = "[0, 0]"
    """By which clock kept writes age, as JSON: the device's when it was looked at last, and the time that counts."""
    full_check: int = 0
    """Number of the last full check that was carried out; 0 for none."""
    failure: str = ""
    """What the last sync or upload failed for, as JSON: reason, message, microseconds since the Unix epoch."""
    user: bytes = b""
    """Whose database it is, as the server told: 16 bytes; empty before the first stream."""
    former_installs: str = "[]"
    """Under which install ids earlier writes were numbered: see `_installs`."""
    wipe: str = ""
    """That the device was wiped: a `Wipe`, as JSON."""


@dataclass(frozen=True, slots=True)
class BlockState:
    """What is held of a block: how many rows, and the sum of their membership hashes."""

    block: int
    count: int
    membership: int


@dataclass(frozen=True, slots=True)
class EntityState:
    """What is held of an entity: how many rows, and the sum of their version hashes."""

    count: int
    digest: int


class Held(Protocol):
    """What the database holds. The session only reads it."""

    @property
    def model(self) -> CarriedModel | None:
        """The model that the tables follow."""

    def facts(self) -> Facts:
        """What the database knows about itself."""

    def blocks(self) -> Mapping[int, Sequence[BlockState]]:
        """Every block with rows, ascending, by entity."""

    def entities(self) -> Mapping[int, EntityState]:
        """Count and digest of every entity that has a table."""

    def unanswered(self) -> Sequence[int]:
        """Numbers of writes whose last answer is not known, ascending; the contract's limit at most."""

    def ordinals(self, entity: int, block: int) -> Sequence[int]:
        """The ordinals held within a block, ascending."""

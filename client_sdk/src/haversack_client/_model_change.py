"""A published change of the model, and whether the application takes it now.

The tables of a device change when its application says so: now, or later. Until then it works on the tables that it
has, and what it writes is uploaded; only rows are not brought up to date, because they are rows of the new tables.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from haversack_client._model import CarriedModel, Table
from haversack_client._progress import Clock

ASK_AGAIN_SECONDS = 3600.0
"""How long a device that is kept in sync leaves an application alone that said "later", unless another model comes."""

_log = logging.getLogger(__name__)


class ModelAnswer(Enum):
    """What an application says to a change of the model."""

    NOW = "now"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class EntityChange:
    """What changes of an entity that stays.

    Attributes:
        added: Columns that come; NULL until the rows are sent again.
        removed: Columns that go, with their values.
        changed: Columns whose type changes; as if removed and added.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelChange:
    """What a new model changes.

    Attributes:
        version: Its version.
        added: Entities that come.
        removed: Entities that go, with their rows.
        changed: What changes of those that stay, by entity; those that stay as they are, are left out.
    """

    version: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, EntityChange]

    @classmethod
    def between(cls, before: CarriedModel, after: CarriedModel) -> "ModelChange":
        """What leads from one model to another."""
        old = {table.name: table for table in before.tables.values()}
        new = {table.name: table for table in after.tables.values()}
        changes = {name: _entity_change(old[name], new[name]) for name in new if name in old}
        return cls(
            version=after.version,
            added=tuple(name for name in new if name not in old),
            removed=tuple(name for name in old if name not in new),
            changed={name: it for name, it in changes.items() if it.added or it.removed or it.changed},
        )


OnModelChange: TypeAlias = Callable[[ModelChange], ModelAnswer]


class ModelGate:
    """Asks the application. Any thread may call any method."""

    def __init__(self, on_model_change: OnModelChange | None = None, *, clock: Clock = time.monotonic) -> None:
        self._ask = on_model_change
        self._clock = clock
        self._accepted = threading.Event()
        self._later: int | None = None
        """Version of the model that the application was asked about last and does not want yet."""
        self._later_at = 0.0

    def lets_in(self, before: CarriedModel | None, after: CarriedModel, *, asks_again: bool = True) -> bool:
        """Whether the tables may change now. Nobody is asked about a first model, nor if they stay the same.

        Unless it `asks_again`, what was said of this version is left at that for `ASK_AGAIN_SECONDS`.
        """
        if before is None or after.has_tables_of(before) or self._ask is None:
            return True
        said_later = self._later == after.version and self._clock() < self._later_at + ASK_AGAIN_SECONDS
        if not self._accepted.is_set():
            if said_later and not asks_again:
                return False
            if self._answer(ModelChange.between(before, after)) is not ModelAnswer.NOW:
                self._later, self._later_at = after.version, self._clock()
                return False
        self._accepted.clear()
        self._later = None
        return True

    def _answer(self, change: ModelChange) -> ModelAnswer:
        """An application that raises has not said now: it keeps the tables that it works on."""
        assert self._ask is not None
        try:
            return self._ask(change)
        except Exception:
            _log.exception("%r raised; the tables stay as they are", self._ask)
            return ModelAnswer.LATER

    def accept(self) -> None:
        """The next change may come in without asking."""
        self._accepted.set()

    @property
    def accepted(self) -> threading.Event:
        """Set by `accept`, until a change has come in."""
        return self._accepted


def _entity_change(before: Table, after: Table) -> EntityChange:
    old = {column.name: column for column in before.columns}
    new = {column.name: column for column in after.columns}
    return EntityChange(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed=tuple(name for name in new if name in old and old[name] != new[name]),
    )

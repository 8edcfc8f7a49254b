"""Edits under way: the facts as they will be, the rows that will change, and what can be supposed of them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from haversack.admin.v1 import questions_pb2

from haversack_server.directory._facts import Facts, canonical
from haversack_server.directory._rows import ATTRIBUTES, RowChange, Rows
from haversack_server.errors import DirectoryInvalid

STAMPED = {"businessunit", "position", "role", "systemuser", "team"}
"""Entities whose rows tell when they were made and changed."""


@dataclass
class Work:
    """One call's edits, judged in order.

    Attributes:
        rows: Where rows are looked for that are no facts.
        facts: What is so after the edits before this one.
        changes: The rows to write.
        supposed: Changes as questions about devices can suppose them.
        unforeseen: Sentences about changes that they cannot.
        made: Ids of rows that these edits make.
        shares: The rows that share a row (second) with a user or team (first), of those that edits were about.
        now: When the rows are made and changed, as text.
    """

    rows: Rows
    facts: Facts
    changes: list[RowChange] = field(default_factory=list)
    supposed: list[questions_pb2.DirectoryChange] = field(default_factory=list)
    unforeseen: dict[str, None] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    shares: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    now: str = field(default_factory=lambda: datetime.now(UTC).isoformat())

    def make(self, entity: str, values: dict[str, Any]) -> None:
        """Makes a row whose values hold its id; what is empty or not in the metadata is left out."""
        times = {"createdon": self.now, "modifiedon": self.now} if entity in STAMPED else {}
        known = self._known(entity, {**values, **times})
        self.changes.append(RowChange(entity, "upsert", {name: it for name, it in known.items() if it != ""}))

    def change(self, entity: str, row: str, values: dict[str, Any]) -> None:
        """Changes values of a row; an empty one becomes NULL."""
        if not values:
            return
        times = {"modifiedon": self.now} if entity in STAMPED else {}
        known = self._known(entity, {ATTRIBUTES[entity][0]: row, **values, **times})
        self.changes.append(RowChange(entity, "patch", {name: None if it == "" else it for name, it in known.items()}))

    def delete(self, entity: str, *rows: str) -> None:
        """Deletes rows."""
        self.changes += [RowChange(entity, "delete", {ATTRIBUTES[entity][0]: it}) for it in rows]

    def new_id(self, asked: str, table: dict[str, Any]) -> str:
        """Returns the id for a new row: the one that was asked for, or a fresh one. Raises DirectoryInvalid."""
        if not asked:
            fresh = str(uuid.uuid4())
            self.made.add(fresh)
            return fresh
        found = canonical(asked)
        try:
            uuid.UUID(found)
        except ValueError:
            raise DirectoryInvalid(f"{asked!r} is no id for a new row; give a UUID, or none") from None
        if found in table:
            raise DirectoryInvalid(f"there is a row of id {found} already; give another id, or none")
        self.made.add(found)
        return found

    def suppose(self, user: str, **change: str) -> None:
        """Notes a change of a user as questions suppose it; of one who is new there is nothing to suppose."""
        if user in self.made:
            return
        if self.made.intersection(change.values()):
            self.unforeseen[
                "what roles, teams, managers and business units that are new bring about is not foreseen"
            ] = None
            return
        self.supposed.append(questions_pb2.DirectoryChange(user=user, **change))

    def foresee_not(self, sentence: str) -> None:
        """Notes what is not supposed."""
        self.unforeseen[sentence] = None

    def _known(self, entity: str, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if self.rows.has_attribute(entity, name)}


def required(text: str, what: str) -> str:
    """Returns a name without blanks around it; raises DirectoryInvalid if nothing is left."""
    name = text.strip()
    if not name:
        raise DirectoryInvalid(f"{what} is missing; give one")
    return name


def differing(news: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Returns what is not so already."""
    return {name: value for name, value in news.items() if value != old[name]}

"""Updates that are held while later ones of their rows go ahead.

An update that depends on a refused creation waits for that; a later one of the same row may not depend on it, and goes.
What the user chose last must stay, here and at the server. So a field belongs to the last update that sets it:

- When an update is written over one that is held, or when one turns out to be held beneath others, the held one loses
  the fields that a later one sets. If nothing is left of it, it is gone.
- The later one takes over what such a field was before the held one: that is what the server knows, and can compare
  with. One that was sent keeps its bytes; then the server has heard of the held one, or hears of it first.
- What is left of an update that the server may have gets another number: the server knows the first by its bytes.

An update that is neither held nor refused loses nothing: the server takes it first.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from haversack.sync.v1 import position_pb2, upload_pb2

from haversack_client._model import CarriedModel, Table
from haversack_client._outbox import Entry, Kind, Outbox, State
from haversack_client._rows import SqlValue
from haversack_client._translation import mutation
from haversack_client._values import RowEncoder

STATE_AND_STATUS = frozenset({"statecode", "statuscode"})
"""A status means something with its state alone, so that they belong to one update."""


@dataclass(frozen=True, slots=True)
class Remainder:
    """What is left of an update that the server may have, to be entered anew; `seen` is where it was seen from."""

    entry: Entry
    seen: position_pb2.Position


@dataclass(slots=True)
class Taken:
    """What was taken from held updates: values by column, what they were before, and what is to be entered anew."""

    new: dict[str, SqlValue] = field(default_factory=dict)
    old: dict[str, SqlValue] = field(default_factory=dict)
    remainders: list[Remainder] = field(default_factory=list)


class Overtaking:
    """Takes fields from held updates, within its caller's transaction, while the overlay is lifted off their rows."""

    def __init__(self, outbox: Outbox, model: CarriedModel) -> None:
        self._outbox = outbox
        self._model = model
        self._encoder = RowEncoder(model)

    def take(self, table: Table, row_id: str, names: Set[str]) -> Taken:
        """Takes columns, and what goes with them, from updates of a row that are held; a new update is to set them."""
        taken = Taken()
        wanted = set(names)
        for entry in _of_last_life(self._outbox.of_row(table.entity, row_id)):
            if entry.kind is not Kind.UPDATE or not self._outbox.is_held(entry):
                continue
            if not wanted.isdisjoint(STATE_AND_STATUS):
                wanted |= STATE_AND_STATUS
            gone = wanted & entry.new.keys()
            taken.new |= {name: entry.new[name] for name in gone}
            taken.old = {name: entry.old.get(name) for name in gone} | taken.old
            taken.remainders += self._without(table, entry, gone)
        return taken

    def enter(self, remainders: Iterable[Remainder]) -> None:
        """Enters what is left of updates under the next numbers."""
        for remainder in remainders:
            entry = replace(
                remainder.entry,
                number=self._outbox.next_number(),
                state=State.WAITING,
                sent=False,
                reason="",
                message="",
                fields=(),
            )
            self._outbox.add(entry, self._encoded(self._model.tables[entry.entity], entry, remainder.seen))

    def pass_by(self, stopped: Sequence[Entry]) -> None:
        """Some entries will not be taken before what was written later: they were refused, or are held from here on."""
        remainders = list[Remainder]()
        for number in sorted({entry.number for entry in stopped if entry.kind is Kind.UPDATE}):
            entry = self._outbox.get(number)
            table = self._model.tables.get(entry.entity) if entry else None
            if entry and table:
                remainders += self._pass_by(table, entry)
        self.enter(remainders)

    def _pass_by(self, table: Table, entry: Entry) -> list[Remainder]:
        """Gives the fields of one to the next that sets them."""
        left = set(entry.new)
        later = [it for it in self._outbox.of_row(*entry.row) if it.number > entry.number]
        for each in (it for it in later if it.state is not State.REFUSED):
            if each.kind is Kind.CREATE:
                break
            names = left if each.kind is Kind.DELETE else left & each.new.keys()
            self._rebase(table, each, entry, names)
            if each.kind is Kind.DELETE:
                break
            left -= names
        return [] if entry.state is State.REFUSED else self._without(table, entry, entry.new.keys() - left)

    def _rebase(self, table: Table, later: Entry, entry: Entry, names: Iterable[str]) -> None:
        """Has a later write say what was before an earlier one, where it says what that one set."""
        if later.sent or later.state is not State.WAITING:
            return
        changed = {name: entry.old.get(name) for name in names if later.old.get(name) == entry.new[name]}
        if not changed:
            return
        old = {**later.old, **changed}
        if later.kind is Kind.DELETE:
            old = {name: value for name, value in old.items() if value is not None}
        self._replace(table, replace(later, old=old))

    def _without(self, table: Table, entry: Entry, names: Set[str]) -> list[Remainder]:
        """Takes columns from an entry; returns what is to be entered anew in its place."""
        if not names:
            return []
        left = replace(entry, new=_but(entry.new, names), old=_but(entry.old, names))
        if left.new and not entry.sent:
            self._replace(table, left)
            return []
        seen = self._seen(entry)
        self._outbox.give_up([entry.number])
        return [Remainder(left, seen)] if left.new else []

    def _replace(self, table: Table, entry: Entry) -> None:
        self._outbox.replace(entry, self._encoded(table, entry, self._seen(entry)))

    def _seen(self, entry: Entry) -> position_pb2.Position:
        return upload_pb2.Mutation.FromString(self._outbox.mutation(entry.number)).seen

    def _encoded(self, table: Table, entry: Entry, seen: position_pb2.Position) -> bytes:
        return mutation(table, self._encoder, entry, self._model.version, seen, installs=self._outbox.installs())


def without_held(row: Mapping[str, SqlValue], held: Sequence[Entry]) -> dict[str, SqlValue]:
    """A row that updates were laid over, in order, as it was without those among them that are held."""
    found = dict(row)
    for entry in reversed(held):
        found |= {name: value for name, value in entry.old.items() if found.get(name) == entry.new[name]}
    return found


def _of_last_life(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Writes to a row since it was made or deleted here last."""
    ends = [at for at, it in enumerate(entries) if it.kind is not Kind.UPDATE and it.state is not State.REFUSED]
    return entries[ends[-1] + 1 :] if ends else entries


def _but(row: Mapping[str, SqlValue], names: Set[str]) -> dict[str, SqlValue]:
    return {name: value for name, value in row.items() if name not in names}

"""What an answer of the server makes of a write. Reads and writes nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from haversack.error.v1 import error_pb2
from haversack.sync.v1 import upload_pb2

from haversack_client._model import Table
from haversack_client._outbox import Entry, State

_REASON_PREFIX = "ERROR_REASON_"
_REASONS: Mapping[int, str] = {
    upload_pb2.MUTATION_OUTCOME_CONFLICT: "WRITE_CONFLICT",
    upload_pb2.MUTATION_OUTCOME_FORBIDDEN: "WRITE_FORBIDDEN",
    upload_pb2.MUTATION_OUTCOME_INVALID: "VALUE_INVALID",
    upload_pb2.MUTATION_OUTCOME_NOT_FOUND: "ROW_UNKNOWN",
    upload_pb2.MUTATION_OUTCOME_BLOCKED: "WRITE_BLOCKED",
}
"""What an outcome means where the server gives no reason of its own."""


def is_news(answer: upload_pb2.MutationAnswer, entry: Entry, *, is_own: bool) -> bool:
    """Whether an answer changes what is known: after a refusal only that the write was taken after all does.

    A blocked write was judged again with the one that it depends on, if an administrator had that judged again.
    That it was taken in another epoch than the device's does not: nobody could tell when the device has come to it.
    `is_own` says that the answer is of the device's epoch.
    """
    if answer.outcome == upload_pb2.MUTATION_OUTCOME_APPLIED:
        return is_own and entry.state not in (State.APPLIED, State.KEPT)
    if answer.outcome == upload_pb2.MUTATION_OUTCOME_QUEUED:
        return entry.state in (State.WAITING, State.DOUBTFUL)
    if entry.state is State.HELD:
        return answer.outcome != upload_pb2.MUTATION_OUTCOME_BLOCKED
    return entry.state in (State.WAITING, State.QUEUED, State.DOUBTFUL, State.ASKED)


def answered(answer: upload_pb2.MutationAnswer, entry: Entry, table: Table | None) -> Entry:
    """The entry as it is after an answer; `table` is that of its row, if the device still carries it."""
    match answer.outcome:
        case upload_pb2.MUTATION_OUTCOME_APPLIED if entry.state in (State.DOUBTFUL, State.ASKED):
            # What gave way when it was taken first has been told of.
            overruled = tuple(name for name in _names(table, answer.overruled) if name not in entry.fields)
            if not overruled:
                return replace(entry, state=State.KEPT)
            return replace(entry, state=State.APPLIED, lsn=answer.lsn, fields=overruled)
        case upload_pb2.MUTATION_OUTCOME_APPLIED:
            overruled = _names(table, answer.overruled)
            return replace(entry, state=State.APPLIED, lsn=answer.lsn, reason="", message="", fields=overruled)
        case upload_pb2.MUTATION_OUTCOME_QUEUED if entry.state in (State.DOUBTFUL, State.ASKED):
            return replace(entry, state=State.ASKED)
        case upload_pb2.MUTATION_OUTCOME_QUEUED:
            return replace(entry, state=State.QUEUED)
        case upload_pb2.MUTATION_OUTCOME_BLOCKED:
            state = State.HELD
        case _:
            state = State.REFUSED
    fields = _names(table, answer.fields)
    return replace(entry, state=state, reason=_reason(answer), message=answer.message, fields=fields)


def _names(table: Table | None, numbers: Iterable[int]) -> tuple[str, ...]:
    """Columns by their fields' numbers."""
    names = {column.number: column.name for column in table.columns} if table else {}
    return tuple(names.get(number, f"field {number}") for number in numbers)


def _reason(answer: upload_pb2.MutationAnswer) -> str:
    """Name of the answer's reason; of a reason that this version does not know, its number."""
    if not answer.reason:
        return _REASONS.get(answer.outcome, "INTERNAL")
    try:
        return error_pb2.ErrorReason.Name(answer.reason).removeprefix(_REASON_PREFIX)
    except ValueError:
        return str(answer.reason)

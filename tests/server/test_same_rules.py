"""A device refuses before it is asked what the server would refuse, with the same reason, and nothing else.

Generated writes, each of them judged twice: by the device, which knows the model's rules and the user's rights, and by
the server, to which the same write is sent past the device's own checks.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pytest
from haversack.error.v1 import error_pb2
from haversack.sync.v1 import upload_pb2
from haversack_client import Device, WriteRefusedError
from haversack_client._installs import Installs
from haversack_client._model import CarriedModel
from haversack_client._outbox import Entry, Kind
from haversack_client._reader import read_facts
from haversack_client._rows import SqlValue
from haversack_client._translation import mutation
from haversack_client._values import RowEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from server.test_uploads import ACCOUNTS, ADA, Field, field

__all__ = ["field"]

Values = Mapping[str, SqlValue]

MADE: Values = {"name": "Made"}
"""What a row has before it is changed; what a device or a server fills in comes on top."""

texts = st.one_of(st.none(), st.text("aø💡", max_size=12), st.integers(90, 220).map(lambda length: "💡" * length))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": texts,
    "telephone1": texts,
    "statecode": st.sampled_from([0, 1, 2, None]),
    "statuscode": st.sampled_from([1, 2, 77, None]),
    "industrycode": st.sampled_from([1, 33, 34, -1, None]),
    "numberofemployees": st.sampled_from([0, 5, 10**9, None]),
    "creditonhold": st.sampled_from([0, 1, None]),
    "createdon": st.just("2026-01-02 03:04:05"),
    "modifiedon": st.none(),
    "revenue": st.sampled_from(["12.5", None]),
    "parentaccountid": st.sampled_from([*ACCOUNTS, None]),
}
writes = st.tuples(st.sampled_from([Kind.CREATE, Kind.UPDATE]), st.fixed_dictionaries({}, optional=VALUES).filter(bool))


class Judges:
    """The two who judge."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.install = os.urandom(16)
        self.numbers = count(1)
        with device.connection() as connection:
            self.model = CarriedModel.parse(read_facts(connection).model)
        connection.close()
        self.table = next(table for table in self.model.tables.values() if table.name == "account")
        self.encoder = RowEncoder(self.model)

    def here(self, kind: Kind, values: Values) -> str:
        """What the device says; the write is taken back if it was taken, and the row that it changes was new."""
        try:
            with self.device.batch():
                if kind is Kind.CREATE:
                    self.device.create("account", values)
                else:
                    self.device.update("account", self.device.create("account", MADE), values)
                raise _TakenBackError
        except WriteRefusedError as refusal:
            return refusal.reason
        except _TakenBackError:
            return ""

    def there(self, drawn: list[tuple[Kind, Values]]) -> list[str]:
        """What the server says; what is changed is a new row, as on the device."""
        mutations, asked = [], []
        for kind, values in drawn:
            row = str(uuid.uuid4())
            if kind is Kind.UPDATE:
                mutations.append(self.mutation(Kind.CREATE, row, MADE))
            asked.append(len(mutations))
            mutations.append(self.mutation(kind, row, values))
        answers = self.upload(mutations)
        return [answers[it] for it in asked]

    def upload(self, mutations: list[bytes]) -> list[str]:
        """What the server answers to each mutation."""
        request = upload_pb2.UploadRequest(install_id=self.install, mutations=mutations)
        return [_reason(answer) for answer in self.device._transport.upload(request).answers]

    def mutation(self, kind: Kind, row: str, values: Values) -> bytes:
        """A write as it goes over the wire, the next of the device."""
        set_in_new = {name: value for name, value in values.items() if value is not None or kind is Kind.UPDATE}
        entry = Entry(next(self.numbers), self.table.entity, row, kind, set_in_new, dict.fromkeys(set_in_new))
        return mutation(self.table, self.encoder, entry, self.model.version, None, installs=Installs(b"", (), 1))


class _TakenBackError(Exception):
    """Ends a batch, so that nothing of it is left."""


def _reason(answer: upload_pb2.MutationAnswer) -> str:
    if answer.outcome == upload_pb2.MUTATION_OUTCOME_APPLIED:
        return ""
    return error_pb2.ErrorReason.Name(answer.reason).removeprefix("ERROR_REASON_")


@pytest.fixture
def judges(field: Field) -> Iterator[Judges]:
    with field.device(ADA, "ada.db") as device:
        device.sync()
        yield Judges(device)


def test_device_and_server_judge_alike(judges: Judges) -> None:
    @settings(max_examples=25, deadline=None)
    @given(st.lists(writes, min_size=1, max_size=30))
    def judge(drawn: list[tuple[Kind, Values]]) -> None:
        here = [judges.here(*each) for each in drawn]
        there = judges.there(drawn)
        assert [
            (kind.name, values, mine, theirs)
            for (kind, values), mine, theirs in zip(drawn, here, there, strict=True)
            if mine != theirs
        ] == []

    judge()


def test_what_a_device_fills_in_is_what_the_server_has(judges: Judges) -> None:
    device = judges.device
    for values in ({}, {"statecode": 1}, {"statecode": 1, "statuscode": 2}):
        row = device.create("account", {"name": "Made", **values})
        shown = _state(device, row)
        assert shown == ((1, 2) if values else (0, 1))
        device.sync()
        assert device.refused() == []
        assert _state(device, row) == shown
    device.update("account", row, {"statecode": 0})
    assert _state(device, row) == (0, 1), "the status follows the state"
    device.sync()
    assert _state(device, row) == (0, 1)


def test_the_server_lets_the_status_follow_the_state_too(judges: Judges) -> None:
    assert judges.upload([judges.mutation(Kind.UPDATE, ACCOUNTS[0], {"statecode": 1})]) == [""]
    judges.device.sync()
    assert _state(judges.device, ACCOUNTS[0]) == (1, 2)


def _state(device: Device, row: str) -> tuple[int, int]:
    [found] = device.query("SELECT statecode, statuscode FROM account WHERE accountid = ?", (row,))
    return tuple(found)

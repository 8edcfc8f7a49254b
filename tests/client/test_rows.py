"""Each attribute type becomes the column that the documentation promises, and NULL stays NULL."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import zstandard
from client.wire import ACCOUNT, Attribute, Entity, batch, body, model, row_id
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import sync_pb2
from haversack_client import ProtocolError
from haversack_client._model import CarriedModel
from haversack_client._rows import UUID_BYTES, RowDecoder, _id_texts
from hypothesis import example, given, settings
from hypothesis import strategies as st

T = model_pb2.AttributeType
ID = Attribute(1, "id", T.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER)
FIRST_MICROSECOND = -62_135_596_800_000_000
LAST_MICROSECOND = 253_402_300_799_999_999


def decode(entity: Entity, row: Mapping[str, object]) -> tuple[object, ...]:
    """The columns of a row, without ordinal and LSN; NULL where the batch has left a column out."""
    carried = CarriedModel.from_message(model(entity))
    decoded = RowDecoder(carried).decode(batch(entity, {5: 8}, [row]).rows)
    ((ordinal, lsn, *values),) = decoded.rows
    assert (ordinal, lsn) == (5, 8)
    by_name = dict(zip(decoded.columns, values, strict=True))
    return tuple(by_name.get(column.name) for column in carried.tables[entity.number].columns)


def value(kind: model_pb2.AttributeType, given_value: object) -> object:
    entity = Entity(4, "thing", (ID, Attribute(2, "value", kind)))
    row: dict[str, object] = {"id": row_id(1)} | ({} if given_value is None else {"value": given_value})
    return decode(entity, row)[1]


@pytest.mark.parametrize(
    ("kind", "sent", "stored"),
    [
        (T.ATTRIBUTE_TYPE_STRING, "Ærø", "Ærø"),
        (T.ATTRIBUTE_TYPE_STRING, "", ""),
        (T.ATTRIBUTE_TYPE_MEMO, "two\nlines", "two\nlines"),
        (T.ATTRIBUTE_TYPE_ENTITY_NAME, "account", "account"),
        (T.ATTRIBUTE_TYPE_DECIMAL, "12345678901234567890.1", "12345678901234567890.1"),
        (T.ATTRIBUTE_TYPE_MONEY, "0", "0"),
        (T.ATTRIBUTE_TYPE_INTEGER, -7, -7),
        (T.ATTRIBUTE_TYPE_INTEGER, 0, 0),
        (T.ATTRIBUTE_TYPE_BIGINT, -(2**63), -(2**63)),
        (T.ATTRIBUTE_TYPE_PICKLIST, 100000001, 100000001),
        (T.ATTRIBUTE_TYPE_STATE, 0, 0),
        (T.ATTRIBUTE_TYPE_STATUS, 1, 1),
        (T.ATTRIBUTE_TYPE_DOUBLE, 0.5, 0.5),
        (T.ATTRIBUTE_TYPE_DOUBLE, 0.0, 0.0),
        (T.ATTRIBUTE_TYPE_MULTI_SELECT_PICKLIST, [-1, 3, 20], "[-1,3,20]"),
        (T.ATTRIBUTE_TYPE_DATETIME, 1_715_769_000_000_000, "2024-05-15 10:30:00"),
        (T.ATTRIBUTE_TYPE_DATETIME, 0, "1970-01-01 00:00:00"),
        (T.ATTRIBUTE_TYPE_DATETIME, -1, "1969-12-31 23:59:59.999999"),
        (T.ATTRIBUTE_TYPE_DATETIME_INDEPENDENT, 1_500_000, "1970-01-01 00:00:01.500000"),
        (T.ATTRIBUTE_TYPE_DATE_ONLY, -79_257, "1753-01-01"),
        (T.ATTRIBUTE_TYPE_DATE_ONLY, 0, "1970-01-01"),
        (T.ATTRIBUTE_TYPE_LOOKUP, bytes(range(16)), "00010203-0405-0607-0809-0a0b0c0d0e0f"),
        (T.ATTRIBUTE_TYPE_OWNER, bytes([0xAB] * 16), "abababab-abab-abab-abab-abababababab"),
        (T.ATTRIBUTE_TYPE_CUSTOMER, b"C-17", "C-17"),
        (T.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER, b"sixteen letters!\x00", "sixteen letters!"),
    ],
)
def test_values(kind: model_pb2.AttributeType, sent: object, stored: object) -> None:
    decoded = value(kind, sent)
    assert decoded == stored
    assert type(decoded) is type(stored)


@pytest.mark.parametrize("kind", [kind for kind in T.values() if kind])
def test_absent_is_null(kind: model_pb2.AttributeType) -> None:
    assert value(kind, None) is None


@pytest.mark.parametrize(("sent", "stored"), [(True, 1), (False, 0)])
def test_booleans_are_numbers(sent: bool, stored: int) -> None:
    decoded = value(T.ATTRIBUTE_TYPE_BOOLEAN, sent)
    assert decoded == stored
    assert type(decoded) is int, "SQLite's binding converts a bool far more slowly than an int"


def test_a_companion_is_a_column_behind_its_lookup() -> None:
    entity = Entity(4, "thing", (ID, Attribute(2, "customerid", T.ATTRIBUTE_TYPE_CUSTOMER, companion=3)))
    row = {"id": row_id(1), "customerid": b"\x01" * 16, "customerid_entity": 9}
    assert decode(entity, row)[1:] == ("01010101-0101-0101-0101-010101010101", 9)


@settings(deadline=None)
@given(st.integers(FIRST_MICROSECOND, LAST_MICROSECOND))
def test_instants_read_like_datetime_and_sort_like_time(microseconds: int) -> None:
    moment = datetime(1970, 1, 1) + timedelta(microseconds=microseconds)
    text = value(T.ATTRIBUTE_TYPE_DATETIME, microseconds)
    assert text == moment.isoformat(" ")
    before = value(T.ATTRIBUTE_TYPE_DATETIME, max(microseconds - 1, FIRST_MICROSECOND))
    assert isinstance(before, str)
    assert isinstance(text, str)
    assert (before < text) == (microseconds > FIRST_MICROSECOND)


@pytest.mark.parametrize("microseconds", [FIRST_MICROSECOND - 1, LAST_MICROSECOND + 1, 2**63 - 1])
def test_instants_that_no_calendar_has(microseconds: int) -> None:
    with pytest.raises(ProtocolError, match="years 1 to 9999"):
        value(T.ATTRIBUTE_TYPE_DATETIME, microseconds)


def test_a_day_that_no_calendar_has() -> None:
    with pytest.raises(ProtocolError, match="years 1 to 9999"):
        value(T.ATTRIBUTE_TYPE_DATE_ONLY, 10**9)


def test_an_id_that_is_no_text() -> None:
    with pytest.raises(ProtocolError, match="neither a UUID nor UTF-8"):
        value(T.ATTRIBUTE_TYPE_LOOKUP, b"\xff\xfe")


def test_rows_of_a_batch_keep_their_order_and_their_nulls() -> None:
    decoder = RowDecoder(CarriedModel.from_message(model(ACCOUNT)))
    rows: list[dict[str, object]] = [
        {"accountid": row_id(1), "name": "a", "revenue": "1"},
        {"accountid": row_id(2)},
        {"accountid": row_id(3), "name": "", "revenue": "0"},
    ]
    decoded = list(decoder.decode(batch(ACCOUNT, {3: 30, 4: 10, 70_000: 20}, rows).rows).rows)
    assert [row[:2] + row[3:] for row in decoded] == [
        (3, 30, "a", "1"),
        (4, 10, None, None),
        (70_000, 20, "", "0"),
    ]


def test_fields_that_the_model_does_not_carry_are_skipped() -> None:
    wider = Entity(ACCOUNT.number, "account", (*ACCOUNT.attributes, Attribute(8, "extra", T.ATTRIBUTE_TYPE_STRING)))
    decoder = RowDecoder(CarriedModel.from_message(model(ACCOUNT)))
    event = batch(wider, {1: 1}, [{"accountid": row_id(1), "name": "a", "extra": "unknown"}])
    assert decoder.decode(event.rows).columns == ["accountid", "name"]


def test_zstd() -> None:
    decoder = RowDecoder(CarriedModel.from_message(model(ACCOUNT)))
    versions = {ordinal: ordinal + 1 for ordinal in range(500)}
    plain = list(decoder.decode(batch(ACCOUNT, versions).rows).rows)
    assert list(decoder.decode(batch(ACCOUNT, versions, zstd=True).rows).rows) == plain


def broken(**changes: Any) -> sync_pb2.RowBatch:
    """A good batch of two rows but for these fields."""
    good = batch(ACCOUNT, {1: 10, 2: 11}).rows
    for name in changes:
        good.ClearField(name)
    good.MergeFrom(sync_pb2.RowBatch(**changes))
    return good


def bomb() -> bytes:
    return zstandard.ZstdCompressor().compress(bytes(64 * 1024 * 1024))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"entity": 99}, id="unknown entity"),
        pytest.param({"ordinal_deltas": [1]}, id="fewer ordinals than rows"),
        pytest.param({"lsn_deltas": [1]}, id="fewer LSNs than rows"),
        pytest.param({"lsn_deltas": [1, -2]}, id="negative LSN"),
        pytest.param({"lsn_deltas": [2**63 - 1, 1]}, id="LSN beyond SQLite"),
        pytest.param({"ordinal_deltas": [1, 0]}, id="one ordinal twice"),
        pytest.param({"ordinal_deltas": [2**32 - 1, 1]}, id="ordinal beyond 32 bits"),
        pytest.param({"ordinal_deltas": [], "lsn_deltas": [], "rows": b"", "rows_size": 0}, id="no rows"),
        pytest.param({"rows": b"\x0a\x7f"}, id="rows cut off"),
        pytest.param({"rows": b"\x0a\x7f", "rows_size": 2}, id="rows that are no message"),
        pytest.param({"rows_size": 17 * 1024 * 1024}, id="larger than a message may be"),
        pytest.param({"compression": 77}, id="unknown compression"),
        pytest.param({"compression": 2}, id="no zstd frame"),
        pytest.param({"compression": 2, "rows": bomb()}, id="frame announces more than the batch"),
        pytest.param({"compression": 2, "rows": bomb()[:20], "rows_size": 64 * 1024}, id="frame cut off"),
    ],
)
def test_batches_that_break_the_contract(changes: dict[str, Any]) -> None:
    decoder = RowDecoder(CarriedModel.from_message(model(ACCOUNT)))
    with pytest.raises(ProtocolError):
        list(decoder.decode(broken(**changes)).rows)


def test_a_frame_that_hides_its_size_is_bounded_too() -> None:
    content = body(ACCOUNT, [{"accountid": row_id(ordinal)} for ordinal in (1, 2)])
    compressor = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    hidden = compressor.compress(content) + compressor.flush()
    decoder = RowDecoder(CarriedModel.from_message(model(ACCOUNT)))
    good = broken(compression=2, rows=hidden, rows_size=len(content))
    assert len(list(decoder.decode(good).rows)) == 2
    with pytest.raises(ProtocolError):
        decoder.decode(broken(compression=2, rows=hidden, rows_size=len(content) - 1))


def wire_id(value: UUID | str | None) -> bytes | None:
    """An id as it is on the wire."""
    if value is None:
        return None
    if isinstance(value, UUID):
        return value.bytes
    return value.encode() + (b"\0" if len(value.encode()) == UUID_BYTES else b"")


@settings(deadline=None)
@given(st.lists(st.sampled_from([UUID(int=number) for number in range(9)] + [None, "text", "sixteen letters!"])))
@example([UUID(int=number) for number in range(9)])
@example([UUID(int=1)] * 9)
@example([None, UUID(int=1)])
def test_ids_of_a_column_are_read_as_each_by_itself(column: list[UUID | str | None]) -> None:
    assert _id_texts([wire_id(value) for value in column]) == [value and str(value) for value in column]


def test_the_clock_of_this_test_is_utc() -> None:
    moment = datetime(2024, 5, 15, 10, 30, tzinfo=UTC)
    assert value(T.ATTRIBUTE_TYPE_DATETIME, int(moment.timestamp() * 1_000_000)) == "2024-05-15 10:30:00"

"""Rows as they come over the wire, turned into rows for SQL.

A model carries descriptors of one message per entity, and beside each `<Name>` a `<Name>Rows` with the rows of a
batch. The protobuf runtime parses a whole batch in one call; after that everything goes column by column, so that what
differs between columns is decided once a batch and not once a value. Absent fields are NULL.
"""

from binascii import hexlify
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate
from operator import attrgetter
from struct import Struct
from typing import Any, TypeAlias

import zstandard
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from haversack.sync.v1 import sync_pb2

from haversack_client._errors import ProtocolError
from haversack_client._model import CarriedModel, Kind, Table

ROWS_BYTES_MAX = 16 * 1024 * 1024
"""Largest batch body after decompression: the limit of a message."""

ORDINAL_MAX = 0xFFFF_FFFF
LSN_MAX = (1 << 63) - 1
"""LSNs are u64; SQLite's integers end here, some 290,000 years of a million commits a second away."""

ROWS_FIELD = 1
"""Number of the repeated field in a `<Name>Rows` message."""

UUID_BYTES = 16
UUID_GROUPS = Struct("8s4s4s4s12s")
"""The hexadecimal digits of a UUID between its hyphens."""

DAYS_REMEMBERED = 4096
"""Days whose text is kept ready: eleven years' worth."""

SqlValue: TypeAlias = str | int | float | None
SqlRow: TypeAlias = tuple[SqlValue, ...]
Convert: TypeAlias = Callable[[Sequence[Any]], Sequence[SqlValue]]
"""Turns the values of a column, None where absent, into SQL values."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one entity: ordinals, LSNs, and an iterator of (ordinal, LSN, values of `columns`).

    Columns that no row has a value in are left out: of a hundred that an entity may have, rows use a dozen.
    """

    ordinals: list[int]
    lsns: list[int]
    columns: list[str]
    rows: Iterator[SqlRow]
    size: int = 0
    """Bytes of the batch's rows as they came."""


class RowDecoder:
    """Reads the batches of one model's entities."""

    def __init__(self, model: CarriedModel) -> None:
        """Compiles the descriptors. Raises ProtocolError if they do not describe the model's entities."""
        pool = descriptor_pool.DescriptorPool()
        try:
            for file in descriptor_pb2.FileDescriptorSet.FromString(model.descriptors).file:
                pool.Add(file)
            self._entities = {entity: _EntityDecoder(table, pool) for entity, table in model.tables.items()}
        except (DecodeError, KeyError, TypeError) as error:
            raise ProtocolError(f"the descriptors of a model are not usable: {error}") from error

    def decode(self, batch: sync_pb2.RowBatch) -> Batch:
        """Reads a batch. Raises ProtocolError if it contradicts itself or the model."""
        decoder = self._entities.get(batch.entity)
        if decoder is None:
            raise ProtocolError(f"a batch is for entity {batch.entity}, which the model does not carry")
        ordinals = _ordinals(batch.ordinal_deltas)
        lsns = list(accumulate(batch.lsn_deltas))
        body = _body(batch)
        rows = decoder.rows(body)
        if not len(ordinals) == len(lsns) == len(rows):
            counts = f"{len(ordinals)} ordinals, {len(lsns)} LSNs and {len(rows)} rows"
            raise ProtocolError(f"a batch has {counts}; they must be equally many")
        if min(lsns) < 0 or max(lsns) > LSN_MAX:
            raise ProtocolError("an LSN of a batch is out of range")
        columns = decoder.columns(rows, decoder.present(body))
        return Batch(
            ordinals, lsns, list(columns), zip(ordinals, lsns, *columns.values(), strict=True), len(batch.rows)
        )


def _ordinals(deltas: Sequence[int]) -> list[int]:
    ordinals = list(accumulate(deltas))
    if not ordinals:
        raise ProtocolError("a batch has no rows")
    if ordinals[-1] > ORDINAL_MAX or 0 in deltas[1:]:
        raise ProtocolError("the ordinals of a batch do not ascend within 32 bits")
    return ordinals


def _body(batch: sync_pb2.RowBatch) -> bytes:
    """The batch's rows, decompressed within their stated size."""
    if batch.rows_size > ROWS_BYTES_MAX:
        raise ProtocolError(f"a batch states {batch.rows_size} bytes of rows; the limit is {ROWS_BYTES_MAX}")
    if batch.compression in (sync_pb2.COMPRESSION_UNSPECIFIED, sync_pb2.COMPRESSION_NONE):
        body = batch.rows
    elif batch.compression == sync_pb2.COMPRESSION_ZSTD:
        body = _decompress(batch.rows, batch.rows_size)
    else:
        raise ProtocolError(f"a batch is compressed by method {batch.compression}, which was not offered")
    if len(body) != batch.rows_size:
        raise ProtocolError(f"a batch has {len(body)} bytes of rows and states {batch.rows_size}")
    return body


def _decompress(data: bytes, size: int) -> bytes:
    """Undoes one zstd frame. A frame that announces another size is refused before memory is given to it."""
    try:
        announced = zstandard.frame_content_size(data)
        if announced not in (-1, size):
            raise ProtocolError(f"a zstd frame announces {announced} bytes where the batch states {size}")
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ProtocolError(f"the rows of a batch cannot be decompressed: {error}") from error


class _EntityDecoder:
    """Reads batch bodies of one entity into columns."""

    def __init__(self, table: Table, pool: descriptor_pool.DescriptorPool) -> None:
        row = pool.FindMessageTypeByName(table.message_name)
        self._name = table.name
        self._rows_class = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{table.message_name}Rows"))
        self._union = _union_class(table, row.file.name, pool)
        self._rows = attrgetter(self._rows_class.DESCRIPTOR.fields_by_number[ROWS_FIELD].name)
        self._readers = {
            column.number: (column.name, _reader(row, column.number, column.kind)) for column in table.columns
        }

    def rows(self, body: bytes) -> list[Message]:
        """The rows of a batch as messages."""
        message = self._rows_class()
        try:
            message.ParseFromString(body)
        except DecodeError as error:
            raise ProtocolError(f"rows of {self._name} cannot be parsed") from error
        return list(self._rows(message))

    def present(self, body: bytes) -> list[int]:
        """The numbers of fields that some row of a batch has a value in."""
        union = self._union()
        union.ParseFromString(body)
        return [field.number for _, row in union.ListFields() for field, _ in row.ListFields()]

    def columns(self, rows: list[Message], present: Sequence[int]) -> dict[str, Sequence[SqlValue]]:
        """The values of some columns."""
        readers = (self._readers[number] for number in present if number in self._readers)
        return {name: read(rows) for name, read in readers}


def _union_class(table: Table, file: str, pool: descriptor_pool.DescriptorPool) -> type[Message]:
    """A message as which a whole batch parses into one row: where a single field comes often, the parser merges."""
    name = f"{table.message_name}Union"
    package, _, simple = name.rpartition(".")
    field = descriptor_pb2.FieldDescriptorProto(
        name="row",
        number=ROWS_FIELD,
        label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        type=descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
        type_name=f".{table.message_name}",
    )
    message = descriptor_pb2.DescriptorProto(name=simple, field=[field])
    pool.Add(
        descriptor_pb2.FileDescriptorProto(
            name=f"{name}.proto", package=package, dependency=[file], message_type=[message], syntax="proto3"
        )
    )
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def _reader(row: Descriptor, number: int, kind: Kind) -> Callable[[list[Message]], Sequence[SqlValue]]:
    """Returns what reads one column of all rows."""
    field = row.fields_by_number[number]
    name, get, convert = field.name, attrgetter(field.name), _CONVERSIONS[kind]
    if not field.has_presence and kind is not Kind.CHOICES:
        raise TypeError(f"field {field.full_name} cannot tell NULL from a default value")

    def read(rows: list[Message]) -> Sequence[SqlValue]:
        values = list(map(get, rows))
        # Only a value that looks like a default can be absent, and asking for each would double the cost.
        if not all(values):
            pairs = zip(values, rows, strict=True)
            values = [value if value or row.HasField(name) else None for value, row in pairs]
        return convert(values)

    def read_choices(rows: list[Message]) -> Sequence[SqlValue]:
        return convert([get(row) or None for row in rows])

    return read_choices if kind is Kind.CHOICES else read


def _as_is(values: Sequence[Any]) -> Sequence[SqlValue]:
    return values


class _Memo(dict[Any, SqlValue]):
    """Converts each distinct value once: owners, units and days repeat within a batch. NULL stays NULL."""

    def __init__(self, convert: Callable[[Any], SqlValue]) -> None:
        super().__init__({None: None})
        self._convert = convert

    def __missing__(self, value: Any) -> SqlValue:
        converted = self[value] = self._convert(value)
        return converted


def _each(convert: Callable[[Any], SqlValue]) -> Convert:
    return lambda values: list(map(_Memo(convert).__getitem__, values))


def _id_texts(values: Sequence[Any]) -> Sequence[SqlValue]:
    """UUIDs as they are written, and the text of ids that are none.

    Text of 16 bytes is followed by a zero byte, which no text contains, so that it is not taken for a UUID.
    """
    distinct = set(values)
    if None in distinct or {UUID_BYTES} != set(map(len, distinct)):
        return _each(_id_text)(values)
    if len(distinct) * 2 > len(values):
        return _uuid_texts(values)
    texts = dict(zip(distinct, _uuid_texts(distinct), strict=True))
    return list(map(texts.__getitem__, values))


def _uuid_texts(values: Iterable[bytes]) -> list[str]:
    """Texts of at least one UUID. All at once, no step of it in Python: that is twice as fast as each by itself."""
    digits = hexlify(b"".join(values))
    return b" ".join(map(b"-".join, UUID_GROUPS.iter_unpack(digits))).decode("ascii").split(" ")


def _id_text(value: bytes) -> str:
    if len(value) != UUID_BYTES:
        return _decoded(value.removesuffix(b"\0"))
    (text,) = _uuid_texts([value])
    return text


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("an id is neither a UUID nor UTF-8 text") from error


@lru_cache(maxsize=DAYS_REMEMBERED)
def _day_text(days: int) -> str:
    try:
        return (date(1970, 1, 1) + timedelta(days)).isoformat()
    except OverflowError as error:
        raise ProtocolError(f"day {days} is outside the years 1 to 9999") from error


_MINUTE_TEXTS = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60)]
_SECOND_TEXTS = [f"{second:02}" for second in range(60)]


def _instant_text(microseconds: int) -> str:
    """Put together from ready pieces: four times as fast as `datetime`, which counts for two columns of every row."""
    minutes, rest = divmod(microseconds, 60_000_000)
    days, minute = divmod(minutes, 24 * 60)
    second, fraction = divmod(rest, 1_000_000)
    if fraction:
        return f"{_day_text(days)} {_MINUTE_TEXTS[minute]}:{_SECOND_TEXTS[second]}.{fraction:06}"
    return f"{_day_text(days)} {_MINUTE_TEXTS[minute]}:{_SECOND_TEXTS[second]}"


def _instant_texts(values: Sequence[int | None]) -> Sequence[SqlValue]:
    return [None if value is None else _instant_text(value) for value in values]


def _choices_text(choices: Sequence[Sequence[int] | None]) -> Sequence[SqlValue]:
    return [None if values is None else f"[{','.join(map(str, values))}]" for values in choices]


_CONVERSIONS: dict[Kind, Convert] = {
    Kind.TEXT: _as_is,
    Kind.INTEGER: _as_is,
    Kind.REAL: _as_is,
    Kind.BOOLEAN: _each(int),
    Kind.INSTANT: _instant_texts,
    Kind.DAY: _each(_day_text),
    Kind.ID: _id_texts,
    Kind.CHOICES: _choices_text,
}

"""A staging database's rows as plain SQL tables, read without the Rust core: the independent witness.

The demo and the oracle tests ask it, in SQL, what a device should hold. It decodes rows with protobuf's own runtime, by
message types that it makes from the published metadata.
"""

import json
import sqlite3
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from haversack.model.v1 import model_pb2

Type = model_pb2.AttributeType
Field = descriptor_pb2.FieldDescriptorProto
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TEXT_TYPES = {
    Type.ATTRIBUTE_TYPE_STRING,
    Type.ATTRIBUTE_TYPE_MEMO,
    Type.ATTRIBUTE_TYPE_ENTITY_NAME,
    Type.ATTRIBUTE_TYPE_DECIMAL,
    Type.ATTRIBUTE_TYPE_MONEY,
}
ID_TYPES = {
    Type.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER,
    Type.ATTRIBUTE_TYPE_LOOKUP,
    Type.ATTRIBUTE_TYPE_OWNER,
    Type.ATTRIBUTE_TYPE_CUSTOMER,
}
INSTANT_TYPES = {Type.ATTRIBUTE_TYPE_DATETIME, Type.ATTRIBUTE_TYPE_DATETIME_INDEPENDENT}


def instant_text(microseconds: int) -> str:
    """An instant as SQLite's own functions spell it, UTC; text of this form sorts as time does."""
    moment = EPOCH + timedelta(microseconds=microseconds)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f" if moment.microsecond else "%Y-%m-%d %H:%M:%S")


def _id_text(value: bytes) -> str:
    return str(uuid.UUID(bytes=value))


def _day_text(days: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=days)).isoformat()


def _same(value: object) -> object:
    return value


def _reader(kind: int) -> Callable[[Any], object]:
    if kind in ID_TYPES:
        return _id_text
    if kind in INSTANT_TYPES:
        return instant_text
    if kind == Type.ATTRIBUTE_TYPE_DATE_ONLY:
        return _day_text
    if kind == Type.ATTRIBUTE_TYPE_MULTI_SELECT_PICKLIST:
        return lambda values: json.dumps(list(values), separators=(",", ":"))
    if kind == Type.ATTRIBUTE_TYPE_BOOLEAN:
        return int
    return _same


def _wire_type(kind: int) -> int:
    if kind in TEXT_TYPES:
        return Field.TYPE_STRING
    if kind in ID_TYPES:
        return Field.TYPE_BYTES
    if kind == Type.ATTRIBUTE_TYPE_DOUBLE:
        return Field.TYPE_DOUBLE
    return Field.TYPE_BOOL if kind == Type.ATTRIBUTE_TYPE_BOOLEAN else Field.TYPE_SINT64


class _Decoder:
    """Turns one entity's payloads into tuples of SQL values."""

    def __init__(self, entity: model_pb2.Entity) -> None:
        self.number = entity.number
        self.table = entity.logical_name
        self.readers: dict[str, Callable[[Any], object]] = {}
        file = descriptor_pb2.FileDescriptorProto(name=f"{self.table}.proto", package="replica", syntax="proto2")
        message = file.message_type.add(name=self.table)
        for attribute in entity.attributes:
            name, many = attribute.logical_name, attribute.type == Type.ATTRIBUTE_TYPE_MULTI_SELECT_PICKLIST
            label = Field.LABEL_REPEATED if many else Field.LABEL_OPTIONAL
            message.field.add(name=name, number=attribute.number, label=label, type=_wire_type(attribute.type))
            self.readers[name] = _reader(attribute.type)
            if attribute.entity_field_number:
                companion = f"{name}_entity"
                number = attribute.entity_field_number
                message.field.add(name=companion, number=number, label=Field.LABEL_OPTIONAL, type=Field.TYPE_UINT32)
                self.readers[companion] = _same
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        self._message = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"replica.{self.table}"))

    @property
    def columns(self) -> list[str]:
        return list(self.readers)

    def decode(self, payload: bytes) -> list[object]:
        present = {field.name: value for field, value in self._message.FromString(payload).ListFields()}
        return [reader(present[name]) if name in present else None for name, reader in self.readers.items()]


class Replica:
    """All rows of an organization as SQL tables named like the entities, with `_ordinal` and `_lsn`.

    Values have the form that devices store, so that the two compare directly.
    """

    def __init__(self, staging: Path) -> None:
        """Opens the staging database for reading; raises sqlite3.Error if it is not one."""
        self._staging = sqlite3.connect(f"file:{staging}?mode=ro", uri=True)
        self.connection = sqlite3.connect(":memory:")
        self._decoders: dict[int, _Decoder] = {}
        self._lsn = 0

    def refresh(self) -> int:
        """Takes over everything that changed since the last time; returns how many rows did."""
        self._load_model()
        changed = self._staging.execute(
            "SELECT entity, ordinal, lsn, deleted, payload FROM rows WHERE lsn > ? ORDER BY lsn", (self._lsn,)
        )
        count = 0
        for entity, ordinal, lsn, deleted, payload in changed:
            decoder = self._decoders.get(entity)
            if decoder is None:
                continue
            self._take(decoder, ordinal, lsn, None if deleted else payload)
            self._lsn = lsn
            count += 1
        return count

    def number(self, entity: str) -> int:
        """Number of an entity in its organization; raises KeyError if there is none."""
        return {decoder.table: number for number, decoder in self._decoders.items()}[entity]

    def rows(self, sql: str, parameters: Mapping[str, object] | Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Runs a query over the tables."""
        return self.connection.execute(sql, parameters).fetchall()

    def close(self) -> None:
        """Closes both databases."""
        self._staging.close()
        self.connection.close()

    def _load_model(self) -> None:
        (blob,) = self._staging.execute("SELECT model FROM models ORDER BY revision DESC LIMIT 1").fetchone()
        for entity in model_pb2.Model.FromString(blob).entities:
            if entity.number not in self._decoders:
                decoder = self._decoders[entity.number] = _Decoder(entity)
                names = ", ".join(f'"{name}"' for name in decoder.columns)
                self.connection.execute(
                    f'CREATE TABLE "{decoder.table}" (_ordinal INTEGER PRIMARY KEY, _lsn INTEGER, {names})'
                )

    def _take(self, decoder: _Decoder, ordinal: int, lsn: int, payload: bytes | None) -> None:
        if payload is None:
            self.connection.execute(f'DELETE FROM "{decoder.table}" WHERE _ordinal = ?', (ordinal,))
            return
        marks = ", ".join("?" * (len(decoder.columns) + 2))
        values = [ordinal, lsn, *decoder.decode(payload)]
        self.connection.execute(f'INSERT OR REPLACE INTO "{decoder.table}" VALUES ({marks})', values)

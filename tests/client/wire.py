"""What a server sends, made by hand: models, rows, events. Each test says only what it is about."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import zstandard
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import sync_pb2
from haversack_client._digest import version_sum

FieldType = descriptor_pb2.FieldDescriptorProto
PACKAGE = "haversack.rows.test"
EPOCH = bytes(range(16))

_FIELD_TYPES: dict[int, int] = {
    model_pb2.ATTRIBUTE_TYPE_STRING: FieldType.TYPE_STRING,
    model_pb2.ATTRIBUTE_TYPE_MEMO: FieldType.TYPE_STRING,
    model_pb2.ATTRIBUTE_TYPE_DECIMAL: FieldType.TYPE_STRING,
    model_pb2.ATTRIBUTE_TYPE_MONEY: FieldType.TYPE_STRING,
    model_pb2.ATTRIBUTE_TYPE_ENTITY_NAME: FieldType.TYPE_STRING,
    model_pb2.ATTRIBUTE_TYPE_DOUBLE: FieldType.TYPE_DOUBLE,
    model_pb2.ATTRIBUTE_TYPE_BOOLEAN: FieldType.TYPE_BOOL,
    model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER: FieldType.TYPE_BYTES,
    model_pb2.ATTRIBUTE_TYPE_LOOKUP: FieldType.TYPE_BYTES,
    model_pb2.ATTRIBUTE_TYPE_OWNER: FieldType.TYPE_BYTES,
    model_pb2.ATTRIBUTE_TYPE_CUSTOMER: FieldType.TYPE_BYTES,
}


ALL_RIGHTS = tuple(right for right in sync_pb2.RowRight.values() if right)


@dataclass(frozen=True)
class Attribute:
    """A carried attribute."""

    number: int
    name: str
    type: int
    companion: int = 0
    target: str = ""
    required: bool = False
    max_length: int = 0
    options: tuple[int, ...] = ()
    updatable: bool = True

    @property
    def field(self) -> str:
        """Name of the field; the server makes one up where the attribute's is no identifier."""
        return self.name if self.name.isidentifier() else f"attribute_{self.number}"


@dataclass(frozen=True)
class Entity:
    """A carried entity. The first attribute is its primary id."""

    number: int
    name: str
    attributes: tuple[Attribute, ...]
    mandatory: bool = False
    rights: tuple[int, ...] = ALL_RIGHTS
    sync_interval_minutes: int = 0

    @property
    def message(self) -> str:
        return f"Row{self.number}"


ACCOUNT = Entity(
    7,
    "account",
    (
        Attribute(1, "accountid", model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER),
        Attribute(2, "name", model_pb2.ATTRIBUTE_TYPE_STRING),
        Attribute(3, "revenue", model_pb2.ATTRIBUTE_TYPE_MONEY),
    ),
)
CONTACT = Entity(
    9,
    "contact",
    (
        Attribute(1, "contactid", model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER),
        Attribute(5, "fullname", model_pb2.ATTRIBUTE_TYPE_STRING),
    ),
    mandatory=True,
)


def descriptors(entities: Iterable[Entity]) -> descriptor_pb2.FileDescriptorSet:
    """One message and one `Rows` message per entity, every field optional."""
    file = descriptor_pb2.FileDescriptorProto(name="rows.proto", package=PACKAGE, syntax="proto3")
    for entity in entities:
        message = file.message_type.add(name=entity.message)
        for attribute in entity.attributes:
            _add_field(message, attribute.field, attribute.number, attribute.type)
            if attribute.companion:
                _add_optional(message, f"{attribute.name}_entity", attribute.companion, FieldType.TYPE_UINT32)
        rows = file.message_type.add(name=f"{entity.message}Rows")
        rows.field.add(
            name="rows",
            number=1,
            label=FieldType.LABEL_REPEATED,
            type=FieldType.TYPE_MESSAGE,
            type_name=f".{PACKAGE}.{entity.message}",
        )
    return descriptor_pb2.FileDescriptorSet(file=[file])


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: int) -> None:
    if kind == model_pb2.ATTRIBUTE_TYPE_MULTI_SELECT_PICKLIST:
        message.field.add(name=name, number=number, label=FieldType.LABEL_REPEATED, type=FieldType.TYPE_SINT64)
    else:
        _add_optional(message, name, number, _FIELD_TYPES.get(kind, FieldType.TYPE_SINT64))


def _add_optional(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: int) -> None:
    field = message.field.add(name=name, number=number, label=FieldType.LABEL_OPTIONAL, proto3_optional=True)
    field.type = kind  # type: ignore[assignment]
    field.oneof_index = len(message.oneof_decl)
    message.oneof_decl.add(name=f"_{name}")


def model(*entities: Entity, version: int = 1, revision: int = 1) -> sync_pb2.Model:
    """A model of these entities, in this order."""
    return sync_pb2.Model(
        version=version,
        revision=revision,
        descriptors=descriptors(entities).SerializeToString(),
        entities=[
            sync_pb2.CarriedEntity(
                entity=entity.number,
                logical_name=entity.name,
                message_name=f"{PACKAGE}.{entity.message}",
                primary_id_attribute=entity.attributes[0].name,
                attributes=[
                    sync_pb2.CarriedAttribute(
                        number=attribute.number,
                        logical_name=attribute.name,
                        type=attribute.type,  # type: ignore[arg-type]
                        entity_field_number=attribute.companion,
                        target=attribute.target,
                        required=attribute.required,
                        max_length=attribute.max_length,
                        options=attribute.options,
                        creatable=True,
                        updatable=attribute.updatable,
                    )
                    for attribute in entity.attributes
                ],
                mandatory=entity.mandatory,
                rights=entity.rights,  # type: ignore[arg-type]
                sync_interval_minutes=entity.sync_interval_minutes,
            )
            for entity in entities
        ],
    )


def rows_class(entity: Entity) -> type[Message]:
    """The generated class of an entity's `Rows` message."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptors([entity]).file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{entity.message}Rows"))


def body(entity: Entity, rows: Iterable[Mapping[str, object]]) -> bytes:
    """The bytes of a batch's rows."""
    fields = {attribute.name: attribute.field for attribute in entity.attributes}
    named = [{fields.get(name, name): value for name, value in row.items()} for row in rows]
    return rows_class(entity)(rows=named).SerializeToString()


def row_id(ordinal: int) -> bytes:
    """An id for a row whose id does not matter: spread, as real ones are."""
    return ((ordinal + 1) * 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835 % (1 << 128)).to_bytes(16, "big")


def batch(
    entity: Entity,
    versions: Mapping[int, int],
    rows: Sequence[Mapping[str, object]] | None = None,
    *,
    zstd: bool = False,
) -> sync_pb2.SyncEvent:
    """A batch of rows with these ordinals and LSNs; without `rows`, each has an id and its LSN in the second column."""
    if rows is None:
        names = [attribute.name for attribute in entity.attributes]
        rows = [{names[0]: row_id(ordinal), names[1]: f"v{lsn}"} for ordinal, lsn in versions.items()]
    content = body(entity, rows)
    compression = sync_pb2.COMPRESSION_ZSTD if zstd else sync_pb2.COMPRESSION_NONE
    return sync_pb2.SyncEvent(
        rows=sync_pb2.RowBatch(
            entity=entity.number,
            ordinal_deltas=deltas(list(versions)),
            lsn_deltas=deltas(list(versions.values())),
            compression=compression,
            rows=zstandard.ZstdCompressor().compress(content) if zstd else content,
            rows_size=len(content),
            planned_bytes=len(content),
        )
    )


def deltas(values: Sequence[int]) -> list[int]:
    """The first value, then differences."""
    return [*values[:1], *(second - first for first, second in pairwise(values))]


def plan(rows: Mapping[Entity, int] | None = None, *, epoch: bytes = EPOCH) -> sync_pb2.SyncEvent:
    """A plan for this many rows of each entity, a hundred bytes each."""
    entities = [
        sync_pb2.EntityPlan(entity=entity.number, rows=count, bytes=100 * count)
        for entity, count in (rows or {}).items()
    ]
    return sync_pb2.SyncEvent(plan=sync_pb2.Plan(epoch=epoch, entities=entities))


def removals(entity: Entity, ordinals: bytes | None) -> sync_pb2.SyncEvent:
    """Removals of a portable bitmap, or of every row."""
    return sync_pb2.SyncEvent(
        removals=sync_pb2.Removals(entity=entity.number, ordinals=ordinals or b"", all=ordinals is None)
    )


def checkpoint(held: Mapping[Entity, Mapping[int, int]], *, lsn: int = 100) -> sync_pb2.SyncEvent:
    """A checkpoint for a device that holds these rows: ordinal to LSN, by entity."""
    digests = [
        sync_pb2.EntityDigest(
            entity=entity.number,
            count=len(versions),
            digest=version_sum(entity.number, list(versions), list(versions.values())),
        )
        for entity, versions in held.items()
    ]
    return sync_pb2.SyncEvent(
        checkpoint=sync_pb2.Checkpoint(lsn=lsn, revision=1, instant_us=1_700_000_000_000_000, digests=digests)
    )


def inventory_required(*blocks: tuple[int, int]) -> sync_pb2.SyncEvent:
    """Asks for blocks, as (entity number, block)."""
    references = [sync_pb2.BlockRef(entity=entity, block=block) for entity, block in blocks]
    return sync_pb2.SyncEvent(inventory_required=sync_pb2.InventoryRequired(blocks=references))


def with_cookie(event: sync_pb2.SyncEvent, cookie: bytes) -> sync_pb2.SyncEvent:
    """The event, and a cookie with it."""
    copy = sync_pb2.SyncEvent(cookie=cookie)
    copy.MergeFrom(event)
    return copy

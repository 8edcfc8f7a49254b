from haversack.model.v1 import model_pb2 as _model_pb2
from haversack.sync.v1 import position_pb2 as _position_pb2
from haversack.sync.v1 import report_pb2 as _report_pb2
from haversack.sync.v1 import upload_pb2 as _upload_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SyncMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SYNC_MODE_UNSPECIFIED: _ClassVar[SyncMode]
    SYNC_MODE_ONCE: _ClassVar[SyncMode]
    SYNC_MODE_LIVE: _ClassVar[SyncMode]

class Compression(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPRESSION_UNSPECIFIED: _ClassVar[Compression]
    COMPRESSION_NONE: _ClassVar[Compression]
    COMPRESSION_ZSTD: _ClassVar[Compression]

class RowRight(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROW_RIGHT_UNSPECIFIED: _ClassVar[RowRight]
    ROW_RIGHT_CREATE: _ClassVar[RowRight]
    ROW_RIGHT_WRITE: _ClassVar[RowRight]
    ROW_RIGHT_DELETE: _ClassVar[RowRight]
    ROW_RIGHT_ASSIGN: _ClassVar[RowRight]
    ROW_RIGHT_APPEND: _ClassVar[RowRight]
    ROW_RIGHT_APPEND_TO: _ClassVar[RowRight]
SYNC_MODE_UNSPECIFIED: SyncMode
SYNC_MODE_ONCE: SyncMode
SYNC_MODE_LIVE: SyncMode
COMPRESSION_UNSPECIFIED: Compression
COMPRESSION_NONE: Compression
COMPRESSION_ZSTD: Compression
ROW_RIGHT_UNSPECIFIED: RowRight
ROW_RIGHT_CREATE: RowRight
ROW_RIGHT_WRITE: RowRight
ROW_RIGHT_DELETE: RowRight
ROW_RIGHT_ASSIGN: RowRight
ROW_RIGHT_APPEND: RowRight
ROW_RIGHT_APPEND_TO: RowRight

class SyncRequest(_message.Message):
    __slots__ = ("install_id", "cookie", "mode", "accept", "holdings", "inventories", "mismatches", "client", "app", "report", "unanswered", "full_check")
    INSTALL_ID_FIELD_NUMBER: _ClassVar[int]
    COOKIE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_FIELD_NUMBER: _ClassVar[int]
    HOLDINGS_FIELD_NUMBER: _ClassVar[int]
    INVENTORIES_FIELD_NUMBER: _ClassVar[int]
    MISMATCHES_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    UNANSWERED_FIELD_NUMBER: _ClassVar[int]
    FULL_CHECK_FIELD_NUMBER: _ClassVar[int]
    install_id: bytes
    cookie: bytes
    mode: SyncMode
    accept: _containers.RepeatedScalarFieldContainer[Compression]
    holdings: _containers.RepeatedCompositeFieldContainer[EntityBlocks]
    inventories: _containers.RepeatedCompositeFieldContainer[Inventory]
    mismatches: _containers.RepeatedCompositeFieldContainer[DigestMismatch]
    client: str
    app: str
    report: _report_pb2.DeviceReport
    unanswered: _containers.RepeatedScalarFieldContainer[int]
    full_check: int
    def __init__(self, install_id: _Optional[bytes] = ..., cookie: _Optional[bytes] = ..., mode: _Optional[_Union[SyncMode, str]] = ..., accept: _Optional[_Iterable[_Union[Compression, str]]] = ..., holdings: _Optional[_Iterable[_Union[EntityBlocks, _Mapping]]] = ..., inventories: _Optional[_Iterable[_Union[Inventory, _Mapping]]] = ..., mismatches: _Optional[_Iterable[_Union[DigestMismatch, _Mapping]]] = ..., client: _Optional[str] = ..., app: _Optional[str] = ..., report: _Optional[_Union[_report_pb2.DeviceReport, _Mapping]] = ..., unanswered: _Optional[_Iterable[int]] = ..., full_check: _Optional[int] = ...) -> None: ...

class EntityBlocks(_message.Message):
    __slots__ = ("entity", "blocks")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    entity: int
    blocks: _containers.RepeatedCompositeFieldContainer[BlockDigest]
    def __init__(self, entity: _Optional[int] = ..., blocks: _Optional[_Iterable[_Union[BlockDigest, _Mapping]]] = ...) -> None: ...

class BlockDigest(_message.Message):
    __slots__ = ("block", "count", "membership")
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    block: int
    count: int
    membership: int
    def __init__(self, block: _Optional[int] = ..., count: _Optional[int] = ..., membership: _Optional[int] = ...) -> None: ...

class Inventory(_message.Message):
    __slots__ = ("entity", "block", "ordinals")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    ORDINALS_FIELD_NUMBER: _ClassVar[int]
    entity: int
    block: int
    ordinals: bytes
    def __init__(self, entity: _Optional[int] = ..., block: _Optional[int] = ..., ordinals: _Optional[bytes] = ...) -> None: ...

class DigestMismatch(_message.Message):
    __slots__ = ("entity", "attempt")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    entity: int
    attempt: int
    def __init__(self, entity: _Optional[int] = ..., attempt: _Optional[int] = ...) -> None: ...

class SyncEvent(_message.Message):
    __slots__ = ("model", "plan", "removals", "rows", "checkpoint", "pass_complete", "inventory_required", "heartbeat", "answers", "full_check_required", "position", "cookie", "user")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    REMOVALS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    PASS_COMPLETE_FIELD_NUMBER: _ClassVar[int]
    INVENTORY_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    FULL_CHECK_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    COOKIE_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    model: Model
    plan: Plan
    removals: Removals
    rows: RowBatch
    checkpoint: Checkpoint
    pass_complete: PassComplete
    inventory_required: InventoryRequired
    heartbeat: Heartbeat
    answers: Answers
    full_check_required: FullCheckRequired
    position: _position_pb2.Position
    cookie: bytes
    user: bytes
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., plan: _Optional[_Union[Plan, _Mapping]] = ..., removals: _Optional[_Union[Removals, _Mapping]] = ..., rows: _Optional[_Union[RowBatch, _Mapping]] = ..., checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ..., pass_complete: _Optional[_Union[PassComplete, _Mapping]] = ..., inventory_required: _Optional[_Union[InventoryRequired, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., answers: _Optional[_Union[Answers, _Mapping]] = ..., full_check_required: _Optional[_Union[FullCheckRequired, _Mapping]] = ..., position: _Optional[_Union[_position_pb2.Position, _Mapping]] = ..., cookie: _Optional[bytes] = ..., user: _Optional[bytes] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("version", "revision", "descriptors", "entities", "user")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTORS_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    version: int
    revision: int
    descriptors: bytes
    entities: _containers.RepeatedCompositeFieldContainer[CarriedEntity]
    user: User
    def __init__(self, version: _Optional[int] = ..., revision: _Optional[int] = ..., descriptors: _Optional[bytes] = ..., entities: _Optional[_Iterable[_Union[CarriedEntity, _Mapping]]] = ..., user: _Optional[_Union[User, _Mapping]] = ...) -> None: ...

class User(_message.Message):
    __slots__ = ("id", "name", "name_attribute", "business_unit", "teams", "language", "time_zone", "collation", "null_never_matches", "week_start", "fiscal")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAME_ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    TEAMS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    COLLATION_FIELD_NUMBER: _ClassVar[int]
    NULL_NEVER_MATCHES_FIELD_NUMBER: _ClassVar[int]
    WEEK_START_FIELD_NUMBER: _ClassVar[int]
    FISCAL_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    name: str
    name_attribute: str
    business_unit: bytes
    teams: _containers.RepeatedScalarFieldContainer[bytes]
    language: int
    time_zone: str
    collation: _model_pb2.Collation
    null_never_matches: bool
    week_start: int
    fiscal: _model_pb2.FiscalCalendar
    def __init__(self, id: _Optional[bytes] = ..., name: _Optional[str] = ..., name_attribute: _Optional[str] = ..., business_unit: _Optional[bytes] = ..., teams: _Optional[_Iterable[bytes]] = ..., language: _Optional[int] = ..., time_zone: _Optional[str] = ..., collation: _Optional[_Union[_model_pb2.Collation, str]] = ..., null_never_matches: _Optional[bool] = ..., week_start: _Optional[int] = ..., fiscal: _Optional[_Union[_model_pb2.FiscalCalendar, _Mapping]] = ...) -> None: ...

class CarriedEntity(_message.Message):
    __slots__ = ("entity", "logical_name", "message_name", "primary_id_attribute", "attributes", "fingerprint", "mandatory", "rights", "sync_interval_minutes")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    LOGICAL_NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_NAME_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_ID_ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    MANDATORY_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    SYNC_INTERVAL_MINUTES_FIELD_NUMBER: _ClassVar[int]
    entity: int
    logical_name: str
    message_name: str
    primary_id_attribute: str
    attributes: _containers.RepeatedCompositeFieldContainer[CarriedAttribute]
    fingerprint: int
    mandatory: bool
    rights: _containers.RepeatedScalarFieldContainer[RowRight]
    sync_interval_minutes: int
    def __init__(self, entity: _Optional[int] = ..., logical_name: _Optional[str] = ..., message_name: _Optional[str] = ..., primary_id_attribute: _Optional[str] = ..., attributes: _Optional[_Iterable[_Union[CarriedAttribute, _Mapping]]] = ..., fingerprint: _Optional[int] = ..., mandatory: _Optional[bool] = ..., rights: _Optional[_Iterable[_Union[RowRight, str]]] = ..., sync_interval_minutes: _Optional[int] = ...) -> None: ...

class CarriedAttribute(_message.Message):
    __slots__ = ("number", "logical_name", "type", "entity_field_number", "target", "required", "max_length", "options", "creatable", "updatable", "default_statuses")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    LOGICAL_NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    CREATABLE_FIELD_NUMBER: _ClassVar[int]
    UPDATABLE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_STATUSES_FIELD_NUMBER: _ClassVar[int]
    number: int
    logical_name: str
    type: _model_pb2.AttributeType
    entity_field_number: int
    target: str
    required: bool
    max_length: int
    options: _containers.RepeatedScalarFieldContainer[int]
    creatable: bool
    updatable: bool
    default_statuses: _containers.RepeatedCompositeFieldContainer[DefaultStatus]
    def __init__(self, number: _Optional[int] = ..., logical_name: _Optional[str] = ..., type: _Optional[_Union[_model_pb2.AttributeType, str]] = ..., entity_field_number: _Optional[int] = ..., target: _Optional[str] = ..., required: _Optional[bool] = ..., max_length: _Optional[int] = ..., options: _Optional[_Iterable[int]] = ..., creatable: _Optional[bool] = ..., updatable: _Optional[bool] = ..., default_statuses: _Optional[_Iterable[_Union[DefaultStatus, _Mapping]]] = ...) -> None: ...

class DefaultStatus(_message.Message):
    __slots__ = ("state", "status")
    STATE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    state: int
    status: int
    def __init__(self, state: _Optional[int] = ..., status: _Optional[int] = ...) -> None: ...

class Plan(_message.Message):
    __slots__ = ("epoch", "entities")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    epoch: bytes
    entities: _containers.RepeatedCompositeFieldContainer[EntityPlan]
    def __init__(self, epoch: _Optional[bytes] = ..., entities: _Optional[_Iterable[_Union[EntityPlan, _Mapping]]] = ...) -> None: ...

class EntityPlan(_message.Message):
    __slots__ = ("entity", "rows", "bytes", "removals")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    REMOVALS_FIELD_NUMBER: _ClassVar[int]
    entity: int
    rows: int
    bytes: int
    removals: int
    def __init__(self, entity: _Optional[int] = ..., rows: _Optional[int] = ..., bytes: _Optional[int] = ..., removals: _Optional[int] = ...) -> None: ...

class Removals(_message.Message):
    __slots__ = ("entity", "ordinals", "all")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ORDINALS_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    entity: int
    ordinals: bytes
    all: bool
    def __init__(self, entity: _Optional[int] = ..., ordinals: _Optional[bytes] = ..., all: _Optional[bool] = ...) -> None: ...

class RowBatch(_message.Message):
    __slots__ = ("entity", "ordinal_deltas", "lsn_deltas", "compression", "rows", "rows_size", "planned_bytes")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ORDINAL_DELTAS_FIELD_NUMBER: _ClassVar[int]
    LSN_DELTAS_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    ROWS_SIZE_FIELD_NUMBER: _ClassVar[int]
    PLANNED_BYTES_FIELD_NUMBER: _ClassVar[int]
    entity: int
    ordinal_deltas: _containers.RepeatedScalarFieldContainer[int]
    lsn_deltas: _containers.RepeatedScalarFieldContainer[int]
    compression: Compression
    rows: bytes
    rows_size: int
    planned_bytes: int
    def __init__(self, entity: _Optional[int] = ..., ordinal_deltas: _Optional[_Iterable[int]] = ..., lsn_deltas: _Optional[_Iterable[int]] = ..., compression: _Optional[_Union[Compression, str]] = ..., rows: _Optional[bytes] = ..., rows_size: _Optional[int] = ..., planned_bytes: _Optional[int] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ("lsn", "revision", "instant_us", "digests")
    LSN_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    INSTANT_US_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    lsn: int
    revision: int
    instant_us: int
    digests: _containers.RepeatedCompositeFieldContainer[EntityDigest]
    def __init__(self, lsn: _Optional[int] = ..., revision: _Optional[int] = ..., instant_us: _Optional[int] = ..., digests: _Optional[_Iterable[_Union[EntityDigest, _Mapping]]] = ...) -> None: ...

class EntityDigest(_message.Message):
    __slots__ = ("entity", "count", "digest")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    entity: int
    count: int
    digest: int
    def __init__(self, entity: _Optional[int] = ..., count: _Optional[int] = ..., digest: _Optional[int] = ...) -> None: ...

class PassComplete(_message.Message):
    __slots__ = ("floor",)
    FLOOR_FIELD_NUMBER: _ClassVar[int]
    floor: int
    def __init__(self, floor: _Optional[int] = ...) -> None: ...

class InventoryRequired(_message.Message):
    __slots__ = ("blocks",)
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    blocks: _containers.RepeatedCompositeFieldContainer[BlockRef]
    def __init__(self, blocks: _Optional[_Iterable[_Union[BlockRef, _Mapping]]] = ...) -> None: ...

class FullCheckRequired(_message.Message):
    __slots__ = ("number",)
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    number: int
    def __init__(self, number: _Optional[int] = ...) -> None: ...

class BlockRef(_message.Message):
    __slots__ = ("entity", "block")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    entity: int
    block: int
    def __init__(self, entity: _Optional[int] = ..., block: _Optional[int] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("instant_us", "lsn")
    INSTANT_US_FIELD_NUMBER: _ClassVar[int]
    LSN_FIELD_NUMBER: _ClassVar[int]
    instant_us: int
    lsn: int
    def __init__(self, instant_us: _Optional[int] = ..., lsn: _Optional[int] = ...) -> None: ...

class Answers(_message.Message):
    __slots__ = ("answers", "unknown")
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[_upload_pb2.MutationAnswer]
    unknown: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, answers: _Optional[_Iterable[_Union[_upload_pb2.MutationAnswer, _Mapping]]] = ..., unknown: _Optional[_Iterable[int]] = ...) -> None: ...

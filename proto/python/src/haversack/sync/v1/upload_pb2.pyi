from haversack.error.v1 import error_pb2 as _error_pb2
from haversack.sync.v1 import position_pb2 as _position_pb2
from haversack.sync.v1 import report_pb2 as _report_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MutationKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MUTATION_KIND_UNSPECIFIED: _ClassVar[MutationKind]
    MUTATION_KIND_CREATE: _ClassVar[MutationKind]
    MUTATION_KIND_UPDATE: _ClassVar[MutationKind]
    MUTATION_KIND_DELETE: _ClassVar[MutationKind]

class MutationOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MUTATION_OUTCOME_UNSPECIFIED: _ClassVar[MutationOutcome]
    MUTATION_OUTCOME_APPLIED: _ClassVar[MutationOutcome]
    MUTATION_OUTCOME_CONFLICT: _ClassVar[MutationOutcome]
    MUTATION_OUTCOME_FORBIDDEN: _ClassVar[MutationOutcome]
    MUTATION_OUTCOME_INVALID: _ClassVar[MutationOutcome]
    MUTATION_OUTCOME_NOT_FOUND: _ClassVar[MutationOutcome]
    MUTATION_OUTCOME_BLOCKED: _ClassVar[MutationOutcome]
    MUTATION_OUTCOME_QUEUED: _ClassVar[MutationOutcome]
MUTATION_KIND_UNSPECIFIED: MutationKind
MUTATION_KIND_CREATE: MutationKind
MUTATION_KIND_UPDATE: MutationKind
MUTATION_KIND_DELETE: MutationKind
MUTATION_OUTCOME_UNSPECIFIED: MutationOutcome
MUTATION_OUTCOME_APPLIED: MutationOutcome
MUTATION_OUTCOME_CONFLICT: MutationOutcome
MUTATION_OUTCOME_FORBIDDEN: MutationOutcome
MUTATION_OUTCOME_INVALID: MutationOutcome
MUTATION_OUTCOME_NOT_FOUND: MutationOutcome
MUTATION_OUTCOME_BLOCKED: MutationOutcome
MUTATION_OUTCOME_QUEUED: MutationOutcome

class UploadRequest(_message.Message):
    __slots__ = ("install_id", "mutations", "app", "client", "sent_before", "taken_before", "shortened", "withdrawn", "user", "report", "known_only")
    INSTALL_ID_FIELD_NUMBER: _ClassVar[int]
    MUTATIONS_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    SENT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    TAKEN_BEFORE_FIELD_NUMBER: _ClassVar[int]
    SHORTENED_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    KNOWN_ONLY_FIELD_NUMBER: _ClassVar[int]
    install_id: bytes
    mutations: _containers.RepeatedScalarFieldContainer[bytes]
    app: str
    client: str
    sent_before: _containers.RepeatedScalarFieldContainer[int]
    taken_before: _containers.RepeatedScalarFieldContainer[int]
    shortened: _containers.RepeatedCompositeFieldContainer[Shortened]
    withdrawn: _containers.RepeatedScalarFieldContainer[int]
    user: bytes
    report: _report_pb2.DeviceReport
    known_only: bool
    def __init__(self, install_id: _Optional[bytes] = ..., mutations: _Optional[_Iterable[bytes]] = ..., app: _Optional[str] = ..., client: _Optional[str] = ..., sent_before: _Optional[_Iterable[int]] = ..., taken_before: _Optional[_Iterable[int]] = ..., shortened: _Optional[_Iterable[_Union[Shortened, _Mapping]]] = ..., withdrawn: _Optional[_Iterable[int]] = ..., user: _Optional[bytes] = ..., report: _Optional[_Union[_report_pb2.DeviceReport, _Mapping]] = ..., known_only: _Optional[bool] = ...) -> None: ...

class Shortened(_message.Message):
    __slots__ = ("number", "hash")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    number: int
    hash: bytes
    def __init__(self, number: _Optional[int] = ..., hash: _Optional[bytes] = ...) -> None: ...

class Mutation(_message.Message):
    __slots__ = ("number", "entity", "id", "kind", "values", "changed", "old_values", "base_lsn", "written_at_us", "depends_on", "model_version", "seen")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    OLD_VALUES_FIELD_NUMBER: _ClassVar[int]
    BASE_LSN_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_AT_US_FIELD_NUMBER: _ClassVar[int]
    DEPENDS_ON_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    number: int
    entity: int
    id: bytes
    kind: MutationKind
    values: bytes
    changed: _containers.RepeatedScalarFieldContainer[int]
    old_values: bytes
    base_lsn: int
    written_at_us: int
    depends_on: _containers.RepeatedScalarFieldContainer[int]
    model_version: int
    seen: _position_pb2.Position
    def __init__(self, number: _Optional[int] = ..., entity: _Optional[int] = ..., id: _Optional[bytes] = ..., kind: _Optional[_Union[MutationKind, str]] = ..., values: _Optional[bytes] = ..., changed: _Optional[_Iterable[int]] = ..., old_values: _Optional[bytes] = ..., base_lsn: _Optional[int] = ..., written_at_us: _Optional[int] = ..., depends_on: _Optional[_Iterable[int]] = ..., model_version: _Optional[int] = ..., seen: _Optional[_Union[_position_pb2.Position, _Mapping]] = ...) -> None: ...

class UploadResponse(_message.Message):
    __slots__ = ("answers", "epoch")
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[MutationAnswer]
    epoch: bytes
    def __init__(self, answers: _Optional[_Iterable[_Union[MutationAnswer, _Mapping]]] = ..., epoch: _Optional[bytes] = ...) -> None: ...

class MutationAnswer(_message.Message):
    __slots__ = ("number", "outcome", "lsn", "reason", "message", "fields", "overruled")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    LSN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    OVERRULED_FIELD_NUMBER: _ClassVar[int]
    number: int
    outcome: MutationOutcome
    lsn: int
    reason: _error_pb2.ErrorReason
    message: str
    fields: _containers.RepeatedScalarFieldContainer[int]
    overruled: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, number: _Optional[int] = ..., outcome: _Optional[_Union[MutationOutcome, str]] = ..., lsn: _Optional[int] = ..., reason: _Optional[_Union[_error_pb2.ErrorReason, str]] = ..., message: _Optional[str] = ..., fields: _Optional[_Iterable[int]] = ..., overruled: _Optional[_Iterable[int]] = ...) -> None: ...

from haversack.error.v1 import error_pb2 as _error_pb2
from haversack.sync.v1 import upload_pb2 as _upload_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SyncErrorState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SYNC_ERROR_STATE_UNSPECIFIED: _ClassVar[SyncErrorState]
    SYNC_ERROR_STATE_OPEN: _ClassVar[SyncErrorState]
    SYNC_ERROR_STATE_RETRIED: _ClassVar[SyncErrorState]
    SYNC_ERROR_STATE_DISCARDED: _ClassVar[SyncErrorState]
    SYNC_ERROR_STATE_WITHDRAWN: _ClassVar[SyncErrorState]
SYNC_ERROR_STATE_UNSPECIFIED: SyncErrorState
SYNC_ERROR_STATE_OPEN: SyncErrorState
SYNC_ERROR_STATE_RETRIED: SyncErrorState
SYNC_ERROR_STATE_DISCARDED: SyncErrorState
SYNC_ERROR_STATE_WITHDRAWN: SyncErrorState

class SyncError(_message.Message):
    __slots__ = ("number", "state", "entity", "row", "kind", "outcome", "reason", "message", "attributes", "user", "install", "mutation", "written_at_us", "received_at_us", "values_json", "cleared")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    INSTALL_FIELD_NUMBER: _ClassVar[int]
    MUTATION_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_AT_US_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_US_FIELD_NUMBER: _ClassVar[int]
    VALUES_JSON_FIELD_NUMBER: _ClassVar[int]
    CLEARED_FIELD_NUMBER: _ClassVar[int]
    number: int
    state: SyncErrorState
    entity: str
    row: str
    kind: _upload_pb2.MutationKind
    outcome: _upload_pb2.MutationOutcome
    reason: _error_pb2.ErrorReason
    message: str
    attributes: _containers.RepeatedScalarFieldContainer[str]
    user: str
    install: str
    mutation: int
    written_at_us: int
    received_at_us: int
    values_json: str
    cleared: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, number: _Optional[int] = ..., state: _Optional[_Union[SyncErrorState, str]] = ..., entity: _Optional[str] = ..., row: _Optional[str] = ..., kind: _Optional[_Union[_upload_pb2.MutationKind, str]] = ..., outcome: _Optional[_Union[_upload_pb2.MutationOutcome, str]] = ..., reason: _Optional[_Union[_error_pb2.ErrorReason, str]] = ..., message: _Optional[str] = ..., attributes: _Optional[_Iterable[str]] = ..., user: _Optional[str] = ..., install: _Optional[str] = ..., mutation: _Optional[int] = ..., written_at_us: _Optional[int] = ..., received_at_us: _Optional[int] = ..., values_json: _Optional[str] = ..., cleared: _Optional[_Iterable[str]] = ...) -> None: ...

class ListSyncErrorsRequest(_message.Message):
    __slots__ = ("organization", "state", "user", "after", "count")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    organization: str
    state: SyncErrorState
    user: str
    after: int
    count: int
    def __init__(self, organization: _Optional[str] = ..., state: _Optional[_Union[SyncErrorState, str]] = ..., user: _Optional[str] = ..., after: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class ListSyncErrorsResponse(_message.Message):
    __slots__ = ("errors", "next_after")
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_FIELD_NUMBER: _ClassVar[int]
    errors: _containers.RepeatedCompositeFieldContainer[SyncError]
    next_after: int
    def __init__(self, errors: _Optional[_Iterable[_Union[SyncError, _Mapping]]] = ..., next_after: _Optional[int] = ...) -> None: ...

class GetSyncErrorRequest(_message.Message):
    __slots__ = ("organization", "number")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    organization: str
    number: int
    def __init__(self, organization: _Optional[str] = ..., number: _Optional[int] = ...) -> None: ...

class GetSyncErrorResponse(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: SyncError
    def __init__(self, error: _Optional[_Union[SyncError, _Mapping]] = ...) -> None: ...

class RetrySyncErrorRequest(_message.Message):
    __slots__ = ("organization", "number", "force")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    organization: str
    number: int
    force: bool
    def __init__(self, organization: _Optional[str] = ..., number: _Optional[int] = ..., force: _Optional[bool] = ...) -> None: ...

class RetrySyncErrorResponse(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: SyncError
    def __init__(self, error: _Optional[_Union[SyncError, _Mapping]] = ...) -> None: ...

class DiscardSyncErrorRequest(_message.Message):
    __slots__ = ("organization", "number")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    organization: str
    number: int
    def __init__(self, organization: _Optional[str] = ..., number: _Optional[int] = ...) -> None: ...

class DiscardSyncErrorResponse(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: SyncError
    def __init__(self, error: _Optional[_Union[SyncError, _Mapping]] = ...) -> None: ...

class GetWriteBackRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class GetWriteBackResponse(_message.Message):
    __slots__ = ("write_back",)
    WRITE_BACK_FIELD_NUMBER: _ClassVar[int]
    write_back: WriteBack
    def __init__(self, write_back: _Optional[_Union[WriteBack, _Mapping]] = ...) -> None: ...

class WriteBack(_message.Message):
    __slots__ = ("waiting", "oldest_at_us", "error", "reason", "failed_at_us", "next_run_at_us", "written_at_us", "total_written", "total_refused")
    WAITING_FIELD_NUMBER: _ClassVar[int]
    OLDEST_AT_US_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FAILED_AT_US_FIELD_NUMBER: _ClassVar[int]
    NEXT_RUN_AT_US_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_AT_US_FIELD_NUMBER: _ClassVar[int]
    TOTAL_WRITTEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_REFUSED_FIELD_NUMBER: _ClassVar[int]
    waiting: int
    oldest_at_us: int
    error: str
    reason: _error_pb2.ErrorReason
    failed_at_us: int
    next_run_at_us: int
    written_at_us: int
    total_written: int
    total_refused: int
    def __init__(self, waiting: _Optional[int] = ..., oldest_at_us: _Optional[int] = ..., error: _Optional[str] = ..., reason: _Optional[_Union[_error_pb2.ErrorReason, str]] = ..., failed_at_us: _Optional[int] = ..., next_run_at_us: _Optional[int] = ..., written_at_us: _Optional[int] = ..., total_written: _Optional[int] = ..., total_refused: _Optional[int] = ...) -> None: ...

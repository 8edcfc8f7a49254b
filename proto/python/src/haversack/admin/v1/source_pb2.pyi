from haversack.admin.v1 import work_pb2 as _work_pb2
from haversack.error.v1 import error_pb2 as _error_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SourceVerdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_VERDICT_UNSPECIFIED: _ClassVar[SourceVerdict]
    SOURCE_VERDICT_OK: _ClassVar[SourceVerdict]
    SOURCE_VERDICT_WARNING: _ClassVar[SourceVerdict]
    SOURCE_VERDICT_FAILURE: _ClassVar[SourceVerdict]
SOURCE_VERDICT_UNSPECIFIED: SourceVerdict
SOURCE_VERDICT_OK: SourceVerdict
SOURCE_VERDICT_WARNING: SourceVerdict
SOURCE_VERDICT_FAILURE: SourceVerdict

class Source(_message.Message):
    __slots__ = ("organization", "kind", "settings_json", "secret_names", "has_mapping", "paused", "revision", "changed_at_us")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_JSON_FIELD_NUMBER: _ClassVar[int]
    SECRET_NAMES_FIELD_NUMBER: _ClassVar[int]
    HAS_MAPPING_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_US_FIELD_NUMBER: _ClassVar[int]
    organization: str
    kind: str
    settings_json: str
    secret_names: _containers.RepeatedScalarFieldContainer[str]
    has_mapping: bool
    paused: bool
    revision: int
    changed_at_us: int
    def __init__(self, organization: _Optional[str] = ..., kind: _Optional[str] = ..., settings_json: _Optional[str] = ..., secret_names: _Optional[_Iterable[str]] = ..., has_mapping: _Optional[bool] = ..., paused: _Optional[bool] = ..., revision: _Optional[int] = ..., changed_at_us: _Optional[int] = ...) -> None: ...

class SetSourceRequest(_message.Message):
    __slots__ = ("organization", "kind", "settings_json", "secrets", "forgotten_secrets", "mapping", "dry_run")
    class SecretsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_JSON_FIELD_NUMBER: _ClassVar[int]
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    FORGOTTEN_SECRETS_FIELD_NUMBER: _ClassVar[int]
    MAPPING_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    organization: str
    kind: str
    settings_json: str
    secrets: _containers.ScalarMap[str, str]
    forgotten_secrets: _containers.RepeatedScalarFieldContainer[str]
    mapping: str
    dry_run: bool
    def __init__(self, organization: _Optional[str] = ..., kind: _Optional[str] = ..., settings_json: _Optional[str] = ..., secrets: _Optional[_Mapping[str, str]] = ..., forgotten_secrets: _Optional[_Iterable[str]] = ..., mapping: _Optional[str] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class SetSourceResponse(_message.Message):
    __slots__ = ("source", "notes")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    source: Source
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, source: _Optional[_Union[Source, _Mapping]] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class GetSourceRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class GetSourceResponse(_message.Message):
    __slots__ = ("source",)
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    source: Source
    def __init__(self, source: _Optional[_Union[Source, _Mapping]] = ...) -> None: ...

class RemoveSourceRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class RemoveSourceResponse(_message.Message):
    __slots__ = ("notes",)
    NOTES_FIELD_NUMBER: _ClassVar[int]
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, notes: _Optional[_Iterable[str]] = ...) -> None: ...

class CheckSourceRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class CheckSourceResponse(_message.Message):
    __slots__ = ("finding",)
    FINDING_FIELD_NUMBER: _ClassVar[int]
    finding: SourceFinding
    def __init__(self, finding: _Optional[_Union[SourceFinding, _Mapping]] = ...) -> None: ...

class SourceFinding(_message.Message):
    __slots__ = ("subject", "verdict", "what", "remedy")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    subject: str
    verdict: SourceVerdict
    what: str
    remedy: str
    def __init__(self, subject: _Optional[str] = ..., verdict: _Optional[_Union[SourceVerdict, str]] = ..., what: _Optional[str] = ..., remedy: _Optional[str] = ...) -> None: ...

class MapSourceRequest(_message.Message):
    __slots__ = ("organization", "in_force")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    organization: str
    in_force: bool
    def __init__(self, organization: _Optional[str] = ..., in_force: _Optional[bool] = ...) -> None: ...

class MapSourceResponse(_message.Message):
    __slots__ = ("mapping",)
    MAPPING_FIELD_NUMBER: _ClassVar[int]
    mapping: str
    def __init__(self, mapping: _Optional[str] = ...) -> None: ...

class SetMappingRequest(_message.Message):
    __slots__ = ("organization", "mapping")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    MAPPING_FIELD_NUMBER: _ClassVar[int]
    organization: str
    mapping: str
    def __init__(self, organization: _Optional[str] = ..., mapping: _Optional[str] = ...) -> None: ...

class SetMappingResponse(_message.Message):
    __slots__ = ("source",)
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    source: Source
    def __init__(self, source: _Optional[_Union[Source, _Mapping]] = ...) -> None: ...

class ImportSourceMetadataRequest(_message.Message):
    __slots__ = ("organization", "dry_run")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    organization: str
    dry_run: bool
    def __init__(self, organization: _Optional[str] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class ImportSourceMetadataResponse(_message.Message):
    __slots__ = ("added", "changed", "unchanged", "notes", "unmapped", "kept")
    ADDED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    UNMAPPED_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    added: _containers.RepeatedScalarFieldContainer[str]
    changed: _containers.RepeatedScalarFieldContainer[str]
    unchanged: _containers.RepeatedScalarFieldContainer[str]
    notes: _containers.RepeatedScalarFieldContainer[str]
    unmapped: _containers.RepeatedCompositeFieldContainer[SourceUnmapped]
    kept: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, added: _Optional[_Iterable[str]] = ..., changed: _Optional[_Iterable[str]] = ..., unchanged: _Optional[_Iterable[str]] = ..., notes: _Optional[_Iterable[str]] = ..., unmapped: _Optional[_Iterable[_Union[SourceUnmapped, _Mapping]]] = ..., kept: _Optional[_Iterable[str]] = ...) -> None: ...

class SourceUnmapped(_message.Message):
    __slots__ = ("subject", "why")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    subject: str
    why: str
    def __init__(self, subject: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class PauseSourceRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class PauseSourceResponse(_message.Message):
    __slots__ = ("source",)
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    source: Source
    def __init__(self, source: _Optional[_Union[Source, _Mapping]] = ...) -> None: ...

class ResumeSourceRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class ResumeSourceResponse(_message.Message):
    __slots__ = ("source",)
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    source: Source
    def __init__(self, source: _Optional[_Union[Source, _Mapping]] = ...) -> None: ...

class ResyncEntityRequest(_message.Message):
    __slots__ = ("organization", "entity")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    organization: str
    entity: str
    def __init__(self, organization: _Optional[str] = ..., entity: _Optional[str] = ...) -> None: ...

class ResyncEntityResponse(_message.Message):
    __slots__ = ("item",)
    ITEM_FIELD_NUMBER: _ClassVar[int]
    item: _work_pb2.WorkItem
    def __init__(self, item: _Optional[_Union[_work_pb2.WorkItem, _Mapping]] = ...) -> None: ...

class SourceStatus(_message.Message):
    __slots__ = ("organization", "kind", "paused", "entities", "queued_writes", "oldest_queued_at_us", "write_error", "checked_at_us", "brought", "kept")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    QUEUED_WRITES_FIELD_NUMBER: _ClassVar[int]
    OLDEST_QUEUED_AT_US_FIELD_NUMBER: _ClassVar[int]
    WRITE_ERROR_FIELD_NUMBER: _ClassVar[int]
    CHECKED_AT_US_FIELD_NUMBER: _ClassVar[int]
    BROUGHT_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    organization: str
    kind: str
    paused: bool
    entities: _containers.RepeatedCompositeFieldContainer[EntityFeed]
    queued_writes: int
    oldest_queued_at_us: int
    write_error: str
    checked_at_us: int
    brought: _containers.RepeatedScalarFieldContainer[str]
    kept: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, organization: _Optional[str] = ..., kind: _Optional[str] = ..., paused: _Optional[bool] = ..., entities: _Optional[_Iterable[_Union[EntityFeed, _Mapping]]] = ..., queued_writes: _Optional[int] = ..., oldest_queued_at_us: _Optional[int] = ..., write_error: _Optional[str] = ..., checked_at_us: _Optional[int] = ..., brought: _Optional[_Iterable[str]] = ..., kept: _Optional[_Iterable[str]] = ...) -> None: ...

class EntityFeed(_message.Message):
    __slots__ = ("entity", "item", "state", "mode", "position", "lag_seconds", "rows", "rows_done", "rows_total", "changes", "next_run_at_us", "heard_at_us", "error", "error_reason", "left_out")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    LAG_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    ROWS_DONE_FIELD_NUMBER: _ClassVar[int]
    ROWS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_RUN_AT_US_FIELD_NUMBER: _ClassVar[int]
    HEARD_AT_US_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    entity: str
    item: int
    state: _work_pb2.WorkItemState
    mode: str
    position: str
    lag_seconds: float
    rows: int
    rows_done: int
    rows_total: int
    changes: int
    next_run_at_us: int
    heard_at_us: int
    error: str
    error_reason: _error_pb2.ErrorReason
    left_out: _containers.RepeatedCompositeFieldContainer[LeftOut]
    def __init__(self, entity: _Optional[str] = ..., item: _Optional[int] = ..., state: _Optional[_Union[_work_pb2.WorkItemState, str]] = ..., mode: _Optional[str] = ..., position: _Optional[str] = ..., lag_seconds: _Optional[float] = ..., rows: _Optional[int] = ..., rows_done: _Optional[int] = ..., rows_total: _Optional[int] = ..., changes: _Optional[int] = ..., next_run_at_us: _Optional[int] = ..., heard_at_us: _Optional[int] = ..., error: _Optional[str] = ..., error_reason: _Optional[_Union[_error_pb2.ErrorReason, str]] = ..., left_out: _Optional[_Iterable[_Union[LeftOut, _Mapping]]] = ...) -> None: ...

class LeftOut(_message.Message):
    __slots__ = ("why", "count")
    WHY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    why: str
    count: int
    def __init__(self, why: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class GetSourceStatusRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class GetSourceStatusResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: SourceStatus
    def __init__(self, status: _Optional[_Union[SourceStatus, _Mapping]] = ...) -> None: ...

class WatchSourceStatusRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class WatchSourceStatusResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: SourceStatus
    def __init__(self, status: _Optional[_Union[SourceStatus, _Mapping]] = ...) -> None: ...

class RotateSourceKeyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RotateSourceKeyResponse(_message.Message):
    __slots__ = ("sources",)
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    sources: int
    def __init__(self, sources: _Optional[int] = ...) -> None: ...

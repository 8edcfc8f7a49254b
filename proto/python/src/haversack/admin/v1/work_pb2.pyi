from haversack.error.v1 import error_pb2 as _error_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WorkItemState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WORK_ITEM_STATE_UNSPECIFIED: _ClassVar[WorkItemState]
    WORK_ITEM_STATE_WAITING: _ClassVar[WorkItemState]
    WORK_ITEM_STATE_RUNNING: _ClassVar[WorkItemState]
    WORK_ITEM_STATE_RETRYING: _ClassVar[WorkItemState]
    WORK_ITEM_STATE_DEAD: _ClassVar[WorkItemState]
WORK_ITEM_STATE_UNSPECIFIED: WorkItemState
WORK_ITEM_STATE_WAITING: WorkItemState
WORK_ITEM_STATE_RUNNING: WorkItemState
WORK_ITEM_STATE_RETRYING: WorkItemState
WORK_ITEM_STATE_DEAD: WorkItemState

class WorkItem(_message.Message):
    __slots__ = ("number", "organization", "entity", "source", "state", "interval_seconds", "next_run_at_us", "attempt", "worker", "last_run", "totals", "error", "error_reason")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_RUN_AT_US_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    LAST_RUN_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    number: int
    organization: str
    entity: str
    source: str
    state: WorkItemState
    interval_seconds: int
    next_run_at_us: int
    attempt: int
    worker: str
    last_run: WorkRun
    totals: WorkTotals
    error: str
    error_reason: _error_pb2.ErrorReason
    def __init__(self, number: _Optional[int] = ..., organization: _Optional[str] = ..., entity: _Optional[str] = ..., source: _Optional[str] = ..., state: _Optional[_Union[WorkItemState, str]] = ..., interval_seconds: _Optional[int] = ..., next_run_at_us: _Optional[int] = ..., attempt: _Optional[int] = ..., worker: _Optional[str] = ..., last_run: _Optional[_Union[WorkRun, _Mapping]] = ..., totals: _Optional[_Union[WorkTotals, _Mapping]] = ..., error: _Optional[str] = ..., error_reason: _Optional[_Union[_error_pb2.ErrorReason, str]] = ...) -> None: ...

class WorkRun(_message.Message):
    __slots__ = ("started_at_us", "ended_at_us", "counts")
    STARTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_US_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    started_at_us: int
    ended_at_us: int
    counts: WorkCounts
    def __init__(self, started_at_us: _Optional[int] = ..., ended_at_us: _Optional[int] = ..., counts: _Optional[_Union[WorkCounts, _Mapping]] = ...) -> None: ...

class WorkTotals(_message.Message):
    __slots__ = ("runs", "failures", "counts")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    runs: int
    failures: int
    counts: WorkCounts
    def __init__(self, runs: _Optional[int] = ..., failures: _Optional[int] = ..., counts: _Optional[_Union[WorkCounts, _Mapping]] = ...) -> None: ...

class WorkCounts(_message.Message):
    __slots__ = ("read", "inserted", "updated", "deleted", "unchanged", "bytes")
    READ_FIELD_NUMBER: _ClassVar[int]
    INSERTED_FIELD_NUMBER: _ClassVar[int]
    UPDATED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    read: int
    inserted: int
    updated: int
    deleted: int
    unchanged: int
    bytes: int
    def __init__(self, read: _Optional[int] = ..., inserted: _Optional[int] = ..., updated: _Optional[int] = ..., deleted: _Optional[int] = ..., unchanged: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class ListWorkItemsRequest(_message.Message):
    __slots__ = ("organization", "entity", "state", "offset", "count")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    organization: str
    entity: str
    state: WorkItemState
    offset: int
    count: int
    def __init__(self, organization: _Optional[str] = ..., entity: _Optional[str] = ..., state: _Optional[_Union[WorkItemState, str]] = ..., offset: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class ListWorkItemsResponse(_message.Message):
    __slots__ = ("items", "total", "checked_at_us")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    CHECKED_AT_US_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[WorkItem]
    total: int
    checked_at_us: int
    def __init__(self, items: _Optional[_Iterable[_Union[WorkItem, _Mapping]]] = ..., total: _Optional[int] = ..., checked_at_us: _Optional[int] = ...) -> None: ...

class GetWorkItemRequest(_message.Message):
    __slots__ = ("organization", "number")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    organization: str
    number: int
    def __init__(self, organization: _Optional[str] = ..., number: _Optional[int] = ...) -> None: ...

class GetWorkItemResponse(_message.Message):
    __slots__ = ("item", "checked_at_us")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    CHECKED_AT_US_FIELD_NUMBER: _ClassVar[int]
    item: WorkItem
    checked_at_us: int
    def __init__(self, item: _Optional[_Union[WorkItem, _Mapping]] = ..., checked_at_us: _Optional[int] = ...) -> None: ...

class RetryWorkItemRequest(_message.Message):
    __slots__ = ("organization", "number")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    organization: str
    number: int
    def __init__(self, organization: _Optional[str] = ..., number: _Optional[int] = ...) -> None: ...

class RetryWorkItemResponse(_message.Message):
    __slots__ = ("item",)
    ITEM_FIELD_NUMBER: _ClassVar[int]
    item: WorkItem
    def __init__(self, item: _Optional[_Union[WorkItem, _Mapping]] = ...) -> None: ...

class RunWorkItemRequest(_message.Message):
    __slots__ = ("organization", "number")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    organization: str
    number: int
    def __init__(self, organization: _Optional[str] = ..., number: _Optional[int] = ...) -> None: ...

class RunWorkItemResponse(_message.Message):
    __slots__ = ("item",)
    ITEM_FIELD_NUMBER: _ClassVar[int]
    item: WorkItem
    def __init__(self, item: _Optional[_Union[WorkItem, _Mapping]] = ...) -> None: ...

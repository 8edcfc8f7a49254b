from haversack.error.v1 import error_pb2 as _error_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReportRequest(_message.Message):
    __slots__ = ("install_id", "app", "client", "report", "wiped")
    INSTALL_ID_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    WIPED_FIELD_NUMBER: _ClassVar[int]
    install_id: bytes
    app: str
    client: str
    report: DeviceReport
    wiped: bool
    def __init__(self, install_id: _Optional[bytes] = ..., app: _Optional[str] = ..., client: _Optional[str] = ..., report: _Optional[_Union[DeviceReport, _Mapping]] = ..., wiped: _Optional[bool] = ...) -> None: ...

class ReportResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DeviceReport(_message.Message):
    __slots__ = ("app_version", "platform", "model_version", "stage", "rows", "bytes", "pending", "refused", "error_reason", "error_message", "error_at_us", "clock_us")
    APP_VERSION_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_AT_US_FIELD_NUMBER: _ClassVar[int]
    CLOCK_US_FIELD_NUMBER: _ClassVar[int]
    app_version: str
    platform: str
    model_version: int
    stage: int
    rows: int
    bytes: int
    pending: int
    refused: int
    error_reason: _error_pb2.ErrorReason
    error_message: str
    error_at_us: int
    clock_us: int
    def __init__(self, app_version: _Optional[str] = ..., platform: _Optional[str] = ..., model_version: _Optional[int] = ..., stage: _Optional[int] = ..., rows: _Optional[int] = ..., bytes: _Optional[int] = ..., pending: _Optional[int] = ..., refused: _Optional[int] = ..., error_reason: _Optional[_Union[_error_pb2.ErrorReason, str]] = ..., error_message: _Optional[str] = ..., error_at_us: _Optional[int] = ..., clock_us: _Optional[int] = ...) -> None: ...

from haversack.sync.v1 import report_pb2 as _report_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DeviceStanding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEVICE_STANDING_UNSPECIFIED: _ClassVar[DeviceStanding]
    DEVICE_STANDING_ADMITTED: _ClassVar[DeviceStanding]
    DEVICE_STANDING_BLOCKED: _ClassVar[DeviceStanding]
    DEVICE_STANDING_WIPE_PENDING: _ClassVar[DeviceStanding]
    DEVICE_STANDING_WIPED: _ClassVar[DeviceStanding]
DEVICE_STANDING_UNSPECIFIED: DeviceStanding
DEVICE_STANDING_ADMITTED: DeviceStanding
DEVICE_STANDING_BLOCKED: DeviceStanding
DEVICE_STANDING_WIPE_PENDING: DeviceStanding
DEVICE_STANDING_WIPED: DeviceStanding

class Device(_message.Message):
    __slots__ = ("install", "user", "user_name", "app", "client", "report", "first_seen_us", "last_seen_us", "checkpoint_lsn", "checkpoint_at_us", "full_syncs", "standing", "reason", "ordered_at_us", "wiped_at_us", "offers_outbox", "check_ordered_at_us", "checked_at_us")
    INSTALL_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    USER_NAME_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEEN_US_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_US_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_LSN_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_AT_US_FIELD_NUMBER: _ClassVar[int]
    FULL_SYNCS_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ORDERED_AT_US_FIELD_NUMBER: _ClassVar[int]
    WIPED_AT_US_FIELD_NUMBER: _ClassVar[int]
    OFFERS_OUTBOX_FIELD_NUMBER: _ClassVar[int]
    CHECK_ORDERED_AT_US_FIELD_NUMBER: _ClassVar[int]
    CHECKED_AT_US_FIELD_NUMBER: _ClassVar[int]
    install: str
    user: str
    user_name: str
    app: str
    client: str
    report: _report_pb2.DeviceReport
    first_seen_us: int
    last_seen_us: int
    checkpoint_lsn: int
    checkpoint_at_us: int
    full_syncs: int
    standing: DeviceStanding
    reason: str
    ordered_at_us: int
    wiped_at_us: int
    offers_outbox: bool
    check_ordered_at_us: int
    checked_at_us: int
    def __init__(self, install: _Optional[str] = ..., user: _Optional[str] = ..., user_name: _Optional[str] = ..., app: _Optional[str] = ..., client: _Optional[str] = ..., report: _Optional[_Union[_report_pb2.DeviceReport, _Mapping]] = ..., first_seen_us: _Optional[int] = ..., last_seen_us: _Optional[int] = ..., checkpoint_lsn: _Optional[int] = ..., checkpoint_at_us: _Optional[int] = ..., full_syncs: _Optional[int] = ..., standing: _Optional[_Union[DeviceStanding, str]] = ..., reason: _Optional[str] = ..., ordered_at_us: _Optional[int] = ..., wiped_at_us: _Optional[int] = ..., offers_outbox: _Optional[bool] = ..., check_ordered_at_us: _Optional[int] = ..., checked_at_us: _Optional[int] = ...) -> None: ...

class ListDevicesRequest(_message.Message):
    __slots__ = ("organization", "user", "app", "stage", "with_error", "standing", "not_seen_since_us", "count", "page_token")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    WITH_ERROR_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    NOT_SEEN_SINCE_US_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    organization: str
    user: str
    app: str
    stage: int
    with_error: bool
    standing: DeviceStanding
    not_seen_since_us: int
    count: int
    page_token: str
    def __init__(self, organization: _Optional[str] = ..., user: _Optional[str] = ..., app: _Optional[str] = ..., stage: _Optional[int] = ..., with_error: _Optional[bool] = ..., standing: _Optional[_Union[DeviceStanding, str]] = ..., not_seen_since_us: _Optional[int] = ..., count: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDevicesResponse(_message.Message):
    __slots__ = ("devices", "next_page_token")
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    next_page_token: str
    def __init__(self, devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetDeviceRequest(_message.Message):
    __slots__ = ("organization", "install", "user")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    INSTALL_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    organization: str
    install: str
    user: str
    def __init__(self, organization: _Optional[str] = ..., install: _Optional[str] = ..., user: _Optional[str] = ...) -> None: ...

class GetDeviceResponse(_message.Message):
    __slots__ = ("devices",)
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    def __init__(self, devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ...) -> None: ...

class ForceFullCheckRequest(_message.Message):
    __slots__ = ("organization", "install", "user")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    INSTALL_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    organization: str
    install: str
    user: str
    def __init__(self, organization: _Optional[str] = ..., install: _Optional[str] = ..., user: _Optional[str] = ...) -> None: ...

class ForceFullCheckResponse(_message.Message):
    __slots__ = ("devices",)
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    def __init__(self, devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ...) -> None: ...

class BlockDeviceRequest(_message.Message):
    __slots__ = ("organization", "install", "user", "reason")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    INSTALL_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    organization: str
    install: str
    user: str
    reason: str
    def __init__(self, organization: _Optional[str] = ..., install: _Optional[str] = ..., user: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class BlockDeviceResponse(_message.Message):
    __slots__ = ("devices",)
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    def __init__(self, devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ...) -> None: ...

class UnblockDeviceRequest(_message.Message):
    __slots__ = ("organization", "install", "user")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    INSTALL_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    organization: str
    install: str
    user: str
    def __init__(self, organization: _Optional[str] = ..., install: _Optional[str] = ..., user: _Optional[str] = ...) -> None: ...

class UnblockDeviceResponse(_message.Message):
    __slots__ = ("devices",)
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    def __init__(self, devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ...) -> None: ...

class WipeDeviceRequest(_message.Message):
    __slots__ = ("organization", "install", "user", "reason")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    INSTALL_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    organization: str
    install: str
    user: str
    reason: str
    def __init__(self, organization: _Optional[str] = ..., install: _Optional[str] = ..., user: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class WipeDeviceResponse(_message.Message):
    __slots__ = ("devices",)
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    def __init__(self, devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ...) -> None: ...

class CancelWipeRequest(_message.Message):
    __slots__ = ("organization", "install", "user")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    INSTALL_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    organization: str
    install: str
    user: str
    def __init__(self, organization: _Optional[str] = ..., install: _Optional[str] = ..., user: _Optional[str] = ...) -> None: ...

class CancelWipeResponse(_message.Message):
    __slots__ = ("devices",)
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    def __init__(self, devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ...) -> None: ...

class ForgetDeviceRequest(_message.Message):
    __slots__ = ("organization", "install", "user")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    INSTALL_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    organization: str
    install: str
    user: str
    def __init__(self, organization: _Optional[str] = ..., install: _Optional[str] = ..., user: _Optional[str] = ...) -> None: ...

class ForgetDeviceResponse(_message.Message):
    __slots__ = ("devices",)
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    def __init__(self, devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ...) -> None: ...

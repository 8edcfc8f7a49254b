from haversack.model.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AppSummary(_message.Message):
    __slots__ = ("app", "changed", "unpublished_profiles")
    APP_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    UNPUBLISHED_PROFILES_FIELD_NUMBER: _ClassVar[int]
    app: _model_pb2.App
    changed: bool
    unpublished_profiles: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, app: _Optional[_Union[_model_pb2.App, _Mapping]] = ..., changed: _Optional[bool] = ..., unpublished_profiles: _Optional[_Iterable[str]] = ...) -> None: ...

class SaveAppRequest(_message.Message):
    __slots__ = ("organization", "app")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    organization: str
    app: _model_pb2.App
    def __init__(self, organization: _Optional[str] = ..., app: _Optional[_Union[_model_pb2.App, _Mapping]] = ...) -> None: ...

class SaveAppResponse(_message.Message):
    __slots__ = ("summary",)
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    summary: AppSummary
    def __init__(self, summary: _Optional[_Union[AppSummary, _Mapping]] = ...) -> None: ...

class GetAppRequest(_message.Message):
    __slots__ = ("organization", "name")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    organization: str
    name: str
    def __init__(self, organization: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class GetAppResponse(_message.Message):
    __slots__ = ("summary",)
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    summary: AppSummary
    def __init__(self, summary: _Optional[_Union[AppSummary, _Mapping]] = ...) -> None: ...

class ListAppsRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class ListAppsResponse(_message.Message):
    __slots__ = ("apps",)
    APPS_FIELD_NUMBER: _ClassVar[int]
    apps: _containers.RepeatedCompositeFieldContainer[AppSummary]
    def __init__(self, apps: _Optional[_Iterable[_Union[AppSummary, _Mapping]]] = ...) -> None: ...

class DeleteAppRequest(_message.Message):
    __slots__ = ("organization", "name")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    organization: str
    name: str
    def __init__(self, organization: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class DeleteAppResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

from haversack.model.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExportSolutionRequest(_message.Message):
    __slots__ = ("organization", "profiles", "with_metadata", "unique_name", "version", "publisher", "prefix")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    WITH_METADATA_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    organization: str
    profiles: _containers.RepeatedScalarFieldContainer[str]
    with_metadata: bool
    unique_name: str
    version: str
    publisher: str
    prefix: str
    def __init__(self, organization: _Optional[str] = ..., profiles: _Optional[_Iterable[str]] = ..., with_metadata: _Optional[bool] = ..., unique_name: _Optional[str] = ..., version: _Optional[str] = ..., publisher: _Optional[str] = ..., prefix: _Optional[str] = ...) -> None: ...

class ExportSolutionResponse(_message.Message):
    __slots__ = ("content", "unique_name", "profiles", "entities", "notes")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_NAME_FIELD_NUMBER: _ClassVar[int]
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    unique_name: str
    profiles: _containers.RepeatedScalarFieldContainer[str]
    entities: _containers.RepeatedScalarFieldContainer[str]
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, content: _Optional[bytes] = ..., unique_name: _Optional[str] = ..., profiles: _Optional[_Iterable[str]] = ..., entities: _Optional[_Iterable[str]] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class ImportSolutionRequest(_message.Message):
    __slots__ = ("organization", "content", "with_metadata", "enable_entities", "dry_run")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    WITH_METADATA_FIELD_NUMBER: _ClassVar[int]
    ENABLE_ENTITIES_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    organization: str
    content: bytes
    with_metadata: bool
    enable_entities: bool
    dry_run: bool
    def __init__(self, organization: _Optional[str] = ..., content: _Optional[bytes] = ..., with_metadata: _Optional[bool] = ..., enable_entities: _Optional[bool] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class ImportSolutionResponse(_message.Message):
    __slots__ = ("unique_name", "version", "profiles", "added", "changed", "enabled", "notes")
    UNIQUE_NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    unique_name: str
    version: str
    profiles: _containers.RepeatedCompositeFieldContainer[ImportedProfile]
    added: _containers.RepeatedScalarFieldContainer[str]
    changed: _containers.RepeatedScalarFieldContainer[str]
    enabled: _containers.RepeatedScalarFieldContainer[str]
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, unique_name: _Optional[str] = ..., version: _Optional[str] = ..., profiles: _Optional[_Iterable[_Union[ImportedProfile, _Mapping]]] = ..., added: _Optional[_Iterable[str]] = ..., changed: _Optional[_Iterable[str]] = ..., enabled: _Optional[_Iterable[str]] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class ImportedProfile(_message.Message):
    __slots__ = ("profile", "replaces", "warnings")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    REPLACES_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    profile: _model_pb2.Profile
    replaces: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, profile: _Optional[_Union[_model_pb2.Profile, _Mapping]] = ..., replaces: _Optional[bool] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

from haversack.admin.v1 import questions_pb2 as _questions_pb2
from haversack.model.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ImportMetadataRequest(_message.Message):
    __slots__ = ("organization", "documents")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    organization: str
    documents: _containers.RepeatedCompositeFieldContainer[MetadataDocument]
    def __init__(self, organization: _Optional[str] = ..., documents: _Optional[_Iterable[_Union[MetadataDocument, _Mapping]]] = ...) -> None: ...

class MetadataDocument(_message.Message):
    __slots__ = ("name", "content")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    content: bytes
    def __init__(self, name: _Optional[str] = ..., content: _Optional[bytes] = ...) -> None: ...

class ImportMetadataResponse(_message.Message):
    __slots__ = ("added", "changed", "unchanged", "notes")
    ADDED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    added: _containers.RepeatedScalarFieldContainer[str]
    changed: _containers.RepeatedScalarFieldContainer[str]
    unchanged: _containers.RepeatedScalarFieldContainer[str]
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, added: _Optional[_Iterable[str]] = ..., changed: _Optional[_Iterable[str]] = ..., unchanged: _Optional[_Iterable[str]] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class ListEntitiesRequest(_message.Message):
    __slots__ = ("organization", "offline_only")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    OFFLINE_ONLY_FIELD_NUMBER: _ClassVar[int]
    organization: str
    offline_only: bool
    def __init__(self, organization: _Optional[str] = ..., offline_only: _Optional[bool] = ...) -> None: ...

class ListEntitiesResponse(_message.Message):
    __slots__ = ("entities", "not_mobile")
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    NOT_MOBILE_FIELD_NUMBER: _ClassVar[int]
    entities: _containers.RepeatedCompositeFieldContainer[_model_pb2.Entity]
    not_mobile: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, entities: _Optional[_Iterable[_Union[_model_pb2.Entity, _Mapping]]] = ..., not_mobile: _Optional[_Iterable[str]] = ...) -> None: ...

class GetEntityRequest(_message.Message):
    __slots__ = ("organization", "entity")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    organization: str
    entity: str
    def __init__(self, organization: _Optional[str] = ..., entity: _Optional[str] = ...) -> None: ...

class GetEntityResponse(_message.Message):
    __slots__ = ("entity", "relationships", "mobile")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    RELATIONSHIPS_FIELD_NUMBER: _ClassVar[int]
    MOBILE_FIELD_NUMBER: _ClassVar[int]
    entity: _model_pb2.Entity
    relationships: _containers.RepeatedCompositeFieldContainer[_model_pb2.Relationship]
    mobile: bool
    def __init__(self, entity: _Optional[_Union[_model_pb2.Entity, _Mapping]] = ..., relationships: _Optional[_Iterable[_Union[_model_pb2.Relationship, _Mapping]]] = ..., mobile: _Optional[bool] = ...) -> None: ...

class EnableEntityRequest(_message.Message):
    __slots__ = ("organization", "entity", "organization_filter")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FILTER_FIELD_NUMBER: _ClassVar[int]
    organization: str
    entity: str
    organization_filter: str
    def __init__(self, organization: _Optional[str] = ..., entity: _Optional[str] = ..., organization_filter: _Optional[str] = ...) -> None: ...

class EnableEntityResponse(_message.Message):
    __slots__ = ("entity",)
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    entity: _model_pb2.Entity
    def __init__(self, entity: _Optional[_Union[_model_pb2.Entity, _Mapping]] = ...) -> None: ...

class SetOrganizationFilterRequest(_message.Message):
    __slots__ = ("organization", "entity", "organization_filter")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FILTER_FIELD_NUMBER: _ClassVar[int]
    organization: str
    entity: str
    organization_filter: str
    def __init__(self, organization: _Optional[str] = ..., entity: _Optional[str] = ..., organization_filter: _Optional[str] = ...) -> None: ...

class SetOrganizationFilterResponse(_message.Message):
    __slots__ = ("entity",)
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    entity: _model_pb2.Entity
    def __init__(self, entity: _Optional[_Union[_model_pb2.Entity, _Mapping]] = ...) -> None: ...

class DisableEntityRequest(_message.Message):
    __slots__ = ("organization", "entity", "force")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    organization: str
    entity: str
    force: bool
    def __init__(self, organization: _Optional[str] = ..., entity: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class DisableEntityResponse(_message.Message):
    __slots__ = ("entity", "profiles", "drafts", "effect")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    DRAFTS_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    entity: _model_pb2.Entity
    profiles: _containers.RepeatedScalarFieldContainer[str]
    drafts: _containers.RepeatedScalarFieldContainer[str]
    effect: DeviceEffect
    def __init__(self, entity: _Optional[_Union[_model_pb2.Entity, _Mapping]] = ..., profiles: _Optional[_Iterable[str]] = ..., drafts: _Optional[_Iterable[str]] = ..., effect: _Optional[_Union[DeviceEffect, _Mapping]] = ...) -> None: ...

class DeviceEffect(_message.Message):
    __slots__ = ("user_count", "changed_count", "gained", "lost", "metadata", "not_told")
    USER_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    GAINED_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    NOT_TOLD_FIELD_NUMBER: _ClassVar[int]
    user_count: int
    changed_count: int
    gained: _questions_pb2.Amount
    lost: _questions_pb2.Amount
    metadata: _containers.RepeatedCompositeFieldContainer[MetadataEffect]
    not_told: str
    def __init__(self, user_count: _Optional[int] = ..., changed_count: _Optional[int] = ..., gained: _Optional[_Union[_questions_pb2.Amount, _Mapping]] = ..., lost: _Optional[_Union[_questions_pb2.Amount, _Mapping]] = ..., metadata: _Optional[_Iterable[_Union[MetadataEffect, _Mapping]]] = ..., not_told: _Optional[str] = ...) -> None: ...

class MetadataEffect(_message.Message):
    __slots__ = ("entity", "profiles", "columns_added", "columns_changed", "columns_removed")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_ADDED_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_REMOVED_FIELD_NUMBER: _ClassVar[int]
    entity: str
    profiles: _containers.RepeatedScalarFieldContainer[str]
    columns_added: _containers.RepeatedScalarFieldContainer[str]
    columns_changed: _containers.RepeatedScalarFieldContainer[str]
    columns_removed: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, entity: _Optional[str] = ..., profiles: _Optional[_Iterable[str]] = ..., columns_added: _Optional[_Iterable[str]] = ..., columns_changed: _Optional[_Iterable[str]] = ..., columns_removed: _Optional[_Iterable[str]] = ...) -> None: ...

class PublishCustomizationsRequest(_message.Message):
    __slots__ = ("organization", "note", "dry_run")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    organization: str
    note: str
    dry_run: bool
    def __init__(self, organization: _Optional[str] = ..., note: _Optional[str] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class PublishCustomizationsResponse(_message.Message):
    __slots__ = ("changes", "effect", "revision", "lsn")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    LSN_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedScalarFieldContainer[str]
    effect: DeviceEffect
    revision: int
    lsn: int
    def __init__(self, changes: _Optional[_Iterable[str]] = ..., effect: _Optional[_Union[DeviceEffect, _Mapping]] = ..., revision: _Optional[int] = ..., lsn: _Optional[int] = ...) -> None: ...

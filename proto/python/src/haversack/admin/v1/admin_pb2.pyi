from haversack.admin.v1 import provisioning_pb2 as _provisioning_pb2
from haversack.error.v1 import error_pb2 as _error_pb2
from haversack.model.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OrganizationKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORGANIZATION_KIND_UNSPECIFIED: _ClassVar[OrganizationKind]
    ORGANIZATION_KIND_PRODUCTION: _ClassVar[OrganizationKind]
    ORGANIZATION_KIND_TRIAL: _ClassVar[OrganizationKind]
    ORGANIZATION_KIND_PREVIEW: _ClassVar[OrganizationKind]
    ORGANIZATION_KIND_SANDBOX: _ClassVar[OrganizationKind]

class IngestFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INGEST_FORMAT_UNSPECIFIED: _ClassVar[IngestFormat]
    INGEST_FORMAT_CSV: _ClassVar[IngestFormat]
    INGEST_FORMAT_JSON_LINES: _ClassVar[IngestFormat]

class IngestAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INGEST_ACTION_UNSPECIFIED: _ClassVar[IngestAction]
    INGEST_ACTION_UPSERT: _ClassVar[IngestAction]
    INGEST_ACTION_PATCH: _ClassVar[IngestAction]
    INGEST_ACTION_DELETE: _ClassVar[IngestAction]
ORGANIZATION_KIND_UNSPECIFIED: OrganizationKind
ORGANIZATION_KIND_PRODUCTION: OrganizationKind
ORGANIZATION_KIND_TRIAL: OrganizationKind
ORGANIZATION_KIND_PREVIEW: OrganizationKind
ORGANIZATION_KIND_SANDBOX: OrganizationKind
INGEST_FORMAT_UNSPECIFIED: IngestFormat
INGEST_FORMAT_CSV: IngestFormat
INGEST_FORMAT_JSON_LINES: IngestFormat
INGEST_ACTION_UNSPECIFIED: IngestAction
INGEST_ACTION_UPSERT: IngestAction
INGEST_ACTION_PATCH: IngestAction
INGEST_ACTION_DELETE: IngestAction

class Organization(_message.Message):
    __slots__ = ("name", "settings", "revision", "lsn", "epoch", "rows", "kind", "region", "provisioning", "records")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    LSN_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    PROVISIONING_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    settings: _model_pb2.Settings
    revision: int
    lsn: int
    epoch: bytes
    rows: _containers.RepeatedCompositeFieldContainer[EntityRows]
    kind: OrganizationKind
    region: str
    provisioning: _provisioning_pb2.ProvisioningState
    records: _containers.RepeatedCompositeFieldContainer[EntityRows]
    def __init__(self, name: _Optional[str] = ..., settings: _Optional[_Union[_model_pb2.Settings, _Mapping]] = ..., revision: _Optional[int] = ..., lsn: _Optional[int] = ..., epoch: _Optional[bytes] = ..., rows: _Optional[_Iterable[_Union[EntityRows, _Mapping]]] = ..., kind: _Optional[_Union[OrganizationKind, str]] = ..., region: _Optional[str] = ..., provisioning: _Optional[_Union[_provisioning_pb2.ProvisioningState, str]] = ..., records: _Optional[_Iterable[_Union[EntityRows, _Mapping]]] = ...) -> None: ...

class EntityRows(_message.Message):
    __slots__ = ("entity", "rows", "bytes")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    entity: str
    rows: int
    bytes: int
    def __init__(self, entity: _Optional[str] = ..., rows: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class CreateOrganizationRequest(_message.Message):
    __slots__ = ("name", "settings", "kind", "region")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    name: str
    settings: _model_pb2.Settings
    kind: OrganizationKind
    region: str
    def __init__(self, name: _Optional[str] = ..., settings: _Optional[_Union[_model_pb2.Settings, _Mapping]] = ..., kind: _Optional[_Union[OrganizationKind, str]] = ..., region: _Optional[str] = ...) -> None: ...

class CreateOrganizationResponse(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: Organization
    def __init__(self, organization: _Optional[_Union[Organization, _Mapping]] = ...) -> None: ...

class GetOrganizationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetOrganizationResponse(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: Organization
    def __init__(self, organization: _Optional[_Union[Organization, _Mapping]] = ...) -> None: ...

class ListOrganizationsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListOrganizationsResponse(_message.Message):
    __slots__ = ("organizations",)
    ORGANIZATIONS_FIELD_NUMBER: _ClassVar[int]
    organizations: _containers.RepeatedCompositeFieldContainer[Organization]
    def __init__(self, organizations: _Optional[_Iterable[_Union[Organization, _Mapping]]] = ...) -> None: ...

class SetSettingsRequest(_message.Message):
    __slots__ = ("organization", "settings")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    organization: str
    settings: _model_pb2.Settings
    def __init__(self, organization: _Optional[str] = ..., settings: _Optional[_Union[_model_pb2.Settings, _Mapping]] = ...) -> None: ...

class SetSettingsResponse(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: Organization
    def __init__(self, organization: _Optional[_Union[Organization, _Mapping]] = ...) -> None: ...

class MoveOrganizationRequest(_message.Message):
    __slots__ = ("organization", "region")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    region: str
    def __init__(self, organization: _Optional[str] = ..., region: _Optional[str] = ...) -> None: ...

class MoveOrganizationResponse(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: Organization
    def __init__(self, organization: _Optional[_Union[Organization, _Mapping]] = ...) -> None: ...

class IngestRequest(_message.Message):
    __slots__ = ("header", "data")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    header: IngestHeader
    data: bytes
    def __init__(self, header: _Optional[_Union[IngestHeader, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class IngestHeader(_message.Message):
    __slots__ = ("organization", "entity", "format", "action", "atomic", "file_name")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ATOMIC_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    organization: str
    entity: str
    format: IngestFormat
    action: IngestAction
    atomic: bool
    file_name: str
    def __init__(self, organization: _Optional[str] = ..., entity: _Optional[str] = ..., format: _Optional[_Union[IngestFormat, str]] = ..., action: _Optional[_Union[IngestAction, str]] = ..., atomic: _Optional[bool] = ..., file_name: _Optional[str] = ...) -> None: ...

class IngestResponse(_message.Message):
    __slots__ = ("read", "inserted", "updated", "deleted", "unchanged", "rejected", "errors", "lsn", "bytes")
    READ_FIELD_NUMBER: _ClassVar[int]
    INSERTED_FIELD_NUMBER: _ClassVar[int]
    UPDATED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    LSN_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    read: int
    inserted: int
    updated: int
    deleted: int
    unchanged: int
    rejected: int
    errors: _containers.RepeatedCompositeFieldContainer[RowError]
    lsn: int
    bytes: int
    def __init__(self, read: _Optional[int] = ..., inserted: _Optional[int] = ..., updated: _Optional[int] = ..., deleted: _Optional[int] = ..., unchanged: _Optional[int] = ..., rejected: _Optional[int] = ..., errors: _Optional[_Iterable[_Union[RowError, _Mapping]]] = ..., lsn: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class RowError(_message.Message):
    __slots__ = ("file_name", "line", "attribute", "message", "reason")
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    file_name: str
    line: int
    attribute: str
    message: str
    reason: _error_pb2.ErrorReason
    def __init__(self, file_name: _Optional[str] = ..., line: _Optional[int] = ..., attribute: _Optional[str] = ..., message: _Optional[str] = ..., reason: _Optional[_Union[_error_pb2.ErrorReason, str]] = ...) -> None: ...

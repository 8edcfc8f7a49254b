from haversack.admin.v1 import source_pb2 as _source_pb2
from haversack.error.v1 import error_pb2 as _error_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProvisioningState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROVISIONING_STATE_UNSPECIFIED: _ClassVar[ProvisioningState]
    PROVISIONING_STATE_NOT_PROVISIONED: _ClassVar[ProvisioningState]
    PROVISIONING_STATE_PROVISIONING: _ClassVar[ProvisioningState]
    PROVISIONING_STATE_STOPPING: _ClassVar[ProvisioningState]
    PROVISIONING_STATE_PROVISIONING_FAILED: _ClassVar[ProvisioningState]
    PROVISIONING_STATE_PROVISIONED: _ClassVar[ProvisioningState]
    PROVISIONING_STATE_DEPROVISIONING: _ClassVar[ProvisioningState]
    PROVISIONING_STATE_DEPROVISIONING_FAILED: _ClassVar[ProvisioningState]

class OperationKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OPERATION_KIND_UNSPECIFIED: _ClassVar[OperationKind]
    OPERATION_KIND_PROVISION: _ClassVar[OperationKind]
    OPERATION_KIND_DEPROVISION: _ClassVar[OperationKind]

class OperationState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OPERATION_STATE_UNSPECIFIED: _ClassVar[OperationState]
    OPERATION_STATE_RUNNING: _ClassVar[OperationState]
    OPERATION_STATE_FAILED: _ClassVar[OperationState]
    OPERATION_STATE_DONE: _ClassVar[OperationState]
    OPERATION_STATE_STOPPED: _ClassVar[OperationState]

class ProvisioningStep(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROVISIONING_STEP_UNSPECIFIED: _ClassVar[ProvisioningStep]
    PROVISIONING_STEP_VALIDATE: _ClassVar[ProvisioningStep]
    PROVISIONING_STEP_CREATE_STAGING: _ClassVar[ProvisioningStep]
    PROVISIONING_STEP_REPLICATE_METADATA: _ClassVar[ProvisioningStep]
    PROVISIONING_STEP_BUILD_MODEL: _ClassVar[ProvisioningStep]
    PROVISIONING_STEP_REPLICATE_DATA: _ClassVar[ProvisioningStep]
    PROVISIONING_STEP_BUILD_INDEXES: _ClassVar[ProvisioningStep]
    PROVISIONING_STEP_ACTIVATE: _ClassVar[ProvisioningStep]
    PROVISIONING_STEP_DEACTIVATE: _ClassVar[ProvisioningStep]
    PROVISIONING_STEP_DELETE_STAGING: _ClassVar[ProvisioningStep]
    PROVISIONING_STEP_DELETE_WORK_ITEMS: _ClassVar[ProvisioningStep]
    PROVISIONING_STEP_DELETE_MODELS: _ClassVar[ProvisioningStep]

class StepState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STEP_STATE_UNSPECIFIED: _ClassVar[StepState]
    STEP_STATE_WAITING: _ClassVar[StepState]
    STEP_STATE_RUNNING: _ClassVar[StepState]
    STEP_STATE_DONE: _ClassVar[StepState]
    STEP_STATE_FAILED: _ClassVar[StepState]
    STEP_STATE_SKIPPED: _ClassVar[StepState]
PROVISIONING_STATE_UNSPECIFIED: ProvisioningState
PROVISIONING_STATE_NOT_PROVISIONED: ProvisioningState
PROVISIONING_STATE_PROVISIONING: ProvisioningState
PROVISIONING_STATE_STOPPING: ProvisioningState
PROVISIONING_STATE_PROVISIONING_FAILED: ProvisioningState
PROVISIONING_STATE_PROVISIONED: ProvisioningState
PROVISIONING_STATE_DEPROVISIONING: ProvisioningState
PROVISIONING_STATE_DEPROVISIONING_FAILED: ProvisioningState
OPERATION_KIND_UNSPECIFIED: OperationKind
OPERATION_KIND_PROVISION: OperationKind
OPERATION_KIND_DEPROVISION: OperationKind
OPERATION_STATE_UNSPECIFIED: OperationState
OPERATION_STATE_RUNNING: OperationState
OPERATION_STATE_FAILED: OperationState
OPERATION_STATE_DONE: OperationState
OPERATION_STATE_STOPPED: OperationState
PROVISIONING_STEP_UNSPECIFIED: ProvisioningStep
PROVISIONING_STEP_VALIDATE: ProvisioningStep
PROVISIONING_STEP_CREATE_STAGING: ProvisioningStep
PROVISIONING_STEP_REPLICATE_METADATA: ProvisioningStep
PROVISIONING_STEP_BUILD_MODEL: ProvisioningStep
PROVISIONING_STEP_REPLICATE_DATA: ProvisioningStep
PROVISIONING_STEP_BUILD_INDEXES: ProvisioningStep
PROVISIONING_STEP_ACTIVATE: ProvisioningStep
PROVISIONING_STEP_DEACTIVATE: ProvisioningStep
PROVISIONING_STEP_DELETE_STAGING: ProvisioningStep
PROVISIONING_STEP_DELETE_WORK_ITEMS: ProvisioningStep
PROVISIONING_STEP_DELETE_MODELS: ProvisioningStep
STEP_STATE_UNSPECIFIED: StepState
STEP_STATE_WAITING: StepState
STEP_STATE_RUNNING: StepState
STEP_STATE_DONE: StepState
STEP_STATE_FAILED: StepState
STEP_STATE_SKIPPED: StepState

class Provisioning(_message.Message):
    __slots__ = ("organization", "state", "since_at_us", "legal", "consent", "terms", "terms_text", "operation", "checked_at_us", "source")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SINCE_AT_US_FIELD_NUMBER: _ClassVar[int]
    LEGAL_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    TERMS_TEXT_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    CHECKED_AT_US_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    organization: str
    state: ProvisioningState
    since_at_us: int
    legal: _containers.RepeatedScalarFieldContainer[str]
    consent: Consent
    terms: str
    terms_text: str
    operation: Operation
    checked_at_us: int
    source: _source_pb2.SourceStatus
    def __init__(self, organization: _Optional[str] = ..., state: _Optional[_Union[ProvisioningState, str]] = ..., since_at_us: _Optional[int] = ..., legal: _Optional[_Iterable[str]] = ..., consent: _Optional[_Union[Consent, _Mapping]] = ..., terms: _Optional[str] = ..., terms_text: _Optional[str] = ..., operation: _Optional[_Union[Operation, _Mapping]] = ..., checked_at_us: _Optional[int] = ..., source: _Optional[_Union[_source_pb2.SourceStatus, _Mapping]] = ...) -> None: ...

class Consent(_message.Message):
    __slots__ = ("who", "terms", "at_us")
    WHO_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    who: str
    terms: str
    at_us: int
    def __init__(self, who: _Optional[str] = ..., terms: _Optional[str] = ..., at_us: _Optional[int] = ...) -> None: ...

class Operation(_message.Message):
    __slots__ = ("number", "kind", "state", "requested_by", "requested_at_us", "stop_requested_at_us", "ended_at_us", "heartbeat_at_us", "steps", "entities", "failure", "messages")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    STOP_REQUESTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_US_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_AT_US_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    number: int
    kind: OperationKind
    state: OperationState
    requested_by: str
    requested_at_us: int
    stop_requested_at_us: int
    ended_at_us: int
    heartbeat_at_us: int
    steps: _containers.RepeatedCompositeFieldContainer[OperationStep]
    entities: _containers.RepeatedCompositeFieldContainer[EntityProgress]
    failure: OperationFailure
    messages: _containers.RepeatedCompositeFieldContainer[OperationMessage]
    def __init__(self, number: _Optional[int] = ..., kind: _Optional[_Union[OperationKind, str]] = ..., state: _Optional[_Union[OperationState, str]] = ..., requested_by: _Optional[str] = ..., requested_at_us: _Optional[int] = ..., stop_requested_at_us: _Optional[int] = ..., ended_at_us: _Optional[int] = ..., heartbeat_at_us: _Optional[int] = ..., steps: _Optional[_Iterable[_Union[OperationStep, _Mapping]]] = ..., entities: _Optional[_Iterable[_Union[EntityProgress, _Mapping]]] = ..., failure: _Optional[_Union[OperationFailure, _Mapping]] = ..., messages: _Optional[_Iterable[_Union[OperationMessage, _Mapping]]] = ...) -> None: ...

class OperationStep(_message.Message):
    __slots__ = ("step", "state", "began_at_us", "ended_at_us", "percent", "seconds_left")
    STEP_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BEGAN_AT_US_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_US_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    SECONDS_LEFT_FIELD_NUMBER: _ClassVar[int]
    step: ProvisioningStep
    state: StepState
    began_at_us: int
    ended_at_us: int
    percent: int
    seconds_left: int
    def __init__(self, step: _Optional[_Union[ProvisioningStep, str]] = ..., state: _Optional[_Union[StepState, str]] = ..., began_at_us: _Optional[int] = ..., ended_at_us: _Optional[int] = ..., percent: _Optional[int] = ..., seconds_left: _Optional[int] = ...) -> None: ...

class EntityProgress(_message.Message):
    __slots__ = ("entity", "rows_done", "rows_total", "bytes")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ROWS_DONE_FIELD_NUMBER: _ClassVar[int]
    ROWS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    entity: str
    rows_done: int
    rows_total: int
    bytes: int
    def __init__(self, entity: _Optional[str] = ..., rows_done: _Optional[int] = ..., rows_total: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class OperationFailure(_message.Message):
    __slots__ = ("step", "reason", "message", "at_us")
    STEP_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    step: ProvisioningStep
    reason: _error_pb2.ErrorReason
    message: str
    at_us: int
    def __init__(self, step: _Optional[_Union[ProvisioningStep, str]] = ..., reason: _Optional[_Union[_error_pb2.ErrorReason, str]] = ..., message: _Optional[str] = ..., at_us: _Optional[int] = ...) -> None: ...

class OperationMessage(_message.Message):
    __slots__ = ("at_us", "step", "text")
    AT_US_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    at_us: int
    step: ProvisioningStep
    text: str
    def __init__(self, at_us: _Optional[int] = ..., step: _Optional[_Union[ProvisioningStep, str]] = ..., text: _Optional[str] = ...) -> None: ...

class RecordConsentRequest(_message.Message):
    __slots__ = ("organization", "terms")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    organization: str
    terms: str
    def __init__(self, organization: _Optional[str] = ..., terms: _Optional[str] = ...) -> None: ...

class RecordConsentResponse(_message.Message):
    __slots__ = ("provisioning",)
    PROVISIONING_FIELD_NUMBER: _ClassVar[int]
    provisioning: Provisioning
    def __init__(self, provisioning: _Optional[_Union[Provisioning, _Mapping]] = ...) -> None: ...

class StartProvisioningRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class StartProvisioningResponse(_message.Message):
    __slots__ = ("provisioning",)
    PROVISIONING_FIELD_NUMBER: _ClassVar[int]
    provisioning: Provisioning
    def __init__(self, provisioning: _Optional[_Union[Provisioning, _Mapping]] = ...) -> None: ...

class StopProvisioningRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class StopProvisioningResponse(_message.Message):
    __slots__ = ("provisioning",)
    PROVISIONING_FIELD_NUMBER: _ClassVar[int]
    provisioning: Provisioning
    def __init__(self, provisioning: _Optional[_Union[Provisioning, _Mapping]] = ...) -> None: ...

class RetryProvisioningRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class RetryProvisioningResponse(_message.Message):
    __slots__ = ("provisioning",)
    PROVISIONING_FIELD_NUMBER: _ClassVar[int]
    provisioning: Provisioning
    def __init__(self, provisioning: _Optional[_Union[Provisioning, _Mapping]] = ...) -> None: ...

class StartDeprovisioningRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class StartDeprovisioningResponse(_message.Message):
    __slots__ = ("provisioning",)
    PROVISIONING_FIELD_NUMBER: _ClassVar[int]
    provisioning: Provisioning
    def __init__(self, provisioning: _Optional[_Union[Provisioning, _Mapping]] = ...) -> None: ...

class GetProvisioningRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class GetProvisioningResponse(_message.Message):
    __slots__ = ("provisioning",)
    PROVISIONING_FIELD_NUMBER: _ClassVar[int]
    provisioning: Provisioning
    def __init__(self, provisioning: _Optional[_Union[Provisioning, _Mapping]] = ...) -> None: ...

class WatchProvisioningRequest(_message.Message):
    __slots__ = ("organization", "until_settled")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    UNTIL_SETTLED_FIELD_NUMBER: _ClassVar[int]
    organization: str
    until_settled: bool
    def __init__(self, organization: _Optional[str] = ..., until_settled: _Optional[bool] = ...) -> None: ...

class WatchProvisioningResponse(_message.Message):
    __slots__ = ("provisioning",)
    PROVISIONING_FIELD_NUMBER: _ClassVar[int]
    provisioning: Provisioning
    def __init__(self, provisioning: _Optional[_Union[Provisioning, _Mapping]] = ...) -> None: ...

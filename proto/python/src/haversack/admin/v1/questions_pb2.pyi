from haversack.model.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ViewDenial(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VIEW_DENIAL_UNSPECIFIED: _ClassVar[ViewDenial]
    VIEW_DENIAL_USER_UNKNOWN: _ClassVar[ViewDenial]
    VIEW_DENIAL_USER_DISABLED: _ClassVar[ViewDenial]
    VIEW_DENIAL_PROFILE_MISSING: _ClassVar[ViewDenial]
    VIEW_DENIAL_PROFILE_NOT_READABLE: _ClassVar[ViewDenial]

class ReasonJoin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_JOIN_UNSPECIFIED: _ClassVar[ReasonJoin]
    REASON_JOIN_ALL: _ClassVar[ReasonJoin]
    REASON_JOIN_ANY: _ClassVar[ReasonJoin]

class ReasonKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_KIND_UNSPECIFIED: _ClassVar[ReasonKind]
    REASON_KIND_ROW: _ClassVar[ReasonKind]
    REASON_KIND_USER: _ClassVar[ReasonKind]
    REASON_KIND_LIFE: _ClassVar[ReasonKind]
    REASON_KIND_ITEM: _ClassVar[ReasonKind]
    REASON_KIND_ORGANIZATION_FILTER: _ClassVar[ReasonKind]
    REASON_KIND_ACCESS: _ClassVar[ReasonKind]
    REASON_KIND_ROLE: _ClassVar[ReasonKind]
    REASON_KIND_SHARE: _ClassVar[ReasonKind]
    REASON_KIND_HIERARCHY: _ClassVar[ReasonKind]
    REASON_KIND_CHOICE: _ClassVar[ReasonKind]
    REASON_KIND_CRITERIA: _ClassVar[ReasonKind]
    REASON_KIND_CRITERION: _ClassVar[ReasonKind]
    REASON_KIND_ASSOCIATION: _ClassVar[ReasonKind]
    REASON_KIND_TIE: _ClassVar[ReasonKind]
    REASON_KIND_FILTER: _ClassVar[ReasonKind]
    REASON_KIND_GROUP: _ClassVar[ReasonKind]
    REASON_KIND_CONDITION: _ClassVar[ReasonKind]
    REASON_KIND_LINK: _ClassVar[ReasonKind]
    REASON_KIND_LINKED_ROW: _ClassVar[ReasonKind]

class Smell(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SMELL_UNSPECIFIED: _ClassVar[Smell]
    SMELL_NOT_ENABLED: _ClassVar[Smell]
    SMELL_RELATED_ONLY_UNREACHED: _ClassVar[Smell]
    SMELL_CYCLE: _ClassVar[Smell]
    SMELL_CLAUSE_TAKES_ALL: _ClassVar[Smell]
    SMELL_CLAUSE_TAKES_NOTHING: _ClassVar[Smell]
    SMELL_ASSOCIATION_ADDS_NOTHING: _ClassVar[Smell]
    SMELL_FAN_OUT: _ClassVar[Smell]
    SMELL_ITEM_TOO_LARGE: _ClassVar[Smell]
    SMELL_MEMBER_WITHOUT_PRIVILEGE: _ClassVar[Smell]
    SMELL_MEMBER_OF_SEVERAL: _ClassVar[Smell]
VIEW_DENIAL_UNSPECIFIED: ViewDenial
VIEW_DENIAL_USER_UNKNOWN: ViewDenial
VIEW_DENIAL_USER_DISABLED: ViewDenial
VIEW_DENIAL_PROFILE_MISSING: ViewDenial
VIEW_DENIAL_PROFILE_NOT_READABLE: ViewDenial
REASON_JOIN_UNSPECIFIED: ReasonJoin
REASON_JOIN_ALL: ReasonJoin
REASON_JOIN_ANY: ReasonJoin
REASON_KIND_UNSPECIFIED: ReasonKind
REASON_KIND_ROW: ReasonKind
REASON_KIND_USER: ReasonKind
REASON_KIND_LIFE: ReasonKind
REASON_KIND_ITEM: ReasonKind
REASON_KIND_ORGANIZATION_FILTER: ReasonKind
REASON_KIND_ACCESS: ReasonKind
REASON_KIND_ROLE: ReasonKind
REASON_KIND_SHARE: ReasonKind
REASON_KIND_HIERARCHY: ReasonKind
REASON_KIND_CHOICE: ReasonKind
REASON_KIND_CRITERIA: ReasonKind
REASON_KIND_CRITERION: ReasonKind
REASON_KIND_ASSOCIATION: ReasonKind
REASON_KIND_TIE: ReasonKind
REASON_KIND_FILTER: ReasonKind
REASON_KIND_GROUP: ReasonKind
REASON_KIND_CONDITION: ReasonKind
REASON_KIND_LINK: ReasonKind
REASON_KIND_LINKED_ROW: ReasonKind
SMELL_UNSPECIFIED: Smell
SMELL_NOT_ENABLED: Smell
SMELL_RELATED_ONLY_UNREACHED: Smell
SMELL_CYCLE: Smell
SMELL_CLAUSE_TAKES_ALL: Smell
SMELL_CLAUSE_TAKES_NOTHING: Smell
SMELL_ASSOCIATION_ADDS_NOTHING: Smell
SMELL_FAN_OUT: Smell
SMELL_ITEM_TOO_LARGE: Smell
SMELL_MEMBER_WITHOUT_PRIVILEGE: Smell
SMELL_MEMBER_OF_SEVERAL: Smell

class ProfileState(_message.Message):
    __slots__ = ("draft", "revision", "unsaved", "customizations")
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    UNSAVED_FIELD_NUMBER: _ClassVar[int]
    CUSTOMIZATIONS_FIELD_NUMBER: _ClassVar[int]
    draft: str
    revision: int
    unsaved: UnsavedProfiles
    customizations: bool
    def __init__(self, draft: _Optional[str] = ..., revision: _Optional[int] = ..., unsaved: _Optional[_Union[UnsavedProfiles, _Mapping]] = ..., customizations: _Optional[bool] = ...) -> None: ...

class UnsavedProfiles(_message.Message):
    __slots__ = ("profiles",)
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    profiles: _containers.RepeatedCompositeFieldContainer[_model_pb2.Profile]
    def __init__(self, profiles: _Optional[_Iterable[_Union[_model_pb2.Profile, _Mapping]]] = ...) -> None: ...

class AnswerMoment(_message.Message):
    __slots__ = ("lsn_first", "lsn_last", "revision", "instant_us")
    LSN_FIRST_FIELD_NUMBER: _ClassVar[int]
    LSN_LAST_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    INSTANT_US_FIELD_NUMBER: _ClassVar[int]
    lsn_first: int
    lsn_last: int
    revision: int
    instant_us: int
    def __init__(self, lsn_first: _Optional[int] = ..., lsn_last: _Optional[int] = ..., revision: _Optional[int] = ..., instant_us: _Optional[int] = ...) -> None: ...

class Amount(_message.Message):
    __slots__ = ("rows", "bytes")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    rows: int
    bytes: int
    def __init__(self, rows: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class EntityAmount(_message.Message):
    __slots__ = ("entity", "amount")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    entity: str
    amount: Amount
    def __init__(self, entity: _Optional[str] = ..., amount: _Optional[_Union[Amount, _Mapping]] = ...) -> None: ...

class Percentiles(_message.Message):
    __slots__ = ("p50", "p90", "p99", "max")
    P50_FIELD_NUMBER: _ClassVar[int]
    P90_FIELD_NUMBER: _ClassVar[int]
    P99_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    p50: int
    p90: int
    p99: int
    max: int
    def __init__(self, p50: _Optional[int] = ..., p90: _Optional[int] = ..., p99: _Optional[int] = ..., max: _Optional[int] = ...) -> None: ...

class EstimateRequest(_message.Message):
    __slots__ = ("organization", "profile", "state", "rows_max", "bytes_max", "users_offset", "users_max")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ROWS_MAX_FIELD_NUMBER: _ClassVar[int]
    BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    USERS_OFFSET_FIELD_NUMBER: _ClassVar[int]
    USERS_MAX_FIELD_NUMBER: _ClassVar[int]
    organization: str
    profile: str
    state: ProfileState
    rows_max: int
    bytes_max: int
    users_offset: int
    users_max: int
    def __init__(self, organization: _Optional[str] = ..., profile: _Optional[str] = ..., state: _Optional[_Union[ProfileState, _Mapping]] = ..., rows_max: _Optional[int] = ..., bytes_max: _Optional[int] = ..., users_offset: _Optional[int] = ..., users_max: _Optional[int] = ...) -> None: ...

class EstimateResponse(_message.Message):
    __slots__ = ("moment", "user_count", "view_count", "total", "rows", "bytes", "entities", "largest", "beyond", "beyond_count", "users")
    MOMENT_FIELD_NUMBER: _ClassVar[int]
    USER_COUNT_FIELD_NUMBER: _ClassVar[int]
    VIEW_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    LARGEST_FIELD_NUMBER: _ClassVar[int]
    BEYOND_FIELD_NUMBER: _ClassVar[int]
    BEYOND_COUNT_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    moment: AnswerMoment
    user_count: int
    view_count: int
    total: Amount
    rows: Percentiles
    bytes: Percentiles
    entities: _containers.RepeatedCompositeFieldContainer[EntityEstimate]
    largest: _containers.RepeatedCompositeFieldContainer[UserEstimate]
    beyond: _containers.RepeatedScalarFieldContainer[str]
    beyond_count: int
    users: _containers.RepeatedCompositeFieldContainer[UserEstimate]
    def __init__(self, moment: _Optional[_Union[AnswerMoment, _Mapping]] = ..., user_count: _Optional[int] = ..., view_count: _Optional[int] = ..., total: _Optional[_Union[Amount, _Mapping]] = ..., rows: _Optional[_Union[Percentiles, _Mapping]] = ..., bytes: _Optional[_Union[Percentiles, _Mapping]] = ..., entities: _Optional[_Iterable[_Union[EntityEstimate, _Mapping]]] = ..., largest: _Optional[_Iterable[_Union[UserEstimate, _Mapping]]] = ..., beyond: _Optional[_Iterable[str]] = ..., beyond_count: _Optional[int] = ..., users: _Optional[_Iterable[_Union[UserEstimate, _Mapping]]] = ...) -> None: ...

class EntityEstimate(_message.Message):
    __slots__ = ("entity", "total", "rows", "bytes")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    entity: str
    total: Amount
    rows: Percentiles
    bytes: Percentiles
    def __init__(self, entity: _Optional[str] = ..., total: _Optional[_Union[Amount, _Mapping]] = ..., rows: _Optional[_Union[Percentiles, _Mapping]] = ..., bytes: _Optional[_Union[Percentiles, _Mapping]] = ...) -> None: ...

class UserEstimate(_message.Message):
    __slots__ = ("user", "denial", "total", "entities")
    USER_FIELD_NUMBER: _ClassVar[int]
    DENIAL_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    user: str
    denial: ViewDenial
    total: Amount
    entities: _containers.RepeatedCompositeFieldContainer[EntityAmount]
    def __init__(self, user: _Optional[str] = ..., denial: _Optional[_Union[ViewDenial, str]] = ..., total: _Optional[_Union[Amount, _Mapping]] = ..., entities: _Optional[_Iterable[_Union[EntityAmount, _Mapping]]] = ...) -> None: ...

class DirectoryChange(_message.Message):
    __slots__ = ("user", "business_unit", "role_given", "role_taken", "team_joined", "team_left", "manager")
    USER_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    ROLE_GIVEN_FIELD_NUMBER: _ClassVar[int]
    ROLE_TAKEN_FIELD_NUMBER: _ClassVar[int]
    TEAM_JOINED_FIELD_NUMBER: _ClassVar[int]
    TEAM_LEFT_FIELD_NUMBER: _ClassVar[int]
    MANAGER_FIELD_NUMBER: _ClassVar[int]
    user: str
    business_unit: str
    role_given: str
    role_taken: str
    team_joined: str
    team_left: str
    manager: str
    def __init__(self, user: _Optional[str] = ..., business_unit: _Optional[str] = ..., role_given: _Optional[str] = ..., role_taken: _Optional[str] = ..., team_joined: _Optional[str] = ..., team_left: _Optional[str] = ..., manager: _Optional[str] = ...) -> None: ...

class DiffRequest(_message.Message):
    __slots__ = ("organization", "before", "after", "changes", "sample_max", "users_offset", "users_max")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_MAX_FIELD_NUMBER: _ClassVar[int]
    USERS_OFFSET_FIELD_NUMBER: _ClassVar[int]
    USERS_MAX_FIELD_NUMBER: _ClassVar[int]
    organization: str
    before: ProfileState
    after: ProfileState
    changes: _containers.RepeatedCompositeFieldContainer[DirectoryChange]
    sample_max: int
    users_offset: int
    users_max: int
    def __init__(self, organization: _Optional[str] = ..., before: _Optional[_Union[ProfileState, _Mapping]] = ..., after: _Optional[_Union[ProfileState, _Mapping]] = ..., changes: _Optional[_Iterable[_Union[DirectoryChange, _Mapping]]] = ..., sample_max: _Optional[int] = ..., users_offset: _Optional[int] = ..., users_max: _Optional[int] = ...) -> None: ...

class DiffResponse(_message.Message):
    __slots__ = ("before", "after", "user_count", "changed_count", "gained", "lost", "users")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    USER_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    GAINED_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    before: AnswerMoment
    after: AnswerMoment
    user_count: int
    changed_count: int
    gained: Amount
    lost: Amount
    users: _containers.RepeatedCompositeFieldContainer[UserDiff]
    def __init__(self, before: _Optional[_Union[AnswerMoment, _Mapping]] = ..., after: _Optional[_Union[AnswerMoment, _Mapping]] = ..., user_count: _Optional[int] = ..., changed_count: _Optional[int] = ..., gained: _Optional[_Union[Amount, _Mapping]] = ..., lost: _Optional[_Union[Amount, _Mapping]] = ..., users: _Optional[_Iterable[_Union[UserDiff, _Mapping]]] = ...) -> None: ...

class UserDiff(_message.Message):
    __slots__ = ("user", "denial_before", "denial_after", "gained", "lost", "entities")
    USER_FIELD_NUMBER: _ClassVar[int]
    DENIAL_BEFORE_FIELD_NUMBER: _ClassVar[int]
    DENIAL_AFTER_FIELD_NUMBER: _ClassVar[int]
    GAINED_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    user: str
    denial_before: ViewDenial
    denial_after: ViewDenial
    gained: Amount
    lost: Amount
    entities: _containers.RepeatedCompositeFieldContainer[EntityDiff]
    def __init__(self, user: _Optional[str] = ..., denial_before: _Optional[_Union[ViewDenial, str]] = ..., denial_after: _Optional[_Union[ViewDenial, str]] = ..., gained: _Optional[_Union[Amount, _Mapping]] = ..., lost: _Optional[_Union[Amount, _Mapping]] = ..., entities: _Optional[_Iterable[_Union[EntityDiff, _Mapping]]] = ...) -> None: ...

class EntityDiff(_message.Message):
    __slots__ = ("entity", "gained", "lost", "gained_sample", "lost_sample")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    GAINED_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    GAINED_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    LOST_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    entity: str
    gained: Amount
    lost: Amount
    gained_sample: _containers.RepeatedScalarFieldContainer[str]
    lost_sample: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, entity: _Optional[str] = ..., gained: _Optional[_Union[Amount, _Mapping]] = ..., lost: _Optional[_Union[Amount, _Mapping]] = ..., gained_sample: _Optional[_Iterable[str]] = ..., lost_sample: _Optional[_Iterable[str]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("organization", "user", "entity", "row", "state", "profile")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    organization: str
    user: str
    entity: str
    row: str
    state: ProfileState
    profile: str
    def __init__(self, organization: _Optional[str] = ..., user: _Optional[str] = ..., entity: _Optional[str] = ..., row: _Optional[str] = ..., state: _Optional[_Union[ProfileState, _Mapping]] = ..., profile: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("moment", "reason")
    MOMENT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    moment: AnswerMoment
    reason: Reason
    def __init__(self, moment: _Optional[_Union[AnswerMoment, _Mapping]] = ..., reason: _Optional[_Union[Reason, _Mapping]] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("kind", "sentence", "holds", "join", "children")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    JOIN_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    kind: ReasonKind
    sentence: str
    holds: bool
    join: ReasonJoin
    children: _containers.RepeatedCompositeFieldContainer[Reason]
    def __init__(self, kind: _Optional[_Union[ReasonKind, str]] = ..., sentence: _Optional[str] = ..., holds: _Optional[bool] = ..., join: _Optional[_Union[ReasonJoin, str]] = ..., children: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ...) -> None: ...

class HoldersRequest(_message.Message):
    __slots__ = ("organization", "entity", "row", "users_offset", "users_max")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    USERS_OFFSET_FIELD_NUMBER: _ClassVar[int]
    USERS_MAX_FIELD_NUMBER: _ClassVar[int]
    organization: str
    entity: str
    row: str
    users_offset: int
    users_max: int
    def __init__(self, organization: _Optional[str] = ..., entity: _Optional[str] = ..., row: _Optional[str] = ..., users_offset: _Optional[int] = ..., users_max: _Optional[int] = ...) -> None: ...

class HoldersResponse(_message.Message):
    __slots__ = ("moment", "alive", "user_count", "holder_count", "users", "devices", "devices_since_us", "devices_forgotten")
    MOMENT_FIELD_NUMBER: _ClassVar[int]
    ALIVE_FIELD_NUMBER: _ClassVar[int]
    USER_COUNT_FIELD_NUMBER: _ClassVar[int]
    HOLDER_COUNT_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    DEVICES_SINCE_US_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FORGOTTEN_FIELD_NUMBER: _ClassVar[int]
    moment: AnswerMoment
    alive: bool
    user_count: int
    holder_count: int
    users: _containers.RepeatedScalarFieldContainer[str]
    devices: _containers.RepeatedCompositeFieldContainer[DeviceHolding]
    devices_since_us: int
    devices_forgotten: int
    def __init__(self, moment: _Optional[_Union[AnswerMoment, _Mapping]] = ..., alive: _Optional[bool] = ..., user_count: _Optional[int] = ..., holder_count: _Optional[int] = ..., users: _Optional[_Iterable[str]] = ..., devices: _Optional[_Iterable[_Union[DeviceHolding, _Mapping]]] = ..., devices_since_us: _Optional[int] = ..., devices_forgotten: _Optional[int] = ...) -> None: ...

class DeviceHolding(_message.Message):
    __slots__ = ("install_id", "user", "connected", "checkpoint_lsn", "checkpoint_at_us", "confirmed", "in_view", "app")
    INSTALL_ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_LSN_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_AT_US_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    IN_VIEW_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    install_id: bytes
    user: str
    connected: bool
    checkpoint_lsn: int
    checkpoint_at_us: int
    confirmed: bool
    in_view: bool
    app: str
    def __init__(self, install_id: _Optional[bytes] = ..., user: _Optional[str] = ..., connected: _Optional[bool] = ..., checkpoint_lsn: _Optional[int] = ..., checkpoint_at_us: _Optional[int] = ..., confirmed: _Optional[bool] = ..., in_view: _Optional[bool] = ..., app: _Optional[str] = ...) -> None: ...

class LintRequest(_message.Message):
    __slots__ = ("organization", "profile", "state", "item_rows_max", "item_bytes_max", "fan_out_max")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ITEM_ROWS_MAX_FIELD_NUMBER: _ClassVar[int]
    ITEM_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    FAN_OUT_MAX_FIELD_NUMBER: _ClassVar[int]
    organization: str
    profile: str
    state: ProfileState
    item_rows_max: int
    item_bytes_max: int
    fan_out_max: int
    def __init__(self, organization: _Optional[str] = ..., profile: _Optional[str] = ..., state: _Optional[_Union[ProfileState, _Mapping]] = ..., item_rows_max: _Optional[int] = ..., item_bytes_max: _Optional[int] = ..., fan_out_max: _Optional[int] = ...) -> None: ...

class LintResponse(_message.Message):
    __slots__ = ("moment", "findings")
    MOMENT_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    moment: AnswerMoment
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    def __init__(self, moment: _Optional[_Union[AnswerMoment, _Mapping]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("smell", "entity", "subject", "sentence", "rows", "views")
    SMELL_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    smell: Smell
    entity: str
    subject: str
    sentence: str
    rows: int
    views: int
    def __init__(self, smell: _Optional[_Union[Smell, str]] = ..., entity: _Optional[str] = ..., subject: _Optional[str] = ..., sentence: _Optional[str] = ..., rows: _Optional[int] = ..., views: _Optional[int] = ...) -> None: ...

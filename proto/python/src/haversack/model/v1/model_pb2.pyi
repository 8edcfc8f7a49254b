from haversack.model.v1 import filter_pb2 as _filter_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WipePolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WIPE_POLICY_UNSPECIFIED: _ClassVar[WipePolicy]
    WIPE_POLICY_OFFER_OUTBOX: _ClassVar[WipePolicy]
    WIPE_POLICY_DISCARD_OUTBOX: _ClassVar[WipePolicy]

class ConflictPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONFLICT_POLICY_UNSPECIFIED: _ClassVar[ConflictPolicy]
    CONFLICT_POLICY_CLIENT_WINS: _ClassVar[ConflictPolicy]
    CONFLICT_POLICY_SERVER_WINS: _ClassVar[ConflictPolicy]
    CONFLICT_POLICY_MERGE: _ClassVar[ConflictPolicy]

class FiscalPeriod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FISCAL_PERIOD_UNSPECIFIED: _ClassVar[FiscalPeriod]
    FISCAL_PERIOD_ANNUAL: _ClassVar[FiscalPeriod]
    FISCAL_PERIOD_SEMESTER: _ClassVar[FiscalPeriod]
    FISCAL_PERIOD_QUARTER: _ClassVar[FiscalPeriod]
    FISCAL_PERIOD_MONTH: _ClassVar[FiscalPeriod]
    FISCAL_PERIOD_FOUR_WEEK: _ClassVar[FiscalPeriod]

class HierarchyModel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HIERARCHY_MODEL_UNSPECIFIED: _ClassVar[HierarchyModel]
    HIERARCHY_MODEL_MANAGER: _ClassVar[HierarchyModel]
    HIERARCHY_MODEL_POSITION: _ClassVar[HierarchyModel]

class Collation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLLATION_UNSPECIFIED: _ClassVar[Collation]
    COLLATION_CI_AI: _ClassVar[Collation]
    COLLATION_CI_AS: _ClassVar[Collation]

class Ownership(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OWNERSHIP_UNSPECIFIED: _ClassVar[Ownership]
    OWNERSHIP_USER: _ClassVar[Ownership]
    OWNERSHIP_BUSINESS: _ClassVar[Ownership]
    OWNERSHIP_ORGANIZATION: _ClassVar[Ownership]
    OWNERSHIP_NONE: _ClassVar[Ownership]

class AttributeType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ATTRIBUTE_TYPE_UNSPECIFIED: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_STRING: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_MEMO: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_INTEGER: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_BIGINT: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_DECIMAL: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_MONEY: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_DOUBLE: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_BOOLEAN: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_PICKLIST: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_STATE: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_STATUS: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_MULTI_SELECT_PICKLIST: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_DATETIME: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_DATETIME_INDEPENDENT: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_DATE_ONLY: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_UNIQUEIDENTIFIER: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_LOOKUP: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_OWNER: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_CUSTOMER: _ClassVar[AttributeType]
    ATTRIBUTE_TYPE_ENTITY_NAME: _ClassVar[AttributeType]

class RecordCriteria(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECORD_CRITERIA_UNSPECIFIED: _ClassVar[RecordCriteria]
    RECORD_CRITERIA_RELATED_ONLY: _ClassVar[RecordCriteria]
    RECORD_CRITERIA_ALL: _ClassVar[RecordCriteria]
    RECORD_CRITERIA_OTHER: _ClassVar[RecordCriteria]
    RECORD_CRITERIA_CUSTOM: _ClassVar[RecordCriteria]

class AssociationDirection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ASSOCIATION_DIRECTION_UNSPECIFIED: _ClassVar[AssociationDirection]
    ASSOCIATION_DIRECTION_TO_MANY: _ClassVar[AssociationDirection]
    ASSOCIATION_DIRECTION_TO_ONE: _ClassVar[AssociationDirection]
WIPE_POLICY_UNSPECIFIED: WipePolicy
WIPE_POLICY_OFFER_OUTBOX: WipePolicy
WIPE_POLICY_DISCARD_OUTBOX: WipePolicy
CONFLICT_POLICY_UNSPECIFIED: ConflictPolicy
CONFLICT_POLICY_CLIENT_WINS: ConflictPolicy
CONFLICT_POLICY_SERVER_WINS: ConflictPolicy
CONFLICT_POLICY_MERGE: ConflictPolicy
FISCAL_PERIOD_UNSPECIFIED: FiscalPeriod
FISCAL_PERIOD_ANNUAL: FiscalPeriod
FISCAL_PERIOD_SEMESTER: FiscalPeriod
FISCAL_PERIOD_QUARTER: FiscalPeriod
FISCAL_PERIOD_MONTH: FiscalPeriod
FISCAL_PERIOD_FOUR_WEEK: FiscalPeriod
HIERARCHY_MODEL_UNSPECIFIED: HierarchyModel
HIERARCHY_MODEL_MANAGER: HierarchyModel
HIERARCHY_MODEL_POSITION: HierarchyModel
COLLATION_UNSPECIFIED: Collation
COLLATION_CI_AI: Collation
COLLATION_CI_AS: Collation
OWNERSHIP_UNSPECIFIED: Ownership
OWNERSHIP_USER: Ownership
OWNERSHIP_BUSINESS: Ownership
OWNERSHIP_ORGANIZATION: Ownership
OWNERSHIP_NONE: Ownership
ATTRIBUTE_TYPE_UNSPECIFIED: AttributeType
ATTRIBUTE_TYPE_STRING: AttributeType
ATTRIBUTE_TYPE_MEMO: AttributeType
ATTRIBUTE_TYPE_INTEGER: AttributeType
ATTRIBUTE_TYPE_BIGINT: AttributeType
ATTRIBUTE_TYPE_DECIMAL: AttributeType
ATTRIBUTE_TYPE_MONEY: AttributeType
ATTRIBUTE_TYPE_DOUBLE: AttributeType
ATTRIBUTE_TYPE_BOOLEAN: AttributeType
ATTRIBUTE_TYPE_PICKLIST: AttributeType
ATTRIBUTE_TYPE_STATE: AttributeType
ATTRIBUTE_TYPE_STATUS: AttributeType
ATTRIBUTE_TYPE_MULTI_SELECT_PICKLIST: AttributeType
ATTRIBUTE_TYPE_DATETIME: AttributeType
ATTRIBUTE_TYPE_DATETIME_INDEPENDENT: AttributeType
ATTRIBUTE_TYPE_DATE_ONLY: AttributeType
ATTRIBUTE_TYPE_UNIQUEIDENTIFIER: AttributeType
ATTRIBUTE_TYPE_LOOKUP: AttributeType
ATTRIBUTE_TYPE_OWNER: AttributeType
ATTRIBUTE_TYPE_CUSTOMER: AttributeType
ATTRIBUTE_TYPE_ENTITY_NAME: AttributeType
RECORD_CRITERIA_UNSPECIFIED: RecordCriteria
RECORD_CRITERIA_RELATED_ONLY: RecordCriteria
RECORD_CRITERIA_ALL: RecordCriteria
RECORD_CRITERIA_OTHER: RecordCriteria
RECORD_CRITERIA_CUSTOM: RecordCriteria
ASSOCIATION_DIRECTION_UNSPECIFIED: AssociationDirection
ASSOCIATION_DIRECTION_TO_MANY: AssociationDirection
ASSOCIATION_DIRECTION_TO_ONE: AssociationDirection

class Model(_message.Message):
    __slots__ = ("revision", "organization", "settings", "entities", "relationships", "profiles", "apps")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    RELATIONSHIPS_FIELD_NUMBER: _ClassVar[int]
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    APPS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    organization: str
    settings: Settings
    entities: _containers.RepeatedCompositeFieldContainer[Entity]
    relationships: _containers.RepeatedCompositeFieldContainer[Relationship]
    profiles: _containers.RepeatedCompositeFieldContainer[Profile]
    apps: _containers.RepeatedCompositeFieldContainer[App]
    def __init__(self, revision: _Optional[int] = ..., organization: _Optional[str] = ..., settings: _Optional[_Union[Settings, _Mapping]] = ..., entities: _Optional[_Iterable[_Union[Entity, _Mapping]]] = ..., relationships: _Optional[_Iterable[_Union[Relationship, _Mapping]]] = ..., profiles: _Optional[_Iterable[_Union[Profile, _Mapping]]] = ..., apps: _Optional[_Iterable[_Union[App, _Mapping]]] = ...) -> None: ...

class App(_message.Message):
    __slots__ = ("name", "display_name", "offline", "profiles")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    OFFLINE_FIELD_NUMBER: _ClassVar[int]
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    offline: bool
    profiles: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., offline: _Optional[bool] = ..., profiles: _Optional[_Iterable[str]] = ...) -> None: ...

class Settings(_message.Message):
    __slots__ = ("time_zone", "collation", "null_never_matches", "week_start", "fiscal", "hierarchy_security", "user_attribute", "conflict_policy", "wipe_policy")
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    COLLATION_FIELD_NUMBER: _ClassVar[int]
    NULL_NEVER_MATCHES_FIELD_NUMBER: _ClassVar[int]
    WEEK_START_FIELD_NUMBER: _ClassVar[int]
    FISCAL_FIELD_NUMBER: _ClassVar[int]
    HIERARCHY_SECURITY_FIELD_NUMBER: _ClassVar[int]
    USER_ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_POLICY_FIELD_NUMBER: _ClassVar[int]
    WIPE_POLICY_FIELD_NUMBER: _ClassVar[int]
    time_zone: str
    collation: Collation
    null_never_matches: bool
    week_start: int
    fiscal: FiscalCalendar
    hierarchy_security: HierarchySecurity
    user_attribute: str
    conflict_policy: ConflictPolicy
    wipe_policy: WipePolicy
    def __init__(self, time_zone: _Optional[str] = ..., collation: _Optional[_Union[Collation, str]] = ..., null_never_matches: _Optional[bool] = ..., week_start: _Optional[int] = ..., fiscal: _Optional[_Union[FiscalCalendar, _Mapping]] = ..., hierarchy_security: _Optional[_Union[HierarchySecurity, _Mapping]] = ..., user_attribute: _Optional[str] = ..., conflict_policy: _Optional[_Union[ConflictPolicy, str]] = ..., wipe_policy: _Optional[_Union[WipePolicy, str]] = ...) -> None: ...

class FiscalCalendar(_message.Message):
    __slots__ = ("start_month", "start_day", "period")
    START_MONTH_FIELD_NUMBER: _ClassVar[int]
    START_DAY_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    start_month: int
    start_day: int
    period: FiscalPeriod
    def __init__(self, start_month: _Optional[int] = ..., start_day: _Optional[int] = ..., period: _Optional[_Union[FiscalPeriod, str]] = ...) -> None: ...

class HierarchySecurity(_message.Message):
    __slots__ = ("model", "depth", "excluded_entities")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_ENTITIES_FIELD_NUMBER: _ClassVar[int]
    model: HierarchyModel
    depth: int
    excluded_entities: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, model: _Optional[_Union[HierarchyModel, str]] = ..., depth: _Optional[int] = ..., excluded_entities: _Optional[_Iterable[str]] = ...) -> None: ...

class Entity(_message.Message):
    __slots__ = ("number", "logical_name", "schema_name", "display_name", "entity_set_name", "primary_id_attribute", "primary_name_attribute", "ownership", "attributes", "offline", "organization_filter", "hierarchy_attribute")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    LOGICAL_NAME_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    ENTITY_SET_NAME_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_ID_ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_NAME_ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    OWNERSHIP_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    OFFLINE_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FILTER_FIELD_NUMBER: _ClassVar[int]
    HIERARCHY_ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    number: int
    logical_name: str
    schema_name: str
    display_name: str
    entity_set_name: str
    primary_id_attribute: str
    primary_name_attribute: str
    ownership: Ownership
    attributes: _containers.RepeatedCompositeFieldContainer[Attribute]
    offline: bool
    organization_filter: _filter_pb2.Filter
    hierarchy_attribute: str
    def __init__(self, number: _Optional[int] = ..., logical_name: _Optional[str] = ..., schema_name: _Optional[str] = ..., display_name: _Optional[str] = ..., entity_set_name: _Optional[str] = ..., primary_id_attribute: _Optional[str] = ..., primary_name_attribute: _Optional[str] = ..., ownership: _Optional[_Union[Ownership, str]] = ..., attributes: _Optional[_Iterable[_Union[Attribute, _Mapping]]] = ..., offline: _Optional[bool] = ..., organization_filter: _Optional[_Union[_filter_pb2.Filter, _Mapping]] = ..., hierarchy_attribute: _Optional[str] = ...) -> None: ...

class Attribute(_message.Message):
    __slots__ = ("number", "logical_name", "display_name", "type", "targets", "entity_field_number", "options", "max_length", "required", "create_forbidden", "update_forbidden")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    LOGICAL_NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    CREATE_FORBIDDEN_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FORBIDDEN_FIELD_NUMBER: _ClassVar[int]
    number: int
    logical_name: str
    display_name: str
    type: AttributeType
    targets: _containers.RepeatedScalarFieldContainer[str]
    entity_field_number: int
    options: _containers.RepeatedCompositeFieldContainer[Option]
    max_length: int
    required: bool
    create_forbidden: bool
    update_forbidden: bool
    def __init__(self, number: _Optional[int] = ..., logical_name: _Optional[str] = ..., display_name: _Optional[str] = ..., type: _Optional[_Union[AttributeType, str]] = ..., targets: _Optional[_Iterable[str]] = ..., entity_field_number: _Optional[int] = ..., options: _Optional[_Iterable[_Union[Option, _Mapping]]] = ..., max_length: _Optional[int] = ..., required: _Optional[bool] = ..., create_forbidden: _Optional[bool] = ..., update_forbidden: _Optional[bool] = ...) -> None: ...

class Option(_message.Message):
    __slots__ = ("value", "label")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    value: int
    label: str
    def __init__(self, value: _Optional[int] = ..., label: _Optional[str] = ...) -> None: ...

class Relationship(_message.Message):
    __slots__ = ("schema_name", "one_to_many", "many_to_many")
    SCHEMA_NAME_FIELD_NUMBER: _ClassVar[int]
    ONE_TO_MANY_FIELD_NUMBER: _ClassVar[int]
    MANY_TO_MANY_FIELD_NUMBER: _ClassVar[int]
    schema_name: str
    one_to_many: OneToMany
    many_to_many: ManyToMany
    def __init__(self, schema_name: _Optional[str] = ..., one_to_many: _Optional[_Union[OneToMany, _Mapping]] = ..., many_to_many: _Optional[_Union[ManyToMany, _Mapping]] = ...) -> None: ...

class OneToMany(_message.Message):
    __slots__ = ("referenced_entity", "referencing_entity", "referencing_attribute")
    REFERENCED_ENTITY_FIELD_NUMBER: _ClassVar[int]
    REFERENCING_ENTITY_FIELD_NUMBER: _ClassVar[int]
    REFERENCING_ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    referenced_entity: str
    referencing_entity: str
    referencing_attribute: str
    def __init__(self, referenced_entity: _Optional[str] = ..., referencing_entity: _Optional[str] = ..., referencing_attribute: _Optional[str] = ...) -> None: ...

class ManyToMany(_message.Message):
    __slots__ = ("intersect_entity", "entity1", "attribute1", "entity2", "attribute2")
    INTERSECT_ENTITY_FIELD_NUMBER: _ClassVar[int]
    ENTITY1_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTE1_FIELD_NUMBER: _ClassVar[int]
    ENTITY2_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTE2_FIELD_NUMBER: _ClassVar[int]
    intersect_entity: str
    entity1: str
    attribute1: str
    entity2: str
    attribute2: str
    def __init__(self, intersect_entity: _Optional[str] = ..., entity1: _Optional[str] = ..., attribute1: _Optional[str] = ..., entity2: _Optional[str] = ..., attribute2: _Optional[str] = ...) -> None: ...

class Profile(_message.Message):
    __slots__ = ("name", "revision", "items", "users", "priority", "teams", "description")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    TEAMS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    revision: int
    items: _containers.RepeatedCompositeFieldContainer[ProfileItem]
    users: _containers.RepeatedScalarFieldContainer[str]
    priority: int
    teams: _containers.RepeatedScalarFieldContainer[str]
    description: str
    def __init__(self, name: _Optional[str] = ..., revision: _Optional[int] = ..., items: _Optional[_Iterable[_Union[ProfileItem, _Mapping]]] = ..., users: _Optional[_Iterable[str]] = ..., priority: _Optional[int] = ..., teams: _Optional[_Iterable[str]] = ..., description: _Optional[str] = ...) -> None: ...

class ProfileItem(_message.Message):
    __slots__ = ("entity", "criteria", "owned_by_me", "owned_by_my_teams", "owned_by_my_business_unit", "filter", "associations", "columns", "mandatory", "priority", "sync_interval_minutes")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    CRITERIA_FIELD_NUMBER: _ClassVar[int]
    OWNED_BY_ME_FIELD_NUMBER: _ClassVar[int]
    OWNED_BY_MY_TEAMS_FIELD_NUMBER: _ClassVar[int]
    OWNED_BY_MY_BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ASSOCIATIONS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    MANDATORY_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    SYNC_INTERVAL_MINUTES_FIELD_NUMBER: _ClassVar[int]
    entity: str
    criteria: RecordCriteria
    owned_by_me: bool
    owned_by_my_teams: bool
    owned_by_my_business_unit: bool
    filter: _filter_pb2.Filter
    associations: _containers.RepeatedCompositeFieldContainer[Association]
    columns: _containers.RepeatedScalarFieldContainer[str]
    mandatory: bool
    priority: int
    sync_interval_minutes: int
    def __init__(self, entity: _Optional[str] = ..., criteria: _Optional[_Union[RecordCriteria, str]] = ..., owned_by_me: _Optional[bool] = ..., owned_by_my_teams: _Optional[bool] = ..., owned_by_my_business_unit: _Optional[bool] = ..., filter: _Optional[_Union[_filter_pb2.Filter, _Mapping]] = ..., associations: _Optional[_Iterable[_Union[Association, _Mapping]]] = ..., columns: _Optional[_Iterable[str]] = ..., mandatory: _Optional[bool] = ..., priority: _Optional[int] = ..., sync_interval_minutes: _Optional[int] = ...) -> None: ...

class Association(_message.Message):
    __slots__ = ("relationship", "direction", "filter")
    RELATIONSHIP_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    relationship: str
    direction: AssociationDirection
    filter: _filter_pb2.Filter
    def __init__(self, relationship: _Optional[str] = ..., direction: _Optional[_Union[AssociationDirection, str]] = ..., filter: _Optional[_Union[_filter_pb2.Filter, _Mapping]] = ...) -> None: ...

from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FilterJoin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FILTER_JOIN_UNSPECIFIED: _ClassVar[FilterJoin]
    FILTER_JOIN_AND: _ClassVar[FilterJoin]
    FILTER_JOIN_OR: _ClassVar[FilterJoin]

class FilterOperator(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FILTER_OPERATOR_UNSPECIFIED: _ClassVar[FilterOperator]
    FILTER_OPERATOR_EQ: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NE: _ClassVar[FilterOperator]
    FILTER_OPERATOR_GT: _ClassVar[FilterOperator]
    FILTER_OPERATOR_GE: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LT: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LE: _ClassVar[FilterOperator]
    FILTER_OPERATOR_IN: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NOT_IN: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NULL: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NOT_NULL: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LIKE: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NOT_LIKE: _ClassVar[FilterOperator]
    FILTER_OPERATOR_EQ_USER_ID: _ClassVar[FilterOperator]
    FILTER_OPERATOR_EQ_USER_TEAMS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_EQ_BUSINESS_ID: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LAST_X_DAYS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_BEGINS_WITH: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NOT_BEGIN_WITH: _ClassVar[FilterOperator]
    FILTER_OPERATOR_ENDS_WITH: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NOT_END_WITH: _ClassVar[FilterOperator]
    FILTER_OPERATOR_BETWEEN: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NOT_BETWEEN: _ClassVar[FilterOperator]
    FILTER_OPERATOR_CONTAIN_VALUES: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NOT_CONTAIN_VALUES: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NE_USER_ID: _ClassVar[FilterOperator]
    FILTER_OPERATOR_EQ_USER_OR_USER_TEAMS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_EQ_USER_OR_USER_HIERARCHY: _ClassVar[FilterOperator]
    FILTER_OPERATOR_EQ_USER_OR_USER_HIERARCHY_AND_TEAMS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NE_BUSINESS_ID: _ClassVar[FilterOperator]
    FILTER_OPERATOR_EQ_USER_LANGUAGE: _ClassVar[FilterOperator]
    FILTER_OPERATOR_YESTERDAY: _ClassVar[FilterOperator]
    FILTER_OPERATOR_TODAY: _ClassVar[FilterOperator]
    FILTER_OPERATOR_TOMORROW: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LAST_SEVEN_DAYS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NEXT_SEVEN_DAYS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LAST_WEEK: _ClassVar[FilterOperator]
    FILTER_OPERATOR_THIS_WEEK: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NEXT_WEEK: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LAST_MONTH: _ClassVar[FilterOperator]
    FILTER_OPERATOR_THIS_MONTH: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NEXT_MONTH: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LAST_YEAR: _ClassVar[FilterOperator]
    FILTER_OPERATOR_THIS_YEAR: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NEXT_YEAR: _ClassVar[FilterOperator]
    FILTER_OPERATOR_ON: _ClassVar[FilterOperator]
    FILTER_OPERATOR_ON_OR_BEFORE: _ClassVar[FilterOperator]
    FILTER_OPERATOR_ON_OR_AFTER: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NEXT_X_DAYS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LAST_X_HOURS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NEXT_X_HOURS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LAST_X_WEEKS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NEXT_X_WEEKS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LAST_X_MONTHS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NEXT_X_MONTHS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LAST_X_YEARS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NEXT_X_YEARS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_OLDER_THAN_X_MINUTES: _ClassVar[FilterOperator]
    FILTER_OPERATOR_OLDER_THAN_X_HOURS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_OLDER_THAN_X_DAYS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_OLDER_THAN_X_WEEKS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_OLDER_THAN_X_MONTHS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_OLDER_THAN_X_YEARS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_THIS_FISCAL_YEAR: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LAST_FISCAL_YEAR: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NEXT_FISCAL_YEAR: _ClassVar[FilterOperator]
    FILTER_OPERATOR_THIS_FISCAL_PERIOD: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LAST_FISCAL_PERIOD: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NEXT_FISCAL_PERIOD: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LAST_X_FISCAL_YEARS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_LAST_X_FISCAL_PERIODS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NEXT_X_FISCAL_YEARS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NEXT_X_FISCAL_PERIODS: _ClassVar[FilterOperator]
    FILTER_OPERATOR_IN_FISCAL_YEAR: _ClassVar[FilterOperator]
    FILTER_OPERATOR_IN_FISCAL_PERIOD: _ClassVar[FilterOperator]
    FILTER_OPERATOR_IN_FISCAL_PERIOD_AND_YEAR: _ClassVar[FilterOperator]
    FILTER_OPERATOR_IN_OR_BEFORE_FISCAL_PERIOD_AND_YEAR: _ClassVar[FilterOperator]
    FILTER_OPERATOR_IN_OR_AFTER_FISCAL_PERIOD_AND_YEAR: _ClassVar[FilterOperator]
    FILTER_OPERATOR_ABOVE: _ClassVar[FilterOperator]
    FILTER_OPERATOR_EQ_OR_ABOVE: _ClassVar[FilterOperator]
    FILTER_OPERATOR_UNDER: _ClassVar[FilterOperator]
    FILTER_OPERATOR_EQ_OR_UNDER: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NOT_UNDER: _ClassVar[FilterOperator]
FILTER_JOIN_UNSPECIFIED: FilterJoin
FILTER_JOIN_AND: FilterJoin
FILTER_JOIN_OR: FilterJoin
FILTER_OPERATOR_UNSPECIFIED: FilterOperator
FILTER_OPERATOR_EQ: FilterOperator
FILTER_OPERATOR_NE: FilterOperator
FILTER_OPERATOR_GT: FilterOperator
FILTER_OPERATOR_GE: FilterOperator
FILTER_OPERATOR_LT: FilterOperator
FILTER_OPERATOR_LE: FilterOperator
FILTER_OPERATOR_IN: FilterOperator
FILTER_OPERATOR_NOT_IN: FilterOperator
FILTER_OPERATOR_NULL: FilterOperator
FILTER_OPERATOR_NOT_NULL: FilterOperator
FILTER_OPERATOR_LIKE: FilterOperator
FILTER_OPERATOR_NOT_LIKE: FilterOperator
FILTER_OPERATOR_EQ_USER_ID: FilterOperator
FILTER_OPERATOR_EQ_USER_TEAMS: FilterOperator
FILTER_OPERATOR_EQ_BUSINESS_ID: FilterOperator
FILTER_OPERATOR_LAST_X_DAYS: FilterOperator
FILTER_OPERATOR_BEGINS_WITH: FilterOperator
FILTER_OPERATOR_NOT_BEGIN_WITH: FilterOperator
FILTER_OPERATOR_ENDS_WITH: FilterOperator
FILTER_OPERATOR_NOT_END_WITH: FilterOperator
FILTER_OPERATOR_BETWEEN: FilterOperator
FILTER_OPERATOR_NOT_BETWEEN: FilterOperator
FILTER_OPERATOR_CONTAIN_VALUES: FilterOperator
FILTER_OPERATOR_NOT_CONTAIN_VALUES: FilterOperator
FILTER_OPERATOR_NE_USER_ID: FilterOperator
FILTER_OPERATOR_EQ_USER_OR_USER_TEAMS: FilterOperator
FILTER_OPERATOR_EQ_USER_OR_USER_HIERARCHY: FilterOperator
FILTER_OPERATOR_EQ_USER_OR_USER_HIERARCHY_AND_TEAMS: FilterOperator
FILTER_OPERATOR_NE_BUSINESS_ID: FilterOperator
FILTER_OPERATOR_EQ_USER_LANGUAGE: FilterOperator
FILTER_OPERATOR_YESTERDAY: FilterOperator
FILTER_OPERATOR_TODAY: FilterOperator
FILTER_OPERATOR_TOMORROW: FilterOperator
FILTER_OPERATOR_LAST_SEVEN_DAYS: FilterOperator
FILTER_OPERATOR_NEXT_SEVEN_DAYS: FilterOperator
FILTER_OPERATOR_LAST_WEEK: FilterOperator
FILTER_OPERATOR_THIS_WEEK: FilterOperator
FILTER_OPERATOR_NEXT_WEEK: FilterOperator
FILTER_OPERATOR_LAST_MONTH: FilterOperator
FILTER_OPERATOR_THIS_MONTH: FilterOperator
FILTER_OPERATOR_NEXT_MONTH: FilterOperator
FILTER_OPERATOR_LAST_YEAR: FilterOperator
FILTER_OPERATOR_THIS_YEAR: FilterOperator
FILTER_OPERATOR_NEXT_YEAR: FilterOperator
FILTER_OPERATOR_ON: FilterOperator
FILTER_OPERATOR_ON_OR_BEFORE: FilterOperator
FILTER_OPERATOR_ON_OR_AFTER: FilterOperator
FILTER_OPERATOR_NEXT_X_DAYS: FilterOperator
FILTER_OPERATOR_LAST_X_HOURS: FilterOperator
FILTER_OPERATOR_NEXT_X_HOURS: FilterOperator
FILTER_OPERATOR_LAST_X_WEEKS: FilterOperator
FILTER_OPERATOR_NEXT_X_WEEKS: FilterOperator
FILTER_OPERATOR_LAST_X_MONTHS: FilterOperator
FILTER_OPERATOR_NEXT_X_MONTHS: FilterOperator
FILTER_OPERATOR_LAST_X_YEARS: FilterOperator
FILTER_OPERATOR_NEXT_X_YEARS: FilterOperator
FILTER_OPERATOR_OLDER_THAN_X_MINUTES: FilterOperator
FILTER_OPERATOR_OLDER_THAN_X_HOURS: FilterOperator
FILTER_OPERATOR_OLDER_THAN_X_DAYS: FilterOperator
FILTER_OPERATOR_OLDER_THAN_X_WEEKS: FilterOperator
FILTER_OPERATOR_OLDER_THAN_X_MONTHS: FilterOperator
FILTER_OPERATOR_OLDER_THAN_X_YEARS: FilterOperator
FILTER_OPERATOR_THIS_FISCAL_YEAR: FilterOperator
FILTER_OPERATOR_LAST_FISCAL_YEAR: FilterOperator
FILTER_OPERATOR_NEXT_FISCAL_YEAR: FilterOperator
FILTER_OPERATOR_THIS_FISCAL_PERIOD: FilterOperator
FILTER_OPERATOR_LAST_FISCAL_PERIOD: FilterOperator
FILTER_OPERATOR_NEXT_FISCAL_PERIOD: FilterOperator
FILTER_OPERATOR_LAST_X_FISCAL_YEARS: FilterOperator
FILTER_OPERATOR_LAST_X_FISCAL_PERIODS: FilterOperator
FILTER_OPERATOR_NEXT_X_FISCAL_YEARS: FilterOperator
FILTER_OPERATOR_NEXT_X_FISCAL_PERIODS: FilterOperator
FILTER_OPERATOR_IN_FISCAL_YEAR: FilterOperator
FILTER_OPERATOR_IN_FISCAL_PERIOD: FilterOperator
FILTER_OPERATOR_IN_FISCAL_PERIOD_AND_YEAR: FilterOperator
FILTER_OPERATOR_IN_OR_BEFORE_FISCAL_PERIOD_AND_YEAR: FilterOperator
FILTER_OPERATOR_IN_OR_AFTER_FISCAL_PERIOD_AND_YEAR: FilterOperator
FILTER_OPERATOR_ABOVE: FilterOperator
FILTER_OPERATOR_EQ_OR_ABOVE: FilterOperator
FILTER_OPERATOR_UNDER: FilterOperator
FILTER_OPERATOR_EQ_OR_UNDER: FilterOperator
FILTER_OPERATOR_NOT_UNDER: FilterOperator

class Filter(_message.Message):
    __slots__ = ("fetch_xml", "compiled")
    FETCH_XML_FIELD_NUMBER: _ClassVar[int]
    COMPILED_FIELD_NUMBER: _ClassVar[int]
    fetch_xml: str
    compiled: FilterNode
    def __init__(self, fetch_xml: _Optional[str] = ..., compiled: _Optional[_Union[FilterNode, _Mapping]] = ...) -> None: ...

class FilterNode(_message.Message):
    __slots__ = ("group", "condition", "link")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    group: FilterGroup
    condition: FilterCondition
    link: FilterLink
    def __init__(self, group: _Optional[_Union[FilterGroup, _Mapping]] = ..., condition: _Optional[_Union[FilterCondition, _Mapping]] = ..., link: _Optional[_Union[FilterLink, _Mapping]] = ...) -> None: ...

class FilterGroup(_message.Message):
    __slots__ = ("join", "nodes")
    JOIN_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    join: FilterJoin
    nodes: _containers.RepeatedCompositeFieldContainer[FilterNode]
    def __init__(self, join: _Optional[_Union[FilterJoin, str]] = ..., nodes: _Optional[_Iterable[_Union[FilterNode, _Mapping]]] = ...) -> None: ...

class FilterCondition(_message.Message):
    __slots__ = ("attribute_number", "operator", "operands", "other_attribute_number")
    ATTRIBUTE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    OPERANDS_FIELD_NUMBER: _ClassVar[int]
    OTHER_ATTRIBUTE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    attribute_number: int
    operator: FilterOperator
    operands: _containers.RepeatedCompositeFieldContainer[FilterOperand]
    other_attribute_number: int
    def __init__(self, attribute_number: _Optional[int] = ..., operator: _Optional[_Union[FilterOperator, str]] = ..., operands: _Optional[_Iterable[_Union[FilterOperand, _Mapping]]] = ..., other_attribute_number: _Optional[int] = ...) -> None: ...

class FilterLink(_message.Message):
    __slots__ = ("entity_number", "from_attribute_number", "to_attribute_number", "negated", "node")
    ENTITY_NUMBER_FIELD_NUMBER: _ClassVar[int]
    FROM_ATTRIBUTE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TO_ATTRIBUTE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    NEGATED_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    entity_number: int
    from_attribute_number: int
    to_attribute_number: int
    negated: bool
    node: FilterNode
    def __init__(self, entity_number: _Optional[int] = ..., from_attribute_number: _Optional[int] = ..., to_attribute_number: _Optional[int] = ..., negated: _Optional[bool] = ..., node: _Optional[_Union[FilterNode, _Mapping]] = ...) -> None: ...

class FilterOperand(_message.Message):
    __slots__ = ("text", "integer", "real", "truth", "id", "integers", "wall_clock")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    REAL_FIELD_NUMBER: _ClassVar[int]
    TRUTH_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    INTEGERS_FIELD_NUMBER: _ClassVar[int]
    WALL_CLOCK_FIELD_NUMBER: _ClassVar[int]
    text: str
    integer: int
    real: float
    truth: bool
    id: bytes
    integers: IntegerSet
    wall_clock: int
    def __init__(self, text: _Optional[str] = ..., integer: _Optional[int] = ..., real: _Optional[float] = ..., truth: _Optional[bool] = ..., id: _Optional[bytes] = ..., integers: _Optional[_Union[IntegerSet, _Mapping]] = ..., wall_clock: _Optional[int] = ...) -> None: ...

class IntegerSet(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, values: _Optional[_Iterable[int]] = ...) -> None: ...

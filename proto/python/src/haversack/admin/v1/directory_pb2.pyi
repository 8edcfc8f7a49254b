from haversack.admin.v1 import questions_pb2 as _questions_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TeamType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TEAM_TYPE_UNSPECIFIED: _ClassVar[TeamType]
    TEAM_TYPE_OWNER: _ClassVar[TeamType]
    TEAM_TYPE_ACCESS: _ClassVar[TeamType]
    TEAM_TYPE_SECURITY_GROUP: _ClassVar[TeamType]
    TEAM_TYPE_OFFICE_GROUP: _ClassVar[TeamType]

class RoleInheritance(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_INHERITANCE_UNSPECIFIED: _ClassVar[RoleInheritance]
    ROLE_INHERITANCE_TEAM_ONLY: _ClassVar[RoleInheritance]
    ROLE_INHERITANCE_DIRECT: _ClassVar[RoleInheritance]

class AccessRight(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCESS_RIGHT_UNSPECIFIED: _ClassVar[AccessRight]
    ACCESS_RIGHT_CREATE: _ClassVar[AccessRight]
    ACCESS_RIGHT_READ: _ClassVar[AccessRight]
    ACCESS_RIGHT_WRITE: _ClassVar[AccessRight]
    ACCESS_RIGHT_DELETE: _ClassVar[AccessRight]
    ACCESS_RIGHT_ASSIGN: _ClassVar[AccessRight]
    ACCESS_RIGHT_SHARE: _ClassVar[AccessRight]
    ACCESS_RIGHT_APPEND: _ClassVar[AccessRight]
    ACCESS_RIGHT_APPEND_TO: _ClassVar[AccessRight]

class PrivilegeDepth(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIVILEGE_DEPTH_UNSPECIFIED: _ClassVar[PrivilegeDepth]
    PRIVILEGE_DEPTH_USER: _ClassVar[PrivilegeDepth]
    PRIVILEGE_DEPTH_BUSINESS_UNIT: _ClassVar[PrivilegeDepth]
    PRIVILEGE_DEPTH_PARENT_CHILD: _ClassVar[PrivilegeDepth]
    PRIVILEGE_DEPTH_ORGANIZATION: _ClassVar[PrivilegeDepth]
TEAM_TYPE_UNSPECIFIED: TeamType
TEAM_TYPE_OWNER: TeamType
TEAM_TYPE_ACCESS: TeamType
TEAM_TYPE_SECURITY_GROUP: TeamType
TEAM_TYPE_OFFICE_GROUP: TeamType
ROLE_INHERITANCE_UNSPECIFIED: RoleInheritance
ROLE_INHERITANCE_TEAM_ONLY: RoleInheritance
ROLE_INHERITANCE_DIRECT: RoleInheritance
ACCESS_RIGHT_UNSPECIFIED: AccessRight
ACCESS_RIGHT_CREATE: AccessRight
ACCESS_RIGHT_READ: AccessRight
ACCESS_RIGHT_WRITE: AccessRight
ACCESS_RIGHT_DELETE: AccessRight
ACCESS_RIGHT_ASSIGN: AccessRight
ACCESS_RIGHT_SHARE: AccessRight
ACCESS_RIGHT_APPEND: AccessRight
ACCESS_RIGHT_APPEND_TO: AccessRight
PRIVILEGE_DEPTH_UNSPECIFIED: PrivilegeDepth
PRIVILEGE_DEPTH_USER: PrivilegeDepth
PRIVILEGE_DEPTH_BUSINESS_UNIT: PrivilegeDepth
PRIVILEGE_DEPTH_PARENT_CHILD: PrivilegeDepth
PRIVILEGE_DEPTH_ORGANIZATION: PrivilegeDepth

class DirectoryReference(_message.Message):
    __slots__ = ("id", "name")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class User(_message.Message):
    __slots__ = ("id", "domain_name", "full_name", "email", "job_title", "disabled", "business_unit", "manager", "position", "time_zone")
    ID_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_NAME_FIELD_NUMBER: _ClassVar[int]
    FULL_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    JOB_TITLE_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    MANAGER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    id: str
    domain_name: str
    full_name: str
    email: str
    job_title: str
    disabled: bool
    business_unit: DirectoryReference
    manager: DirectoryReference
    position: DirectoryReference
    time_zone: str
    def __init__(self, id: _Optional[str] = ..., domain_name: _Optional[str] = ..., full_name: _Optional[str] = ..., email: _Optional[str] = ..., job_title: _Optional[str] = ..., disabled: _Optional[bool] = ..., business_unit: _Optional[_Union[DirectoryReference, _Mapping]] = ..., manager: _Optional[_Union[DirectoryReference, _Mapping]] = ..., position: _Optional[_Union[DirectoryReference, _Mapping]] = ..., time_zone: _Optional[str] = ...) -> None: ...

class HeldRole(_message.Message):
    __slots__ = ("role", "team")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    role: DirectoryReference
    team: DirectoryReference
    def __init__(self, role: _Optional[_Union[DirectoryReference, _Mapping]] = ..., team: _Optional[_Union[DirectoryReference, _Mapping]] = ...) -> None: ...

class Team(_message.Message):
    __slots__ = ("id", "name", "business_unit", "type", "description", "member_count")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    MEMBER_COUNT_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    business_unit: DirectoryReference
    type: TeamType
    description: str
    member_count: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., business_unit: _Optional[_Union[DirectoryReference, _Mapping]] = ..., type: _Optional[_Union[TeamType, str]] = ..., description: _Optional[str] = ..., member_count: _Optional[int] = ...) -> None: ...

class TreeNode(_message.Message):
    __slots__ = ("id", "name", "parent", "depth", "user_count")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    USER_COUNT_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    parent: str
    depth: int
    user_count: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., parent: _Optional[str] = ..., depth: _Optional[int] = ..., user_count: _Optional[int] = ...) -> None: ...

class RolePrivilege(_message.Message):
    __slots__ = ("entity", "right", "depth")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    entity: str
    right: AccessRight
    depth: PrivilegeDepth
    def __init__(self, entity: _Optional[str] = ..., right: _Optional[_Union[AccessRight, str]] = ..., depth: _Optional[_Union[PrivilegeDepth, str]] = ...) -> None: ...

class SecurityRole(_message.Message):
    __slots__ = ("id", "name", "business_unit", "inheritance", "user_count", "team_count")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    INHERITANCE_FIELD_NUMBER: _ClassVar[int]
    USER_COUNT_FIELD_NUMBER: _ClassVar[int]
    TEAM_COUNT_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    business_unit: DirectoryReference
    inheritance: RoleInheritance
    user_count: int
    team_count: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., business_unit: _Optional[_Union[DirectoryReference, _Mapping]] = ..., inheritance: _Optional[_Union[RoleInheritance, str]] = ..., user_count: _Optional[int] = ..., team_count: _Optional[int] = ...) -> None: ...

class RowShare(_message.Message):
    __slots__ = ("entity", "row", "user", "team", "rights")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    entity: str
    row: str
    user: DirectoryReference
    team: DirectoryReference
    rights: _containers.RepeatedScalarFieldContainer[AccessRight]
    def __init__(self, entity: _Optional[str] = ..., row: _Optional[str] = ..., user: _Optional[_Union[DirectoryReference, _Mapping]] = ..., team: _Optional[_Union[DirectoryReference, _Mapping]] = ..., rights: _Optional[_Iterable[_Union[AccessRight, str]]] = ...) -> None: ...

class ListUsersRequest(_message.Message):
    __slots__ = ("organization", "search", "business_unit", "offset", "users_max")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    USERS_MAX_FIELD_NUMBER: _ClassVar[int]
    organization: str
    search: str
    business_unit: str
    offset: int
    users_max: int
    def __init__(self, organization: _Optional[str] = ..., search: _Optional[str] = ..., business_unit: _Optional[str] = ..., offset: _Optional[int] = ..., users_max: _Optional[int] = ...) -> None: ...

class ListUsersResponse(_message.Message):
    __slots__ = ("users", "user_count")
    USERS_FIELD_NUMBER: _ClassVar[int]
    USER_COUNT_FIELD_NUMBER: _ClassVar[int]
    users: _containers.RepeatedCompositeFieldContainer[User]
    user_count: int
    def __init__(self, users: _Optional[_Iterable[_Union[User, _Mapping]]] = ..., user_count: _Optional[int] = ...) -> None: ...

class GetUserRequest(_message.Message):
    __slots__ = ("organization", "user")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    organization: str
    user: str
    def __init__(self, organization: _Optional[str] = ..., user: _Optional[str] = ...) -> None: ...

class GetUserResponse(_message.Message):
    __slots__ = ("user", "teams", "roles", "profile")
    USER_FIELD_NUMBER: _ClassVar[int]
    TEAMS_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    user: User
    teams: _containers.RepeatedCompositeFieldContainer[DirectoryReference]
    roles: _containers.RepeatedCompositeFieldContainer[HeldRole]
    profile: str
    def __init__(self, user: _Optional[_Union[User, _Mapping]] = ..., teams: _Optional[_Iterable[_Union[DirectoryReference, _Mapping]]] = ..., roles: _Optional[_Iterable[_Union[HeldRole, _Mapping]]] = ..., profile: _Optional[str] = ...) -> None: ...

class ListTeamsRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class ListTeamsResponse(_message.Message):
    __slots__ = ("teams",)
    TEAMS_FIELD_NUMBER: _ClassVar[int]
    teams: _containers.RepeatedCompositeFieldContainer[Team]
    def __init__(self, teams: _Optional[_Iterable[_Union[Team, _Mapping]]] = ...) -> None: ...

class GetTeamRequest(_message.Message):
    __slots__ = ("organization", "team")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    organization: str
    team: str
    def __init__(self, organization: _Optional[str] = ..., team: _Optional[str] = ...) -> None: ...

class GetTeamResponse(_message.Message):
    __slots__ = ("team", "members", "roles")
    TEAM_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    team: Team
    members: _containers.RepeatedCompositeFieldContainer[DirectoryReference]
    roles: _containers.RepeatedCompositeFieldContainer[DirectoryReference]
    def __init__(self, team: _Optional[_Union[Team, _Mapping]] = ..., members: _Optional[_Iterable[_Union[DirectoryReference, _Mapping]]] = ..., roles: _Optional[_Iterable[_Union[DirectoryReference, _Mapping]]] = ...) -> None: ...

class ListBusinessUnitsRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class ListBusinessUnitsResponse(_message.Message):
    __slots__ = ("business_units",)
    BUSINESS_UNITS_FIELD_NUMBER: _ClassVar[int]
    business_units: _containers.RepeatedCompositeFieldContainer[TreeNode]
    def __init__(self, business_units: _Optional[_Iterable[_Union[TreeNode, _Mapping]]] = ...) -> None: ...

class ListPositionsRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class ListPositionsResponse(_message.Message):
    __slots__ = ("positions",)
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    positions: _containers.RepeatedCompositeFieldContainer[TreeNode]
    def __init__(self, positions: _Optional[_Iterable[_Union[TreeNode, _Mapping]]] = ...) -> None: ...

class ListRolesRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class ListRolesResponse(_message.Message):
    __slots__ = ("roles",)
    ROLES_FIELD_NUMBER: _ClassVar[int]
    roles: _containers.RepeatedCompositeFieldContainer[SecurityRole]
    def __init__(self, roles: _Optional[_Iterable[_Union[SecurityRole, _Mapping]]] = ...) -> None: ...

class GetRoleRequest(_message.Message):
    __slots__ = ("organization", "role")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    organization: str
    role: str
    def __init__(self, organization: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class GetRoleResponse(_message.Message):
    __slots__ = ("role", "privileges", "users", "teams")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PRIVILEGES_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    TEAMS_FIELD_NUMBER: _ClassVar[int]
    role: SecurityRole
    privileges: _containers.RepeatedCompositeFieldContainer[RolePrivilege]
    users: _containers.RepeatedCompositeFieldContainer[DirectoryReference]
    teams: _containers.RepeatedCompositeFieldContainer[DirectoryReference]
    def __init__(self, role: _Optional[_Union[SecurityRole, _Mapping]] = ..., privileges: _Optional[_Iterable[_Union[RolePrivilege, _Mapping]]] = ..., users: _Optional[_Iterable[_Union[DirectoryReference, _Mapping]]] = ..., teams: _Optional[_Iterable[_Union[DirectoryReference, _Mapping]]] = ...) -> None: ...

class ListSharesRequest(_message.Message):
    __slots__ = ("organization", "row", "user", "team", "shares_max")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    SHARES_MAX_FIELD_NUMBER: _ClassVar[int]
    organization: str
    row: str
    user: str
    team: str
    shares_max: int
    def __init__(self, organization: _Optional[str] = ..., row: _Optional[str] = ..., user: _Optional[str] = ..., team: _Optional[str] = ..., shares_max: _Optional[int] = ...) -> None: ...

class ListSharesResponse(_message.Message):
    __slots__ = ("shares", "more")
    SHARES_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    shares: _containers.RepeatedCompositeFieldContainer[RowShare]
    more: bool
    def __init__(self, shares: _Optional[_Iterable[_Union[RowShare, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class CreateUser(_message.Message):
    __slots__ = ("id", "domain_name", "full_name", "email", "job_title", "business_unit", "manager", "position", "time_zone")
    ID_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_NAME_FIELD_NUMBER: _ClassVar[int]
    FULL_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    JOB_TITLE_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    MANAGER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    id: str
    domain_name: str
    full_name: str
    email: str
    job_title: str
    business_unit: str
    manager: str
    position: str
    time_zone: str
    def __init__(self, id: _Optional[str] = ..., domain_name: _Optional[str] = ..., full_name: _Optional[str] = ..., email: _Optional[str] = ..., job_title: _Optional[str] = ..., business_unit: _Optional[str] = ..., manager: _Optional[str] = ..., position: _Optional[str] = ..., time_zone: _Optional[str] = ...) -> None: ...

class UpdateUser(_message.Message):
    __slots__ = ("user", "domain_name", "full_name", "email", "job_title", "business_unit", "manager", "position", "time_zone", "disabled")
    USER_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_NAME_FIELD_NUMBER: _ClassVar[int]
    FULL_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    JOB_TITLE_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    MANAGER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    user: str
    domain_name: str
    full_name: str
    email: str
    job_title: str
    business_unit: str
    manager: str
    position: str
    time_zone: str
    disabled: bool
    def __init__(self, user: _Optional[str] = ..., domain_name: _Optional[str] = ..., full_name: _Optional[str] = ..., email: _Optional[str] = ..., job_title: _Optional[str] = ..., business_unit: _Optional[str] = ..., manager: _Optional[str] = ..., position: _Optional[str] = ..., time_zone: _Optional[str] = ..., disabled: _Optional[bool] = ...) -> None: ...

class CreateTeam(_message.Message):
    __slots__ = ("id", "name", "business_unit", "type", "description", "members")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    business_unit: str
    type: TeamType
    description: str
    members: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., business_unit: _Optional[str] = ..., type: _Optional[_Union[TeamType, str]] = ..., description: _Optional[str] = ..., members: _Optional[_Iterable[str]] = ...) -> None: ...

class UpdateTeam(_message.Message):
    __slots__ = ("team", "name", "business_unit", "description")
    TEAM_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    team: str
    name: str
    business_unit: str
    description: str
    def __init__(self, team: _Optional[str] = ..., name: _Optional[str] = ..., business_unit: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class TeamMembers(_message.Message):
    __slots__ = ("team", "users")
    TEAM_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    team: str
    users: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, team: _Optional[str] = ..., users: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateTreeNode(_message.Message):
    __slots__ = ("id", "name", "parent")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    parent: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., parent: _Optional[str] = ...) -> None: ...

class UpdateTreeNode(_message.Message):
    __slots__ = ("node", "name", "parent")
    NODE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    node: str
    name: str
    parent: str
    def __init__(self, node: _Optional[str] = ..., name: _Optional[str] = ..., parent: _Optional[str] = ...) -> None: ...

class CreateRole(_message.Message):
    __slots__ = ("id", "name", "business_unit", "inheritance", "privileges")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    INHERITANCE_FIELD_NUMBER: _ClassVar[int]
    PRIVILEGES_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    business_unit: str
    inheritance: RoleInheritance
    privileges: _containers.RepeatedCompositeFieldContainer[RolePrivilege]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., business_unit: _Optional[str] = ..., inheritance: _Optional[_Union[RoleInheritance, str]] = ..., privileges: _Optional[_Iterable[_Union[RolePrivilege, _Mapping]]] = ...) -> None: ...

class UpdateRole(_message.Message):
    __slots__ = ("role", "name", "inheritance")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    INHERITANCE_FIELD_NUMBER: _ClassVar[int]
    role: str
    name: str
    inheritance: RoleInheritance
    def __init__(self, role: _Optional[str] = ..., name: _Optional[str] = ..., inheritance: _Optional[_Union[RoleInheritance, str]] = ...) -> None: ...

class SetRolePrivileges(_message.Message):
    __slots__ = ("role", "privileges", "replace")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PRIVILEGES_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    role: str
    privileges: _containers.RepeatedCompositeFieldContainer[RolePrivilege]
    replace: bool
    def __init__(self, role: _Optional[str] = ..., privileges: _Optional[_Iterable[_Union[RolePrivilege, _Mapping]]] = ..., replace: _Optional[bool] = ...) -> None: ...

class RoleHolders(_message.Message):
    __slots__ = ("role", "users", "teams")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    TEAMS_FIELD_NUMBER: _ClassVar[int]
    role: str
    users: _containers.RepeatedScalarFieldContainer[str]
    teams: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, role: _Optional[str] = ..., users: _Optional[_Iterable[str]] = ..., teams: _Optional[_Iterable[str]] = ...) -> None: ...

class ShareRow(_message.Message):
    __slots__ = ("entity", "row", "user", "team", "rights")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    entity: str
    row: str
    user: str
    team: str
    rights: _containers.RepeatedScalarFieldContainer[AccessRight]
    def __init__(self, entity: _Optional[str] = ..., row: _Optional[str] = ..., user: _Optional[str] = ..., team: _Optional[str] = ..., rights: _Optional[_Iterable[_Union[AccessRight, str]]] = ...) -> None: ...

class DirectoryEdit(_message.Message):
    __slots__ = ("create_user", "update_user", "create_team", "update_team", "delete_team", "add_members", "remove_members", "create_business_unit", "update_business_unit", "delete_business_unit", "create_position", "update_position", "delete_position", "create_role", "update_role", "set_role_privileges", "delete_role", "assign_role", "revoke_role", "share_row")
    CREATE_USER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_USER_FIELD_NUMBER: _ClassVar[int]
    CREATE_TEAM_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TEAM_FIELD_NUMBER: _ClassVar[int]
    DELETE_TEAM_FIELD_NUMBER: _ClassVar[int]
    ADD_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    REMOVE_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    CREATE_BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    DELETE_BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    CREATE_POSITION_FIELD_NUMBER: _ClassVar[int]
    UPDATE_POSITION_FIELD_NUMBER: _ClassVar[int]
    DELETE_POSITION_FIELD_NUMBER: _ClassVar[int]
    CREATE_ROLE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_ROLE_FIELD_NUMBER: _ClassVar[int]
    SET_ROLE_PRIVILEGES_FIELD_NUMBER: _ClassVar[int]
    DELETE_ROLE_FIELD_NUMBER: _ClassVar[int]
    ASSIGN_ROLE_FIELD_NUMBER: _ClassVar[int]
    REVOKE_ROLE_FIELD_NUMBER: _ClassVar[int]
    SHARE_ROW_FIELD_NUMBER: _ClassVar[int]
    create_user: CreateUser
    update_user: UpdateUser
    create_team: CreateTeam
    update_team: UpdateTeam
    delete_team: str
    add_members: TeamMembers
    remove_members: TeamMembers
    create_business_unit: CreateTreeNode
    update_business_unit: UpdateTreeNode
    delete_business_unit: str
    create_position: CreateTreeNode
    update_position: UpdateTreeNode
    delete_position: str
    create_role: CreateRole
    update_role: UpdateRole
    set_role_privileges: SetRolePrivileges
    delete_role: str
    assign_role: RoleHolders
    revoke_role: RoleHolders
    share_row: ShareRow
    def __init__(self, create_user: _Optional[_Union[CreateUser, _Mapping]] = ..., update_user: _Optional[_Union[UpdateUser, _Mapping]] = ..., create_team: _Optional[_Union[CreateTeam, _Mapping]] = ..., update_team: _Optional[_Union[UpdateTeam, _Mapping]] = ..., delete_team: _Optional[str] = ..., add_members: _Optional[_Union[TeamMembers, _Mapping]] = ..., remove_members: _Optional[_Union[TeamMembers, _Mapping]] = ..., create_business_unit: _Optional[_Union[CreateTreeNode, _Mapping]] = ..., update_business_unit: _Optional[_Union[UpdateTreeNode, _Mapping]] = ..., delete_business_unit: _Optional[str] = ..., create_position: _Optional[_Union[CreateTreeNode, _Mapping]] = ..., update_position: _Optional[_Union[UpdateTreeNode, _Mapping]] = ..., delete_position: _Optional[str] = ..., create_role: _Optional[_Union[CreateRole, _Mapping]] = ..., update_role: _Optional[_Union[UpdateRole, _Mapping]] = ..., set_role_privileges: _Optional[_Union[SetRolePrivileges, _Mapping]] = ..., delete_role: _Optional[str] = ..., assign_role: _Optional[_Union[RoleHolders, _Mapping]] = ..., revoke_role: _Optional[_Union[RoleHolders, _Mapping]] = ..., share_row: _Optional[_Union[ShareRow, _Mapping]] = ...) -> None: ...

class ChangeDirectoryRequest(_message.Message):
    __slots__ = ("organization", "edits", "dry_run")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    EDITS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    organization: str
    edits: _containers.RepeatedCompositeFieldContainer[DirectoryEdit]
    dry_run: bool
    def __init__(self, organization: _Optional[str] = ..., edits: _Optional[_Iterable[_Union[DirectoryEdit, _Mapping]]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class ChangeDirectoryResponse(_message.Message):
    __slots__ = ("lsn", "rows", "row_count", "effect", "unforeseen")
    LSN_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    UNFORESEEN_FIELD_NUMBER: _ClassVar[int]
    lsn: int
    rows: _containers.RepeatedCompositeFieldContainer[DirectoryReference]
    row_count: int
    effect: _questions_pb2.DiffResponse
    unforeseen: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, lsn: _Optional[int] = ..., rows: _Optional[_Iterable[_Union[DirectoryReference, _Mapping]]] = ..., row_count: _Optional[int] = ..., effect: _Optional[_Union[_questions_pb2.DiffResponse, _Mapping]] = ..., unforeseen: _Optional[_Iterable[str]] = ...) -> None: ...

from haversack.model.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProfileSummary(_message.Message):
    __slots__ = ("name", "revision", "items", "users", "changed", "teams", "priority", "description", "draft_version", "draft_author", "draft_at_us")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    TEAMS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DRAFT_VERSION_FIELD_NUMBER: _ClassVar[int]
    DRAFT_AUTHOR_FIELD_NUMBER: _ClassVar[int]
    DRAFT_AT_US_FIELD_NUMBER: _ClassVar[int]
    name: str
    revision: int
    items: int
    users: int
    changed: bool
    teams: int
    priority: int
    description: str
    draft_version: int
    draft_author: str
    draft_at_us: int
    def __init__(self, name: _Optional[str] = ..., revision: _Optional[int] = ..., items: _Optional[int] = ..., users: _Optional[int] = ..., changed: _Optional[bool] = ..., teams: _Optional[int] = ..., priority: _Optional[int] = ..., description: _Optional[str] = ..., draft_version: _Optional[int] = ..., draft_author: _Optional[str] = ..., draft_at_us: _Optional[int] = ...) -> None: ...

class ProfileRevision(_message.Message):
    __slots__ = ("number", "author", "note", "published_at_us", "items", "users", "teams", "followed")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_AT_US_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    TEAMS_FIELD_NUMBER: _ClassVar[int]
    FOLLOWED_FIELD_NUMBER: _ClassVar[int]
    number: int
    author: str
    note: str
    published_at_us: int
    items: int
    users: int
    teams: int
    followed: bool
    def __init__(self, number: _Optional[int] = ..., author: _Optional[str] = ..., note: _Optional[str] = ..., published_at_us: _Optional[int] = ..., items: _Optional[int] = ..., users: _Optional[int] = ..., teams: _Optional[int] = ..., followed: _Optional[bool] = ...) -> None: ...

class MovedUser(_message.Message):
    __slots__ = ("user", "from_profile")
    USER_FIELD_NUMBER: _ClassVar[int]
    FROM_PROFILE_FIELD_NUMBER: _ClassVar[int]
    user: str
    from_profile: str
    def __init__(self, user: _Optional[str] = ..., from_profile: _Optional[str] = ...) -> None: ...

class SaveProfileRequest(_message.Message):
    __slots__ = ("organization", "profile", "move", "draft_version")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    MOVE_FIELD_NUMBER: _ClassVar[int]
    DRAFT_VERSION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    profile: _model_pb2.Profile
    move: bool
    draft_version: int
    def __init__(self, organization: _Optional[str] = ..., profile: _Optional[_Union[_model_pb2.Profile, _Mapping]] = ..., move: _Optional[bool] = ..., draft_version: _Optional[int] = ...) -> None: ...

class SaveProfileResponse(_message.Message):
    __slots__ = ("summary", "warnings", "moved")
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    summary: ProfileSummary
    warnings: _containers.RepeatedScalarFieldContainer[str]
    moved: _containers.RepeatedCompositeFieldContainer[MovedUser]
    def __init__(self, summary: _Optional[_Union[ProfileSummary, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ..., moved: _Optional[_Iterable[_Union[MovedUser, _Mapping]]] = ...) -> None: ...

class GetProfileRequest(_message.Message):
    __slots__ = ("organization", "name", "revision")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    name: str
    revision: int
    def __init__(self, organization: _Optional[str] = ..., name: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class GetProfileResponse(_message.Message):
    __slots__ = ("profile", "summary", "revision")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    profile: _model_pb2.Profile
    summary: ProfileSummary
    revision: ProfileRevision
    def __init__(self, profile: _Optional[_Union[_model_pb2.Profile, _Mapping]] = ..., summary: _Optional[_Union[ProfileSummary, _Mapping]] = ..., revision: _Optional[_Union[ProfileRevision, _Mapping]] = ...) -> None: ...

class ListProfilesRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class ListProfilesResponse(_message.Message):
    __slots__ = ("profiles",)
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    profiles: _containers.RepeatedCompositeFieldContainer[ProfileSummary]
    def __init__(self, profiles: _Optional[_Iterable[_Union[ProfileSummary, _Mapping]]] = ...) -> None: ...

class ListRevisionsRequest(_message.Message):
    __slots__ = ("organization", "name")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    organization: str
    name: str
    def __init__(self, organization: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class ListRevisionsResponse(_message.Message):
    __slots__ = ("revisions",)
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    revisions: _containers.RepeatedCompositeFieldContainer[ProfileRevision]
    def __init__(self, revisions: _Optional[_Iterable[_Union[ProfileRevision, _Mapping]]] = ...) -> None: ...

class CloneProfileRequest(_message.Message):
    __slots__ = ("organization", "name", "new_name", "revision")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NEW_NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    name: str
    new_name: str
    revision: int
    def __init__(self, organization: _Optional[str] = ..., name: _Optional[str] = ..., new_name: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class CloneProfileResponse(_message.Message):
    __slots__ = ("summary", "warnings")
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    summary: ProfileSummary
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, summary: _Optional[_Union[ProfileSummary, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class ValidateProfileRequest(_message.Message):
    __slots__ = ("organization", "name", "profile")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    organization: str
    name: str
    profile: _model_pb2.Profile
    def __init__(self, organization: _Optional[str] = ..., name: _Optional[str] = ..., profile: _Optional[_Union[_model_pb2.Profile, _Mapping]] = ...) -> None: ...

class ValidateProfileResponse(_message.Message):
    __slots__ = ("breaches", "warnings")
    BREACHES_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    breaches: _containers.RepeatedScalarFieldContainer[str]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, breaches: _Optional[_Iterable[str]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class PublishProfileRequest(_message.Message):
    __slots__ = ("organization", "name", "note", "draft_version")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    DRAFT_VERSION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    name: str
    note: str
    draft_version: int
    def __init__(self, organization: _Optional[str] = ..., name: _Optional[str] = ..., note: _Optional[str] = ..., draft_version: _Optional[int] = ...) -> None: ...

class PublishProfileResponse(_message.Message):
    __slots__ = ("profile_revision", "revision", "lsn", "warnings")
    PROFILE_REVISION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    LSN_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    profile_revision: int
    revision: int
    lsn: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, profile_revision: _Optional[int] = ..., revision: _Optional[int] = ..., lsn: _Optional[int] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class UnpublishProfileRequest(_message.Message):
    __slots__ = ("organization", "name", "note")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    organization: str
    name: str
    note: str
    def __init__(self, organization: _Optional[str] = ..., name: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class UnpublishProfileResponse(_message.Message):
    __slots__ = ("revision", "lsn")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    LSN_FIELD_NUMBER: _ClassVar[int]
    revision: int
    lsn: int
    def __init__(self, revision: _Optional[int] = ..., lsn: _Optional[int] = ...) -> None: ...

class DeleteProfileRequest(_message.Message):
    __slots__ = ("organization", "name", "draft_version")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DRAFT_VERSION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    name: str
    draft_version: int
    def __init__(self, organization: _Optional[str] = ..., name: _Optional[str] = ..., draft_version: _Optional[int] = ...) -> None: ...

class DeleteProfileResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RollBackProfileRequest(_message.Message):
    __slots__ = ("organization", "name", "revision", "note", "move")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    MOVE_FIELD_NUMBER: _ClassVar[int]
    organization: str
    name: str
    revision: int
    note: str
    move: bool
    def __init__(self, organization: _Optional[str] = ..., name: _Optional[str] = ..., revision: _Optional[int] = ..., note: _Optional[str] = ..., move: _Optional[bool] = ...) -> None: ...

class RollBackProfileResponse(_message.Message):
    __slots__ = ("profile_revision", "revision", "lsn", "warnings", "moved")
    PROFILE_REVISION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    LSN_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    profile_revision: int
    revision: int
    lsn: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    moved: _containers.RepeatedCompositeFieldContainer[MovedUser]
    def __init__(self, profile_revision: _Optional[int] = ..., revision: _Optional[int] = ..., lsn: _Optional[int] = ..., warnings: _Optional[_Iterable[str]] = ..., moved: _Optional[_Iterable[_Union[MovedUser, _Mapping]]] = ...) -> None: ...

class AddMembersRequest(_message.Message):
    __slots__ = ("organization", "name", "users", "teams", "move")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    TEAMS_FIELD_NUMBER: _ClassVar[int]
    MOVE_FIELD_NUMBER: _ClassVar[int]
    organization: str
    name: str
    users: _containers.RepeatedScalarFieldContainer[str]
    teams: _containers.RepeatedScalarFieldContainer[str]
    move: bool
    def __init__(self, organization: _Optional[str] = ..., name: _Optional[str] = ..., users: _Optional[_Iterable[str]] = ..., teams: _Optional[_Iterable[str]] = ..., move: _Optional[bool] = ...) -> None: ...

class AddMembersResponse(_message.Message):
    __slots__ = ("summary", "warnings", "moved")
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    summary: ProfileSummary
    warnings: _containers.RepeatedScalarFieldContainer[str]
    moved: _containers.RepeatedCompositeFieldContainer[MovedUser]
    def __init__(self, summary: _Optional[_Union[ProfileSummary, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ..., moved: _Optional[_Iterable[_Union[MovedUser, _Mapping]]] = ...) -> None: ...

class RemoveMembersRequest(_message.Message):
    __slots__ = ("organization", "name", "users", "teams")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    TEAMS_FIELD_NUMBER: _ClassVar[int]
    organization: str
    name: str
    users: _containers.RepeatedScalarFieldContainer[str]
    teams: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, organization: _Optional[str] = ..., name: _Optional[str] = ..., users: _Optional[_Iterable[str]] = ..., teams: _Optional[_Iterable[str]] = ...) -> None: ...

class RemoveMembersResponse(_message.Message):
    __slots__ = ("summary",)
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    summary: ProfileSummary
    def __init__(self, summary: _Optional[_Union[ProfileSummary, _Mapping]] = ...) -> None: ...

"""The policy: for every call of the contract, the role that it needs and how its request names the organization.

This table is the one place that decides. A server whose services have a call without an entry does not start.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from haversack_server.errors import InternalFault, RequestInvalid, RoleInsufficient, TokenNotAllowed
from haversack_server.security._caller import EVERYWHERE, Caller, Role

REQUEST_BYTES_MAX = 1024 * 1024
BULK_REQUEST_BYTES_MAX = 16 * 1024 * 1024
"""For requests that carry files or long lists of users."""


class Place(Enum):
    """Where a caller needs the role.

    Attributes:
        ORGANIZATION: In the organization that the request's `organization` names; empty means all of them.
        NAME: In the organization that the request's `name` names.
        HEADER: In the organization that the header in a stream's first message names.
        SERVER: In all of them.
        WITHIN: Somewhere; the answer leaves out where the caller has none.
        NOWHERE: Any verified token will do.
        DEVICE: The call is a device's, and the sync endpoint decides.
    """

    ORGANIZATION = auto()
    NAME = auto()
    HEADER = auto()
    SERVER = auto()
    WITHIN = auto()
    NOWHERE = auto()
    DEVICE = auto()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a call needs.

    Attributes:
        role: The least role that may call.
        place: Where it must be held.
        everywhere: Whether it must be held in all organizations although the request names one, under which the call
            is recorded: what it decides reaches beyond that organization.
        changes: Whether the call changes something; then it is in the audit log.
        bytes_max: How large a request may be.
    """

    role: Role
    place: Place = Place.ORGANIZATION
    everywhere: bool = False
    changes: bool = False
    bytes_max: int = REQUEST_BYTES_MAX


_LOOK = Rule(role=Role.READER)
_LOOK_IN_BULK = Rule(role=Role.READER, bytes_max=BULK_REQUEST_BYTES_MAX)
_RUN = Rule(role=Role.OPERATOR, changes=True)
_DECIDE = Rule(role=Role.ADMINISTRATOR, changes=True)
_DECIDE_IN_BULK = Rule(role=Role.ADMINISTRATOR, changes=True, bytes_max=BULK_REQUEST_BYTES_MAX)
_DEVICE = Rule(role=Role.READER, place=Place.DEVICE)

_ADMIN: dict[str, dict[str, Rule]] = {
    "OrganizationService": {
        "CreateOrganization": Rule(role=Role.ADMINISTRATOR, place=Place.SERVER, changes=True),
        "GetOrganization": Rule(role=Role.READER, place=Place.NAME),
        "ListOrganizations": Rule(role=Role.READER, place=Place.WITHIN),
        "SetSettings": _DECIDE,
        "MoveOrganization": _DECIDE,
    },
    "EntityService": {
        "ImportMetadata": _DECIDE_IN_BULK,
        "ListEntities": _LOOK,
        "GetEntity": _LOOK,
        "EnableEntity": _DECIDE,
        "DisableEntity": _DECIDE,
        "SetOrganizationFilter": _DECIDE,
        "PublishCustomizations": _DECIDE,
    },
    "IngestService": {
        "Ingest": Rule(role=Role.OPERATOR, place=Place.HEADER, changes=True, bytes_max=BULK_REQUEST_BYTES_MAX),
    },
    "ProfileService": {
        "SaveProfile": _DECIDE_IN_BULK,
        "GetProfile": _LOOK,
        "ListProfiles": _LOOK,
        "ListRevisions": _LOOK,
        "ValidateProfile": _LOOK_IN_BULK,
        "CloneProfile": _DECIDE,
        "PublishProfile": _DECIDE,
        "UnpublishProfile": _DECIDE,
        "RollBackProfile": _DECIDE,
        "DeleteProfile": _DECIDE,
        "AddMembers": _DECIDE_IN_BULK,
        "RemoveMembers": _DECIDE_IN_BULK,
    },
    "AppService": {
        "SaveApp": _DECIDE,
        "GetApp": _LOOK,
        "ListApps": _LOOK,
        "DeleteApp": _DECIDE,
    },
    "ProvisioningService": {
        "RecordConsent": _DECIDE,
        "StartProvisioning": _RUN,
        "StopProvisioning": _RUN,
        "RetryProvisioning": _RUN,
        "StartDeprovisioning": _DECIDE,
        "GetProvisioning": _LOOK,
        "WatchProvisioning": _LOOK,
    },
    "WorkService": {
        "ListWorkItems": _LOOK,
        "GetWorkItem": _LOOK,
        "RetryWorkItem": _RUN,
        "RunWorkItem": _RUN,
    },
    "SourceService": {
        # Where the server connects to, from within its own network, and what it sends there.
        "SetSource": Rule(role=Role.ADMINISTRATOR, everywhere=True, changes=True, bytes_max=BULK_REQUEST_BYTES_MAX),
        "GetSource": _LOOK,
        "RemoveSource": _DECIDE,
        # These connect to it, as often as they are called.
        "CheckSource": Rule(role=Role.OPERATOR),
        "MapSource": Rule(role=Role.OPERATOR),
        "SetMapping": _DECIDE_IN_BULK,
        "ImportSourceMetadata": _DECIDE,
        "PauseSource": _RUN,
        "ResumeSource": _RUN,
        "ResyncEntity": _RUN,
        "GetSourceStatus": _LOOK,
        "WatchSourceStatus": _LOOK,
        "RotateSourceKey": Rule(role=Role.ADMINISTRATOR, place=Place.SERVER, changes=True),
    },
    "SyncErrorService": {
        "ListSyncErrors": _LOOK,
        "GetSyncError": _LOOK,
        "RetrySyncError": _RUN,
        "DiscardSyncError": _RUN,
        "GetWriteBack": _LOOK,
    },
    "DeviceService": {
        "ListDevices": _LOOK,
        "GetDevice": _LOOK,
        "ForceFullCheck": _RUN,
        "BlockDevice": _RUN,
        "UnblockDevice": _RUN,
        "WipeDevice": _DECIDE,
        "CancelWipe": _DECIDE,
        "ForgetDevice": _DECIDE,
    },
    "DirectoryService": {
        "ListUsers": _LOOK,
        "GetUser": _LOOK,
        "ListTeams": _LOOK,
        "GetTeam": _LOOK,
        "ListBusinessUnits": _LOOK,
        "ListPositions": _LOOK,
        "ListRoles": _LOOK,
        "GetRole": _LOOK,
        "ListShares": _LOOK,
        "ChangeDirectory": _DECIDE_IN_BULK,
    },
    "QuestionService": {
        "Estimate": _LOOK_IN_BULK,
        "Diff": _LOOK_IN_BULK,
        "Explain": _LOOK,
        "Holders": _LOOK,
        "Lint": _LOOK,
    },
    "SolutionService": {
        "ExportSolution": _LOOK,
        "ImportSolution": _DECIDE_IN_BULK,
    },
    "AccessService": {
        "GrantRole": _DECIDE,
        "RevokeRole": _DECIDE,
        "ListGrants": Rule(role=Role.ADMINISTRATOR),
        "GetCaller": Rule(role=Role.READER, place=Place.NOWHERE),
    },
    "AuditService": {
        "QueryAudit": Rule(role=Role.OPERATOR),
    },
}

RULES: dict[str, Rule] = {
    f"haversack.admin.v1.{service}.{method}": rule
    for service, methods in _ADMIN.items()
    for method, rule in methods.items()
} | {
    "haversack.sync.v1.SyncService.Sync": _DEVICE,
    "haversack.sync.v1.UploadService.Upload": _DEVICE,
    "haversack.sync.v1.ReportService.Report": _DEVICE,
}
"""The rule of every call, by the full name of its method."""


def rule_of(rpc: str) -> Rule:
    """Returns the rule of a method, by full name; raises InternalFault if nobody has decided."""
    rule = RULES.get(rpc)
    if rule is None:
        raise InternalFault(f"{rpc} has no entry in the policy, so nobody may call it")
    return rule


def uncovered(services: Iterable[Any]) -> list[str]:
    """Returns the full names of methods of service descriptors that have no rule."""
    return [method.full_name for service in services for method in service.methods if method.full_name not in RULES]


def organization_of(rule: Rule, request: Any) -> str:
    """Returns the organization that a request names; `EVERYWHERE` if it is about none or all of them."""
    match rule.place:
        case Place.ORGANIZATION:
            return str(request.organization)
        case Place.NAME:
            return str(request.name)
        case Place.HEADER:
            return str(request.header.organization)
        case _:
            return EVERYWHERE


def admit(caller: Caller, rule: Rule, request: Any) -> None:
    """Lets a call in, or raises TokenNotAllowed (no role there), RoleInsufficient (too little) or RequestInvalid."""
    if request.ByteSize() > rule.bytes_max:
        raise RequestInvalid(f"the request has {request.ByteSize():,} bytes, and at most {rule.bytes_max:,} are taken")
    if rule.place is Place.NOWHERE:
        return
    if rule.place is Place.DEVICE:
        raise TokenNotAllowed("this call is a device's; call the sync endpoint")
    organization = organization_of(rule, request)
    held = _held(caller, rule, organization)
    where = _words(organization)
    if held is None:
        raise TokenNotAllowed(
            f"{caller.subject} of {caller.issuer} has no role in {where}; an administrator gives one with "
            "`haversack admin grant`"
        )
    everywhere = caller.role_in(EVERYWHERE)
    if rule.everywhere and (everywhere is None or everywhere < rule.role):
        raise RoleInsufficient(
            f"this call needs the role {rule.role.word} in {_words(EVERYWHERE)}, and {caller.subject} is {held.word} in"
            f" {where}; ask an administrator of the server for the call"
        )
    if held < rule.role:
        raise RoleInsufficient(
            f"this call needs the role {rule.role.word} in {where}, and {caller.subject} is {held.word}; ask an "
            "administrator for it"
        )


def _words(organization: str) -> str:
    return f"organization {organization}" if organization else "all organizations"


def _held(caller: Caller, rule: Rule, organization: str) -> Role | None:
    if rule.place is Place.WITHIN:
        return max((it.role for it in caller.grants), default=None)
    return caller.role_in(organization)


def table() -> str:
    """Returns the policy as a table in Markdown, one line a call."""
    lines = ["| call | role | where | recorded |", "| --- | --- | --- | --- |"]
    for rpc, rule in sorted(RULES.items()):
        role = {Place.NOWHERE: "any token", Place.DEVICE: "a device's user"}.get(rule.place, rule.role.word)
        recorded = "yes" if rule.changes else ""
        where = _WHERE[Place.SERVER if rule.everywhere else rule.place]
        lines.append(f"| {rpc.removeprefix('haversack.')} | {role} | {where} | {recorded} |")
    return "\n".join(lines)


_WHERE = {
    Place.ORGANIZATION: "the organization",
    Place.NAME: "the organization",
    Place.HEADER: "the organization",
    Place.SERVER: "all organizations",
    Place.WITHIN: "any; shows those alone",
    Place.NOWHERE: "",
    Place.DEVICE: "its token's organization",
}

"""Every failure that the control plane names, each with its reason in `haversack.error.v1.ErrorReason`.

    HaversackError
    ├── TokenRefused     TokenMissing, TokenInvalid, TokenExpired, TokenNotAllowed, RoleInsufficient
    ├── NotFound         OrganizationUnknown, EntityUnknown, AttributeUnknown, RelationshipUnknown, ProfileUnknown,
    │                    RevisionUnknown, AppUnknown, WorkItemUnknown, DirectoryRowUnknown, SourceUnknown, DeviceUnknown
    ├── AlreadyExists    OrganizationExists, ProfileExists, BackupTargetExists
    ├── RequestRefused   RequestInvalid, MetadataInvalid, ProfileInvalid, SolutionInvalid, DirectoryInvalid,
    │   │                ConfigurationInvalid, RowsInvalid, RowTooLarge, SourceInvalid, SourceSecretsMissing,
    │   │                MappingInvalid, BackupInvalid
    │   └── FilterRefused FilterMalformed, FilterOperatorUnknown, FilterOperandInvalid, FilterTooLarge,
    │                     FilterUnsupported
    ├── NotReady         NothingPublished, EntityNotEnabled, EntityInUse, EntityNotMobile, MetadataIncompatible,
    │                    AppNotEnabled, UserInOtherProfile, ProfilePublished, ProfileInUse,
    │                    OrganizationNotProvisioned, TransitionIllegal, ConsentMissing,
    │                    OrganizationKindRefused, WorkItemNotDead, DirectoryReadOnly, SourceOwnsRows,
    │                    SourcePaused, SourceUnmappable, SourceRefused, SourceNotReady, SourceSlotTaken,
    │                    SourceReplaced, WriteWithdrawn, DeviceOrderImpossible, BackupVersion
    ├── TryLater         LimitReached, WriteQueueFull, DraftChanged, ServerStopping, CatalogUnavailable,
    │   │                OrganizationBusy
    │   └── SourceUnavailable SourceThrottled, SourceAnswerInvalid
    └── ServerFault      StagingFailed, BackupFailed, InternalFault
        └── InternalFault CatalogFailed

Whoever raises one writes what is wrong and what to do next; `admin` turns it into a gRPC status. Anything else that
is raised is a bug, and is answered as `InternalFault`.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum, auto
from typing import ClassVar

import grpc


class HaversackError(Exception):
    """A failure with a name. `str(error)` says what is wrong and what to do next.

    Attributes:
        retry_seconds: When the same call can succeed, if that is known.
    """

    reason: ClassVar[str] = ""
    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN
    retry_seconds: float | None = None


class TokenRefused(HaversackError):
    """The call's bearer token does not open this door."""

    code = grpc.StatusCode.UNAUTHENTICATED


class TokenMissing(TokenRefused):
    """The call carries no bearer token."""

    reason = "TOKEN_MISSING"


class TokenInvalid(TokenRefused):
    """The token is malformed, or its signature, issuer or audience is wrong."""

    reason = "TOKEN_INVALID"


class TokenExpired(TokenRefused):
    """The token's lifetime is over."""

    reason = "TOKEN_EXPIRED"


class TokenNotAllowed(TokenRefused):
    """The token is for another organization."""

    reason = "TOKEN_NOT_ALLOWED"
    code = grpc.StatusCode.PERMISSION_DENIED


class RoleInsufficient(TokenRefused):
    """The caller's administrative role does not allow this call."""

    reason = "ROLE_INSUFFICIENT"
    code = grpc.StatusCode.PERMISSION_DENIED


class NotFound(HaversackError):
    """What the call names does not exist."""

    code = grpc.StatusCode.NOT_FOUND


class OrganizationUnknown(NotFound):
    """No organization has this name."""

    reason = "ORGANIZATION_UNKNOWN"


class EntityUnknown(NotFound):
    """The organization's metadata has no such entity."""

    reason = "ENTITY_UNKNOWN"


class AttributeUnknown(NotFound):
    """The entity has no such attribute."""

    reason = "ATTRIBUTE_UNKNOWN"


class RelationshipUnknown(NotFound):
    """No relationship of this schema name touches the entity."""

    reason = "RELATIONSHIP_UNKNOWN"


class ProfileUnknown(NotFound):
    """The organization has no profile of this name."""

    reason = "PROFILE_UNKNOWN"


class RevisionUnknown(NotFound):
    """The profile has no revision of this number."""

    reason = "REVISION_UNKNOWN"


class AppUnknown(NotFound):
    """There is no application of this name."""

    reason = "APP_UNKNOWN"


class WorkItemUnknown(NotFound):
    """There is no work item of this number."""

    reason = "WORK_ITEM_UNKNOWN"


class DirectoryRowUnknown(NotFound):
    """The directory has no such row."""

    reason = "DIRECTORY_ROW_UNKNOWN"


class SourceUnknown(NotFound):
    """The organization has no source outside, or the server has none of that kind."""

    reason = "SOURCE_UNKNOWN"


class DeviceUnknown(NotFound):
    """No device of the organization has this install id."""

    reason = "DEVICE_UNKNOWN"


class AlreadyExists(HaversackError):
    """What the call would make is there."""

    code = grpc.StatusCode.ALREADY_EXISTS


class OrganizationExists(AlreadyExists):
    """An organization with this name exists."""

    reason = "ORGANIZATION_EXISTS"


class ProfileExists(AlreadyExists):
    """The organization has a profile of this name."""

    reason = "PROFILE_EXISTS"


class BackupTargetExists(AlreadyExists):
    """There is something already where a backup or a restored server is to be."""

    reason = "BACKUP_TARGET_EXISTS"


class RequestRefused(HaversackError):
    """The caller has to send something else."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class RequestInvalid(RequestRefused):
    """A message breaks its contract."""

    reason = "REQUEST_INVALID"


class MetadataInvalid(RequestRefused):
    """A metadata document cannot be read or contradicts itself."""

    reason = "METADATA_INVALID"


class ProfileInvalid(RequestRefused):
    """The profile breaks rules; the message lists them."""

    reason = "PROFILE_INVALID"


class SolutionInvalid(RequestRefused):
    """A solution cannot be read, or is unsafe to read."""

    reason = "SOLUTION_INVALID"


class DirectoryInvalid(RequestRefused):
    """The change would leave the directory in a state that means nothing."""

    reason = "DIRECTORY_INVALID"


class ConfigurationInvalid(RequestRefused):
    """A certificate, key or issuer in the configuration cannot be used."""

    reason = "CONFIGURATION_INVALID"


class RowsInvalid(RequestRefused):
    """Rows of an ingest were refused."""

    reason = "ROWS_INVALID"


class RowTooLarge(RequestRefused):
    """A row's encoding is larger than the limit."""

    reason = "ROW_TOO_LARGE"


class BackupInvalid(RequestRefused):
    """What was named is no backup, or is not whole any more."""

    reason = "BACKUP_INVALID"


class SourceInvalid(RequestRefused):
    """Settings or secrets of a source cannot be used."""

    reason = "SOURCE_INVALID"


class SourceSecretsMissing(RequestRefused):
    """Secrets that were stored for one address are not sent to another."""

    reason = "SOURCE_SECRETS_MISSING"


class MappingInvalid(RequestRefused):
    """A mapping file is not one, or names what the source does not have."""

    reason = "MAPPING_INVALID"


class FilterRefused(RequestRefused):
    """A FetchXML filter cannot be compiled."""


class FilterMalformed(FilterRefused):
    """The filter is not well-formed FetchXML."""

    reason = "FILTER_MALFORMED"


class FilterOperatorUnknown(FilterRefused):
    """The filter uses an operator that does not exist or that this version cannot evaluate."""

    reason = "FILTER_OPERATOR_UNKNOWN"


class FilterOperandInvalid(FilterRefused):
    """An operand is missing, surplus, or not a value of the attribute's type."""

    reason = "FILTER_OPERAND_INVALID"


class FilterTooLarge(FilterRefused):
    """The filter is larger or deeper than a named limit."""

    reason = "FILTER_TOO_LARGE"


class FilterUnsupported(FilterRefused):
    """The filter asks for something of FetchXML that offline profiles do not have."""

    reason = "FILTER_UNSUPPORTED"


class NotReady(HaversackError):
    """Something else has to be done first."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class NothingPublished(NotReady):
    """Nothing is published in the organization yet."""

    reason = "NOTHING_PUBLISHED"


class EntityNotEnabled(NotReady):
    """The entity is not enabled for offline use."""

    reason = "ENTITY_NOT_ENABLED"


class EntityInUse(NotReady):
    """A profile still has an item for the entity."""

    reason = "ENTITY_IN_USE"


class MetadataIncompatible(NotReady):
    """New metadata would change the meaning of what is stored or published."""

    reason = "METADATA_INCOMPATIBLE"


class EntityNotMobile(NotReady):
    """The entity is not enabled for mobile, so it cannot be enabled for offline use."""

    reason = "ENTITY_NOT_MOBILE"


class AppNotEnabled(NotReady):
    """The application is not enabled for offline use."""

    reason = "APP_NOT_ENABLED"


class UserInOtherProfile(NotReady):
    """A user is in another profile already."""

    reason = "USER_IN_OTHER_PROFILE"


class ProfilePublished(NotReady):
    """Devices follow the profile."""

    reason = "PROFILE_PUBLISHED"


class ProfileInUse(NotReady):
    """An application names the profile."""

    reason = "PROFILE_IN_USE"


class OrganizationNotProvisioned(NotReady):
    """The organization has no staging database that is served."""

    reason = "ORGANIZATION_NOT_PROVISIONED"


class TransitionIllegal(NotReady):
    """This cannot begin in the state that the organization is in."""

    reason = "TRANSITION_ILLEGAL"


class ConsentMissing(NotReady):
    """Nobody has consented to the terms of provisioning."""

    reason = "CONSENT_MISSING"


class OrganizationKindRefused(NotReady):
    """Trial, preview and sandbox organizations cannot be provisioned."""

    reason = "ORGANIZATION_KIND_REFUSED"


class WorkItemNotDead(NotReady):
    """Only a work item that has been given up can be retried."""

    reason = "WORK_ITEM_NOT_DEAD"


class DeviceOrderImpossible(NotReady):
    """The device is not in a state from which this can be ordered."""

    reason = "DEVICE_ORDER_IMPOSSIBLE"


class DirectoryReadOnly(NotReady):
    """The organization's directory belongs to its source."""

    reason = "DIRECTORY_READ_ONLY"


class BackupVersion(NotReady):
    """A backup was made by another version, or a server is of another version than the command."""

    reason = "BACKUP_VERSION"


class SourceOwnsRows(NotReady):
    """The organization's rows belong to its source outside."""

    reason = "SOURCE_OWNS_ROWS"


class SourceNotReady(NotReady):
    """The source cannot carry out a write as it is set up or used; an administrator mends that, and the write waits."""

    reason = "SOURCE_NOT_READY"


class SourceSlotTaken(NotReady):
    """The replication slot in a source's settings is followed by somebody else."""

    reason = "SOURCE_SLOT_TAKEN"


class SourceReplaced(NotReady):
    """A write was accepted for another source than the organization has now."""

    reason = "SOURCE_REPLACED"


class WriteWithdrawn(NotReady):
    """The device's user has given a refused write up, or written it anew; it is not judged again."""

    reason = "WRITE_WITHDRAWN"


class SourcePaused(NotReady):
    """An administrator has paused the organization's source."""

    reason = "SOURCE_PAUSED"


class SourceUnmappable(NotReady):
    """What the source has cannot be kept here."""

    reason = "SOURCE_UNMAPPABLE"


class Refusal(StrEnum):
    """Why a source does not take a write.

    CONFLICT: the row is not what it was. FORBIDDEN: the user may not. INVALID: values break the source's rules.
    NOT_FOUND: there is no such row, or the user may not know of it.
    """

    CONFLICT = auto()
    FORBIDDEN = auto()
    INVALID = auto()
    NOT_FOUND = auto()


class SourceRefused(NotReady):
    """The source does not take a write; the message has its own words.

    Attributes:
        outcome: Why.
    """

    reason = "SOURCE_REFUSED"

    def __init__(self, outcome: Refusal, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class TryLater(HaversackError):
    """The same call can succeed later."""

    code = grpc.StatusCode.UNAVAILABLE


class LimitReached(TryLater):
    """A named limit is reached."""

    reason = "LIMIT_REACHED"
    code = grpc.StatusCode.RESOURCE_EXHAUSTED

    def __init__(self, message: str, *, retry_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class WriteQueueFull(TryLater):
    """As many writes wait for the organization's source as are kept."""

    reason = "WRITE_QUEUE_FULL"
    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class DraftChanged(TryLater):
    """Somebody else has changed the draft since it was read."""

    reason = "DRAFT_CHANGED"
    code = grpc.StatusCode.ABORTED


class ServerStopping(TryLater):
    """The server is stopping."""

    reason = "SERVER_STOPPING"


class CatalogUnavailable(TryLater):
    """The catalog's database cannot be reached, or did not answer in time."""

    reason = "CATALOG_UNAVAILABLE"


class OrganizationBusy(TryLater):
    """Other changes of the organization take too long."""

    reason = "ORGANIZATION_BUSY"


class SourceUnavailable(TryLater):
    """The source does not answer now."""

    reason = "SOURCE_UNAVAILABLE"


class SourceThrottled(SourceUnavailable):
    """The source asks to be left alone for a while: `retry_seconds`, if it says how long."""

    def __init__(self, message: str, *, retry_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class SourceAnswerInvalid(SourceUnavailable):
    """The source answered something that its protocol does not allow, or that leads elsewhere."""

    reason = "SOURCE_ANSWER_INVALID"


class ServerFault(HaversackError):
    """Not the caller's fault; operators look at the server's log."""

    code = grpc.StatusCode.INTERNAL


class StagingFailed(ServerFault):
    """The staging database could not be read or written."""

    reason = "STAGING_FAILED"


class BackupFailed(ServerFault):
    """A backup could not be made or restored."""

    reason = "BACKUP_FAILED"


class InternalFault(ServerFault):
    """A bug; the server's log has the cause."""

    reason = "INTERNAL"


class CatalogFailed(InternalFault):
    """The catalog could not be opened, so the server cannot start."""


def named_errors() -> Iterator[type[HaversackError]]:
    """Yields every class of the tree that has a reason of its own."""
    unseen: list[type[HaversackError]] = [HaversackError]
    while unseen:
        kind = unseen.pop()
        if "reason" in vars(kind) and kind.reason:
            yield kind
        unseen.extend(reversed(kind.__subclasses__()))


def by_reason(reason: str, message: str) -> HaversackError:
    """Makes the error of a reason, as the Rust core names it; an unexpected one is an `InternalFault`.

    So is SOURCE_REFUSED, which only a source can raise, since it has an outcome.
    """
    kinds = {kind.reason: kind for kind in named_errors() if kind is not SourceRefused}
    kind = kinds.get(reason)
    return kind(message) if kind else InternalFault(f"{reason}: {message}")

"""What can go wrong on a device.

```
HaversackError
├── RemoteError               the call failed at the server or on the way: code, reason, retry_delay_seconds
│   ├── UnavailableError      no server answered, or it could not serve now; sync() has already retried
│   │   └── QueueFullError    the server keeps no more writes for the system of record now; they wait on the device
│   ├── NotProvisionedError   the organization is out of service; the device keeps its rows, a live stream waits
│   ├── UserChangedError      the database is another user's, who has writes in it: nothing was uploaded or applied
│   ├── AuthenticationError   the token is missing, wrong or expired: get a new one
│   ├── PermissionDeniedError this user may not sync; what the server withdrew is already removed
│   │   ├── DeviceBlockedError an administrator has blocked this device; it keeps what it has
│   │   └── DeviceWipedError  an administrator has had this device wiped: begin anew with another file
│   └── SupersededError       another stream of this device took over
├── ProtocolError             the server broke the contract; nothing of the event was applied
├── DigestMismatchError       an entity still disagrees after it was fetched anew: report it, it is a bug
├── StoreError                the local database cannot be read or written, or is not a device's
│   ├── FencedError           another process syncs into this database
│   └── KeyWrongError         the database is encrypted, and not with this key
├── WriteRefusedError         a write breaks a rule of the model: reason, fields; nothing was written
├── OutboxError               there is no such write in the outbox, or what is asked of it cannot be done now
├── BatchOpenError            another task's batch of writes is open in this thread, which cannot wait for it
├── FetchError                a FetchXML query cannot be read or run here: reason
├── SyncRunningError          this Device object is already syncing
└── TokenError                the token is none, or the callable says that there is none: no call is made again
```

`reason` is a name of `haversack.error.v1.ErrorReason` without its prefix, or "" if the network failed.
"""

from collections.abc import Iterable, Mapping


class HaversackError(Exception):
    """Any failure of this library."""


class RemoteError(HaversackError):
    """The call failed at the server or on the way to it.

    Attributes:
        code: Name of the gRPC status code, as in "UNAVAILABLE".
        reason: Name of the ErrorReason without prefix; empty if no Haversack server said one.
        retry_delay_seconds: How long the server asks to wait before the next call; None if it asks for nothing.
        details: What else the registry of reasons lets the server say, by name.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        reason: str = "",
        retry_delay_seconds: float | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.details = dict(details or {})
        self.code = code
        self.reason = reason
        self.retry_delay_seconds = retry_delay_seconds


class UnavailableError(RemoteError):
    """No server answered, the stream was cut, or the server cannot serve now and may later."""


class QueueFullError(UnavailableError):
    """As many writes wait for the organization's system of record as the server keeps: this device keeps its own."""


class NotProvisionedError(RemoteError):
    """The organization is out of service until an administrator provisions it. Rows and outbox stay as they are."""


class UserChangedError(RemoteError):
    """The database is another user's than the token's, and has writes of that user that may not be in the data.

    Nothing was uploaded or applied. Sign in as that user until the outbox is empty, or give the writes up
    (`Device.wipe`); better, keep a file for each user.
    """


class AuthenticationError(RemoteError):
    """The token is missing, wrong or expired."""


class PermissionDeniedError(RemoteError):
    """The user may not sync. Rows that the server withdrew are already removed."""


class DeviceBlockedError(PermissionDeniedError):
    """An administrator has blocked this device. Rows and outbox stay as they are; a later call may be let in."""


class DeviceWipedError(PermissionDeniedError):
    """An administrator has had this device wiped: it holds nothing and syncs no more. Begin anew with another file."""


class SupersededError(RemoteError):
    """A newer stream of this device took over."""


class ProtocolError(HaversackError):
    """The server broke the contract. Nothing of the event was applied."""


class DigestMismatchError(HaversackError):
    """Entities still disagree with the server after they were reset and fetched anew.

    Attributes:
        entities: Logical names of the entities, sorted.
    """

    def __init__(self, entities: Iterable[str]) -> None:
        self.entities = tuple(sorted(entities))
        names = ", ".join(self.entities)
        super().__init__(f"{names}: rows disagree with the server even after fetching them anew; report this as a bug")


class StoreError(HaversackError):
    """The local database cannot be read or written, or is not a device's."""


class FencedError(StoreError):
    """Another process began to sync into this database; this one stopped before it wrote anything more."""


class KeyWrongError(StoreError):
    """The database is encrypted with another key, or not at all, or it is encrypted and no key was given."""


class WriteRefusedError(HaversackError):
    """A write breaks a rule of the model that the device knows. Nothing was written.

    Attributes:
        reason: Name of the ErrorReason for which the server would refuse it too.
        fields: Columns that are not valid.
    """

    def __init__(self, reason: str, message: str, fields: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.reason = reason
        self.fields = tuple(fields)


class OutboxError(HaversackError):
    """There is no write of this number in the outbox, or what is asked of it cannot be done now."""


class BatchOpenError(HaversackError):
    """Another task's batch of writes is open in this thread, which would wait for itself. Write when it has ended."""


class FetchError(HaversackError):
    """A FetchXML query cannot be read, or asks for something that a device cannot answer.

    Attributes:
        reason: Name of the ErrorReason with which a server would refuse such a filter.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SyncRunningError(HaversackError):
    """This Device object is already syncing. Stop the live stream, or let the other call end."""


class TokenError(HaversackError):
    """The token is none, as text that no header can carry, or the token callable raised this.

    An application raises it from there when only its user can mend that, by signing in again, say. Whatever else the
    callable raises counts as a loss of the network: calls are made again.
    """

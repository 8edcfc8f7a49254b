"""Haversack on a device: a local SQLite copy of what its user may carry, always exact.

```python
with Device.open("crm.sqlite3", "https://sync.example.com", token) as device:
    device.sync()
    for row in device.query("SELECT name FROM account ORDER BY name"):
        print(row["name"])
```

`Device` is where to begin. From the outside in:

- `_device`, `_live`, `_keeper` and `_monitor` are what applications use.
- Rows come: `_synchronizer` is the loop that calls and applies; `_session` is the protocol, without IO; `_store` is the
  database that one session writes, `_reader` what everybody reads of it, `_tables` its tables; `_rows`, `_model`,
  `_roaring` and `_digest` are the forms in which rows, tables and sets travel.
- Writes go: `_writer` checks them (`_rules`, `_values`) and enters them into the `_outbox`; `_overlay` lays them over
  the server's rows; `_uploader` is the loop that sends; `_conflicts` has what the application decides; `_translation`
  is what a new model or epoch makes of them.
- Administrators: `_report` tells them how the device is, and `_wipe` does what they order.
- `_fetch` answers FetchXML. `_transport` is gRPC, `_connections` is SQLite or SQLCipher.
"""

from haversack_client._backoff import Backoff
from haversack_client._conflicts import Conflict, FieldConflict, OnConflict
from haversack_client._device import Device
from haversack_client._encryption import change_key, keyring_key
from haversack_client._errors import (
    AuthenticationError,
    BatchOpenError,
    DeviceBlockedError,
    DeviceWipedError,
    DigestMismatchError,
    FencedError,
    FetchError,
    HaversackError,
    KeyWrongError,
    NotProvisionedError,
    OutboxError,
    PermissionDeniedError,
    ProtocolError,
    QueueFullError,
    RemoteError,
    StoreError,
    SupersededError,
    SyncRunningError,
    TokenError,
    UnavailableError,
    UserChangedError,
    WriteRefusedError,
)
from haversack_client._fetch import Caller, Collation, FiscalCalendar
from haversack_client._held import Checkpoint, Wipe
from haversack_client._keeper import Keeper
from haversack_client._live import (
    CheckpointReached,
    Connection,
    ConnectionChanged,
    EventsDropped,
    Live,
    LiveEvent,
    ModelChanged,
    ModelChangeWaiting,
    RowsChanged,
    UploadFailed,
    UserChanged,
    WritesAnswered,
)
from haversack_client._model import User
from haversack_client._model_change import EntityChange, ModelAnswer, ModelChange, OnModelChange
from haversack_client._monitor import Activities, Activity, OverallState
from haversack_client._pending import PendingWrite
from haversack_client._progress import Progress
from haversack_client._reader import EntityStatus, StageTime, Status
from haversack_client._result import EntityResult, SyncResult
from haversack_client._stage import Stage

__all__ = [
    "Activities",
    "Activity",
    "AuthenticationError",
    "Backoff",
    "BatchOpenError",
    "Caller",
    "Checkpoint",
    "CheckpointReached",
    "Collation",
    "Conflict",
    "Connection",
    "ConnectionChanged",
    "Device",
    "DeviceBlockedError",
    "DeviceWipedError",
    "DigestMismatchError",
    "EntityChange",
    "EntityResult",
    "EntityStatus",
    "EventsDropped",
    "FencedError",
    "FetchError",
    "FieldConflict",
    "FiscalCalendar",
    "HaversackError",
    "Keeper",
    "KeyWrongError",
    "Live",
    "LiveEvent",
    "ModelAnswer",
    "ModelChange",
    "ModelChangeWaiting",
    "ModelChanged",
    "NotProvisionedError",
    "OnConflict",
    "OnModelChange",
    "OutboxError",
    "OverallState",
    "PendingWrite",
    "PermissionDeniedError",
    "Progress",
    "ProtocolError",
    "QueueFullError",
    "RemoteError",
    "RowsChanged",
    "Stage",
    "StageTime",
    "Status",
    "StoreError",
    "SupersededError",
    "SyncResult",
    "SyncRunningError",
    "TokenError",
    "UnavailableError",
    "UploadFailed",
    "User",
    "UserChanged",
    "UserChangedError",
    "Wipe",
    "WriteRefusedError",
    "WritesAnswered",
    "change_key",
    "keyring_key",
]

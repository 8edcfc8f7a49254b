"""Replication: organizations' staging databases follow the systems of record that their rows come from.

`Source` is what a system of record must be able to do; `NativeSource` is Haversack itself, where an organization's own
rows lie in its record database, and `haversack_server.connectors` has those outside. `Connections` keeps the open
source of each organization, and lends it to those who need it. A `Replicator` drains the queue of work items
(`catalog.work_items`), beside any number of others, in this process and elsewhere. `catch_up` is for those who have
just changed a source and wait for staging. `WriteBack` goes the other way, with what devices upload.
"""

from haversack_server.catalog.sources import NATIVE
from haversack_server.replication._connections import Connections, Lent, refuse_foreign_rows
from haversack_server.replication._following import keep_replicating
from haversack_server.replication._kept import settle_directory
from haversack_server.replication._native import NATIVE_INTERVAL_SECONDS, NativeSource
from haversack_server.replication._replicator import Limits, Replicator
from haversack_server.replication._sending import (
    WriteBack,
    WriteBackStanding,
    bind_queue,
    last_writes,
    write_back_standing,
)
from haversack_server.replication._source import (
    CHECK_SECONDS_MAX,
    FORGET_SECONDS_MAX,
    LEFT_OUT_MAX,
    LIVE_SECONDS_MAX,
    ROWS_MAX,
    Change,
    Checked,
    Connect,
    Described,
    EntityStanding,
    Feed,
    Finding,
    LeftOut,
    Scope,
    Source,
    Standing,
    Taken,
    Unmapped,
    Verdict,
    Written,
    catch_up,
    mark_of,
)
from haversack_server.replication._sources import Sources, Wanted
from haversack_server.replication._status import SourceStatus, source_states, work_item_state
from haversack_server.replication._write_back import write_back

__all__ = [
    "CHECK_SECONDS_MAX",
    "FORGET_SECONDS_MAX",
    "LEFT_OUT_MAX",
    "LIVE_SECONDS_MAX",
    "NATIVE",
    "NATIVE_INTERVAL_SECONDS",
    "ROWS_MAX",
    "Change",
    "Checked",
    "Connect",
    "Connections",
    "Described",
    "EntityStanding",
    "Feed",
    "Finding",
    "LeftOut",
    "Lent",
    "Limits",
    "NativeSource",
    "Replicator",
    "Scope",
    "Source",
    "SourceStatus",
    "Sources",
    "Standing",
    "Taken",
    "Unmapped",
    "Verdict",
    "Wanted",
    "WriteBack",
    "WriteBackStanding",
    "Written",
    "bind_queue",
    "catch_up",
    "keep_replicating",
    "last_writes",
    "mark_of",
    "refuse_foreign_rows",
    "settle_directory",
    "source_states",
    "work_item_state",
    "write_back",
    "write_back_standing",
]

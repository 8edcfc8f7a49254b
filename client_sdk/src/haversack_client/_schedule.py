"""When a device that syncs now and then should: each entity has an interval, and a time at which it was last equal.

An item's interval says how old what a device has of the entity may get. One sync brings all entities to one moment, so
the first that is due takes the others along, and a sync for whatever reason counts for all. The times are in the
database: a device that was closed goes on where it was, and one that comes back after longer is due at once.
"""

from dataclasses import dataclass

from haversack_client._connections import Connection
from haversack_client._model import CarriedModel
from haversack_client._reader import read_facts

INTERVAL_MINUTES_DEFAULT = 10
"""Where an item of the profile does not say how often."""

MICROS_PER_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Due:
    """How long a device may go without a sync.

    Attributes:
        interval_seconds: The shortest interval of its entities.
        remaining_seconds: How much of an interval is left of the entity that is due first; 0 if one is due.
    """

    interval_seconds: float
    remaining_seconds: float


def read_due(connection: Connection, now_us: int, *, cut: float = 0.0) -> Due:
    """When the next entity is due.

    Args:
        connection: To the device's database.
        now_us: By the clock that the times of syncs were taken from. One that was set back makes nothing wait longer
            than its interval.
        cut: By which part of itself every interval is shortened, 0.0 to 1.0.
    """
    serialized = read_facts(connection).model
    tables = CarriedModel.parse(serialized).tables.values() if serialized else ()
    minutes = {table.entity: table.sync_interval_minutes or INTERVAL_MINUTES_DEFAULT for table in tables}
    synced = dict(connection.execute("SELECT entity, synced_at_us FROM _haversack_entity"))
    lefts = [_remaining(60.0 * each * (1 - cut), synced[entity], now_us) for entity, each in minutes.items()]
    return Due(60.0 * min(minutes.values(), default=INTERVAL_MINUTES_DEFAULT), min(lefts, default=0.0))


def _remaining(interval_seconds: float, synced_at_us: int, now_us: int) -> float:
    """Nothing is left of the interval of an entity that was never equal."""
    if not synced_at_us:
        return 0.0
    passed = (now_us - synced_at_us) / MICROS_PER_SECOND
    return max(0.0, interval_seconds - max(0.0, passed))

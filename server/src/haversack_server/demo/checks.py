"""What the demo's devices should hold, written by hand in SQL against the staging data."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from haversack_server.demo.replica import EPOCH, Replica, instant_text

MINE = "(ownerid = :user OR ownerid IN (SELECT teamid FROM teammembership WHERE systemuserid = :user))"
MY_UNIT = "owningbusinessunit = (SELECT businessunitid FROM systemuser WHERE systemuserid = :user)"
MINE_OR_MY_UNIT = f"({MINE} OR {MY_UNIT})"

# The entities of each profile as SQL over the staging data; later ones may refer to the earlier as `held_<entity>`.
REPRESENTATIVE: Mapping[str, str] = {
    "account": "SELECT * FROM account WHERE ownerid = :user",
    "contact": f"SELECT * FROM contact WHERE ownerid = :user OR parentcustomerid IN "
    f"(SELECT accountid FROM held_account) AND {MINE}",
    "opportunity": f"SELECT * FROM opportunity WHERE customerid IN (SELECT contactid FROM held_contact) AND {MINE} "
    "AND modifiedon >= :first_moment AND modifiedon < :now",
    "opportunityproduct": f"SELECT * FROM opportunityproduct WHERE opportunityid IN "
    f"(SELECT opportunityid FROM held_opportunity) AND {MINE}",
    "product": "SELECT * FROM product",
}
MANAGER: Mapping[str, str] = {
    "account": f"SELECT * FROM account WHERE {MY_UNIT}",
    "contact": f"SELECT * FROM contact WHERE {MY_UNIT}",
    "opportunity": f"SELECT * FROM opportunity WHERE {MY_UNIT}",
    "opportunityproduct": f"SELECT * FROM opportunityproduct WHERE opportunityid IN "
    f"(SELECT opportunityid FROM held_opportunity) AND {MINE_OR_MY_UNIT}",
    "product": "SELECT * FROM product",
    "systemuser": "SELECT * FROM systemuser",
    "businessunit": "SELECT * FROM businessunit WHERE parentbusinessunitid IS NOT NULL",
}


@dataclass(frozen=True)
class Agreement:
    """How a device compares with the SQL answer."""

    rows: int
    differences: int


@dataclass(frozen=True)
class Moment:
    """When a device's time windows were judged, in microseconds, and how many days back they reach."""

    instant_us: int
    days: int

    @property
    def first_us(self) -> int:
        """The first moment within the window: midnight UTC, so many days ago."""
        now = EPOCH + timedelta(microseconds=self.instant_us)
        midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) - timedelta(days=self.days)
        return (midnight - EPOCH) // timedelta(microseconds=1)


def compare(
    device: sqlite3.Connection, replica: Replica, queries: Mapping[str, str], user: str, moment: Moment
) -> Agreement:
    """Compares every row and every carried column of a device with the SQL answer at the device's instant."""
    parameters = {
        "user": user,
        "now": instant_text(moment.instant_us),
        "first_moment": instant_text(moment.first_us),
    }
    replica.refresh()
    rows = differences = 0
    for entity, sql in queries.items():
        replica.rows(f"DROP TABLE IF EXISTS temp.held_{entity}")
        replica.connection.execute(f"CREATE TEMP TABLE held_{entity} AS {sql}", parameters)
        carried = [name for _, name, *_ in device.execute(f"PRAGMA table_info({entity})")]
        columns = ", ".join(f'"{name}"' for name in carried)
        expected = set(replica.rows(f"SELECT {columns} FROM held_{entity}"))
        held = set(device.execute(f"SELECT {columns} FROM {entity}").fetchall())
        rows += len(held)
        differences += len(expected ^ held)
    return Agreement(rows, differences)

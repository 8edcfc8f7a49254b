"""Write-back to the record database: what devices upload goes where Haversack keeps the rows itself."""

from __future__ import annotations

import json

from haversack_server._core import Staging
from haversack_server.core import in_thread

CHANGES_MAX = 5_000
"""Changes that are written back in one commit: what the core takes at most."""


async def write_back(staging: Staging, record: Staging) -> int:
    """Takes all that devices have changed in staging to the record database; returns how many changes that were.

    Any number of processes may do so at once, and any of them may be killed: each change is written once. Raises
    StagingFailed or LimitReached.
    """
    written: int = 0
    while True:
        done = json.loads(await in_thread(staging.write_back, record, rows_max=CHANGES_MAX))
        written += int(done["written"])
        if done["is_last"]:
            return written

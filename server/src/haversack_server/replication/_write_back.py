"""Write-back: what devices upload goes on to the record database, at once, and before anything is replicated."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import structlog

from haversack_server._core import Staging, SyncServer
from haversack_server.core import in_thread
from haversack_server.errors import HaversackError, OrganizationNotProvisioned
from haversack_server.stagings import Stagings

POLL_SECONDS = 0.25
"""How soon what a device has uploaded begins to be written back. A poll looks at one flag of each organization."""

CHANGES_MAX = 5_000
"""Changes that are written back in one commit: what the core takes at most."""

_log = structlog.get_logger()


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


class WriteBack:
    """Writes back what the devices of this process's sync endpoint upload."""

    def __init__(self, stagings: Stagings, sync: SyncServer) -> None:
        self._stagings = stagings
        self._sync = sync
        self._waiting: set[str] = set()
        self._failures: dict[str, str] = {}
        self._following: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins; what a process has left that was killed is done at once."""
        self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Ends. What is left is written back by the next process, or another one."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following

    async def _follow(self) -> None:
        while True:
            self._waiting.update(self._sync.take_written())
            for organization in sorted(self._waiting):
                if await self._write_back(organization):
                    self._waiting.discard(organization)
            await asyncio.sleep(POLL_SECONDS)

    async def _write_back(self, organization: str) -> bool:
        """Returns whether it is done; a failure is logged, once for each cause, and left for the next time."""
        try:
            staging = await self._stagings.get(organization)
            await write_back(staging, await self._stagings.record(organization))
        except OrganizationNotProvisioned:
            # Whoever took it out of service has written back all that there was.
            return True
        except HaversackError as error:
            if self._failures.get(organization) != str(error):
                self._failures[organization] = str(error)
                _log.error("uploads not written back", organization=organization, reason=error.reason, cause=str(error))
            return False
        self._failures.pop(organization, None)
        return True

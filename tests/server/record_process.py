"""A server in a process of its own that has sources of kind "record": `record_process.py DATA ADMIN SYNC`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from haversack_server.runtime import Server
from haversack_server.settings import Mode, ServerSettings
from server.system_of_record import RecordSource


async def serve(data: Path, admin: str, sync: str) -> None:
    """Serves until the process is killed, or its input ends."""
    settings = ServerSettings(mode=Mode.DEVELOPMENT, data=data, admin_listen=admin, sync_listen=sync)
    async with Server(settings, {"record": RecordSource}):
        print("serving", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), *sys.argv[2:]))

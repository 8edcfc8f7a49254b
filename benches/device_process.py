"""One Python device in a process of its own, so that its memory and time are its own: syncs at each line of input.

Run as `python benches/device_process.py DB ENDPOINT TOKEN`. For every line it says, as a line of JSON, what the sync
came to; a line `write N` makes N rows of contacts first, each in a transaction of its own, and `batch N` in one.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from haversack_client import Device, Stage, SyncResult

KIB = 1024


def main() -> None:
    """Follows its input."""
    db, endpoint, token = sys.argv[1:]
    _say({"peak_bytes": _peak_bytes()})
    with Device.open(db, endpoint, token) as device:
        for line in sys.stdin:
            word, _, count = line.strip().partition(" ")
            match word:
                case "sync":
                    started = time.time()
                    _say(_synced(device, device.sync(), started))
                case "write":
                    _say(_written(device, int(count)))
                case "batch":
                    with device.batch():
                        wrote = _written(device, int(count))
                    _say(wrote)


def _synced(device: Device, result: SyncResult, started: float) -> dict[str, Any]:
    reached = {each.stage: each.at_us / 1e6 - started for each in device.status().stages}
    return {
        "complete": result.complete,
        "rows": result.rows,
        "bytes": result.bytes,
        "seconds": result.seconds,
        "usable_seconds": reached.get(Stage.MANDATORY_READY, 0.0),
        "applied": result.applied,
        "peak_bytes": _peak_bytes(),
    }


def _written(device: Device, count: int) -> dict[str, Any]:
    started = time.perf_counter()
    for number in range(count):
        device.create("contact", {"lastname": f"Person {number}", "telephone1": f"+45 {number:08}"})
    return {"seconds": time.perf_counter() - started, "writes": count}


def _peak_bytes() -> int:
    """The most memory that this process has had resident. `getrusage` would count what its parent had when it began."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * KIB


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

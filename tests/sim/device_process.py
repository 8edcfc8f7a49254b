"""A device that writes and syncs until it is killed: the process that the tests start.

`python -m sim.device_process FOLDER NAME ENDPOINT` with HAVERSACK_TOKEN; with `--finish` it writes nothing more, and
ends when everything that it has written is in the data.
"""

from __future__ import annotations

import os
import random
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from haversack_client import Backoff, Device, UnavailableError
from sim.journal import Account, Journal

PAUSE_SECONDS_MAX = 0.1
BACKOFF = Backoff(0.1, 0.5)
FINISH_SECONDS_MAX = 100


class Writer:
    """What its user does: makes contacts, changes them and those of the source that are its own, deletes some."""

    def __init__(self, folder: Path, name: str, device: Device) -> None:
        self._name = name
        self._device = device
        self._draw = random.Random()
        self._count = Account.read(folder / f"{name}.journal").meant
        self.journal = Journal(folder / f"{name}.journal")

    def write(self) -> None:
        """One write, or none if there is nothing to write to."""
        names = self._device.query(
            "SELECT contactid, lastname FROM contact WHERE lastname LIKE ?", (f"{self._name}-%",)
        )
        kind = self._draw.random()
        number, row_id = self._count + 1, str(uuid.uuid4())
        value = f"v{number}"
        if kind < 0.4 or not names:
            last = f"{self._name}-{number}"
            self._noted(number, row_id, (last, value), lambda: self._create(row_id, last, value))
            return
        row_id, last = self._draw.choice(names)
        if kind < 0.9 or last.startswith(f"{self._name}-source"):
            update = {"firstname": value}
            self._noted(number, row_id, (last, value), lambda: self._device.update("contact", row_id, update))
        else:
            self._noted(number, row_id, None, lambda: self._device.delete("contact", row_id))

    def note_taken(self) -> None:
        """Notes how far the server has taken everything, if it has."""
        count = self._count
        if not self._device.outbox():
            self.journal.note(taken=count)

    def _create(self, row_id: str, last: str, first: str) -> None:
        self._device.create("contact", {"contactid": row_id, "lastname": last, "firstname": first})

    def _noted(self, number: int, row_id: str, values: tuple[str, str] | None, write: Callable[[], object]) -> None:
        self.journal.note(meant=number, id=row_id, values=values)
        self._count = number
        write()
        self.journal.note(done=number)

    def pause(self) -> None:
        """Lets others run."""
        time.sleep(self._draw.random() * PAUSE_SECONDS_MAX)


def run(folder: Path, name: str, endpoint: str) -> None:
    """Writes beside a live stream, for ever."""
    with Device.open(folder / f"{name}.db", endpoint, os.environ["HAVERSACK_TOKEN"], backoff=BACKOFF) as device:
        with device.live():
            while device.status().checkpoint is None:
                time.sleep(PAUSE_SECONDS_MAX)
            writer = Writer(folder, name, device)
            while True:
                writer.write()
                writer.note_taken()
                writer.pause()


def finish(folder: Path, name: str, endpoint: str) -> None:
    """Syncs until nothing waits."""
    ends = time.monotonic() + FINISH_SECONDS_MAX
    with Device.open(folder / f"{name}.db", endpoint, os.environ["HAVERSACK_TOKEN"], backoff=BACKOFF) as device:
        while time.monotonic() < ends:
            try:
                device.sync()
            except UnavailableError:
                continue
            if not device.outbox():
                return
        raise SystemExit(f"{name} still waits: {device.outbox()[:3]}")


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--finish"]
    (finish if "--finish" in sys.argv else run)(Path(arguments[0]), arguments[1], arguments[2])

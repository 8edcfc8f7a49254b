"""The demo's devices: real ones, each with its own database, first synced once and then live."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from haversack_client import Device, Live, RowsChanged, SyncResult

from haversack_server.demo import checks
from haversack_server.demo.replica import Replica


@dataclass(frozen=True)
class Person:
    """Who carries a device, and what it should hold."""

    name: str
    user: str
    queries: Mapping[str, str]


@dataclass
class Traffic:
    """What a live device received since it was last asked."""

    written: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    last_at: float = 0.0


class FieldDevice:
    """A device of the demo."""

    def __init__(self, person: Person, folder: Path, endpoint: str, token: str, ca_file: Path) -> None:
        self.person = person
        self._device = Device.open(folder / f"{person.name.lower()}.db", endpoint, token, ca_file=ca_file)
        self._traffic = Traffic()
        self._lock = threading.Lock()
        self._live: Live | None = None

    def sync(self) -> SyncResult:
        """Syncs once."""
        return self._device.sync()

    def go_live(self) -> None:
        """Follows the view from now on."""
        self._live = self._device.live()
        threading.Thread(target=self._listen, args=(self._live,), daemon=True).start()

    def take_traffic(self) -> Traffic:
        """Returns what was received since the last call, and starts anew."""
        with self._lock:
            traffic, self._traffic = self._traffic, Traffic()
        return traffic

    def quiet_seconds(self) -> float:
        """For how long nothing has been received."""
        return time.monotonic() - self._traffic.last_at

    def compare(self, replica: Replica, days: int) -> checks.Agreement:
        """Compares every row with the SQL answer at the instant of the device's last checkpoint."""
        checkpoint = self._device.status(verify=True).checkpoint
        if checkpoint is None:
            raise RuntimeError(f"{self.person.name}'s device never reached a checkpoint")
        connection = self._device.connection()
        connection.row_factory = None
        try:
            moment = checks.Moment(checkpoint.instant_us, days)
            return checks.compare(connection, replica, self.person.queries, self.person.user, moment)
        finally:
            connection.close()

    def close(self) -> None:
        """Ends the live stream and closes the database."""
        self._device.close()

    def _listen(self, live: Live) -> None:
        for event in live:
            if isinstance(event, RowsChanged):
                with self._lock:
                    self._traffic.written[event.entity] += event.written
                    self._traffic.removed[event.entity] += event.removed
                    self._traffic.last_at = time.monotonic()

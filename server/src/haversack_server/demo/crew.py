"""The demo's three devices together: synced, live, compared with SQL, and with what was foretold."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Self

from haversack_client import SyncResult

from haversack_server.demo.devices import Change, FieldDevice, Held, changes
from haversack_server.demo.replica import Replica
from haversack_server.demo.stage import DAYS, NAME, Stage
from haversack_server.provisioning.files import newest

QUIET_SECONDS = 1.0
SETTLE_SECONDS_MAX = 60.0

Foretold = Mapping[str, Mapping[str, Change]]
"""What users should gain and lose: by user, then by entity."""


class Crew:
    """The devices, and the SQL that says what they should hold.

    Attributes:
        days: How many days of opportunities representatives carry now.
    """

    def __init__(self, stage: Stage) -> None:
        self.days = DAYS
        self._narrator = stage.narrator
        server = stage.server
        self._cleanup = ExitStack()
        self._replica = Replica(newest(stage.databases))
        self._cleanup.callback(self._replica.close)
        self._devices = [
            FieldDevice(
                person,
                stage.folder,
                f"https://{server.sync}",
                server.device_token(NAME, person.user),
                server.ca_file,
            )
            for person in stage.people()
        ]
        for device in self._devices:
            self._cleanup.callback(device.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    @property
    def devices(self) -> list[FieldDevice]:
        """The devices."""
        return self._devices

    @property
    def replica(self) -> Replica:
        """The staging data as SQL tables."""
        return self._replica

    def sync(self) -> dict[str, SyncResult]:
        """Syncs every device once; returns what each received, by name of the person."""
        return {device.person.name: device.sync() for device in self._devices}

    def go_live(self) -> None:
        """Has every device follow its view from now on."""
        for device in self._devices:
            device.go_live()
        self.wait_until_quiet()

    def held(self) -> dict[str, Held]:
        """Returns what every device has, by user."""
        return {device.person.user: device.held() for device in self._devices}

    def forget_traffic(self) -> None:
        """Begins to count anew what devices receive."""
        for device in self._devices:
            device.take_traffic()

    def show_traffic(self, since: float) -> None:
        """Tells what devices received since a change was begun, by the monotonic clock; compares with SQL."""
        self.wait_until_quiet()
        rows = []
        for device in self._devices:
            traffic = device.take_traffic()
            parts = [f"{count:,} {entity}" for entity, count in traffic.written.items() if count]
            parts += [f"-{count:,} {entity}" for entity, count in traffic.removed.items() if count]
            after = f"{max(0.0, traffic.last_at - since) * 1000:,.0f} ms" if parts else ""
            rows.append((device.person.name, ", ".join(parts) or "nothing", after))
        self._narrator.table(("device", "received", ">the last after"), rows)
        self.compare()

    def compare(self) -> None:
        """Compares every row of every device with the SQL answer."""
        agreements = {it.person.name: it.compare(self._replica, self.days) for it in self._devices}
        rows = ", ".join(f"{name} {it.rows:,}" for name, it in agreements.items())
        differing = {name: it.differences for name, it in agreements.items() if it.differences}
        told = f"; {differing} differ" if differing else ""
        self._narrator.check(f"every row is what SQL on the staging data says: {rows}{told}", holds=not differing)

    def compare_foretold(self, before: Mapping[str, Held], foretold: Foretold) -> None:
        """Compares what devices gained and lost since `before` with what was foretold."""
        after = self.held()
        for device in self._devices:
            user = device.person.user
            happened, promised = changes(before[user], after[user]), foretold.get(user, {})
            statement = f"{device.person.name}: {_in_words(promised)}, as foretold"
            if happened != promised:
                statement += f", but it was {_in_words(happened)}"
            self._narrator.check(statement, holds=happened == promised)

    def wait_until_quiet(self) -> None:
        """Waits until no device has received anything for a while."""
        time.sleep(QUIET_SECONDS)
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while min(device.quiet_seconds() for device in self._devices) < QUIET_SECONDS and time.monotonic() < deadline:
            time.sleep(QUIET_SECONDS / 10)


def _in_words(told: Mapping[str, Change]) -> str:
    gained = [f"+{it.gained:,} {entity}" for entity, it in told.items() if it.gained]
    lost = [f"-{it.lost:,} {entity}" for entity, it in told.items() if it.lost]
    return ", ".join(gained + lost) or "nothing"

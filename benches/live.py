"""Live streams: from a change's commit to the devices that hold the row, and what a stream costs the server.

Every stream has a connection of its own, as devices have. Times begin before the change is sent to the admin endpoint,
so they contain the call, the commit to disk, the engine and the way to the device, which has verified its digest.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from haversack.model.v1 import model_pb2
from haversack_server.demo.organization import Organization

from benches.crm import SELLER, Crm, Sizes
from benches.figures import Figure, at_most
from benches.measure import Answer, Worker, example, median, percentile
from benches.server import Server
from benches.session import Session

ORGANIZATION = "bench"
CHANGES_PER_SECOND = 20
MIB = 2**20


@dataclass
class Changes:
    """Changes of one account that every view has; each differs from the one before."""

    organization: Organization
    account: str
    _made: int = field(default=0)

    def make(self) -> float:
        """Makes one, and returns the seconds that the admin call took."""
        self._made += 1
        started = time.perf_counter()
        self.organization.patch("account", f"accountid,revenue\n{self.account},{self._made}\n".encode())
        return time.perf_counter() - started


@dataclass(frozen=True)
class Round:
    """One change on its way.

    Attributes:
        call: Seconds that the admin call took.
        devices: When the devices had it, as the harness tells.
    """

    call: float
    devices: Answer


def run(session: Session) -> list[Figure]:
    """Measures one device, many devices, and many that only wait."""
    session.doing("building")
    program = example("haversack-gateway", "device")
    session.doing("filling the organization")
    crm = Crm(Sizes(accounts=200, contacts=session.size(10_000, 1_000)))
    with Server(session.folder / "server") as server:
        changes = Changes(server.organization(ORGANIZATION, crm, [_profile(crm)]), crm.id("account", 0))
        fleet = Fleet(program, server, server.token(ORGANIZATION, crm.user(SELLER)))
        one = list(_one_device(session, fleet, changes))
        many = list(_many_devices(session, fleet, changes, session.size(1_000, 20)))
        idle = [] if session.quick else list(_idle_devices(session, fleet, 10_000))
    return [*one, *many, *idle]


def _profile(crm: Crm) -> model_pb2.Profile:
    items = [
        model_pb2.ProfileItem(entity="account", criteria=model_pb2.RECORD_CRITERIA_ALL),
        model_pb2.ProfileItem(entity="contact", criteria=model_pb2.RECORD_CRITERIA_OTHER, owned_by_me=True),
    ]
    return model_pb2.Profile(name="route", items=items, users=[crm.user(SELLER)])


@dataclass(frozen=True)
class Fleet:
    """Native devices with live streams to one server."""

    program: str
    server: Server
    token: str

    @contextmanager
    def streams(self, count: int) -> Iterator[tuple[Worker, Answer]]:
        """Opens streams; gives the harness, and when they all had their first checkpoint."""
        command = [self.program, "live", "--endpoint", self.server.endpoint, "--token", self.token]
        with Worker([*command, "--streams", str(count), "--streams-per-connection", "1"]) as harness:
            yield harness, harness.hear()["ready"]


def _change(harness: Worker, changes: Changes) -> Round:
    harness.say("mark")
    call = changes.make()
    return Round(call, harness.hear()["round"])


def _one_device(session: Session, fleet: Fleet, changes: Changes) -> Iterator[Figure]:
    count = session.size(400, 20)
    session.doing(f"one device, {count} changes")
    with fleet.streams(1) as (harness, _):
        start = time.perf_counter()
        rounds = []
        for number in range(count):
            time.sleep(max(start + number / CHANGES_PER_SECOND - time.perf_counter(), 0))
            rounds.append(_change(harness, changes))
    times = [made.devices["last_ms"] for made in rounds]
    call = median([made.call for made in rounds]) * 1e3
    case = f"one device, {CHANGES_PER_SECOND} changes/s"
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    yield Figure(case, "change sent to device, p50 ms", p50, None, {"the admin call alone": p50 / call})
    yield Figure(case, "change sent to device, p99 ms", p99, None, {"p50": p99 / p50})
    yield Figure(case, "the admin call alone, p50 ms", call)


def _many_devices(session: Session, fleet: Fleet, changes: Changes, streams: int) -> Iterator[Figure]:
    count = session.size(40, 3)
    session.doing(f"{streams:,} devices, {count} shared changes")
    resident = fleet.server.resident_bytes()
    with fleet.streams(streams) as (harness, ready):
        grown = fleet.server.resident_bytes() - resident
        spent = fleet.server.cpu_seconds()
        rounds = [_change(harness, changes) for _ in range(count)]
        spent = fleet.server.cpu_seconds() - spent
    case = f"{streams:,} devices, one shared change"
    first, p99, last = (median([made.devices[name] for made in rounds]) for name in ("first_ms", "p99_ms", "last_ms"))
    yield Figure(case, "change sent to first device, ms", first)
    yield Figure(case, "change sent to 99 of 100 devices, ms", p99, at_most(50), {"first": p99 / first})
    yield Figure(case, "change sent to last device, ms", last, None, {"first": last / first})
    yield Figure(case, "server CPU us a device", spent / count / streams * 1e6)
    yield Figure(f"{streams:,} live streams", "all at their first checkpoint, ms", ready["last_ms"])
    yield Figure(f"{streams:,} live streams", "server memory a stream, KiB", grown / streams / 1024)


def _idle_devices(session: Session, fleet: Fleet, streams: int) -> Iterator[Figure]:
    session.doing(f"{streams:,} devices that wait")
    with fleet.streams(streams) as (_, ready):
        resident = fleet.server.resident_bytes()
    case = f"{streams:,} live streams"
    yield Figure(case, "all at their first checkpoint, ms", ready["last_ms"])
    yield Figure(case, "server memory in all, MiB", resident / MIB, at_most(1024))

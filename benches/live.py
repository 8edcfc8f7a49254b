"""Live streams: from a change to the devices that hold the row, and what a stream costs the server.

Every stream has a connection of its own, as devices have, and a device has a change when it has verified the digest.
A change is made in two ways: by a call of the admin endpoint, whose own time is then a part of the result, and by a
commit in the process of the sync endpoint, so that nothing but commit, engine, gateway and device is measured.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count

from haversack.model.v1 import model_pb2
from haversack_server._core import Staging, SyncServer
from haversack_server.demo.organization import Organization
from haversack_server.identity import SYNC_AUDIENCE, DevelopmentIssuer

from benches.crm import SELLER, Crm, Sizes
from benches.figures import Figure, at_most
from benches.measure import Answer, Worker, example, median, percentile
from benches.server import Server
from benches.session import Session

ORGANIZATION = "bench"
CHANGES_PER_SECOND = 20
STOP_GRACE_SECONDS = 5.0
MIB = 2**20

Change = Callable[[], Callable[[], object]]
"""Prepares a change of one account that every view has, and returns what makes it true."""


@dataclass(frozen=True)
class Round:
    """One change on its way.

    Attributes:
        call: Milliseconds that it took to make the change.
        devices: When the devices had it, as the harness tells.
    """

    call: float
    devices: Answer


@dataclass(frozen=True)
class Fleet:
    """Native devices of one user, with live streams to one endpoint."""

    program: str
    endpoint: str
    token: str

    @contextmanager
    def streams(self, count: int) -> Iterator[tuple[Worker, Answer]]:
        """Opens streams; gives the harness, and when they all had their first checkpoint."""
        command = [self.program, "live", "--endpoint", self.endpoint, "--token", self.token]
        with Worker([*command, "--streams", str(count), "--streams-per-connection", "1"]) as harness:
            yield harness, harness.hear()["ready"]


def run(session: Session) -> list[Figure]:
    """Measures one device, many devices, and many that only wait."""
    session.doing("building")
    program = example("haversack-gateway", "device")
    session.doing("filling the organization")
    crm = Crm(Sizes(accounts=200, contacts=session.size(10_000, 1_000)))
    with Server(session.folder / "server") as server:
        organization = server.organization(ORGANIZATION, crm, [profile(crm)])
        token = server.token(ORGANIZATION, crm.user(SELLER))
        fleet = Fleet(program, server.endpoint, token)
        change = by_admin_call(organization, crm)
        figures = [
            *_one_device(session, fleet, change, "admin call"),
            *_many_devices(session, fleet, change, "admin call"),
            *_streams(session, fleet, server),
        ]
    # Before the endpoint opens the database: a second SQLite within one process would undo the locks of the first.
    model = server.published_model(ORGANIZATION)
    with _sync_endpoint(server) as (endpoint, staging):
        fleet = Fleet(program, endpoint, token)
        change = _by_commit(staging, model, crm)
        figures += _one_device(session, fleet, change, "commit")
        figures += _many_devices(session, fleet, change, "commit")
    return figures


def profile(crm: Crm) -> model_pb2.Profile:
    """Every account, and the contacts of one's own."""
    items = [
        model_pb2.ProfileItem(entity="account", criteria=model_pb2.RECORD_CRITERIA_ALL),
        model_pb2.ProfileItem(entity="contact", criteria=model_pb2.RECORD_CRITERIA_OTHER, owned_by_me=True),
    ]
    return model_pb2.Profile(name="route", items=items, users=[crm.user(SELLER)])


def _edits(crm: Crm, first: int) -> Iterator[bytes]:
    """Edits of one account as CSV, each different from the one before."""
    return (f"accountid,revenue\n{crm.id('account', 0)},{revenue}\n".encode() for revenue in count(first))


def by_admin_call(organization: Organization, crm: Crm) -> Change:
    """Changes by calls of the admin endpoint."""
    edits = _edits(crm, 1)
    return lambda: lambda: organization.patch("account", next(edits))


def _by_commit(staging: Staging, model: model_pb2.Model, crm: Crm) -> Change:
    edits, serialized = _edits(crm, 1_000_000), model.SerializeToString()

    def prepare() -> Callable[[], object]:
        ingest = staging.ingest(
            serialized, "account", format="csv", action="patch", atomic=True, file_name="edit of an account"
        )
        ingest.feed(next(edits))
        return ingest.finish

    return prepare


@contextmanager
def _sync_endpoint(stopped: Server) -> Iterator[tuple[str, Staging]]:
    """Serves the organization of a server that has ended from within this process."""
    issuers = DevelopmentIssuer.open(stopped.data).trust(SYNC_AUDIENCE)
    sync = SyncServer(json.dumps({"listen": "127.0.0.1:0", "plain_text": True, "issuers": issuers}))
    with closing(Staging.open(str(stopped.staging_file(ORGANIZATION)))) as staging:
        sync.add_organization(ORGANIZATION, staging)
        try:
            yield f"http://{sync.start()}", staging
        finally:
            sync.stop(STOP_GRACE_SECONDS)


def timed(harness: Worker, make: Callable[[], object]) -> Round:
    """Makes a change and waits until all devices have it."""
    harness.say("mark")
    started = time.perf_counter()
    make()
    call = (time.perf_counter() - started) * 1e3
    return Round(call, harness.hear()["round"])


def _one_device(session: Session, fleet: Fleet, change: Change, way: str) -> Iterator[Figure]:
    changes = session.size(400, 20)
    session.doing(f"one device, {changes} changes by {way}")
    with fleet.streams(1) as (harness, _):
        start = time.perf_counter()
        rounds = []
        for number in range(changes):
            time.sleep(max(start + number / CHANGES_PER_SECOND - time.perf_counter(), 0))
            rounds.append(timed(harness, change()))
    times = [made.devices["last_ms"] for made in rounds]
    call = median([made.call for made in rounds])
    case = f"one device, {CHANGES_PER_SECOND} changes/s by {way}"
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    yield Figure(case, "change to device, p50 ms", p50, None, {f"the {way} alone": p50 / call})
    yield Figure(case, "change to device, p99 ms", p99, None, {"p50": p99 / p50})
    yield Figure(case, f"the {way} alone, p50 ms", call)


def _many_devices(session: Session, fleet: Fleet, change: Change, way: str) -> Iterator[Figure]:
    streams, changes = session.size(1_000, 20), session.size(40, 3)
    session.doing(f"{streams:,} devices, {changes} shared changes by {way}")
    with fleet.streams(streams) as (harness, _):
        rounds = [timed(harness, change()) for _ in range(changes)]
    case = f"{streams:,} devices, one shared change by {way}"
    first, p99, last = (median([made.devices[name] for made in rounds]) for name in ("first_ms", "p99_ms", "last_ms"))
    yield Figure(case, "change to first device, ms", first)
    yield Figure(case, "change to 99 of 100 devices, ms", p99, at_most(50), {"first": p99 / first})
    yield Figure(case, "change to last device, ms", last, None, {"first": last / first})


def _streams(session: Session, fleet: Fleet, server: Server) -> Iterator[Figure]:
    """What streams cost that wait: memory of the server, and its CPU time to bring them up to date at first."""
    for streams in [20] if session.quick else [1_000, 10_000]:
        session.doing(f"{streams:,} streams that wait")
        resident, spent = server.resident_bytes(), server.cpu_seconds()
        with fleet.streams(streams) as (_, ready):
            grown, spent = server.resident_bytes() - resident, server.cpu_seconds() - spent
            total = server.resident_bytes()
        case = f"{streams:,} live streams"
        yield Figure(case, "all at their first checkpoint, ms", ready["last_ms"])
        yield Figure(case, "server CPU us a stream until then", spent / streams * 1e6)
        yield Figure(case, "server memory a stream, KiB", grown / streams / 1024)
        yield Figure(case, "server memory in all, MiB", total / MIB, at_most(1024) if streams == 10_000 else None)

"""First sync of one entity: what it costs the server, beside a raw stream of the same rows and beside reading them.

Server and device are separate processes. The native device keeps no rows, so that the server is what is measured; the
Python device writes them into SQLite.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from haversack.model.v1 import model_pb2
from haversack_client import Device

from benches.crm import DIRECTOR, MANAGER, Crm, Sizes
from benches.figures import Figure, at_least, at_most
from benches.measure import Answer, MeasureError, Worker, example, interleaved, json_lines, median
from benches.server import Server
from benches.session import Session

ENTITY = "contact"
ORGANIZATION = "bench"
SYNCED_ROWS_MIN = 1_000_000
"""A case is repeated until it has moved this many rows, because CPU time is counted in steps of 10 ms."""

MILLION = 1_000_000
CPU_MEASURE = "server CPU seconds per million rows"
RATE_MEASURE = "rows/s end to end"


@dataclass(frozen=True)
class Cost:
    """What one round of a case took.

    Attributes:
        rows: Rows moved.
        bytes: Bytes of their batches as they came.
        server: CPU seconds of whoever served them.
        seconds: Time that it took.
    """

    rows: int
    bytes: int
    server: float
    seconds: float

    @property
    def server_per_million(self) -> float:
        """CPU seconds of the server for a million rows."""
        return self.server / self.rows * MILLION


def run(session: Session) -> list[Figure]:
    """Measures each size on a server of its own."""
    session.doing("building")
    tools = Tools(
        device=example("haversack-gateway", "device"),
        raw_stream=example("haversack-gateway", "bench_raw_stream"),
        select=example("haversack-staging", "bench_select"),
    )
    sizes = [2_000] if session.quick else [20_000, 100_000]
    return list(itertools.chain.from_iterable(_measure(session, tools, rows) for rows in sizes))


@dataclass(frozen=True)
class Tools:
    """Paths of built examples."""

    device: str
    raw_stream: str
    select: str


def profile(crm: Crm) -> model_pb2.Profile:
    """All rows of the entity that a user may read."""
    item = model_pb2.ProfileItem(entity=ENTITY, criteria=model_pb2.RECORD_CRITERIA_ALL)
    return model_pb2.Profile(name="everything", items=[item], users=[crm.user(DIRECTOR), crm.user(MANAGER)])


def _measure(session: Session, tools: Tools, rows: int) -> Iterator[Figure]:
    session.doing(f"{rows:,} rows: filling the organization")
    crm = Crm(Sizes(contacts=rows))
    folder = session.folder / str(rows)
    with Server(folder / "server") as server:
        server.organization(ORGANIZATION, crm, [profile(crm)])
        entities = server.published_model(ORGANIZATION).entities
        number = next(entity.number for entity in entities if entity.logical_name == ENTITY)
        source = [str(server.staging_file(ORGANIZATION)), str(number)]
        with Worker([tools.raw_stream, *source]) as raw_stream, Worker([tools.select, *source]) as select:
            raw = f"http://{raw_stream.hear()['listen']}"
            repeat = max(SYNCED_ROWS_MIN // rows, 1) if not session.quick else 2
            director, manager = (server.token(ORGANIZATION, crm.user(user)) for user in (DIRECTOR, MANAGER))
            device = Harness(tools.device, repeat)
            cases: dict[str, Callable[[], Cost]] = {
                "plain": lambda: device.cost(server.cpu_seconds, server.endpoint, director),
                "zstd": lambda: device.cost(server.cpu_seconds, server.endpoint, director, "--zstd"),
                "sparse": lambda: device.cost(server.cpu_seconds, server.endpoint, manager),
                "raw stream": lambda: device.cost(raw_stream.cpu_seconds, raw, ""),
                "SELECT": lambda: _select(select, repeat),
            }
            rounds = session.size(5, 1)
            session.doing(f"{rows:,} rows: {rounds} interleaved rounds of {repeat} syncs")
            costs = interleaved(rounds, cases)
        session.doing(f"{rows:,} rows: the Python device")
        devices = [_python_device(folder, at, server.endpoint, director) for at in range(rounds)]
    yield from _figures(rows, costs, devices)


@dataclass(frozen=True)
class Harness:
    """The native device, doing first syncs one after the other."""

    program: str
    repeat: int

    def cost(self, cpu_seconds: Callable[[], float], endpoint: str, token: str, *options: str) -> Cost:
        """One round."""
        before = cpu_seconds()
        command = [self.program, "sync", "--endpoint", endpoint, "--token", token, "--repeat", str(self.repeat)]
        syncs = json_lines([*command, *options])
        spent = cpu_seconds() - before
        if not all(sync["verified"] and sync["rows"] for sync in syncs):
            raise MeasureError(f"a sync with {endpoint} was empty or not verified")
        return Cost(_sum(syncs, "rows"), _sum(syncs, "bytes"), spent, sum(sync["seconds"] for sync in syncs))


def _select(select: Worker, repeat: int) -> Cost:
    before = select.cpu_seconds()
    reads = [select.ask("again") for _ in range(repeat)]
    spent = select.cpu_seconds() - before
    return Cost(_sum(reads, "rows"), _sum(reads, "bytes"), spent, sum(read["seconds"] for read in reads))


def _sum(answers: list[Answer], name: str) -> int:
    return sum(int(answer[name]) for answer in answers)


def _python_device(folder: Path, at: int, endpoint: str, token: str) -> float:
    """Rows a second of a first sync into SQLite."""
    with Device.open(folder / f"device-{at}.sqlite3", endpoint, token) as device:
        result = device.sync()
        if not result.complete or not result.rows:
            raise MeasureError("the Python device did not reach a checkpoint")
        return result.rows / result.seconds


def _figures(rows: int, costs: dict[str, list[Cost]], devices: list[float]) -> Iterator[Figure]:
    cpu = {name: median([cost.server_per_million for cost in found]) for name, found in costs.items()}
    rate = {name: median([cost.rows / cost.seconds for cost in found]) for name, found in costs.items()}
    size = {name: found[0].bytes / found[0].rows for name, found in costs.items()}
    floors = ("raw stream", "SELECT")
    labels = {"plain": f"{rows:,} rows", "zstd": f"{rows:,} rows, zstd", "sparse": f"a fifth of {rows:,} rows, sparse"}
    for name, label in labels.items():
        goal = at_most(0.5) if name == "plain" else None
        of_cpu = {floor: cpu[name] / cpu[floor] for floor in floors if cpu[floor]}
        of_rate = {floor: rate[name] / rate[floor] for floor in floors}
        yield Figure(label, CPU_MEASURE, cpu[name], goal, of_cpu)
        yield Figure(label, RATE_MEASURE, rate[name], None, of_rate)
        yield Figure(label, "bytes a row", size[name], None, {"plain": size[name] / size["plain"]})
    for floor in floors:
        yield Figure(f"{rows:,} rows, {floor}", CPU_MEASURE, cpu[floor])
        yield Figure(f"{rows:,} rows, {floor}", RATE_MEASURE, rate[floor])
    into_sqlite = median(devices)
    ratios = {"native": into_sqlite / rate["plain"]}
    yield Figure(f"{rows:,} rows, Python device", "rows/s into SQLite", into_sqlite, at_least(100_000), ratios)

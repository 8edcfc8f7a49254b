"""The Python device: first sync and catch-up into SQLite, when work can begin, its memory, and writes that go up.

Every device is a process of its own. The accounts are mandatory: with them its user can begin to work.
"""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

from haversack.model.v1 import model_pb2

from benches.crm import DIRECTOR, Crm, Sizes
from benches.figures import Figure, at_least
from benches.measure import ROOT, Answer, MeasureError, Worker, median
from benches.server import Server
from benches.session import Session

ORGANIZATION = "bench"
MIB = 2**20


def run(session: Session) -> list[Figure]:
    """Measures sizes one after the other, each on a server of its own."""
    sizes = [2_000] if session.quick else [20_000, 100_000]
    return list(itertools.chain.from_iterable(_measure(session, rows) for rows in sizes))


def _measure(session: Session, rows: int) -> Iterator[Figure]:
    session.doing(f"{rows:,} rows: filling the organization")
    crm = Crm(Sizes(accounts=rows // 20, contacts=rows), writable=["contact"])
    folder = session.folder / str(rows)
    with Server(folder / "server") as server:
        organization = server.organization(ORGANIZATION, crm, [_profile(crm)])
        token = server.token(ORGANIZATION, crm.user(DIRECTOR))
        rounds = session.size(3, 1)
        session.doing(f"{rows:,} rows: {rounds} first syncs")
        changed = rows // 100
        firsts, ups, befores = [], [], []
        for at in range(rounds):
            with _device(folder / f"{at}.db", server.endpoint, token) as device:
                befores.append(device.hear()["peak_bytes"])
                firsts.append(_sync(device, rows + rows // 20))
                session.doing(f"{rows:,} rows: {changed:,} of them change")
                organization.patch("contact", _changes(crm, at, changed))
                ups.append(_sync(device, changed))
        yield from _of_downloads(rows, firsts, ups, befores)
        session.doing(f"{rows:,} rows: writes")
        with _device(folder / "0.db", server.endpoint, token) as device:
            device.hear()
            _sync(device)
            yield from _of_writes(session, rows, device)


def _profile(crm: Crm) -> model_pb2.Profile:
    items = [
        model_pb2.ProfileItem(entity="account", criteria=model_pb2.RECORD_CRITERIA_ALL, mandatory=True),
        model_pb2.ProfileItem(entity="contact", criteria=model_pb2.RECORD_CRITERIA_ALL),
    ]
    return model_pb2.Profile(name="everything", items=items, users=[crm.user(DIRECTOR)])


def _device(db: Path, endpoint: str, token: str) -> Worker:
    return Worker([sys.executable, str(ROOT / "benches" / "device_process.py"), str(db), endpoint, token])


def _changes(crm: Crm, at: int, count: int) -> bytes:
    """Other cities for contacts that lie apart from each other, others in every round."""
    rows = (f"{crm.id('contact', 100 * number + at)},City {at}\n" for number in range(count))
    return ("contactid,address1_city\n" + "".join(rows)).encode()


def _sync(device: Worker, rows: int | None = None) -> Answer:
    synced = device.ask("sync")
    if not synced["complete"] or rows not in (None, synced["rows"]):
        raise MeasureError(f"a sync was to bring {rows} rows: {synced}")
    return synced


def _of_downloads(rows: int, firsts: list[Answer], ups: list[Answer], befores: list[int]) -> Iterator[Figure]:
    def of(syncs: list[Answer], name: str) -> float:
        return median([sync[name] for sync in syncs])

    case, first = f"{rows:,} contacts", of(firsts, "seconds")
    rate = of(firsts, "rows") / first
    usable = of(firsts, "usable_seconds")
    yield Figure(case, "first sync, rows/s into SQLite", rate, at_least(100_000))
    yield Figure(case, "first sync, seconds", first)
    yield Figure(case, "seconds until work can begin", usable, None, {"first sync": usable / first})
    peak, before = of(firsts, "peak_bytes"), median(befores)
    yield Figure(case, "peak memory of a first sync, MiB", peak / MIB, None, {"nothing synced": peak / before})
    yield Figure(case, "of which rows cost, bytes a row", (peak - before) / of(firsts, "rows"))
    later = of(ups, "seconds")
    case = f"{int(of(ups, 'rows')):,} changed of {case}"
    yield Figure(case, "catch-up, seconds", later, None, {"first sync": later / first})
    yield Figure(case, "catch-up, bytes down a row", of(ups, "bytes") / of(ups, "rows"))


def _of_writes(session: Session, rows: int, device: Worker) -> Iterator[Figure]:
    """What an application's writes cost on the device, and how fast one Python device takes them up."""
    count = session.size(2_000, 100)
    alone, together = (device.ask(f"{how} {count}") for how in ("write", "batch"))
    case = f"writes beside {rows:,} contacts"
    rates = {how: count / wrote["seconds"] for how, wrote in (("alone", alone), ("together", together))}
    yield Figure(case, "rows made a second, a transaction each", rates["alone"])
    ratio = {"a transaction each": rates["together"] / rates["alone"]}
    yield Figure(case, "rows made a second in one batch", rates["together"], None, ratio)
    synced = _sync(device)
    if synced["applied"] != 2 * count:
        raise MeasureError(f"{synced['applied']} of {2 * count} writes were taken")
    yield Figure(case, "taken to the server and back, writes/s", 2 * count / synced["seconds"])

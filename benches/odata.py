"""OData sources: pages into staging, and what the connector adds to a service's own time.

Pages have the shape that Dataverse sends: versions, lookups with annotations, nulls spelt out. What a service takes to
answer is its own, so writes are compared with the bare requests, on odatapy in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import httpx
from haversack.model.v1 import model_pb2
from haversack_server._core import OdataPage, Staging
from haversack_server.connectors.odata import OdataSource, connect
from haversack_server.filters import model_of_documents
from haversack_server.metadata import merge_entity, standard_documents
from haversack_server.replication import Change

from benches.figures import Figure
from benches.measure import ROOT, median
from benches.session import Session

ENTITY = "account"
PAGE_ROWS = 5_000
EXAMPLE = ROOT / "examples" / "sources" / "odata"
ANNOTATION = "@Microsoft.Dynamics.CRM.lookuplogicalname"


@dataclass(frozen=True)
class Took:
    """What a run took: seconds by the clock, and of this process's CPU."""

    seconds: float
    cpu: float


def run(session: Session) -> list[Figure]:
    """Measures pages, then the connector."""
    pages = session.size(20, 2)
    rounds = session.size(5, 1)
    figures = _pages(session, pages, rounds)
    session.doing("odatapy")
    with service() as url:
        figures += asyncio.run(_connector(url, session.size(200, 20)))
        figures += asyncio.run(_looks(session, url, session.size(100, 5)))
    return figures


def _pages(session: Session, pages: int, rounds: int) -> list[Figure]:
    model = model_of_documents(standard_documents()).SerializeToString()
    first = [_page(range(it * PAGE_ROWS, (it + 1) * PAGE_ROWS), version=1) for it in range(pages)]
    changed = [_page(range(it * PAGE_ROWS, (it + 1) * PAGE_ROWS), version=2) for it in range(pages)]
    runs: dict[str, list[Took]] = {}
    for round_ in range(rounds):
        session.doing(f"round {round_ + 1} of {rounds}: {pages} pages of {PAGE_ROWS:,} rows")
        staging = Staging.create(str(session.folder / f"odata-{round_}.sqlite3"))
        for case, bodies in (("snapshot", first), ("read again, unchanged", first), ("changes of every row", changed)):
            runs.setdefault(case, []).append(_took(staging, model, bodies))
        staging.close()
    rows = pages * PAGE_ROWS
    shape = f"{rows:,} rows of {len(first[0]) // PAGE_ROWS} bytes of JSON"
    figures = []
    for case, took in runs.items():
        figures.append(Figure(f"{case}: {shape}", "rows/s", rows / median([it.seconds for it in took])))
        figures.append(Figure(f"{case}: {shape}", "CPU us a row", median([it.cpu for it in took]) / rows * 1e6))
    return figures


def _took(staging: Staging, model: bytes, bodies: list[bytes]) -> Took:
    """Reads and writes pages one behind the other, as a feed does."""
    entity = next(it for it in model_pb2.Model.FromString(model).entities if it.logical_name == ENTITY)
    began, cpu = time.perf_counter(), time.process_time()
    for number, body in enumerate(bodies):
        page = OdataPage.read(staging, model, ENTITY, body, watermark="modifiedon")
        kept = staging.position(entity.number)
        told = json.loads(page.take(staging, before=kept, after=f"{number} {began}".encode()))
        assert told["read"] == PAGE_ROWS, told
    return Took(time.perf_counter() - began, time.process_time() - cpu)


def _page(numbers: range, version: int) -> bytes:
    """A page of accounts as Dataverse has them."""
    rows = [_row(it, version) for it in numbers]
    return json.dumps({"@odata.context": "x", "value": rows, "@odata.nextLink": "https://x/"}).encode()


def _row(number: int, version: int) -> dict[str, object]:
    key = str(uuid.UUID(int=(number * 0x9E3779B97F4A7C15) % 2**128))
    owner = str(uuid.UUID(int=number % 100))
    return {
        "@odata.etag": f'W/"{number * 10 + version}"',
        "accountid": key,
        "name": f"Account {number} version {version}",
        "accountnumber": f"A-{number:08}",
        "telephone1": "+43 1 234567",
        "emailaddress1": f"office{number}@example.com",
        "address1_city": "Vienna",
        "address1_line1": f"Main street {number % 300}",
        "address1_postalcode": "1010",
        "revenue": 12_345.67,
        "numberofemployees": number % 500,
        "creditonhold": False,
        "industrycode": number % 30,
        "statecode": 0,
        "statuscode": 1,
        "description": None,
        "fax": None,
        "websiteurl": None,
        "createdon": "2024-02-29T08:10:44Z",
        "modifiedon": "2025-02-28T08:10:44Z",
        "_ownerid_value": owner,
        f"_ownerid_value{ANNOTATION}": "systemuser",
        "_primarycontactid_value": str(uuid.UUID(int=number)),
        f"_primarycontactid_value{ANNOTATION}": "contact",
        "_parentaccountid_value": None,
    }


@contextmanager
def service() -> Iterator[str]:
    """Runs odatapy while the block runs; yields its address."""
    command = [sys.executable, str(EXAMPLE / "service.py"), str(EXAMPLE / "metadata.xml")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


async def _connector(url: str, writes: int) -> list[Figure]:
    """Compares writes by the connector with bare requests that do the same."""
    source = connect({"url": url}, {}, "")
    numbers = count(1)
    async with httpx.AsyncClient(base_url=url, headers={"Prefer": "return=representation"}) as http:
        await source.metadata()
        bare, ours = list[float](), list[float]()
        for _ in range(writes):
            # In turns: what the service has grown to, and what else the machine does, is the same for both.
            bare.append(await _timed(lambda: _bare(http, next(numbers))))
            ours.append(await _timed(lambda: _ours(source, next(numbers))))
    await source.close()
    case = f"creations at odatapy, one behind the other ({writes} of each)"
    return [
        Figure(case, "writes/s", 1 / median(ours), None, {"bare requests": median(bare) / median(ours)}),
        Figure(case, "ms a write", median(ours) * 1e3, None, {"bare requests": median(ours) / median(bare)}),
    ]


async def _looks(session: Session, url: str, changes: int) -> list[Figure]:
    """Compares a look for changes, up to the commit in staging, with the bare request of a delta link."""
    source = connect({"url": url}, {}, "")
    documents = (await source.metadata()).documents
    merged = [merge_entity(it.entity, None, number=at).entity for at, it in enumerate(documents, 1)]
    staging = Staging.create(str(session.folder / "looks.sqlite3"))
    feed = await source.open(staging, model_pb2.Model(revision=1, entities=merged).SerializeToString(), ENTITY)
    while (await feed.take(PAGE_ROWS)).left:
        pass
    row, bare, ours = f"accounts({uuid.UUID(int=1)})", list[float](), list[float]()
    async with httpx.AsyncClient(base_url=url, headers={"Prefer": "odata.track-changes", "If-Match": "*"}) as http:
        link = "accounts"
        for number in range(changes):
            link = await _followed(http, link)
            (await http.patch(row, json={"name": f"change {number}"})).raise_for_status()
            began = time.perf_counter()
            taken = await feed.take(PAGE_ROWS)
            ours.append(time.perf_counter() - began)
            assert taken.counts.updated == 1, taken
            began = time.perf_counter()
            link = await _followed(http, link)
            bare.append(time.perf_counter() - began)
    await feed.close()
    await source.close()
    staging.close()
    case = f"one change at odatapy ({changes} times)"
    ratio = median(ours) / median(bare)
    return [Figure(case, "ms from a look to the commit in staging", median(ours) * 1e3, None, {"bare request": ratio})]


async def _followed(http: httpx.AsyncClient, link: str) -> str:
    """Reads to the end of what there is; returns the delta link for what comes next."""
    while True:
        body = (await http.get(link)).raise_for_status().json()
        if "@odata.deltaLink" in body:
            return str(body["@odata.deltaLink"])
        link = body["@odata.nextLink"]


async def _timed(do: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await do()
    return time.perf_counter() - began


async def _bare(http: httpx.AsyncClient, number: int) -> None:
    row = {"accountid": str(uuid.UUID(int=number)), "name": f"account {number}"}
    (await http.post("accounts", json=row)).raise_for_status()


async def _ours(source: OdataSource, number: int) -> None:
    key = str(uuid.UUID(int=number))
    await source.write(Change(key, ENTITY, key, "create", {"name": f"account {number}"}))

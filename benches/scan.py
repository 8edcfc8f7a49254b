"""Filter scans beside DuckDB and Polars: the same rows and questions in one run, one thread each.

The engine's answer is the set of the rows that pass, from which their number is known. The others are asked for the
number, for the rows, and Polars for a bit for each row; the goal is the quickest way to the number or the rows.
Times are those of the quickest round: whatever else the machine does can only add to them.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benches.figures import Figure, at_most
from benches.measure import Answer, MeasureError, Worker, example, interleaved
from benches.session import Session

RIVALS = Path(__file__).with_name("scan_rivals.py")
ONE_THREAD = {"POLARS_MAX_THREADS": "1"}
ENGINE = "engine"
BITS = ", bits"


def run(session: Session) -> list[Figure]:
    """Asks all three, case by case."""
    session.doing("building")
    program = example("haversack-engine", "bench_scan")
    rows, rounds = session.size(10_000_000, 200_000), session.size(15, 3)
    with ExitStack() as stack:
        session.doing(f"{rows:,} rows into the engine")
        engine = stack.enter_context(Worker([program, "--rows", str(rows), "--folder", str(session.folder)]))
        told = engine.hear()
        windows = {case["name"]: case["windows"] for case in told["cases"]}
        job = json.dumps({"folder": str(session.folder), "cities": told["cities"], "windows": windows})
        rivals: dict[str, tuple[Worker, Answer]] = {}
        for name in ("duckdb", "polars"):
            session.doing(f"{rows:,} rows into {name}")
            worker = stack.enter_context(Worker([sys.executable, str(RIVALS), name], ONE_THREAD))
            rivals[name] = worker, worker.ask(job)
        figures = [Figure(f"{rows:,} rows", "columns, bytes a row", told["column_bytes_per_row"])]
        figures.extend(_upkeep(told["upkeep"]))
        for case in windows:
            session.doing(case)
            figures.extend(_case(case, rounds, engine, rivals))
        return figures


def _case(case: str, rounds: int, engine: Worker, rivals: dict[str, tuple[Worker, Answer]]) -> Iterator[Figure]:
    asked: dict[str, Callable[[], Answer]] = {ENGINE: partial(_second, engine, case)}
    for name, (worker, ready) in rivals.items():
        for found, form in ready["asked"]:
            if found == case:
                asked[f"{name} {ready['version']}, {form}"] = partial(_second, worker, json.dumps([case, form]))
    answers = interleaved(rounds, asked)
    counts = {answer["rows"] for answers_of_one in answers.values() for answer in answers_of_one}
    if len(counts) != 1:
        raise MeasureError(f"{case}: they differ on how many rows pass: {sorted(counts)}")
    seconds = {name: min(answer["seconds"] for answer in found) for name, found in answers.items()}
    ours = seconds.pop(ENGINE)
    ratios = {name: ours / theirs for name, theirs in seconds.items()}
    goal = at_most(min(theirs for name, theirs in seconds.items() if not name.endswith(BITS)) * 1e3)
    yield Figure(f"{case}: {counts.pop():,} rows pass", "ms", ours * 1e3, goal, ratios)


def _upkeep(commits: list[Answer]) -> Iterator[Figure]:
    for commit in commits:
        changed, tests = commit["changed"], commit["tests"]
        each = commit["seconds"] / changed / tests * 1e9
        yield Figure(f"{changed:,} rows change, {tests} tests", "ns of upkeep a row and test", each)


def _second(worker: Worker, question: str) -> Answer:
    """Asks twice and takes the second answer: whoever came before has used the processor's caches for itself."""
    worker.ask(question)
    return worker.ask(question)

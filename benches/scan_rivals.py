"""DuckDB or Polars, asked the questions of the scan benchmark.

`python scan_rivals.py duckdb|polars` takes a job on standard input, and answers each further line, a case and a form,
with a JSON line of how long that took. The forms are what one can ask for: how many rows pass, their numbers, and
(Polars alone) a bit for each row. Polars takes its threads from the environment when it is imported, so that each
system has a process of its own.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl

COLUMNS = {
    "statuscode": np.uint8,
    "rating": np.uint8,
    "quantity": np.int32,
    "city": np.uint16,
    "createdon": np.int64,
    "modifiedon": np.int64,
    "measuredon": np.int64,
}
NULL = -1
"""What stands for no quantity."""

Found = int | pl.Series | np.ndarray[Any, Any]
Asked = Callable[[], Found]
"""Asks once; returns how many rows passed, a bit for each row, or the rows."""


def conditions(windows: dict[str, list[list[int]]]) -> dict[str, str]:
    """What DuckDB is asked, by case. Text is kept as VARCHAR and, twice, as ENUM."""

    def within(column: str, case: str) -> str:
        start, end = windows[case][0]
        return f"{column} >= make_timestamp({start}) and {column} < make_timestamp({end})"

    return {
        "choice equality": "statuscode = 3",
        "choice in": "statuscode in (1, 4, 7)",
        "narrow int equality": "rating = 42",
        "int equality": "quantity = 4242",
        "int inequality": "quantity is distinct from 4242",
        "range": "quantity between 20000 and 40000",
        "three-clause and": "statuscode = 3 and quantity >= 50000 and " + within("modifiedon", "three-clause and"),
        "like, a start": "city like 'Aar%'",
        "like, within": "city like '%bor%'",
        **{case: within(column, case) for case, column in DATES.items()},
    }


DATES = {
    "last 30 days, by the second": "modifiedon",
    "last 30 days, by the microsecond": "measuredon",
    "last 30 days, ascending": "createdon",
}


def expressions(windows: dict[str, list[list[int]]]) -> dict[str, pl.Expr]:
    """What Polars is asked, by case."""

    def within(column: str, case: str) -> pl.Expr:
        start, end = (pl.lit(bound).cast(pl.Datetime("us")) for bound in windows[case][0])
        return (pl.col(column) >= start) & (pl.col(column) < end)

    quantity, status = pl.col("quantity"), pl.col("statuscode")
    return {
        "choice equality": status == 3,
        "choice in": status.is_in([1, 4, 7]),
        "narrow int equality": pl.col("rating") == 42,
        "int equality": quantity == 4242,
        "int inequality": quantity.ne_missing(4242),
        "range": quantity.is_between(20000, 40000),
        "three-clause and": (status == 3) & (quantity >= 50000) & within("modifiedon", "three-clause and"),
        "like, a start": pl.col("city").cat.starts_with("Aar"),
        "like, within": pl.col("text").str.contains("bor", literal=True),
        **{case: within(column, case) for case, column in DATES.items()},
    }


def frame(folder: Path, cities: list[str]) -> pl.DataFrame:
    """The orders: `city` is categorical, `text` is the same as text."""
    raw = {name: np.fromfile(folder / name, dtype=kind) for name, kind in COLUMNS.items()}
    names = pl.Series(cities)
    quantity = pl.Series("quantity", raw["quantity"])
    dates = [pl.Series(name, raw[name]).cast(pl.Datetime("us")) for name in DATES.values()]
    text = names.gather(pl.Series(raw["city"]).cast(pl.UInt32)).alias("text")
    orders = pl.DataFrame(
        [pl.Series("statuscode", raw["statuscode"]), pl.Series("rating", raw["rating"]), *dates, text]
    )
    nullable = pl.when(quantity != NULL).then(quantity).alias("quantity")
    return orders.with_columns(nullable, pl.col("text").cast(pl.Enum(cities)).alias("city")).rechunk()


def with_polars(folder: Path, job: dict[str, Any]) -> dict[tuple[str, str], Asked]:
    """Polars's answers by case and form."""
    orders = frame(folder, job["cities"])
    asked: dict[tuple[str, str], Asked] = {}
    for case, passes in expressions(job["windows"]).items():
        asked[case, "count"] = partial(_summed, orders, passes)
        asked[case, "rows"] = partial(_evaluated, orders, pl.arg_where(passes))
        asked[case, "bits"] = partial(_evaluated, orders, passes)
    return asked


def _summed(orders: pl.DataFrame, passes: pl.Expr) -> int:
    return int(orders.select(passes.sum()).item())


def _evaluated(orders: pl.DataFrame, expression: pl.Expr) -> pl.Series:
    return orders.select(expression).to_series()


def with_duckdb(folder: Path, job: dict[str, Any]) -> dict[tuple[str, str], Asked]:
    """DuckDB's answers by case and form."""
    connection = duckdb.connect(config={"threads": 1})
    raw = {name: np.fromfile(folder / name, dtype=kind) for name, kind in COLUMNS.items()}
    connection.register("raw", raw)
    connection.execute("create table names as select unnest($cities) as name", {"cities": job["cities"]})
    connection.execute("create type city as enum (select name from names)")
    dates = ", ".join(f"make_timestamp({name}) as {name}" for name in DATES.values())
    connection.execute(f"""
        create table orders as select statuscode, rating, nullif(quantity, {NULL}) as quantity, {dates},
            enum_range(null::city)[city + 1] as text, text::city as city from raw""")
    connection.unregister("raw")
    asked: dict[tuple[str, str], Asked] = {}
    for case, where in conditions(job["windows"]).items():
        # An ENUM is turned into text row by row: DuckDB is quicker with the text.
        passes = where.replace("city", "text")
        asked[case, "count"] = partial(_counted, connection, passes)
        asked[case, "rows"] = partial(_listed, connection, passes)
    return asked


def _counted(connection: duckdb.DuckDBPyConnection, passes: str) -> int:
    found = connection.execute(f"select count(*) from orders where {passes}").fetchone()
    return int(found[0]) if found else 0


def _listed(connection: duckdb.DuckDBPyConnection, passes: str) -> np.ndarray[Any, Any]:
    rows: np.ndarray[Any, Any] = connection.execute(f"select rowid from orders where {passes}").fetchnumpy()["rowid"]
    return rows


def _count(found: Found) -> int:
    if isinstance(found, int):
        return found
    if isinstance(found, pl.Series) and found.dtype == pl.Boolean:
        return int(found.sum())
    return len(found)


def main() -> None:
    """Builds the table and answers until standard input ends."""
    job = json.loads(sys.stdin.readline())
    system = {"duckdb": with_duckdb, "polars": with_polars}[sys.argv[1]]
    asked = system(Path(job["folder"]), job)
    version = {"duckdb": duckdb.__version__, "polars": pl.__version__}[sys.argv[1]]
    print(json.dumps({"version": version, "asked": list(asked)}), flush=True)
    for line in sys.stdin:
        case, form = json.loads(line)
        started = time.perf_counter()
        found = asked[case, form]()
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "rows": _count(found)}), flush=True)


if __name__ == "__main__":
    main()
